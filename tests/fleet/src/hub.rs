//! The least that a hub must answer, and nothing that it must remember: CONNACK, SUBACK, PUBACK, PINGRESP, and an empty
//! twin. A packet comes whole. `tests/gateway` uses it, too.

/// What it has to say to the device that is being served.
#[derive(Default)]
pub struct Hub {
    out: Vec<u8>,
    /// Each message of a device is answered by one to it.
    echoes: bool,
    /// PINGREQs answered.
    pub pings: usize,
    /// Packet ids of messages to devices, one after another.
    id: u16,
}

impl Hub {
    /// One that sends a device a message for each of its own.
    #[allow(dead_code, reason = "for the gateway")]
    pub fn echoing() -> Self {
        Self { echoes: true, ..Self::default() }
    }

    /// Takes the packets of a device in.
    pub fn receive(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            let (len, body) = remaining(rest);
            let (packet, behind) = body.split_at(len);
            self.packet(*first, packet);
            bytes = behind;
        }
    }

    fn packet(&mut self, first: u8, packet: &[u8]) {
        match first >> 4 {
            1 => self.out.extend([0x20, 2, 0, 0]),
            3 => self.publish(first & 0x06 != 0, packet),
            4 => {}
            8 => {
                let filters = filters(&packet[2..]);
                self.out.extend([0x90, 2 + filters as u8, packet[0], packet[1]]);
                self.out.resize(self.out.len() + filters, 0);
            }
            12 => {
                self.pings += 1;
                self.out.extend([0xD0, 0]);
            }
            other => panic!("a device sent a packet of type {other}"),
        }
    }

    fn publish(&mut self, acknowledged: bool, packet: &[u8]) {
        let topic_len = usize::from(u16::from_be_bytes([packet[0], packet[1]]));
        let (topic, rest) = packet[2..].split_at(topic_len);
        if acknowledged {
            self.out.extend([0x40, 2, rest[0], rest[1]]);
            if self.echoes {
                let device = topic.split(|&byte| byte == b'/').nth(1).expect("devices/{id}/…");
                self.send_message(device, &rest[2..]);
            }
        } else if let Some(request) = topic.strip_prefix(b"$iothub/twin/GET/") {
            let twin = br#"{"desired":{"$version":1},"reported":{"$version":1}}"#;
            self.send(0x30, &[b"$iothub/twin/res/200/", request], None, twin);
        }
    }

    /// A cloud-to-device message, at QoS 1.
    pub fn send_message(&mut self, device: &[u8], payload: &[u8]) {
        self.id = self.id.wrapping_add(1).max(1);
        let topic = [b"devices/", device, b"/messages/devicebound/%24.mid=m-1&unit=C"];
        self.send(0x32, &topic, Some(self.id), payload);
    }

    fn send(&mut self, first: u8, topic: &[&[u8]], id: Option<u16>, payload: &[u8]) {
        let topic_len: usize = topic.iter().map(|part| part.len()).sum();
        let len = 2 + topic_len + id.map_or(0, |_| 2) + payload.len();
        assert!((128..16_384).contains(&len) || len < 128, "in two length bytes");
        self.out.push(first);
        if len < 128 {
            self.out.push(len as u8);
        } else {
            self.out.extend([len as u8 | 0x80, (len >> 7) as u8]);
        }
        self.out.extend((topic_len as u16).to_be_bytes());
        topic.iter().for_each(|part| self.out.extend(*part));
        self.out.extend(id.into_iter().flat_map(u16::to_be_bytes));
        self.out.extend(payload);
    }

    /// What the device gets now.
    pub fn answer(&self) -> &[u8] {
        &self.out
    }

    pub fn taken(&mut self) {
        self.out.clear();
    }
}

/// Remaining Length, and what follows it.
fn remaining(bytes: &[u8]) -> (usize, &[u8]) {
    let (mut len, mut shift) = (0, 0);
    for (at, &byte) in bytes.iter().enumerate() {
        len |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return (len, &bytes[at + 1..]);
        }
    }
    panic!("a packet comes whole");
}

/// How many filters a SUBSCRIBE has.
fn filters(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [high, low, rest @ ..] = bytes {
        // The text, and its QoS.
        bytes = &rest[usize::from(u16::from_be_bytes([*high, *low])) + 1..];
        count += 1;
    }
    count
}
