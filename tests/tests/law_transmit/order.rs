//! Which lane is next, and what goes before DISCONNECT.

use super::*;
use iothub_proto::event::{DisconnectReason, LastSent};

#[test]
fn lanes_change_at_packet_boundaries_only_and_in_their_order() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { keep_alive: 60, ..settings() });
    rig.sign_in(ACCEPTED);
    rig.send(b"first");
    let first = rig.lent();
    rig.confirm(1);
    // While the first is half sent, everything else comes due.
    rig.send(b"last");
    rig.client.twin_get(rig.now).unwrap();
    let request = call(&mut rig);
    rig.client.method_respond(rig.now, &request, 200, b"").unwrap();
    let events = rig.feed(&publish(0x32, C2D, Some(5), b"m")).events;
    let [Seen::Message { token: Some(token), .. }] = events.as_slice() else { panic!("{events:?}") };
    rig.client.message_accept(rig.now, *token).unwrap();
    rig.pass(TimeoutReason::KeepAlive).unwrap();
    rig.client.subscribe(rig.now, Features::METHODS).unwrap();
    assert_eq!(rig.lent(), first[1..], "nothing comes in between");
    rig.confirm(first.len() - 1);
    let kinds: Vec<String> = packets(&rig.sent())
        .iter()
        .map(|packet| match packet[0] {
            0xc0 => "PINGREQ".to_owned(),
            0x40 => "PUBACK".to_owned(),
            _ => String::from_utf8_lossy(&packet[4..]).chars().skip_while(|c| *c != '/').skip(1).take(4).collect(),
        })
        .collect();
    assert_eq!(kinds, ["PINGREQ", "PUBACK", "meth", "twin", "dev1"]);
}

#[test]
fn disconnect_waits_for_what_is_in_flight_and_is_the_last_packet() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.sign_in(ACCEPTED);
    rig.send(b"in flight");
    rig.sent();
    let request = call(&mut rig);
    let events = rig.feed(&publish(0x32, C2D, Some(5), b"m")).events;
    let [Seen::Message { token: Some(token), .. }] = events.as_slice() else { panic!("{events:?}") };
    rig.client.disconnect(rig.now).unwrap();
    rig.send(b"for the next connection");
    rig.client.twin_get(rig.now).unwrap();
    assert_eq!(rig.sent(), b"", "nothing new is begun");
    rig.client.message_accept(rig.now, *token).unwrap();
    assert_eq!(rig.sent(), puback(5));
    assert!(matches!(rig.feed(&puback(1)).events.as_slice(), [Seen::Acked(_)]), "input is still delivered");
    assert_eq!(rig.sent(), b"", "the method is not answered");
    rig.client.method_respond(rig.now, &request, 200, b"").unwrap();
    let sent = packets(&rig.sent());
    assert_eq!((sent.len(), sent[1].as_slice()), (2, &[0xe0, 0][..]));
    let events = rig.drain().events;
    let [Seen::Disconnected(end)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((end.reason, end.last_sent), (DisconnectReason::Requested, Some(LastSent::Disconnect)));
    assert_eq!(rig.client.state(), State::Offline);
    assert_eq!(rig.client.pending().telemetry, 1);
}

#[test]
fn disconnect_gives_up_waiting_and_then_gives_up_sending() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings());
    rig.sign_in(ACCEPTED);
    rig.send(b"never acknowledged");
    rig.sent();
    rig.client.disconnect(rig.now).unwrap();
    assert_eq!(rig.lent(), b"");
    rig.pass(TimeoutReason::Drain).unwrap();
    assert_eq!((rig.now.as_millis(), rig.client.state()), (5_000, State::Closing));
    assert_eq!(rig.lent(), hex("e000"));
    rig.confirm(1);
    rig.pass(TimeoutReason::Close).unwrap();
    assert_eq!((rig.now.as_millis(), rig.client.state()), (7_000, State::Offline));
    let events = rig.drain().events;
    assert!(matches!(events.as_slice(), [Seen::Disconnected(end)] if end.reason == DisconnectReason::Requested));
    assert_eq!(
        rig.client.confirm_transmit(rig.now, 1).unwrap_err(),
        UsageError::BadConfirm { lent: 0, confirmed: 1 }.into()
    );
    rig.sign_in(RESUMED);
    assert_eq!(rig.sent()[0], 0x3a, "unacknowledged is sent again");
}

#[test]
fn a_packet_half_sent_at_the_drain_deadline_is_finished_before_disconnect() {
    let mut memory = Memory::default();
    let mut rig = memory.rig(quiet());
    rig.sign_in(ACCEPTED);
    rig.send(b"half");
    let whole = rig.lent();
    rig.confirm(4);
    rig.client.disconnect(rig.now).unwrap();
    rig.client.disconnect(rig.now).unwrap();
    assert_eq!(rig.client.state(), State::Closing);
    assert_eq!(rig.sent(), [&whole[4..], &hex("e000")].concat());
    assert_eq!(rig.client.state(), State::Offline);
    assert_eq!(rig.client.poll_timeout(), None);
}
