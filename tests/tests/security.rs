//! SECURITY.md names tests and files that exist: a promise whose test was renamed is found here.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is inside the repository")
}

/// What stands between backticks in the table of defences.
fn named(page: &str) -> Vec<&str> {
    let (_, from) = page.split_once("| threat | defence | shown by |").expect("the table of defences");
    let (table, _) = from.split_once("\n\n").expect("its end");
    let shown = table.lines().filter_map(|row| row.rsplit('|').nth(1));
    shown.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// The functions of all tests, in each language.
fn tests() -> BTreeSet<String> {
    let listed = Command::new("git").args(["ls-files", "*.rs", "*.py", "*.c"]).current_dir(top()).output();
    let listed = String::from_utf8(listed.expect("git").stdout).expect("paths");
    let mut names = BTreeSet::new();
    for path in listed.lines().filter(|path| path.contains("test")) {
        let source = std::fs::read_to_string(top().join(path)).unwrap_or_default();
        for line in source.lines() {
            let rest = ["fn ", "def ", "static void "].iter().find_map(|word| line.trim_start().strip_prefix(word));
            names.extend(rest.and_then(|rest| rest.split('(').next()).map(str::to_owned));
        }
    }
    names
}

/// Those names that are neither a test, nor a file, nor what a script or an enum calls so.
fn unknown(page: &str) -> Vec<&str> {
    let tests = tests();
    let script = std::fs::read_to_string(top().join("tests/run")).expect("tests/run");
    let oracles = std::fs::read_to_string(top().join("tests/src/sim/oracle.rs")).expect("the oracles");
    let exists = |name: &str| {
        let section =
            name.strip_prefix("tests/run ").is_some_and(|name| script.contains(&format!("\nsection_{name}()")));
        section
            || tests.contains(name)
            || (name.contains('/') && top().join(name).is_file())
            || top().join(format!("fuzz/fuzz_targets/{name}.rs")).is_file()
            || oracles.contains(&format!("\n    {name},\n"))
    };
    named(page).into_iter().filter(|name| !exists(name)).collect()
}

#[test]
fn what_the_page_names_is_there() {
    let page = std::fs::read_to_string(top().join("SECURITY.md")).expect("SECURITY.md");
    assert!(named(&page).len() > 40, "{:?}", named(&page));
    assert!(unknown(&page).is_empty(), "{:?}", unknown(&page));
    for broken in ["nothing_printed_shows_the_password", "ffi-c/tests/run", "tests/run exhaustive", "Lane"] {
        assert_eq!(unknown(&page.replacen(broken, "renamed", 1)), ["renamed"]);
    }
}
