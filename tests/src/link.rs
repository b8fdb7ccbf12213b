//! A simulated byte link between two ends, without I/O: seeded, so that a failure can be run again.
//!
//! Bytes keep their order, as on TCP. The link cuts them into chunks, delays them, holds back what does not fit,
//! and breaks where it is told to.
//!
//! ```
//! use iothub_proto::time::{Duration, Instant};
//! use iothub_tests::link::{End, Link, LinkConfig, Received};
//!
//! let config = LinkConfig { latency: (Duration::from_millis(5), Duration::from_millis(5)), ..LinkConfig::default() };
//! let mut link = Link::new(config, 42);
//! assert_eq!(link.send(End::Client, Instant::ZERO, b"hi"), 2);
//! assert_eq!(link.receive(End::Hub, Instant::ZERO), None);
//! let arrival = link.poll_timeout().unwrap();
//! assert_eq!(arrival, Instant::from_millis(5));
//! assert!(matches!(link.receive(End::Hub, arrival), Some(Received::Bytes(_))));
//! ```

use std::collections::VecDeque;

use iothub_proto::time::{Duration, Instant};

/// A small random generator (xorshift64*): the same seed gives the same numbers for ever.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator; every seed is good.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        // Seeds that differ in few bits must not start alike, and zero is a fixed point.
        let mixed = (seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Self(if mixed == 0 { 1 } else { mixed })
    }

    /// The next 64 random bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from `low` to `high`, both included; `low` if `high` is below it.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low.saturating_add((self.next_u64() >> 11) % span)
    }
}

/// How a link carries bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkConfig {
    /// Largest chunk; each has from 1 to this many bytes.
    pub max_chunk: usize,
    /// Shortest and longest time that a chunk travels.
    pub latency: (Duration, Duration),
    /// How many bytes may be under way in one direction.
    pub capacity: usize,
}

impl Default for LinkConfig {
    /// Chunks up to 1460 bytes, no latency, 64 KiB under way.
    fn default() -> Self {
        Self { max_chunk: 1_460, latency: (Duration::ZERO, Duration::ZERO), capacity: 65_536 }
    }
}

/// The ends of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The device.
    Client,
    /// The service.
    Hub,
}

/// What an end receives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// Some bytes, at least one.
    Bytes(Vec<u8>),
    /// The link is gone. Given again at every later call.
    Closed,
}

/// How a broken link looks from its ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Break {
    /// Both ends learn of it: the far end after the bytes that still arrive.
    Close,
    /// Nobody learns of it: bytes are taken and never arrive.
    Silent,
}

/// Bytes under way to one end.
#[derive(Clone, Debug, Default)]
struct Pipe {
    chunks: VecDeque<(Instant, Vec<u8>)>,
    under_way: usize,
    sent: u64,
    last_arrival: Instant,
    break_at: Option<(u64, Break)>,
}

/// Two pipes, one in each direction, and whether they still work.
#[derive(Clone, Debug)]
pub struct Link {
    config: LinkConfig,
    rng: Rng,
    to_hub: Pipe,
    to_client: Pipe,
    break_time: Option<(Instant, Break)>,
    broken: Option<Break>,
}

impl Link {
    /// A link that works.
    #[must_use]
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        let pipe = Pipe::default();
        Self { config, rng: Rng::new(seed), to_hub: pipe.clone(), to_client: pipe, break_time: None, broken: None }
    }

    /// Breaks the link once `from` has sent `bytes` bytes; these still arrive.
    pub const fn break_after(&mut self, from: End, bytes: u64, how: Break) {
        match from {
            End::Client => self.to_hub.break_at = Some((bytes, how)),
            End::Hub => self.to_client.break_at = Some((bytes, how)),
        }
    }

    /// Breaks the link at `at`; what is under way then is lost.
    pub const fn break_at(&mut self, at: Instant, how: Break) {
        self.break_time = Some((at, how));
    }

    /// Takes bytes from an end and gives how many: fewer than offered when the link is full.
    pub fn send(&mut self, from: End, now: Instant, bytes: &[u8]) -> usize {
        self.check_time(now);
        match self.broken {
            Some(Break::Close) => return 0,
            Some(Break::Silent) => return bytes.len(),
            None => {}
        }
        let pipe = match from {
            End::Client => &mut self.to_hub,
            End::Hub => &mut self.to_client,
        };
        let room = self.config.capacity.saturating_sub(pipe.under_way);
        let left = pipe.break_at.map_or(u64::MAX, |(at, _)| at.saturating_sub(pipe.sent));
        let taken = bytes.len().min(room).min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut rest = &bytes[..taken];
        while !rest.is_empty() {
            let len = self.rng.between(1, self.config.max_chunk.max(1) as u64) as usize;
            let (chunk, behind) = rest.split_at(len.min(rest.len()));
            let (shortest, longest) = self.config.latency;
            let travel = self.rng.between(shortest.as_millis(), longest.as_millis());
            // A stream: nothing overtakes.
            pipe.last_arrival = pipe.last_arrival.max(now + Duration::from_millis(travel));
            pipe.chunks.push_back((pipe.last_arrival, chunk.to_vec()));
            rest = behind;
        }
        pipe.under_way += taken;
        pipe.sent += taken as u64;
        if let Some((at, how)) = pipe.break_at
            && pipe.sent >= at
        {
            self.broken = Some(how);
        }
        taken
    }

    /// The next chunk that has arrived at an end.
    pub fn receive(&mut self, at: End, now: Instant) -> Option<Received> {
        self.check_time(now);
        let pipe = match at {
            End::Client => &mut self.to_client,
            End::Hub => &mut self.to_hub,
        };
        if pipe.chunks.front().is_some_and(|(arrival, _)| *arrival <= now)
            && let Some((_, chunk)) = pipe.chunks.pop_front()
        {
            pipe.under_way -= chunk.len();
            return Some(Received::Bytes(chunk));
        }
        (self.broken == Some(Break::Close) && pipe.chunks.is_empty()).then_some(Received::Closed)
    }

    /// An end closes the link. What it sent still arrives; what was sent to it is lost.
    pub fn close(&mut self, by: End) {
        match by {
            End::Client => self.to_client = Pipe::default(),
            End::Hub => self.to_hub = Pipe::default(),
        }
        if self.broken.is_none() {
            self.broken = Some(Break::Close);
        }
    }

    /// When the next chunk arrives or the link breaks. A time that has passed means: now.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let arrivals = [&self.to_hub, &self.to_client].into_iter().filter_map(|pipe| pipe.chunks.front());
        let arrivals = arrivals.map(|(arrival, _)| *arrival);
        let break_time = self.break_time.filter(|_| self.broken.is_none()).map(|(at, _)| at);
        arrivals.chain(break_time).min()
    }

    fn check_time(&mut self, now: Instant) {
        if let Some((_, how)) = self.break_time.take_if(|(at, _)| *at <= now)
            && self.broken.is_none()
        {
            self.broken = Some(how);
            self.to_hub.chunks.clear();
            self.to_client.chunks.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(link: &mut Link, at: End, now: Instant) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        loop {
            match link.receive(at, now) {
                Some(Received::Bytes(chunk)) => bytes.extend(chunk),
                Some(Received::Closed) => return (bytes, true),
                None => return (bytes, false),
            }
        }
    }

    #[test]
    fn bytes_arrive_whole_and_in_order_for_every_seed() {
        let sent: Vec<u8> = (0..=255).cycle().take(5_000).collect();
        for seed in 0..200 {
            let latency = (Duration::from_millis(1), Duration::from_millis(50));
            let mut link = Link::new(LinkConfig { max_chunk: 7, latency, capacity: 64 }, seed);
            let (mut offered, mut received, mut now) = (0, Vec::new(), Instant::ZERO);
            while received.len() < sent.len() {
                offered += link.send(End::Client, now, &sent[offered..]);
                received.extend(drain(&mut link, End::Hub, now).0);
                now = link.poll_timeout().map_or(now, |at| at.max(now));
            }
            assert_eq!(received, sent, "seed {seed}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_chunks() {
        let chunks = |seed| {
            let mut link = Link::new(LinkConfig { max_chunk: 9, ..LinkConfig::default() }, seed);
            link.send(End::Hub, Instant::ZERO, &[0; 300]);
            let mut sizes = Vec::new();
            while let Some(Received::Bytes(chunk)) = link.receive(End::Client, Instant::ZERO) {
                sizes.push(chunk.len());
            }
            sizes
        };
        assert_eq!(chunks(1), chunks(1));
        assert_ne!(chunks(1), chunks(2));
    }

    #[test]
    fn a_full_link_takes_no_more() {
        let mut link = Link::new(LinkConfig { capacity: 10, ..LinkConfig::default() }, 1);
        assert_eq!(link.send(End::Client, Instant::ZERO, &[1; 16]), 10);
        assert_eq!(link.send(End::Client, Instant::ZERO, &[1; 6]), 0);
        assert_eq!(drain(&mut link, End::Hub, Instant::ZERO).0.len(), 10);
        assert_eq!(link.send(End::Client, Instant::ZERO, &[1; 6]), 6);
    }

    #[test]
    fn a_cut_passes_the_bytes_before_it_and_both_ends_see_it() {
        let mut link = Link::new(LinkConfig::default(), 3);
        link.break_after(End::Client, 4, Break::Close);
        assert_eq!(link.send(End::Client, Instant::ZERO, b"abcdef"), 4);
        assert_eq!(drain(&mut link, End::Hub, Instant::ZERO), (b"abcd".to_vec(), true));
        assert_eq!(drain(&mut link, End::Client, Instant::ZERO), (Vec::new(), true));
        assert_eq!(link.send(End::Hub, Instant::ZERO, b"x"), 0);
    }

    #[test]
    fn a_silent_break_swallows_bytes_and_tells_nobody() {
        let mut link = Link::new(LinkConfig::default(), 3);
        link.send(End::Client, Instant::ZERO, b"lost");
        link.break_at(Instant::from_millis(10), Break::Silent);
        let later = Instant::from_millis(10);
        assert_eq!(link.send(End::Client, later, b"gone"), 4);
        assert_eq!(drain(&mut link, End::Hub, later), (Vec::new(), false));
        assert_eq!(drain(&mut link, End::Client, later), (Vec::new(), false));
        assert_eq!(link.poll_timeout(), None);
    }

    #[test]
    fn a_close_delivers_what_the_closing_end_sent() {
        let mut link = Link::new(LinkConfig::default(), 3);
        link.send(End::Hub, Instant::ZERO, b"bye");
        link.send(End::Client, Instant::ZERO, b"unread");
        link.close(End::Hub);
        assert_eq!(drain(&mut link, End::Client, Instant::ZERO), (b"bye".to_vec(), true));
        assert_eq!(drain(&mut link, End::Hub, Instant::ZERO), (Vec::new(), true));
    }
}
