//! What is measured, and the two ways to do it.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Something a library does, as often in one run as its row says.
pub trait Operation {
    /// Makes the next run possible. Not measured.
    fn prepare(&mut self) {}
    fn run(&mut self);
}

impl<F: FnMut()> Operation for F {
    fn run(&mut self) {
        self();
    }
}

/// One library at one operation.
pub struct Subject {
    pub group: &'static str,
    /// What in the group: bytes of payload, messages in flight.
    pub case: String,
    pub library: &'static str,
    /// Operations in a run.
    pub batch: usize,
    pub operation: Box<dyn Operation>,
}

/// The shortest run of each subject in nanoseconds an operation. A round runs every subject once, so that whatever
/// disturbs the machine for a while disturbs all of them; and each once more before it is measured, as what another has
/// left in caches and branch predictors is not its own.
pub fn times(subjects: &mut [Subject], rounds: usize) -> Vec<f64> {
    let mut shortest = vec![Duration::MAX; subjects.len()];
    let clock = (0..1_000).map(|_| timed(&mut || {})).min().unwrap_or_default();
    for _ in 0..rounds {
        for (subject, shortest) in subjects.iter_mut().zip(&mut shortest) {
            let operation = &mut *subject.operation;
            operation.prepare();
            operation.run();
            operation.prepare();
            *shortest = timed(operation).min(*shortest);
        }
    }
    let each =
        |(subject, time): (&Subject, &Duration)| time.saturating_sub(clock).as_nanos() as f64 / subject.batch as f64;
    subjects.iter().zip(&shortest).map(each).collect()
}

fn timed(operation: &mut dyn Operation) -> Duration {
    let start = Instant::now();
    black_box(operation).run();
    start.elapsed()
}

/// Instructions of each subject's operation, counted by callgrind in a process of its own: this program with `--count`.
pub fn instructions(subjects: &[Subject], arguments: &[String]) -> Result<Vec<f64>, String> {
    let folder = std::env::temp_dir().join(format!("iothub-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let outcome = count(subjects, arguments, &folder);
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

fn count(subjects: &[Subject], arguments: &[String], folder: &Path) -> Result<Vec<f64>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--toggle-collect=iothub_bench::measure::counted",
            "--dump-before=iothub_bench::measure::counted",
        ])
        .arg(format!("--callgrind-out-file={}", folder.join("out").display()))
        .arg(program)
        .arg("--count")
        .args(arguments)
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    // Dumps are numbered from 1, and the first is of what was before the first subject.
    let figure = |(number, subject): (usize, &Subject)| {
        let path = folder.join(format!("out.{}", number + 2));
        let dump = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let total = dump.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse::<u64>().ok());
        Ok(total.ok_or("a dump without totals")? as f64 / subject.batch as f64)
    };
    subjects.iter().enumerate().map(figure).collect()
}

/// What the process under callgrind does: every subject once, counted, after it has run twice to fill its memory.
pub fn run_counted(subjects: &mut [Subject]) {
    for subject in subjects {
        for _ in 0..2 {
            subject.operation.prepare();
            subject.operation.run();
        }
        subject.operation.prepare();
        counted(&mut *subject.operation);
    }
    counted(&mut || {});
}

/// Callgrind counts what happens in here, and dumps what it has before: one call more than the operation needs.
#[inline(never)]
fn counted(operation: &mut dyn Operation) {
    black_box(operation).run();
}
