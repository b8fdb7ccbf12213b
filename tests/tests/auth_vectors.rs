//! Runs the vectors of identities, SAS tokens and connection strings. C and Python run the same files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iothub_proto::auth::{
    ConnectionString, ConnectionStringError, Credential, Identity, Resource, SasError, SharedAccessKey,
    put_string_to_sign, put_token,
};
use iothub_proto::error::UsageError;
use iothub_proto::time::UnixSeconds;
use iothub_proto::wire::Writer;
use serde_json::{Value, json};

fn vectors(file: &str) -> Value {
    let path = format!("{}/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The vectors of a list, at least `least` of them: a list that was emptied by mistake is no success.
fn list<'v>(file: &'v Value, name: &str, least: usize) -> &'v Vec<Value> {
    let list = file[name].as_array().unwrap_or_else(|| panic!("no list '{name}'"));
    assert!(list.len() >= least, "only {} vectors in '{name}'", list.len());
    list
}

fn text<'v>(vector: &'v Value, field: &str) -> &'v str {
    vector[field].as_str().unwrap_or_else(|| panic!("no text '{field}' in {vector}"))
}

/// What `put` writes.
fn written(put: impl Fn(&mut Writer<'_>)) -> String {
    let mut w = Writer::new(&mut []);
    put(&mut w);
    let mut room = vec![0; w.len()];
    let mut w = Writer::new(&mut room);
    put(&mut w);
    String::from_utf8(w.finish().expect("counted before").to_vec()).expect("ids and encoded texts are UTF-8")
}

fn resource(vector: &Value) -> Resource<'_> {
    match text(vector, "kind") {
        "hub" => Resource::Hub { host_name: text(vector, "host_name") },
        "device" => Identity::device(text(vector, "host_name"), text(vector, "device_id")).resource(),
        "module" => {
            Identity::module(text(vector, "host_name"), text(vector, "device_id"), text(vector, "module_id")).resource()
        }
        "registration" => Resource::Registration {
            id_scope: text(vector, "id_scope"),
            registration_id: text(vector, "registration_id"),
        },
        "encoded" => Resource::Encoded(text(vector, "uri")),
        kind => panic!("unknown kind of resource '{kind}'"),
    }
}

#[test]
fn tokens() {
    for vector in list(&vectors("sas.json"), "tokens", 27) {
        let name = text(vector, "name");
        let key = SharedAccessKey::from_base64(text(vector, "key")).expect(name);
        let resource = resource(&vector["resource"]);
        let expiry = UnixSeconds(u32::try_from(vector["expiry"].as_u64().expect(name)).expect(name));
        let key_name = vector["key_name"].as_str();

        let to_sign = written(|w| put_string_to_sign(w, &resource, expiry));
        assert_eq!(to_sign, text(vector, "string_to_sign"), "{name}");
        let signature = key.sign(to_sign.as_bytes());
        assert_eq!(STANDARD.encode(signature), text(vector, "signature"), "{name}");

        // In two steps, as an external signer does, and in one.
        assert_eq!(written(|w| put_token(w, &resource, &signature, expiry, key_name)), text(vector, "token"), "{name}");
        let mut room = vec![0; resource.token_capacity(key_name)];
        assert_eq!(key.token_for(&resource, expiry, key_name, &mut room), Ok(text(vector, "token")), "{name}");
    }
}

#[test]
fn an_identity_signs_for_its_own_resource() {
    let key = SharedAccessKey::from_bytes(b"password").expect("not empty");
    let expiry = UnixSeconds(1);
    for vector in list(&vectors("identity.json"), "good", 6) {
        let identity = identity(&vector["identity"]);
        let resource = Resource::Encoded(text(vector, "resource_uri"));
        let mut room = vec![0; identity.token_capacity(Some("device"))];
        let token = key.token(&identity, expiry, Some("device"), &mut room).map(str::to_owned);
        assert_eq!(token.as_deref(), key.token_for(&resource, expiry, Some("device"), &mut room).as_deref());
    }
}

#[test]
fn signatures() {
    for vector in list(&vectors("sas.json"), "signatures", 1) {
        let key = SharedAccessKey::from_base64(text(vector, "key")).expect("a good key");
        let signature = key.sign(text(vector, "message").as_bytes());
        assert_eq!(STANDARD.encode(signature), text(vector, "signature"));
    }
}

#[test]
fn derived_keys() {
    for vector in list(&vectors("sas.json"), "derived_keys", 4) {
        let group = SharedAccessKey::from_base64(text(vector, "group_key")).expect("a good key");
        let (id, expected) = (text(vector, "registration_id"), text(vector, "device_key"));
        assert_eq!(written(|w| group.put_device_key(w, id)), expected);
        let stored = SharedAccessKey::from_base64(expected).expect("a good key");
        assert_eq!(group.derive_device_key(id).sign(b"message"), stored.sign(b"message"));
    }
}

#[test]
fn bad_keys() {
    for vector in list(&vectors("sas.json"), "bad_keys", 5) {
        let error = match SharedAccessKey::from_base64(text(vector, "key")) {
            Err(SasError::Empty) => json!({ "error": "Empty" }),
            Err(SasError::BadBase64 { at }) => json!({ "error": "BadBase64", "at": at }),
            Err(SasError::TooLong { len }) => json!({ "error": "TooLong", "len": len }),
            other => panic!("{}: {other:?}", vector["name"]),
        };
        assert_refused(vector, &["key"], error);
    }
}

/// That `error`, with the name and the input of the vector, is all of the vector.
fn assert_refused(vector: &Value, input: &[&str], mut error: Value) {
    for field in input.iter().chain(&["name"]) {
        error[*field] = vector[*field].clone();
    }
    assert_eq!(&error, vector);
}

fn identity(vector: &Value) -> Identity<'_> {
    let mut identity = Identity::device(text(vector, "host_name"), text(vector, "device_id"));
    identity.module_id = vector["module_id"].as_str();
    if let Some(api_version) = vector["api_version"].as_str() {
        identity = identity.with_api_version(api_version);
    }
    if let Some(product) = vector["product"].as_str() {
        identity = identity.with_product(product);
    }
    if let Some(model_id) = vector["model_id"].as_str() {
        identity = identity.with_model_id(model_id);
    }
    identity
}

#[test]
fn identities() {
    for vector in list(&vectors("identity.json"), "good", 6) {
        let identity = identity(&vector["identity"]);
        assert_eq!(identity.check(), Ok(()), "{}", vector["name"]);
        assert_eq!(written(|w| identity.put_client_id(w)), text(vector, "client_id"));
        assert_eq!(written(|w| identity.put_user_name(w)), text(vector, "user_name"));
        assert_eq!(written(|w| identity.put_resource_uri(w)), text(vector, "resource_uri"));
    }
}

#[test]
fn bad_identities() {
    for vector in list(&vectors("identity.json"), "bad", 22) {
        match identity(&vector["identity"]).check() {
            Err(UsageError::BadText { field, at }) => {
                assert_refused(vector, &["identity"], json!({ "field": format!("{field:?}"), "at": at }));
            }
            other => panic!("{}: {other:?}", vector["name"]),
        }
    }
}

#[test]
fn connection_strings() {
    for vector in list(&vectors("connection_strings.json"), "good", 22) {
        let parsed = ConnectionString::parse(text(vector, "text")).unwrap_or_else(|error| panic!("{vector}: {error}"));
        let identity = parsed.identity();
        let credential = match parsed.credential() {
            Credential::Key { key, name } => json!({ "kind": "key", "key": key, "name": name }),
            Credential::Token(token) => json!({ "kind": "token", "token": token }),
            Credential::X509 => json!({ "kind": "x509" }),
        };
        let seen = json!({
            "name": vector["name"],
            "text": vector["text"],
            "host_name": identity.host_name,
            "device_id": identity.device_id,
            "module_id": identity.module_id,
            "connect_host": parsed.connect_host(),
            "credential": credential,
            "unknown_keys": parsed.unknown_keys().collect::<Vec<_>>(),
        });
        assert_eq!(&seen, vector);
    }
}

#[test]
fn bad_connection_strings() {
    use ConnectionStringError as E;
    for vector in list(&vectors("connection_strings.json"), "bad", 44) {
        let error = ConnectionString::parse(text(vector, "text")).expect_err(text(vector, "name"));
        let seen = match error {
            E::Missing(key) => json!({ "error": "Missing", "key": key.name() }),
            E::Duplicate(key) => json!({ "error": "Duplicate", "key": key.name() }),
            E::Empty(key) => json!({ "error": "Empty", "key": key.name() }),
            E::BadValue(key) => json!({ "error": "BadValue", "key": key.name() }),
            E::Unsupported(key) => json!({ "error": "Unsupported", "key": key.name() }),
            E::BadBase64 { at } => json!({ "error": "BadBase64", "at": at }),
            E::BadSegment { at } => json!({ "error": "BadSegment", "at": at }),
            E::BadCharacter { at } => json!({ "error": "BadCharacter", "at": at }),
            E::TwoCredentials => json!({ "error": "TwoCredentials" }),
            E::NoCredential => json!({ "error": "NoCredential" }),
            other => panic!("{}: {other:?}", vector["name"]),
        };
        assert_refused(vector, &["text"], seen);
    }
}
