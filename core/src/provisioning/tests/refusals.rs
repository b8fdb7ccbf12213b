//! What the service refuses, and answers that are too large.

use super::*;

#[test]
fn refusals_are_typed_and_final() {
    use RegistrationError as E;
    let failed = r#"{"operationId":"o","status":"failed","registrationState":{"status":"failed","errorCode":400207}}"#;
    let long = format!(r#"{{"operationId":"{}","status":"assigning"}}"#, "/".repeat(43));
    for (status, body, error) in [
        (
            401,
            r#"{"errorCode":401002,"trackingId":"t","message":"Unauthorized"}"#,
            E::Refused { status: 401, code: 401_002 },
        ),
        (404, "", E::Refused { status: 404, code: 0 }),
        (400, "<html>", E::Refused { status: 400, code: 0 }),
        (301, r#"{"errorCode":4294967296}"#, E::Refused { status: 301, code: 0 }),
        (409, r#"{"errorCode":"409001"}"#, E::Refused { status: 409, code: 0 }),
        (200, failed, E::Failed { code: 400_207 }),
        (200, r#"{"status":"failed"}"#, E::Failed { code: 0 }),
        (200, r#"{"registrationState":{"status":"disabled"}}"#, E::Disabled),
        (200, "", E::BadAnswer { status: 200 }),
        (200, "{}", E::BadAnswer { status: 200 }),
        (200, r#"{"status":"unknown"}"#, E::BadAnswer { status: 200 }),
        (200, &ASSIGNED[..ASSIGNED.len() - 1], E::BadAnswer { status: 200 }),
        (200, &ASSIGNED.replace("h.net", ""), E::BadAnswer { status: 200 }),
        (200, &ASSIGNED.replace("h.net", "h\\u002enet"), E::BadAnswer { status: 200 }),
        (200, &ASSIGNED.replace("\"dev1\"", "7"), E::BadAnswer { status: 200 }),
        (202, "{}", E::BadAnswer { status: 202 }),
        (202, r#"{"operationId":"","status":"assigning"}"#, E::BadAnswer { status: 202 }),
        (202, &long, E::BadAnswer { status: 202 }),
    ] {
        let mut client = client(|_| ());
        register(&mut client, Instant::ZERO);
        let bytes = answer(status, 1, "", body);
        let handled = client.handle_input(Instant::ZERO, bytes).unwrap();
        assert_eq!(handled.event, Some(Event::Refused { error, payload: body.as_bytes() }), "{status} {body}");
        fails(&mut client, Instant::ZERO, Error::Registration(error));
        client.connect(Instant::ZERO, None, 0).unwrap();
    }
}

#[test]
fn a_refused_subscription_is_final() {
    let mut client = client(|_| ());
    client.connect(Instant::ZERO, None, 0).unwrap();
    send(&mut client, Instant::ZERO);
    let _ = client.handle_input(Instant::ZERO, b"\x20\x02\x00\x00").unwrap();
    send(&mut client, Instant::ZERO);
    let error = RegistrationError::NotSubscribed;
    let handled = client.handle_input(Instant::ZERO, b"\x90\x03\xff\xff\x80").unwrap();
    assert_eq!(handled.event, Some(Event::Refused { error, payload: &[] }));
    fails(&mut client, Instant::ZERO, Error::Registration(error));
}

#[test]
fn a_refused_sign_in_and_a_session_that_cannot_be() {
    let mut client = client(|_| ());
    client.connect(Instant::ZERO, None, 0).unwrap();
    send(&mut client, Instant::ZERO);
    let handled = client.handle_input(Instant::ZERO, b"\x20\x02\x00\x05").unwrap();
    assert!(matches!(handled.event, Some(Event::Disconnected(_))) && handled.consumed == 0, "{handled:?}");
    assert_eq!(client.handle_input(Instant::ZERO, &[]), Err(Error::Refused(ConnectRefusal::NotAuthorized)));

    client.connect(Instant::ZERO, None, 0).unwrap();
    send(&mut client, Instant::ZERO);
    let _ = client.handle_input(Instant::ZERO, b"\x20\x02\x01\x00").unwrap();
    let error = PeerError { kind: Violation::BadSessionPresent, packet: 0x20, offset: 2 };
    assert_eq!(client.handle_input(Instant::ZERO, &[]), Err(Error::Peer(error)));
}

#[test]
fn answers_larger_than_the_buffer() {
    use RegistrationError as E;
    let large = format!(r#"{{"errorCode":429001,"message":"{}"}}"#, "m".repeat(200));
    let len = large.len() as u32;
    for (topic, error) in [
        ("$dps/registrations/res/200/?$rid=1", E::AnswerTooLarge { len }),
        ("$dps/registrations/res/202/?$rid=1", E::AnswerTooLarge { len }),
        ("$dps/registrations/res/404/?$rid=1", E::Refused { status: 404, code: 0 }),
        // The topic alone is larger.
        (&format!("$dps/registrations/res/200/?x={}&$rid=1", "x".repeat(80)), E::AnswerTooLarge { len }),
    ] {
        let mut client = client(|config| config.settings.max_packet = 64);
        register(&mut client, Instant::ZERO);
        let bytes = publish(topic, Some(9), large.as_bytes());
        let mut rest = bytes;
        let event = loop {
            let handled = client.handle_input(Instant::ZERO, &rest[..rest.len().min(64)]).unwrap();
            rest = &rest[handled.consumed..];
            if let Some(event) = handled.event {
                break event;
            }
            assert!(handled.consumed > 0);
        };
        assert_eq!(event, Event::Refused { error, payload: &[] }, "{topic}");
        fails(&mut client, Instant::ZERO, Error::Registration(error));
    }
    // Of one that only says "later" nothing is lost, and it is acknowledged when all of it has passed.
    let mut client = client(|config| config.settings.max_packet = 64);
    register(&mut client, Instant::ZERO);
    let bytes = publish("$dps/registrations/res/503/?$rid=1", Some(9), large.as_bytes());
    let handled = client.handle_input(Instant::ZERO, bytes).unwrap();
    let retry_after = Duration::from_secs(2);
    assert_eq!(handled.event, Some(Event::Throttled { status: 503, code: 0, retry_after }));
    assert!(send(&mut client, Instant::ZERO).is_empty());
    let rest = &bytes[handled.consumed..];
    assert_eq!(client.handle_input(Instant::ZERO, rest).unwrap().consumed, rest.len());
    assert_eq!(send(&mut client, Instant::ZERO), b"\x40\x02\x00\x09");
    client.handle_timeout(seconds(2)).unwrap();
    assert_eq!(topic_of(&send(&mut client, seconds(2))), "$dps/registrations/PUT/iotdps-register/?$rid=2");
}
