//! Runs `vectors/bad_inputs.json`: bytes that no hub should send, each in the phase where it hurts, split at every byte.
//! Which end the connection, with what error, and what is left of the machine then.
//!
//! The file is the truth for every language, and says itself how it is read: a client is brought to the row's `state`
//! with one QoS 1 message, fed the row's `bytes`, and must come to the row's `events` and `error`, or live on with
//! `strays` counted and `sent` leaving. Here the Rust crate meets it; whole, at every split, and byte by byte.

use iothub_proto::error::{ConnectRefusal, Error, PeerError, Violation};
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Settings, State};
use iothub_tests::reference::{self, Fault};
use iothub_tests::script::{ACCEPTED, Memory, Outcome, RESUMED, Rig, Seen, hex, packets, quiet, suback};
use serde_json::Value;

use Violation as V;
use When::{Connack, Connected, Suback};

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

/// What a row wants.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    row: u64,
    when: When,
    bytes: Vec<u8>,
    events: String,
    then: Then,
}

/// How it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Then {
    /// By its name, and where.
    Violation(String, u64),
    Refused(ConnectRefusal),
    Lives {
        strays: u64,
        sent: Vec<u8>,
    },
}

impl Row {
    fn read(row: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("a text in {row}")).to_owned();
        let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("a number in {row}"));
        let error = &row["error"];
        let then = match error["family"].as_str() {
            None => Then::Lives { strays: number(&row["strays"]), sent: hex(&text(&row["sent"])) },
            Some("Peer") => Then::Violation(text(&error["violation"]), number(&error["offset"])),
            Some("Refused") => {
                let code = number(&error["code"]) as u8;
                Then::Refused(ConnectRefusal::from_code(code).expect("a refusal"))
            }
            Some(other) => panic!("no such family: {other}"),
        };
        let when = match text(&row["state"]).as_str() {
            "connecting" => Connack,
            "connecting_clean" => When::CleanConnack,
            "subscribing" => Suback,
            "connected" => Connected,
            other => panic!("no such state: {other}"),
        };
        let events = row["events"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
        Self { row: number(&row["row"]), when, bytes: bytes(&text(&row["bytes"])), events, then }
    }
}

fn rows() -> Vec<Row> {
    let file: Value = serde_json::from_str(include_str!("../vectors/bad_inputs.json")).expect("bad_inputs.json");
    file["inputs"].as_array().expect("inputs").iter().map(Row::read).collect()
}

/// The packet id of the first message in the first of several slots.
const PUBLISH_ID: &str = "0001";

fn bytes(text: &str) -> Vec<u8> {
    hex(&text.replace("PP", PUBLISH_ID).replace("SS", "ffff"))
}

fn settings(when: When) -> Settings {
    Settings { features: Features::MESSAGES, clean_session: when == When::CleanConnack, ..quiet() }
}

/// Brings a client there, with one QoS 1 message.
fn bring(rig: &mut Rig<'_>, when: When) {
    rig.at(1_000).send(b"kept");
    match when {
        Connack | When::CleanConnack => {
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

/// Runs `run` with a client that was brought there.
fn with<T>(when: When, run: impl FnOnce(&mut Rig<'_>) -> T) -> T {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings(when));
    bring(&mut rig, when);
    run(&mut rig)
}

/// The events by the names that the file has for them.
fn names(events: &[Seen]) -> String {
    let name = |event: &Seen| match event {
        Seen::Connected(false) => "Connected",
        Seen::Connected(true) => "Connected session_present",
        Seen::Ready(refused) if refused.is_empty() => "Ready",
        Seen::Ready(Features::MESSAGES) => "Ready refused",
        Seen::Acked(_) => "TelemetryAcked",
        Seen::Unknown { retain: false, .. } => "Unknown",
        Seen::Unknown { retain: true, .. } => "Unknown retain",
        Seen::Disconnected(_) => "Disconnected",
        other => panic!("no row has {other:?}"),
    };
    events.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn violation(error: Option<Error>) -> Option<Violation> {
    match error? {
        Error::Peer(PeerError { kind, .. }) => Some(kind),
        other => panic!("{other:?}"),
    }
}

/// What came of feeding a row, in the row's own terms; and what must be so after any such end, checked.
fn found(row: &Row, rig: &mut Rig<'_>, outcome: &Outcome) -> (String, Then) {
    let mut events = names(&outcome.events);
    let then = match outcome.error {
        None => Then::Lives { strays: rig.client.strays().into(), sent: rig.sent() },
        Some(error) => {
            let told = events.strip_suffix("Disconnected").unwrap_or_else(|| panic!("{row:?}: {events}"));
            events = told.trim_end_matches(", ").to_owned();
            stays_failed(row, rig, error);
            live_again(row, rig);
            match error {
                Error::Peer(PeerError { kind, offset, .. }) => Then::Violation(format!("{kind:?}"), offset.into()),
                Error::Refused(refusal) => Then::Refused(refusal),
                other => panic!("{row:?}: {other:?}"),
            }
        }
    };
    (events, then)
}

/// The error is sticky, in both calls, and the client silent.
fn stays_failed(row: &Row, rig: &mut Rig<'_>, error: Error) {
    assert_eq!(rig.client.state(), State::Failed, "{row:?}");
    assert_eq!(rig.time(2_000), Err(error), "{row:?}");
    let again = rig.feed(&[0xd0, 0]);
    assert_eq!((again.events.len(), again.error), (0, Some(error)), "{row:?}");
    assert_eq!(rig.sent(), b"", "{row:?}");
    assert_eq!(rig.client.poll_timeout(), None, "{row:?}");
}

/// `connect` makes the machine live, and the message goes out: again if it did before.
fn live_again(row: &Row, rig: &mut Rig<'_>) {
    let clean = rig.client.config().settings.clean_session;
    let resumed = row.row.is_multiple_of(2) && !clean;
    rig.sign_in(if resumed { RESUMED } else { ACCEPTED });
    let sent = rig.sent();
    let first = if resumed && row.when == Connected { 0x3a } else { 0x32 };
    assert_eq!(sent[0], first, "{row:?}");
    assert_eq!(names(&rig.feed(&bytes("4002PP")).events), "TelemetryAcked", "{row:?}");
    assert_eq!(rig.client.pending().telemetry, 0);
}

#[test]
fn each_bad_input_ends_as_the_table_says_however_it_is_split() {
    let rows = rows();
    assert!(rows.len() >= 113);
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row.row as usize, index + 1);
        let (input, wanted) = (&row.bytes, (row.events.clone(), row.then.clone()));
        let whole = with(row.when, |rig| {
            let outcome = rig.feed(input);
            assert_eq!(found(row, rig, &outcome), wanted, "{row:?}");
            outcome
        });
        for split in 0..=input.len() {
            with(row.when, |rig| {
                let outcome = rig.feed_split(input, split);
                assert_eq!(outcome, whole, "{row:?} split at {split}");
                assert_eq!(found(row, rig, &outcome), wanted, "{row:?} split at {split}");
            });
        }
        with(row.when, |rig| {
            let outcome = rig.feed_bytewise(input);
            assert_eq!(outcome, whole, "{row:?} byte by byte");
            assert_eq!(found(row, rig, &outcome), wanted, "{row:?} byte by byte");
        });
    }
}

/// The control: of the expectations of all rows each row meets only those that say the same as its own.
#[test]
fn no_bad_input_meets_what_the_table_says_of_another() {
    let rows = rows();
    for row in &rows {
        let found = with(row.when, |rig| {
            let outcome = rig.feed(&row.bytes);
            found(row, rig, &outcome)
        });
        for other in rows.iter().filter(|other| (&other.events, &other.then) != (&row.events, &row.then)) {
            assert_ne!(found, (other.events.clone(), other.then.clone()), "{row:?} passes as {other:?}");
        }
    }
}

#[test]
fn an_error_is_known_at_the_byte_that_decides_it() {
    for row in rows().iter().filter(|row| row.events.is_empty()) {
        let input = &row.bytes;
        let error = with(row.when, |rig| rig.feed(input).error);
        let Some(Error::Peer(PeerError { kind, packet, offset })) = error else { continue };
        assert_eq!(input[0], packet, "{row:?}: the first packet is the bad one");
        assert!(offset as usize <= input.len(), "{row:?}: byte {offset} is beyond its end");
        let by_header = matches!(
            kind,
            V::ForbiddenType | V::BadFlags | V::BadQos | V::DupOnQos0 | V::ExpectedConnack | V::SecondConnack
        );
        assert_eq!(by_header, offset == 0, "{row:?}");
        if by_header {
            with(row.when, |rig| assert!(rig.feed(&input[..1]).error.is_some(), "{row:?}: the first byte decides"));
        }
        if matches!(kind, V::WrongLength | V::TooLarge | V::BadRemainingLength) {
            let header = 1 + input[1..].iter().take(4).take_while(|byte| **byte >= 0x80).count();
            let decided = input.get(..=header).unwrap_or(input);
            with(row.when, |rig| assert!(rig.feed(decided).error.is_some(), "{row:?}: the length decides"));
        }
    }
}

/// 256 first bytes, 6 lengths, 5 phases, each at every byte, against the model of `reference`; and the control, mistakes
/// that a header alone shows, planted in the model, with the number of cases where they show at least.
#[test]
fn every_first_byte_with_every_short_length_in_every_phase() {
    let planted = [
        (Fault::FlagsUnchecked, 75),
        (Fault::TypeFifteenIsPingresp, 3),
        (Fault::Qos3IsQos1, 3 * 4),
        (Fault::DupOnQos0Passes, 3 * 2),
        (Fault::PingrespWithBody, 3 * 5),
        (Fault::PubackLongerThanTwo, 3 * 3),
        (Fault::ZeroPacketIdPasses, 3 * 3),
        (Fault::EmptyTopicPasses, 3 * 2),
        (Fault::FirstPacketNeedNotBeConnack, 2 * 9),
        (Fault::SecondConnackPasses, 3),
    ];
    let (count, [found]) = reference::headers([Fault::None]);
    assert_eq!((count, found.first()), (7_680, None));
    let (_, found) = reference::headers(planted.map(|(fault, _)| fault));
    for ((fault, least), found) in planted.iter().zip(&found) {
        assert!(found.len() >= *least, "{fault:?} shows in {} cases only", found.len());
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
    let bad = |kind, offset| Error::Peer(PeerError { kind, packet: 0x20, offset });
    for flags in 0..=255_u8 {
        for code in 0..=255_u8 {
            let mut memory = Memory::new(1024, 1, 1);
            let mut rig = memory.rig(settings(Connack));
            rig.connect_with(&ConnectOptions::default());
            rig.sent();
            let outcome = rig.feed(&[0x20, 2, flags, code]);
            let expected = match (flags, code) {
                (0 | 1, 0) => None,
                (2.., _) => Some(bad(V::BadConnackFlags, 2)),
                (_, 6..) => Some(bad(V::BadReturnCode, 3)),
                (1, _) => Some(bad(V::BadSessionPresent, 2)),
                (_, code) => Some(Error::Refused(ConnectRefusal::from_code(code).unwrap())),
            };
            assert_eq!(outcome.error, expected, "{flags:02x} {code:02x}");
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
        assert_eq!(violation(outcome.error), Some(V::WrongAck), "{text}");
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
    assert_eq!(violation(rig.feed(&ACCEPTED).error), Some(V::ExpectedConnack));
}

#[test]
fn the_transport_may_end_inside_any_packet() {
    let input = bytes("3206000174000161");
    for cut in 0..input.len() {
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings(Connected));
        bring(&mut rig, Connected);
        assert_eq!(rig.feed(&input[..cut]).events, []);
        assert_eq!(names(&rig.cut()), "Disconnected");
        rig.sign_in(RESUMED);
        assert_eq!(names(&rig.feed(&input).events), "Unknown", "no byte of the last connection is remembered");
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
    assert_eq!(names(&rig.feed(&bytes("PP")).events), "TelemetryAcked");
    assert_eq!(rig.client.pending().telemetry, 1);
}
