//! Simulated sessions, as many as asked: `sim [--sessions N] [--seed S] [--jobs J] [--trace]`.

use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use iothub_tests::pair::Memory;
use iothub_tests::sim::{self, run};

const USAGE: &str = "\
usage: sim [--sessions N] [--seed S] [--jobs J] [--trace]
  --sessions  how many, each with its own seed (default 20000)
  --seed      the seed of the first (default 0)
  --jobs      how many at a time (default: one for each core)
  --trace     print all that happens in the session of --seed, and run no other";

struct Options {
    sessions: u64,
    seed: u64,
    jobs: usize,
    trace: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let jobs = thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self { sessions: 20_000, seed: 0, jobs, trace: false };
        while let Some(name) = arguments.next() {
            let mut number = || {
                let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
                value.parse::<u64>().map_err(|_| format!("{value} is no number"))
            };
            match name.as_str() {
                "--sessions" => options.sessions = number()?,
                "--seed" => options.seed = number()?,
                "--jobs" => options.jobs = number()? as usize,
                "--trace" => options.trace = true,
                _ => return Err(format!("{name} is not known")),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let Options { sessions, seed, jobs, trace } = options;
    if trace {
        println!("{:?}", sim::session(seed, None, true, &mut Memory::default()));
        return ExitCode::SUCCESS;
    }
    let began = Instant::now();
    let outcome = run::run(seed, sessions, jobs);
    let seconds = began.elapsed().as_secs_f64();
    match outcome {
        Ok(stats) => {
            let rate = stats.sessions as f64 / seconds;
            let days = stats.simulated as f64 / 86_400_000.0;
            println!(
                "{} sessions in {seconds:.1} s ({rate:.0} a second on {jobs} threads): {} connections, {} packets \
                 sent, {} events, {days:.0} simulated days; every oracle held",
                stats.sessions, stats.connections, stats.packets, stats.events
            );
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("seed {}: {}", failure.seed, failure.what);
            println!("again, with all that happens:");
            println!(
                "  cargo run --profile sim -p iothub-tests --no-default-features --bin sim -- --seed {} --trace",
                failure.seed
            );
            ExitCode::FAILURE
        }
    }
}
