use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// What `serde_json` finds, and that it is the same whole and in pieces of every size.
fn check(document: &[u8], path: &[&str]) {
    let reference = serde_json::from_slice::<Value>(document).ok();
    let expected = reference.as_ref().map(|document| path.iter().try_fold(document, |value, name| value.get(name)));
    let found = json_value(document, path);
    let parsed = found.map(|found| found.map(|value| serde_json::from_slice(value.raw()).unwrap()));
    let shown = String::from_utf8_lossy(document);
    assert_eq!(parsed.as_ref().ok().map(Option::as_ref), expected, "{shown} {path:?}");
    for size in 1..=document.len().min(5) {
        let mut room = vec![0; document.len()];
        let mut reader = ValueReader::new(path, &mut room);
        document.chunks(size).for_each(|chunk| reader.feed(chunk));
        assert_eq!(reader.value(), found, "{shown} {path:?} in pieces of {size}");
    }
}

#[test]
fn values_are_found_as_serde_json_finds_them() {
    let document = br#" { "a" : { "b" : { "c" : 1 , "d" : [ {"c":2} ] } , "" : "empty" } , "b" : null ,
        "z" : -1.5e3 , "t" : true , "a\"" : "x" , "\u00e9" : "accent" , "\ud83d\ude00" : "smile" , "d" : {} } "#;
    for path in [
        &["a"][..],
        &["a", "b"],
        &["a", "b", "c"],
        &["a", "b", "c", "e"],
        &["a", "b", "d"],
        &["a", "b", "d", "c"],
        &["a", ""],
        &["b"],
        &["b", "c"],
        &["z"],
        &["t"],
        &["a\""],
        &["é"],
        &["😀"],
        &["Ã©"],
        &["d"],
        &["d", "c"],
        &["c"],
        &[""],
    ] {
        check(document, path);
    }
}

#[test]
fn duplicates_void_what_was_found_on_any_level() {
    for document in [
        r#"{"a":{"b":{"c":1}},"a":2}"#,
        r#"{"a":{"b":{"c":1},"b":{}}}"#,
        r#"{"a":{"b":{"c":1},"b":{"c":{"c":3}}}}"#,
        r#"{"a":{"b":{"c":1,"c":4}},"b":{"c":5}}"#,
        r#"{"a":{"b":{"c":1}},"\u0061":{"b":[{"c":5}]}}"#,
    ] {
        for path in [&["a"][..], &["a", "b"], &["a", "b", "c"]] {
            check(document.as_bytes(), path);
        }
    }
}

#[test]
fn halves_of_pairs_are_in_no_name() {
    // `serde_json` takes none of these.
    for document in [r#"{"\ud83da":1}"#, r#"{"a\ud83d":1}"#, r#"{"\ude00a":1}"#, r#"{"\ud83d\ud83da":1}"#] {
        assert_eq!(json_value(document.as_bytes(), &["a"]), Ok(None), "{document}");
    }
    check(r#"{"\ud83d\ude00a":1,"a\ud83d\ude00":2}"#.as_bytes(), &["a"]);
}

#[test]
fn no_path_finds_nothing_and_long_names_do_not_count() {
    assert_eq!(json_value(br#"{"":1}"#, &[]), Ok(None));
    for len in [1, 253, 254, 255, 256, 300, 511, 600] {
        let name = "n".repeat(len);
        let document = json!({ "o": { name.as_str(): 7 } }).to_string();
        let found = json_value(document.as_bytes(), &["o", &name]).unwrap();
        assert_eq!(found.and_then(JsonValue::number), (len <= MAX_NAME).then_some(7), "{len}");
    }
}

#[test]
fn the_first_wrong_byte_is_named() {
    for (document, at) in [("", 0), ("{", 1), (r#"{"a":1"#, 6), (r#"{"a" 1}"#, 5), ("{}}", 2), ("nul", 3), ("01", 1)] {
        assert_eq!(check_json(document.as_bytes()), Err(JsonError::IllFormed { at }), "{document}");
        let mut reader = ValueReader::new(&["a"], &mut []);
        document.bytes().for_each(|byte| reader.feed(&[byte]));
        assert_eq!(reader.value(), Err(JsonError::IllFormed { at }), "{document}");
    }
    assert_eq!(check_json(b" [1,2] "), Ok(()));
}

#[test]
fn a_value_that_does_not_fit_tells_its_size() {
    let mut room = [0; 4];
    let mut reader = ValueReader::new(&["a"], &mut room);
    reader.feed(br#"{"a":"long one","a":1234"#);
    reader.feed(b"5}");
    assert_eq!(reader.value(), Err(JsonError::TooLong { needed: 5 }));
}

#[test]
fn kinds_of_values() {
    let value = |json: &'static str| JsonValue(json.as_bytes());
    assert_eq!(value("18446744073709551615").number(), Some(u64::MAX));
    for json in ["18446744073709551616", "-1", "1.0", "1e1", "\"1\"", "null", "[]"] {
        assert_eq!(value(json).number(), None, "{json}");
    }
    assert!(value("null").is_null() && !value("\"null\"").is_null());
    assert_eq!(value("\"\"").text().and_then(JsonText::plain), Some(""));
    assert_eq!((value("1").text(), JsonValue(b"\"\xff\"").text()), (None, None));
}

#[test]
fn every_escape_is_read() {
    let json = r#""\b\f\n\r\t\/\\\"\u00e9\ud83d\ude00""#;
    let read = JsonValue(json.as_bytes()).text().unwrap();
    assert_eq!(read.to_string(), serde_json::from_str::<String>(json).unwrap());
    assert_eq!(read.plain(), None);
}

#[test]
fn a_reader_prints_nothing_that_it_read() {
    let mut room = [0; 16];
    let mut reader = ValueReader::new(&["a"], &mut room);
    reader.feed(br#"{"a":"hello""#);
    let printed = std::format!("{reader:?}");
    assert!(printed.starts_with("ValueReader") && !printed.contains("hello") && !printed.contains("104"), "{printed}");
}

#[test]
fn half_a_pair_is_replaced() {
    let decoded = |raw| JsonText(raw).to_string();
    assert_eq!(decoded(r"\ud83d"), "\u{fffd}");
    assert_eq!(decoded(r"\ud83dx\ude00"), "\u{fffd}x\u{fffd}");
    assert_eq!(decoded(r"\ud83d\ud83d\ude00"), "\u{fffd}😀");
    assert_eq!(decoded(r"\ud83d\n"), "\u{fffd}\n");
    assert_eq!(JsonText("a\\u00e9").decode(&mut [0; 2]), Err(3));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[ab\"é😀]{0,1}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// JSON text with every character beyond ASCII as escapes, as some services write it.
fn escaped(json: &str) -> String {
    let mut units = [0; 2];
    let mut text = String::new();
    for c in json.chars() {
        match c {
            ' '..='~' => text.push(c),
            _ => c.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&std::format!("\\u{unit:04x}"))),
        }
    }
    text
}

/// What the members of `document` are to `serde_json`.
fn check_members(document: &str) {
    let value = JsonValue::parse(document.as_bytes()).unwrap();
    let mut members = serde_json::Map::new();
    for (name, value) in value.members() {
        assert!(name.is(&name.to_string()));
        members.insert(name.to_string(), serde_json::from_slice(value.raw()).unwrap());
    }
    let expected: Value = serde_json::from_str(document).unwrap();
    assert_eq!(members, expected.as_object().cloned().unwrap_or_default(), "{document}");
}

#[test]
fn members_are_those_of_serde_json() {
    for document in [
        "{}",
        " { } ",
        "[]",
        "[{\"a\":1}]",
        "7",
        "\"{\"",
        r#"{"":""}"#,
        r#" { "a" : 1 , "\u0062" : { "c" : { "d" : [ { "e" : 1 } ] } , "a" : 2 } , "f\"" : "\"}" , "g":-0.5e+1 , "h":null } "#,
        r#"{"a":{"a":{"a":1}},"b":[{"c":1},{"d":2}],"a":2}"#,
    ] {
        check_members(document);
    }
    assert_eq!(JsonValue::parse(b"{\"a\":1"), Err(JsonError::IllFormed { at: 6 }));
    // A name that is no UTF-8 is no text; what follows is read all the same.
    let odd = JsonValue::parse(b"{\"\xff\":1,\"a\":2}").unwrap();
    assert_eq!(odd.members().map(|(name, _)| name.raw()).collect::<Vec<_>>(), ["a"]);
}

proptest! {
    #[test]
    fn any_members(document in value()) {
        check_members(&document.to_string());
        check_members(&serde_json::to_string_pretty(&document).unwrap());
        check_members(&escaped(&document.to_string()));
    }

    #[test]
    fn any_document(document in value(), path in proptest::collection::vec("[ab\"é😀]{0,1}", 0..4)) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        prop_assume!(!path.is_empty());
        check(document.to_string().as_bytes(), &path);
        check(escaped(&document.to_string()).as_bytes(), &path);
    }

    #[test]
    fn any_text(text in any::<String>()) {
        for json in [json!(text).to_string(), escaped(&json!(text).to_string())] {
            let read = JsonValue(json.as_bytes()).text().unwrap();
            let mut room = vec![0; read.raw().len()];
            prop_assert_eq!(read.decode(&mut room), Ok(text.as_str()));
            prop_assert_eq!(read.to_string(), text.as_str());
        }
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'{'), Just(b'}'), Just(b':'),
        Just(b'\\'), Just(b'u'), Just(b'a'), Just(b','), any::<u8>()], 0..40)) {
        let whole = json_value(&bytes, &["a"]);
        let mut room = [0; 40];
        let mut reader = ValueReader::new(&["a"], &mut room);
        bytes.iter().for_each(|&byte| reader.feed(&[byte]));
        prop_assert_eq!(reader.value(), whole);
    }
}
