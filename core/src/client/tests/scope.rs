//! Small scope, closed: every state that a client can come to with two messages, one more subscription, one message
//! from the hub at QoS 1, one twin request and three steps of time, where the transport may end at any point, and come
//! back with or without a session. The search goes breadth first, not to a depth but until no new state appears, and
//! checks the invariants in each. At last it goes backwards: from every state there is a way to rest.
//!
//! Two states are the same if nothing that follows can tell them apart: times are relative to now; ids, slots and
//! generations are named by their first appearance; cursors and counters are left out. That these wrap around is tested
//! apart.

mod world;

use super::*;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::println;
use std::string::ToString;
use world::{Action, Budget, INVARIANTS, Plant, World};

/// What a search went through.
#[derive(Debug)]
struct Figures {
    states: usize,
    transitions: usize,
    at_rest: usize,
    longest: u32,
}

/// A state that was reached: from where, by what, in how many steps.
struct Reached {
    from: u32,
    by: Action,
    steps: u32,
    rests: bool,
}

/// Two hashes of a key, so that two states are not taken for one.
fn digest(key: &[u8]) -> (u64, u64) {
    let mut hashers = (DefaultHasher::new(), DefaultHasher::new());
    key.hash(&mut hashers.0);
    (key, 1u8).hash(&mut hashers.1);
    (hashers.0.finish(), hashers.1.finish())
}

/// Goes through all states of `budget`. An error is what an invariant found, and the way there.
fn search(settings: Settings, budget: Budget, plant: Option<Plant>) -> Result<Figures, String> {
    let start = World::new(settings, budget, plant);
    let mut known = HashMap::from([(digest(&start.key()), 0)]);
    let mut reached = std::vec![Reached { from: 0, by: Action::Connect, steps: 0, rests: start.rests() }];
    let mut edges: Vec<(u32, u32)> = Vec::new();
    let mut frontier = std::vec![(0u32, start)];
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for (number, world) in frontier {
            for action in Action::ALL {
                let step = || {
                    let mut world = world.clone();
                    world.act(action).then(|| {
                        world.check();
                        let key = digest(&world.key());
                        (world, key)
                    })
                };
                let (after, key) = match catch_unwind(AssertUnwindSafe(step)) {
                    Ok(Some(after)) => after,
                    Ok(None) => continue,
                    Err(panic) => {
                        let what = panic.downcast_ref::<String>().cloned();
                        let what = what.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                        let what = what.unwrap_or_default();
                        return Err(format!("{what}\n  after {:?}, {action:?}", way(&reached, number)));
                    }
                };
                let new = reached.len() as u32;
                let to = *known.entry(key).or_insert(new);
                edges.push((number, to));
                if to == new {
                    let steps = reached[number as usize].steps + 1;
                    reached.push(Reached { from: number, by: action, steps, rests: after.rests() });
                    next.push((new, after));
                }
            }
        }
        frontier = next;
    }
    if let Some(stuck) = never_rests(&reached, &edges) {
        return Err(format!("invariant rest: no way to it\n  after {:?}", way(&reached, stuck)));
    }
    Ok(Figures {
        states: reached.len(),
        transitions: edges.len(),
        at_rest: reached.iter().filter(|state| state.rests).count(),
        longest: reached.last().map_or(0, |state| state.steps),
    })
}

/// How a state was reached.
fn way(reached: &[Reached], mut number: u32) -> Vec<Action> {
    let mut way = Vec::new();
    while number != 0 {
        let Reached { from, by, .. } = reached[number as usize];
        way.push(by);
        number = from;
    }
    way.reverse();
    way
}

/// The first state from which no way leads to rest.
fn never_rests(reached: &[Reached], edges: &[(u32, u32)]) -> Option<u32> {
    let mut starts = std::vec![0u32; reached.len() + 1];
    edges.iter().for_each(|(_, to)| starts[*to as usize + 1] += 1);
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let (mut filled, mut sources) = (starts.clone(), std::vec![0u32; edges.len()]);
    for (from, to) in edges {
        sources[filled[*to as usize] as usize] = *from;
        filled[*to as usize] += 1;
    }
    let mut good: Vec<bool> = reached.iter().map(|state| state.rests).collect();
    let mut open: Vec<u32> = (0..).zip(&good).filter(|(_, good)| **good).map(|(number, _)| number).collect();
    while let Some(number) = open.pop() {
        let number = number as usize;
        for &from in &sources[starts[number] as usize..starts[number + 1] as usize] {
            if !core::mem::replace(&mut good[from as usize], true) {
                open.push(from);
            }
        }
    }
    good.iter().position(|good| !good).map(|number| number as u32)
}

fn go(name: &str, settings: Settings, budget: Budget) {
    let figures = search(settings, budget, None).unwrap_or_else(|found| panic!("{name}: {found}"));
    println!(
        "{name}: closed at {} states, {} transitions, {} steps at most; {} states at rest, and a way there from all; \
         {} invariants held in each",
        figures.states,
        figures.transitions,
        figures.longest,
        figures.at_rest,
        INVARIANTS.len()
    );
    assert!(figures.at_rest > 0);
}

/// The scope of every day.
#[test]
fn small_scope() {
    go("messages", world::settings(), Budget { subscribe: 1, message: 1, ..Budget::NONE });
    go("telemetry and time", world::settings(), Budget { publish: 1, time: 1, ..Budget::NONE });
    go("twin and time", world::settings(), Budget { twin: 1, time: 1, ..Budget::NONE });
}

/// `tests/run sim` runs it, with optimisation.
#[test]
#[ignore = "takes a minute without optimisation"]
fn whole_scope() {
    go("the whole scope", world::settings(), Budget::WHOLE);
    go("with a polite end", world::settings(), Budget { publish: 1, time: 1, disconnect: 1, ..Budget::WHOLE });
}

/// A check that cannot fail is a defect.
#[test]
fn every_planted_fault_is_found() {
    let mut found_by = Vec::new();
    for plant in Plant::ALL {
        // No more than it takes: that there is no way to rest is known only at the end.
        let budget = match plant {
            Plant::MuteHub => Budget { publish: 1, ..Budget::NONE },
            Plant::AcceptAll | Plant::Revive => Budget { subscribe: 1, message: 1, ..Budget::NONE },
            _ => Budget { publish: 2, twin: 1, time: 1, ..Budget::NONE },
        };
        let found = search(world::settings(), budget, Some(plant)).expect_err("a planted fault is found");
        println!("{plant:?}: {found}");
        assert!(found.starts_with(&format!("invariant {}:", plant.invariant())), "{plant:?}: {found}");
        found_by.push(plant.invariant());
    }
    for invariant in INVARIANTS {
        assert!(found_by.contains(&invariant), "{invariant} has no planted fault");
    }
}
