use proptest::prelude::*;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::Writer;

/// What `f` writes, with room enough.
fn written(f: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut room = vec![0xEE; 70_000];
    let mut writer = Writer::new(&mut room);
    f(&mut writer);
    writer.finish().unwrap().to_vec()
}

#[test]
fn an_empty_writer() {
    let writer = Writer::new(&mut []);
    assert!(writer.is_empty());
    assert!(!writer.overflowed());
    assert_eq!(writer.finish(), Ok(&mut [][..]));
}

#[test]
fn primitives() {
    let out = written(|w| {
        w.put_u8(1);
        w.put_u16(0x1234);
        w.put(b"");
        w.put(b"ab");
        assert_eq!(w.len(), 5);
        assert!(!w.is_empty());
    });
    assert_eq!(out, [1, 0x12, 0x34, b'a', b'b']);
}

#[test]
fn exactly_full_is_no_overflow() {
    let mut room = [0; 3];
    let mut writer = Writer::new(&mut room);
    writer.put(b"abc");
    assert!(!writer.overflowed());
    assert_eq!(writer.finish().unwrap(), b"abc");
}

#[test]
fn what_does_not_fit_is_counted_and_not_written_in_part() {
    let mut room = [0xEE; 4];
    let mut writer = Writer::new(&mut room);
    writer.put(b"abc");
    writer.put_u16(0x0102);
    assert!(writer.overflowed());
    // There is a byte of room left, yet nothing later may land in it.
    writer.put_u8(b'x');
    writer.put(b"");
    assert_eq!(writer.len(), 6);
    assert_eq!(writer.finish(), Err(6));
    assert_eq!(room, *b"abc\xEE");
}

#[test]
fn patches_stay_inside() {
    let out = written(|w| {
        w.put(&[0; 4]);
        w.patch_u16(1, 0x0506);
        w.patch(3, b"z");
    });
    assert_eq!(out, [0, 5, 6, b'z']);

    let mut room = [0xEE; 3];
    let mut writer = Writer::new(&mut room);
    writer.put(&[1; 5]);
    writer.patch_u16(2, 0);
    writer.patch_u16(usize::MAX, 0);
    writer.patch(2, b"yz");
    writer.patch(usize::MAX, b"yz");
    assert_eq!(writer.len(), 5);
    assert_eq!(room, [0xEE; 3]);
}

#[test]
fn decimals() {
    for value in [0, 1, 9, 10, 99, 100, 1_000_000_000, 4_294_967_295] {
        assert_eq!(written(|w| w.put_decimal(value)), value.to_string().as_bytes());
    }
}

#[test]
fn texts_carry_their_length() {
    assert_eq!(written(|w| w.put_text("")), [0, 0]);
    assert_eq!(written(|w| w.put_text("aé")), *b"\x00\x03a\xC3\xA9");
    let longest = "x".repeat(65_535);
    let out = written(|w| w.put_text(&longest));
    assert_eq!((out.len(), &out[..3]), (65_537, &b"\xFF\xFFx"[..]));
}

#[test]
fn a_text_too_long_tells_its_length_and_does_not_wrap() {
    let out = written(|w| {
        let len = w.put_text_with(&mut |w| w.put(&[b'x'; 65_536]));
        assert_eq!(len, 65_536);
    });
    assert_eq!(out[..2], [0xFF, 0xFF]);
}

#[test]
fn texts_nest() {
    let out = written(|w| {
        let len = w.put_text_with(&mut |w| {
            w.put_u8(b'<');
            w.put_text("ab");
        });
        assert_eq!(len, 5);
    });
    assert_eq!(out, *b"\x00\x05<\x00\x02ab");
}

/// One thing to put.
#[derive(Clone, Debug)]
enum Put {
    Bytes(Vec<u8>),
    U8(u8),
    U16(u16),
    Decimal(u32),
    Text(std::string::String),
}

fn put() -> impl Strategy<Value = Put> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Put::Bytes),
        any::<u8>().prop_map(Put::U8),
        any::<u16>().prop_map(Put::U16),
        any::<u32>().prop_map(Put::Decimal),
        ".{0,8}".prop_map(Put::Text),
    ]
}

fn put_all(writer: &mut Writer<'_>, puts: &[Put]) {
    for put in puts {
        match put {
            Put::Bytes(bytes) => writer.put(bytes),
            Put::U8(byte) => writer.put_u8(*byte),
            Put::U16(value) => writer.put_u16(*value),
            Put::Decimal(value) => writer.put_decimal(*value),
            Put::Text(text) => writer.put_text(text),
        }
    }
}

proptest! {
    #[test]
    fn the_size_does_not_depend_on_the_room(puts in prop::collection::vec(put(), 0..8), room in 0_usize..100) {
        let whole = written(|w| put_all(w, &puts));
        let mut room = vec![0; room];
        let capacity = room.len();
        let mut writer = Writer::new(&mut room);
        put_all(&mut writer, &puts);
        prop_assert_eq!(writer.len(), whole.len());
        match writer.finish() {
            Ok(bytes) => prop_assert_eq!(&*bytes, &whole[..]),
            Err(needed) => prop_assert!(needed == whole.len() && needed > capacity),
        }
    }
}
