//! A second reading of MQTT 3.1.1, to hold the client's against: naive, slow, and written from the standard's tables.
//!
//! It shares with the client only the names of what may be wrong and the structs of what was read. [`decode`] looks at
//! one packet, [`Model`] at the input of a client in a certain phase, whose part [`Subject`] plays. [`Fault`]s can be
//! planted: a check that compares with this must then find a difference, or it checks nothing.
//!
//! It depends on the client's crate alone: `tests/exhaustive` builds it with optimisation, and without this crate.

mod model;
mod subject;

pub use model::{Model, Phase, Told};
pub use subject::{Case, Subject, different, feed, headers, verdict};

use iothub_proto::error::{ConnectRefusal, Violation};
use iothub_proto::packet::{Connack, Packet, PacketId, Publish, QoS, Suback};

/// A mistake that parsers are known to make. The first is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Fault {
    None,
    FlagsUnchecked,
    TypeFifteenIsPingresp,
    Qos3IsQos1,
    DupOnQos0Passes,
    /// The sample code of §2.2.3 looks at its multiplier too late, and refuses four length bytes.
    SampleLengthCode,
    FifthLengthByteTaken,
    /// Later standards want it; 3.1.1 does not.
    ShortestLengthWanted,
    PingrespWithBody,
    PubackLongerThanTwo,
    ZeroPacketIdPasses,
    ConnackFlagsUnchecked,
    SessionPresentWithRefusal,
    ReservedReturnCodePasses,
    SubackCodesUnchecked,
    EmptyTopicPasses,
    WildcardsPass,
    NulPasses,
    SurrogatesPass,
    OverlongPasses,
    Above10FFFFPasses,
    CutCharacterPasses,
    FirstPacketNeedNotBeConnack,
    SecondConnackPasses,
    AnyAckAcknowledges,
    StraysAreErrors,
}

impl Fault {
    /// All mistakes.
    pub const PLANTED: [Self; 25] = [
        Self::FlagsUnchecked,
        Self::TypeFifteenIsPingresp,
        Self::Qos3IsQos1,
        Self::DupOnQos0Passes,
        Self::SampleLengthCode,
        Self::FifthLengthByteTaken,
        Self::ShortestLengthWanted,
        Self::PingrespWithBody,
        Self::PubackLongerThanTwo,
        Self::ZeroPacketIdPasses,
        Self::ConnackFlagsUnchecked,
        Self::SessionPresentWithRefusal,
        Self::ReservedReturnCodePasses,
        Self::SubackCodesUnchecked,
        Self::EmptyTopicPasses,
        Self::WildcardsPass,
        Self::NulPasses,
        Self::SurrogatesPass,
        Self::OverlongPasses,
        Self::Above10FFFFPasses,
        Self::CutCharacterPasses,
        Self::FirstPacketNeedNotBeConnack,
        Self::SecondConnackPasses,
        Self::AnyAckAcknowledges,
        Self::StraysAreErrors,
    ];
}

/// What the front of some bytes is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict<'i> {
    /// More bytes decide.
    Incomplete,
    /// No legal packet, whatever comes.
    Bad {
        /// Why.
        kind: Violation,
        /// Where, from the start of the packet.
        offset: usize,
    },
    /// A packet of so many bytes.
    Whole(usize, Packet<'i>),
}

const fn bad<'i>(kind: Violation, offset: usize) -> Verdict<'i> {
    Verdict::Bad { kind, offset }
}

/// What the first byte says: tables 2.1 and 2.2, less what belongs to QoS 2, which a client that subscribes at most
/// QoS 1 never receives (§3.8.4-6).
fn first_byte(first: u8, fault: Fault) -> Result<(), Violation> {
    match first {
        0x30..=0x33 | 0x3a | 0x3b => Ok(()),
        0x36 | 0x37 | 0x3e | 0x3f if fault != Fault::Qos3IsQos1 => Err(Violation::BadQos),
        0x36 | 0x37 | 0x3e | 0x3f => Ok(()),
        0x38 | 0x39 if fault != Fault::DupOnQos0Passes => Err(Violation::DupOnQos0),
        0x38 | 0x39 => Ok(()),
        0x20 | 0x40 | 0x90 | 0xb0 | 0xd0 => Ok(()),
        0x21..=0x2f | 0x41..=0x4f | 0x91..=0x9f | 0xb1..=0xbf | 0xd1..=0xdf => {
            if fault == Fault::FlagsUnchecked {
                Ok(())
            } else {
                Err(Violation::BadFlags)
            }
        }
        0xf0 if fault == Fault::TypeFifteenIsPingresp => Ok(()),
        _ => Err(Violation::ForbiddenType),
    }
}

/// Remaining Length (§2.2.3) and where it ends; `None` while it goes on.
fn remaining_length(input: &[u8], fault: Fault) -> Result<Option<(usize, usize)>, ()> {
    let (mut value, mut multiplier) = (0, 1);
    for (place, &byte) in input.iter().enumerate().skip(1) {
        value += usize::from(byte & 127) * multiplier;
        multiplier *= 128;
        if fault == Fault::SampleLengthCode && multiplier > 128 * 128 * 128 {
            return Err(());
        }
        if byte < 128 {
            let shortest = place == 1 || byte != 0;
            return if shortest || fault != Fault::ShortestLengthWanted {
                Ok(Some((value, place + 1)))
            } else {
                Err(())
            };
        }
        if place == 4 && fault != Fault::FifthLengthByteTaken {
            return Err(());
        }
    }
    Ok(None)
}

/// Reads the packet at the front of `input`.
#[must_use]
pub fn decode(input: &[u8], fault: Fault) -> Verdict<'_> {
    let Some(&first) = input.first() else { return Verdict::Incomplete };
    if let Err(kind) = first_byte(first, fault) {
        return bad(kind, 0);
    }
    let (remaining, start) = match remaining_length(input, fault) {
        Ok(Some(found)) => found,
        Ok(None) => return Verdict::Incomplete,
        Err(()) => return bad(Violation::BadRemainingLength, 4),
    };
    let qos1 = first & 0x06 != 0;
    let possible = match first >> 4 {
        2 | 11 => remaining == 2,
        4 => remaining == 2 || remaining > 2 && fault == Fault::PubackLongerThanTwo,
        13 | 15 => remaining == 0 || fault == Fault::PingrespWithBody,
        9 => remaining >= 3,
        _ if qos1 => remaining >= 5,
        _ => remaining >= 3,
    };
    if !possible {
        return bad(Violation::WrongLength, 1);
    }
    let Some(packet) = input.get(..start + remaining) else { return Verdict::Incomplete };
    let body = match first >> 4 {
        2 => connack(packet, start, fault),
        3 => publish(packet, start, fault),
        9 => suback(packet, start, fault),
        13 | 15 => Ok(Packet::Pingresp),
        other => id(packet, start, fault).map(|id| if other == 4 { Packet::Puback(id) } else { Packet::Unsuback(id) }),
    };
    match body {
        Ok(read) => Verdict::Whole(packet.len(), read),
        Err((kind, offset)) => bad(kind, offset),
    }
}

/// A packet identifier (§2.3.1).
fn id(packet: &[u8], at: usize, fault: Fault) -> Result<PacketId, (Violation, usize)> {
    let number = u16::from(packet[at]) << 8 | u16::from(packet[at + 1]);
    let number = if number == 0 && fault == Fault::ZeroPacketIdPasses { 1 } else { number };
    PacketId::new(number).ok_or((Violation::ZeroPacketId, at))
}

fn connack(packet: &[u8], at: usize, fault: Fault) -> Result<Packet<'_>, (Violation, usize)> {
    let (flags, code) = (packet[at], packet[at + 1]);
    if flags > 1 && fault != Fault::ConnackFlagsUnchecked {
        return Err((Violation::BadConnackFlags, at));
    }
    if code > 5 && fault != Fault::ReservedReturnCodePasses {
        return Err((Violation::BadReturnCode, at + 1));
    }
    let session_present = flags & 1 == 1;
    if session_present && code != 0 && fault != Fault::SessionPresentWithRefusal {
        return Err((Violation::BadSessionPresent, at));
    }
    Ok(Packet::Connack(Connack { session_present, refusal: ConnectRefusal::from_code(code) }))
}

fn suback(packet: &[u8], at: usize, fault: Fault) -> Result<Packet<'_>, (Violation, usize)> {
    let id = id(packet, at, fault)?;
    for (place, code) in packet.iter().enumerate().skip(at + 2) {
        if ![0, 1, 2, 0x80].contains(code) && fault != Fault::SubackCodesUnchecked {
            return Err((Violation::BadSubackCode, place));
        }
    }
    Ok(Packet::Suback(Suback { id, codes: &packet[at + 2..] }))
}

fn publish(packet: &[u8], at: usize, fault: Fault) -> Result<Packet<'_>, (Violation, usize)> {
    let qos1 = packet[0] & 0x06 != 0;
    let topic_len = usize::from(packet[at]) * 256 + usize::from(packet[at + 1]);
    let topic_end = at + 2 + topic_len;
    if topic_end > packet.len() {
        return Err((Violation::Truncated, at));
    }
    if qos1 && topic_end + 2 > packet.len() {
        return Err((Violation::Truncated, topic_end));
    }
    let topic = topic(&packet[at + 2..topic_end], fault).map_err(|(kind, offset)| (kind, at + 2 + offset))?;
    let (id, payload) = if qos1 { (Some(id(packet, topic_end, fault)?), topic_end + 2) } else { (None, topic_end) };
    Ok(Packet::Publish(Publish {
        qos: if qos1 { QoS::AtLeastOnce } else { QoS::AtMostOnce },
        dup: packet[0] & 8 != 0,
        retain: packet[0] & 1 != 0,
        topic: topic.into(),
        id,
        payload: &packet[payload..],
    }))
}

/// A topic name (§1.5.3, §3.3.2.1, §4.7), character by character.
fn topic(bytes: &[u8], fault: Fault) -> Result<&str, (Violation, usize)> {
    if bytes.is_empty() && fault != Fault::EmptyTopicPasses {
        return Err((Violation::EmptyTopic, 0));
    }
    let mut place = 0;
    while place < bytes.len() {
        let len = character(&bytes[place..], fault).ok_or((Violation::BadUtf8, place))?;
        match bytes[place] {
            0 if fault != Fault::NulPasses => return Err((Violation::NulInText, place)),
            b'+' | b'#' if fault != Fault::WildcardsPass => return Err((Violation::WildcardInTopic, place)),
            _ => place += len,
        }
    }
    // What a planted fault lets pass is no `str`: any text serves to be different from the client's answer.
    Ok(core::str::from_utf8(bytes).unwrap_or("no text"))
}

/// Bytes of the UTF-8 character at the front: RFC 3629, section 4.
fn character(bytes: &[u8], fault: Fault) -> Option<usize> {
    let tail = |place: usize| bytes.get(place).is_some_and(|byte| (0x80..=0xbf).contains(byte));
    let second = bytes.get(1).copied().unwrap_or(0);
    let (len, fits) = match bytes[0] {
        0x00..=0x7f => (1, true),
        0xc0 | 0xc1 => (2, fault == Fault::OverlongPasses),
        0xc2..=0xdf => (2, true),
        0xe0 => (3, second >= 0xa0 || fault == Fault::OverlongPasses),
        0xed => (3, second <= 0x9f || fault == Fault::SurrogatesPass),
        0xe1..=0xef => (3, true),
        0xf0 => (4, second >= 0x90 || fault == Fault::OverlongPasses),
        0xf1..=0xf3 => (4, true),
        0xf4 => (4, second <= 0x8f || fault == Fault::Above10FFFFPasses),
        _ => return None,
    };
    let whole = (1..len).all(tail);
    let cut = bytes.len() < len && fault == Fault::CutCharacterPasses;
    if fits && whole { Some(len) } else { cut.then_some(bytes.len()) }
}
