//! The proof of `tests/no-panic` is about every public function of the tier without a heap: none may be missing in it.
//!
//! The sources are read as text. A method is called there as `Type::method`; another function by its own name, or after
//! that of its module, which it must be if another module has one of the same name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What needs a heap, and what nobody outside the crate can name.
const ELSEWHERE: [&str; 11] = [
    "owned",
    "owned.rs",
    "twin.rs",
    "twin",
    "pnp/tree.rs",
    "provisioning/owned.rs",
    "session",
    "storage/arena.rs",
    "storage/list.rs",
    "client/grow.rs",
    "tests",
];

/// Functions that need a heap beside others that do not.
const WITH_HEAP: [&str; 2] = ["Encoded::to_cow", "WebSocket::with_window"];

/// Files whose functions their folder gives to the outside.
const PRIVATE: [&str; 5] =
    ["wire/text.rs", "wire/percent.rs", "topic/features.rs", "topic/properties/emit.rs", "auth/sas.rs"];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the repository")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// The public functions of a module: `Type::method` or `module::function`.
fn public(module: &str, source: &str) -> Vec<String> {
    let mut owner: Option<String> = None;
    let mut found = Vec::new();
    for line in source.lines() {
        if line.starts_with("mod tests {") {
            break;
        }
        if let Some(rest) = line.strip_prefix("impl") {
            let rest = if rest.starts_with('<') { &rest[rest.find('>').map_or(0, |at| at + 1)..] } else { rest };
            let name = rest.rsplit(" for ").next().unwrap_or(rest).trim();
            owner = name.split(['<', ' ', '{']).next().map(str::to_owned);
        } else if line.starts_with('}') {
            owner = None;
        }
        let function = ["pub fn ", "pub const fn "].into_iter().find_map(|start| line.trim_start().strip_prefix(start));
        let Some(name) = function.and_then(|rest| rest.split(['(', '<']).next()) else { continue };
        // In a macro, for each of the types it is used with.
        let macro_made = owner.is_none() && line.starts_with(' ');
        match &owner {
            Some(owner) => found.push(format!("{owner}::{name}")),
            None if macro_made => found.extend(["TelemetryToken", "TwinToken"].map(|one| format!("{one}::{name}"))),
            None => found.push(format!("{module}::{name}")),
        }
    }
    found
}

/// Every public function of the tier.
fn interface() -> BTreeSet<String> {
    let folder = top().join("core/src");
    let mut all = BTreeSet::new();
    for path in sources(&folder) {
        let name = path.strip_prefix(&folder).expect("below").to_string_lossy().replace('\\', "/");
        let elsewhere = |part: &&str| name == *part || name.starts_with(&format!("{part}/"));
        if ELSEWHERE.iter().any(elsewhere) || name.contains("/tests") {
            continue;
        }
        // Named by the module that gives it to the outside: `wire::text` is in the private `wire::text`.
        let module = match name.rsplit_once('/').map_or("", |(folder, _)| folder) {
            "" => name.trim_end_matches(".rs"),
            folder if PRIVATE.contains(&name.as_str()) || name.ends_with("/mod.rs") => {
                folder.rsplit('/').next().unwrap_or(folder)
            }
            _ => name.rsplit('/').next().unwrap_or(&name).trim_end_matches(".rs"),
        };
        all.extend(public(module, &fs::read_to_string(&path).expect("a source")));
    }
    all.retain(|name| !WITH_HEAP.contains(&name.as_str()));
    all
}

fn missing(interface: &BTreeSet<String>, calls: &str) -> Vec<String> {
    let own = |name: &str| name.rsplit("::").next().unwrap_or(name).to_owned();
    let stands = |name: &str, not_after: &[char]| {
        let is_part = |before: char| before.is_alphanumeric() || before == '_' || not_after.contains(&before);
        calls.match_indices(&format!("{name}(")).any(|(at, _)| !calls[..at].ends_with(is_part))
    };
    let called = |name: &String| {
        let is_method = name.starts_with(char::is_uppercase);
        let same = |other: &&String| !other.starts_with(char::is_uppercase) && own(other) == own(name);
        let is_unique = interface.iter().filter(same).count() == 1;
        stands(name, &[]) || !is_method && is_unique && stands(&own(name), &[':', '.'])
    };
    interface.iter().filter(|name| !called(name)).cloned().collect()
}

fn calls() -> String {
    let files = sources(&top().join("tests/no-panic/src/calls"));
    files.iter().map(|path| fs::read_to_string(path).expect("a source")).collect()
}

#[test]
fn the_no_panic_proof_calls_every_public_function() {
    let interface = interface();
    assert!(interface.len() > 155, "{} functions found", interface.len());
    let missing = missing(&interface, &calls());
    assert!(missing.is_empty(), "tests/no-panic/src/calls does not call:\n{}", missing.join("\n"));
    println!("{} public functions, each called", interface.len());
}

#[test]
fn a_missing_call_is_seen() {
    let calls = calls();
    let mut more = interface();
    more.insert("Client::teleport".to_owned());
    assert_eq!(missing(&more, &calls), ["Client::teleport"]);
    for name in ["Client::handle_input", "TwinToken::from_bits", "Writer::put", "wire::text", "subscribe::put_body"] {
        let fewer = calls.replace(&format!(" {name}("), " left_out(").replace(&format!("({name}("), "(left_out(");
        let fewer = fewer.replace(&format!("::{name}("), "::left_out(");
        assert_eq!(missing(&interface(), &fewer), [name]);
    }
}
