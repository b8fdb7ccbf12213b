//! Writes the seed corpora: conversations recorded with the hub simulator, the vectors of `tests/vectors`, and a few
//! documents. They are committed; this is how they were made, and can be made again.

use iothub_fuzz::corpus::folder;
use iothub_fuzz::stream;
use iothub_proto::event::{MessageToken, StreamEnd};
use iothub_proto::time::Duration;
use iothub_proto::{Event, Telemetry};
use iothub_tests::hub::CloudMessage;
use iothub_tests::hub::codec::publish_packet;
use iothub_tests::pair::{Pair, Setup};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = folder("seeds", target);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(name), bytes).expect("a file");
}

/// What the hub sends to a client that does what the target's does, from CONNACK on.
fn record(setup: Setup, is_module: bool) -> Vec<u8> {
    let (tx, slots, inbound) = stream::MEMORY;
    let mut pair = setup.memory(tx, slots, inbound).link(1_460, (0, 0)).start();
    pair.expects_violations = true;
    pair.handler = Some(Box::new(|client, now, event| {
        let token: Option<MessageToken> = match *event {
            Event::Message(message) => message.token,
            Event::StreamEnd(StreamEnd::Message { token }) => token,
            Event::Skipped(skipped) => skipped.token,
            _ => None,
        };
        if let Some(token) = token {
            client.message_accept(now, token).expect("delivered just now");
        }
        if let Event::MethodCall { payload, request, .. } = *event {
            client.method_respond(now, request, 200, payload).expect("there is room");
        }
    }));
    let tokens = [&b"one"[..], b"two", b"three"].map(|payload| {
        let message = Telemetry { payload, properties: &[("room", "küche")], ..Telemetry::default() };
        pair.client.send_telemetry(pair.now(), &message).expect("there is room")
    });
    pair.client.telemetry_withdraw(pair.now(), tokens[1]).expect("it waits");
    pair.client.twin_get(pair.now()).expect("there is room");
    pair.client.twin_report(pair.now(), b"{\"on\":true}").expect("there is room");
    pair.connect();
    pair.run_for(Duration::ZERO);
    let client_id = pair.client_id().to_owned();
    for payload in [&b"\x00first"[..], b"\x01left", b"\x02later", b"\x03", &[9; 90]] {
        let message = CloudMessage::new(payload).with("größe", "a b");
        match is_module {
            true => pair.hub.send_input(&client_id, "in1", &message).expect("it is subscribed"),
            false => drop(pair.hub.send_message(&client_id, message).expect("it is registered")),
        }
        pair.run_for(Duration::ZERO);
    }
    twin_and_methods(&mut pair, &client_id);
    pair.received().to_vec()
}

fn twin_and_methods(pair: &mut Pair, client_id: &str) {
    let seconds = Duration::from_secs(30);
    pair.hub.invoke(client_id, "small", b"{}", seconds);
    pair.hub.invoke(client_id, "large", format!("\"{}\"", "x".repeat(150)).as_bytes(), seconds);
    for patch in [json!({ "a": 1 }), json!({ "b": { "c": null } }), json!({ "large": "y".repeat(150) })] {
        pair.run_for(Duration::ZERO);
        pair.hub.patch_desired(client_id, &patch).expect("within the rules");
    }
    pair.run_for(Duration::ZERO);
    let conn = pair.hub.connection(client_id).expect("it is there");
    for raw in [
        b"\xd0\x00\x40\x02\x12\x34\xb0\x02\x00\x07".to_vec(),
        publish_packet("elsewhere", b"unknown", false, None),
        publish_packet("$iothub/twin/res/200/?$rid=nobody", &[b'{'; 200], false, None),
        // The hub objects to its acknowledgement: it comes last.
        publish_packet("elsewhere", &[b'u'; 200], true, Some(77)),
    ] {
        pair.hub.send_raw(conn, &raw);
        pair.run_for(Duration::ZERO);
    }
}

/// The packets of a stream.
fn packets(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Ok(Some(header)) = iothub_proto::wire::frame::header(stream) {
        let (packet, rest) = stream.split_at(header.total().min(stream.len()));
        found.push(packet);
        stream = rest;
    }
    found
}

fn streams() {
    let sessions = [
        ("device", Setup::device(), 0x80 | stream::SYNC),
        ("device-small-buffer", Setup::device().settings(|it| it.max_packet = 128), 0x40 | stream::SYNC),
        (
            "device-pieces",
            Setup::device().settings(|it| (it.max_packet, it.stream_payloads) = (128, true)),
            0x40 | stream::SYNC | stream::PIECES,
        ),
        ("device-auto-accept", Setup::device().settings(|it| it.auto_accept = true), 0xC0 | stream::AUTO_ACCEPT),
        ("module", Setup::module(), 0x80 | stream::MODULE | stream::SYNC),
        ("module-drains", Setup::module(), 0x80 | stream::MODULE | stream::DRAINS),
    ];
    let mut kinds = BTreeSet::new();
    for (name, setup, flags) in sessions {
        let input = record(setup, flags & stream::MODULE != 0);
        write("stream", name, &[&[flags, 0, 7, 1][..], &input].concat());
        // Without CONNACK and SUBACK.
        let rest: Vec<u8> = packets(&input).into_iter().skip(2).flatten().copied().collect();
        write("stream", &format!("{name}-ready"), &[&[flags | stream::READY, 0, 40, 2][..], &rest].concat());
        for packet in packets(&input) {
            if kinds.insert((packet[0], packet.len() / 64)) {
                write("packet", &format!("{:02x}-{}", packet[0], packet.len()), packet);
            }
        }
    }
}

/// The texts of the vectors, whatever the key that they stand under.
fn texts(value: &Value, keys: &[&str], found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| texts(item, keys, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if keys.contains(&name.as_str()) => found.push(text.clone()),
                    value => texts(value, keys, found),
                }
            }
        }
        _ => {}
    }
}

fn vectors(target: &str, file: &str, json: &str, keys: &[&str]) {
    let mut found = Vec::new();
    texts(&serde_json::from_str(json).expect("JSON"), keys, &mut found);
    for (at, text) in found.iter().enumerate() {
        write(target, &format!("{file}-{at:03}"), text.as_bytes());
        if at % 4 == 0 {
            // Behind the byte that says that it is a text.
            write("c_abi", &format!("{file}-{at:03}"), &[b"\x01", text.as_bytes()].concat());
        }
    }
}

/// Sessions as bytes: the setup, then each step in three.
fn sessions() {
    const CONNECT: [u8; 3] = [0, 0, 0];
    const PUMP: [u8; 3] = [24, 0, 0];
    let steps = |list: &[[u8; 3]]| list.concat();
    let life = steps(&[
        [6, 0, 10],
        [6, 0, 11],
        CONNECT,
        PUMP,
        [31, 0, 20],
        [31, 0, 0],
        [35, 0, 5],
        [11, 0, 0],
        [12, 0, 3],
        PUMP,
        [14, 0, 0],
        [17, 0, 0],
        [18, 0, 0],
        [33, 0, 1],
        [33, 0, 3],
        PUMP,
        [6, 0, 4],
        [10, 0, 0],
        [5, 0, 0],
        PUMP,
        CONNECT,
        PUMP,
    ]);
    let cut = steps(&[
        CONNECT,
        PUMP,
        [6, 0, 50],
        [6, 0, 51],
        [9, 0, 52],
        [19, 0, 9],
        [11, 0, 0],
        [31, 1, 0],
        [3, 0, 0],
        CONNECT,
        PUMP,
        [6, 0, 1],
        [19, 0, 0],
        [4, 0, 0],
        [29, 0, 0],
        [29, 0, 0],
        CONNECT,
        [24, 0, 0],
        [37, 0, 1],
        PUMP,
        CONNECT,
        PUMP,
    ]);
    let faults = steps(&[
        [36, 0, 2],
        [36, 3, 3],
        [36, 3, 0],
        [36, 7, 40],
        CONNECT,
        PUMP,
        [6, 0, 9],
        CONNECT,
        PUMP,
        [33, 0, 1],
        [11, 0, 0],
        [12, 0, 1],
        PUMP,
        [36, 2, 5],
        [12, 0, 1],
        PUMP,
        [29, 0, 0],
        PUMP,
        [29, 0, 0],
        [39, 0, 0],
        PUMP,
        [0, 0, 1],
        PUMP,
        [38, 0, 0],
        PUMP,
        CONNECT,
    ]);
    let full = steps(&[
        [6, 1, 0],
        [6, 1, 0],
        [6, 1, 0],
        [6, 1, 0],
        [6, 1, 0],
        [6, 1, 0],
        [6, 1, 0],
        [6, 1, 0],
        [6, 1, 0],
        CONNECT,
        PUMP,
        [31, 0, 1],
        [31, 0, 2],
        [31, 0, 3],
        [31, 0, 4],
        [31, 0, 5],
        PUMP,
        [14, 0, 1],
        [14, 0, 0],
        [28, 120, 0],
        PUMP,
    ]);
    // Payloads beyond the receive buffer, in chunks; telemetry in parts of up to 30 bytes, and a cut within.
    let large = steps(&[
        CONNECT,
        PUMP,
        [33, 0, 80],
        [33, 0, 81],
        [31, 0, 190],
        [35, 0, 150],
        [22, 0, 60],
        [22, 0, 60],
        PUMP,
        [14, 0, 0],
        [11, 0, 0],
        PUMP,
        [6, 176, 194],
        [6, 0, 1],
        [19, 0, 0],
        [22, 0, 0],
        [19, 0, 9],
        [3, 0, 0],
        CONNECT,
        PUMP,
    ]);
    for (flags, setup) in [("", [0x74, 200, 0xFF, 0]), ("-owned", [0x75, 100, 0x7F, 0])] {
        let session = [&setup[..], &large].concat();
        write("session", &format!("large{flags}"), &session);
        write("c_abi", &format!("large{flags}"), &[&[0], &session[..]].concat());
    }
    for (name, list) in [("life", life), ("cut", cut), ("faults", faults), ("full", full)] {
        for (flags, setup) in
            [("", [0x34, 200, 0x3F, 0]), ("-owned", [0x35, 100, 0x3F, 0]), ("-small", [0xF6, 0, 2, 1])]
        {
            let session = [&setup[..], &list].concat();
            write("session", &format!("{name}{flags}"), &session);
            write("c_abi", &format!("{name}{flags}"), &[&[0], &session[..]].concat());
        }
        write("session", &format!("{name}-clean"), &[&[0x18, 100, 0x1B, 0][..], &list].concat());
    }
}

/// What a provisioning service and a WebSocket's server send after a handshake that succeeds, for the clients of `c_abi`.
fn served() {
    let state =
        r#""registrationState":{"assignedHub":"h.net","deviceId":"dev1","substatus":"initialAssignment","payload":{}}"#;
    let assigned = format!(r#"{{"status":"assigned",{state}}}"#);
    let answers = [
        ("assigned", 200, assigned.as_str()),
        ("assigning", 202, r#"{"operationId":"4.d1","status":"assigning"}"#),
        ("failed", 200, r#"{"status":"failed","registrationState":{"errorCode":400207}}"#),
        ("disabled", 200, r#"{"status":"disabled"}"#),
        ("throttled", 429, r#"{"errorCode":429001}"#),
        ("refused", 401, r#"{"errorCode":401002}"#),
    ];
    for (name, status, body) in answers {
        let topic = format!("$dps/registrations/res/{status}/?$rid=1&retry-after=3");
        let packet = publish_packet(&topic, body.as_bytes(), false, None);
        let pieces: Vec<u8> = packet.chunks(255).flat_map(|piece| [&[piece.len() as u8], piece].concat()).collect();
        write("c_abi", &format!("served-{name}"), &[&b"\x03\x01"[..], &pieces, &[0, 0]].concat());
    }
    // A message, the parts of another with a ping between, and the end.
    write("c_abi", "served-frames", b"\x03\x01\x06\x82\x04mqtt\x09\x02\x02mq\x89\x01p\x80\x01t\x04\x88\x02\x03\xe8");
}

fn twins() {
    let documents = [
        json!({ "desired": { "a": 1, "fan": { "$version": 9, "speed": null }, "$version": 3 }, "reported": { "$version": 7 } }),
        json!({ "a": { "b": [1, null, { "c": "text" }] }, "n": null, "$version": 5 }),
        json!({ "deep": { "a": { "b": { "c": { "d": { "e": { "f": { "g": { "h": { "i": { "j": {} } } } } } } } } } } }),
        json!({ "long.name": 4_503_599_627_370_496_i64, "": "x" }),
    ];
    for (at, document) in documents.iter().enumerate() {
        write("twin", &format!("document-{at}"), document.to_string().as_bytes());
    }
    for (name, text) in [
        ("escaped", r#"{"desired":{"\u0024version":12},"reported":{"$version":1}}"#),
        ("twice", r#"{"$version":1,"$version":2,"desired":{"$version":3},"desired":{"$version":4}}"#),
        ("overflow", r#"{"$version":18446744073709551616,"a":1e999}"#),
        ("component", r#"{"desired":{"fan":{"$version":1}},"reported":{"$version":2}}"#),
        ("null-in-array", r#"{"list":[[null]]}"#),
        ("half", r#"{"desired":{"$version":1"#),
        ("life", "\u{1}\u{3}\u{2}\u{5}\u{4}ab\u{2}\u{1}\u{6}\u{3}\u{2}\u{0}\u{1}\u{2}\u{5}\u{3}\u{1}\u{4}"),
    ] {
        write("twin", name, text.as_bytes());
    }
}

fn main() {
    streams();
    sessions();
    served();
    twins();
    vectors("topic", "topics", include_str!("../../tests/vectors/topics.json"), &["topic", "bag"]);
    vectors("topic", "properties", include_str!("../../tests/vectors/properties.json"), &["bag", "encoded"]);
    let strings = include_str!("../../tests/vectors/connection_strings.json");
    vectors("connection_string", "vector", strings, &["text"]);
    vectors("connection_string", "sas", include_str!("../../tests/vectors/sas.json"), &["key"]);
}
