//! Percent-encoding, property bags and topic filters, as the hub reads and writes them.

/// A property's name, and its value unless the sender wrote the bare name (then it is null).
pub type Property = (String, Option<String>);

/// What a subscription of the documented set asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Feature {
    /// Cloud-to-device messages.
    Messages,
    /// Answers to twin requests.
    TwinResponses,
    /// Changes of the desired properties.
    DesiredProperties,
    /// Direct methods.
    Methods,
    /// Messages routed to a module's inputs.
    Inputs,
}

/// `devices/{device}` or `devices/{device}/modules/{module}` for a client id.
#[must_use]
pub fn resource(client_id: &str) -> String {
    match client_id.split_once('/') {
        Some((device, module)) => format!("devices/{device}/modules/{module}"),
        None => format!("devices/{client_id}"),
    }
}

/// The feature behind a topic filter, or `None` if the hub does not offer it to this client.
#[must_use]
pub fn feature(client_id: &str, filter: &str) -> Option<Feature> {
    match filter {
        "$iothub/twin/res/#" => return Some(Feature::TwinResponses),
        "$iothub/twin/PATCH/properties/desired/#" => return Some(Feature::DesiredProperties),
        "$iothub/methods/POST/#" => return Some(Feature::Methods),
        "devices/+/messages/devicebound/#" => return Some(Feature::Messages),
        _ => {}
    }
    match filter.strip_prefix(&resource(client_id))? {
        "/messages/devicebound/#" => Some(Feature::Messages),
        "/#" | "/inputs/#" if client_id.contains('/') => Some(Feature::Inputs),
        _ => None,
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters, with upper-case hexadecimal digits.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Undoes percent-encoding; `None` for a broken escape or a result that is not UTF-8.
#[must_use]
pub fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push(u8::try_from(high << 4 | low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// Reads the property bag of a telemetry topic.
///
/// One leading `?` and one trailing `/` are tolerated, as SDKs send them. Raw reserved characters are not: the
/// hub closes the connection over them.
pub fn parse_bag(bag: &str) -> Result<Vec<Property>, &'static str> {
    let bag = bag.strip_prefix('?').unwrap_or(bag);
    let bag = bag.strip_suffix('/').unwrap_or(bag);
    if bag.is_empty() {
        return Ok(Vec::new());
    }
    let raw = |c: char| c.is_ascii_alphanumeric() || "-._~!'()*$%&=".contains(c);
    if !bag.chars().all(raw) {
        return Err("raw reserved character in the property bag");
    }
    let decode = |text: &str| percent_decode(text).ok_or("broken percent-encoding in the property bag");
    let pair = |pair: &str| match pair.split_once('=') {
        Some((_, value)) if value.contains('=') => Err("raw '=' in a property value"),
        Some(("", _)) => Err("property without a name"),
        Some((name, value)) => Ok((decode(name)?, Some(decode(value)?))),
        None if pair.is_empty() => Err("empty property"),
        None => Ok((decode(pair)?, None)),
    };
    bag.split('&').map(pair).collect()
}

/// Reads the bag of a `$iothub` topic: pairs split at `&` and `=`, values taken as they stand.
pub fn parse_request_bag(bag: &str) -> Result<Vec<(&str, &str)>, &'static str> {
    let bag = bag.strip_prefix('?').ok_or("request topic without a '?'")?;
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for pair in bag.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err("duplicate name in a request topic");
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// Writes a property bag that every SDK can read: each pair with one `=`, everything reserved encoded.
#[must_use]
pub fn write_bag<'a>(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<String> = properties
        .into_iter()
        .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
        .collect();
    pairs.join("&")
}
