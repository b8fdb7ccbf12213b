//! Random lives of a device: the owned client does what a client of fixed memory does, whatever comes and goes.

use super::super::memory::Records;
use super::device::{Device, Step};
use crate::auth::Identity;
use crate::storage::SlotKind;
use crate::time::Instant;
use crate::{Client, Config, Inbound, OwnedClient, OwnedLimits, Settings, Slot, Storage};
use alloc::sync::Arc;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const SLOTS: usize = 12;
const INBOUND: usize = 5;
const TX: usize = 1 << 17;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let nth = 0usize..1_000;
    let step = prop_oneof![
        2 => Just(Step::Connect),
        1 => Just(Step::Eof),
        1 => Just(Step::Disconnect),
        2 => prop_oneof![0u32..50, 1_000u32..70_000].prop_map(Step::Tick),
        4 => (1usize..200).prop_map(Step::Transmit),
        8 => Just(Step::TransmitAll),
        8 => Just(Step::HubAnswers),
        8 => (any::<bool>(), prop_oneof![0usize..30, 100usize..400]).prop_map(|(qos1, len)| Step::Send { qos1, len }),
        2 => nth.clone().prop_map(Step::Withdraw),
        6 => nth.clone().prop_map(Step::Ack),
        2 => Just(Step::TwinGet),
        2 => (0usize..200).prop_map(Step::TwinReport),
        4 => (nth.clone(), prop_oneof![Just(200), Just(204), Just(429), Just(400)], 0u8..9)
            .prop_map(|(nth, status, version)| Step::TwinAnswer { nth, status, version }),
        2 => (0u8..9).prop_map(Step::Desired),
        3 => (any::<bool>(), 1u8..5).prop_map(|(qos1, count)| Step::Message { qos1, count }),
        3 => nth.clone().prop_map(Step::Accept),
        1 => nth.clone().prop_map(Step::Leave),
        2 => Just(Step::Call),
        2 => (nth, 0usize..100).prop_map(|(nth, len)| Step::Respond(nth, len)),
        1 => any::<u16>().prop_map(Step::Stray),
    ];
    proptest::collection::vec(step, 1..150)
}

/// No memory is held for nothing.
fn check_memory(client: &OwnedClient) {
    let memory = &client.memory;
    let in_use = |slot: &Slot| slot.kind != SlotKind::Free;
    assert!(memory.slots.is_empty() || memory.slots.iter().any(in_use), "slots without use");
    assert!(matches!(memory.inbound, Records::Few(_)) || client.pending().messages > 0, "inbound records without use");
    assert!(memory.slots.len() <= SLOTS && memory.inbound().len() <= INBOUND && memory.tx.len() <= TX);
}

/// Nothing waits to be sent: only packets that are kept are a reason for bytes.
fn check_sent(client: &OwnedClient) {
    let kept = client.memory.slots.iter().any(|slot| slot.len > 0);
    assert!(kept || client.memory.tx.is_empty(), "bytes without use");
}

fn live(auto_accept: bool, steps: &[Step]) {
    let mut config = Config::new(Identity::device("h", "d"));
    config.settings = Settings { auto_accept, ..config.settings };
    let (mut tx, mut slots, mut inbound) = (vec![0; TX], [Slot::EMPTY; SLOTS], [Inbound::EMPTY; INBOUND]);
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let mut fixed = Device::new(Client::new(config, storage).unwrap());
    let limits = OwnedLimits { tx: TX as u32, slots: SLOTS as u16, inbound: INBOUND as u16 };
    let owned = OwnedClient::new(&config.identity, Arc::new(config.settings), limits).unwrap();
    let mut owned = Device::new(owned);
    let mut now = Instant::ZERO;
    for (nth, step) in steps.iter().enumerate() {
        if let Step::Tick(millis) = step {
            now = now + crate::time::Duration::from_millis(u64::from(*millis));
        }
        assert_eq!(owned.step(now, step), fixed.step(now, step), "step {nth}: {step:?}");
        check_memory(&owned.verbs);
        if matches!(step, Step::TransmitAll) && owned.verbs.poll_transmit().is_none() {
            check_sent(&owned.verbs);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes out, events, errors, states and deadlines are those of fixed memory, but for the names of packets.
    #[test]
    fn lives_as_in_fixed_memory(auto_accept: bool, steps in steps()) {
        // Most lives get to work first.
        let start = [Step::Connect, Step::TransmitAll, Step::HubAnswers, Step::TransmitAll, Step::HubAnswers];
        live(auto_accept, &[&start[..], &steps].concat());
        live(auto_accept, &steps);
    }
}
