//! The poison message: the hub closes the link instead of refusing it, again and again.

use iothub_proto::Event;
use iothub_proto::event::{Disconnected, LastSent, TelemetryToken};
use iothub_proto::time::Duration;
use iothub_tests::hub::CloseReason;
use iothub_tests::link::Break;
use iothub_tests::pair::{Pair, Reconnect, Seen, Setup, is_over, is_ready};

const BAD: &[u8] = b"bad";

fn ends(pair: &Pair) -> Vec<Disconnected> {
    let seen = pair.seen().iter();
    seen.filter_map(|(_, seen)| if let Seen::Disconnected(end) = seen { Some(*end) } else { None }).collect()
}

/// Token and count of each suspect, by connection.
fn suspects(pair: &Pair) -> Vec<Option<(TelemetryToken, u8)>> {
    ends(pair).iter().map(|end| end.suspect.map(|suspect| (suspect.token, suspect.cuts))).collect()
}

/// How many messages were lent on each connection.
fn lent(pair: &Pair) -> Vec<usize> {
    let on = |connection| {
        let sent = pair.sent().iter().filter(|sent| sent.connection == connection);
        sent.filter(|sent| sent.telemetry().is_some()).count()
    };
    (1..=pair.connections()).map(on).collect()
}

fn arrived(pair: &mut Pair) -> Vec<Vec<u8>> {
    pair.hub.take_telemetry().into_iter().map(|telemetry| telemetry.payload).collect()
}

fn poisoned() -> Pair {
    let mut pair = Setup::sensor().start();
    pair.hub.faults.poison = Some(BAD.to_vec());
    pair.reconnect = Reconnect::After(Duration::from_secs(1));
    pair
}

fn run_to_end(pair: &mut Pair, count: usize) {
    pair.run_until("so many ends", |pair| pair.count(is_over) == count);
}

#[test]
fn after_two_cuts_messages_go_one_by_one_and_the_suspect_is_named_with_its_count() {
    let mut pair = poisoned();
    let bad = pair.send(BAD);
    for _ in 0..4 {
        pair.send(b"good");
    }
    pair.connect();
    run_to_end(&mut pair, 6);
    assert_eq!(suspects(&pair), [None, Some((bad, 2)), Some((bad, 3)), Some((bad, 4)), Some((bad, 5)), Some((bad, 6))]);
    assert_eq!(lent(&pair), [5, 5, 1, 1, 1, 1]);
    assert!(ends(&pair).iter().all(|end| end.last_sent == Some(LastSent::Telemetry)));
    assert!(pair.closes.iter().all(|reason| *reason == CloseReason::Fault));
    // It is never dropped by the machine.
    run_to_end(&mut pair, 50);
    assert_eq!(suspects(&pair)[49], Some((bad, 50)));
    assert_eq!(pair.client.unacked().next(), Some(bad));
    assert!(arrived(&mut pair).is_empty());
}

#[test]
fn withdrawing_the_suspect_lets_the_rest_flow() {
    let mut pair = poisoned();
    let bad = pair.send(BAD);
    let good: Vec<_> = (0..20_u8).map(|number| pair.send(&[number])).collect();
    pair.handler = Some(Box::new(move |client, now, event| {
        if let Event::Disconnected(Disconnected { suspect: Some(suspect), .. }) = event
            && suspect.cuts >= 3
        {
            client.telemetry_withdraw(now, suspect.token).unwrap();
        }
    }));
    pair.connect();
    pair.run_until("settled", |pair| pair.client.pending().telemetry == 0);
    pair.run_for(Duration::from_secs(10));
    assert_eq!((pair.connections(), suspects(&pair)), (4, vec![None, Some((bad, 2)), Some((bad, 3))]));
    let acked: Vec<_> =
        pair.seen().iter().filter_map(|(_, seen)| if let Seen::Acked(t) = seen { Some(*t) } else { None }).collect();
    assert_eq!(acked, good);
    assert_eq!(arrived(&mut pair).concat(), (0..20).collect::<Vec<u8>>());
    // One at a time until the first PUBACK, and then the whole window.
    let times: Vec<_> = pair.sent().iter().filter(|sent| sent.connection == 4 && sent.telemetry().is_some()).collect();
    assert!(times[1].at > times[0].at, "{pair:?}");
    assert!(times[2..].iter().all(|sent| sent.at == times[1].at), "{pair:?}");
}

#[test]
fn withdrawing_another_message_leaves_the_suspicion() {
    let mut pair = poisoned();
    let bad = pair.send(BAD);
    let good = pair.send(b"good");
    pair.connect();
    run_to_end(&mut pair, 2);
    let now = pair.now();
    pair.client.telemetry_withdraw(now, good).unwrap();
    run_to_end(&mut pair, 3);
    assert_eq!(suspects(&pair), [None, Some((bad, 2)), Some((bad, 3))]);
}

#[test]
fn a_bad_message_among_good_ones_is_found_whatever_its_place() {
    // With small chunks the PUBACKs of earlier messages are under way when the hub closes, with large ones they are
    // lost, and innocent messages come under suspicion at first.
    for (place, max_chunk) in [(0, 1_460), (1, 1_460), (7, 1_460), (19, 1_460), (0, 20), (7, 20), (19, 20)] {
        let mut pair = Setup::sensor().link(max_chunk, (10, 10)).start();
        pair.hub.faults.poison = Some(BAD.to_vec());
        pair.reconnect = Reconnect::After(Duration::from_secs(1));
        let (mut tokens, mut bad) = (Vec::new(), None);
        for number in 0..20_u8 {
            if number == place {
                bad = Some(pair.send(BAD));
            } else {
                tokens.push(pair.send(&[number]));
            }
        }
        pair.handler = Some(Box::new(move |client, now, event| {
            if let Event::Disconnected(Disconnected { suspect: Some(suspect), .. }) = event
                && suspect.cuts >= 3
            {
                assert_eq!(Some(suspect.token), bad, "with one at a time there is no doubt");
                client.telemetry_withdraw(now, suspect.token).unwrap();
            }
        }));
        pair.connect();
        pair.run_until("settled", |pair| pair.client.pending().telemetry == 0);
        for token in tokens {
            assert_eq!(pair.count(|seen| *seen == Seen::Acked(token)), 1, "place {place}");
        }
        assert!(!arrived(&mut pair).contains(&BAD.to_vec()));
    }
}

#[test]
fn an_acknowledgement_ends_the_suspicion() {
    let mut pair = poisoned();
    let bad = pair.send(BAD);
    pair.connect();
    run_to_end(&mut pair, 3);
    // The hub has changed its mind.
    pair.hub.faults.poison = None;
    pair.run_until("acknowledged", |pair| pair.has(|seen| *seen == Seen::Acked(bad)));
    for _ in 0..5 {
        pair.send(b"more");
    }
    pair.run_until("settled", |pair| pair.client.pending().telemetry == 0);
    pair.hub.faults.poison = Some(BAD.to_vec());
    pair.take_seen();
    pair.send(BAD);
    // The first of these connections had acknowledged something, so it does not count.
    run_to_end(&mut pair, 3);
    let counts: Vec<_> = suspects(&pair).iter().map(|suspect| suspect.map(|(_, cuts)| cuts)).collect();
    assert_eq!(counts, [None, None, Some(2)], "counted anew");
}

#[test]
fn cuts_that_have_nothing_to_do_with_telemetry_are_not_counted() {
    let mut pair = Setup::device().start();
    pair.hub.faults.puback_delay = Duration::from_secs(5);
    let cut = |pair: &mut Pair| {
        pair.cut(Break::Close);
        pair.run_until("over", |pair| !pair.is_open());
    };
    // One that counts.
    pair.sign_in();
    let token = pair.send(b"innocent");
    pair.run_for(Duration::from_millis(100));
    cut(&mut pair);
    // Refused, then cut before anything was sent, then ended politely: none of these is the hub's objection.
    pair.hub.faults.refuse_connects.push_back(3);
    pair.connect();
    pair.run_until("refused", |pair| pair.has(|seen| matches!(seen, Seen::Failed(_))));
    pair.connect();
    pair.run_for(Duration::from_millis(5));
    cut(&mut pair);
    pair.sign_in();
    pair.client.disconnect(pair.now()).unwrap();
    pair.client.disconnect(pair.now()).unwrap();
    pair.run_until("over", |pair| !pair.is_open());
    assert_eq!(suspects(&pair), [None; 4]);
    // The second that counts.
    pair.sign_in();
    pair.run_for(Duration::from_millis(100));
    cut(&mut pair);
    assert_eq!(suspects(&pair)[4], Some((token, 2)));
}

#[test]
fn a_link_that_breaks_after_acknowledgements_blames_nobody() {
    let mut pair = Setup::sensor().start();
    for round in 0..5 {
        pair.sign_in();
        pair.send(b"acknowledged");
        pair.run_for(Duration::from_millis(100));
        pair.hub.faults.drop_pubacks = 1;
        pair.send(b"not acknowledged");
        pair.run_for(Duration::from_millis(100));
        pair.cut(Break::Close);
        pair.run_until("over", |pair| pair.count(is_over) > round);
    }
    assert_eq!(suspects(&pair), [None; 5]);
    assert_eq!(pair.count(is_ready), 5);
}

#[test]
fn a_suspect_that_was_withdrawn_is_not_named_again() {
    let mut pair = poisoned();
    pair.reconnect = Reconnect::Never;
    let bad = pair.send(BAD);
    for count in 1..=2 {
        pair.sign_in();
        run_to_end(&mut pair, count);
    }
    pair.sign_in();
    // Withdrawn while it is under way for the third time.
    pair.client.telemetry_withdraw(pair.now(), bad).unwrap();
    run_to_end(&mut pair, 3);
    assert_eq!(suspects(&pair), [None, Some((bad, 2)), None]);
    assert_eq!(pair.client.pending().telemetry, 0);
}
