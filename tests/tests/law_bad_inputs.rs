//! Bad inputs, each in the phase where it hurts, split at every byte: which end the connection, with what error, and
//! what is left of the machine then.

use iothub_proto::error::{ConnectRefusal, Error, PeerError, Violation};
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Settings, State};
use iothub_tests::script::{ACCEPTED, Memory, Outcome, RESUMED, Rig, Seen, hex, packets, quiet, suback};

mod common;

/// When the bytes come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    /// Instead of CONNACK.
    Connack,
    /// The same, after asking for a clean session.
    CleanConnack,
    /// Instead of SUBACK.
    Suback,
    /// Ready, with a QoS 1 PUBLISH unacknowledged.
    Connected,
}

/// What comes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Violation(Violation),
    Refused(ConnectRefusal),
    /// Events by name; how many strays are counted; what is sent.
    Fine(&'static str, u32, &'static str),
}

use Then::{Fine, Refused};
use Violation as V;
use When::{CleanConnack, Connack, Connected, Suback};

const fn bad(violation: Violation) -> Then {
    Then::Violation(violation)
}

const STRAY: Then = Fine("", 1, "");
const UNKNOWN: Then = Fine("unknown", 0, "");

/// `PP` is the id of the client's PUBLISH, `SS` that of its SUBSCRIBE.
const INPUTS: [(u8, When, &str, Then); 113] = [
    (1, Connack, "20020000", Fine("connected", 0, "subscribe")),
    (2, CleanConnack, "20020100", bad(V::BadSessionPresent)),
    (3, Connack, "20020100", Fine("connected:present", 0, "subscribe")),
    (4, Connack, "20020200", bad(V::BadConnackFlags)),
    (5, Connack, "20028000", bad(V::BadConnackFlags)),
    (6, Connack, "21020000", bad(V::BadFlags)),
    (7, Connack, "28020000", bad(V::BadFlags)),
    (8, Connack, "2003000000", bad(V::WrongLength)),
    (9, Connack, "200100", bad(V::WrongLength)),
    (10, Connack, "2000", bad(V::WrongLength)),
    (11, Connack, "20020001", Refused(ConnectRefusal::ProtocolVersion)),
    (12, Connack, "20020002", Refused(ConnectRefusal::ClientId)),
    (13, Connack, "20020003", Refused(ConnectRefusal::ServerUnavailable)),
    (14, Connack, "20020004", Refused(ConnectRefusal::BadCredentials)),
    (15, Connack, "20020005", Refused(ConnectRefusal::NotAuthorized)),
    (16, Connack, "20020006", bad(V::BadReturnCode)),
    (17, Connack, "2002007f", bad(V::BadReturnCode)),
    (18, Connack, "20020080", bad(V::BadReturnCode)),
    (19, Connack, "200200ff", bad(V::BadReturnCode)),
    (20, Connack, "20020105", bad(V::BadSessionPresent)),
    // MQTT 3.1.1 has no rule against lengths in more bytes than necessary (§2.2.3).
    (21, Connack, "2082000000", Fine("connected", 0, "subscribe")),
    (22, Connack, "20828080000000", Fine("connected", 0, "subscribe")),
    (23, Connack, "20ffffffff7f0000", bad(V::BadRemainingLength)),
    (24, Connack, "d000", bad(V::ExpectedConnack)),
    (25, Connack, "300300017461", bad(V::ExpectedConnack)),
    (26, Connack, "3206000174000161", bad(V::ExpectedConnack)),
    (27, Connack, "9003000101", bad(V::ExpectedConnack)),
    (28, Connack, "40020001", bad(V::ExpectedConnack)),
    (29, Connack, "e000", bad(V::ForbiddenType)),
    (30, Connack, "100d00044d5154540402003c000170", bad(V::ForbiddenType)),
    (31, Connack, "0000", bad(V::ForbiddenType)),
    (32, Connack, "f000", bad(V::ForbiddenType)),
    (33, Connected, "20020000", bad(V::SecondConnack)),
    (34, Connected, "20020005", bad(V::SecondConnack)),
    (35, Connected, "100d00044d5154540402003c000170", bad(V::ForbiddenType)),
    (36, Connected, "8206000100017000", bad(V::ForbiddenType)),
    (37, Connected, "a2050001000170", bad(V::ForbiddenType)),
    (38, Connected, "c000", bad(V::ForbiddenType)),
    (39, Connected, "e000", bad(V::ForbiddenType)),
    (40, Connected, "0000", bad(V::ForbiddenType)),
    (41, Connected, "00020001", bad(V::ForbiddenType)),
    (42, Connected, "f000", bad(V::ForbiddenType)),
    (43, Connected, "d000", STRAY),
    (44, Connected, "d100", bad(V::BadFlags)),
    (45, Connected, "d00100", bad(V::WrongLength)),
    (46, Connected, "40021234", STRAY),
    (47, Connected, "40020000", bad(V::ZeroPacketId)),
    (48, Connected, "4003PP00", bad(V::WrongLength)),
    (49, Connected, "400101", bad(V::WrongLength)),
    (50, Connected, "4000", bad(V::WrongLength)),
    (51, Connected, "4202PP", bad(V::BadFlags)),
    (52, Connected, "4002PP", Fine("acked", 0, "")),
    (53, Connected, "4002PP4002PP", Fine("acked", 1, "")),
    (54, Connected, "5002PP", bad(V::ForbiddenType)),
    (55, Connected, "50021234", bad(V::ForbiddenType)),
    (56, Connected, "62021234", bad(V::ForbiddenType)),
    (57, Connected, "60021234", bad(V::ForbiddenType)),
    (58, Connected, "70021234", bad(V::ForbiddenType)),
    (59, Connected, "7002PP", bad(V::ForbiddenType)),
    (60, Connected, "9003123401", STRAY),
    (61, Connected, "9003000001", bad(V::ZeroPacketId)),
    (62, Connected, "9003SS01", STRAY),
    (63, Suback, "9003SS03", bad(V::BadSubackCode)),
    (64, Suback, "9003SS81", bad(V::BadSubackCode)),
    (65, Suback, "9003SSff", bad(V::BadSubackCode)),
    (66, Suback, "9003SS80", Fine("ready:refused", 0, "publish")),
    (67, Suback, "9003SS02", Fine("ready", 0, "publish")),
    (68, Suback, "9002SS", bad(V::WrongLength)),
    (69, Suback, "9004SS0101", bad(V::SubackCount)),
    (70, Suback, "900101", bad(V::WrongLength)),
    (71, Suback, "9000", bad(V::WrongLength)),
    (72, Suback, "9203SS01", bad(V::BadFlags)),
    (73, Suback, "b002SS", bad(V::WrongAck)),
    (74, Connected, "b0021234", STRAY),
    (75, Connected, "b0020000", bad(V::ZeroPacketId)),
    (76, Connected, "b003123400", bad(V::WrongLength)),
    (77, Connected, "b2021234", bad(V::BadFlags)),
    (78, Connected, "300400017461", UNKNOWN),
    (79, Connected, "3606000174000161", bad(V::BadQos)),
    (80, Connected, "380400017461", bad(V::DupOnQos0)),
    (81, Connected, "310400017461", Fine("unknown:retain", 0, "")),
    (82, Connected, "3206000174000061", bad(V::ZeroPacketId)),
    (83, Connected, "3406000174000061", bad(V::ForbiddenType)),
    (84, Connected, "3003000061", bad(V::EmptyTopic)),
    (85, Connected, "30020000", bad(V::WrongLength)),
    (86, Connected, "30060003612f2b61", bad(V::WildcardInTopic)),
    (87, Connected, "300400012361", bad(V::WildcardInTopic)),
    (88, Connected, "3006000361006261", bad(V::NulInText)),
    (89, Connected, "3006000361ff6261", bad(V::BadUtf8)),
    (90, Connected, "30060003eda08061", bad(V::BadUtf8)),
    (91, Connected, "30050002c08061", bad(V::BadUtf8)),
    (92, Connected, "30060003efbfbf61", UNKNOWN),
    (93, Connected, "300400010161", UNKNOWN),
    (94, Connected, "30070004efbbbf6161", UNKNOWN),
    (95, Connected, "30040001c361", bad(V::BadUtf8)),
    (96, Connected, "30070004f490808061", bad(V::BadUtf8)),
    (97, Connected, "3005ffff414243", bad(V::Truncated)),
    (98, Connected, "3000", bad(V::WrongLength)),
    (99, Connected, "300100", bad(V::WrongLength)),
    (100, Connected, "3203000174", bad(V::WrongLength)),
    (101, Connected, "320400017400", bad(V::WrongLength)),
    (102, Connected, "30840000017461", UNKNOWN),
    (103, Connected, "32060001740001613206000174000161", Fine("unknown unknown", 0, "4002000140020001")),
    (104, Connected, "32060001740001613a06000174000161", Fine("unknown unknown", 0, "4002000140020001")),
    (105, Connected, "34060001740007613c0600017400076162020007", bad(V::ForbiddenType)),
    (106, Connected, "3406000174000961", bad(V::ForbiddenType)),
    (107, Connected, "3206000174000161", Fine("unknown", 0, "40020001")),
    (108, Connected, "30808080808001", bad(V::BadRemainingLength)),
    (109, Connected, "30ffffff7f", bad(V::TooLarge)),
    (110, Connected, "308080808080808080", bad(V::BadRemainingLength)),
    (111, Connected, "3007ffff4142434445", bad(V::Truncated)),
    (112, Connected, "ffffffffffffffffffffffffffffffff", bad(V::ForbiddenType)),
    (113, Connected, "00000000000000000000000000000000", bad(V::ForbiddenType)),
];

/// The packet id of the first message in the first of several slots.
const PUBLISH_ID: &str = "0001";

fn settings(when: When) -> Settings {
    Settings { features: Features::MESSAGES, clean_session: when == CleanConnack, ..quiet() }
}

/// Brings a client there, with one QoS 1 message.
fn bring(rig: &mut Rig<'_>, when: When) {
    rig.at(1_000).send(b"kept");
    match when {
        Connack | CleanConnack => {
            rig.connect_with(&ConnectOptions::default());
            rig.sent();
        }
        Suback => {
            rig.connect(ACCEPTED);
            rig.sent();
        }
        Connected => {
            rig.sign_in(ACCEPTED);
            let sent = rig.sent();
            assert_eq!(packets(&sent).len(), 1);
            assert_eq!(sent[0], 0x32, "the first time without DUP");
        }
    }
}

fn bytes(text: &str) -> Vec<u8> {
    hex(&text.replace("PP", PUBLISH_ID).replace("SS", "ffff"))
}

fn names(events: &[Seen]) -> String {
    let name = |event: &Seen| match event {
        Seen::Connected(false) => "connected",
        Seen::Connected(true) => "connected:present",
        Seen::Ready(refused) if refused.is_empty() => "ready",
        Seen::Ready(_) => "ready:refused",
        Seen::Acked(_) => "acked",
        Seen::Unknown { retain: false, .. } => "unknown",
        Seen::Unknown { retain: true, .. } => "unknown:retain",
        Seen::Disconnected(_) => "disconnected",
        other => panic!("no row has {other:?}"),
    };
    events.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn kind_of(error: Option<Error>) -> Option<Then> {
    match error? {
        Error::Peer(PeerError { kind, .. }) => Some(bad(kind)),
        Error::Refused(refusal) => Some(Refused(refusal)),
        other => panic!("{other:?}"),
    }
}

fn judge(row: u8, when: When, then: Then, rig: &mut Rig<'_>, outcome: &Outcome) {
    match then {
        Fine(events, strays, sent) => {
            assert_eq!((names(&outcome.events).as_str(), outcome.error), (events, None), "row {row}");
            assert_eq!(rig.client.strays(), strays, "row {row}");
            let bytes = rig.sent();
            match sent {
                "subscribe" => assert_eq!(bytes[0], 0x82, "row {row}"),
                "publish" => assert_eq!(bytes[0], 0x32, "row {row}"),
                sent => assert_eq!(bytes, hex(sent), "row {row}"),
            }
        }
        fatal => {
            assert_eq!(kind_of(outcome.error), Some(fatal), "row {row}");
            assert_eq!(names(&outcome.events).as_str(), "disconnected", "row {row}: once, and nothing else");
            assert_eq!(rig.client.state(), State::Failed);
            // Sticky, in both calls, and silent.
            assert_eq!(rig.time(2_000), Err(outcome.error.unwrap()), "row {row}");
            let again = rig.feed(&[0xd0, 0]);
            assert_eq!((again.events.len(), again.error), (0, outcome.error), "row {row}");
            assert_eq!(rig.sent(), b"", "row {row}");
            assert_eq!(rig.client.poll_timeout(), None, "row {row}");
            live_again(row, when, rig);
        }
    }
}

/// `connect` makes the machine live, and the message goes out: again if it did before.
fn live_again(row: u8, when: When, rig: &mut Rig<'_>) {
    let clean = rig.client.config().settings.clean_session;
    let resumed = row.is_multiple_of(2) && !clean;
    rig.sign_in(if resumed { RESUMED } else { ACCEPTED });
    let sent = rig.sent();
    let first = if resumed && when == Connected { 0x3a } else { 0x32 };
    assert_eq!(sent[0], first, "row {row}");
    let ack = bytes("4002PP");
    assert_eq!(names(&rig.feed(&ack).events), "acked", "row {row}");
    assert_eq!(rig.client.pending().telemetry, 0);
}

#[test]
fn each_bad_input_ends_as_the_table_says() {
    for (index, (row, when, text, then)) in INPUTS.into_iter().enumerate() {
        assert_eq!(usize::from(row), index + 1);
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings(when));
        bring(&mut rig, when);
        let outcome = rig.feed(&bytes(text));
        judge(row, when, then, &mut rig, &outcome);
    }
}

#[test]
fn each_bad_input_ends_the_same_however_it_is_split() {
    for (row, when, text, then) in INPUTS {
        let input = bytes(text);
        let whole = {
            let mut memory = Memory::default();
            let mut rig = memory.rig(settings(when));
            bring(&mut rig, when);
            rig.feed(&input)
        };
        for split in 0..=input.len() {
            let mut memory = Memory::default();
            let mut rig = memory.rig(settings(when));
            bring(&mut rig, when);
            let mut outcome = rig.feed(&input[..split]);
            if outcome.error.is_none() {
                let rest = rig.feed(&input[split..]);
                outcome.events.extend(rest.events);
                (outcome.error, outcome.needed) = (rest.error, rest.needed);
            }
            assert_eq!(outcome, whole, "row {row} split at {split}");
            judge(row, when, then, &mut rig, &outcome);
        }
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings(when));
        bring(&mut rig, when);
        let outcome = rig.feed_bytewise(&input);
        assert_eq!(outcome, whole, "row {row} byte by byte");
        judge(row, when, then, &mut rig, &outcome);
    }
}

#[test]
fn an_error_is_known_at_the_byte_that_decides_it() {
    for (row, when, text, _) in INPUTS {
        let input = bytes(text);
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings(when));
        bring(&mut rig, when);
        let Some(Error::Peer(PeerError { kind, packet, offset })) = rig.feed(&input).error else { continue };
        assert_eq!(input[0], packet, "row {row}: of these rows the first packet is the bad one");
        assert!((offset as usize) < input.len().max(2), "row {row}: byte {offset} is no byte of it");
        let by_header = matches!(
            kind,
            V::ForbiddenType | V::BadFlags | V::BadQos | V::DupOnQos0 | V::ExpectedConnack | V::SecondConnack
        );
        if by_header {
            assert_eq!(offset, 0);
            let mut memory = Memory::default();
            let mut rig = memory.rig(settings(when));
            bring(&mut rig, when);
            assert!(rig.feed(&input[..1]).error.is_some(), "row {row}: the first byte decides");
        }
    }
}

/// What a first byte and a length with a body of zeros must come to.
fn expected(when: When, first: u8, len: u8) -> Result<u32, Violation> {
    let by_type = match first {
        0x20 | 0x30..=0x33 | 0x3a | 0x3b | 0x40 | 0x90 | 0xb0 | 0xd0 => Ok(()),
        0x36 | 0x37 | 0x3e | 0x3f => Err(V::BadQos),
        0x38 | 0x39 => Err(V::DupOnQos0),
        0x21..=0x2f | 0x41..=0x4f | 0x91..=0x9f | 0xb1..=0xbf | 0xd1..=0xdf => Err(V::BadFlags),
        _ => Err(V::ForbiddenType),
    };
    by_type?;
    let connecting = matches!(when, Connack | CleanConnack);
    match first {
        0x20 if !connecting => return Err(V::SecondConnack),
        0x20 => {}
        _ if connecting => return Err(V::ExpectedConnack),
        _ => {}
    }
    let fits = match first {
        0x20 | 0x40 | 0xb0 => len == 2,
        0xd0 => len == 0,
        0x90 => len >= 3,
        0x30 | 0x31 => len >= 3,
        _ => len >= 5,
    };
    match first {
        _ if !fits => Err(V::WrongLength),
        0x20 => Ok(0),
        0xd0 => Ok(1),
        0x30..=0x3f => Err(V::EmptyTopic),
        _ => Err(V::ZeroPacketId),
    }
}

#[test]
fn every_first_byte_with_every_short_length_in_every_phase() {
    for when in [Connack, CleanConnack, Suback, Connected] {
        for first in 0..=255_u8 {
            for len in 0..=5_u8 {
                let input = [vec![first, len], vec![0; usize::from(len)]].concat();
                for bytewise in [false, true] {
                    let mut memory = Memory::default();
                    let mut rig = memory.rig(settings(when));
                    bring(&mut rig, when);
                    let outcome = if bytewise { rig.feed_bytewise(&input) } else { rig.feed(&input) };
                    let what = format!("{first:02x} {len:02x} {when:?}");
                    match expected(when, first, len) {
                        Ok(strays) => {
                            assert_eq!((outcome.error, rig.client.strays()), (None, strays), "{what}");
                        }
                        Err(violation) => assert_eq!(kind_of(outcome.error), Some(bad(violation)), "{what}"),
                    }
                }
            }
        }
    }
}

#[test]
fn of_all_suback_codes_four_are_legal() {
    for code in 0..=255_u8 {
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings(Suback));
        bring(&mut rig, Suback);
        let outcome = rig.feed(&suback(&[code]));
        match code {
            0..=2 => assert_eq!(outcome.events, [Seen::Ready(Features::NONE)]),
            0x80 => assert_eq!(outcome.events, [Seen::Ready(Features::MESSAGES)]),
            _ => assert_eq!(
                outcome.error,
                Some(PeerError { kind: V::BadSubackCode, packet: 0x90, offset: 4 }.into()),
                "{code:02x}"
            ),
        }
    }
}

#[test]
fn of_all_connacks_seven_are_legal() {
    for flags in 0..=255_u8 {
        for code in 0..=255_u8 {
            let mut memory = Memory::new(1024, 1, 1);
            let mut rig = memory.rig(settings(Connack));
            rig.connect_with(&ConnectOptions::default());
            rig.sent();
            let outcome = rig.feed(&[0x20, 2, flags, code]);
            let expected = match (flags, code) {
                (0 | 1, 0) => None,
                (2.., _) => Some(bad(V::BadConnackFlags)),
                (_, 6..) => Some(bad(V::BadReturnCode)),
                (1, _) => Some(bad(V::BadSessionPresent)),
                (_, code) => Some(Refused(ConnectRefusal::from_code(code).unwrap())),
            };
            assert_eq!(kind_of(outcome.error), expected, "{flags:02x} {code:02x}");
        }
    }
}

#[test]
fn an_acknowledgement_of_the_wrong_kind_is_no_stray() {
    // (when, bytes): SUBACK and UNSUBACK for a PUBLISH; PUBACK and UNSUBACK for a SUBSCRIBE.
    for (when, text) in [(Connected, "9003PP01"), (Connected, "b002PP"), (Suback, "4002SS"), (Suback, "b002SS")] {
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings(when));
        bring(&mut rig, when);
        let outcome = rig.feed(&bytes(text));
        assert_eq!(kind_of(outcome.error), Some(bad(V::WrongAck)), "{text}");
        assert_eq!(rig.client.pending().telemetry, 1, "what was not acknowledged is kept");
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_lent_is_a_stray() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings(Suback));
    rig.send(b"queued");
    rig.connect(ACCEPTED);
    // Neither SUBSCRIBE nor PUBLISH was lent: nobody can have seen their ids.
    let outcome = rig.feed(&bytes("4002PP 9003SS01 4002SS b002SS"));
    assert_eq!((outcome.events.len(), outcome.error, rig.client.strays()), (0, None, 4));
    assert_eq!(rig.grant(), [Seen::Ready(Features::NONE)]);
    assert_eq!(rig.sent()[0], 0x32);
}

#[test]
fn a_connack_before_connect_was_lent_is_not_an_answer() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings(Connack));
    rig.connect_with(&ConnectOptions::default());
    assert_eq!(kind_of(rig.feed(&ACCEPTED).error), Some(bad(V::ExpectedConnack)));
}

#[test]
fn the_transport_may_end_inside_any_packet() {
    let input = bytes("3206000174000161");
    for cut in 0..input.len() {
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings(Connected));
        bring(&mut rig, Connected);
        assert_eq!(rig.feed(&input[..cut]).events, []);
        assert_eq!(names(&rig.cut()), "disconnected");
        rig.sign_in(RESUMED);
        assert_eq!(names(&rig.feed(&input).events), "unknown", "no byte of the last connection is remembered");
    }
}

#[test]
fn a_half_sent_acknowledgement_survives_calls_in_between() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings(Connected));
    bring(&mut rig, Connected);
    assert_eq!(rig.feed(&bytes("4002")).needed, 4);
    rig.send(b"another");
    rig.sent();
    assert_eq!(names(&rig.feed(&bytes("PP")).events), "acked");
    assert_eq!(rig.client.pending().telemetry, 1);
}
