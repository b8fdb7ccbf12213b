//! Each fault that can be planted is found by its target, quickly and without a fuzzer: a check that cannot fail is none.

use iothub_fuzz::corpus::{Mutator, inputs};
use iothub_fuzz::plant::{self, PLANTS, Plant};
use iothub_fuzz::{TARGETS, Target};
use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// What it does is undefined: only the address sanitizer can tell, with `fuzz/run --controls`.
const NEEDS_SANITIZER: Plant = Plant::Overrun;

/// Inputs after which a planted fault must be found.
const QUICKLY: usize = 20_000;

/// What a planted fault leads to is not worth a word.
fn be_silent() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = take_hook();
        set_hook(Box::new(move |info| {
            if !plant::is_any() {
                told(info)
            }
        }));
    });
}

/// Inputs that it takes to find the fault.
fn hunt(plant: Plant, (name, run): Target) -> Option<usize> {
    let mut mutator = Mutator::new(name, 2);
    let seeds = inputs(name).into_iter().map(|(_, bytes)| bytes);
    let mut tries = seeds.chain(std::iter::repeat_with(|| mutator.input())).take(QUICKLY);
    plant::with(plant, || tries.position(|input| catch_unwind(|| run(&input)).is_err())).map(|before| before + 1)
}

fn every_fault_is_found(name: &str) {
    be_silent();
    let target = *TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    let mut missed = Vec::new();
    for (plant, _, fault) in PLANTS.iter().filter(|(plant, target, _)| *target == name && *plant != NEEDS_SANITIZER) {
        match hunt(*plant, target) {
            Some(tries) => println!("{name}: {fault} is found after {tries} inputs"),
            None => missed.push(fault),
        }
    }
    assert!(missed.is_empty(), "{name} does not find {missed:?}");
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { every_fault_is_found(stringify!($name)); })*

        #[test]
        fn every_target_has_faults() {
            let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            assert!(names.iter().all(|name| PLANTS.iter().any(|(_, target, _)| target == name)));
        }
    };
}

targets!(packet stream topic session connection_string twin c_abi);
