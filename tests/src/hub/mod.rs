//! An IoT Hub in memory: a machine without I/O, for driving clients in tests.
//!
//! Bytes of each connection go in by [`Hub::handle_input`] and come out by [`Hub::poll_transmit`]; time goes in
//! by [`Hub::handle_timeout`]. The service's side is called directly: [`Hub::register`], [`Hub::send_message`],
//! [`Hub::patch_desired`], [`Hub::invoke`], [`Hub::take_telemetry`]. What should go wrong is set in
//! [`Hub::faults`]. Whatever a client does wrong is listed in [`Hub::violations`], and ends its connection.
//!
//! An identity is named by its MQTT client id: `{device}` or `{device}/{module}`.
//!
//! | file | what |
//! |---|---|
//! | `codec` | MQTT 3.1.1 packets, server's side |
//! | `topic` | percent-encoding, property bags, topic filters |
//! | `config` | behaviour and faults |
//! | `connection` | buffers, timers and end of one connection |
//! | `registry`, `sas`, `sign_in` | who may connect, and how that is proven |
//! | `session` | subscriptions, packets in flight, resumption |
//! | `telemetry`, `message`, `twin`, `method` | what the hub is for |
//! | `route` | outputs of modules to inputs of others, as an IoT Edge gateway has them |
//! | `dps` | the Device Provisioning Service beside it |
//!
//! ```
//! use iothub_proto::time::Instant;
//! use iothub_tests::hub::{CloseReason, Hub, HubConfig};
//!
//! let mut hub = Hub::new(HubConfig::new("contoso.azure-devices.net"));
//! let conn = hub.accept(Instant::ZERO, None);
//! hub.handle_input(conn, Instant::ZERO, &[0xc0, 0x00]); // PINGREQ before CONNECT
//! assert!(matches!(hub.wants_close(conn), Some(CloseReason::Violation(_))));
//! assert_eq!(hub.violations().len(), 1);
//! ```

pub mod codec;
mod config;
mod connection;
mod dps;
mod message;
mod method;
mod registry;
mod route;
mod sas;
mod session;
mod sign_in;
mod telemetry;
pub mod topic;
mod twin;

use std::collections::{BTreeMap, BTreeSet};

use iothub_proto::time::Instant;

use codec::{Malformed, Packet};
use connection::{Connection, State};
use method::Call;
use registry::Entry;

pub use config::{Cut, Faults, HubConfig};
pub use connection::{CloseReason, ConnId, Traffic, Violation};
pub use dps::{Dps, Enrollment, Registered};
pub use message::{CloudMessage, MessageId, Outcome, SendError};
pub use method::{CallId, CallResult};
pub use registry::{Credentials, PeerCertificate};
pub use route::Route;
pub use telemetry::{MAX_MESSAGE, Telemetry};

/// Largest packet that is read at all: the largest message, its topic and the headers.
const MAX_PACKET: usize = MAX_MESSAGE + 65_535 + 9;

/// The whole service.
#[derive(Debug)]
pub struct Hub {
    pub(crate) config: HubConfig,
    /// What is to go wrong.
    pub faults: Faults,
    /// The provisioning service.
    pub dps: Dps,
    now: Instant,
    policies: BTreeMap<String, Vec<u8>>,
    routes: Vec<Route>,
    entries: BTreeMap<String, Entry>,
    conns: BTreeMap<ConnId, Connection>,
    /// The open connection of each client.
    online: BTreeMap<String, ConnId>,
    opened: u32,
    outcomes: Vec<Outcome>,
    calls: Vec<Call>,
    stray_answers: u32,
    telemetry: Vec<Telemetry>,
    violations: Vec<Violation>,
}

impl Hub {
    /// A hub without devices.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        Self {
            config,
            faults: Faults::default(),
            dps: Dps::new(),
            now: Instant::ZERO,
            policies: BTreeMap::new(),
            routes: Vec::new(),
            entries: BTreeMap::new(),
            conns: BTreeMap::new(),
            online: BTreeMap::new(),
            opened: 0,
            outcomes: Vec::new(),
            calls: Vec::new(),
            stray_answers: 0,
            telemetry: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// Opens a connection: the transport is up. `peer` is the client certificate that TLS was shown.
    pub fn accept(&mut self, now: Instant, peer: Option<PeerCertificate>) -> ConnId {
        self.advance(now);
        self.opened += 1;
        let id = ConnId(self.opened);
        let cut = self.faults.cuts.pop_front().unwrap_or_default();
        let connection = Connection::new(self.now, self.config.connect_timeout, peer, cut);
        self.conns.insert(id, connection);
        id
    }

    /// Takes bytes from the client.
    pub fn handle_input(&mut self, conn: ConnId, now: Instant, bytes: &[u8]) {
        self.advance(now);
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        if matches!(connection.state, State::Ended(_)) {
            return;
        }
        let cut = connection.receive(bytes);
        if let Err(reason) = self.read_packets(conn) {
            self.end(conn, reason);
        } else if cut {
            self.end(conn, CloseReason::Fault);
        }
    }

    /// Takes at most `max` bytes to send to the client.
    #[must_use]
    pub fn poll_transmit(&mut self, conn: ConnId, max: usize) -> Vec<u8> {
        let Some(connection) = self.conns.get_mut(&conn) else { return Vec::new() };
        let bytes = connection.take(max);
        if connection.cut_reached() {
            self.end(conn, CloseReason::Fault);
        }
        bytes
    }

    /// Why the transport is to be closed, once everything to send is taken; `None` while it is to stay.
    #[must_use]
    pub fn wants_close(&self, conn: ConnId) -> Option<CloseReason> {
        let connection = self.conns.get(&conn)?;
        match connection.state {
            State::Ended(reason) if !connection.has_output() => Some(reason),
            _ => None,
        }
    }

    /// The transport is gone, whoever closed it. Forgets the connection.
    pub fn handle_eof(&mut self, conn: ConnId, now: Instant) {
        self.advance(now);
        self.end(conn, CloseReason::TransportClosed);
        self.conns.remove(&conn);
    }

    /// When [`Hub::handle_timeout`] has something to do next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let connections = self.conns.values().filter_map(Connection::timeout);
        let locks = self.online.keys().filter_map(|client| self.entries.get(client)?.session.as_ref()?.next_lock());
        let expiries = self.entries.values().filter_map(Entry::next_expiry);
        connections.chain(locks).chain(expiries).chain(self.next_call_deadline()).min()
    }

    /// Does what is due at `now`: held back answers, timers of connections, locks, lifetimes, calls.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        let now = self.now;
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        let mut ended = Vec::new();
        for (&id, connection) in &mut self.conns {
            if matches!(connection.state, State::Ended(_)) {
                continue;
            }
            connection.release_due(now);
            if connection.expires.is_some_and(|expires| expires <= now) {
                ended.push((id, CloseReason::TokenExpired));
            } else if connection.silence.0 <= now {
                let early = connection.state == State::AwaitingConnect;
                ended.push((id, if early { CloseReason::NoConnect } else { CloseReason::KeepAlive }));
            }
        }
        for (id, reason) in ended {
            self.end(id, reason);
        }
        for client in self.entries.keys().cloned().collect::<Vec<_>>() {
            if self.online.contains_key(&client) {
                self.unlock_messages(&client)
            } else {
                self.expire_messages(&client)
            }
        }
        self.expire_calls();
    }

    /// The connections that have something to send or are to be closed.
    #[must_use]
    pub fn ready(&self) -> Vec<ConnId> {
        let ready = |connection: &Connection| connection.has_output() || matches!(connection.state, State::Ended(_));
        self.conns.iter().filter(|(_, connection)| ready(connection)).map(|(&id, _)| id).collect()
    }

    /// The open connection of a client.
    #[must_use]
    pub fn connection(&self, client_id: &str) -> Option<ConnId> {
        self.online.get(client_id).copied()
    }

    /// What the open connection of a client has cost so far.
    #[must_use]
    pub fn traffic(&self, client_id: &str) -> Option<Traffic> {
        Some(self.conns.get(self.online.get(client_id)?)?.traffic)
    }

    /// What clients did wrong so far.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Cuts a connection at these byte counts, which start with its opening.
    pub fn cut(&mut self, conn: ConnId, cut: Cut) {
        if let Some(connection) = self.conns.get_mut(&conn) {
            connection.cut = cut;
        }
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, conn: ConnId, bytes: &[u8]) {
        if let Some(connection) = self.conns.get_mut(&conn) {
            connection.send(self.now, self.now, bytes.to_vec(), None);
        }
    }

    /// Ends the connection of a client for a reason of the test's choice, such as `TakenOver` or `TokenExpired`.
    pub fn end_client(&mut self, client_id: &str, reason: CloseReason) {
        if let Some(&conn) = self.online.get(client_id) {
            self.end(conn, reason);
        }
    }

    /// Ends every connection, as a failover does, and forgets the sessions if `keep_sessions` is false.
    /// Queued messages and twins stay.
    pub fn restart(&mut self, keep_sessions: bool) {
        for conn in self.conns.keys().copied().collect::<BTreeSet<_>>() {
            self.end(conn, CloseReason::Fault);
        }
        if !keep_sessions {
            for client in self.entries.keys().cloned().collect::<Vec<_>>() {
                self.drop_session(&client);
            }
        }
    }

    /// Wall-clock time in Unix seconds.
    #[must_use]
    pub const fn unix_now(&self) -> u64 {
        self.config.unix_base + self.now.as_millis() / 1_000
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn client_id(&self, conn: ConnId) -> String {
        self.conns.get(&conn).map(|connection| connection.client_id.clone()).unwrap_or_default()
    }

    /// Queues an answer, held back if the faults say so.
    fn reply(&mut self, conn: ConnId, packet: Vec<u8>) {
        let at = self.now + self.faults.answer_delay;
        if let Some(connection) = self.conns.get_mut(&conn) {
            connection.send(self.now, at, packet, None);
        }
    }

    /// Sends the PUBACK of a QoS 1 publish, unless it is to be dropped.
    fn acknowledge(&mut self, conn: ConnId, packet_id: Option<u16>) {
        let Some(packet_id) = packet_id else { return };
        if self.faults.drop_pubacks > 0 {
            self.faults.drop_pubacks -= 1;
            return;
        }
        let at = self.now + self.faults.puback_delay;
        if let Some(connection) = self.conns.get_mut(&conn) {
            connection.send(self.now, at, codec::puback(packet_id), Some(packet_id));
        }
    }

    /// Handles the whole packets that have arrived.
    fn read_packets(&mut self, conn: ConnId) -> Result<(), CloseReason> {
        let violation = |Malformed(what)| CloseReason::Violation(what);
        let Some(connection) = self.conns.get_mut(&conn) else { return Ok(()) };
        let inbox = core::mem::take(&mut connection.inbox);
        let mut rest = inbox.as_slice();
        while let Some(len) = codec::frame_len(rest).map_err(violation)? {
            if len > MAX_PACKET {
                return Err(CloseReason::Violation("packet larger than any message"));
            }
            let Some((frame, behind)) = rest.split_at_checked(len) else { break };
            rest = behind;
            self.on_packet(conn, codec::decode(frame).map_err(violation)?)?;
        }
        if let Some(connection) = self.conns.get_mut(&conn) {
            connection.inbox = rest.to_vec();
        }
        Ok(())
    }

    fn on_packet(&mut self, conn: ConnId, packet: Packet) -> Result<(), CloseReason> {
        let Some(connection) = self.conns.get_mut(&conn) else { return Ok(()) };
        match (connection.state, packet) {
            (State::AwaitingConnect, Packet::Connect(connect)) if connection.registrant.is_some() => {
                return self.on_dps_connect(conn, &connect);
            }
            (State::AwaitingConnect, Packet::Connect(connect)) => return self.on_connect(conn, *connect),
            (State::AwaitingConnect, _) => return Err(CloseReason::Violation("first packet is not CONNECT")),
            (State::Open, packet) => {
                connection.silence.0 = self.now + connection.silence.1;
                match packet {
                    packet if connection.registrant.is_some() => self.on_dps_packet(conn, packet)?,
                    Packet::Connect(_) => return Err(CloseReason::Violation("second CONNECT")),
                    Packet::Publish(publish) => self.on_publish(conn, publish)?,
                    Packet::PubAck(id) => self.on_puback(conn, id)?,
                    Packet::Subscribe(id, filters) => self.on_subscribe(conn, id, filters)?,
                    Packet::Unsubscribe(id, filters) => self.on_unsubscribe(conn, id, &filters),
                    Packet::PingReq if self.faults.ignore_pings => {}
                    Packet::PingReq => self.reply(conn, codec::pingresp()),
                    Packet::Disconnect => return Err(CloseReason::Disconnected),
                }
            }
            (State::Ended(_), _) => {}
        }
        Ok(())
    }

    /// Ends a connection once: will, session, record of violations.
    fn end(&mut self, conn: ConnId, reason: CloseReason) {
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        if matches!(connection.state, State::Ended(_)) {
            return;
        }
        connection.end(reason);
        let client_id = connection.client_id.clone();
        let will = connection.will.take().filter(|_| reason != CloseReason::Disconnected);
        if let CloseReason::Violation(what) = reason {
            self.violations.push(Violation { conn, client_id: client_id.clone(), what });
        }
        if self.online.get(&client_id) == Some(&conn) {
            self.online.remove(&client_id);
            if let Some(will) = will {
                self.publish_will(&client_id, conn, will);
            }
            self.detach(&client_id);
        }
    }
}
