//! Who may connect to the hub simulator, and what becomes of the session.

mod common;

use common::*;
use iothub_proto::time::Instant;
use iothub_tests::hub::{CloseReason, Credentials, Hub, PeerCertificate};

fn refused(code: u8) -> (Vec<u8>, Option<CloseReason>) {
    (vec![0x20, 2, 0, code], Some(CloseReason::Refused(code)))
}

#[test]
fn tokens_of_every_sdk_open_their_device() {
    const SPECIAL: &str = "-.+%_#*?!(),=@$'";
    let cases = [
        ("dev1", DEVICE_TOKEN),
        (
            "dev1",
            "SharedAccessSignature sr=contoso.azure-devices.net/devices/dev1&sig=Vi7psd%2bjmA8R0HRzSCDW2e9RbKMrMgFKgpLAdBh%2bupM%3d&se=1767225600",
        ),
        (
            "dev1",
            "SharedAccessSignature sr=contoso.azure-devices.net%2fdevices%2fdev1&sig=EbMbQ8o957eL%2b7eZBXW42bune2UPumO5VzR4PVOqw%2bA%3d&se=1767225600",
        ),
        (
            SPECIAL,
            "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2F-.%2B%25_%23%2A%3F%21%28%29%2C%3D%40%24%27&sig=bVyeYif7eGCCsFDFlW97iZC%2FFfFq2dYn57LpYyd9heM%3D&se=1767225600",
        ),
        (
            SPECIAL,
            "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2F-.%252B%2525_%2523*%253F!()%252C%253D%2540%2524%2527&sig=JAdBpvK%2BmaK6NheAjQ7ubbmkJv4rDRdgv1qa%2BQKjlJ8%3D&se=1767225600",
        ),
        (
            SPECIAL,
            "SharedAccessSignature sig=xo9UUChSd30FYh%2BLvmwjzYCttOzrpdE%2Btwfk58cPGl4%3D&se=1767225600&sr=contoso.azure-devices.net/devices/-.%2B%25_%23*%3F%21%28%29%2C%3D%40%24%27",
        ),
        (
            "Dev1",
            "SharedAccessSignature sr=Contoso.Azure-Devices.Net%2Fdevices%2FDev1&sig=du2ddgFtZ2YH9nxfZAhmOZW%2B%2ByPShcOmm2yUS1wgZ%2F4%3D&se=1767225600",
        ),
        ("dev1/mod1", MODULE_TOKEN),
        (
            "edge-1/$edgeHub",
            "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fedge-1%2Fmodules%2F%24edgeHub&sig=ArFQBFDa3yTjvHqFMiQIWqTF9M9eGFPZXWgG8%2FDhkEs%3D&se=1767225600",
        ),
    ];
    for (client_id, token) in cases {
        let mut hub = hub();
        hub.register(client_id, Credentials::keys(OTHER_KEY, KEY).unwrap());
        let user = format!("{HOST}/{client_id}/?api-version=2021-04-12");
        assert_eq!(attempt(&mut hub, &connect(2, 60, client_id, &user, token)), (ACCEPTED.to_vec(), None), "{token}");
    }
}

#[test]
fn a_policy_opens_what_its_token_covers() {
    const WHOLE_HUB: &str = "SharedAccessSignature sr=contoso.azure-devices.net&sig=SSSoHvxGCt2uFBjrGc0xqVaANQffx5HoaBVRjl5Dkao%3D&se=1767225600&skn=iothubowner";
    let mut hub = hub();
    let sign_in = connect(2, 60, "dev1", DEVICE_USER, WHOLE_HUB);
    assert_eq!(attempt(&mut hub, &sign_in), refused(5));
    hub.add_policy("iothubowner", KEY).unwrap();
    assert_eq!(attempt(&mut hub, &sign_in), (ACCEPTED.to_vec(), None));
    // A device's token, said to be the policy's, does not open another device.
    hub.register("dev10", Credentials::key(OTHER_KEY).unwrap());
    let user = format!("{HOST}/dev10/?api-version=2021-04-12");
    let token = format!("{DEVICE_TOKEN}&skn=iothubowner");
    assert_eq!(attempt(&mut hub, &connect(2, 60, "dev10", &user, &token)), refused(5));
}

#[test]
fn user_names_are_read_as_the_service_reads_them() {
    let cases = [
        ("contoso.azure-devices.net/dev1/?api-version=2021-04-12&DeviceClientType=acme%2F1.0&model-id=dtmi:a:b;1", 0),
        ("contoso.azure-devices.net/dev1/?model-id=dtmi%3Aa%3Ab%3B1&api-version=2020-09-30", 0),
        ("contoso.azure-devices.net/dev1/api-version=2016-11-14", 0),
        ("CONTOSO.azure-devices.net/dev1/?api-version=2021-04-12", 0),
        ("contoso.azure-devices.net/dev1/?DeviceClientType=x", 4),
        ("contoso.azure-devices.net/dev1", 4),
        ("contoso.azure-devices.net/dev1/mod1/more/?api-version=2021-04-12", 4),
        ("contoso.azure-devices.net//?api-version=2021-04-12", 4),
        ("contoso.azure-devices.net/dev2/?api-version=2021-04-12", 2),
        ("contoso.azure-devices.net/dev1/mod1/?api-version=2021-04-12", 2),
        ("fabrikam.azure-devices.net/dev1/?api-version=2021-04-12", 5),
    ];
    for (user, code) in cases {
        let (sent, _) = attempt(&mut hub(), &connect(2, 60, "dev1", user, DEVICE_TOKEN));
        assert_eq!(sent, [0x20, 2, 0, code], "{user}");
    }
}

#[test]
fn bad_tokens_are_refused() {
    let cases = [
        ("no token", "secret".to_owned(), 4),
        ("other scheme", DEVICE_TOKEN.replace("SharedAccess", "Sharedaccess"), 4),
        ("a field twice", format!("{DEVICE_TOKEN}&se=1767225600"), 4),
        ("no expiry", DEVICE_TOKEN.replace("&se=1767225600", ""), 4),
        ("raw signature", DEVICE_TOKEN.replace("%2F", "/").replace("%3D", "="), 4),
        ("other expiry", DEVICE_TOKEN.replace("se=1767225600", "se=1767225601"), 5),
        ("other device", MODULE_TOKEN.to_owned(), 5),
        ("other hex case than signed", DEVICE_TOKEN.replace("%2Fdevices%2F", "%2fdevices%2f"), 5),
        ("empty", String::new(), 5),
    ];
    for (what, token, code) in cases {
        assert_eq!(attempt(&mut hub(), &connect(2, 60, "dev1", DEVICE_USER, &token)), refused(code), "{what}");
    }
}

#[test]
fn an_expired_token_is_forgiven_for_five_minutes() {
    let sign_in = connect(2, 60, "dev1", DEVICE_USER, DEVICE_TOKEN);
    let late = |seconds| {
        let mut hub = Hub::new(iothub_tests::hub::HubConfig { unix_base: EXPIRY + seconds, ..config() });
        hub.register("dev1", Credentials::key(KEY).unwrap());
        attempt(&mut hub, &sign_in).0
    };
    assert_eq!(late(300), ACCEPTED);
    assert_eq!(late(301), [0x20, 2, 0, 5]);
}

#[test]
fn unknown_disabled_and_deleted_devices_are_refused() {
    let sign_in = connect(2, 60, "dev1", DEVICE_USER, DEVICE_TOKEN);
    let mut hub = hub();
    let conn = open(&mut hub, Instant::ZERO, &sign_in);
    assert_eq!(bytes(&mut hub, conn), ACCEPTED);
    hub.set_enabled("dev1", false);
    assert_eq!(hub.wants_close(conn), Some(CloseReason::IdentityGone));
    assert_eq!(attempt(&mut hub, &sign_in), refused(5));
    hub.set_enabled("dev1", true);
    assert_eq!(attempt(&mut hub, &sign_in).0, ACCEPTED);
    hub.delete("dev1");
    assert_eq!(attempt(&mut hub, &sign_in), refused(5));
}

#[test]
fn a_certificate_opens_the_device_it_names() {
    let mut hub = hub();
    hub.register("cert1", Credentials::Certificate);
    let head = [b"\x00\x04MQTT\x04\x82\x00\x3c".to_vec(), field("cert1")].concat();
    let without_password =
        packet(0x10, &[head, field("contoso.azure-devices.net/cert1/?api-version=2021-04-12")].concat());
    for (peer, code) in [(Some("cert1"), 0), (Some("dev1"), 5), (None, 5)] {
        let conn = hub.accept(Instant::ZERO, peer.map(PeerCertificate::named));
        hub.handle_input(conn, Instant::ZERO, &without_password);
        assert_eq!(bytes(&mut hub, conn), [0x20, 2, 0, code], "{peer:?}");
    }
}

#[test]
fn another_protocol_level_is_refused_by_code_1() {
    let mut old = connect(2, 60, "dev1", DEVICE_USER, DEVICE_TOKEN);
    let level = old.windows(5).position(|window| window == b"MQTT\x04").unwrap() + 4;
    old[level] = 5;
    assert_eq!(attempt(&mut hub(), &old), refused(1));
}

#[test]
fn throttling_refuses_as_often_as_told() {
    let sign_in = connect(2, 60, "dev1", DEVICE_USER, DEVICE_TOKEN);
    let mut hub = hub();
    hub.faults.refuse_connects.extend([3, 3]);
    assert_eq!(attempt(&mut hub, &sign_in), refused(3));
    assert_eq!(attempt(&mut hub, &sign_in), refused(3));
    assert_eq!(attempt(&mut hub, &sign_in), (ACCEPTED.to_vec(), None));
    assert!(hub.violations().is_empty());
}

#[test]
fn packets_behind_a_refused_connect_are_ignored() {
    let mut input = connect(2, 60, "dev1", DEVICE_USER, "secret");
    input.extend(publish(0x30, "devices/dev1/messages/events/", None, b"x"));
    let mut hub = hub();
    assert_eq!(attempt(&mut hub, &input), refused(4));
    assert!(hub.take_telemetry().is_empty());
}

#[test]
fn a_newer_connection_takes_over() {
    let mut hub = hub();
    let old = sign_in(&mut hub, Instant::ZERO, false);
    let new = open(&mut hub, Instant::ZERO, &connect(0, 60, "dev1", DEVICE_USER, DEVICE_TOKEN));
    assert_eq!(hub.wants_close(old), Some(CloseReason::TakenOver));
    assert_eq!(bytes(&mut hub, new), RESUMED);
    assert_eq!(hub.connection("dev1"), Some(new));
    // The late end of the old one does not touch the new one.
    hub.handle_eof(old, Instant::ZERO);
    assert_eq!(hub.connection("dev1"), Some(new));
}

#[test]
fn a_session_is_kept_for_those_who_ask() {
    let mut hub = hub();
    let mut reconnect = |clean: bool| {
        let conn = open(&mut hub, Instant::ZERO, &connect(u8::from(clean) * 2, 60, "dev1", DEVICE_USER, DEVICE_TOKEN));
        let sent = bytes(&mut hub, conn);
        hub.handle_eof(conn, Instant::ZERO);
        sent
    };
    assert_eq!(reconnect(false), ACCEPTED);
    assert_eq!(reconnect(false), RESUMED);
    assert_eq!(reconnect(true), ACCEPTED);
    assert_eq!(reconnect(false), ACCEPTED);
    hub.restart(false);
    assert_eq!(attempt(&mut hub, &connect(0, 60, "dev1", DEVICE_USER, DEVICE_TOKEN)).0, ACCEPTED);
}
