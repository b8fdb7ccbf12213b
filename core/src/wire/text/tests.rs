use proptest::prelude::*;
use std::vec::Vec;

use super::*;
use Violation::{BadUtf8, EmptyTopic, NulInText, WildcardInTopic};

/// Ill-formed sequences of every kind (Unicode table 3-7), with the offset of the fault.
const ILL_FORMED: [(&[u8], usize); 20] = [
    (b"\xED\xA0\x80", 0),             // surrogate D800
    (b"\xED\xBF\xBF", 0),             // surrogate DFFF
    (b"\xED\xA0\x80\xED\xB0\x80", 0), // a pair of them
    (b"\xC0\x80", 0),                 // U+0000 too long
    (b"\xC1\xBF", 0),                 // U+007F too long
    (b"\xE0\x80\x80", 0),             // too long
    (b"\xF0\x80\x80\x80", 0),         // too long
    (b"\xF4\x90\x80\x80", 0),         // above U+10FFFF
    (b"\xF5\x80\x80\x80", 0),
    (b"\xFF", 0),
    (b"a\xFFb", 1),
    (b"\x80", 0), // continuation alone
    (b"abc\xBF", 3),
    (b"\xC3", 0), // cut short
    (b"a\xC3", 1),
    (b"\xE2\x82", 0),
    (b"\xF0\x9F\x98", 0),
    (b"\xC3(", 0), // interrupted
    (b"\xE2\x82a", 0),
    (b"ok\xF0\x9F\x98/", 2),
];

/// Texts that a receiver takes as they are.
const GOOD: [&str; 8] = [
    "a",
    "$iothub/methods/POST/reboot/?$rid=1",
    "\u{FEFF}a", // a byte order mark is kept (1.5.3-3)
    "\u{1}",     // control characters
    "\u{7F}\u{85}",
    "\u{FFFF}", // non-characters
    "\u{FDD0}",
    "\u{10FFFF}\u{D7FF}\u{E000}",
];

#[test]
fn good_texts_come_back_unchanged() {
    for good in GOOD {
        assert_eq!(text(good.as_bytes()), Ok(good));
        assert_eq!(topic_name(good.as_bytes()).map(Text::as_str), Ok(good));
    }
}

#[test]
fn ill_formed_texts_are_refused_where_they_break() {
    for (bytes, offset) in ILL_FORMED {
        assert_eq!(text(bytes), Err((BadUtf8, offset)), "{bytes:02X?}");
        assert_eq!(topic_name(bytes), Err((BadUtf8, offset)), "{bytes:02X?}");
    }
}

#[test]
fn nul_is_refused_at_the_start_in_the_middle_and_at_the_end() {
    for (bytes, offset) in [(&b"\0ab"[..], 0), (b"a\0b", 1), (b"ab\0", 2), (b"\0", 0)] {
        assert_eq!(text(bytes), Err((NulInText, offset)));
        assert_eq!(topic_name(bytes), Err((NulInText, offset)));
    }
}

#[test]
fn wildcards_are_refused_in_a_topic_name_only() {
    for (bytes, offset) in [(&b"a/+"[..], 2), (b"#", 0), (b"a/#", 2), (b"+/a", 0), (b"a+b#c", 1), (b"a#b+c", 1)] {
        assert_eq!(topic_name(bytes), Err((WildcardInTopic, offset)));
        assert!(text(bytes).is_ok());
    }
}

#[test]
fn an_empty_topic_name_is_refused_and_an_empty_text_is_not() {
    assert_eq!(topic_name(b""), Err((EmptyTopic, 0)));
    assert_eq!(text(b""), Ok(""));
}

#[test]
fn the_earliest_fault_wins() {
    assert_eq!(topic_name(b"a\xFF+\0"), Err((BadUtf8, 1)));
    assert_eq!(topic_name(b"a+\xFF\0"), Err((WildcardInTopic, 1)));
    assert_eq!(topic_name(b"a\0\xFF+"), Err((NulInText, 1)));
    assert_eq!(topic_name(b"\xC3\0"), Err((BadUtf8, 0)));
    assert_eq!(text(b"a\xFF\0"), Err((BadUtf8, 1)));
    assert_eq!(text(b"+\0\xFF"), Err((NulInText, 1)));
}

/// The rules again, character by character and without haste.
fn slow(bytes: &[u8], forbidden: &[char]) -> Result<(), (Violation, usize)> {
    let (good, ill_formed) = match core::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let at = error.valid_up_to();
            (core::str::from_utf8(&bytes[..at]).unwrap(), Some((BadUtf8, at)))
        }
    };
    let found = good.char_indices().find(|(_, c)| forbidden.contains(c));
    let found = found.map(|(at, c)| (if c == '\0' { NulInText } else { WildcardInTopic }, at));
    found.or(ill_formed).map_or(Ok(()), Err)
}

/// Every byte at every place of a text of more than two words.
fn with_every_byte(mut check: impl FnMut(&[u8])) {
    for len in 1..3 * WORD {
        for (at, byte) in (0..len).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            let mut bytes = std::vec![b'a'; len];
            bytes[at] = byte;
            check(&bytes);
        }
    }
}

#[test]
fn a_plain_topic_is_at_least_a_word_of_bytes_from_comma_up() {
    let from_comma_up = |byte: &u8| (b','..0x80).contains(&(byte | 0x08));
    with_every_byte(|bytes| {
        assert_eq!(is_plain(bytes), bytes.len() >= WORD && bytes.iter().all(from_comma_up), "{bytes:02X?}");
    });
}

#[test]
fn a_mark_is_found_at_every_place() {
    with_every_byte(|bytes| {
        for mark in [b'/', b'&', 0, 0x7F] {
            assert_eq!(find(bytes, mark), bytes.iter().position(|&byte| byte == mark), "{mark:02X} in {bytes:02X?}");
        }
    });
}

#[test]
fn a_text_is_what_it_was_made_of() {
    for (text, len) in [("", 0), ("a", 1), ("café", 5)] {
        for made in [Text::new(text), Text::from(text), Text::from(&std::string::String::from(text))] {
            assert_eq!((made.as_str(), made.as_bytes(), made.len()), (text, text.as_bytes(), len));
            assert_eq!(made.is_empty(), len == 0);
            assert_eq!(std::format!("{made:?}"), std::format!("{text:?}"));
            assert!(made == *text && made == text && made != *"b" && made != "b");
        }
    }
}

#[test]
fn texts_are_cut_at_the_first_mark() {
    let cuts = [
        ("", "", None),
        ("room", "room", None),
        ("=", "", Some("")),
        ("room=", "room", Some("")),
        ("=blue", "", Some("blue")),
        ("room=blue=green", "room", Some("blue=green")),
        ("a long name, café=blue", "a long name, café", Some("blue")),
    ];
    for (text, before, after) in cuts {
        assert_eq!(cut(text, b'='), (before, after));
        assert_eq!(Text::new(text).cut(b'='), (Text::new(before), after.map(Text::new)));
    }
}

#[test]
fn texts_lose_what_stands_at_their_ends() {
    let text = Text::new("devices/dev1/");
    assert_eq!(text.after("devices/"), Some(Text::new("dev1/")));
    assert_eq!((text.after(""), text.after("device/")), (Some(text), None));
    assert_eq!(text.without_slash(), Text::new("devices/dev1"));
    assert_eq!(Text::new("//").without_slash(), Text::new("/"));
    assert_eq!(text.without_slash().without_slash(), text.without_slash());
    assert_eq!(Text::new("").without_slash(), Text::new(""));
}

#[test]
fn decimal_numbers_have_digits_only_and_64_bits() {
    for text in ["0", "1", "9", "007", "65535", "18446744073709551609", "18446744073709551615"] {
        assert_eq!(decimal(Text::new(text)), text.parse().ok(), "{text}");
    }
    let none = [
        "",
        "-1",
        "+1",
        "1 ",
        "1/",
        "1:",
        "a",
        "18446744073709551616",
        "18446744073709551620",
        "184467440737095516150",
    ];
    for text in none {
        assert_eq!(decimal(Text::new(text)), None, "{text}");
    }
}

proptest! {
    #[test]
    fn as_the_slow_rules_say(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 1..40),
            "[a-zé€😀/$]{0,40}[+#\u{0}]?[a-z/]{1,40}".prop_map(std::string::String::into_bytes),
            // Long and clean but for one byte: what the fold must not miss in any lane.
            (prop::collection::vec(b'a'..=b'z', 1..200), any::<prop::sample::Index>(), any::<u8>())
                .prop_map(|(mut bytes, at, byte)| { let at = at.index(bytes.len()); bytes[at] = byte; bytes }),
        ],
    ) {
        let bytes: Vec<u8> = bytes;
        prop_assert_eq!(text(&bytes).map(str::as_bytes), slow(&bytes, &['\0']).map(|()| &bytes[..]));
        prop_assert_eq!(topic_name(&bytes).map(Text::as_bytes), slow(&bytes, &['\0', '+', '#']).map(|()| &bytes[..]));
    }
}
