use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const SLOTS: usize = 12;

impl Arena {
    /// The slots that have bytes. Panics if they are not in the order of their places, if two of them share a byte or
    /// one lies outside.
    pub(crate) fn check_consistent(&self, slots: &[Slot], len: usize) -> Vec<u16> {
        let mut found = Vec::new();
        let mut free = self.base;
        let mut next = self.places.first();
        while next != NONE {
            assert_eq!(self.places.before(slots, next), found.last().copied().unwrap_or(NONE));
            assert!(found.len() < slots.len(), "a circle");
            let slot = &slots[usize::from(next)];
            assert!(slot.len > 0 && slot.start >= free, "no overlap: {slot:?}");
            free = slot.start + slot.len;
            found.push(next);
            next = self.places.after(slots, next);
        }
        assert_eq!(self.places.last(), found.last().copied().unwrap_or(NONE));
        assert!(free as usize <= len);
        assert!(self.newest == NONE || found.contains(&self.newest));
        found
    }
}

/// An arena and what its packets must hold.
struct Model {
    arena: Arena,
    slots: Vec<Slot>,
    tx: Vec<u8>,
    /// Live packets, oldest first.
    live: Vec<u16>,
    /// Or [`NONE`].
    lent: u16,
    next_fill: u8,
    fills: [u8; SLOTS],
}

impl Model {
    fn new(base: u32, len: usize) -> Self {
        Self {
            arena: Arena::new(base),
            slots: vec![Slot::EMPTY; SLOTS],
            tx: vec![0; len],
            live: Vec::new(),
            lent: NONE,
            next_fill: 1,
            fills: [0; SLOTS],
        }
    }

    fn put(&mut self, len: usize) -> bool {
        let Some(index) = (0..SLOTS as u16).find(|index| !self.live.contains(index)) else { return false };
        let Ok(place) = self.arena.reserve(&mut self.slots, &mut self.tx, self.lent, len) else { return false };
        assert_eq!(place.len(), len);
        self.tx[place.start as usize..place.end as usize].fill(self.next_fill);
        self.arena.commit(&mut self.slots, index, &place);
        self.live.push(index);
        self.fills[index as usize] = self.next_fill;
        self.next_fill = self.next_fill.wrapping_add(1).max(1);
        true
    }

    fn settle(&mut self, nth: usize) {
        if self.live.is_empty() {
            return;
        }
        let index = self.live.remove(nth % self.live.len());
        if self.lent == index {
            self.lent = NONE;
        }
        self.arena.release(&mut self.slots, index);
    }

    fn check(&self) {
        let mut stored = self.arena.check_consistent(&self.slots, self.tx.len());
        let mut live = self.live.clone();
        stored.sort_unstable();
        live.sort_unstable();
        assert_eq!(stored, live);
        for &index in &self.live {
            let slot = &self.slots[index as usize];
            let place = slot.start as usize..(slot.start + slot.len) as usize;
            assert!(self.tx[place].iter().all(|&byte| byte == self.fills[index as usize]), "contents");
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    Settle(usize),
    Lend(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1usize..40).prop_map(Step::Put),
        2 => (0usize..SLOTS).prop_map(Step::Settle),
        1 => (0usize..SLOTS).prop_map(Step::Lend),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Packets never overlap or change, the lent one never moves, and `largest` is exactly what fits.
    #[test]
    fn packs_without_harm(base in 0u32..20, len in 40usize..200, steps in steps()) {
        let mut model = Model::new(base, len);
        for step in steps {
            let lent = model.lent;
            let lent_at = model.slots.get(usize::from(lent)).map(|slot| slot.start);
            match step {
                Step::Put(len) => {
                    let free = model.arena.largest(&model.slots, model.tx.len(), model.lent);
                    let slot_free = model.live.len() < SLOTS;
                    prop_assert_eq!(model.put(len), slot_free && len <= free, "{} into {}", len, free);
                }
                Step::Settle(nth) => model.settle(nth),
                Step::Lend(nth) if !model.live.is_empty() => model.lent = model.live[nth % model.live.len()],
                Step::Lend(_) => model.lent = NONE,
            }
            if model.lent == lent {
                let lent_now = model.slots.get(usize::from(lent)).map(|slot| slot.start);
                prop_assert_eq!(lent_now, lent_at, "the lent packet moved");
            }
            model.check();
        }
    }
}

#[test]
fn a_hole_is_never_waited_for() {
    let mut model = Model::new(0, 100);
    for _ in 0..10 {
        assert!(model.put(10));
    }
    // The oldest stays; everything after it is settled.
    for _ in 0..9 {
        model.settle(1);
    }
    assert_eq!(model.arena.largest(&model.slots, 100, NONE), 90);
    assert!(model.put(90));
    model.check();
}

#[test]
fn settled_in_order_nothing_is_moved() {
    let mut model = Model::new(16, 116);
    for round in 0..1_000 {
        assert!(model.put(33), "round {round}");
        if model.live.len() == 2 {
            let newest = model.slots[model.live[1] as usize].start;
            model.settle(0);
            assert_eq!(model.slots[model.live[0] as usize].start, newest);
        }
    }
}

#[test]
fn a_refused_packet_changes_nothing() {
    let mut model = Model::new(0, 100);
    assert!(model.put(30) && model.put(30) && model.put(30));
    for round in 0..1_000 {
        let places: Vec<_> = model.live.iter().map(|&index| model.slots[index as usize].start).collect();
        assert!(!model.put(30), "round {round}");
        model.settle(0);
        assert!(model.put(30), "round {round}");
        let now: Vec<_> = model.live.iter().map(|&index| model.slots[index as usize].start).collect();
        assert_eq!(now[..2], places[1..], "the next place is where it was: nothing has to move");
        model.check();
    }
}
