//! Signing in, and being signed out by the service.

use iothub_proto::error::{CapacityError, ConnectRefusal, Error};
use iothub_proto::event::{DisconnectReason, LastSent};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, State};
use iothub_tests::hub::codec::Packet;
use iothub_tests::hub::topic::Feature;
use iothub_tests::hub::{CloseReason, Credentials, PeerCertificate};
use iothub_tests::pair::setup::{HOST, KEY, POLICY_KEY};
use iothub_tests::pair::{Pair, Reconnect, Seen, Setup, is_over, is_ready};

/// Connects, and gives what was seen when the connection is over.
fn refused(pair: &mut Pair) -> Vec<Seen> {
    pair.connect();
    pair.run_until("over", |pair| pair.has(|seen| matches!(seen, Seen::Failed(_))));
    pair.take_seen()
}

fn with_key(key: &str) -> Setup {
    Setup::with_string(format!("HostName={HOST};DeviceId=dev1;SharedAccessKey={key}"))
}

#[track_caller]
fn assert_refused(pair: &mut Pair, refusal: ConnectRefusal) {
    let error = Error::Refused(refusal);
    let seen = refused(pair);
    let [Seen::Disconnected(end), Seen::Failed(failed)] = seen.as_slice() else { panic!("{seen:#?}") };
    assert_eq!((end.reason, end.last_sent), (DisconnectReason::Failed(error), Some(LastSent::Connect)));
    assert_eq!((end.suspect, end.ready_for, *failed), (None, Duration::ZERO, error));
    assert_eq!(pair.closes.pop(), Some(CloseReason::Refused(refusal.code())));
}

#[test]
fn a_module_signs_in_and_gets_its_inputs() {
    let mut pair = Setup::module().start();
    pair.sign_in();
    assert!(pair.hub.is_subscribed("dev1/mod1", Feature::Inputs));
    assert_eq!(pair.count(|seen| *seen == Seen::Ready { refused: Features::NONE }), 1);
}

#[test]
fn two_round_trips_to_ready() {
    let mut pair = Setup::device().start();
    pair.sign_in();
    assert_eq!(pair.now(), Instant::from_millis(40));
    let [connect, subscribe, ..] = pair.sent() else { panic!("{pair:?}") };
    let Packet::Connect(connect) = &connect.packet else { panic!("{connect:?}") };
    assert_eq!((connect.clean_session, connect.keep_alive), (false, 240));
    let Packet::Subscribe(_, filters) = &subscribe.packet else { panic!("{subscribe:?}") };
    let qos: Vec<(&str, u8)> = filters.iter().map(|(filter, qos)| (filter.as_str(), *qos)).collect();
    assert_eq!(
        qos,
        [
            ("devices/dev1/messages/devicebound/#", 1),
            ("$iothub/twin/res/#", 0),
            ("$iothub/twin/PATCH/properties/desired/#", 0),
            ("$iothub/methods/POST/#", 0),
        ]
    );
}

#[test]
fn without_subscriptions_one_round_trip_is_enough() {
    let mut pair = Setup::sensor().start();
    pair.sign_in();
    assert_eq!(pair.now(), Instant::from_millis(20));
    assert_eq!(pair.sent().len(), 1, "{:?}", pair.sent());
    assert_eq!(pair.take_seen(), [Seen::Connected { session_present: false }, Seen::Ready { refused: Features::NONE }]);
}

#[test]
fn a_session_is_resumed_and_subscribed_all_the_same() {
    let mut pair = Setup::device().start();
    for present in [false, true] {
        pair.sign_in();
        assert_eq!(pair.take_seen()[0], Seen::Connected { session_present: present });
        assert!(
            pair.sent()
                .iter()
                .any(|sent| matches!(sent.packet, Packet::Subscribe(..)) && sent.connection == pair.connections())
        );
        pair.sign_out();
        pair.take_seen();
    }
}

#[test]
fn a_clean_session_is_asked_for_and_never_resumed() {
    let mut pair = Setup::device().settings(|settings| settings.clean_session = true).start();
    for _ in 0..2 {
        pair.sign_in();
        assert_eq!(pair.take_seen()[0], Seen::Connected { session_present: false });
        pair.sign_out();
        pair.take_seen();
    }
}

#[test]
fn the_key_of_a_policy_signs_in_too() {
    let text = format!("HostName={HOST};DeviceId=dev1;SharedAccessKeyName=device;SharedAccessKey={POLICY_KEY}");
    let setup = Setup::with_string(text).settings(|settings| settings.connect_reserve = 400);
    let mut pair = setup.start();
    pair.sign_in();
}

#[test]
fn a_token_larger_than_the_reserve_is_refused_before_anything_happens() {
    let mut client = Setup::device().client();
    let password = "x".repeat(500);
    let options = ConnectOptions { password: Some(&password), ..ConnectOptions::default() };
    let error = client.connect(Instant::ZERO, &options).unwrap_err();
    assert!(matches!(error, Error::Capacity(CapacityError::TooLarge { .. })), "{error:?}");
    assert_eq!((client.state(), client.poll_transmit()), (State::Offline, None));
    client.connect(Instant::ZERO, &ConnectOptions::default()).unwrap();
}

#[test]
fn a_wrong_key_is_refused_and_said_again_until_connect() {
    let mut pair = with_key(POLICY_KEY).start();
    assert_refused(&mut pair, ConnectRefusal::NotAuthorized);
    let error = Error::Refused(ConnectRefusal::NotAuthorized);
    pair.send(b"kept for better days");
    for _ in 0..2 {
        let now = pair.now();
        assert_eq!(pair.client.handle_input(now, b"\x20\x02\x00\x00"), Err(error));
        assert_eq!(pair.client.handle_timeout(now), Err(error));
        assert_eq!(pair.client.poll_transmit(), None);
        assert_eq!((pair.client.poll_timeout(), pair.client.has_event()), (None, false));
    }
    assert!(pair.client.disconnect(pair.now()).is_err());
    // The registry gets the key that the device has.
    pair.hub.register("dev1", Credentials::key(POLICY_KEY).unwrap());
    pair.sign_in();
    pair.run_until("acknowledged", |pair| pair.has(|seen| matches!(seen, Seen::Acked(_))));
}

#[test]
fn a_disabled_device_is_refused() {
    let mut pair = with_key(KEY).start();
    pair.hub.set_enabled("dev1", false);
    assert_refused(&mut pair, ConnectRefusal::NotAuthorized);
}

#[test]
fn a_device_that_is_disabled_while_it_is_connected_loses_its_connection() {
    let mut pair = with_key(KEY).start();
    pair.sign_in();
    pair.hub.set_enabled("dev1", false);
    pair.run_until("over", |pair| pair.has(is_over));
    let Some((_, Seen::Disconnected(end))) = pair.seen().last() else { panic!("{pair:?}") };
    assert_eq!(end.reason, DisconnectReason::TransportClosed);
    pair.take_seen();
    assert_refused(&mut pair, ConnectRefusal::NotAuthorized);
}

#[test]
fn a_throttling_hub_is_told_apart_from_a_wrong_key() {
    let mut pair = Setup::device().start();
    pair.hub.faults.refuse_connects.extend([3, 1, 2, 4]);
    for refusal in [
        ConnectRefusal::ServerUnavailable,
        ConnectRefusal::ProtocolVersion,
        ConnectRefusal::ClientId,
        ConnectRefusal::BadCredentials,
    ] {
        assert_refused(&mut pair, refusal);
    }
    pair.sign_in();
}

#[test]
fn a_refused_device_may_try_again_by_itself() {
    let mut pair = Setup::device().start();
    pair.hub.faults.refuse_connects.extend([3, 3]);
    pair.reconnect = Reconnect::After(Duration::from_secs(7));
    pair.connect();
    pair.run_until("ready", |pair| pair.has(is_ready));
    assert_eq!((pair.connections(), pair.now().as_millis()), (3, 2 * 7_020 + 40));
}

#[test]
fn another_client_of_the_same_name_takes_over() {
    let mut pair = Setup::device().start();
    pair.sign_in();
    let rival = pair.hub.accept(pair.now(), None);
    let connect = pair.sent()[0].bytes.clone();
    pair.hub.handle_input(rival, pair.now(), &connect);
    pair.run_until("over", |pair| pair.has(is_over));
    assert_eq!(pair.closes, [CloseReason::TakenOver]);
    let Some((_, Seen::Disconnected(end))) = pair.seen().last() else { panic!("{pair:?}") };
    assert_eq!(end.reason, DisconnectReason::TransportClosed);
    // The old connection is no error of the client's, so it may be taken over in turn.
    pair.sign_in();
    assert_eq!(pair.hub.wants_close(rival), Some(CloseReason::TakenOver));
}

#[test]
fn a_token_that_nobody_renews_is_ended_by_the_service() {
    let mut pair = Setup::device().start();
    pair.token_lifetime = 3_600;
    pair.connect();
    pair.run_until("over", |pair| pair.has(is_over));
    assert_eq!(pair.closes, [CloseReason::TokenExpired]);
    let seen = pair.take_seen();
    let expiring = seen.iter().position(|seen| *seen == Seen::CredentialExpiring).expect("it was announced");
    assert!(expiring < seen.len() - 1, "before the end");
    let Some(Seen::Disconnected(end)) = seen.last() else { panic!("{seen:#?}") };
    assert_eq!(end.reason, DisconnectReason::TransportClosed);
    assert!(end.ready_for > Duration::from_secs(4_190), "{end:?}");
}

#[test]
fn a_certificate_signs_in_without_a_password() {
    let mut pair = Setup::with_string(format!("HostName={HOST};DeviceId=dev1;x509=true")).start();
    pair.hub.register("dev1", Credentials::Certificate);
    assert_refused(&mut pair, ConnectRefusal::NotAuthorized);
    pair.certificate = Some(PeerCertificate::named("dev1"));
    pair.sign_in();
    let Packet::Connect(connect) = &pair.sent()[0].packet else { panic!("{pair:?}") };
    assert_eq!(connect.password, None);
    pair.run_for(Duration::from_secs(100_000));
    assert!(!pair.has(|seen| *seen == Seen::CredentialExpiring), "a certificate is no token");
    assert!(pair.is_open());
}

#[test]
fn the_password_is_never_printed() {
    let mut pair = Setup::device().start();
    pair.connect();
    let before = format!("{:?}", pair.client);
    pair.run_until("signed in", |pair| pair.has(|seen| matches!(seen, Seen::Connected { .. })));
    let Packet::Connect(connect) = &pair.sent()[0].packet else { panic!("{pair:?}") };
    let password = connect.password.as_deref().expect("a token");
    let bytes = format!("{:?}", &password[..24]);
    for text in [before, format!("{:?}", pair.client)] {
        assert!(!text.contains("SharedAccessSignature"), "not as a text");
        assert!(!text.contains(bytes.trim_matches(['[', ']'])), "not as bytes");
    }
}
