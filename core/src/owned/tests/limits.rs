//! Growth, shrinking and limits, seen from the hub: a message that was taken arrives whole, once, in order, and is
//! kept until it is acknowledged; one that was refused was refused for want of exactly that much room.

use super::{NOW, telemetry_only};
use crate::error::{CapacityError, Error};
use crate::wire::frame;
use crate::{ConnectOptions, OwnedClient, OwnedLimits, Telemetry};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

const TOPIC: &str = "devices/d/messages/events/";

/// A message that was taken.
#[derive(Clone, Debug)]
struct Sent {
    payload: Vec<u8>,
    id: Option<u16>,
    lent_before: bool,
}

struct Model {
    client: OwnedClient,
    limits: OwnedLimits,
    capacity: usize,
    /// Not acknowledged, oldest first; the first `arrived` of them arrived on this connection.
    messages: VecDeque<Sent>,
    arrived: usize,
    /// Bytes of a packet that has not arrived whole.
    partial: Vec<u8>,
    /// Since the last PUBACK.
    cuts: u8,
    fill: u8,
}

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Transmit(usize),
    Ack(usize),
    Reconnect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop_oneof![0usize..60, 60usize..300].prop_map(Step::Send),
        6 => (1usize..250).prop_map(Step::Transmit),
        4 => (0usize..100).prop_map(Step::Ack),
        1 => Just(Step::Reconnect),
    ];
    proptest::collection::vec(step, 1..200)
}

fn packet_len(payload: usize) -> usize {
    let remaining = 2 + TOPIC.len() + 2 + payload;
    1 + frame::remaining_length_len(remaining) + remaining
}

impl Model {
    fn new(limits: OwnedLimits) -> Self {
        let client = telemetry_only(limits);
        let capacity = limits.tx as usize - client.machine.reserve();
        let mut model =
            Self { client, limits, capacity, messages: VecDeque::new(), arrived: 0, partial: vec![], cuts: 0, fill: 0 };
        model.connect();
        model
    }

    fn connect(&mut self) {
        self.client.connect(NOW, &ConnectOptions::default()).unwrap();
        let connect = self.client.poll_transmit().unwrap();
        assert_eq!(connect[0], 0x10);
        let len = connect.len();
        self.client.confirm_transmit(NOW, len).unwrap();
        let _ = self.client.handle_input(NOW, b"\x20\x02\x01\x00").unwrap();
        let _ = self.client.handle_input(NOW, &[]).unwrap();
    }

    fn used(&self) -> usize {
        self.messages.iter().map(|message| packet_len(message.payload.len())).sum()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Send(len) => self.send(len),
            Step::Transmit(at_most) => self.transmit(at_most),
            Step::Ack(nth) => self.ack(nth),
            Step::Reconnect => {
                self.client.handle_eof(NOW).unwrap();
                let _ = self.client.handle_input(NOW, &[]).unwrap();
                // Arrived or begun: the next copy is a duplicate.
                let begun = self.arrived + usize::from(!self.partial.is_empty());
                self.messages.iter_mut().take(begun).for_each(|message| message.lent_before = true);
                self.messages.iter_mut().for_each(|message| message.id = None);
                (self.arrived, self.partial) = (0, vec![]);
                self.cuts = self.cuts.saturating_add(1);
                self.connect();
            }
        }
        assert_eq!(self.client.tx_free(), self.capacity - self.used());
        assert_eq!(usize::from(self.client.pending().telemetry), self.messages.len());
    }

    fn send(&mut self, len: usize) {
        self.fill = self.fill.wrapping_add(1);
        let payload = vec![self.fill; len];
        let outcome = self.client.send_telemetry(NOW, &Telemetry { payload: &payload, ..Telemetry::default() });
        let (needed, free) = (packet_len(len), self.capacity - self.used());
        let refused = if self.messages.len() == usize::from(self.limits.slots) {
            Some(CapacityError::SlotsFull)
        } else if needed > self.capacity {
            Some(CapacityError::TooLarge { needed, capacity: self.capacity })
        } else if needed > free {
            Some(CapacityError::TxFull { needed, free })
        } else {
            None
        };
        assert_eq!(outcome.err(), refused.map(Error::Capacity));
        if refused.is_none() {
            self.messages.push_back(Sent { payload, id: None, lent_before: false });
        }
    }

    fn transmit(&mut self, at_most: usize) {
        let Some(bytes) = self.client.poll_transmit() else {
            // After two cuts without any PUBACK one message at a time is sent.
            assert!(
                self.arrived == self.messages.len() || self.cuts >= 2 && self.arrived > 0,
                "something is left behind"
            );
            return;
        };
        let len = bytes.len().min(at_most);
        self.partial.extend_from_slice(&bytes[..len]);
        self.client.confirm_transmit(NOW, len).unwrap();
        let Some(header) = frame::header(&self.partial).unwrap() else { return };
        if self.partial.len() < header.total() {
            return;
        }
        let message = &mut self.messages[self.arrived];
        let first = if message.lent_before { 0x3A } else { 0x32 };
        let at = usize::from(header.len);
        let id_at = at + 2 + TOPIC.len();
        assert_eq!((self.partial[0], &self.partial[at + 2..id_at]), (first, TOPIC.as_bytes()));
        assert_eq!(self.partial[id_at + 2..], message.payload);
        message.id = Some(u16::from_be_bytes([self.partial[id_at], self.partial[id_at + 1]]));
        self.arrived += 1;
        self.partial.clear();
    }

    fn ack(&mut self, nth: usize) {
        let Some(nth) = nth.checked_rem(self.arrived) else { return };
        let message = self.messages.remove(nth).unwrap();
        self.arrived -= 1;
        self.cuts = 0;
        let [high, low] = message.id.unwrap().to_be_bytes();
        let puback = [0x40, 2, high, low];
        let handled = self.client.handle_input(NOW, &puback).unwrap();
        assert!(matches!(handled.event, Some(crate::Event::TelemetryAcked(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_changed(room in 1u32..2_000, slots in 1u16..20, steps in steps()) {
        // The reserve of such a client.
        let reserve = telemetry_only(OwnedLimits::default()).machine.reserve() as u32;
        let mut model = Model::new(OwnedLimits { tx: reserve + room, slots, inbound: 1 });
        for step in &steps {
            model.step(step);
            prop_assert!(model.client.memory.tx.len() <= model.limits.tx as usize);
            prop_assert!(model.client.memory.slots.len() <= usize::from(slots));
        }
        // The end of every life: all arrives, all is acknowledged, and no memory is left.
        while !model.messages.is_empty() {
            let before = model.arrived;
            model.step(&Step::Transmit(usize::MAX));
            if model.arrived == before {
                model.step(&Step::Ack(0));
            }
        }
        prop_assert_eq!(super::heap(&model.client), 0);
    }
}

/// Growth is by doubling: a thousand messages are a few allocations.
#[test]
fn growth_is_seldom() {
    let mut model = Model::new(OwnedLimits::default());
    let mut sizes = vec![];
    for _ in 0..1_000 {
        model.step(&Step::Send(50));
        let place = (model.client.memory.tx.len(), model.client.memory.slots.len());
        if sizes.last() != Some(&place) {
            sizes.push(place);
        }
    }
    assert!(sizes.len() <= 20, "{sizes:?}");
    let (tx, slots) = *sizes.last().unwrap();
    assert!(tx <= 2 * (model.used() + 500) && slots == 1_024);
}

/// Names of commands do not come back with the memory: a token of an earlier life is stale, not another's.
#[test]
fn tokens_and_packet_ids_outlive_their_slots() {
    let mut model = Model::new(OwnedLimits { slots: 7, ..OwnedLimits::default() });
    let mut tokens = vec![];
    let mut ids = vec![];
    for round in 0..500usize {
        for _ in 0..round % 7 {
            let token = model.client.send_telemetry(NOW, &Telemetry::default()).unwrap();
            for old in &tokens {
                assert_ne!(*old, token);
            }
            tokens.push(token);
            model.messages.push_back(Sent { payload: vec![], id: None, lent_before: false });
        }
        while model.arrived < model.messages.len() {
            model.transmit(usize::MAX);
        }
        let last_ids: Vec<_> = model.messages.iter().map(|message| message.id.unwrap()).collect();
        for id in last_ids {
            assert!(!ids.contains(&id), "packet id {id} in round {round}");
            ids.push(id);
            model.ack(0);
        }
        assert_eq!(super::heap(&model.client), 0);
        for token in tokens.iter().rev().take(20) {
            assert!(model.client.telemetry_withdraw(NOW, *token).is_err());
        }
    }
}
