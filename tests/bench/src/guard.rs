//! Our instruction counts, held against those committed in `instructions.txt`.

use crate::measure::Subject;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");

const HEAD: &str = "\
# Instructions an operation takes on x86-64, by callgrind. With another compiler they differ, and are only reported.
# Written by, in tests/bench: cargo run --release --no-default-features -- --ours --write
";

/// What an operation may take more than was committed.
const MORE: f64 = 1.03;

/// Another case of a group may cost so much more for what it has more of: of messages in flight nothing, of properties
/// and bytes their share.
const SCALES: [(&str, &str, &str, f64); 5] = [
    ("in flight", "1", "65533", 1.05),
    ("properties out", "10", "100", 11.0),
    ("properties in", "10", "100", 11.0),
    ("byte by byte", "1024", "65536", 55.0),
    ("stream", "1024", "65536", 64.0),
];

/// Fails if an operation takes more than it may.
pub fn check(subjects: &[Subject], instructions: &[f64]) -> Result<(), String> {
    let committed = std::fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    let (tools, figures) = parse(&committed);
    let same_tools = tools == self::tools();
    let mut worse = String::new();
    for (subject, &now) in subjects.iter().zip(instructions) {
        let Some(&before) = figures.get(&name(subject)) else { continue };
        let mark = if now > before * MORE { "  MORE" } else { "" };
        println!("{:<28} {before:>9.0} {now:>9.0} {:+6.1} %{mark}", name(subject), (now / before - 1.0) * 100.0);
        if !mark.is_empty() && same_tools {
            let _ = writeln!(worse, "{}: {now:.0} instructions instead of {before:.0}", name(subject));
        }
    }
    if !same_tools {
        println!("not held against these: they were taken with {tools}, this is {}", self::tools());
    }
    worse.push_str(&unequal(subjects, instructions));
    if worse.is_empty() { Ok(()) } else { Err(worse) }
}

/// What does not scale as it should, with any compiler.
fn unequal(subjects: &[Subject], instructions: &[f64]) -> String {
    let find = |group: &str, case: &str| {
        let at = subjects.iter().position(|subject| subject.group == group && subject.case == case);
        instructions[at.expect("one of ours")]
    };
    let mut found = String::new();
    for (group, small, large, factor) in SCALES {
        let ratio = find(group, large) / find(group, small);
        println!("{group}: {large} costs {ratio:.2} times {small}, at most {factor}");
        if ratio > factor {
            let _ = writeln!(found, "{group}: {large} costs {ratio:.2} times {small}, which is more than {factor}");
        }
    }
    found
}

/// Commits these. Copies of 64 KiB are left out: how they are counted depends on the processor.
pub fn write(subjects: &[Subject], instructions: &[f64]) -> Result<(), String> {
    let mut text = format!("{HEAD}{}\n", tools());
    for (subject, now) in subjects.iter().zip(instructions).filter(|(subject, _)| subject.case != "65536") {
        let _ = writeln!(text, "{:<28} {now:.0}", name(subject));
    }
    std::fs::write(FILE, text).map_err(|error| format!("{FILE}: {error}"))
}

fn name(subject: &Subject) -> String {
    format!("{} {}", subject.group, subject.case).trim_end().replace(' ', "-")
}

/// The line of the tools, and the figure of each name.
fn parse(text: &str) -> (&str, BTreeMap<String, f64>) {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let tools = lines.next().unwrap_or_default();
    let figure = |line: &str| {
        let (name, figure) = line.split_once(' ')?;
        Some((name.to_owned(), figure.trim().parse().ok()?))
    };
    (tools, lines.filter_map(figure).collect())
}

/// What the figures depend on besides the source.
fn tools() -> String {
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    format!("{}, {}, {}", version("rustc"), version("valgrind"), std::env::consts::ARCH)
}
