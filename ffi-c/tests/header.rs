//! `include/iothub.h` is what the sources say. `IOTHUB_BLESS=1 cargo test -p iothub-proto-c --test header` writes it.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// In the order in which the header has their functions.
const SOURCES: [&str; 25] = [
    "version",
    "types",
    "status",
    "error",
    "config",
    "client",
    "rx",
    "event",
    "stream",
    "telemetry",
    "commands",
    "parts",
    "twin",
    "request",
    "properties",
    "json",
    "pnp",
    "patch",
    "state",
    "auth",
    "key",
    "retry",
    "registration",
    "provisioning",
    "websocket",
];

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(folder(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The driver that tests/driver.c compiles and runs, as lines of a comment.
fn driver() -> String {
    let source = read("tests/driver.c");
    let (_, rest) = source.split_once("/* shown in iothub.h from here */\n").expect("where it begins");
    let (shown, _) = rest.split_once("/* shown up to here */").expect("where it ends");
    let mut comment = Vec::new();
    for line in shown.trim_end().lines() {
        // A comment does not nest: those of the driver become C++ ones in the header's.
        let line = line.replace("/* ", "// ").replace(" */", "");
        comment.push(format!(" *     {}", line.strip_prefix(" * ").map_or(line.clone(), |rest| format!("// {rest}"))));
    }
    comment.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

fn generated() -> String {
    let version = |text: &str| {
        text.replace("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR"))
            .replace("@MINOR@", env!("CARGO_PKG_VERSION_MINOR"))
            .replace("@PATCH@", env!("CARGO_PKG_VERSION_PATCH"))
    };
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        cpp_compat: true,
        usize_is_size_t: true,
        style: cbindgen::Style::Both,
        documentation_style: cbindgen::DocumentationStyle::Doxy,
        line_length: 120,
        no_includes: true,
        sys_includes: ["stdbool.h", "stddef.h", "stdint.h"].map(String::from).to_vec(),
        include_guard: Some("IOTHUB_H".into()),
        header: Some(read("header/top.h").replace("@DRIVER@", &driver()).trim_end().into()),
        after_includes: Some(format!("\n{}", version(read("header/macros.h").trim_end()))),
        ..cbindgen::Config::default()
    };
    for width in ["32", "64"] {
        config.defines.insert(format!("target_pointer_width = {width}"), format!("IOTHUB_POINTER_{width}"));
    }
    let mut builder = cbindgen::Builder::new().with_config(config);
    for name in SOURCES {
        builder = builder.with_src(folder(&format!("src/{name}.rs")));
    }
    let mut bytes = Vec::new();
    builder.generate().expect("sources that cbindgen reads").write(&mut bytes);
    let header = String::from_utf8(bytes).expect("a text");
    // rustdoc's heading is doxygen's command.
    let header = header.replace(" * # Safety\n *\n * ", " * @pre ");
    header.lines().flat_map(one_each).map(|line| line + "\n").collect()
}

/// One `@retval` for each status that has the same words.
fn one_each(line: &str) -> Vec<String> {
    let Some(mut text) = line.strip_prefix(" * @retval ") else { return vec![line.into()] };
    let mut names = Vec::new();
    while let Some((name, rest)) = text.split_once(", ").filter(|(name, _)| !name.contains(' ')) {
        names.push(name);
        text = rest;
    }
    let (last, text) = text.split_once(' ').unwrap_or((text, ""));
    names.push(last);
    names.iter().map(|name| format!(" * @retval {name} {text}").trim_end().to_owned()).collect()
}

#[test]
fn is_not_stale() {
    let path = folder("include/iothub.h");
    let expected = generated();
    if env::var_os("IOTHUB_BLESS").is_some() {
        fs::write(&path, &expected).expect("a header that can be written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(expected.lines()).position(|(old, new)| old != new);
    assert!(
        committed == expected,
        "include/iothub.h is stale from line {} on: IOTHUB_BLESS=1 cargo test -p iothub-proto-c --test header",
        differs.map_or(committed.lines().count().min(expected.lines().count()) + 1, |at| at + 1)
    );
}

/// Words of C that a header may use at its outermost level.
const WORDS: [&str; 20] = [
    "typedef",
    "struct",
    "union",
    "const",
    "char",
    "bool",
    "void",
    "extern",
    "static",
    "int32_t",
    "uint8_t",
    "uint16_t",
    "uint32_t",
    "uint64_t",
    "size_t",
    "C",
    "if",
    "defined",
    "sizeof",
    "UINTPTR_MAX",
];

/// The code without comments and texts.
fn code(header: &str) -> String {
    let mut out = String::new();
    let mut rest = header;
    while let Some(at) = rest.find(['/', '"']) {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let end = match () {
            () if tail.starts_with("/*") => tail.find("*/").expect("an end of the comment") + 2,
            () if tail.starts_with('"') => tail[1..].find('"').expect("an end of the text") + 2,
            () => 1,
        };
        rest = &tail[end..];
    }
    out + rest
}

/// The identifiers that a program sees which includes the header: outside of braces and parentheses, and names of macros.
fn visible(header: &str) -> Vec<String> {
    let code = code(header).replace("\\\n", " ");
    let mut found = Vec::new();
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        words.filter(|word| !word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned).collect()
    };
    let (mut depth, mut outside) = (0, String::new());
    for line in code.lines() {
        if let Some(directive) = line.trim().strip_prefix('#') {
            match directive.trim().split_once(' ') {
                Some(("define", rest)) => found.extend(words(rest).into_iter().take(1)),
                Some(("ifdef" | "ifndef" | "if", rest)) => found.extend(words(rest)),
                _ => {}
            }
            continue;
        }
        for letter in line.chars() {
            match letter {
                '{' | '(' => depth += 1,
                '}' | ')' => depth -= 1,
                _ if depth == 0 => outside.push(letter),
                _ => {}
            }
        }
        outside.push(' ');
    }
    found.extend(words(&outside));
    found
}

#[test]
fn every_identifier_is_ours() {
    let header = read("include/iothub.h");
    let ours = |word: &String| word.starts_with("iothub_") || word.starts_with("IOTHUB_");
    // `extern "C" {` is the only brace that C++ sees around it all.
    let header = header.replace("extern \"C\" {", "").replace("}  // extern \"C\"", "");
    let seen = visible(&header);
    assert!(seen.iter().filter(|word| ours(word)).count() > 300, "{seen:?}");
    let foreign: Vec<_> =
        seen.iter().filter(|word| !ours(word) && !WORDS.contains(&word.as_str()) && *word != "__cplusplus").collect();
    assert!(foreign.is_empty(), "without the prefix: {foreign:?}");
    // It finds what it looks for.
    let leak =
        header.clone() + "typedef struct Body {\n int iothub_x;\n} Body;\n#define CLIENT_SIZE 4\nvoid send(int);\n";
    for name in ["Body", "CLIENT_SIZE", "send"] {
        assert!(visible(&leak).iter().any(|word| word == name), "{name}");
    }
}
