//! Every state × every verb: what is legal, what is refused as what, and that a refusal changes nothing.

use iothub_proto::error::{Error, Field, PatchRule, UsageError, Violation};
use iothub_proto::event::{DisconnectReason, KeptRequestId, LastSent, MessageToken, TelemetryToken, TwinToken};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::{Features, SystemProperties};
use iothub_proto::{ConnectOptions, Settings, State, Telemetry};
use iothub_tests::script::{ACCEPTED, Memory, RESUMED, Rig, Seen, hex, quiet};

mod common;
use common::publish;

const C2D: &str = "devices/dev1/messages/devicebound/";
const METHOD: &str = "$iothub/methods/POST/blink/?$rid=7";

fn settings() -> Settings {
    Settings { features: Features::ALL_DEVICE, keep_alive: 60, ..Settings::default() }
}

/// What the application holds when the state is reached.
struct Held {
    telemetry: TelemetryToken,
    twin: TwinToken,
    /// Delivered on this connection, or on the one before where this one cannot deliver.
    message: MessageToken,
    method: KeptRequestId,
}

fn delivered(rig: &mut Rig<'_>) -> (MessageToken, KeptRequestId) {
    let events = rig.feed(&[publish(0x32, C2D, Some(9), b"m"), publish(0x30, METHOD, None, b"{}")].concat()).events;
    let [Seen::Message { token: Some(token), .. }, Seen::Method { request, .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    (*token, *request)
}

/// Drives a client into `state`, with telemetry, a twin request, a message and a method call behind it.
fn drive(rig: &mut Rig<'_>, state: State) -> Held {
    rig.at(1_000).sign_in(ACCEPTED);
    let (mut message, mut method) = delivered(rig);
    rig.cut();
    let telemetry = rig.send(b"kept");
    let twin = rig.client.twin_get(rig.now).unwrap();
    rig.at(2_000);
    if !matches!(state, State::Offline) {
        rig.connect_with(&ConnectOptions::default());
        rig.sent();
    }
    if !matches!(state, State::Offline | State::Connecting) {
        rig.feed(&RESUMED);
        (message, method) = delivered(rig);
    }
    match state {
        State::Offline | State::Connecting | State::Subscribing => {}
        State::Ready => drop(rig.grant()),
        State::Draining | State::Closing => {
            rig.grant();
            rig.client.disconnect(rig.now).unwrap();
            if state == State::Closing {
                rig.client.disconnect(rig.now).unwrap();
            }
        }
        State::Failed => {
            let outcome = rig.feed(&hex("00"));
            assert!(matches!(outcome.error, Some(Error::Peer(_))));
        }
    }
    rig.at(3_000);
    assert_eq!(rig.client.state(), state);
    Held { telemetry, twin, message, method }
}

type Verb = fn(&mut Rig<'_>, &Held) -> Result<(), Error>;

/// A verb and what it gives in each state, in the order of [`State::ALL`].
type Row = (&'static str, Verb, [Option<UsageError>; 7]);

const OK: Option<UsageError> = None;
const STATE: Option<UsageError> = Some(UsageError::InvalidState);
const STALE: Option<UsageError> = Some(UsageError::Stale);

const fn all(error: UsageError) -> [Option<UsageError>; 7] {
    [Some(error); 7]
}

fn subscribe(rig: &mut Rig<'_>, features: Features) -> Result<(), Error> {
    rig.client.subscribe(rig.now, features)
}

fn table() -> Vec<Row> {
    vec![
        //                                    Offline Connecting Subscribing Ready Draining Closing Failed
        (
            "connect",
            |rig, _| rig.client.connect(rig.now, &ConnectOptions::default()),
            [OK, STATE, STATE, STATE, STATE, STATE, OK],
        ),
        ("disconnect", |rig, _| rig.client.disconnect(rig.now), [OK, OK, OK, OK, OK, OK, STATE]),
        ("handle_eof", |rig, _| rig.client.handle_eof(rig.now), [OK; 7]),
        ("subscribe", |rig, _| subscribe(rig, Features::MESSAGES), [OK; 7]),
        ("subscribe inputs", |rig, _| subscribe(rig, Features::INPUTS), all(UsageError::WrongIdentity)),
        ("send_telemetry", |rig, _| rig.client.send_telemetry(rig.now, &Telemetry::default()).map(drop), [OK; 7]),
        (
            "send_telemetry without a name",
            |rig, _| {
                let message = Telemetry { properties: &[("", "x")], ..Telemetry::default() };
                rig.client.send_telemetry(rig.now, &message).map(drop)
            },
            all(UsageError::BadText { field: Field::PropertyName, at: 0 }),
        ),
        (
            "send_telemetry to an output",
            |rig, _| {
                let system = SystemProperties { output: Some("out"), ..SystemProperties::default() };
                let message = Telemetry { system: &system, ..Telemetry::default() };
                rig.client.send_telemetry(rig.now, &message).map(drop)
            },
            all(UsageError::WrongIdentity),
        ),
        ("telemetry_withdraw", |rig, held| rig.client.telemetry_withdraw(rig.now, held.telemetry).map(drop), [OK; 7]),
        (
            "telemetry_withdraw of a twin request",
            |rig, held| {
                let token = TelemetryToken::from_bits(held.twin.to_bits());
                rig.client.telemetry_withdraw(rig.now, token).map(drop)
            },
            all(UsageError::Stale),
        ),
        (
            "telemetry_withdraw of nothing",
            |rig, _| rig.client.telemetry_withdraw(rig.now, TelemetryToken::from_bits(u32::MAX)).map(drop),
            all(UsageError::Stale),
        ),
        (
            "message_accept",
            |rig, held| rig.client.message_accept(rig.now, held.message),
            [STALE, STALE, OK, OK, OK, STALE, STALE],
        ),
        (
            "message_leave",
            |rig, held| rig.client.message_leave(rig.now, held.message),
            [STALE, STALE, OK, OK, OK, STALE, STALE],
        ),
        (
            "message_accept of nothing",
            |rig, _| rig.client.message_accept(rig.now, MessageToken::from_bits(0xffff_ffff)),
            all(UsageError::Stale),
        ),
        (
            "method_respond",
            |rig, held| rig.client.method_respond(rig.now, &held.method, 200, b"{}"),
            [STALE, STALE, OK, OK, OK, STALE, STALE],
        ),
        ("twin_get", |rig, _| rig.client.twin_get(rig.now).map(drop), [OK; 7]),
        ("twin_report", |rig, _| rig.client.twin_report(rig.now, b"{}").map(drop), [OK; 7]),
        (
            "twin_report of no JSON",
            |rig, _| rig.client.twin_report(rig.now, b"{").map(drop),
            all(UsageError::BadPatch(PatchRule::Json)),
        ),
        ("confirm_transmit of nothing", |rig, _| rig.client.confirm_transmit(rig.now, 0), [OK; 7]),
        (
            "confirm_transmit before anything is lent",
            |rig, _| rig.client.confirm_transmit(rig.now, 1),
            all(UsageError::BadConfirm { lent: 0, confirmed: 1 }),
        ),
    ]
}

#[test]
fn each_verb_is_legal_or_refused_as_the_table_says() {
    for (name, verb, expected) in table() {
        for (state, expected) in State::ALL.into_iter().zip(expected) {
            let (mut memory, mut control) = (Memory::default(), Memory::default());
            let (mut rig, mut control) = (memory.rig(settings()), control.rig(settings()));
            let held = drive(&mut rig, state);
            drive(&mut control, state);
            let outcome = verb(&mut rig, &held);
            assert_eq!(outcome, expected.map_or(Ok(()), |error| Err(error.into())), "{name} in {state:?}");
            if outcome.is_err() {
                assert_eq!(rig.snapshot(), control.snapshot(), "{name} in {state:?} changed something");
                assert_eq!(rig.drain(), control.drain(), "{name} in {state:?}");
                assert_eq!(rig.snapshot(), control.snapshot(), "{name} in {state:?} changed something");
            }
        }
    }
}

#[test]
fn an_instant_beyond_the_clock_is_refused_by_every_verb_and_changes_nothing() {
    for (name, verb, _) in table() {
        for state in State::ALL {
            let (mut memory, mut control) = (Memory::default(), Memory::default());
            let (mut rig, mut control) = (memory.rig(settings()), control.rig(settings()));
            let held = drive(&mut rig, state);
            drive(&mut control, state);
            for bad in [Instant::from_millis(Instant::MAX.as_millis() + 1), Instant::from_millis(u64::MAX)] {
                rig.now = bad;
                assert_eq!(verb(&mut rig, &held), Err(UsageError::BadInstant.into()), "{name} in {state:?}");
                assert_eq!(rig.client.handle_timeout(bad), Err(UsageError::BadInstant.into()));
                assert_eq!(rig.client.handle_input(bad, b"\x00").unwrap_err(), UsageError::BadInstant.into());
            }
            rig.at(3_000);
            assert_eq!(rig.snapshot(), control.snapshot(), "{name} in {state:?} changed something");
        }
    }
}

#[test]
fn time_moves_each_state_and_only_a_failed_one_complains() {
    for state in State::ALL {
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings());
        drive(&mut rig, state);
        let outcome = rig.time(3_000);
        assert_eq!(outcome.is_err(), state == State::Failed, "{state:?}");
        assert_eq!(rig.client.state(), state, "nothing was due in {state:?}");
    }
}

#[test]
fn input_in_each_state() {
    let publish = publish(0x30, C2D, None, b"hello");
    for state in State::ALL {
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings());
        drive(&mut rig, state);
        let outcome = rig.feed(&publish);
        match state {
            // A connection that is over: what still comes in is dropped.
            State::Offline | State::Closing => assert_eq!((outcome.events.len(), outcome.error), (0, None)),
            State::Connecting => {
                let Some(Error::Peer(error)) = outcome.error else { panic!("{outcome:?}") };
                assert_eq!((error.kind, error.packet, error.offset), (Violation::ExpectedConnack, 0x30, 0));
                assert!(matches!(outcome.events.as_slice(), [Seen::Disconnected(_)]));
            }
            State::Subscribing | State::Ready | State::Draining => {
                assert!(matches!(outcome.events.as_slice(), [Seen::Message { token: None, .. }]), "{outcome:?}");
            }
            State::Failed => assert!(outcome.error.is_some() && outcome.events.is_empty()),
        }
    }
}

#[test]
fn the_end_of_the_transport_in_each_state_is_told_once() {
    for state in State::ALL {
        let mut memory = Memory::default();
        let mut rig = memory.rig(settings());
        drive(&mut rig, state);
        rig.client.handle_eof(rig.now).unwrap();
        rig.client.handle_eof(rig.now).unwrap();
        let outcome = rig.drain();
        let reasons: Vec<_> = outcome
            .events
            .iter()
            .filter_map(|event| match event {
                Seen::Disconnected(end) => Some((end.reason, end.last_sent)),
                _ => None,
            })
            .collect();
        let closed = DisconnectReason::TransportClosed;
        let expected = match state {
            State::Offline | State::Failed => vec![],
            State::Connecting => vec![(closed, Some(LastSent::Connect))],
            State::Subscribing => vec![(closed, Some(LastSent::Connect))],
            State::Ready | State::Draining => vec![(closed, Some(LastSent::Subscribe))],
            State::Closing => vec![(DisconnectReason::Requested, Some(LastSent::Subscribe))],
        };
        assert_eq!(reasons, expected, "{state:?}");
        assert_eq!(outcome.error.is_some(), state == State::Failed);
        assert_eq!(rig.client.state(), if state == State::Failed { State::Failed } else { State::Offline });
    }
}

#[test]
fn connect_from_a_failed_connection_makes_it_live_again() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    let held = drive(&mut rig, State::Failed);
    rig.sign_in(RESUMED);
    assert_eq!(rig.client.unacked().collect::<Vec<_>>(), [held.telemetry]);
    assert!(rig.time(4_000).is_ok());
    let sent = String::from_utf8_lossy(&rig.sent()).into_owned();
    assert!(sent.contains("$iothub/twin/GET/") && sent.contains("kept"), "{sent}");
}

#[test]
fn a_disconnect_before_connack_ends_at_once_and_says_nothing() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.connect_with(&ConnectOptions::default());
    rig.client.disconnect(rig.now).unwrap();
    assert_eq!(rig.client.state(), State::Offline);
    assert_eq!(rig.sent(), b"", "no byte of CONNECT was lent, and none will be");
    let events = rig.drain().events;
    let [Seen::Disconnected(end)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((end.reason, end.last_sent, end.ready_for), (DisconnectReason::Requested, None, Duration::ZERO));
    assert_eq!(rig.client.poll_timeout(), None);
}

#[test]
fn a_second_answer_to_the_same_message_is_stale() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    let held = drive(&mut rig, State::Ready);
    rig.client.message_leave(rig.now, held.message).unwrap();
    assert_eq!(rig.client.message_accept(rig.now, held.message), Err(UsageError::Stale.into()));
    assert_eq!(rig.client.message_leave(rig.now, held.message), Err(UsageError::Stale.into()));
    assert_eq!(rig.client.pending().messages, 0);
}

#[test]
fn twin_commands_need_the_feature_whatever_the_state() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    assert_eq!(rig.client.twin_get(rig.now), Err(UsageError::NotSubscribed.into()));
    rig.sign_in(ACCEPTED);
    assert_eq!(rig.client.twin_report(rig.now, b"{}"), Err(UsageError::NotSubscribed.into()));
    rig.client.subscribe(rig.now, Features::TWIN).unwrap();
    assert!(rig.client.twin_get(rig.now).is_ok());
}

#[test]
fn a_refused_twin_filter_refuses_the_twin_commands_until_it_is_asked_for_again() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { features: Features::TWIN, ..quiet() });
    rig.connect(ACCEPTED);
    rig.sent();
    assert_eq!(rig.feed(&hex("9003ffff80")).events, [Seen::Ready(Features::TWIN)]);
    assert_eq!(rig.client.twin_get(rig.now), Err(UsageError::NotSubscribed.into()));
    rig.client.subscribe(rig.now, Features::TWIN).unwrap();
    assert_eq!(rig.grant(), [Seen::Subscribed(Features::TWIN, Features::NONE)]);
    assert!(rig.client.twin_get(rig.now).is_ok());
}
