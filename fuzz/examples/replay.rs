//! Gives files to a target, without a fuzzer: `cargo run --example replay -- TARGET FILE…`.

use iothub_fuzz::TARGETS;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some((_, run)) = TARGETS.iter().find(|(known, _)| *known == name) else {
        eprintln!("usage: replay TARGET FILE…, with a target of {:?}", TARGETS.map(|(name, _)| name));
        return ExitCode::from(2);
    };
    for path in arguments {
        match std::fs::read(&path) {
            Ok(bytes) => run(&bytes),
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
