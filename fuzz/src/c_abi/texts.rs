//! The functions that have no client, given any text: they say what the Rust functions say.

use iothub::auth::*;
use iothub::error::iothub_error;
use iothub::key::*;
use iothub::properties::*;
use iothub::status::*;
use iothub::types::iothub_str;
use iothub_proto::auth::{ConnectionString, Credential, SharedAccessKey};
use iothub_proto::topic::{DecodeError, Encoded, Properties, Property};
use std::mem::{MaybeUninit, size_of};

use super::client::{bytes, text};
use super::misuse;
use crate::plant::{Plant, planted};

/// Takes `data` as a text, if it is one, and as one if not.
pub(super) fn run(data: &[u8]) {
    misuse::without_objects();
    let raw: Box<[u8]> = data.into();
    let Ok(valid) = std::str::from_utf8(&raw) else {
        ill_formed(&raw);
        return run_text(&String::from_utf8_lossy(&raw).into_owned().into_boxed_str());
    };
    run_text(valid);
}

fn run_text(text: &str) {
    bag(text);
    connection_string(text);
    key(text);
}

/// No function takes what is no text.
fn ill_formed(raw: &[u8]) {
    let bad = iothub_str { ptr: raw.as_ptr().cast(), len: raw.len() };
    let (mut iter, mut property, mut parsed) = (MaybeUninit::uninit(), MaybeUninit::uninit(), MaybeUninit::uninit());
    let (mut value, mut len, mut key) = (text(""), 0, MaybeUninit::uninit());
    // SAFETY: every pointer is to room for what is written there.
    unsafe {
        assert_eq!(iothub_properties_iter(bad, iter.as_mut_ptr()), IOTHUB_ERR_BAD_UTF8);
        assert_eq!(iothub_properties_get(bad, text("a"), property.as_mut_ptr()), IOTHUB_ERR_BAD_UTF8);
        assert_eq!(iothub_properties_system(bad, 1, &mut value), IOTHUB_ERR_BAD_UTF8);
        assert_eq!(iothub_text_decode(bad, [0; 8].as_mut_ptr(), 8, &mut len), IOTHUB_ERR_BAD_UTF8);
        assert_eq!(iothub_text_equals(text("a"), bad), IOTHUB_ERR_BAD_UTF8);
        let status = iothub_connection_string_parse(bad, parsed.as_mut_ptr(), std::ptr::null_mut());
        assert_eq!(status, IOTHUB_ERR_BAD_UTF8);
        let status = iothub_key_init(key.as_mut_ptr(), size_of::<iothub_key>(), bad, std::ptr::null_mut());
        assert_eq!(status, IOTHUB_ERR_BAD_UTF8);
    }
}

/// Whether a text of C is this one, in the same place.
fn is(found: iothub_str, wanted: &str) -> bool {
    found.len == wanted.len() && (found.len == 0 || found.ptr.addr() == wanted.as_ptr().addr())
}

fn same(found: &iothub_received_property, wanted: &Property<'_>) {
    let value = wanted.value.or(planted(Plant::TextLost).then_some(Encoded::new("")));
    assert!(is(found.name, wanted.name.raw().as_str()));
    assert_eq!(found.value.ptr.is_null(), value.is_none());
    assert!(is(found.value, value.map_or("", |value| value.raw().as_str())));
    assert_eq!(found.system != 0, wanted.is_system());
}

fn bag(raw: &str) {
    let bag = Properties::new(raw);
    let (mut iter, mut property) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: there is room for what is written, and it is written before it is read; the bag lives on.
    unsafe {
        assert_eq!(iothub_properties_iter(text(raw), iter.as_mut_ptr()), IOTHUB_OK);
        let mut iter = iter.assume_init();
        for wanted in bag {
            assert_eq!(iothub_properties_next(&mut iter, property.as_mut_ptr()), 1);
            same(property.assume_init_ref(), &wanted);
            for part in [Some(wanted.name), wanted.value].into_iter().flatten() {
                decode(part);
            }
        }
        assert_eq!(iothub_properties_next(&mut iter, property.as_mut_ptr()), 0);
        iter.rest.len += 1;
        assert_eq!(iothub_properties_next(&mut iter, property.as_mut_ptr()), IOTHUB_ERR_NOT_INITIALIZED);

        for name in ["$.mid", "a", "iothub-ack", ""] {
            match bag.get(name) {
                Some(wanted) => {
                    assert_eq!(iothub_properties_get(text(raw), text(name), property.as_mut_ptr()), 1);
                    same(property.assume_init_ref(), &wanted);
                }
                None => assert_eq!(iothub_properties_get(text(raw), text(name), property.as_mut_ptr()), 0),
            }
        }
        let system = bag.system();
        for (kind, wanted) in [(1, system.message_id), (4, system.to), (17, system.ack), (18, system.operation)] {
            let mut value = text("left");
            assert_eq!(iothub_properties_system(text(raw), kind, &mut value), i32::from(wanted.is_some()));
            assert!(is(value, wanted.map_or("", |value| value.raw().as_str())));
        }
        assert_eq!(iothub_properties_system(text(raw), 19, &mut text("")), IOTHUB_ERR_BAD_VALUE);
    }
}

fn decode(encoded: Encoded<'_>) {
    let needed = encoded.decoded_len();
    let mut wanted = vec![0; needed];
    let utf8 = encoded.decode(&mut wanted).map(drop);
    let mut room = vec![0x55_u8; needed].into_boxed_slice();
    let mut len = usize::MAX;
    // SAFETY: the room has as many bytes as are said; with the planted fault it has one less, which the sanitizer tells.
    unsafe {
        if needed > 0 {
            let mut small = vec![0x55_u8; needed - 1].into_boxed_slice();
            let says = small.len() + usize::from(planted(Plant::Overrun));
            let status = iothub_text_decode(text(encoded.raw().as_str()), small.as_mut_ptr().cast(), says, &mut len);
            assert_eq!((status, len), (IOTHUB_ERR_BUFFER_TOO_SMALL, needed));
            assert!(small.iter().all(|byte| *byte == 0x55), "nothing is written");
        }
        let status = iothub_text_decode(text(encoded.raw().as_str()), room.as_mut_ptr().cast(), room.len(), &mut len);
        let expected = match utf8 {
            Ok(()) => IOTHUB_OK,
            Err(DecodeError::NotUtf8 { .. }) => IOTHUB_ERR_NOT_UTF8,
            Err(error) => panic!("{error:?} with room enough"),
        };
        assert_eq!((status, len), (expected, needed));
        assert_eq!(room[..], wanted);
        if let Ok(plain) = std::str::from_utf8(&wanted) {
            assert_eq!(iothub_text_equals(text(encoded.raw().as_str()), text(plain)), 1);
            assert_eq!(iothub_text_equals(text(encoded.raw().as_str()), text(&format!("{plain}x"))), 0);
        }
    }
}

fn connection_string(raw: &str) {
    let (mut parsed, mut error) = (MaybeUninit::uninit(), MaybeUninit::<iothub_error>::uninit());
    // SAFETY: there is room for both, and both are written.
    let (status, parsed, error) = unsafe {
        let status = iothub_connection_string_parse(text(raw), parsed.as_mut_ptr(), error.as_mut_ptr());
        (status, parsed.assume_init(), error.assume_init())
    };
    let Ok(wanted) = ConnectionString::parse(raw) else {
        assert!((IOTHUB_ERR_STRING_NO_CREDENTIAL..=IOTHUB_ERR_STRING_MISSING).contains(&status), "{status}");
        assert_eq!(error.status, status);
        assert!(error.offset as usize <= raw.len());
        return assert!(parsed.host_name.ptr.is_null() && parsed.credential == 0, "zeros if it fails");
    };
    assert_eq!((status, error.status), (IOTHUB_OK, 0));
    let identity = wanted.identity();
    assert!(is(parsed.host_name, identity.host_name) && is(parsed.device_id, identity.device_id));
    assert!(is(parsed.module_id, identity.module_id.unwrap_or_default()));
    assert!(is(parsed.connect_host, wanted.connect_host()));
    match wanted.credential() {
        Credential::Key { key, name } => {
            assert_eq!(parsed.credential, IOTHUB_CREDENTIAL_KEY);
            assert!(is(parsed.key, key) && is(parsed.key_name, name.unwrap_or_default()));
        }
        Credential::Token(token) => {
            assert_eq!(parsed.credential, IOTHUB_CREDENTIAL_TOKEN);
            assert!(is(parsed.token, token));
        }
        Credential::X509 => assert_eq!(parsed.credential, IOTHUB_CREDENTIAL_X509),
    }
    let mut name = text("left");
    for (index, wanted) in wanted.unknown_keys().map(Some).chain([None]).enumerate() {
        // SAFETY: there is room for the name.
        let found = unsafe { iothub_connection_string_unknown_key(text(raw), index, &mut name) };
        assert_eq!(found, i32::from(wanted.is_some()));
        assert!(is(name, wanted.unwrap_or_default()));
    }
}

fn key(raw: &str) {
    let mut place = Box::new(MaybeUninit::<iothub_key>::uninit());
    let mut signature = [0_u8; 32];
    // SAFETY: there is room for a key and a signature; the key is used where it was made, and not after its end.
    unsafe {
        let key = place.as_mut_ptr();
        let status = iothub_key_init(key, size_of::<iothub_key>(), text(raw), std::ptr::null_mut());
        let Ok(wanted) = SharedAccessKey::from_base64(raw) else {
            assert!((IOTHUB_ERR_KEY_TOO_LONG..=IOTHUB_ERR_KEY_EMPTY).contains(&status), "{status}");
            assert_eq!(iothub_key_sign(key, bytes(b"m"), signature.as_mut_ptr()), IOTHUB_ERR_NOT_INITIALIZED);
            return;
        };
        assert_eq!(status, IOTHUB_OK);
        assert_eq!(iothub_key_sign(key, bytes(raw.as_bytes()), signature.as_mut_ptr()), IOTHUB_OK);
        assert_eq!(signature, wanted.sign(raw.as_bytes()));
        let mut derived = [0_u8; 44].map(|byte| byte as std::ffi::c_char);
        let mut len = 0;
        for size in [43, 44] {
            let status = iothub_key_derive_base64(key, text("device"), derived.as_mut_ptr(), size, &mut len);
            let expected = if size == 44 { IOTHUB_OK } else { IOTHUB_ERR_BUFFER_TOO_SMALL };
            assert_eq!((status, len), (expected, 44));
        }
        assert_eq!(iothub_key_deinit(key), IOTHUB_OK);
        assert_eq!(iothub_key_deinit(key), IOTHUB_ERR_NOT_INITIALIZED);
    }
}
