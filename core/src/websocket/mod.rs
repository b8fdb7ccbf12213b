//! MQTT over WebSocket on port 443, for devices behind firewalls that let nothing else out: an adapter of byte streams.
//!
//! A [`WebSocket`] stands between the transport and the machine that speaks MQTT, a [`Client`](crate::Client) or
//! another, which does not know of it. It has the same verbs and keeps the same laws:
//!
//! * what comes in goes through [`handle_input`](WebSocket::handle_input), which gives the MQTT bytes in it as they
//!   lie there, or [`handle_input_in_place`](WebSocket::handle_input_in_place), which moves them to the front: a
//!   driver reads into its receive buffer and unframes there, without a buffer for it;
//! * what the machine lends goes through [`poll_transmit`](WebSocket::poll_transmit), which frames and masks it in a
//!   window of the caller's memory and lends that; [`confirm_transmit`](WebSocket::confirm_transmit) tells how many
//!   bytes to confirm to the machine;
//! * [`poll_timeout`](WebSocket::poll_timeout) is one more deadline beside the machine's.
//!
//! Pings are answered, fragments joined, the closing handshake is made, all without the driver. When
//! [`state`](WebSocket::state) is [`Closed`](State::Closed), it closes the transport.
//!
//! ```
//! use iothub_proto::auth::Identity;
//! use iothub_proto::time::Instant;
//! use iothub_proto::websocket::{State, Upgrade, WebSocket};
//! use iothub_proto::{Client, Config, ConnectOptions, Event, Inbound, RxBuffer, Slot, Storage};
//!
//! /// One turn: what was received in, what is to be sent out.
//! fn turn(
//!     client: &mut Client<'_>,
//!     socket: &mut WebSocket<'_>,
//!     rx: &mut RxBuffer<'_>,
//!     now: Instant,
//!     receive: &mut dyn FnMut(&mut [u8]) -> usize,
//!     send: &mut dyn FnMut(&[u8]) -> usize,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let read = receive(rx.space());
//!     // What is fatal on either side ends in `Closed` and in an event, after a last word to the server.
//!     let mqtt = socket.handle_input_in_place(now, &mut rx.space()[..read]).unwrap_or(0);
//!     rx.commit(mqtt);
//!     let _ = (socket.handle_timeout(now), client.handle_timeout(now));
//!     while let Some(event) = client.poll_event(now, rx)? {
//!         if let Event::Disconnected(_) = event {
//!             socket.disconnect(now)?;
//!         }
//!     }
//!     while let Some(bytes) = socket.poll_transmit(client.poll_transmit()) {
//!         let sent = send(bytes);
//!         if sent == 0 {
//!             break;
//!         }
//!         let mqtt = socket.confirm_transmit(now, sent)?;
//!         client.confirm_transmit(now, mqtt)?;
//!     }
//!     if socket.state() == State::Closed {
//!         client.handle_eof(now)?; // The transport is closed, too; `socket.error()` tells why, if it was no polite end.
//!     }
//!     Ok(())
//! }
//!
//! let (mut tx, mut slots, mut inbound) = ([0; 2048], [Slot::EMPTY; 8], [Inbound::EMPTY; 8]);
//! let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
//! let mut client = Client::new(Config::new(Identity::device("contoso.azure-devices.net", "dev1")), storage)?;
//! let (mut window, mut memory) = ([0; 512], [0; 4096]);
//! let (mut socket, mut rx) = (WebSocket::new(&mut window), RxBuffer::new(&mut memory));
//!
//! // TLS is up, to port 443: both begin.
//! let now = Instant::ZERO;
//! let random = *b"the sample nonceand a secret one"; // An example: yours is from a generator.
//! socket.connect(now, &Upgrade::new("contoso.azure-devices.net", random))?;
//! client.connect(now, &ConnectOptions::default())?;
//!
//! // The upgrade goes out; CONNECT waits for its answer.
//! let mut sent = Vec::new();
//! let mut send = |bytes: &[u8]| { sent.extend_from_slice(bytes); bytes.len() };
//! turn(&mut client, &mut socket, &mut rx, now, &mut |_| 0, &mut send)?;
//! assert!(sent.starts_with(b"GET /$iothub/websocket HTTP/1.1\r\nHost: contoso.azure-devices.net\r\n"));
//!
//! let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
//! let mut receive = |room: &mut [u8]| { room[..answer.len()].copy_from_slice(answer); answer.len() };
//! let mut sent = Vec::new();
//! let mut send = |bytes: &[u8]| { sent.extend_from_slice(bytes); bytes.len() };
//! turn(&mut client, &mut socket, &mut rx, now, &mut receive, &mut send)?;
//! assert_eq!(socket.state(), State::Open);
//! assert_eq!(sent[0], 0x82, "CONNECT in a binary frame");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Own code on `sha1`, because no crate that needs no heap was found which takes its randomness from the caller, checks
//! the whole handshake, and gives on what has come of a frame without the rest of it.

mod frame;
mod key;
mod receive;
mod request;
mod response;
mod socket;
mod transmit;

pub use request::{NO_CLIENT_CERTIFICATE, PATH, Upgrade};
pub use response::MAX_RESPONSE;
pub use socket::WebSocket;

/// Where a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum State {
    /// There is none.
    Offline,
    /// The server is asked to upgrade.
    Upgrading,
    /// MQTT flows.
    Open,
    /// One side has said that it is over. No MQTT leaves any more; the last word may still be sent or awaited.
    Closing,
    /// It is over: the transport is to be closed.
    Closed,
}

/// What of an input was taken in, and the MQTT bytes there were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unframed<'i> {
    /// Drop exactly so many bytes from the front of the input.
    pub consumed: usize,
    /// MQTT's bytes: the last of those consumed. Empty if there were none.
    pub payload: &'i [u8],
}

#[cfg(test)]
mod tests;
