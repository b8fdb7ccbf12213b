//! Device twins: documents, requests and notifications.

use serde_json::{Map, Value, json};

use super::{
    CloseReason, ConnId, Hub, codec,
    topic::{Feature, parse_request_bag},
};

/// Largest section, counted as the hub counts it.
const MAX_SECTION: usize = 32 * 1024;
const MAX_KEY: usize = 1024;
const MAX_STRING: usize = 4096;
const MAX_DEPTH: usize = 10;
const INTEGERS: core::ops::RangeInclusive<i64> = -4_503_599_627_370_496..=4_503_599_627_370_495;

/// One half of a twin.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Section {
    values: Map<String, Value>,
    version: u64,
}

impl Default for Section {
    fn default() -> Self {
        Self { values: Map::new(), version: 1 }
    }
}

impl Section {
    /// The values with `$version` among them.
    fn document(&self) -> Value {
        let mut values = self.values.clone();
        values.insert("$version".to_owned(), self.version.into());
        Value::Object(values)
    }

    /// Applies a merge patch, or says why it breaks the rules; then nothing has changed.
    fn patch(&mut self, patch: &Value) -> Result<(), &'static str> {
        let Value::Object(changes) = patch else { return Err("The patch is no JSON object") };
        check(patch, 0)?;
        let mut values = self.values.clone();
        merge(&mut values, changes);
        if values.iter().map(|(key, value)| key.len() + size(value)).sum::<usize>() > MAX_SECTION {
            return Err("The section is larger than 32 KB");
        }
        self.values = values;
        self.version += 1;
        Ok(())
    }
}

/// A device's desired and reported properties.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Twin {
    desired: Section,
    reported: Section,
}

fn merge(values: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (key, change) in changes {
        match (change, values.get_mut(key)) {
            (Value::Null, _) => drop(values.remove(key)),
            (Value::Object(changes), Some(Value::Object(inner))) => merge(inner, changes),
            (Value::Object(changes), _) => {
                let mut inner = Map::new();
                merge(&mut inner, changes);
                values.insert(key.clone(), Value::Object(inner));
            }
            _ => drop(values.insert(key.clone(), change.clone())),
        }
    }
}

/// The rules for names and values. Null is not checked for: in a patch it deletes.
fn check(value: &Value, depth: usize) -> Result<(), &'static str> {
    match value {
        Value::Object(_) | Value::Array(_) if depth > MAX_DEPTH => Err("Nested deeper than 10 levels"),
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
            if key.is_empty() || key.len() > MAX_KEY {
                return Err("A name is empty or longer than 1 KB");
            }
            if key.contains(|c: char| c.is_control() || ".$ ".contains(c)) {
                return Err("A name has a control character, '.', '$' or a space");
            }
            check(value, depth + 1)
        }),
        Value::Array(items) => items.iter().try_for_each(|item| check(item, depth + 1)),
        Value::String(text) if text.len() > MAX_STRING => Err("A string is longer than 4 KB"),
        Value::Number(number) if number.is_u64() || number.is_i64() => {
            let inside = number.as_i64().is_some_and(|number| INTEGERS.contains(&number));
            if inside { Ok(()) } else { Err("An integer is out of range") }
        }
        _ => Ok(()),
    }
}

/// Numbers count as 8 bytes and booleans as 4, whatever their text.
fn size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + size(value)).sum(),
    }
}

/// The answer to a twin request.
struct Answer {
    status: u16,
    version: Option<u64>,
    body: Vec<u8>,
}

impl Answer {
    fn error(status: u16, message: &str) -> Self {
        let body = json!({
            "errorCode": u32::from(status) * 1_000,
            "trackingId": "simulated",
            "message": message,
            "timestampUtc": "2026-01-01T00:00:00Z",
            "info": null,
        });
        Self { status, version: None, body: body.to_string().into_bytes() }
    }
}

impl Hub {
    /// A publish to `$iothub/twin/…`; `rest` is what follows.
    pub(super) fn on_twin_request(
        &mut self,
        conn: ConnId,
        rest: &str,
        payload: &[u8],
        packet_id: Option<u16>,
    ) -> Result<(), CloseReason> {
        let (is_get, bag) = match (rest.strip_prefix("GET/"), rest.strip_prefix("PATCH/properties/reported/")) {
            (Some(bag), _) => (true, bag),
            (_, Some(bag)) => (false, bag),
            _ => return Err(CloseReason::Violation("twin operation that the hub does not know")),
        };
        let bag = parse_request_bag(bag).map_err(CloseReason::Violation)?;
        let find = |wanted: &str| bag.iter().find(|(name, _)| *name == wanted).map(|&(_, value)| value);
        let rid = find("$rid").filter(|rid| !rid.is_empty());
        let expected = find("$version").map(str::parse::<u64>).transpose();
        let expected = expected.map_err(|_| CloseReason::Violation("$version that is no number"))?;
        if is_get && rid.is_none() {
            return Err(CloseReason::Violation("twin GET without $rid"));
        }
        self.acknowledge(conn, packet_id);

        let client_id = self.client_id(conn);
        let answer = match self.faults.twin_statuses.pop_front() {
            Some(status) if status >= 300 => Answer::error(status, "Simulated failure"),
            Some(status) => Answer { status, version: None, body: Vec::new() },
            None if is_get => {
                Answer { status: 200, version: None, body: self.twin(&client_id).to_string().into_bytes() }
            }
            None => self.report(&client_id, payload, expected),
        };
        if let Some(rid) = rid {
            let version = answer.version.map(|version| format!("&$version={version}")).unwrap_or_default();
            let topic = format!("$iothub/twin/res/{}/?$rid={rid}{version}", answer.status);
            let qos = self.config.notification_qos;
            self.publish_to(&client_id, Feature::TwinResponses, qos, (topic, &answer.body), None);
        }
        Ok(())
    }

    fn report(&mut self, client_id: &str, payload: &[u8], expected: Option<u64>) -> Answer {
        let Some(entry) = self.entries.get_mut(client_id) else { return Answer::error(404, "No such device") };
        let reported = &mut entry.twin.reported;
        if expected.is_some_and(|expected| expected != reported.version) {
            return Answer::error(412, "Precondition failed");
        }
        let patched = serde_json::from_slice(payload).map_err(|_| "The patch is no JSON");
        match patched.and_then(|patch| reported.patch(&patch)) {
            Ok(()) => Answer { status: 204, version: Some(reported.version), body: Vec::new() },
            Err(message) => Answer::error(400, message),
        }
    }

    /// The twin as a GET shows it; null for an unknown client.
    #[must_use]
    pub fn twin(&self, client_id: &str) -> Value {
        let twin = self.entries.get(client_id).map(|entry| &entry.twin);
        twin.map_or(
            Value::Null,
            |twin| json!({ "desired": twin.desired.document(), "reported": twin.reported.document() }),
        )
    }

    /// The version of the desired properties; 0 for an unknown client.
    #[must_use]
    pub fn desired_version(&self, client_id: &str) -> u64 {
        self.entries.get(client_id).map_or(0, |entry| entry.twin.desired.version)
    }

    /// Changes desired properties by a merge patch, and tells the client if it is connected and subscribed.
    /// Gives the new `$version`.
    ///
    /// # Errors
    /// The client is not registered, or the patch breaks the rules.
    pub fn patch_desired(&mut self, client_id: &str, patch: &Value) -> Result<u64, &'static str> {
        let entry = self.entries.get_mut(client_id).ok_or("No such device")?;
        entry.twin.desired.patch(patch)?;
        let version = entry.twin.desired.version;
        let mut body = patch.clone();
        body["$version"] = version.into();
        let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
        let body = body.to_string();
        if let Some(delay) = self.faults.patch_delays.pop_front() {
            let conn = self.granted(client_id, Feature::DesiredProperties).and_then(|_| self.connection(client_id));
            if let Some(connection) = conn.and_then(|conn| self.conns.get_mut(&conn)) {
                connection.send_late(self.now, delay, codec::publish_packet(&topic, body.as_bytes(), false, None));
            }
            return Ok(version);
        }
        let qos = self.config.notification_qos;
        self.publish_to(client_id, Feature::DesiredProperties, qos, (topic, body.as_bytes()), None);
        Ok(version)
    }

    /// Empties the twin and starts its versions again, as when a device is deleted and created anew.
    pub fn reset_twin(&mut self, client_id: &str) {
        if let Some(entry) = self.entries.get_mut(client_id) {
            entry.twin = Twin::default();
        }
    }
}
