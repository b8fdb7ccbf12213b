//! Any text as a connection string, and tokens signed with a key of any bytes.
//!
//! The text is read a second time by splitting it naively; tokens are made a second time with the crates `base64` and
//! `hmac`.

use crate::plant::{Plant, planted};
use arbitrary::Unstructured;
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use iothub_proto::auth::{ConnectionString, Credential, Identity, SasError, SharedAccessKey};
use iothub_proto::error::CapacityError;
use iothub_proto::time::UnixSeconds;
use iothub_tests::hub::topic::percent_encode;

/// Reads `data` as a connection string, and signs with it.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parsed = ConnectionString::parse(&text);
    let naive = read(&text);
    match (&parsed, naive) {
        (Ok(parsed), Some(naive)) => agree(parsed, &naive),
        (Err(error), None) => {
            let told = format!("{error} {error:?}");
            assert!(told.len() < 200, "an error shows nothing of the text: {told}");
        }
        (parsed, naive) => panic!("{parsed:?}, naively {naive:?}"),
    }
    key(&text);
    let mut input = Unstructured::new(data);
    // It fails only by lack of bytes.
    let _ = token(&mut input);
}

/// The fields that are set, by name in lower case.
#[derive(Debug, Default)]
struct Naive<'t>(Vec<(String, &'t str)>);

impl<'t> Naive<'t> {
    fn get(&self, name: &str) -> Option<&'t str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

const KEYS: [&str; 9] = [
    "hostname",
    "deviceid",
    "moduleid",
    "sharedaccesskey",
    "sharedaccesskeyname",
    "sharedaccesssignature",
    "gatewayhostname",
    "x509",
    "useprovisioning",
];
/// As documented, unused bits of the last digit may be set: the service takes keys that were made up by hand.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

const TOKEN: &str = "SharedAccessSignature ";

fn read(text: &str) -> Option<Naive<'_>> {
    let mut naive = Naive::default();
    for segment in text.trim_ascii().split(';').filter(|segment| !segment.is_empty()) {
        let (name, value) = segment.split_once('=').filter(|(name, _)| !name.is_empty())?;
        let mut key = name.to_ascii_lowercase();
        if key == "x509cert" {
            key = "x509".to_owned();
        }
        let is_token = key == "sharedaccesssignature";
        let plain = if is_token { value.strip_prefix(TOKEN).unwrap_or(value) } else { value };
        if !(name.to_owned() + plain).bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') {
            return None;
        }
        if !KEYS.contains(&key.as_str()) {
            continue;
        }
        if value.is_empty() || is_token && !value.starts_with(TOKEN) {
            return None;
        }
        if naive.get(&key).is_some() {
            if planted(Plant::LaxKey) {
                continue;
            }
            return None;
        }
        let is_switch = key == "x509" || key == "useprovisioning";
        if is_switch && !["true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word)) {
            return None;
        }
        if key == "sharedaccesskey" && LENIENT.decode(value).is_err() {
            return None;
        }
        naive.0.push((key, value));
    }
    let credentials = [naive.get("sharedaccesskey"), naive.get("sharedaccesssignature")].into_iter().flatten().count()
        + usize::from(naive.is_true("x509"));
    let complete = naive.get("hostname").is_some() && naive.get("deviceid").is_some();
    (credentials == 1 && complete && !naive.is_true("useprovisioning")).then_some(naive)
}

fn agree(parsed: &ConnectionString<'_>, naive: &Naive<'_>) {
    let identity = parsed.identity();
    assert_eq!(Some(identity.host_name), naive.get("hostname"));
    assert_eq!(Some(identity.device_id), naive.get("deviceid"));
    assert_eq!(identity.module_id, naive.get("moduleid"));
    assert_eq!(Some(parsed.connect_host()), naive.get("gatewayhostname").or(naive.get("hostname")));
    let credential = match naive.get("sharedaccesskey") {
        Some(key) => Credential::Key { key, name: naive.get("sharedaccesskeyname") },
        None => naive.get("sharedaccesssignature").map_or(Credential::X509, Credential::Token),
    };
    assert_eq!(parsed.credential(), credential);
    for name in parsed.unknown_keys() {
        let name = name.to_ascii_lowercase();
        assert!(!KEYS.contains(&name.as_str()) && name != "x509cert");
    }
    // Put together again it says the same, and with another secret it shows the same.
    let text = together(naive, "sharedaccesskey", "");
    let again = ConnectionString::parse(&text).expect("as good as it was");
    assert_eq!((again.identity(), again.credential()), (identity, credential));
    for (secret, other) in [("sharedaccesskey", "AAECAw=="), ("sharedaccesssignature", "SharedAccessSignature sr=x")] {
        if naive.get(secret).is_some() {
            let other = together(naive, secret, other);
            let other = ConnectionString::parse(&other).expect("as good as it was");
            let mut shown = format!("{again:?} {credential:?}");
            if planted(Plant::Secret) {
                shown += naive.get(secret).unwrap_or_default();
            }
            assert_eq!(shown, format!("{other:?} {:?}", other.credential()), "a secret is seen");
        }
    }
}

/// The fields as a text, one of them replaced unless the replacement is empty.
fn together(naive: &Naive<'_>, replaced: &str, by: &str) -> String {
    let value =
        |name: &str, value| if name == replaced && !by.is_empty() { by.to_owned() } else { String::from(value) };
    naive.0.iter().map(|(name, text)| format!("{name}={};", value(name, *text))).collect()
}

/// A key is base64 as another crate reads it.
fn key(text: &str) {
    let key = SharedAccessKey::from_base64(text);
    let padded = if planted(Plant::Base64) { text.trim_end_matches('=').to_owned() + "=" } else { text.to_owned() };
    match (key, LENIENT.decode(padded)) {
        (Ok(key), Ok(bytes)) => {
            let same = SharedAccessKey::from_bytes(&bytes).expect("of a good length");
            assert_eq!(key.sign(b"message"), same.sign(b"message"));
            assert!(format!("{key:?}").len() < 30, "nothing of it is shown");
        }
        (Err(SasError::Empty), Ok(bytes)) => assert!(bytes.is_empty()),
        (Err(SasError::TooLong { len }), Ok(bytes)) => assert!(len == bytes.len() && len > SharedAccessKey::MAX_LEN),
        (Err(SasError::BadBase64 { at }), Err(_)) => assert!(at <= text.len()),
        (key, other) => panic!("{key:?} of {text:?}, in another's words {other:?}"),
    }
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// A token is what the service's documentation says, and as long as was told before.
fn token(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let (bytes, expiry): (&[u8], u32) = input.arbitrary()?;
    let (device_id, module_id, name): (&str, Option<&str>, Option<&str>) = input.arbitrary()?;
    let Ok(key) = SharedAccessKey::from_bytes(bytes) else {
        assert!(bytes.is_empty() || bytes.len() > SharedAccessKey::MAX_LEN);
        return Ok(());
    };
    let mut identity = Identity::device("contoso.azure-devices.net", device_id);
    identity.module_id = module_id;

    let module = module_id.map(|id| format!("/modules/{id}")).unwrap_or_default();
    let resource = percent_encode(&format!("contoso.azure-devices.net/devices/{device_id}{module}"));
    let signed = if planted(Plant::Token) { u64::from(expiry) + 1 } else { expiry.into() };
    let signature = percent_encode(&STANDARD.encode(hmac(bytes, format!("{resource}\n{signed}").as_bytes())));
    let name_pair = name.map(|name| format!("&skn={}", percent_encode(name))).unwrap_or_default();
    let expected = format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}{name_pair}");

    let capacity = identity.token_capacity(name);
    let mut room = vec![0; capacity];
    assert_eq!(key.token(&identity, UnixSeconds(expiry), name, &mut room), Ok(expected.as_str()));
    let short = &mut room[..expected.len() - 1];
    let too_small = CapacityError::BufferTooSmall { needed: capacity };
    assert_eq!(key.token(&identity, UnixSeconds(expiry), name, short), Err(too_small));
    let registration: Vec<u8> = hmac(bytes, device_id.as_bytes());
    let derived = key.derive_device_key(device_id);
    assert_eq!(derived.sign(b"m").to_vec(), hmac(&registration, b"m"));
    Ok(())
}
