//! Each statement of the standard has a test or a reason why it has none.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The sources in which tests are looked for.
const SOURCES: [&str; 6] = [
    include_str!("chapter_1_2.rs"),
    include_str!("chapter_3_connack.rs"),
    include_str!("chapter_3_connect.rs"),
    include_str!("chapter_3_publish.rs"),
    include_str!("chapter_3_subscribe.rs"),
    include_str!("chapter_4_6.rs"),
];

/// Every statement with the reason why it has no test, if it has none.
fn statements() -> BTreeMap<String, Option<String>> {
    let file: Value = serde_json::from_str(include_str!("../../vectors/conformance.json")).expect("conformance.json");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = file["statements"].as_array().expect("statements");
    let map: BTreeMap<_, _> =
        list.iter().map(|one| (text(&one["id"]).expect("an id"), text(&one["no_test"]))).collect();
    assert_eq!(map.len(), list.len(), "each once");
    assert!(list.iter().all(|one| text(&one["says"]).is_some_and(|says| !says.is_empty())));
    map
}

/// The name of the test for a statement. Two ids are misprinted in the standard, with a dot and with a dash.
fn test_name(id: &str) -> String {
    id.to_lowercase().replace(['-', '.'], "_")
}

/// The functions marked as tests.
fn tests(source: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = source.lines().collect();
    let names = lines.windows(2).filter(|pair| pair[0] == "#[test]");
    names.filter_map(|pair| Some(pair[1].strip_prefix("fn ")?.split('(').next()?.to_owned())).collect()
}

/// What is wrong between statements and tests.
fn gaps(statements: &BTreeMap<String, Option<String>>, sources: &[&str]) -> Vec<String> {
    let mut unclaimed: BTreeSet<String> = sources.iter().flat_map(|source| tests(source)).collect();
    let mut gaps = Vec::new();
    for (id, reason) in statements {
        let tested = unclaimed.remove(&test_name(id));
        match reason {
            None if !tested => gaps.push(format!("{id} has neither test nor reason")),
            Some(_) if tested => gaps.push(format!("{id} has a test and a reason for none")),
            Some(reason) if reason.len() < 20 => gaps.push(format!("{id}: {reason:?} is no reason")),
            _ => {}
        }
    }
    gaps.extend(unclaimed.into_iter().map(|name| format!("{name} is the test of no statement")));
    gaps
}

#[test]
fn every_statement_has_a_test_or_a_reason() {
    let statements = statements();
    assert_eq!(statements.len(), 141, "as many as the standard's appendix B has");
    let gaps = gaps(&statements, &SOURCES);
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
    let untested = statements.values().flatten().count();
    println!("{} statements tested, {untested} with a reason for no test", statements.len() - untested);
}

#[test]
fn a_gap_is_seen() {
    let mut more = statements();
    more.insert("MQTT-9.9.9-9".into(), None);
    assert_eq!(gaps(&more, &SOURCES), ["MQTT-9.9.9-9 has neither test nor reason"]);
    more.insert("MQTT-9.9.9-9".into(), Some("short".into()));
    assert_eq!(gaps(&more, &SOURCES).len(), 1);
    assert!(!gaps(&statements(), &SOURCES[1..]).is_empty(), "without a file");
    let mut fewer = statements();
    fewer.remove("MQTT-4.8.0-1");
    assert_eq!(gaps(&fewer, &SOURCES), ["mqtt_4_8_0_1 is the test of no statement"]);
    let untested = SOURCES.map(|source| source.replace("#[test]\nfn mqtt_4_8_0_1", "fn mqtt_4_8_0_1"));
    assert_eq!(gaps(&statements(), &untested.each_ref().map(String::as_str)).len(), 1);
}
