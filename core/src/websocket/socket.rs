//! The verbs of a [`WebSocket`] while it lives; how it ends is in [`ending`].

mod ending;

use super::key::{self, Masks};
use super::receive::{Receiver, Step};
use super::transmit::{Lend, Lent};
use super::{State, Unframed, Upgrade};
use crate::error::{CapacityError, UsageError, WebSocketError};
use crate::time::Instant;
#[cfg(feature = "alloc")]
use alloc::{boxed::Box, vec};
use ending::Goodbye;

/// Memory that a frame is masked in.
enum Window<'m> {
    Lent(&'m mut [u8]),
    #[cfg(feature = "alloc")]
    Owned(Box<[u8]>),
}

impl Window<'_> {
    const fn bytes(&mut self) -> &mut [u8] {
        match self {
            Self::Lent(bytes) => bytes,
            #[cfg(feature = "alloc")]
            Self::Owned(bytes) => bytes,
        }
    }
}

/// A WebSocket's client side: bytes of the transport in and out, MQTT's bytes out and in. See the
/// [module](crate::websocket) for how it is driven.
///
/// Errors of the kinds `Peer`, `Refused`, `Closed` and `TimedOut` are fatal. They come from a call that consumed
/// nothing, after the MQTT bytes before them, and are repeated until [`connect`](Self::connect). What is then still to
/// be sent is a last frame that tells the server why; [`state`](Self::state) says when that is over.
pub struct WebSocket<'m> {
    window: Window<'m>,
    lend: Lend,
    state: State,
    receiver: Receiver,
    masks: Masks,
    /// The `Sec-WebSocket-Accept` that is awaited.
    accept: [u8; 28],
    goodbye: Goodbye,
    /// Nothing more is awaited from the server.
    peer_done: bool,
    error: Option<WebSocketError>,
    now: Instant,
    deadline: Instant,
}

impl<'m> WebSocket<'m> {
    /// A WebSocket that frames in `window`, offline. The window holds the request, which has 168 bytes beside the
    /// host, the path and the query: 512 do for every hub. A larger one makes larger frames, each with 6 to 14 bytes
    /// of its own; 8 and a SHA-1 go with each 504 bytes of a large packet in a window of 512.
    #[must_use]
    pub const fn new(window: &'m mut [u8]) -> Self {
        Self::over(Window::Lent(window))
    }

    const fn over(window: Window<'m>) -> Self {
        Self {
            window,
            lend: Lend::NOTHING,
            state: State::Offline,
            receiver: Receiver::new(),
            masks: Masks::new([0; 16]),
            accept: [0; 28],
            goodbye: Goodbye::Unsaid,
            peer_done: false,
            error: None,
            now: Instant::ZERO,
            deadline: Instant::NEVER,
        }
    }

    /// The transport is up: ask the server to upgrade. `now` may be earlier than before.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidState`] unless offline or closed, [`UsageError::BadText`] for a host, path or query that
    /// cannot be sent, [`UsageError::BadSetting`] for a timeout of 0, [`CapacityError::TooLarge`] if the request is larger than the window.
    pub fn connect(&mut self, now: Instant, upgrade: &Upgrade<'_>) -> Result<(), WebSocketError> {
        if now > Instant::MAX {
            return Err(UsageError::BadInstant.into());
        }
        if !matches!(self.state, State::Offline | State::Closed) {
            return Err(UsageError::InvalidState.into());
        }
        upgrade.check()?;
        let [nonce, seed] = halves(&upgrade.random);
        let key = key::key(&nonce);
        let window = self.window.bytes();
        let (needed, capacity) = (upgrade.write(window, &key), window.len());
        if needed > capacity {
            return Err(CapacityError::TooLarge { needed, capacity }.into());
        }
        self.lend = Lend::request(needed);
        self.state = State::Upgrading;
        self.receiver = Receiver::new();
        self.masks = Masks::new(seed);
        self.accept = key::accept(&key);
        self.goodbye = Goodbye::Unsaid;
        self.peer_done = false;
        self.error = None;
        self.now = now;
        self.deadline = now.after(upgrade.timeout);
        Ok(())
    }

    /// Bytes came in. Looks at the front of `input` until there are MQTT bytes or nothing is left; call it again with
    /// the rest, until nothing is consumed.
    ///
    /// # Errors
    ///
    /// A fatal error, when nothing was consumed; [`UsageError::InvalidState`] when offline.
    pub fn handle_input<'i>(&mut self, now: Instant, input: &'i [u8]) -> Result<Unframed<'i>, WebSocketError> {
        self.observe(now)?;
        if let Some(error) = self.error {
            return Err(error);
        }
        match self.state {
            State::Offline => return Err(UsageError::InvalidState.into()),
            State::Closed => return Ok(Unframed { consumed: input.len(), payload: &[] }),
            State::Upgrading | State::Open | State::Closing => {}
        }
        let mut consumed = 0;
        loop {
            let payload = match self.receiver.step(input, &mut consumed, &self.accept) {
                Ok(Step::Opened) => {
                    self.state = State::Open;
                    self.deadline = Instant::NEVER;
                    continue;
                }
                Ok(Step::Payload(payload)) => payload,
                Ok(Step::More) => &[],
                Ok(Step::Closed(code)) => {
                    self.closed_by_peer(code);
                    &[]
                }
                Err(error) => {
                    self.fail(error);
                    match consumed {
                        0 => return Err(error),
                        _ => &[],
                    }
                }
            };
            return Ok(Unframed { consumed, payload });
        }
    }

    /// As [`handle_input`](Self::handle_input), of all that came in: moves the MQTT bytes to the front of `bytes`, and
    /// gives how many they are. The others are used up.
    ///
    /// ```
    /// # use iothub_proto::{RxBuffer, error::WebSocketError, time::Instant, websocket::WebSocket};
    /// # fn receive(
    /// #     socket: &mut WebSocket<'_>, rx: &mut RxBuffer<'_>, now: Instant, read: usize,
    /// # ) -> Result<(), WebSocketError> {
    /// // `read` bytes were received into `rx.space()`:
    /// let mqtt = socket.handle_input_in_place(now, &mut rx.space()[..read])?;
    /// rx.commit(mqtt);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As of `handle_input`, if no MQTT bytes came before it; else the next call gives the error, and
    /// [`error`](Self::error) at once.
    pub fn handle_input_in_place(&mut self, now: Instant, bytes: &mut [u8]) -> Result<usize, WebSocketError> {
        let (mut from, mut to) = (0_usize, 0_usize);
        loop {
            let len = match self.handle_input(now, bytes.get(from..).unwrap_or_default()) {
                Ok(Unframed { consumed: 0, .. }) => break,
                Ok(Unframed { consumed, payload }) => {
                    from = from.saturating_add(consumed);
                    payload.len()
                }
                Err(error) if to == 0 => return Err(error),
                Err(_) => break,
            };
            let start = from.saturating_sub(len);
            if start > to {
                for offset in 0..len {
                    let byte = bytes.get(start.saturating_add(offset)).copied().unwrap_or_default();
                    if let Some(target) = bytes.get_mut(to.saturating_add(offset)) {
                        *target = byte;
                    }
                }
            }
            to = to.saturating_add(len);
        }
        Ok(to)
    }

    /// The bytes to send next. `mqtt` is what the machine above lends: its own `poll_transmit`, each time. Of it as
    /// much is framed as the window holds, once nothing is lent and no control frame is due; before that it is not
    /// looked at.
    ///
    /// What is lent is frozen, same bytes in the same place, until it is confirmed or the connection ends (law 11).
    #[must_use]
    pub fn poll_transmit(&mut self, mqtt: Option<&[u8]>) -> Option<&[u8]> {
        let window = self.window.bytes();
        if self.lend.is_empty() {
            match (self.state, self.goodbye, self.receiver.pong()) {
                (State::Open, _, Some(payload)) => {
                    self.lend = Lend::pong(window, &mut self.masks, payload);
                    self.receiver.pong_taken();
                }
                (State::Open, _, None) => {
                    let mqtt = mqtt.filter(|mqtt| !mqtt.is_empty())?;
                    self.lend = Lend::data(window, &mut self.masks, mqtt);
                }
                (State::Closing, Goodbye::Due(code), _) => {
                    self.lend = Lend::close(window, &mut self.masks, code);
                    self.goodbye = Goodbye::Lent;
                }
                _ => return None,
            }
        }
        self.lend.bytes(window)
    }

    /// The first `count` of the bytes lent were sent. Gives how many of them were MQTT's: so many are to be confirmed
    /// to the machine above.
    ///
    /// # Errors
    ///
    /// [`UsageError::BadConfirm`] if that is more than was lent.
    pub fn confirm_transmit(&mut self, now: Instant, count: usize) -> Result<usize, WebSocketError> {
        self.observe(now)?;
        let (mqtt, ended) = self.lend.confirm(self.window.bytes(), count)?;
        if ended == Some(Lent::Close) {
            self.goodbye_sent();
        }
        Ok(mqtt)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout): the upgrade or the closing handshake takes too long.
    /// `None` while MQTT flows; the machine above has deadlines enough then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline.is_set().then_some(self.deadline)
    }

    /// Time has come. Early calls do nothing, late ones are safe.
    ///
    /// # Errors
    ///
    /// [`WebSocketError::TimedOut`] if the upgrade took too long; any fatal error is repeated until `connect`.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), WebSocketError> {
        self.observe(now)?;
        if self.deadline <= self.now {
            match self.state {
                State::Upgrading => self.fail(WebSocketError::TimedOut),
                _ => self.end(State::Closed),
            }
        }
        self.error.map_or(Ok(()), Err)
    }

    /// Where the connection is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The fatal error of this connection, or of the last one.
    #[must_use]
    pub const fn error(&self) -> Option<WebSocketError> {
        self.error
    }

    /// An earlier `now` than the last counts as the last (law 7).
    fn observe(&mut self, now: Instant) -> Result<(), UsageError> {
        if now > Instant::MAX {
            return Err(UsageError::BadInstant);
        }
        self.now = self.now.max(now);
        Ok(())
    }
}

#[cfg(feature = "alloc")]
impl WebSocket<'static> {
    /// As [`new`](Self::new), with a window of its own of so many bytes.
    #[must_use]
    pub fn with_window(len: usize) -> Self {
        Self::over(Window::Owned(vec![0; len].into_boxed_slice()))
    }
}

fn halves(random: &[u8; 32]) -> [[u8; 16]; 2] {
    let mut halves = [[0; 16]; 2];
    for (half, bytes) in halves.iter_mut().zip(random.chunks_exact(16)) {
        half.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    }
    halves
}

/// A frame that was not sent leaves no password behind (law 10).
impl Drop for WebSocket<'_> {
    fn drop(&mut self) {
        self.lend.wipe(self.window.bytes());
    }
}

impl core::fmt::Debug for WebSocket<'_> {
    /// Without what was sent and received, and without the masks.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WebSocket").field("state", &self.state).field("error", &self.error).finish_non_exhaustive()
    }
}
