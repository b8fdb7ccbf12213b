//! Registrations with the simulated provisioning service, over links that chunk and break.

use iothub_proto::auth::Registration;
use iothub_proto::error::{ConnectRefusal, Error, RegistrationError, TimeoutReason};
use iothub_proto::event::DisconnectReason;
use iothub_proto::retry::{Backoff, RetryCause, RetryPolicy};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::{ProvisioningConfig, State};
use iothub_tests::hub::{CloseReason, Credentials, Enrollment, Hub, HubConfig, Registered};
use iothub_tests::link::{Break, End};
use iothub_tests::pair::setup::{HOST, KEY};
use iothub_tests::pair::{Reconnect, Seen as DeviceSeen, Setup};
use iothub_tests::registration::{Proof, Registering, Seen};
use serde_json::json;

const GROUP_KEY: &str = "c29tZSBvdGhlciBrZXk=";
const OTHER_HUB: &str = "fabrikam.azure-devices.net";

/// A service that knows `reg-001` by its key, `cert-1` by its certificate, and a group.
fn hub() -> Hub {
    let mut hub = Hub::new(HubConfig::new(HOST));
    hub.dps.enroll("reg-001", Enrollment::new(Credentials::key(KEY).unwrap(), HOST));
    hub.dps.enroll("cert-1", Enrollment::new(Credentials::Certificate, HOST));
    hub.dps.enroll_group(Enrollment::new(Credentials::key(GROUP_KEY).unwrap(), OTHER_HUB));
    hub
}

fn config(registration_id: &'static str) -> ProvisioningConfig<'static> {
    ProvisioningConfig::new(Registration::new("0ne00000001", registration_id))
}

/// `reg-001` with its own key.
fn registering() -> Registering {
    Registering::new(config("reg-001"), Proof::Key(KEY), hub(), 1)
}

fn assigned(hub: &str, device_id: &str) -> Result<(String, String), Error> {
    Ok((hub.to_owned(), device_id.to_owned()))
}

const fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn every_way_to_prove_oneself() {
    for (id, proof, hub_name) in [
        ("reg-001", Proof::Key(KEY), HOST),
        ("cert-1", Proof::Certificate("cert-1"), HOST),
        ("any.device_of:the-group-7", Proof::Group(GROUP_KEY), OTHER_HUB),
        ("REG-001", Proof::Key(KEY), HOST),
    ] {
        let mut device = Registering::new(config(id), proof, hub(), 1);
        assert_eq!(device.run(), assigned(hub_name, &id.to_ascii_lowercase()), "{id}");
        assert_eq!(device.hub.violations(), []);
        let registered = Registered { registration_id: id.to_owned(), payload: None, hub: Some(hub_name.to_owned()) };
        assert_eq!(device.hub.dps.registered(), [registered]);
    }
}

#[test]
fn the_conversation_in_order_and_in_time() {
    let mut device = registering();
    device.hub.dps.polls = 3;
    assert_eq!(device.run(), assigned(HOST, "reg-001"));
    let assigning = Seen::Assigning { retry_after: seconds(3) };
    let [Seen::Connected, Seen::Ready, first, second, third, Seen::Assigned { substatus, payload, .. }, end] =
        &device.events()[..]
    else {
        panic!("{:?}", device.seen)
    };
    assert_eq!([first, second, third], [&assigning; 3]);
    assert_eq!((substatus.as_str(), payload.as_slice()), ("initialAssignment", &[][..]));
    assert_eq!(*end, Seen::Disconnected(DisconnectReason::Requested));
    // Three round trips of 20 ms to the first answer, then 3 s and one more for each question.
    let times: Vec<u64> = device.seen.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(times, [20, 40, 60, 3_080, 6_100, 9_120, 9_120]);
}

#[test]
fn the_hub_knows_the_device_that_was_assigned() {
    let mut device = registering();
    device.run().unwrap();
    let mut pair = Setup::with_string(format!("HostName={HOST};DeviceId=reg-001;SharedAccessKey={KEY}")).start();
    pair.hub = device.hub;
    pair.sign_in();
}

#[test]
fn payloads_go_there_and_back() {
    let payload = br#"{"modelId":"dtmi:com:example:Thermostat;1","note":"a\u0022b"}"#;
    let config = || ProvisioningConfig { payload: Some(payload), ..config("reg-001") };
    let mut device = Registering::new(config(), Proof::Key(KEY), hub(), 1);
    device.run().unwrap();
    let told = |device: &Registering| {
        let payloads = device.events().into_iter().filter_map(|seen| match seen {
            Seen::Assigned { payload, .. } => Some(serde_json::from_slice::<serde_json::Value>(&payload).unwrap()),
            _ => None,
        });
        payloads.collect::<Vec<_>>()
    };
    let sent: serde_json::Value = serde_json::from_slice(payload).unwrap();
    assert_eq!(told(&device), std::slice::from_ref(&sent));
    assert_eq!(device.hub.dps.registered()[0].payload, Some(sent));

    let mut hub = hub();
    hub.dps.enrollment("reg-001").unwrap().payload = Some(json!({ "interval": 30 }));
    hub.dps.enrollment("reg-001").unwrap().device_id = Some("boiler'7".to_owned());
    let mut device = Registering::new(config(), Proof::Key(KEY), hub, 1);
    assert_eq!(device.run(), assigned(HOST, "boiler'7"));
    assert_eq!(told(&device), [json!({ "interval": 30 })]);
}

#[test]
fn throttled_and_in_trouble_it_waits_and_asks_again() {
    let mut device = registering();
    device.hub.dps.statuses.extend([(429, Some(7)), (500, None), (503, Some(1))]);
    assert_eq!(device.run(), assigned(HOST, "reg-001"));
    let waits: Vec<(u16, u32, u64)> = device
        .events()
        .iter()
        .filter_map(|seen| match *seen {
            Seen::Throttled { status, code, retry_after } => Some((status, code, retry_after.as_millis())),
            _ => None,
        })
        .collect();
    let [(429, 429_001, first), (500, 500_001, second), (503, 503_001, third)] = waits[..] else { panic!("{waits:?}") };
    // What was asked for or the backoff, whichever is longer, and jitter.
    for (wait, at_least) in [(first, 7_000), (second, 4_000), (third, 8_000)] {
        assert!((at_least..at_least * 5 / 4).contains(&wait), "{waits:?}");
    }
}

#[test]
fn a_service_that_never_has_time_ends_at_the_deadline() {
    let mut device = registering();
    device.hub.dps.statuses.extend([(503, None); 1_000]);
    let error = Error::TimedOut(TimeoutReason::Registration);
    assert_eq!(device.run(), Err(error));
    assert_eq!(device.now(), Instant::ZERO + seconds(300));
    let tried = device.events().iter().filter(|seen| matches!(seen, Seen::Throttled { .. })).count();
    assert!((7..12).contains(&tried), "{tried}");
    assert_eq!(device.seen.last().unwrap().1, Seen::Failed(error));
}

#[test]
fn requests_without_an_answer_are_made_again() {
    let mut device = registering();
    device.hub.dps.ignored = 2;
    assert_eq!(device.run(), assigned(HOST, "reg-001"));
    // 60 s each.
    assert!((120_000..130_000).contains(&device.now().as_millis()), "{:?}", device.now());
    assert_eq!(device.client.strays(), 0);
}

#[test]
fn answers_at_qos_1() {
    let mut device = registering();
    device.hub.dps.answer_qos = 1;
    device.hub.dps.polls = 8;
    assert_eq!(device.run(), assigned(HOST, "reg-001"));
    let acknowledged = device.sent.windows(3).filter(|bytes| *bytes == [0x40, 2, 0]).count();
    assert_eq!(acknowledged, 9);
}

/// Five requests in ten seconds are allowed; the fastest `retry-after` must not lead to more.
#[test]
fn it_never_asks_too_often() {
    for retry_after in [None, Some(0), Some(1), Some(2)] {
        let mut device = registering();
        device.hub.dps.polls = 20;
        device.hub.dps.retry_after = retry_after;
        assert_eq!(device.run(), assigned(HOST, "reg-001"));
        assert!(!device.events().iter().any(|seen| matches!(seen, Seen::Throttled { .. })), "{retry_after:?}");
    }
}

#[test]
fn what_the_service_refuses_for_good() {
    let failing = |change: fn(&mut Hub)| {
        let mut device = registering();
        change(&mut device.hub);
        (device.run().unwrap_err(), device.events())
    };
    for (change, error, code) in [
        (
            (|hub| hub.dps.enrollment("reg-001").unwrap().enabled = false) as fn(&mut Hub),
            RegistrationError::Disabled,
            None,
        ),
        (
            |hub| hub.dps.enrollment("reg-001").unwrap().failure = Some(400_207),
            RegistrationError::Failed { code: 400_207 },
            Some(400_207),
        ),
        (
            |hub| hub.dps.statuses.push_back((404, None)),
            RegistrationError::Refused { status: 404, code: 404_001 },
            None,
        ),
        (
            |hub| hub.dps.statuses.push_back((401, Some(9))),
            RegistrationError::Refused { status: 401, code: 401_001 },
            None,
        ),
    ] {
        let (failed, events) = failing(change);
        assert_eq!(failed, Error::Registration(error));
        let [.., Seen::Refused { error: told, payload }, Seen::Disconnected(reason), Seen::Failed(last)] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((*told, *reason, *last), (error, DisconnectReason::Failed(failed), failed));
        let body: serde_json::Value = serde_json::from_slice(payload).unwrap();
        if let Some(code) = code {
            assert_eq!(body["registrationState"]["errorCode"], code);
        }
    }
}

#[test]
fn who_is_not_let_in() {
    let bad_scope = ProvisioningConfig::new(Registration { id_scope: "0ne00000002", ..config("reg-001").registration });
    for (config, proof) in [
        (bad_scope, Proof::Key(KEY)),
        (config("reg-001"), Proof::Key(GROUP_KEY)),
        (config("reg-001"), Proof::Group(GROUP_KEY)),
        (config("reg-001"), Proof::Certificate("reg-001")),
        (config("reg-002"), Proof::Key(KEY)),
        (config("cert-1"), Proof::Certificate("cert-2")),
        (config("cert-1"), Proof::Key(KEY)),
    ] {
        let mut device = Registering::new(config, proof.clone(), hub(), 1);
        assert_eq!(device.run(), Err(Error::Refused(ConnectRefusal::NotAuthorized)), "{config:?} {proof:?}");
        assert_eq!((device.client.state(), device.hub.dps.registered()), (State::Failed, &[][..]));
    }
    let mut device = registering();
    device.hub.faults.refuse_connects.push_back(3);
    assert_eq!(device.run(), Err(Error::Refused(ConnectRefusal::ServerUnavailable)));
}

/// Law 8, and patience with answers of every shape.
#[test]
fn chunks_change_nothing() {
    let run = |max_chunk, seed| {
        let mut device = Registering::new(config("reg-001"), Proof::Key(KEY), hub(), seed);
        device.link.max_chunk = max_chunk;
        device.hub.dps.answer_qos = 1;
        device.hub.dps.polls = 2;
        device.run().unwrap();
        assert_eq!(device.hub.violations(), []);
        device.events()
    };
    let whole = run(usize::MAX, 1);
    for seed in 1..40 {
        assert_eq!(run(1 + seed as usize % 7, seed), whole, "seed {seed}");
    }
}

/// Wherever the first connection is cut, the device is assigned on a later one.
#[test]
fn cuts_anywhere() {
    let mut device = registering();
    device.run().unwrap();
    let total = device.sent.len() as u64;
    assert!(total > 300, "{total}");
    for (end, bytes) in (0..total).map(|bytes| (End::Client, bytes)).chain((0..700).map(|bytes| (End::Hub, bytes))) {
        for how in [Break::Close, Break::Silent] {
            // Nobody waits for a link that broke in silence at every byte.
            if how == Break::Silent && bytes % 7 != 0 {
                continue;
            }
            let mut device = registering();
            device.link.max_chunk = 64;
            device.cuts.push_back((end, bytes, how));
            assert_eq!(device.run(), assigned(HOST, "reg-001"), "{end:?} {bytes} {how:?}: {:?}", device.seen);
            assert_eq!(device.hub.violations(), []);
            // The bytes of the token are nowhere but in CONNECT.
            let connects = device.events().iter().filter(|seen| **seen == Seen::Connected).count();
            assert!((1..=2).contains(&connects), "{connects}");
        }
    }
}

/// Answers that no service should give end in a typed error or are not taken for one.
#[test]
fn bad_answers() {
    let topic = |status: u16| format!("$dps/registrations/res/{status}/?$rid={{rid}}");
    let bad = |status| Some(Error::Registration(RegistrationError::BadAnswer { status }));
    let state = r#""registrationState":{"assignedHub":"h.net","deviceId":"d"}"#;
    let table: Vec<(String, String, Option<Error>)> = vec![
        (topic(200), "not json".to_owned(), bad(200)),
        (topic(200), r#"{"status":"assigned"}"#.to_owned(), bad(200)),
        (topic(200), r#"{"status":"assigned","registrationState":"x"}"#.to_owned(), bad(200)),
        (topic(200), format!(r#"{{"status":"assigned",{state}"#), bad(200)),
        (topic(200), format!(r#"{{"status":"assigned",{state}}}}}"#), bad(200)),
        (topic(202), "{\"operationId\":7}".to_owned(), bad(202)),
        (topic(202), format!(r#"{{"operationId":"{}"}}"#, "x".repeat(129)), bad(202)),
        (topic(200), "[".repeat(70), bad(200)),
        (topic(200), "x".repeat(8_000), Some(Error::Registration(RegistrationError::AnswerTooLarge { len: 8_000 }))),
        // What answers nothing is passed over, and the request is made again.
        (topic(200).replace("{rid}", "999"), format!(r#"{{"status":"assigned",{state}}}"#), None),
        (topic(200).replace("$rid", "rid"), format!(r#"{{"status":"assigned",{state}}}"#), None),
        ("$dps/registrations/res/x/?$rid={rid}".to_owned(), String::new(), None),
        ("$iothub/twin/res/200/?$rid={rid}".to_owned(), String::new(), None),
    ];
    for (topic, body, error) in table {
        let mut device = registering();
        device.hub.dps.raw_answers.push_back((topic.clone(), body.clone().into_bytes()));
        let outcome = device.run();
        match error {
            Some(error) => assert_eq!(outcome, Err(error), "{topic} {body}"),
            None => {
                assert_eq!(outcome, assigned(HOST, "reg-001"), "{topic} {body}");
                assert_eq!((device.client.strays(), device.now().as_millis() / 1_000), (1, 63), "{topic}");
            }
        }
    }
}

#[test]
fn a_device_that_is_told_wrong_knows_what_it_was_told() {
    let mut device = registering();
    let body = r#"{"status":"assigned","registrationState":{"assignedHub":"h.net","deviceId":"\u0064\/1"}}"#;
    device.hub.dps.raw_answers.push_back(("$dps/registrations/res/200/?$rid={rid}".to_owned(), body.into()));
    assert_eq!(device.run(), assigned("h.net", "d/1"));
}

#[test]
fn the_service_and_the_hub_do_not_take_each_others_connections() {
    let mut device = Setup::device().start();
    device.connect();
    // The same CONNECT at the door of the service.
    let mut hub = hub();
    let conn = hub.accept_dps(Instant::ZERO, None);
    let connect = device.client.poll_transmit().expect("CONNECT").to_vec();
    hub.handle_input(conn, Instant::ZERO, &connect);
    assert_eq!(hub.poll_transmit(conn, usize::MAX), [0x20, 2, 0, 4]);
    assert_eq!(hub.wants_close(conn), Some(CloseReason::Refused(4)));

    let mut device = registering();
    device.run().unwrap();
    let len = usize::from(device.sent[1] & 0x7F) + (usize::from(device.sent[2]) << 7) + 3;
    let conn = hub.accept(Instant::ZERO, None);
    hub.handle_input(conn, Instant::ZERO, &device.sent[..len]);
    assert_eq!(hub.wants_close(conn), None);
    assert_eq!(hub.poll_transmit(conn, usize::MAX)[..2], [0x20, 2]);
    assert!(matches!(hub.wants_close(conn), Some(CloseReason::Refused(_))));
}

/// A device was moved to another hub: after so many refusals it is advised to ask again, and finds its new place.
#[test]
fn hub_reassignment() {
    let mut device = registering();
    device.run().unwrap();
    let string = |host| format!("HostName={host};DeviceId=reg-001;SharedAccessKey={KEY}");
    let mut pair = Setup::with_string(string(HOST)).start();
    pair.hub = device.hub;
    pair.sign_in();

    // Somebody moves it.
    pair.hub.dps.enrollment("reg-001").unwrap().hub = OTHER_HUB.to_owned();
    pair.hub.delete("reg-001");
    pair.run_until("told of the end", |pair| pair.has(|seen| matches!(seen, DeviceSeen::Disconnected(_))));
    pair.reconnect = Reconnect::Never;
    let policy = RetryPolicy { reprovision_after: 3, ..RetryPolicy::default() };
    let mut backoff = Backoff::new(policy);
    let mut retry = backoff.next(RetryCause::Lost, Duration::ZERO, 7);
    let mut refused = 0;
    while !retry.reprovision {
        pair.run_for(retry.after);
        pair.connect();
        pair.run_until("refused", |pair| pair.client.state() == State::Failed && !pair.client.has_event());
        refused += 1;
        retry = backoff.next(RetryCause::from(ConnectRefusal::NotAuthorized), Duration::ZERO, 7);
    }
    assert_eq!((refused, backoff.failures()), (2, 3));

    let mut again = Registering::new(config("reg-001"), Proof::Key(KEY), pair.hub, 2);
    let (hub, device_id) = again.run().unwrap();
    assert_eq!((hub.as_str(), device_id.as_str()), (OTHER_HUB, "reg-001"));
    let migrated = |seen: &Seen| matches!(seen, Seen::Assigned { substatus, .. } if substatus == "deviceDataMigrated");
    assert!(again.events().iter().any(migrated));
    backoff.reset();
    let mut pair = Setup::with_string(string(OTHER_HUB)).hub(|config| config.host_name = OTHER_HUB.to_owned()).start();
    pair.hub.register("reg-001", Credentials::key(KEY).unwrap());
    pair.sign_in();
    assert_eq!(backoff.failures(), 0);
}
