//! What CI runs of the fuzz targets: the committed inputs, and some changes of them.

use iothub_fuzz::TARGETS;
use iothub_fuzz::corpus::{Mutator, inputs};
use std::panic::catch_unwind;

/// Changed inputs that each target is given. A fuzzer gives it millions.
const CHANGED: usize = 2_000;

fn replay(name: &str) {
    let (_, run) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    for (path, bytes) in inputs(name) {
        if catch_unwind(|| run(&bytes)).is_err() {
            panic!("{}", path.display());
        }
    }
    let mut mutator = Mutator::new(name, 1);
    for nth in 0..CHANGED {
        let input = mutator.input();
        if catch_unwind(|| run(&input)).is_err() {
            panic!("input {nth} of {name}: {input:02x?}");
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*

        #[test]
        fn every_target_is_here() {
            let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

targets!(packet stream topic session connection_string twin c_abi);
