//! Many sessions, on every core.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::thread;

use super::{Plant, Stats, session};
use crate::pair::Memory;

/// Seeds that a thread takes at a time.
const BATCH: u64 = 64;

thread_local! {
    /// A panic on this thread is a failure that is told elsewhere.
    static IN_SESSION: Cell<bool> = const { Cell::new(false) };
}

/// Has no panic of a session printed.
fn keep_silent() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IN_SESSION.get() {
                loud(info);
            }
        }));
    });
}

/// A session in which an oracle found something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What was found.
    pub what: String,
}

/// Lives through one session, and tells how it failed.
///
/// # Errors
/// What an oracle found.
pub fn check(seed: u64, plant: Option<Plant>, memory: &mut Memory) -> Result<Stats, Failure> {
    keep_silent();
    IN_SESSION.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| session(seed, plant, false, memory)));
    IN_SESSION.set(false);
    outcome.map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Failure { seed, what: text.unwrap_or_else(|| "a panic without a text".to_owned()) }
    })
}

/// Lives through `count` sessions from seed `first` on, `jobs` at a time.
///
/// # Errors
/// The first seed that fails: sessions after it are not begun.
pub fn run(first: u64, count: u64, jobs: usize) -> Result<Stats, Failure> {
    let (next, end) = (AtomicU64::new(first), first.saturating_add(count));
    let outcome = Mutex::new(Ok(Stats::default()));
    let work = || {
        let (mut stats, mut memory) = (Stats::default(), Memory::default());
        loop {
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            if from >= end {
                break Ok(stats);
            }
            for seed in from..end.min(from + BATCH) {
                match check(seed, None, &mut memory) {
                    Ok(one) => stats = stats.plus(one),
                    Err(failure) => {
                        next.fetch_max(end, Ordering::Relaxed);
                        return Err(failure);
                    }
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                let mine = work();
                let mut all = outcome.lock().expect("nobody panics with it");
                let before = core::mem::replace(&mut *all, Ok(Stats::default()));
                *all = match (before, mine) {
                    (Ok(before), Ok(mine)) => Ok(before.plus(mine)),
                    (Err(one), Err(other)) => Err(if one.seed < other.seed { one } else { other }),
                    (Err(failure), Ok(_)) | (Ok(_), Err(failure)) => Err(failure),
                };
            });
        }
    });
    outcome.into_inner().expect("nobody panics with it")
}

/// The first of `seeds` sessions in which the oracle of `plant` finds it, if there is one.
#[must_use]
pub fn find(plant: Plant, seeds: u64) -> Option<Failure> {
    let mut memory = Memory::default();
    (0..seeds).filter_map(|seed| check(seed, Some(plant), &mut memory).err()).find(|it| plant.oracle().said(&it.what))
}
