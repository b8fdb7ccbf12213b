use std::borrow::ToOwned;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;
use serde_json::Value;

use super::{Finder, Step, TwinPath, VersionReader};

/// What `serde_json` reads: the reference.
fn reference(reader: &VersionReader, json: &[u8]) -> Option<u64> {
    let whole: Value = serde_json::from_slice(json).ok()?;
    let holder = if *reader == VersionReader::document() { whole.get("desired")? } else { &whole };
    holder.get("$version")?.as_u64()
}

fn read(mut reader: VersionReader, chunks: &[&[u8]]) -> Option<u64> {
    chunks.iter().for_each(|chunk| reader.feed(chunk));
    reader.version()
}

/// Whole and byte by byte.
fn read_both_ways(reader: VersionReader, json: &[u8]) -> Option<u64> {
    let whole = read(reader, &[json]);
    assert_eq!(whole, read(reader, &json.chunks(1).collect::<Vec<_>>()), "{}", String::from_utf8_lossy(json));
    whole
}

fn check(reader: VersionReader, json: &str, expected: Option<u64>) {
    assert_eq!(read_both_ways(reader, json.as_bytes()), expected, "{json}");
    assert_eq!(reference(&reader, json.as_bytes()), expected, "the table is wrong: {json}");
}

#[test]
fn is_small() {
    assert!(size_of::<VersionReader>() < 48);
}

#[test]
fn documents() {
    let table = [
        (r#"{"desired":{"$version":1},"reported":{"$version":2}}"#, Some(1)),
        (r#"{"reported":{"$version":2},"desired":{"a":[1,{"$version":9}],"$version":1,"b":null}}"#, Some(1)),
        (" {\t\"desired\"\r\n: { \"$version\" :\n 12 } , \"reported\" : { } }\n", Some(12)),
        // Other places.
        (r#"{"reported":{"$version":2},"desired":{}}"#, None),
        (r#"{"$version":2,"desired":{}}"#, None),
        (r#"{"desired":{"thermostat":{"__t":"c","$version":3}}}"#, None),
        (r#"{"desired":[{"$version":3}]}"#, None),
        (r#"[{"desired":{"$version":3}}]"#, None),
        (r#"[["desired",{"$version":3}]]"#, None),
        (r#"{"reported":{"desired":{"$version":3}}}"#, None),
        (r#"{"desired":{"desired":{"$version":3}}}"#, None),
        (r#"{"desired":{"a":1},"b":{"$version":3}}"#, None),
        (r#"{"desired":{},"reported":{"$version":3}}"#, None),
        // Strings that look like members.
        (r#"{"desired":{"a":"\"$version\":4","b":"$version","c":"{"}}"#, None),
        (r#"{"desired":{"a":"$version\\","$version":5,"b":"}"}}"#, Some(5)),
        (r#"{"desired":"$version","a":6}"#, None),
        // Names that look like it.
        (r#"{"desired":{"$Version":1,"$versio":2,"$version ":3,"version":4,"$$version":5,"":6}}"#, None),
        (r#"{"desire":{"$version":1},"desiredx":{"$version":2},"":{"$version":3}}"#, None),
        // Escapes in names.
        (r#"{"des\u0069red":{"\u0024ver\u0073ion":7}}"#, Some(7)),
        (r#"{"desired":{"\u0024VERSION":7,"\u1024version":8,"$version\n":9,"\/version":1}}"#, None),
        (r#"{"desired":{"$\u0076ersion":7,"\u00e4\uD83D\uDE00":8}}"#, Some(7)),
        // The last of duplicates.
        (r#"{"desired":{"$version":1,"$version":2}}"#, Some(2)),
        (r#"{"desired":{"$version":1,"$version":null}}"#, None),
        (r#"{"desired":{"$version":1},"desired":{"$version":2}}"#, Some(2)),
        (r#"{"desired":{"$version":1},"desired":{}}"#, None),
        (r#"{"desired":{"$version":1},"desired":5}"#, None),
        (r#"{"desired":{"$version":1},"des\u0069red":[]}"#, None),
        (r#"{"desired":{"$version":1,"$version":{"$version":2}}}"#, None),
        // Not an object at all.
        ("5", None),
        ("\"desired\"", None),
        ("null", None),
        ("{}", None),
        ("[]", None),
    ];
    for (json, expected) in table {
        check(VersionReader::document(), json, expected);
    }
}

#[test]
fn patches() {
    let table = [
        (r#"{"a":1,"$version":5}"#, Some(5)),
        (r#"{"$version":5}"#, Some(5)),
        (r#"{"desired":{"$version":5}}"#, None),
        (r#"{"desired":{"$version":5},"$version":6,"b":[[],{},[{"$version":7}]]}"#, Some(6)),
        (r#"{"a":{"$version":1},"$version":2,"b":{"$version":3}}"#, Some(2)),
        (r#"[{"$version":5}]"#, None),
        (r#"["$version",5]"#, None),
    ];
    for (json, expected) in table {
        check(VersionReader::patch(), json, expected);
    }
}

#[test]
fn values() {
    let table = [
        ("0", Some(0)),
        ("10", Some(10)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("18446744073709551625", None),
        ("99999999999999999999999999", None),
        ("-0", None),
        ("-1", None),
        ("1.0", None),
        ("1e2", None),
        ("1E-2", None),
        ("0.5e+1", None),
        ("\"5\"", None),
        ("\"\\u0035\"", None),
        ("true", None),
        ("false", None),
        ("null", None),
        ("[5]", None),
        ("{\"a\":5}", None),
        ("{}", None),
    ];
    for (value, expected) in table {
        check(VersionReader::patch(), &format!("{{\"$version\":{value}}}"), expected);
        check(VersionReader::patch(), &format!("{{\"$version\" : {value} ,\"a\":[1 , 2]}}"), expected);
    }
}

/// A version stands in each of these, but a JSON parser refuses them.
#[test]
fn ill_formed_json_has_no_version() {
    let mut table: Vec<String> = [
        "",
        " ",
        "{",
        "{\"$version\":1",
        "{\"$version\":1,",
        "{\"$version\":1,}",
        "{,\"$version\":1}",
        "{\"$version\":1}}",
        "{\"$version\":1}{}",
        "{\"$version\":1},",
        "{\"$version\":1}]",
        "{\"$version\":1]",
        "{\"$version\":1}\0",
        "\u{feff}{\"$version\":1}",
        "{\"$version\" 1}",
        "{\"$version\"::1}",
        "{\"$version\",1}",
        "{$version:1}",
        "{'$version':1}",
        "{\"$version\":1 \"a\":2}",
        "{\"a\":\"\n\",\"$version\":1}",
        "{\"a\":\"\\x41\",\"$version\":1}",
        "{\"a\":\"\\u00g0\",\"$version\":1}",
        "{\"a\":\"\\u00\",\"$version\":1}",
        "{\"a\":[1,],\"$version\":1}",
        "{\"a\":[,1],\"$version\":1}",
        "{\"a\":[1}},\"$version\":1}",
        "{\"a\":{1]},\"$version\":1}",
        "{\"a\":{\"b\"},\"$version\":1}",
        "{\"a\":[\"b\":1],\"$version\":1}",
        "{\"$version\":1/**/}",
        "{\"$version\":1\u{c}}",
        "1,{\"$version\":1}",
    ]
    .map(ToOwned::to_owned)
    .into();
    let bad = "01 -01 00 1. .5 1.e5 1e 1e+ 1e5.5 1.5.5 - -- -a +1 1+1 1-1 0x10 1_0 tru truee True nul nulll fals NaN ∞";
    for value in bad.split(' ') {
        table.push(format!("{{\"$version\":{value}}}"));
        table.push(format!("{{\"$version\":1,\"a\":[{value}]}}"));
    }
    for json in &table {
        check(VersionReader::patch(), json, None);
    }
}

#[test]
fn nothing_before_the_end() {
    let json = br#"{"desired":{"$version":12345},"reported":{}}"#;
    for end in 0..json.len() {
        assert_eq!(read(VersionReader::document(), &[&json[..end]]), None);
    }
    assert_eq!(read(VersionReader::document(), &[json, b"", b" "]), Some(12345));
}

/// What another reader of one value builds on.
#[test]
fn the_finder_points_at_the_whole_value() {
    let values = [
        "12",
        "-1.5e3",
        "true",
        "\"}, \\\"\"",
        "[]",
        "{}",
        r#"{"a" : [1, {"$version":2}] , "b":"}"}"#,
        "[ [ ] , [0] ]",
    ];
    for value in values {
        let json = format!("{{\"a\":[3],\"$version\" : {value} , \"b\" : {{ \"c\":[4] }} }}");
        let (mut finder, mut found) = (Finder::new(TwinPath, 1), Vec::new());
        for byte in json.bytes() {
            match finder.step(byte) {
                Step::First if found.is_empty() => found.push(byte),
                Step::Next => found.push(byte),
                Step::Elsewhere => {}
                step => panic!("{step:?} in {json}"),
            }
        }
        assert_eq!(String::from_utf8_lossy(&found), value);
        assert!(finder.is_complete());
    }
}

#[test]
fn depth_has_a_limit() {
    let nested = |levels: usize, open: &str, close: &str| {
        format!("{{\"$version\":1,\"a\":{}0{}}}", open.repeat(levels), close.repeat(levels))
    };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        assert_eq!(read_both_ways(VersionReader::patch(), nested(62, open, close).as_bytes()), Some(1));
        assert_eq!(read_both_ways(VersionReader::patch(), nested(63, open, close).as_bytes()), None);
        assert_eq!(read_both_ways(VersionReader::patch(), nested(1000, open, close).as_bytes()), None);
    }
}

#[test]
fn what_it_does_not_check() {
    for json in [&b"{\"a\":\"\xff\",\"$version\":1}"[..], br#"{"a":"\ud800","$version":1}"#] {
        assert_eq!(reference(&VersionReader::patch(), json), None);
        assert_eq!(read_both_ways(VersionReader::patch(), json), Some(1));
    }
}

/// JSON text of every shape, with duplicates, odd white space and names spelled in many ways.
fn json() -> impl Strategy<Value = String> {
    let space = || prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\r\n\t")];
    let name = prop_oneof![
        4 => Just(r#""desired""#),
        4 => Just(r#""$version""#),
        1 => Just(r#""\u0024version""#),
        1 => Just(r#""desir\u0065d""#),
        1 => Just(r#""reported""#),
        1 => Just(r#""$versio""#),
        1 => Just(r#""é\n\"""#),
        1 => Just(r#""""#),
    ];
    let leaf = prop_oneof![
        3 => any::<u64>().prop_map(|number| format!("{number}")),
        1 => any::<i64>().prop_map(|number| format!("{number}")),
        1 => any::<f32>().prop_filter_map("no JSON", |n| n.is_finite().then(|| format!("{n:e}"))),
        1 => any::<String>().prop_map(|text| Value::from(text).to_string()),
        1 => prop_oneof![Just("true"), Just("false"), Just("null"), Just("18446744073709551616"), Just("-0")]
            .prop_map(ToOwned::to_owned),
    ];
    let leaf = (space(), leaf, space()).prop_map(|(before, text, after)| format!("{before}{text}{after}"));
    leaf.prop_recursive(5, 40, 5, move |inner| {
        let member = (space(), name.clone(), space(), inner.clone())
            .prop_map(|(s, name, t, value)| format!("{s}{name}{t}:{value}"));
        prop_oneof![
            1 => prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            5 => prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// Pieces of JSON in no order, most of it ill-formed.
fn soup() -> impl Strategy<Value = String> {
    let token = prop::sample::select(&[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"desired\":{",
        "\"$version\":",
        "\"$version\"",
        "\"a\":",
        "1",
        "0",
        "-",
        "1.5",
        "1e-",
        "true",
        "nul",
        "null",
        "\"",
        "\\",
        "\\u0024",
        "\"\\u0024version\":2",
        " ",
        "}}",
    ]);
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

/// Cuts `bytes` into pieces of the given lengths, over and over.
fn cut<'b>(mut bytes: &'b [u8], lengths: &[usize]) -> Vec<&'b [u8]> {
    let mut chunks = Vec::new();
    for length in lengths.iter().cycle() {
        let (chunk, rest) = bytes.split_at((*length).min(bytes.len()));
        chunks.push(chunk);
        bytes = rest;
        if bytes.is_empty() {
            break;
        }
    }
    chunks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn agrees_with_serde_json(json in json(), lengths in prop::collection::vec(1..20usize, 1..8)) {
        // Under a path of the reader too, or few documents would have a version.
        let nested = format!(r#"{{"desired":{json},"reported":{{"$version":1}}}}"#);
        for json in [json.as_bytes(), nested.as_bytes()] {
            prop_assert!(serde_json::from_slice::<Value>(json).is_ok(), "the generator is wrong");
            for reader in [VersionReader::document(), VersionReader::patch()] {
                prop_assert_eq!(read(reader, &cut(json, &lengths)), reference(&reader, json));
            }
        }
    }

    #[test]
    fn refuses_what_serde_json_refuses(soup in soup()) {
        let member = format!(r#"{{"$version":3,{soup}}}"#);
        let document = format!(r#"{{"desired":{{"$version":3,{soup}}}}}"#);
        for json in [soup.as_bytes(), member.as_bytes(), document.as_bytes()] {
            for reader in [VersionReader::document(), VersionReader::patch()] {
                prop_assert_eq!(read_both_ways(reader, json), reference(&reader, json));
            }
        }
    }

    #[test]
    fn a_changed_byte_never_makes_a_wrong_version(json in json(), at in any::<prop::sample::Index>(), byte in 0..0x80u8) {
        let mut changed = format!(r#"{{"desired":{json}}}"#).into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        if let Ok(text) = core::str::from_utf8(&changed) {
            for reader in [VersionReader::document(), VersionReader::patch()] {
                let got = read_both_ways(reader, text.as_bytes());
                // A surrogate without its half and 1e999 are refused by `serde_json` alone.
                if serde_json::from_str::<Value>(text).is_ok() {
                    prop_assert_eq!(got, reference(&reader, text.as_bytes()));
                }
            }
        }
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_both_ways(VersionReader::document(), &bytes);
        read_both_ways(VersionReader::patch(), &bytes);
    }
}
