//! What clients publish: telemetry is taken here, the rest is sent on to the twin and to methods.

use iothub_proto::time::Instant;

use super::{
    CloseReason, ConnId, Hub,
    codec::{Publish, Will},
    topic::{Property, parse_bag, resource},
};

/// Largest message, counted as the hub counts it: body, values of system properties, names and values of
/// application properties.
pub const MAX_MESSAGE: usize = 262_144;

/// A device-to-cloud message that the hub took.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Telemetry {
    /// From whom.
    pub client_id: String,
    /// On which connection.
    pub conn: ConnId,
    /// When.
    pub at: Instant,
    /// Properties in order, decoded, and those that the hub adds (`mqtt-retain`, `iothub-MessageType`).
    pub properties: Vec<Property>,
    /// Body.
    pub payload: Vec<u8>,
    /// QoS.
    pub qos: u8,
    /// DUP flag.
    pub dup: bool,
    /// RETAIN flag.
    pub retain: bool,
    /// Packet id, if the QoS is above 0.
    pub packet_id: Option<u16>,
}

impl Telemetry {
    /// The value of a property; `None` if it is missing or null.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(known, _)| known == name)?.1.as_deref()
    }
}

/// The property bag in a telemetry topic of this client, or `None` if it is another topic.
pub(super) fn telemetry_bag<'t>(client_id: &str, topic: &'t str) -> Option<&'t str> {
    let rest = topic.strip_prefix(&resource(client_id))?.strip_prefix("/messages/events")?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix('/') }
}

fn counted_size(payload: &[u8], properties: &[Property]) -> usize {
    let size = |(name, value): &Property| {
        let name = if name.starts_with("$.") { 0 } else { name.len() };
        name + value.as_ref().map_or(0, String::len)
    };
    payload.len() + properties.iter().map(size).sum::<usize>()
}

impl Hub {
    pub(super) fn on_publish(&mut self, conn: ConnId, mut publish: Publish) -> Result<(), CloseReason> {
        if publish.qos == 2 && !self.config.accept_qos_2 {
            return Err(CloseReason::Violation("QoS 2"));
        }
        publish.qos = publish.qos.min(1);
        if let Some(marker) = self.faults.poison.as_deref().filter(|marker| !marker.is_empty())
            && publish.payload.windows(marker.len()).any(|window| window == marker)
        {
            return Err(CloseReason::Fault);
        }
        if let (Some(id), Some(connection)) = (publish.packet_id, self.conns.get_mut(&conn))
            && !connection.unacknowledged.insert(id)
            && !publish.dup
        {
            return Err(CloseReason::Violation("packet id in use"));
        }

        let client_id = self.client_id(conn);
        if let Some(bag) = telemetry_bag(&client_id, &publish.topic) {
            let properties = parse_bag(bag).map_err(CloseReason::Violation)?;
            if counted_size(&publish.payload, &properties) > MAX_MESSAGE {
                return Err(CloseReason::Violation("message above 256 KB"));
            }
            self.acknowledge(conn, publish.packet_id);
            if !self.route(&client_id, &properties, &publish.payload) {
                self.take_in(client_id, conn, publish, properties);
            }
            return Ok(());
        }
        let Publish { topic, payload, packet_id, .. } = publish;
        if let Some(rest) = topic.strip_prefix("$iothub/twin/") {
            self.on_twin_request(conn, rest, &payload, packet_id)
        } else if let Some(rest) = topic.strip_prefix("$iothub/methods/res/") {
            self.acknowledge(conn, packet_id);
            self.on_method_answer(&client_id, rest, payload)
        } else {
            Err(CloseReason::Violation("topic that the hub does not know"))
        }
    }

    fn take_in(&mut self, client_id: String, conn: ConnId, publish: Publish, mut properties: Vec<Property>) {
        if publish.retain {
            properties.push(("mqtt-retain".to_owned(), Some("true".to_owned())));
        }
        let Publish { payload, qos, dup, retain, packet_id, .. } = publish;
        let at = self.now;
        self.telemetry.push(Telemetry { client_id, conn, at, properties, payload, qos, dup, retain, packet_id });
    }

    /// Takes the will of a client that ended without DISCONNECT.
    pub(super) fn publish_will(&mut self, client_id: &str, conn: ConnId, will: Will) {
        let bag = telemetry_bag(client_id, &will.topic).and_then(|bag| parse_bag(bag).ok());
        let mut properties = bag.unwrap_or_default();
        properties.push(("iothub-MessageType".to_owned(), Some("Will".to_owned())));
        let Will { topic, payload, qos, retain } = will;
        let publish = Publish { topic, payload, qos, retain, dup: false, packet_id: None };
        self.take_in(client_id.to_owned(), conn, publish, properties);
    }

    /// Takes the messages that arrived since the last call, in order of arrival.
    #[must_use]
    pub fn take_telemetry(&mut self) -> Vec<Telemetry> {
        core::mem::take(&mut self.telemetry)
    }
}
