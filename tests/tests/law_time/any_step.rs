//! After any steps, in any state, a timeout leaves a later deadline.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    ToDeadline,
    Connect,
    Cut,
    Send,
    Get,
    Confirm(usize),
    Answer,
    Pong,
    Disconnect,
    Junk,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..90_000_u64).prop_map(Step::Wait),
        Just(Step::ToDeadline),
        Just(Step::ToDeadline),
        Just(Step::Connect),
        Just(Step::Cut),
        Just(Step::Send),
        Just(Step::Get),
        (1..80_usize).prop_map(Step::Confirm),
        Just(Step::Confirm(usize::MAX)),
        Just(Step::Answer),
        Just(Step::Answer),
        Just(Step::Pong),
        Just(Step::Disconnect),
        Just(Step::Junk),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// [`Rig::time`] asserts that the next deadline is later.
    #[test]
    fn after_any_timeout_in_any_state_the_next_deadline_is_later(steps in prop::collection::vec(step(), 1..60)) {
        let mut memory = Memory::new(1500, 4, 2);
        let mut rig = memory.rig(Settings { keep_alive: 90, ..Settings { features: Features::ALL_DEVICE, twin_sync: true, ..distinct() } });
        let mut subscribed = false;
        for step in steps {
            let now = rig.now.as_millis();
            match step {
                Step::Wait(millis) => drop(rig.time(now + millis)),
                Step::ToDeadline => {
                    let at = rig.client.poll_timeout().map_or(now, Instant::as_millis);
                    let _ = rig.time(at.max(now));
                }
                Step::Connect => if rig.client.connect(rig.now, &ConnectOptions { lifetime: Some(seconds(100)), ..Default::default() }).is_ok() {
                    subscribed = false;
                    let sent = rig.lent();
                    rig.confirm(sent.len());
                },
                Step::Cut => rig.client.handle_eof(rig.now).unwrap(),
                Step::Send => drop(rig.client.send_telemetry(rig.now, &iothub_proto::Telemetry::default())),
                Step::Get => drop(rig.client.twin_get(rig.now)),
                Step::Confirm(count) => {
                    let lent = rig.lent().len();
                    rig.confirm(count.min(lent));
                }
                Step::Answer => match rig.client.state() {
                    State::Connecting => drop(rig.feed(&ACCEPTED)),
                    State::Subscribing if !subscribed => {
                        rig.sent();
                        subscribed = true;
                        rig.feed(&hex("9006ffff01000000"));
                    }
                    _ => drop(rig.feed(&publish(0x30, "$iothub/twin/res/500/?$rid=s00000001", None, b""))),
                },
                Step::Pong => drop(rig.feed(&hex("d000"))),
                Step::Disconnect => drop(rig.client.disconnect(rig.now)),
                Step::Junk => drop(rig.feed(&[0xff])),
            }
            rig.drain();
            let now = rig.now.as_millis();
            let _ = rig.time(now);
        }
    }
}
