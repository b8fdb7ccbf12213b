//! The plan of the house, enforced: data flows one way through `core/src`, files stay short enough to read, and
//! nothing points at a place outside the repository.
//!
//! The source is read as text. Comments, literals and inline test modules are blanked first, so a link in a doc comment
//! may point anywhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The modules of the core. One may use only itself and those before it.
const LAYERS: [&str; 17] = [
    "time",
    "error",
    "wire",
    "packet",
    "topic",
    "pnp",
    "twin",
    "auth",
    "config",
    "storage",
    "session",
    "event",
    "client",
    "provisioning",
    "websocket",
    "retry",
    "owned",
];

/// Lines a file may have. Tests stand beside what they test and may be longer: a table is no maze.
const MAX_LINES: usize = 400;

#[test]
fn modules_import_one_way() {
    let exports = exports(&blank(&read("core/src/lib.rs")));
    let mut broken = Vec::new();
    for path in tracked().iter().filter(|path| path.starts_with("core/src/") && path.ends_with(".rs") && !is_test(path))
    {
        broken.extend(violations(path, &read(path), &exports));
    }
    assert!(broken.is_empty(), "against the order of layers:\n{}", broken.join("\n"));
}

#[test]
fn files_are_short() {
    let is_source = |path: &str| [".rs", ".py", ".c", ".h", "/run"].iter().any(|end| path.ends_with(end));
    let is_generated = |path: &str| path.starts_with("ffi-c/include/");
    let long: Vec<String> = tracked()
        .iter()
        .filter(|path| is_source(path) && !is_generated(path) && !is_test(path))
        .map(|path| (read(path).lines().count(), path))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "longer than {MAX_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn nothing_points_outside() {
    let mut found = Vec::new();
    for path in tracked() {
        for (number, line) in read(&path).lines().enumerate() {
            if let Some(place) = outside(line) {
                found.push(format!("{path}:{}: {place}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "of one machine or beside the repository:\n{}", found.join("\n"));
}

/// What is wrong with the imports of `source`, the file `path` of `core/src`.
fn violations(path: &str, source: &str, exports: &BTreeMap<String, String>) -> Vec<String> {
    let modules = module_path(path);
    let Some(own) = modules.first() else { return Vec::new() };
    let Some(own_layer) = layer(own) else { return vec![format!("{path}: {own} has no place among the layers")] };
    let mut broken = Vec::new();
    for (line, name) in from_root(&blank(source), modules.len()) {
        let module = exports.get(&name).unwrap_or(&name);
        match layer(module) {
            Some(layer) if layer <= own_layer => {}
            Some(_) => broken.push(format!("{path}:{line}: {own} may not use {name}: {module} comes after it")),
            None => broken.push(format!("{path}:{line}: {name} is of no layer")),
        }
    }
    broken
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == module)
}

/// `core/src/wire/writer.rs` is `wire::writer`; the crate's root is the empty path.
fn module_path(path: &str) -> Vec<&str> {
    let inside = path.trim_start_matches("core/src/").trim_end_matches(".rs");
    inside.split('/').filter(|part| *part != "mod" && *part != "lib").collect()
}

/// What the crate's root gives again under its own name: item to module, from `pub use client::{Client, State};`.
fn exports(root: &str) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for (at, _) in root.match_indices("pub use ") {
        let tree = &root[at + "pub use ".len()..];
        let Some((path, _)) = tree.split_once(';') else { continue };
        let path = path.trim().trim_start_matches("crate::");
        let Some((module, rest)) = path.split_once("::") else { continue };
        for item in rest.split(['{', '}', ',']) {
            let name = item.rsplit(" as ").next().unwrap_or(item).rsplit("::").next().unwrap_or(item).trim();
            exports.insert(name.to_owned(), module.to_owned());
        }
    }
    exports
}

/// Line and first name of each path that begins at the crate's root: `crate::a`, each name of `crate::{a, b::c}`, and
/// `super::` as often as the file is `depth` modules deep. A glob's name is `*`.
fn from_root(text: &str, depth: usize) -> Vec<(usize, String)> {
    let supers = "super::".repeat(depth);
    let mut found = Vec::new();
    for start in ["crate::", supers.as_str()] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '_' || before == ':' {
                continue;
            }
            let line = text[..at].lines().count().max(1);
            found.extend(first_names(&text[at + start.len()..]).into_iter().map(|name| (line, name)));
        }
    }
    found
}

/// The first name of a path, or of each path of a group.
fn first_names(tree: &str) -> Vec<String> {
    let first = |path: &str| -> String {
        let path = path.trim_start();
        let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
        if path.starts_with('*') { "*".to_owned() } else { path[..end].to_owned() }
    };
    let Some(group) = tree.strip_prefix('{') else { return vec![first(tree)] };
    let mut depth = 0_usize;
    let mut names = vec![first(group)];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(first(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// `source` with spaces for comments, literals and `#[cfg(test)] mod … { … }`, and no space around `::`. Lines stay.
fn blank(source: &str) -> String {
    let mut text: Vec<char> = source.chars().collect();
    let at = |text: &[char], index: usize| text.get(index).copied().unwrap_or('\0');
    let mut i = 0;
    while i < text.len() {
        let end = match (text[i], at(&text, i + 1)) {
            ('/', '/') => find(&text, i, "\n"),
            ('/', '*') => find(&text, i, "*/") + 2,
            ('r', '#' | '"') if !at(&text, i.wrapping_sub(1)).is_alphanumeric() => raw_string_end(&text, i),
            ('"', _) => quoted_end(&text, i, '"'),
            // A lifetime has no closing quote.
            ('\'', '\\') => quoted_end(&text, i, '\''),
            ('\'', _) if at(&text, i + 2) == '\'' => i + 3,
            _ => i,
        };
        let end = end.min(text.len());
        text[i..end].iter_mut().filter(|c| **c != '\n').for_each(|c| *c = ' ');
        i = end.max(i + 1);
    }
    while let Some(start) = test_module(&text) {
        let mut depth = 0_usize;
        let open = find(&text, start, "{");
        let mut end = open;
        while end < text.len() {
            match text[end] {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            end += 1;
            if depth == 0 {
                break;
            }
        }
        text[start..end].iter_mut().filter(|c| **c != '\n').for_each(|c| *c = ' ');
    }
    text.into_iter().collect::<String>().replace(" ::", "::").replace(":: ", "::")
}

/// Where an inline test module begins.
fn test_module(text: &[char]) -> Option<usize> {
    let marker = "#[cfg(test)]";
    let mut from = 0;
    loop {
        let start = find(text, from, marker);
        if start == text.len() {
            return None;
        }
        let item: String = text[start + marker.len()..].iter().take_while(|c| **c != ';' && **c != '{').collect();
        let next = start + marker.len() + item.chars().count();
        if item.trim_start().starts_with("mod ") && text.get(next) == Some(&'{') {
            return Some(start);
        }
        from = next;
    }
}

/// Where `needle` begins at or after `from`; the end of the text if nowhere.
fn find(text: &[char], from: usize, needle: &str) -> usize {
    let needle: Vec<char> = needle.chars().collect();
    (from..text.len()).find(|at| text[*at..].starts_with(&needle)).unwrap_or(text.len())
}

/// The end of a literal with escapes that begins at `start`.
fn quoted_end(text: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The end of `r"…"` or `r#"…"#`; `start` itself if it is a raw identifier.
fn raw_string_end(text: &[char], start: usize) -> usize {
    let hashes = text[start + 1..].iter().take_while(|c| **c == '#').count();
    if text.get(start + 1 + hashes) != Some(&'"') {
        return start;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    find(text, start + 2 + hashes, &close) + close.len()
}

/// A path in `line` that means something on one machine only, or beside the repository.
fn outside(line: &str) -> Option<&str> {
    // Taken apart, so that this file does not find itself.
    let places = [
        concat!("../", "shared"),
        concat!("/", "work/"),
        concat!("/", "root/"),
        concat!("/", "home/"),
        concat!("C:", "\\"),
    ];
    places.into_iter().find(|place| {
        line.match_indices(*place).any(|(at, _)| {
            let before = line[..at].chars().next_back().unwrap_or(' ');
            // In an address, or below a folder of the repository, it is another thing.
            !place.starts_with('/') || !(before.is_alphanumeric() || "._-~}*/".contains(before))
        })
    })
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The files of the repository, from its top.
fn tracked() -> Vec<String> {
    // The owner of a clone in a container is often another user, which is no concern here.
    let git = Command::new("git").args(["-c", "safe.directory=*", "ls-files", "-z"]).current_dir(top()).output();
    let git = git.expect("git runs");
    assert!(git.status.success(), "not a clone: {}", String::from_utf8_lossy(&git.stderr));
    let names = String::from_utf8(git.stdout).expect("names are UTF-8");
    names.split('\0').filter(|name| top().join(name).is_file()).map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    let bytes = std::fs::read(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the repository")
}

/// The checks above are shown to see what they are for.
mod negative {
    use super::*;

    fn broken(path: &str, source: &str) -> Vec<String> {
        violations(path, source, &exports("pub use client::{Client, lifecycle::State}; pub use error::Error;"))
    }

    #[test]
    fn imports_from_below_are_seen() {
        for source in [
            "use crate::session::Session;",
            "use crate::{error::Error, session};",
            "use crate::{\n    error::{Error, PeerError},\n    client::Client,\n};",
            "fn f() { crate :: client::new() }",
            "use crate::Client;",
            "use crate::State;",
            "use crate::*;",
            "use crate::nowhere::Thing;",
            "use super::super::session::Session;",
            "macro_rules! m { () => { $crate::session::x() } }",
            "const QUOTE: char = '\"'; use crate::session::Session; const OTHER: char = '\"';",
            "fn f<'a>(x: &'a u8) { crate::session::x() } fn g<'a>() {}",
            "#[cfg(test)]\nmod tests;\nuse crate::session::Session;",
            "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::session::Session;",
        ] {
            assert_eq!(broken("core/src/wire/frame.rs", source).len(), 1, "{source}");
        }
        assert_eq!(broken("core/src/time.rs", "use super::error::Error;").len(), 1);
        assert_eq!(broken("core/src/novel.rs", "").len(), 1);
    }

    #[test]
    fn the_line_is_named() {
        let broken =
            broken("core/src/wire/mod.rs", "/* one\n two */\nuse crate::error::Error;\nuse crate::topic::Bag;");
        assert_eq!(broken.len(), 1);
        assert!(broken[0].starts_with("core/src/wire/mod.rs:4: "), "{}", broken[0]);
    }

    #[test]
    fn imports_from_above_are_fine() {
        for source in [
            "use crate::error::Error; use crate::{time::Instant, wire};",
            "use super::{Reader, Writer};",
            "use crate::Error;",
            "/// See [`Client`](crate::Client).\nfn f() { /* crate::session */ }",
            "const TEXT: &str = \"crate::session \\\" crate::client\"; const RAW: &str = r#\"\"crate::session\"#;",
            "#[cfg(test)]\nmod tests { use crate::session::Session; fn f() { {} } }",
            "pub(crate) fn f() {} pub(in crate::wire) fn g() {} fn h(my_crate: u8) { my_crate::session() }",
        ] {
            assert_eq!(broken("core/src/wire/frame.rs", source), Vec::<String>::new(), "{source}");
        }
        assert!(broken("core/src/lib.rs", "use crate::owned::OwnedClient;").is_empty());
    }

    #[test]
    fn places_outside_are_seen() {
        for place in [concat!("see ../", "shared/X.md"), concat!("cd /", "home/me"), concat!("'/", "work/x'")] {
            assert!(outside(place).is_some(), "{place}");
        }
        for place in ["https://example.com/home/", "${top}/work/", "target/work/x", "../core"] {
            assert_eq!(outside(place), None, "{place}");
        }
    }
}
