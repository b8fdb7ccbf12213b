//! The bytes that every library is given.

/// The topic of a cloud-to-device message with five properties, 233 bytes.
pub const TOPIC: &str = "devices/thermostat-0042/messages/devicebound/%24.mid=6f1c2a34-9d0e-4b7a-8c51-2f3e4d5c6b7a\
    &%24.to=%2Fdevices%2Fthermostat-0042%2Fmessages%2FdeviceBound&iothub-ack=full\
    &correlation=a81bc81b-dead-4e5d-abff-90865d1e13b1&priority=critical";

pub const HOST: &str = "contoso.azure-devices.net";
pub const DEVICE: &str = "thermostat-0042";

/// A SAS token is about as long as this.
pub const PASSWORD: &str = "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fthermostat-0042&\
    sig=Zm9yIHRoZSBsZW5ndGggb2YgaXQsIG5vIHNlY3JldCE%3D&se=1767225600";

/// The five properties of [`TOPIC`] as an application gives them to be sent.
pub const PROPERTIES: [(&str, &str); 5] = [
    ("source", "6f1c2a34-9d0e-4b7a-8c51-2f3e4d5c6b7a"),
    ("path", "/devices/thermostat-0042/messages/deviceBound"),
    ("unit", "full"),
    ("correlation", "a81bc81b-dead-4e5d-abff-90865d1e13b1"),
    ("priority", "critical"),
];

/// Payloads of 64 B, 1 KiB and 64 KiB.
pub const SIZES: [usize; 3] = [64, 1_024, 65_536];

/// What a TCP segment carries on Ethernet.
pub const CHUNK: usize = 1_460;

/// Bytes of the buffer in which pieces are collected: two of the largest packets.
pub const BUFFER: usize = 140_000;

pub const ID: u16 = 0x1234;

pub const CONNACK: [u8; 4] = [0x20, 2, 0, 0];

pub fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|at| b'a' + (at % 26) as u8).collect()
}

/// A PUBLISH on `topic`, written by hand.
pub fn publish(topic: &str, qos: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = (topic.len() as u16).to_be_bytes().to_vec();
    body.extend(topic.as_bytes());
    if qos > 0 {
        body.extend(ID.to_be_bytes());
    }
    body.extend(payload);
    let mut packet = vec![0x30 | qos << 1];
    let mut rest = body.len();
    loop {
        let more = if rest > 0x7F { 0x80 } else { 0 };
        packet.push((rest & 0x7F) as u8 | more);
        rest >>= 7;
        if rest == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// Messages in one run, so that reading the clock counts for little.
pub const fn batch(size: usize) -> usize {
    match size {
        0..=1_024 => 48,
        _ => 4,
    }
}
