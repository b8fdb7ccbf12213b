//! The server's side of MQTT 3.1.1: decodes what a client may send, strictly, and encodes the answers.
//!
//! It shares nothing with the client's codec: a misreading of the standard there shows here as [`Malformed`].

/// Why a client's bytes are no legal packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed(pub &'static str);

/// A packet that a client sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// CONNECT.
    Connect(Box<Connect>),
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK with its packet id.
    PubAck(u16),
    /// SUBSCRIBE: packet id, then topic filters with the requested QoS.
    Subscribe(u16, Vec<(String, u8)>),
    /// UNSUBSCRIBE: packet id, then topic filters.
    Unsubscribe(u16, Vec<String>),
    /// PINGREQ.
    PingReq,
    /// DISCONNECT.
    Disconnect,
}

/// The fields of a CONNECT packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connect {
    /// Protocol level; 4 is MQTT 3.1.1. With another level the fields behind it are not read.
    pub level: u8,
    /// Clean Session.
    pub clean_session: bool,
    /// Keep Alive in seconds; 0 is off.
    pub keep_alive: u16,
    /// Client identifier.
    pub client_id: String,
    /// The will, if the will flag is set.
    pub will: Option<Will>,
    /// User name, if its flag is set.
    pub user_name: Option<String>,
    /// Password, if its flag is set.
    pub password: Option<Vec<u8>>,
}

/// The message to publish for a client that ends without DISCONNECT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Will {
    /// Will topic.
    pub topic: String,
    /// Will message.
    pub payload: Vec<u8>,
    /// Will QoS, 0 to 2.
    pub qos: u8,
    /// Will retain.
    pub retain: bool,
}

/// The fields of a PUBLISH packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publish {
    /// Topic name.
    pub topic: String,
    /// Application message.
    pub payload: Vec<u8>,
    /// QoS, 0 to 2.
    pub qos: u8,
    /// DUP flag.
    pub dup: bool,
    /// RETAIN flag.
    pub retain: bool,
    /// Packet id; present if and only if the QoS is above 0.
    pub packet_id: Option<u16>,
}

/// Where the first packet in `input` ends, or `None` while its fixed header is incomplete.
///
/// The first byte is checked at once, so that a wrong one is not waited on.
pub fn frame_len(input: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(&first) = input.first() else { return Ok(None) };
    check_first_byte(first)?;
    let mut remaining = 0;
    for (index, &byte) in input.iter().skip(1).take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some(2 + index + remaining));
        }
    }
    if input.len() >= 5 { Err(Malformed("remaining length of more than four bytes")) } else { Ok(None) }
}

/// Packet type and fixed flags, §2.2.2 [MQTT-2.2.2-2].
fn check_first_byte(first: u8) -> Result<(), Malformed> {
    let flags = first & 0x0f;
    match first >> 4 {
        3 if flags >> 1 & 3 == 3 => Err(Malformed("QoS 3")),
        3 if flags >> 1 & 3 == 0 && flags & 8 != 0 => Err(Malformed("DUP on QoS 0")),
        3 => Ok(()),
        1 | 4 | 12 | 14 if flags == 0 => Ok(()),
        8 | 10 if flags == 2 => Ok(()),
        1 | 4 | 8 | 10 | 12 | 14 => Err(Malformed("reserved flags of the fixed header")),
        5..=7 => Err(Malformed("packet of a QoS 2 flow that the hub never starts")),
        _ => Err(Malformed("packet type that no client sends")),
    }
}

/// Decodes one whole packet, as delimited by [`frame_len`].
pub fn decode(frame: &[u8]) -> Result<Packet, Malformed> {
    let first = *frame.first().ok_or(Malformed("empty frame"))?;
    check_first_byte(first)?;
    let header = 1 + frame.iter().skip(1).take_while(|&byte| byte & 0x80 != 0).count() + 1;
    let mut body = Reader(frame.get(header..).ok_or(Malformed("truncated packet"))?);
    let packet = match first >> 4 {
        1 => Packet::Connect(Box::new(connect(&mut body)?)),
        3 => return publish(first, body).map(Packet::Publish),
        4 => Packet::PubAck(body.packet_id()?),
        8 => Packet::Subscribe(
            body.packet_id()?,
            filters(&mut body, |body, filter| Ok((filter, body.requested_qos()?)))?,
        ),
        10 => Packet::Unsubscribe(body.packet_id()?, filters(&mut body, |_, filter| Ok(filter))?),
        12 => Packet::PingReq,
        _ => Packet::Disconnect,
    };
    if body.0.is_empty() { Ok(packet) } else { Err(Malformed("bytes after the end of the packet")) }
}

fn connect(body: &mut Reader<'_>) -> Result<Connect, Malformed> {
    let name = body.string()?;
    let level = body.byte()?;
    if (name.as_str(), level) != ("MQTT", 4) {
        let known = name == "MQTT" || (name.as_str(), level) == ("MQIsdp", 3);
        body.0 = &[];
        let connect = Connect {
            level,
            clean_session: true,
            keep_alive: 0,
            client_id: String::new(),
            will: None,
            user_name: None,
            password: None,
        };
        return if known { Ok(connect) } else { Err(Malformed("protocol name")) };
    }
    let flags = body.byte()?;
    let has = |bit: u8| flags & bit != 0;
    if has(0x01) {
        return Err(Malformed("reserved flag of CONNECT"));
    }
    if !has(0x04) && has(0x38) {
        return Err(Malformed("will QoS or will retain without a will"));
    }
    if flags >> 3 & 3 == 3 {
        return Err(Malformed("will QoS 3"));
    }
    if has(0x40) && !has(0x80) {
        return Err(Malformed("password without a user name"));
    }
    let keep_alive = body.u16()?;
    let client_id = body.string()?;
    let will = if has(0x04) {
        let topic = body.topic_name()?;
        Some(Will { topic, payload: body.binary()?.to_vec(), qos: flags >> 3 & 3, retain: has(0x20) })
    } else {
        None
    };
    let user_name = if has(0x80) { Some(body.string()?) } else { None };
    let password = if has(0x40) { Some(body.binary()?.to_vec()) } else { None };
    Ok(Connect { level, clean_session: has(0x02), keep_alive, client_id, will, user_name, password })
}

fn publish(first: u8, mut body: Reader<'_>) -> Result<Publish, Malformed> {
    let qos = first >> 1 & 3;
    let topic = body.topic_name()?;
    let packet_id = if qos == 0 { None } else { Some(body.packet_id()?) };
    Ok(Publish { topic, payload: body.0.to_vec(), qos, dup: first & 8 != 0, retain: first & 1 != 0, packet_id })
}

/// The list of SUBSCRIBE and UNSUBSCRIBE; at least one entry, §3.8.3-3 and §3.10.3-2.
fn filters<T>(
    body: &mut Reader<'_>,
    mut entry: impl FnMut(&mut Reader<'_>, String) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut list = Vec::new();
    while !body.0.is_empty() {
        let filter = body.string()?;
        check_filter(&filter)?;
        list.push(entry(body, filter)?);
    }
    if list.is_empty() { Err(Malformed("no topic filter")) } else { Ok(list) }
}

/// Wildcards stand for whole levels, and `#` only at the end, §4.7.1.
fn check_filter(filter: &str) -> Result<(), Malformed> {
    let levels: Vec<&str> = filter.split('/').collect();
    let legal = levels.iter().enumerate().all(|(index, level)| match *level {
        "#" => index + 1 == levels.len(),
        "+" => true,
        text => !text.contains(['+', '#']),
    });
    if legal && !filter.is_empty() { Ok(()) } else { Err(Malformed("topic filter")) }
}

/// What is left of a packet's body.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(Malformed("field longer than the packet"))?;
        self.0 = tail;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn packet_id(&mut self) -> Result<u16, Malformed> {
        match self.u16()? {
            0 => Err(Malformed("packet id 0")),
            id => Ok(id),
        }
    }

    fn requested_qos(&mut self) -> Result<u8, Malformed> {
        match self.byte()? {
            qos @ 0..=2 => Ok(qos),
            _ => Err(Malformed("requested QoS above 2")),
        }
    }

    fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    fn string(&mut self) -> Result<String, Malformed> {
        let text = core::str::from_utf8(self.binary()?).map_err(|_| Malformed("text is not UTF-8"))?;
        if text.contains('\0') { Err(Malformed("U+0000 in a text")) } else { Ok(text.to_owned()) }
    }

    fn topic_name(&mut self) -> Result<String, Malformed> {
        let topic = self.string()?;
        if topic.is_empty() || topic.contains(['+', '#']) {
            return Err(Malformed("topic name empty or with a wildcard"));
        }
        Ok(topic)
    }
}

/// CONNACK with a return code, §3.2.
#[must_use]
pub fn connack(session_present: bool, code: u8) -> Vec<u8> {
    vec![0x20, 2, u8::from(session_present), code]
}

/// PUBLISH, §3.3. `packet_id` decides the QoS: `None` is 0, `Some` is 1.
#[must_use]
pub fn publish_packet(topic: &str, payload: &[u8], dup: bool, packet_id: Option<u16>) -> Vec<u8> {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    body.extend(u16::try_from(topic.len()).expect("topics are below 64 KiB").to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(packet_id.into_iter().flat_map(u16::to_be_bytes));
    body.extend(payload);
    packet(0x30 | u8::from(dup) << 3 | u8::from(packet_id.is_some()) << 1, &body)
}

/// PUBACK, §3.4.
#[must_use]
pub fn puback(packet_id: u16) -> Vec<u8> {
    packet(0x40, &packet_id.to_be_bytes())
}

/// SUBACK with one return code for each filter, §3.9.
#[must_use]
pub fn suback(packet_id: u16, codes: &[u8]) -> Vec<u8> {
    packet(0x90, &[&packet_id.to_be_bytes(), codes].concat())
}

/// UNSUBACK, §3.11.
#[must_use]
pub fn unsuback(packet_id: u16) -> Vec<u8> {
    packet(0xb0, &packet_id.to_be_bytes())
}

/// PINGRESP, §3.13.
#[must_use]
pub fn pingresp() -> Vec<u8> {
    packet(0xd0, &[])
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut rest = body.len();
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or(0);
        rest >>= 7;
        out.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    out.extend(body);
    out
}
