//! The committed inputs, and new ones made of them.

use iothub_tests::link::Rng;
use std::path::{Path, PathBuf};

/// A folder of this crate.
#[must_use]
pub fn folder(name: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name).join(target)
}

/// The seeds of a target and the inputs that once were bad for it or for others, by file.
///
/// # Panics
///
/// If they cannot be read, or there are none.
#[must_use]
pub fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in [folder("seeds", target), folder("regressions", target)] {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            found.push((path, bytes));
        }
    }
    assert!(!found.is_empty(), "no inputs for {target}");
    found.sort();
    found
}

/// Words of the dictionary.
///
/// # Panics
///
/// If the dictionary cannot be read.
#[must_use]
pub fn words() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("iothub.dict");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().filter(|line| line.starts_with('"')).map(word).collect()
}

/// A quoted word with the escapes of libFuzzer: `\xAB`, `\\` and `\"`.
fn word(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.trim_matches('"').as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, behind) {
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16).expect("two hexadecimal digits");
                bytes.push((digit(*high) << 4 | digit(*low)) as u8);
                rest = behind;
            }
            (b'\\', [escaped, behind @ ..]) => {
                bytes.push(*escaped);
                rest = behind;
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}

/// Changes inputs as libFuzzer does, without its guidance: for tests that must not need a fuzzer.
#[derive(Debug)]
pub struct Mutator {
    rng: Rng,
    seeds: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

impl Mutator {
    /// Of the inputs of a target.
    #[must_use]
    pub fn new(target: &str, seed: u64) -> Self {
        let seeds = inputs(target).into_iter().map(|(_, bytes)| bytes).collect();
        Self { rng: Rng::new(seed), seeds, words: words() }
    }

    fn below(&mut self, end: usize) -> usize {
        self.rng.between(0, end.max(1) as u64 - 1) as usize
    }

    /// The next input: one of the seeds with a few changes.
    pub fn input(&mut self) -> Vec<u8> {
        let which = self.below(self.seeds.len());
        let mut input = self.seeds[which].clone();
        for _ in 0..self.below(4) + 1 {
            self.change(&mut input);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        match self.below(7) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.below(256) as u8,
            2 => {
                let len = self.below(12);
                let bytes: Vec<u8> = (0..len).map(|_| self.below(256) as u8).collect();
                input.splice(at..at, bytes);
            }
            3 => {
                let end = (at + self.below(8)).min(input.len());
                input.drain(at..end);
            }
            4 => {
                let which = self.below(self.words.len());
                let word = self.words[which].clone();
                input.splice(at..at, word);
            }
            5 => {
                let which = self.below(self.seeds.len());
                let other = &self.seeds[which];
                let from = (self.rng.next_u64() as usize) % (other.len() + 1);
                let tail = other[from..].to_vec();
                input.truncate(at);
                input.extend(tail);
            }
            _ => {
                let end = (at + self.below(40)).min(input.len());
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
        }
    }
}
