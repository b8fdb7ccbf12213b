//! The table, in Markdown: what ours costs, and that divided by what each of the others costs.

use crate::measure::Subject;
use crate::ours::NAME;

/// In this order; one that lacks an operation has an empty cell.
const OTHERS: [&str; 6] = ["floor", "mqttrs", "mqttbytes", "rumqttc", "mqtt-protocol-core", "mqtt-format"];

pub fn print(subjects: &[Subject], instructions: &[f64], times: &[f64]) {
    let find = |group: &str, case: &str, library: &str| {
        let same = |it: &Subject| it.group == group && it.case == case && it.library == library;
        subjects.iter().position(same).map(|at| (instructions[at], times[at]))
    };
    println!("ours ÷ theirs, instructions / time\n");
    println!("| operation | | instructions | ns | {} |", OTHERS.join(" | "));
    println!("|---|---|---|---|{}", "---|".repeat(OTHERS.len()));
    for subject in subjects.iter().filter(|subject| subject.library == NAME) {
        let Some((count, time)) = find(subject.group, &subject.case, NAME) else { continue };
        // Nobody else makes a message of a PUBLISH: that is held against reading it.
        let group = if subject.group == "event" { "decode" } else { subject.group };
        let cells = OTHERS.map(|other| {
            find(group, &subject.case, other).map_or(String::new(), |(their_count, their_time)| {
                format!("{:.2} / {:.2}", count / their_count, time / their_time)
            })
        });
        println!("| {} | {} | {count:.0} | {time:.0} | {} |", subject.group, subject.case, cells.join(" | "));
    }
}
