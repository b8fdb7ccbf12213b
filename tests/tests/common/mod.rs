//! Packets built by hand and a hub to send them to.

// Each test program uses its own part of this.
#![allow(dead_code, unreachable_pub)]

use iothub_proto::time::Instant;
use iothub_tests::hub::{CloseReason, ConnId, Credentials, Hub, HubConfig};

/// The bytes 00 to 1f: the key of the documented vectors.
pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub const OTHER_KEY: &str = "c29tZSBvdGhlciBrZXk=";
pub const HOST: &str = "contoso.azure-devices.net";
/// When the tokens of the vectors expire.
pub const EXPIRY: u64 = 1_767_225_600;
pub const DEVICE_TOKEN: &str = "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fdev1&sig=OiEkDGQNyfGK9PfPOGuZj%2FuPx8Uv%2Fpzd3TB45Saz5Wg%3D&se=1767225600";
pub const MODULE_TOKEN: &str = "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fdev1%2Fmodules%2Fmod1&sig=17tMEoHY09u3BI5D3PylDoovvALnZjApmUgukU3UyKU%3D&se=1767225600";
pub const DEVICE_USER: &str = "contoso.azure-devices.net/dev1/?api-version=2021-04-12";
pub const MODULE_USER: &str = "contoso.azure-devices.net/dev1/mod1/?api-version=2021-04-12";

pub const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
pub const RESUMED: [u8; 4] = [0x20, 2, 1, 0];
pub const DISCONNECT: [u8; 2] = [0xe0, 0];
pub const PINGREQ: [u8; 2] = [0xc0, 0];

pub const C2D: &str = "devices/dev1/messages/devicebound/#";
pub const METHODS: &str = "$iothub/methods/POST/#";
pub const TWIN_RESPONSES: &str = "$iothub/twin/res/#";
pub const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";

/// A configuration in which the tokens of the vectors live for an hour from instant zero.
pub fn config() -> HubConfig {
    HubConfig { unix_base: EXPIRY - 3_600, ..HubConfig::new(HOST) }
}

/// A hub with the device `dev1` and its module `mod1`.
pub fn hub() -> Hub {
    hub_with(config())
}

pub fn hub_with(config: HubConfig) -> Hub {
    let mut hub = Hub::new(config);
    hub.register("dev1", Credentials::keys(KEY, OTHER_KEY).unwrap());
    hub.register("dev1/mod1", Credentials::key(KEY).unwrap());
    hub
}

pub fn millis(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A length-prefixed field.
pub fn field(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut len = body.len();
    while len > 127 {
        out.push((len % 128) as u8 | 128);
        len /= 128;
    }
    out.push(len as u8);
    out.extend(body);
    out
}

/// CONNECT with user name and password; `flags` are added to theirs (2 is Clean Session).
pub fn connect(flags: u8, keep_alive: u16, client_id: &str, user: &str, password: &str) -> Vec<u8> {
    let head = [b"\x00\x04MQTT\x04", &[0xc0 | flags][..], &keep_alive.to_be_bytes()].concat();
    packet(0x10, &[head, field(client_id), field(user), field(password)].concat())
}

pub fn publish(first: u8, topic: &str, packet_id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let id = packet_id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default();
    packet(first, &[field(topic), id, payload.to_vec()].concat())
}

pub fn subscribe(packet_id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let entries = filters.iter().flat_map(|(filter, qos)| [field(filter), vec![*qos]].concat());
    packet(0x82, &packet_id.to_be_bytes().into_iter().chain(entries).collect::<Vec<_>>())
}

/// The packet id of a PUBLISH at QoS 1 that is shorter than 128 bytes.
pub fn sent_id(packet: &[u8]) -> u16 {
    let topic = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    u16::from_be_bytes([packet[4 + topic], packet[5 + topic]])
}

pub fn puback(packet_id: u16) -> Vec<u8> {
    packet(0x40, &packet_id.to_be_bytes())
}

/// A packet from the hub.
#[derive(Debug, PartialEq, Eq)]
pub struct FromHub {
    pub first: u8,
    pub body: Vec<u8>,
}

impl FromHub {
    /// Topic, packet id and payload of a PUBLISH.
    pub fn publish(&self) -> (String, Option<u16>, Vec<u8>) {
        assert_eq!(self.first >> 4, 3, "{self:?}");
        let len = usize::from(u16::from_be_bytes([self.body[0], self.body[1]]));
        let topic = String::from_utf8(self.body[2..2 + len].to_vec()).unwrap();
        let rest = &self.body[2 + len..];
        match self.first >> 1 & 3 {
            0 => (topic, None, rest.to_vec()),
            _ => (topic, Some(u16::from_be_bytes([rest[0], rest[1]])), rest[2..].to_vec()),
        }
    }
}

/// Everything that the hub sends on a connection.
pub fn bytes(hub: &mut Hub, conn: ConnId) -> Vec<u8> {
    hub.poll_transmit(conn, usize::MAX)
}

/// The same, split into packets.
pub fn packets(hub: &mut Hub, conn: ConnId) -> Vec<FromHub> {
    let bytes = bytes(hub, conn);
    let mut rest = bytes.as_slice();
    let mut found = Vec::new();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = 1 + tail.iter().take_while(|&&byte| byte >= 128).count();
        let len = tail[..digits].iter().rev().fold(0, |len, &digit| len * 128 + usize::from(digit & 127));
        found.push(FromHub { first, body: tail[digits..digits + len].to_vec() });
        rest = &tail[digits + len..];
    }
    found
}

/// Opens a connection and sends this.
pub fn open(hub: &mut Hub, now: Instant, input: &[u8]) -> ConnId {
    let conn = hub.accept(now, None);
    hub.handle_input(conn, now, input);
    conn
}

/// Signs `dev1` in with Clean Session as given, and checks the CONNACK.
pub fn sign_in(hub: &mut Hub, now: Instant, clean: bool) -> ConnId {
    let conn = open(hub, now, &connect(u8::from(clean) * 2, 60, "dev1", DEVICE_USER, DEVICE_TOKEN));
    assert_eq!(hub.poll_transmit(conn, 2), [0x20, 2]);
    let rest = hub.poll_transmit(conn, 2);
    assert_eq!(rest[1], 0);
    conn
}

/// Signs `dev1` in with a clean session and these subscriptions at QoS 1.
pub fn subscribed(hub: &mut Hub, filters: &[&str]) -> ConnId {
    let conn = sign_in(hub, Instant::ZERO, true);
    let filters: Vec<(&str, u8)> = filters.iter().map(|filter| (*filter, 1)).collect();
    hub.handle_input(conn, Instant::ZERO, &subscribe(1, &filters));
    assert_eq!(packets(hub, conn)[0].body[2..], vec![1; filters.len()]);
    conn
}

/// What one CONNECT leads to: the bytes sent and the reason of the end, if it ends.
pub fn attempt(hub: &mut Hub, input: &[u8]) -> (Vec<u8>, Option<CloseReason>) {
    let conn = open(hub, Instant::ZERO, input);
    (bytes(hub, conn), hub.wants_close(conn))
}
