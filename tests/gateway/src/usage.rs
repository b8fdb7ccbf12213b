//! What the kernel says this process has used.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Of one run.
#[derive(Debug, Default)]
pub struct Usage {
    /// CPU until every device was ready, and for the messages after that; the time these took.
    pub signed_in: Duration,
    pub exchanged: Duration,
    pub wall: Duration,
    /// KiB more than before, with all connections idle.
    pub memory: u64,
}

impl Usage {
    /// CPU of one message, of which there were as many each way, in microseconds.
    pub fn message_cpu(&self, connections: usize, messages: usize) -> f64 {
        self.exchanged.as_secs_f64() * 1e6 / (2 * connections * messages) as f64
    }
}

/// As one process tells another.
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [signed_in, exchanged, wall] = [self.signed_in, self.exchanged, self.wall].map(|span| span.as_micros());
        write!(f, "{signed_in} {exchanged} {wall} {}", self.memory)
    }
}

impl FromStr for Usage {
    type Err = Box<dyn std::error::Error>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        let [signed_in, exchanged, wall, memory] = numbers[..] else { return Err("not four numbers".into()) };
        let [signed_in, exchanged, wall] = [signed_in, exchanged, wall].map(Duration::from_micros);
        Ok(Self { signed_in, exchanged, wall, memory })
    }
}

/// CPU time, in and outside the kernel.
pub fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may have spaces. After it stand the state and eleven more, then these two.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    // Ticks are hundredths of a second, for every program on Linux (USER_HZ).
    Duration::from_millis(10 * ticks)
}

/// Resident memory, KiB.
pub fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// How many files may be open.
pub fn open_files() -> std::io::Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.ok_or_else(|| std::io::Error::other("/proc/self/limits without open files"))
}
