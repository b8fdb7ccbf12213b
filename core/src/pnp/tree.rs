//! Properties as trees of `serde_json`.

use super::{Ack, MARKER};
use alloc::string::String;
use serde_json::{Map, Value, json};

/// The properties of one section of a twin, such as [`TwinReplica::desired`](crate::twin::TwinReplica::desired) or a patch:
/// component, name and value, as [`Properties`](super::Properties) gives them.
///
/// ```
/// use iothub_proto::pnp::properties;
/// use serde_json::json;
/// let patch = json!({ "on": true, "fan": { "__t": "c", "speed": 3 }, "$version": 7 });
/// let found: Vec<_> = properties(patch.as_object().unwrap(), &[]).collect();
/// assert_eq!(found, [(Some("fan"), "speed", &json!(3)), (None, "on", &json!(true))]);
/// ```
pub fn properties<'a>(
    section: &'a Map<String, Value>,
    components: &'a [&'a str],
) -> impl Iterator<Item = (Option<&'a str>, &'a str, &'a Value)> {
    let of_section = section.iter().filter(|(name, _)| !name.starts_with('$'));
    of_section.flat_map(move |(name, value)| {
        let members = value.as_object().filter(|members| {
            components.contains(&name.as_str()) || members.get(MARKER.0).is_some_and(|marker| marker == MARKER.1)
        });
        let own = members.is_none().then_some((None, name.as_str(), value));
        let of_component =
            members.into_iter().flatten().filter(|(name, _)| !name.starts_with('$') && *name != MARKER.0);
        own.into_iter().chain(of_component.map(move |(member, value)| (Some(name.as_str()), member.as_str(), value)))
    })
}

/// What is to be reported of a writable property: `{"ac":…,"av":…,"ad":…,"value":…}`.
///
/// ```
/// use iothub_proto::pnp::{Ack, acknowledgement};
/// use serde_json::json;
/// let ack = Ack { code: Ack::APPLIED, version: 7, description: None };
/// assert_eq!(acknowledgement(21.5.into(), &ack), json!({ "ac": 200, "av": 7, "value": 21.5 }));
/// ```
#[must_use]
pub fn acknowledgement(value: Value, ack: &Ack<'_>) -> Value {
    let Ack { code, version, description } = *ack;
    match description {
        None => json!({ "ac": code, "av": version, "value": value }),
        Some(description) => json!({ "ac": code, "av": version, "ad": description, "value": value }),
    }
}
