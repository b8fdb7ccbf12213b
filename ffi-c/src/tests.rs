//! Numbers of the interface against the machine's enums, which are read from its source: what is added there must be
//! named here. And what a panic does.

use crate::status::{iothub_status_str, status_of};
use crate::types::iothub_client;
use crate::{client, config, error::iothub_error, guard, state, status, translate, types};
use core::mem::{MaybeUninit, size_of};
use core::ptr::null_mut;
use iothub_proto::auth::ConnectionStringError;
use iothub_proto::error::{CapacityError, ConnectRefusal, Error, PeerError, TimeoutReason, UsageError};
use iothub_proto::error::{Field, PatchRule, Setting, Violation};
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs;
use std::path::Path;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{env, format};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// `BadQos` as `BAD_QOS`.
fn shout(name: &str) -> String {
    let mut out = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && at > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// The variants of `enum name`, or the fields of `struct name`, in the machine's `file`.
fn members(file: &str, name: &str) -> Vec<String> {
    let source = read(&format!("../core/src/{file}"));
    let start = source.find(&format!("pub enum {name}")).unwrap_or_else(|| panic!("no {name} in {file}"));
    let body = &source[start + source[start..].find("{\n").unwrap() + 2..];
    let body = &body[..body.find("\n}\n").unwrap()];
    let own = body.lines().filter_map(|line| line.strip_prefix("    "));
    let own = own.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    own.map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_string()).collect()
}

/// Every constant of the interface.
fn constants() -> BTreeMap<String, i64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in source.lines().filter_map(|line| line.strip_prefix("pub const IOTHUB_")) {
            let (name, rest) = line.split_once(": ").unwrap();
            let value = rest.split_once("= ").unwrap().1.trim_end_matches(';');
            if let Ok(value) = value.parse() {
                found.insert(name.to_string(), value);
            }
        }
    }
    found
}

/// The variants count as their numbers do, from `first` by `step`.
fn counts(file: &str, name: &str, prefix: &str, first: i64, step: i64) {
    let constants = constants();
    let members = members(file, name);
    assert!(!members.is_empty());
    for (at, member) in (0..).zip(&members) {
        let constant = format!("{prefix}{}", shout(member));
        assert_eq!(constants.get(&constant), Some(&(first + step * at)), "{name}::{member}");
    }
}

#[test]
fn numbers_follow_the_machine() {
    counts("error.rs", "Violation", "ERR_PEER_", -201, -1);
    counts("error.rs", "ConnectRefusal", "ERR_REFUSED_", -301, -1);
    counts("error.rs", "TimeoutReason", "TIMEOUT_", 1, 1);
    counts("error.rs", "Field", "FIELD_", 1, 1);
    counts("error.rs", "Setting", "SETTING_", 1, 1);
    counts("error.rs", "PatchRule", "PATCH_", 1, 1);
    counts("session/state.rs", "State", "STATE_", 0, 1);
    counts("websocket/mod.rs", "State", "WEBSOCKET_", 0, 1);
    counts("error/websocket.rs", "WebSocketViolation", "VIOLATION_", 1, 1);
    counts("session/ending.rs", "LastSent", "SENT_", 1, 1);
    counts("session/ending.rs", "DisconnectReason", "DISCONNECT_", 1, 1);
    counts("session/queue.rs", "Withdrawn", "WITHDRAWN_", 1, 1);
    counts("event.rs", "Event", "EVENT_", 1, 1);
    counts("event/stream.rs", "StreamSource", "STREAM_", 1, 1);
    counts("event/stream.rs", "StreamEnd", "STREAM_", 1, 1);
    counts("event.rs", "RequestError", "REQUEST_", 1, 1);
    counts("retry.rs", "RetryCause", "RETRY_", 1, 1);
    counts("auth/sas.rs", "Resource", "RESOURCE_", 1, 1);
    counts("auth/connection_string.rs", "ConnectionStringKey", "KEY_", 1, 1);
    // Fatal deadlines come first, and have statuses too.
    let constants = constants();
    let statuses = constants.iter().filter(|(name, _)| name.starts_with("ERR_TIMED_OUT_"));
    let statuses = statuses.filter(|(name, _)| *name != "ERR_TIMED_OUT_WEBSOCKET");
    for (name, value) in statuses {
        assert_eq!(constants[&name.replace("ERR_TIMED_OUT_", "TIMEOUT_")], -400 - value, "{name}");
    }
    // The system properties are listed in a macro.
    let source = read("../core/src/topic/properties/system.rs");
    let list = &source[source.find("\nsystem_properties! {").unwrap()..];
    let fields = list.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(" = \"").map(|(name, _)| name));
    for (at, field) in (1..).zip(fields) {
        assert_eq!(constants.get(&format!("SYSTEM_{}", field.to_ascii_uppercase())), Some(&at), "{field}");
    }
    assert_eq!(constants["SYSTEM_OPERATION"], 18);
}

#[test]
fn every_error_has_its_status() {
    let of = |error: Error| status_of(&error);
    let peer = |kind| of(PeerError { kind, packet: 0x30, offset: 1 }.into());
    assert_eq!(peer(Violation::ForbiddenType), status::IOTHUB_ERR_PEER_FORBIDDEN_TYPE);
    assert_eq!(peer(Violation::WrongAck), status::IOTHUB_ERR_PEER_WRONG_ACK);
    assert_eq!(of(Error::Refused(ConnectRefusal::ProtocolVersion)), status::IOTHUB_ERR_REFUSED_PROTOCOL_VERSION);
    assert_eq!(of(Error::Refused(ConnectRefusal::NotAuthorized)), status::IOTHUB_ERR_REFUSED_NOT_AUTHORIZED);
    assert_eq!(of(Error::TimedOut(TimeoutReason::Connack)), status::IOTHUB_ERR_TIMED_OUT_CONNACK);
    assert_eq!(of(Error::TimedOut(TimeoutReason::Send)), status::IOTHUB_ERR_TIMED_OUT_SEND);
    assert_eq!(of(Error::TimedOut(TimeoutReason::Supply)), status::IOTHUB_ERR_TIMED_OUT_SUPPLY);
    assert_eq!(state::reason(TimeoutReason::Request), state::IOTHUB_TIMEOUT_REQUEST);
    assert_eq!(translate::last_sent(iothub_proto::event::LastSent::MethodAnswer), 7);

    let mut usage: Vec<Error> = [
        UsageError::BadInstant,
        UsageError::InvalidState,
        UsageError::Stale,
        UsageError::NotSubscribed,
        UsageError::BadConfirm { lent: 1, confirmed: 2 },
        UsageError::RxTooSmall { capacity: 1, needed: 2 },
        UsageError::TopicTooLong { len: 1 },
        UsageError::MessageTooLarge { len: 1, limit: 2 },
        UsageError::BadText { field: Field::HostName, at: 3 },
        UsageError::BadPatch(PatchRule::Json),
        UsageError::WrongIdentity,
        UsageError::BadSetting(Setting::KeepAlive),
    ]
    .map(Error::from)
    .to_vec();
    usage.extend(
        [
            CapacityError::TxFull { needed: 2, free: 1 },
            CapacityError::TooLarge { needed: 2, capacity: 1 },
            CapacityError::SlotsFull,
            CapacityError::BufferTooSmall { needed: 2 },
        ]
        .map(Error::from),
    );
    let constants = constants();
    let names = [members("error.rs", "UsageError"), members("error.rs", "CapacityError")].concat();
    assert_eq!(names.len(), usage.len());
    for (name, error) in names.iter().zip(usage) {
        assert_eq!(constants.get(&format!("ERR_{}", shout(name))), Some(&of(error).into()), "{name}");
    }
    // Connection strings have their own words; the shared vectors go through all of them.
    assert_eq!(members("auth/connection_string.rs", "ConnectionStringError").len(), 10);
    assert_eq!(
        crate::auth::wrong_string(&ConnectionStringError::NoCredential).status,
        status::IOTHUB_ERR_STRING_NO_CREDENTIAL
    );
    #[cfg(feature = "sas")]
    assert_eq!(members("auth/key.rs", "SasError").len(), 3);
}

#[test]
fn details_are_told() {
    let of = |error: Error| iothub_error::from(&error);
    let detail = of(UsageError::BadText { field: Field::ModelId, at: 3 }.into());
    assert_eq!((detail.subject, detail.offset), (crate::error::IOTHUB_FIELD_MODEL_ID, 3));
    let detail = of(CapacityError::TxFull { needed: 20, free: usize::MAX }.into());
    assert_eq!((detail.needed, detail.available), (20, u32::MAX));
    let detail = of(UsageError::BadConfirm { lent: 1, confirmed: 2 }.into());
    assert_eq!((detail.needed, detail.available), (2, 1));
    let detail = of(UsageError::BadSetting(Setting::Inbound).into());
    assert_eq!(detail.subject, crate::error::IOTHUB_SETTING_INBOUND);
    let detail = of(UsageError::BadPatch(PatchRule::NullInArray).into());
    assert_eq!(detail.subject, crate::error::IOTHUB_PATCH_NULL_IN_ARRAY);
    let detail = of(PeerError { kind: Violation::BadQos, packet: 0x36, offset: 9 }.into());
    assert_eq!((detail.subject, detail.offset), (0x36, 9));
}

#[test]
fn every_status_has_words_of_its_own() {
    let mut texts = BTreeMap::new();
    for (name, value) in constants().into_iter().filter(|(name, _)| name == "OK" || name.starts_with("ERR_")) {
        // SAFETY: it ends with NUL.
        let text = unsafe { CStr::from_ptr(iothub_status_str(value as i32)) }.to_str().unwrap().to_string();
        assert!(!text.contains("another version"), "{name}");
        assert_eq!(texts.insert(text, name), None);
    }
    assert!(texts.len() > 60);
}

/// A client that can be called, and its memory.
struct Place {
    client: MaybeUninit<iothub_client>,
    tx: [u8; 1024],
    inbound: [MaybeUninit<types::iothub_inbound>; 2],
}

impl Place {
    fn init(&mut self) {
        let text = types::iothub_str::new;
        let mut settings = MaybeUninit::uninit();
        // SAFETY: everything points to what its type says, and `self` outlives the client.
        unsafe {
            assert_eq!(config::iothub_config_init(settings.as_mut_ptr(), size_of::<config::iothub_config>()), 0);
            let mut settings: config::iothub_config = settings.assume_init();
            (settings.host_name, settings.device_id) = (text("h"), text("d"));
            let storage = config::iothub_storage {
                struct_size: size_of::<config::iothub_storage>() as u32,
                tx: self.tx.as_mut_ptr(),
                tx_len: self.tx.len(),
                slots: null_mut(),
                slots_len: 0,
                inbound: self.inbound.as_mut_ptr().cast(),
                inbound_len: 2,
            };
            let (client, size) = (self.client.as_mut_ptr(), size_of::<iothub_client>());
            assert_eq!(
                client::iothub_client_init(client, size, &raw const settings, &raw const storage, null_mut()),
                0
            );
        }
    }
}

#[test]
fn a_panic_shuts_its_client() {
    let mut place =
        Place { client: MaybeUninit::uninit(), tx: [0; 1024], inbound: [const { MaybeUninit::uninit() }; 2] };
    place.init();
    let client = place.client.as_mut_ptr();
    let hook = std::panic::take_hook();
    std::panic::set_hook(std::boxed::Box::new(|_| {}));
    // SAFETY: a client was made there.
    unsafe {
        assert_eq!(client::iothub_client_handle_eof(client, 1), 0);
        assert_eq!(guard::command(client, |_| panic!("a fault")), status::IOTHUB_ERR_INTERNAL);
        std::panic::set_hook(hook);
        assert_eq!(client::iothub_client_handle_eof(client, 1), status::IOTHUB_ERR_INTERNAL);
        assert_eq!(state::iothub_client_state(client), status::IOTHUB_ERR_INTERNAL);
        assert_eq!(client::iothub_client_deinit(client), status::IOTHUB_ERR_INTERNAL);
    }
    // Its place can be used again.
    place.init();
    // SAFETY: as above.
    unsafe { assert_eq!(client::iothub_client_deinit(place.client.as_mut_ptr()), 0) };
}
