use super::*;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha2::Sha256;
use std::{format, string::String, vec};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const EXPIRY: UnixSeconds = UnixSeconds(1_767_225_600);

#[test]
fn signs_rfc_4231_case_2() {
    let key = SharedAccessKey::from_bytes(b"Jefe").unwrap();
    let signature: String =
        key.sign(b"what do ya want for nothing?").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(signature, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

#[test]
fn refuses_what_is_no_key() {
    let refused = |text: &str| SharedAccessKey::from_base64(text).err();
    assert_eq!(refused(""), Some(SasError::Empty));
    assert_eq!(refused("key"), Some(SasError::BadBase64 { at: 3 }));
    assert_eq!(refused("a2V5\r\n"), Some(SasError::BadBase64 { at: 4 }));
    assert_eq!(refused(&"AAAA".repeat(42)), None);
    assert_eq!(refused(&"AAAA".repeat(43)), Some(SasError::TooLong { len: 129 }));
    assert_eq!(SharedAccessKey::from_bytes(&[0; 129]).err(), Some(SasError::TooLong { len: 129 }));
    assert_eq!(SharedAccessKey::from_bytes(&[]).err(), Some(SasError::Empty));
}

#[test]
fn every_smaller_buffer_is_refused_with_a_size_that_is_enough() {
    let key = SharedAccessKey::from_base64(KEY).unwrap();
    let identity = Identity::device("contoso.azure-devices.net", "dev1");
    let mut room = [0; 256];
    let len = key.token(&identity, EXPIRY, Some("device"), &mut room).unwrap().len();
    let needed = identity.token_capacity(Some("device"));
    assert!(needed >= len);
    for size in 0..len {
        let mut small = vec![0; size];
        assert_eq!(
            key.token(&identity, EXPIRY, Some("device"), &mut small),
            Err(CapacityError::BufferTooSmall { needed })
        );
    }
    let mut exact = vec![0; len];
    assert!(key.token(&identity, EXPIRY, Some("device"), &mut exact).is_ok());
}

#[test]
fn a_derived_key_signs_as_its_text_does() {
    let group = SharedAccessKey::from_base64(KEY).unwrap();
    let mut room = [0; SharedAccessKey::DERIVED_LEN];
    let mut w = Writer::new(&mut room);
    group.put_device_key(&mut w, "reg-001");
    let text = w.finish().unwrap();
    assert_eq!(text, b"/OIz5aluR4ThnTycFAG+c+xKzx8Hd+4p3Dv9OkbUSGc=");
    let stored = SharedAccessKey::from_base64(core::str::from_utf8(text).unwrap()).unwrap();
    assert_eq!(stored.sign(b"x"), group.derive_device_key("reg-001").sign(b"x"));
}

#[test]
fn debug_does_not_show_the_key() {
    let key = SharedAccessKey::from_bytes(&[0xA5; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "SharedAccessKey(***)");
}

proptest! {
    #[test]
    fn signs_as_the_hmac_crate_does(
        key in proptest::collection::vec(any::<u8>(), 1..=SharedAccessKey::MAX_LEN),
        message in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut oracle = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        Mac::update(&mut oracle, &message);
        let expected: [u8; 32] = oracle.finalize().into_bytes().into();
        prop_assert_eq!(SharedAccessKey::from_bytes(&key).unwrap().sign(&message), expected);
    }
}
