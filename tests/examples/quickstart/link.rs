//! The transport: TLS, and on it WebSocket where nothing but port 443 is let through.
//!
//! [`Link::send`] and [`Link::receive`] never wait longer than they are told, so whoever drives a
//! [`Client`](iothub_proto::Client) over it is always back in time for the next deadline.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use iothub_proto::time::Instant;
use iothub_proto::websocket::{State, Upgrade, WebSocket};
use rustls::ClientConfig;
use rustls::crypto::ring;

use super::tls::Tls;

/// Bytes of a WebSocket frame at most.
const WINDOW: usize = 4_096;

/// Whom to connect to, and whom to believe that it is them.
pub(crate) struct Remote {
    /// The name to resolve, and to find in the certificate.
    pub(crate) host: String,
    /// The TCP port.
    pub(crate) port: u16,
    /// TLS with its trusted roots.
    pub(crate) tls: Arc<ClientConfig>,
    /// MQTT over WebSocket.
    pub(crate) websocket: bool,
}

/// One connection.
pub(crate) struct Link {
    tls: Tls,
    websocket: Option<WebSocket<'static>>,
    start: std::time::Instant,
}

impl Link {
    /// Connects and makes the handshakes.
    ///
    /// # Errors
    /// No address answers, the certificate is not to be trusted, or the server takes no WebSocket.
    pub(crate) fn open(remote: &Remote) -> io::Result<Self> {
        let tls = Tls::open(remote)?;
        let mut link = Self { tls, websocket: None, start: std::time::Instant::now() };
        if remote.websocket {
            link.upgrade(remote)?;
        }
        Ok(link)
    }

    fn upgrade(&mut self, remote: &Remote) -> io::Result<()> {
        let host = if remote.port == 443 { remote.host.clone() } else { format!("{}:{}", remote.host, remote.port) };
        let mut random = [0; 32];
        ring::default_provider().secure_random.fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
        let now = self.now();
        let websocket = self.websocket.insert(WebSocket::with_window(WINDOW));
        websocket.connect(now, &Upgrade::new(&host, random)).map_err(io::Error::other)?;
        self.settle(|state| state == State::Open)
    }

    /// Waits for the server's part of a handshake of WebSocket's, which has a deadline.
    fn settle(&mut self, done: impl Fn(State) -> bool) -> io::Result<()> {
        // What else comes is nobody's: nothing was asked for yet, or nothing is awaited any more.
        let mut room = [0; 1_024];
        loop {
            self.send(&[])?;
            let now = self.now();
            let Some(websocket) = &mut self.websocket else { return Ok(()) };
            websocket.handle_timeout(now).map_err(io::Error::other)?;
            if done(websocket.state()) {
                return Ok(());
            }
            let wait = websocket.poll_timeout().map_or(0, |at| at.since(now).as_millis());
            self.receive(&mut room, Duration::from_millis(wait))?;
        }
    }

    /// Which TLS was agreed upon.
    pub(crate) fn version(&self) -> &'static str {
        self.tls.version()
    }

    /// Sends what fits of `mqtt` and gives how many bytes they were; 0 if the socket is full.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) fn send(&mut self, mqtt: &[u8]) -> io::Result<usize> {
        let now = self.now();
        let Some(websocket) = &mut self.websocket else { return self.tls.send(mqtt) };
        let mut sent = 0;
        // In frames, and answers to pings in between.
        while let Some(lent) = websocket.poll_transmit(mqtt.get(sent..)) {
            match self.tls.send(lent)? {
                0 => break,
                count => sent += websocket.confirm_transmit(now, count).map_err(io::Error::other)?,
            }
        }
        Ok(sent)
    }

    /// Whether bytes wait for room in the socket.
    pub(crate) fn is_full(&self) -> bool {
        self.tls.is_full()
    }

    /// Waits at most for `wait` and gives how many bytes of MQTT came into `room`: 0 if there are none yet.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) fn receive(&mut self, room: &mut [u8], wait: Duration) -> io::Result<usize> {
        if let Some(error) = self.websocket.as_ref().and_then(WebSocket::error) {
            return Err(io::Error::other(error));
        }
        let received = self.tls.receive(room, wait)?;
        let now = self.now();
        let Some(websocket) = &mut self.websocket else { return Ok(received) };
        // In place: frames need no memory of their own.
        let mqtt = websocket.handle_input_in_place(now, &mut room[..received]);
        // An answer to a ping, or a last word.
        self.send(&[])?;
        mqtt.map_err(io::Error::other)
    }

    /// Says good-bye in WebSocket and in TLS, to a peer that may be gone already, and closes.
    pub(crate) fn close(mut self) {
        let now = self.now();
        if let Some(websocket) = &mut self.websocket
            && websocket.disconnect(now).is_ok()
        {
            let _ = self.settle(|state| state == State::Closed);
        }
        self.tls.close();
    }

    /// For the demonstration: the cable is cut after so many bytes more, wherever in a packet that is.
    pub(crate) const fn cut_after(&mut self, bytes: usize) {
        self.tls.cut_after(bytes);
    }

    /// Milliseconds since the start.
    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
