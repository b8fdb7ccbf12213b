//! What must hold of a session between any two calls, whatever was called.

use super::transmit::Ping;
use super::*;
#[cfg(feature = "twin")]
use crate::error::UsageError;
use crate::storage::{Flags, SlotKind};
use std::collections::BTreeSet;
use std::vec::Vec;

/// The slots on a list, which is well-formed both ways.
fn members<const THROUGH: usize>(list: &List<THROUGH>, slots: &[Slot]) -> Vec<u16> {
    let mut found = Vec::new();
    let mut next = list.first();
    while next != NONE {
        let index = next;
        assert!(found.len() < slots.len(), "a list runs in a circle");
        assert_eq!(list.before(slots, index), found.last().copied().unwrap_or(NONE));
        found.push(index);
        next = list.after(slots, index);
    }
    assert_eq!(list.last(), found.last().copied().unwrap_or(NONE));
    found
}

impl Session {
    /// Panics unless every list, counter and timer says the same about every slot.
    pub(crate) fn check_consistent(&self, storage: &Storage<'_>, settings: &Settings) {
        let slots = &*storage.slots;
        let of = |list: &List<QUEUE>| members(list, slots);
        let (free, telemetry, answers, requests) =
            (of(&self.free), of(&self.telemetry), of(&self.answers), of(&self.requests));
        let (waiting, flagged) = (members(&self.waiting, slots), members(&self.flagged, slots));
        let stored = self.arena.check_consistent(slots, storage.tx.len());
        assert_eq!(free.len() + telemetry.len() + answers.len() + requests.len(), {
            let all: BTreeSet<_> = [&free, &telemetry, &answers, &requests].into_iter().flatten().collect();
            all.len()
        });
        assert!(waiting.iter().all(|index| !flagged.contains(index)), "on two lists through the same links");

        let (mut in_flight, mut awaiting, mut asked) = (0, 0, 0);
        let mut ids = BTreeSet::new();
        for (index, slot) in (0..).zip(slots) {
            let on = |list: &[u16]| list.contains(&index);
            let has = |flag| slot.flags.has(flag);
            let lent = self.lend.is_slot(index);
            let live = has(Flags::LENT) && !has(Flags::DONE);
            assert!(!lent || has(Flags::LENT), "{slot:?}");
            assert!(!has(Flags::DONE) || lent, "only a lend keeps what is done: {slot:?}");
            assert_eq!(stored.contains(&index), slot.len > 0, "{slot:?}");
            let is_twin = matches!(slot.kind, SlotKind::TwinGet | SlotKind::TwinReport);
            let is_telemetry = matches!(slot.kind, SlotKind::Telemetry0 | SlotKind::Telemetry1);
            assert_eq!(on(&free), slot.kind == SlotKind::Free, "{slot:?}");
            assert_eq!(on(&telemetry), is_telemetry, "{slot:?}");
            assert_eq!(on(&answers), slot.kind == SlotKind::Answer, "{slot:?}");
            let unsent = !has(Flags::LENT) && !has(Flags::EXPIRED);
            assert_eq!(on(&requests), is_twin && (unsent || lent), "{slot:?}");
            let ended = has(Flags::LOST) || has(Flags::EXPIRED);
            assert_eq!(on(&flagged), is_twin && ended && !has(Flags::DONE), "{slot:?}");
            assert_eq!(on(&waiting), is_twin && !ended && !has(Flags::DONE), "{slot:?}");
            match slot.kind {
                SlotKind::Free => assert!(slot.flags == Flags::NONE && slot.len == 0, "{slot:?}"),
                SlotKind::Telemetry0 | SlotKind::Answer => {
                    assert_eq!(has(Flags::LENT), lent, "{slot:?}");
                    assert!(slot.len > 0, "{slot:?}");
                }
                SlotKind::Telemetry1 => {
                    assert_eq!(has(Flags::SENT), live && !lent, "{slot:?}");
                    assert_eq!(slot.len == 0, has(Flags::WITHDRAWN) && !lent, "{slot:?}");
                    assert!(!has(Flags::DUP) || has(Flags::EARLIER), "{slot:?}");
                    assert!(slot.id != 0 && slot.id != SUBSCRIBE_ID && (slot.id - 1) & self.slot_mask == index);
                    assert!(ids.insert(slot.id), "an id in use twice");
                    in_flight += u16::from(live);
                    awaiting += u16::from(has(Flags::SENT));
                }
                SlotKind::TwinGet | SlotKind::TwinReport => {
                    assert_eq!(slot.len > 0, on(&requests), "{slot:?}");
                    asked += u16::from(live && !ended);
                }
            }
        }
        assert_eq!((self.in_flight, self.awaiting, self.asked), (in_flight, awaiting, asked));
        let is_lent = |index: &u16| slots[usize::from(*index)].flags.has(Flags::LENT);
        let begun = telemetry.iter().take_while(|index| is_lent(index)).count();
        assert!(telemetry.iter().skip(begun).all(|index| !is_lent(index)), "lent before an older one");
        assert_eq!(self.unsent, telemetry.get(begun).copied().unwrap_or(NONE));
        let deadlines: Vec<_> = waiting.iter().map(|index| slots[usize::from(*index)].deadline).collect();
        assert!(deadlines.is_sorted(), "{deadlines:?}");
        assert!(usize::from(self.window.len()) <= storage.inbound.len());
        self.check_timers(storage, settings);
    }

    fn check_timers(&self, storage: &Storage<'_>, settings: &Settings) {
        let armed = |reason| self.timers.is_armed(reason);
        if !self.state.has_connection() {
            assert_eq!(self.timers.next().0, Moment::NEVER, "off while offline");
            assert!(!self.lend.is_some() && self.next_lane(storage, settings).is_none());
            assert_eq!((self.in_flight, self.awaiting, self.asked, self.methods, self.window.len()), (0, 0, 0, 0, 0));
            return;
        }
        if self.state == State::Closing {
            assert!(armed(TimeoutReason::Close));
            return;
        }
        let waits = self.lend.is_some() || self.next_lane(storage, settings).is_some();
        assert_eq!(armed(TimeoutReason::Send), waits, "the watch over stalled sending");
        assert_eq!(armed(TimeoutReason::Drain), self.state == State::Draining);
        assert!(self.state != State::Draining || !self.is_drained(storage), "a drain that is over goes on");
        let sent = |what| !self.lend.is(what);
        assert_eq!(
            armed(TimeoutReason::Connack),
            self.state == State::Connecting && self.connect.is_empty() && sent(Lent::Connect)
        );
        assert_eq!(armed(TimeoutReason::Suback), self.subscribing > 0 && sent(Lent::Subscribe));
        // Other control packets may be lent while PINGRESP is awaited.
        assert!(self.ping == Ping::Outstanding || !armed(TimeoutReason::Pingresp));
        assert!(self.ping != Ping::Outstanding || armed(TimeoutReason::Pingresp) || !sent(Lent::Control));
        assert_eq!(armed(TimeoutReason::Puback), self.awaiting > 0);
    }
}

/// A deadline as it is from now; whether there is one, if no time will pass.
fn put_deadline(out: &mut Vec<u8>, at: Moment, now: Moment, timed: bool) {
    let left = at.rebased(now.since_start()).since_start().as_millis() as u32;
    out.extend_from_slice(&if timed { left } else { u32::from(at.is_set()) }.to_le_bytes());
}

impl Session {
    /// Puts all of which depends what it does from now on, and gives the slots in use by their first appearance there.
    /// Not in it: which slot, id, generation and place in memory is whose, how the connection ended, and how many
    /// strays and cuts there were beyond those that matter. If no time will pass, when is not in it either.
    pub(crate) fn put_key(&self, storage: &Storage<'_>, timed: bool, out: &mut Vec<u8>) -> Vec<u16> {
        let slots = &*storage.slots;
        assert!(matches!(self.skip, Skip::None), "no message is larger than the buffer");
        let error = match self.error {
            None => 0,
            Some(Fatal::TimedOut(reason)) => 1 + reason as u8,
            Some(error) => panic!("a hub that makes no mistakes: {error:?}"),
        };
        let mut named: Vec<u16> = Vec::new();
        let mut name = |index: u16| {
            let known = named.iter().position(|known| *known == index);
            known.unwrap_or_else(|| {
                named.push(index);
                named.len() - 1
            }) as u8
        };
        out.extend([self.state as u8, error]);
        let (telemetry, answers, requests) = (&self.telemetry, &self.answers, &self.requests);
        let sending = [telemetry, answers, requests].map(|list| members(list, slots));
        let waiting = [&self.waiting, &self.flagged].map(|list| members(list, slots));
        for members in sending.into_iter().chain(waiting) {
            out.push(members.len() as u8);
            out.extend(members.into_iter().map(&mut name));
        }
        for index in [self.unsent, self.lend.slot()] {
            out.push(if index == NONE { u8::MAX } else { name(index) });
        }
        for slot in named.iter().map(|index| &slots[usize::from(*index)]) {
            let flags =
                [Flags::LENT, Flags::DUP, Flags::DONE, Flags::LOST, Flags::EXPIRED, Flags::SENT, Flags::EARLIER];
            let bits = flags.iter().rev().fold(0, |bits, flag| bits << 1 | u8::from(slot.flags.has(*flag)));
            out.extend([slot.kind as u8, bits]);
        }
        for index in members(&self.waiting, slots) {
            put_deadline(out, slots[usize::from(index)].deadline, self.now, timed);
        }
        self.timers.deadlines().iter().for_each(|at| put_deadline(out, *at, self.now, timed));
        if timed && self.state.has_connection() {
            let ago =
                [Mark::LastOut, Mark::LastIn].map(|mark| self.now.since(self.timers.when(mark)).as_millis() as u32);
            out.extend(ago.iter().flat_map(|ago| ago.to_le_bytes()));
        }
        let lent = [Lent::Connect, Lent::Subscribe, Lent::Request, Lent::Control, Lent::Disconnect];
        out.push(lent.iter().position(|what| self.lend.is(*what)).map_or(u8::MAX, |at| at as u8));
        let bytes = self.lent_bytes(storage.tx).unwrap_or_default();
        out.push(bytes.len() as u8);
        if self.lend.is(Lent::Control) {
            out.extend_from_slice(bytes);
        }
        for (id, decision) in self.window.all(storage.inbound) {
            out.extend([id.map_or(0, |id| id.get() as u8), decision as u8]);
        }
        let wants = [self.wants_subscribe, self.wants_request, self.careful, self.acked, !self.connect.is_empty()];
        out.extend(wants.map(u8::from));
        out.extend([self.cuts.min(POISON_CUTS), self.subscribing, self.ping as u8, self.ending.is_some() as u8]);
        let counts = [self.in_flight, self.awaiting, self.asked, self.methods, self.window.len()];
        out.extend(counts.map(|count| count as u8));
        named
    }
}

#[test]
fn the_base_of_time_moves_along_after_24_days_and_not_before() {
    let mut session = Session::new(0, &mut []);
    let edge = Instant::from_millis(1 << 31);
    session.tick(&mut [], edge).unwrap();
    assert_eq!((session.base, session.now()), (Instant::ZERO, edge));
    let behind = edge + Duration::from_millis(1);
    session.tick(&mut [], behind).unwrap();
    assert_eq!((session.base, session.now()), (behind, behind));
}

/// A packet id leads back to its slot, comes again when all others of the slot did, and is never a SUBSCRIBE's.
#[test]
fn a_slot_takes_all_of_its_packet_ids_in_turn() {
    for slots in [1, 2, 3, 8, 40, 1_000, 40_000, NONE - 1] {
        let mask = slot_mask(slots);
        assert!(mask >= slots - 1 && (mask == 0 || mask / 2 < slots - 1), "as few bits as slots need");
        let mut slots = std::vec![Slot::EMPTY; usize::from(slots)];
        let session = Session::new(0, &mut slots);
        for index in [0, slots.len() / 2, slots.len() - 1] {
            let (slot, index) = (&mut slots[index], index as u16);
            let ids = (1..SUBSCRIBE_ID).filter(|id| (id - 1) & mask == index);
            let turns = ids.clone().chain(ids);
            for expected in turns {
                slot.id = session.ident(slot, index, SlotKind::Telemetry1).id.unwrap().get();
                assert_eq!(slot.id, expected, "of slot {index}");
            }
        }
    }
}

#[cfg(feature = "twin")]
struct Empty;

#[cfg(feature = "twin")]
impl Body for Empty {
    fn put_topic(&self, _: &mut crate::wire::Writer<'_>, _: Ident) -> Result<(), UsageError> {
        Ok(())
    }

    fn payload(&self) -> &[u8] {
        &[]
    }
}

#[test]
#[cfg(feature = "twin")]
fn of_deadlines_at_the_same_moment_a_request_and_then_a_ping_are_last() {
    let (mut tx, mut slots, mut inbound) = ([0; 64], [Slot::EMPTY; 1], [crate::Inbound::EMPTY; 1]);
    let mut storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let settings = Settings::default();
    let mut session = Session::new(0, storage.slots);
    let ticket = session.enqueue(&mut storage, SlotKind::TwinGet, 0x30, &Empty).unwrap().ticket;
    session.state = State::Ready;
    session.timers.mark(Mark::LastOut, session.now);
    session.timers.mark(Mark::LastIn, session.now);
    let silence = Duration::from_secs(settings.keep_alive.into()).three_quarters();
    session.await_answer(storage.slots, ticket.slot, silence);
    session.arm_after(TimeoutReason::Drain, silence);
    session.tick(storage.slots, Instant::ZERO + silence).unwrap();
    let due = [(); 4].map(|()| {
        let reason = session.pop_due(&storage, &settings);
        if let Some(reason) = reason {
            session.timeout(&mut storage, &settings, reason);
        }
        reason
    });
    let expected = [TimeoutReason::Drain, TimeoutReason::Request, TimeoutReason::KeepAlive];
    assert_eq!(due, [expected.map(Some).as_slice(), &[None]].concat()[..]);
}

#[test]
#[cfg(feature = "twin")]
fn an_answer_after_the_deadline_is_to_nothing() {
    let (mut tx, mut slots, mut inbound) = ([0; 64], [Slot::EMPTY; 2], [crate::Inbound::EMPTY; 1]);
    let mut storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let settings = Settings::default();
    let mut session = Session::new(0, storage.slots);
    let ticket = session.enqueue(&mut storage, SlotKind::TwinGet, 0x30, &Empty).unwrap().ticket;
    session.await_answer(storage.slots, ticket.slot, Duration::from_millis(1));
    session.lend(&mut storage, Lane::Slot(ticket.slot));
    assert_eq!(session.confirm(&mut storage, &settings, 4), Ok(Lent::Slot(ticket.slot)));
    session.timeout(&mut storage, &settings, TimeoutReason::Request);
    // The application was not told yet: the slot is still this request's.
    assert_eq!(session.answered(storage.slots, ticket), None);
    assert_eq!(session.pop_flagged(storage.slots), Some((ticket, false)));
    assert_eq!(session.answered(storage.slots, ticket), None);
    assert_eq!(members(&session.free, storage.slots).len(), 2);
}
