//! Verification of SAS tokens, as the service does it.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::topic::percent_decode;

/// Clock skew that the service forgives, in seconds.
const SKEW: f64 = 300.0;

/// The fields of a token.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// Resource as it stands in the token: it is signed literally.
    resource: &'a str,
    signature: Vec<u8>,
    /// Expiry as it stands in the token.
    expiry: &'a str,
    /// Expiry in Unix seconds.
    pub(super) expires: f64,
    /// Policy name.
    pub(super) policy: Option<String>,
}

impl<'a> Token<'a> {
    /// Splits a token. `None` is a format error.
    pub(super) fn parse(password: &'a str) -> Option<Self> {
        let mut words = password.split_whitespace();
        let (Some("SharedAccessSignature"), Some(fields), None) = (words.next(), words.next(), words.next()) else {
            return None;
        };
        let mut found: [Option<&str>; 4] = [None; 4];
        for field in fields.split('&') {
            let mut pieces = field.split('=');
            let name = pieces.next()?.to_ascii_lowercase();
            let value = pieces.next()?;
            let Some(index) = ["sr", "sig", "se", "skn"].iter().position(|known| *known == name) else { continue };
            if found[index].replace(value).is_some() {
                return None;
            }
        }
        let [resource, signature, expiry, policy] = found;
        // A raw `+` is a space to a form decoder, and then no base64: it must be encoded.
        let signature = percent_decode(&signature?.replace('+', " "))?;
        let expiry = expiry?;
        Some(Self {
            resource: resource?,
            signature: STANDARD.decode(signature).ok()?,
            expiry,
            expires: expiry.parse().ok().filter(|seconds: &f64| seconds.is_finite())?,
            policy: policy.map(|name| percent_decode(name).unwrap_or_default()),
        })
    }

    /// Whether the token is signed with `key`.
    pub(super) fn signed_with(&self, key: &[u8]) -> bool {
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else { return false };
        mac.update(self.resource.as_bytes());
        mac.update(b"\n");
        mac.update(self.expiry.as_bytes());
        mac.verify_slice(&self.signature).is_ok()
    }

    /// Whether the token is out of date at `unix_now`.
    pub(super) fn expired(&self, unix_now: u64) -> bool {
        unix_now as f64 > self.expires + SKEW
    }

    /// Whether the token is for `resource`, raw or encoded once or twice, letter case apart.
    pub(super) fn is_for(&self, resource: &str) -> bool {
        self.scopes().any(|scope| scope.eq_ignore_ascii_case(resource))
    }

    /// Whether the token is for `resource` or for a parent of it, by whole segments.
    pub(super) fn covers(&self, resource: &str) -> bool {
        let resource = resource.to_ascii_lowercase();
        self.scopes().any(|scope| {
            resource
                .strip_prefix(&scope.to_ascii_lowercase())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// The readings of the resource: as it stands, decoded once, and decoded again segment by segment.
    fn scopes(&self) -> impl Iterator<Item = String> {
        let once = percent_decode(self.resource);
        let twice = once.as_deref().and_then(|once| once.split('/').map(percent_decode).collect::<Option<Vec<_>>>());
        [Some(self.resource.to_owned()), once, twice.map(|segments| segments.join("/"))].into_iter().flatten()
    }
}
