//! The end of a `$iothub/` topic: `/?$rid={rid}&$version={version}`.

use super::Properties;

/// What the pairs say. Both values are optional here; who needs one asks for it.
#[derive(Clone, Copy)]
pub(super) struct Query<'i> {
    /// `$rid`, verbatim; not empty.
    pub(super) request_id: Option<&'i str>,
    version: Option<&'i str>,
}

impl<'i> Query<'i> {
    /// Reads `[?{pairs}]`. Another path level before the `?` would name another resource: `None`.
    ///
    /// Names are compared and values given as they stand: the hub escapes neither, and a `$rid` has to go
    /// back verbatim.
    pub(super) fn parse(rest: &'i str) -> Option<Self> {
        if !rest.is_empty() && !rest.starts_with('?') {
            return None;
        }
        let mut query = Self { request_id: None, version: None };
        for pair in Properties::new(rest).iter() {
            let seen = match pair.name.raw() {
                "$rid" => &mut query.request_id,
                "$version" => &mut query.version,
                _ => continue,
            };
            *seen = seen.or(pair.value.map(|value| value.raw()));
        }
        query.request_id = query.request_id.filter(|request_id| !request_id.is_empty());
        Some(query)
    }

    /// `$version`, if it is a number of 64 bits.
    pub(super) fn version(&self) -> Option<u64> {
        decimal(self.version?)
    }

    /// Reads `{head}[/][?{pairs}]`: the head, not empty and up to the first `/` or `?`, and the query.
    pub(super) fn parse_after_head(rest: &'i str) -> Option<(&'i str, Self)> {
        let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'?'))?;
        let (head, rest) = rest.split_at_checked(end)?;
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        if head.is_empty() { None } else { Some((head, Self::parse(rest)?)) }
    }
}

/// A number of decimal digits and nothing else; `None` above 64 bits.
#[inline(never)]
pub(super) fn decimal(text: &str) -> Option<u64> {
    /// Above this, another digit does not fit. A constant, so that the firmware never divides 64 bits.
    const TENTH: u64 = u64::MAX / 10;
    if text.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || value > TENTH {
            return None;
        }
        value = value.wrapping_mul(10).checked_add(u64::from(digit))?;
    }
    Some(value)
}
