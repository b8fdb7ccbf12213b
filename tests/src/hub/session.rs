//! Sessions: subscriptions, and what was sent to the client and is not acknowledged.

use std::collections::{BTreeMap, VecDeque};

use iothub_proto::time::Instant;

use super::{
    CloseReason, ConnId, Hub, codec,
    message::MessageId,
    topic::{Feature, feature},
};

/// Subscriptions that one connection may hold.
const MAX_SUBSCRIPTIONS: usize = 5;

/// SUBACK's return code for a refused filter.
const REFUSED: u8 = 0x80;

/// The state that outlives a connection if the client asked for it (Clean Session 0).
#[derive(Debug)]
pub(super) struct Session {
    clean: bool,
    filters: BTreeMap<String, (Feature, u8)>,
    /// Sent at QoS 1 and not acknowledged, oldest first.
    in_flight: VecDeque<InFlight>,
    last_id: u16,
    /// Order number of the next delivery, and of the last one acknowledged.
    next_order: u64,
    acknowledged: u64,
}

/// A PUBLISH to the client that waits for its PUBACK.
#[derive(Debug)]
struct InFlight {
    packet_id: u16,
    order: u64,
    /// The cloud-to-device message in it, if it is one and its lock holds.
    message: Option<MessageId>,
    /// When the lock ends; the packet id stays in use all the same.
    lock: Instant,
    topic: String,
    payload: Vec<u8>,
}

impl Session {
    pub(super) fn new(clean: bool) -> Self {
        Self { clean, filters: BTreeMap::new(), in_flight: VecDeque::new(), last_id: 0, next_order: 1, acknowledged: 0 }
    }

    /// The QoS granted for a feature, if it is subscribed.
    fn granted(&self, feature: Feature) -> Option<u8> {
        self.filters.values().filter(|(known, _)| *known == feature).map(|&(_, qos)| qos).max()
    }

    fn next_packet_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.in_flight.iter().all(|sent| sent.packet_id != self.last_id) {
                return self.last_id;
            }
        }
    }

    /// The message whose lock ends next.
    pub(super) fn next_lock(&self) -> Option<Instant> {
        self.in_flight.iter().filter(|sent| sent.message.is_some()).map(|sent| sent.lock).min()
    }

    /// Takes the messages whose lock has ended.
    pub(super) fn take_unlocked(&mut self, now: Instant) -> Vec<MessageId> {
        let ended = self.in_flight.iter_mut().filter(|sent| sent.lock <= now);
        ended.filter_map(|sent| sent.message.take()).collect()
    }
}

impl Hub {
    pub(super) fn on_subscribe(
        &mut self,
        conn: ConnId,
        packet_id: u16,
        filters: Vec<(String, u8)>,
    ) -> Result<(), CloseReason> {
        let client_id = self.client_id(conn);
        let close = self.config.close_on_unknown_filter;
        let Some(session) = self.session_mut(&client_id) else { return Ok(()) };
        let mut codes = Vec::new();
        for (filter, qos) in filters {
            let room = session.filters.len() < MAX_SUBSCRIPTIONS || session.filters.contains_key(&filter);
            match feature(&client_id, &filter) {
                None if close => return Err(CloseReason::Violation("topic filter outside the documented set")),
                Some(feature) if room => {
                    session.filters.insert(filter, (feature, qos.min(1)));
                    codes.push(qos.min(1));
                }
                _ => codes.push(REFUSED),
            }
        }
        self.reply(conn, codec::suback(packet_id, &codes));
        self.deliver_messages(&client_id);
        Ok(())
    }

    pub(super) fn on_unsubscribe(&mut self, conn: ConnId, packet_id: u16, filters: &[String]) {
        let client_id = self.client_id(conn);
        if let Some(session) = self.session_mut(&client_id) {
            session.filters.retain(|filter, _| !filters.contains(filter));
        }
        self.reply(conn, codec::unsuback(packet_id));
    }

    pub(super) fn on_puback(&mut self, conn: ConnId, packet_id: u16) -> Result<(), CloseReason> {
        let client_id = self.client_id(conn);
        let Some(session) = self.session_mut(&client_id) else { return Ok(()) };
        let Some(index) = session.in_flight.iter().position(|sent| sent.packet_id == packet_id) else {
            return Err(CloseReason::Violation("PUBACK for a packet id that is not in flight"));
        };
        let Some(sent) = session.in_flight.remove(index) else { return Ok(()) };
        if sent.order < session.acknowledged {
            return Err(CloseReason::Violation("PUBACK out of order"));
        }
        session.acknowledged = sent.order;
        if let Some(message) = sent.message {
            self.complete_message(&client_id, message);
        }
        Ok(())
    }

    /// Whether a client is connected and subscribed to a feature.
    #[must_use]
    pub fn is_subscribed(&self, client_id: &str, feature: Feature) -> bool {
        self.online.contains_key(client_id) && self.granted(client_id, feature).is_some()
    }

    /// The QoS granted to a client for a feature, online or not.
    pub(super) fn granted(&self, client_id: &str, feature: Feature) -> Option<u8> {
        self.entries.get(client_id)?.session.as_ref()?.granted(feature)
    }

    /// Publishes to a client if it is connected and subscribed, at no more than `qos`, after `answer_delay`.
    /// Gives the QoS used.
    pub(super) fn publish_to(
        &mut self,
        client_id: &str,
        feature: Feature,
        qos: u8,
        (topic, payload): (String, &[u8]),
        message: Option<MessageId>,
    ) -> Option<u8> {
        let &conn = self.online.get(client_id)?;
        let qos = self.granted(client_id, feature)?.min(qos);
        let lock = self.now + self.config.lock;
        let mut packet_id = None;
        if qos > 0 {
            let session = self.session_mut(client_id)?;
            let id = session.next_packet_id();
            packet_id = Some(id);
            let order = session.next_order;
            session.next_order += 1;
            let (topic, payload) = (topic.clone(), payload.to_vec());
            session.in_flight.push_back(InFlight { packet_id: id, order, message, lock, topic, payload });
        }
        self.reply(conn, codec::publish_packet(&topic, payload, false, packet_id));
        Some(qos)
    }

    /// Sends again, on a resumed session, the messages that are not acknowledged, then those that wait.
    pub(super) fn resume(&mut self, client_id: &str) {
        let Some(&conn) = self.online.get(client_id) else { return };
        let lock = self.now + self.config.lock;
        let alive = self.live_messages(client_id);
        let Some(session) = self.session_mut(client_id) else { return };
        session.in_flight.retain(|sent| sent.message.is_some_and(|message| alive.contains(&message)));
        // PUBACKs follow the order of delivery on this connection, which begins anew.
        session.acknowledged = 0;
        let mut packets = Vec::new();
        for sent in &mut session.in_flight {
            sent.lock = lock;
            // It is received anew, so its PUBACK comes in the order of this connection.
            sent.order = session.next_order;
            session.next_order += 1;
            packets.push(codec::publish_packet(&sent.topic, &sent.payload, true, Some(sent.packet_id)));
        }
        for packet in packets {
            self.reply(conn, packet);
        }
        self.deliver_messages(client_id);
    }

    /// The connection is over: the session goes too, unless it is to be kept.
    pub(super) fn detach(&mut self, client_id: &str) {
        if self.session_mut(client_id).is_some_and(|session| session.clean) {
            self.drop_session(client_id);
        }
    }

    /// Forgets a session; the messages it had in flight return to the queue.
    pub(super) fn drop_session(&mut self, client_id: &str) {
        if let Some(entry) = self.entries.get_mut(client_id) {
            entry.session = None;
            self.release_messages(client_id);
        }
    }

    pub(super) fn session_mut(&mut self, client_id: &str) -> Option<&mut Session> {
        self.entries.get_mut(client_id)?.session.as_mut()
    }
}
