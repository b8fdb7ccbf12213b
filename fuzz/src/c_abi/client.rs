//! A client behind the C functions, with the verbs of Rust's.

use iothub::client::*;
use iothub::commands::*;
use iothub::config::{iothub_config, iothub_config_init, iothub_storage};
use iothub::error::{iothub_client_last_error, iothub_error};
use iothub::event::iothub_event;
use iothub::parts::*;
use iothub::request::iothub_kept_request;
use iothub::state::*;
use iothub::telemetry::{iothub_property, iothub_telemetry};
use iothub::twin::*;
use iothub::types::*;
use iothub_proto::error::{Error, TimeoutReason};
use iothub_proto::event::{KeptRequestId, MessageToken, TelemetryToken, TwinToken, Withdrawn};
use iothub_proto::time::Instant;
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Handled, Parts, Pending, State, Telemetry};
use std::mem::{MaybeUninit, size_of, zeroed};
use std::ptr::null;

use super::translate::{self, Places};
use crate::machine::Machine;
use crate::plant::{Plant, planted};
use crate::session::{DEVICE, HOST, Setup};

/// Everything that a client of C stands on, each in an allocation of its exact size.
pub(super) struct Client {
    place: Box<MaybeUninit<iothub_client>>,
    tx: Box<[u8]>,
    _slots: Box<[MaybeUninit<iothub_slot>]>,
    _inbound: Box<[MaybeUninit<iothub_inbound>]>,
    _names: [Box<str>; 2],
}

pub(super) fn text(text: &str) -> iothub_str {
    iothub_str { ptr: text.as_ptr().cast(), len: text.len() }
}

pub(super) fn bytes(bytes: &[u8]) -> iothub_bytes {
    iothub_bytes { ptr: bytes.as_ptr(), len: bytes.len() }
}

impl Client {
    /// `None` if the memory is too small for the handshake.
    pub(super) fn new(setup: &Setup) -> Option<Self> {
        let mut client = Self {
            place: Box::new(MaybeUninit::uninit()),
            tx: vec![0xAA; setup.tx.into()].into(),
            _slots: Box::new_uninit_slice(setup.slots.into()),
            _inbound: Box::new_uninit_slice(setup.inbound.into()),
            _names: [HOST.into(), DEVICE.into()],
        };
        // The types of C stand where the box has room for as many of them.
        let (slots, inbound) = (client._slots.as_mut_ptr().cast(), client._inbound.as_mut_ptr().cast());
        let storage = iothub_storage {
            struct_size: size_of::<iothub_storage>() as u32,
            tx: client.tx.as_mut_ptr(),
            tx_len: client.tx.len(),
            slots,
            slots_len: setup.slots.into(),
            inbound,
            inbound_len: setup.inbound.into(),
        };
        let settings = setup.settings();
        let mut config = MaybeUninit::uninit();
        // SAFETY: there is room for a config, and it is written.
        let mut config = unsafe {
            assert_eq!(iothub_config_init(config.as_mut_ptr(), size_of::<iothub_config>()), 0);
            config.assume_init()
        };
        [config.host_name, config.device_id] = [text(&client._names[0]), text(&client._names[1])];
        config.features = settings.features.bits().into();
        config.keep_alive = settings.keep_alive;
        config.send_window = settings.send_window;
        config.clean_session = settings.clean_session.into();
        config.auto_accept = settings.auto_accept.into();
        config.twin_sync = settings.twin_sync.into();
        config.max_packet = settings.max_packet;
        config.stream_payloads = settings.stream_payloads.into();
        let mut error = MaybeUninit::uninit();
        let (place, size) = (client.place.as_mut_ptr(), size_of::<iothub_client>());
        // SAFETY: the memory behind every pointer stays as long as `client` does.
        let (status, error) = unsafe {
            let status = iothub_client_init(place, size, &config, &storage, error.as_mut_ptr());
            (status, error.assume_init())
        };
        if status != 0 {
            assert!(matches!(translate::error(&error), Error::Capacity(_)), "{status}");
            return None;
        }
        Some(client)
    }

    pub(super) fn pointer(&mut self) -> *mut iothub_client {
        self.place.as_mut_ptr()
    }

    fn peek(&self) -> *const iothub_client {
        self.place.as_ptr()
    }

    /// The end, after which it answers nothing.
    pub(super) fn end(mut self) {
        // SAFETY: it was made and is used by nobody else.
        unsafe {
            assert_eq!(iothub_client_deinit(self.pointer()), 0);
            assert_eq!(iothub_client_state(self.peek()), iothub::status::IOTHUB_ERR_NOT_INITIALIZED);
        }
    }

    fn result<T>(&self, status: iothub_status, value: impl FnOnce() -> T) -> Result<T, Error> {
        if status >= 0 {
            return Ok(value());
        }
        let mut error = MaybeUninit::<iothub_error>::uninit();
        // SAFETY: it was made; there is room for an error, and it is written.
        let error = unsafe {
            assert_eq!(iothub_client_last_error(self.peek(), error.as_mut_ptr()), 0);
            error.assume_init()
        };
        assert_eq!(error.status, status, "the last error is that of the last call");
        assert_eq!(iothub::status::iothub_status_is_fatal(status), translate::error(&error).is_fatal());
        Err(translate::error(&error))
    }

    fn telemetry<T>(message: &Telemetry<'_>, call: impl FnOnce(&iothub_telemetry) -> T) -> T {
        let payload: Box<[u8]> = message.payload.into();
        let mut pairs: Vec<(Box<str>, Box<str>)> = Vec::new();
        message.properties.visit(&mut |name, value| pairs.push((name.into(), value.into())));
        let properties: Box<[iothub_property]> =
            pairs.iter().map(|(name, value)| iothub_property { name: text(name), value: text(value) }).collect();
        call(&iothub_telemetry {
            struct_size: size_of::<iothub_telemetry>() as u32,
            qos: message.qos as u32,
            payload: bytes(&payload),
            properties: properties.as_ptr(),
            properties_len: properties.len(),
            system: null(),
        })
    }
}

/// A result that was never written would be this.
const LEFT: u32 = 0xDEAD_BEEF;

fn written(token: u32, status: iothub_status) -> u32 {
    let token = if planted(Plant::OutLeft) && status < 0 { LEFT } else { token };
    assert_eq!(status < 0, token == 0, "zero if and only if the call fails: {token:x} with {status}");
    token
}

// SAFETY, for every call below: the client was made by `new` and not moved, since it stands in a box, and `self` is
// borrowed as the function needs it; every other pointer is to a value or an allocation that lives through the call.
impl Machine for Client {
    fn connect(&mut self, now: Instant, options: &ConnectOptions<'_>) -> Result<(), Error> {
        let options = iothub_connect {
            struct_size: size_of::<iothub_connect>() as u32,
            lifetime_ms: options.lifetime.map_or(0, |span| span.as_millis() as u32),
            password: options.password.map_or(iothub_str { ptr: null(), len: 0 }, text),
            will: null(),
            random: options.random,
            reserved: 0,
        };
        // SAFETY: see above.
        let status = unsafe { iothub_client_connect(self.pointer(), now.as_millis(), &options) };
        self.result(status, || ())
    }

    fn handle_input<'i>(&mut self, now: Instant, input: &'i [u8]) -> Result<Handled<'i>, Error> {
        let copy: Box<[u8]> = input.into();
        let (mut consumed, mut needed) = (usize::MAX, usize::MAX);
        let mut event = MaybeUninit::<iothub_event>::uninit();
        // SAFETY: see above; the event is written, whatever comes of the call.
        let (status, event) = unsafe {
            let (client, data, len) = (self.pointer(), copy.as_ptr(), copy.len());
            let (consumed, needed) = (&raw mut consumed, &raw mut needed);
            let status =
                iothub_client_handle_input(client, now.as_millis(), data, len, consumed, needed, event.as_mut_ptr());
            (status, event.assume_init())
        };
        let event = Places { input, copy: &copy }.event(&event);
        assert!(status >= 0 || (consumed, needed, event.is_none()) == (0, 0, true), "zeros if the call fails");
        self.result(status, || Handled { consumed, needed, event })
    }

    fn has_event(&self) -> bool {
        // SAFETY: see above.
        match unsafe { iothub_client_has_event(self.peek()) } {
            0 => false,
            1 => true,
            status => panic!("{status}"),
        }
    }

    fn poll_transmit(&mut self) -> Option<&[u8]> {
        let mut data = null();
        // SAFETY: see above.
        let len = unsafe { iothub_client_poll_transmit(self.pointer(), &mut data) };
        let len = usize::try_from(len).expect("it never fails") - usize::from(planted(Plant::Lend) && len > 0);
        let within = |start: usize, size: usize| data.addr() >= start && data.addr() + len <= start + size;
        let in_tx = within(self.tx.as_ptr().addr(), self.tx.len());
        assert!(len == 0 || in_tx || within(self.peek().addr(), size_of::<iothub_client>()), "lent from elsewhere");
        // SAFETY: it lies in memory of this client, and stays as it is until the next call that says otherwise.
        (len > 0).then(|| unsafe { std::slice::from_raw_parts(data, len) })
    }

    fn confirm_transmit(&mut self, now: Instant, count: usize) -> Result<(), Error> {
        // SAFETY: see above.
        let status = unsafe { iothub_client_confirm_transmit(self.pointer(), now.as_millis(), count) };
        self.result(status, || ())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // SAFETY: see above.
        let at = unsafe { iothub_client_poll_timeout(self.peek()) };
        Some(Instant::from_millis(at)).filter(|_| at != IOTHUB_NEVER)
    }

    fn timeout_reason(&self) -> Option<TimeoutReason> {
        // SAFETY: see above.
        let reason = unsafe { iothub_client_timeout_reason(self.peek()) };
        translate::reason(if planted(Plant::Reason) { reason % 12 } else { reason })
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        // SAFETY: see above.
        let status = unsafe { iothub_client_handle_timeout(self.pointer(), now.as_millis()) };
        self.result(status, || ())
    }

    fn handle_eof(&mut self, now: Instant) -> Result<(), Error> {
        // SAFETY: see above.
        let status = unsafe { iothub_client_handle_eof(self.pointer(), now.as_millis()) };
        self.result(status, || ())
    }

    fn disconnect(&mut self, now: Instant) -> Result<(), Error> {
        // SAFETY: see above.
        let status = unsafe { iothub_client_disconnect(self.pointer(), now.as_millis()) };
        self.result(status, || ())
    }

    fn subscribe(&mut self, now: Instant, features: Features) -> Result<(), Error> {
        // SAFETY: see above.
        let status = unsafe { iothub_client_subscribe(self.pointer(), now.as_millis(), features.bits().into()) };
        self.result(status, || ())
    }

    fn send_telemetry(&mut self, now: Instant, message: &Telemetry<'_>) -> Result<TelemetryToken, Error> {
        let (client, mut token) = (self.pointer(), LEFT);
        let status = Self::telemetry(message, |message| {
            // SAFETY: see above.
            unsafe { iothub_client_send_telemetry(client, now.as_millis(), message, &mut token) }
        });
        let token = written(token, status);
        self.result(status, || TelemetryToken::from_bits(token))
    }

    fn send_telemetry_parts(
        &mut self,
        now: Instant,
        message: &Telemetry<'_>,
        parts: Parts,
    ) -> Result<TelemetryToken, Error> {
        let (client, mut token) = (self.pointer(), LEFT);
        let (now, Parts { len, room }) = (now.as_millis(), parts);
        let status = Self::telemetry(message, |message| {
            // SAFETY: see above.
            unsafe { iothub_client_send_telemetry_parts(client, now, message, len, room, &mut token) }
        });
        let token = written(token, status);
        self.result(status, || TelemetryToken::from_bits(token))
    }

    fn telemetry_part(&mut self, now: Instant, token: TelemetryToken, offset: u32, part: &[u8]) -> Result<(), Error> {
        let (now, part): (u64, Box<[u8]>) = (now.as_millis(), part.into());
        // SAFETY: see above.
        let status =
            unsafe { iothub_client_telemetry_part(self.pointer(), now, token.to_bits(), offset, bytes(&part)) };
        self.result(status, || ())
    }

    fn telemetry_withdraw(&mut self, now: Instant, token: TelemetryToken) -> Result<Withdrawn, Error> {
        let mut withdrawn = LEFT;
        // SAFETY: see above.
        let status = unsafe {
            iothub_client_telemetry_withdraw(self.pointer(), now.as_millis(), token.to_bits(), &mut withdrawn)
        };
        let withdrawn = written(withdrawn, status);
        self.result(status, || match withdrawn {
            IOTHUB_WITHDRAWN_UNSENT => Withdrawn::Unsent,
            IOTHUB_WITHDRAWN_MAYBE_SENT => Withdrawn::MaybeSent,
            other => panic!("withdrawn: {other}"),
        })
    }

    fn message_accept(&mut self, now: Instant, token: MessageToken) -> Result<(), Error> {
        // SAFETY: see above.
        let status = unsafe { iothub_client_message_accept(self.pointer(), now.as_millis(), token.to_bits()) };
        self.result(status, || ())
    }

    fn message_leave(&mut self, now: Instant, token: MessageToken) -> Result<(), Error> {
        // SAFETY: see above.
        let status = unsafe { iothub_client_message_leave(self.pointer(), now.as_millis(), token.to_bits()) };
        self.result(status, || ())
    }

    fn method_respond(&mut self, now: Instant, id: &KeptRequestId, http: u16, body: &[u8]) -> Result<(), Error> {
        let (name, body): (&str, Box<[u8]>) = (id.id().as_str(), body.into());
        // SAFETY: it is numbers.
        let mut kept: iothub_kept_request = unsafe { zeroed() };
        kept.id[..name.len()].copy_from_slice(name.as_bytes());
        kept.id_len = name.len() as u8;
        kept.connection = id.id().connection().into();
        let (now, body) = (now.as_millis(), bytes(&body));
        // SAFETY: see above.
        let status = unsafe { iothub_client_method_respond_kept(self.pointer(), now, &kept, http.into(), body) };
        self.result(status, || ())
    }

    fn twin_get(&mut self, now: Instant) -> Result<TwinToken, Error> {
        let mut token = LEFT;
        // SAFETY: see above.
        let status = unsafe { iothub_client_twin_get(self.pointer(), now.as_millis(), &mut token) };
        let token = written(token, status);
        self.result(status, || TwinToken::from_bits(token))
    }

    fn twin_report(&mut self, now: Instant, patch: &[u8]) -> Result<TwinToken, Error> {
        let (patch, mut token): (Box<[u8]>, _) = (patch.into(), LEFT);
        // SAFETY: see above.
        let status = unsafe { iothub_client_twin_report(self.pointer(), now.as_millis(), bytes(&patch), &mut token) };
        let token = written(token, status);
        self.result(status, || TwinToken::from_bits(token))
    }

    fn state(&self) -> State {
        // SAFETY: see above.
        let state = unsafe { iothub_client_state(self.peek()) };
        State::ALL[usize::try_from(state).expect("it never fails")]
    }

    fn pending(&self) -> Pending {
        let mut pending = MaybeUninit::<iothub_pending>::uninit();
        // SAFETY: see above; it is written.
        let it = unsafe {
            assert_eq!(iothub_client_pending(self.peek(), pending.as_mut_ptr()), 0);
            pending.assume_init()
        };
        let small = |count: u32| u16::try_from(count).expect("of 16 bits");
        Pending {
            telemetry: small(it.telemetry),
            twin_requests: small(it.twin_requests),
            method_answers: small(it.method_answers),
            messages: small(it.messages),
        }
    }

    fn unacked(&self) -> Vec<TelemetryToken> {
        let mut count = usize::MAX;
        // SAFETY: see above; of no room nothing is written.
        unsafe { assert_eq!(iothub_client_unacked(self.peek(), null::<u32>().cast_mut(), 0, &mut count), 0) };
        let mut tokens = vec![0; count].into_boxed_slice();
        // SAFETY: see above.
        unsafe { assert_eq!(iothub_client_unacked(self.peek(), tokens.as_mut_ptr(), tokens.len(), &mut count), 0) };
        assert_eq!(count, tokens.len());
        tokens.iter().map(|token| TelemetryToken::from_bits(*token)).collect()
    }

    fn tx_free(&self) -> usize {
        // SAFETY: see above.
        usize::try_from(unsafe { iothub_client_tx_free(self.peek()) }).expect("it never fails")
    }

    fn strays(&self) -> u32 {
        let mut strays = LEFT;
        // SAFETY: see above.
        unsafe { assert_eq!(iothub_client_strays(self.peek(), &mut strays), 0) };
        strays
    }
}
