//! Ours against the peers and against the least that can be done: README.md says how, and what the figures mean.
//!
//! ```sh
//! cd tests/bench && cargo run --release [-- GROUP…]
//! ```
//!
//! `--guard` holds the instructions of our operations against the committed ones, `--write` commits them anew; both
//! without the peers. `--count` is what it calls itself with, under callgrind.

mod device;
mod floor;
mod guard;
mod measure;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod table;
mod workload;

use measure::Subject;
use std::process::ExitCode;

/// How often everything is timed.
const ROUNDS: usize = 2_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, groups): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with("--"));
    let mut subjects = if options.contains(&"--ours") { ours::subjects() } else { all() };
    subjects.retain(|subject| groups.is_empty() || groups.contains(&subject.group));
    if options.contains(&"--count") {
        measure::run_counted(&mut subjects);
        return Ok(());
    }
    let instructions = measure::instructions(&subjects, &arguments)?;
    match options.iter().find(|&&option| option != "--ours") {
        Some(&"--guard") => guard::check(&subjects, &instructions),
        Some(&"--write") => guard::write(&subjects, &instructions),
        Some(other) => Err(format!("no option {other}")),
        None => {
            let times = measure::times(&mut subjects, ROUNDS);
            table::print(&subjects, &instructions, &times);
            Ok(())
        }
    }
}

fn all() -> Vec<Subject> {
    let mut subjects = ours::subjects();
    subjects.extend(floor::subjects());
    #[cfg(feature = "peers")]
    subjects.extend(peers::subjects());
    subjects
}
