//! The simulation in short, and its negative controls. `tests/run sim` runs it at length.

use iothub_tests::sim::run::{check, find, run};
use iothub_tests::sim::{Oracle, Plant};

/// Sessions in which a planted fault has to be found.
const SEEDS: u64 = 400;

#[test]
fn every_oracle_holds() {
    if let Err(failure) = run(1_000_000, 300, 2) {
        panic!("{failure:?}");
    }
}

/// A check that cannot fail is a defect.
#[test]
fn every_planted_fault_is_found_by_its_oracle() {
    let found: Vec<_> = Plant::ALL.into_iter().map(|plant| (plant, find(plant, SEEDS))).collect();
    for (plant, failure) in &found {
        println!("{plant:?}: {failure:?}");
    }
    for (plant, failure) in found {
        let failure = failure.unwrap_or_else(|| panic!("{plant:?} is not found in {SEEDS} sessions"));
        // It is the plant that fails, not the session.
        assert!(check(failure.seed, None, &mut Default::default()).is_ok(), "{failure:?}");
    }
}

#[test]
fn every_oracle_has_a_planted_fault() {
    for oracle in Oracle::ALL {
        assert!(Plant::ALL.iter().any(|plant| plant.oracle() == oracle), "{oracle:?}");
    }
}
