//! The connection string of a device or module, as the portal hands it out.
//!
//! `Key=value` pairs between semicolons; a value reaches from the first `=` to the next `;` and is never decoded.
//! The SDKs disagree about the rest. Here keys have no case, empty segments are skipped, a key stands at most
//! once, keys of nobody's are left alone and can be listed, and exactly one way to authenticate is given.
//!
//! White space at both ends, such as the line break of a file, is skipped. Elsewhere white space, quotes and
//! characters beyond ASCII are refused at once: they come from copying and would end as an unauthorised device.

use super::{Identity, Masked};
use crate::wire::{Writer, cut, put_from_base64};
use core::fmt;

/// How every ready-made token begins.
const TOKEN_START: &str = "SharedAccessSignature ";

/// A key that means something to a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ConnectionStringKey {
    /// `HostName`: the hub.
    HostName,
    /// `DeviceId`.
    DeviceId,
    /// `ModuleId`.
    ModuleId,
    /// `SharedAccessKey`: the key in base64.
    SharedAccessKey,
    /// `SharedAccessKeyName`: the hub policy that the key belongs to.
    SharedAccessKeyName,
    /// `SharedAccessSignature`: a ready-made token.
    SharedAccessSignature,
    /// `GatewayHostName`: where to connect instead.
    GatewayHostName,
    /// `x509`, or `X509Cert`: `true` when a client certificate authenticates.
    X509,
    /// `UseProvisioning`: `true` when the key lives in a security module of azure-iot-sdk-c.
    UseProvisioning,
}

impl ConnectionStringKey {
    /// The key as it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HostName => "HostName",
            Self::DeviceId => "DeviceId",
            Self::ModuleId => "ModuleId",
            Self::SharedAccessKey => "SharedAccessKey",
            Self::SharedAccessKeyName => "SharedAccessKeyName",
            Self::SharedAccessSignature => "SharedAccessSignature",
            Self::GatewayHostName => "GatewayHostName",
            Self::X509 => "x509",
            Self::UseProvisioning => "UseProvisioning",
        }
    }

    /// The key written as `name`, without regard to case.
    fn from_name(name: &str) -> Option<Self> {
        [
            Self::HostName,
            Self::DeviceId,
            Self::ModuleId,
            Self::SharedAccessKey,
            Self::SharedAccessKeyName,
            Self::SharedAccessSignature,
            Self::GatewayHostName,
            Self::X509,
            Self::UseProvisioning,
        ]
        .into_iter()
        .find(|key| name.eq_ignore_ascii_case(key.name()))
        .or_else(|| name.eq_ignore_ascii_case("X509Cert").then_some(Self::X509))
    }
}

/// What is wrong with a connection string. Offsets count bytes of the text as it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ConnectionStringError {
    /// A required key is missing. Without `DeviceId` it is most likely the string of a hub policy, for services.
    Missing(ConnectionStringKey),
    /// A key stands twice.
    Duplicate(ConnectionStringKey),
    /// A key has no value.
    Empty(ConnectionStringKey),
    /// A value is not what its key takes: `true` or `false`, or a token that begins `SharedAccessSignature `.
    BadValue(ConnectionStringKey),
    /// The key is known but asks for what this library does not do.
    Unsupported(ConnectionStringKey),
    /// `SharedAccessKey` is not base64 with the standard alphabet and padding.
    BadBase64 {
        /// Offset of the first wrong character, or of the key's end if it ends too early.
        at: usize,
    },
    /// A segment is not `key=value`.
    BadSegment {
        /// Offset of the segment.
        at: usize,
    },
    /// A space, line break, quote, control or non-ASCII character: most likely an accident of copying.
    BadCharacter {
        /// Offset of the character.
        at: usize,
    },
    /// More than one of `SharedAccessKey`, `SharedAccessSignature` and `x509=true`.
    TwoCredentials,
    /// None of `SharedAccessKey`, `SharedAccessSignature` and `x509=true`.
    NoCredential,
}

impl fmt::Display for ConnectionStringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(ConnectionStringKey::DeviceId) => {
                f.write_str("DeviceId is missing: is this the connection string of a hub policy?")
            }
            Self::Missing(key) => write!(f, "{} is missing", key.name()),
            Self::Duplicate(key) => write!(f, "{} stands twice", key.name()),
            Self::Empty(key) => write!(f, "{} is empty", key.name()),
            Self::BadValue(ConnectionStringKey::SharedAccessSignature) => {
                write!(f, "SharedAccessSignature does not begin with '{TOKEN_START}'")
            }
            Self::BadValue(key) => write!(f, "{} is neither true nor false", key.name()),
            Self::Unsupported(key) => write!(f, "{} is not supported", key.name()),
            Self::BadBase64 { at } => write!(f, "SharedAccessKey is not base64: wrong at byte {at}"),
            Self::BadSegment { at } => write!(f, "no 'key=value' at byte {at}"),
            Self::BadCharacter { at } => {
                write!(
                    f,
                    "a space, line break, quote or non-ASCII character at byte {at}: was the text cut or wrapped?"
                )
            }
            Self::TwoCredentials => {
                f.write_str("more than one of SharedAccessKey, SharedAccessSignature and x509=true is given")
            }
            Self::NoCredential => f.write_str("none of SharedAccessKey, SharedAccessSignature and x509=true is given"),
        }
    }
}

impl core::error::Error for ConnectionStringError {}

/// How the device authenticates. `Debug` does not show secrets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// A key that signs tokens.
    Key {
        /// The key in base64. It was checked to be that.
        key: &'a str,
        /// The hub policy it belongs to; a device's own key has none.
        name: Option<&'a str>,
    },
    /// A ready-made token: the password of CONNECT as it is.
    Token(&'a str),
    /// The client certificate of the TLS connection. CONNECT has no password.
    X509,
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { key: _, name } => f.debug_struct("Key").field("key", &Masked).field("name", name).finish(),
            Self::Token(_) => f.debug_tuple("Token").field(&Masked).finish(),
            Self::X509 => f.write_str("X509"),
        }
    }
}

/// A connection string taken apart. It borrows the text; `Debug` does not show secrets.
///
/// ```
/// use iothub_proto::auth::{ConnectionString, Credential};
///
/// let parsed = ConnectionString::parse(
///     "HostName=contoso.azure-devices.net;DeviceId=dev1;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw==\n",
/// )?;
/// assert_eq!(parsed.connect_host(), "contoso.azure-devices.net");
/// assert_eq!(parsed.identity().device_id, "dev1");
/// assert_eq!(parsed.credential(), Credential::Key { key: "AAECAwQFBgcICQoLDA0ODw==", name: None });
/// # Ok::<(), iothub_proto::auth::ConnectionStringError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConnectionString<'a> {
    text: &'a str,
    host_name: &'a str,
    device_id: &'a str,
    module_id: Option<&'a str>,
    gateway_host_name: Option<&'a str>,
    credential: Credential<'a>,
}

impl<'a> ConnectionString<'a> {
    /// Takes `text` apart. Ids and host name are checked later, by [`Identity::check`].
    ///
    /// # Errors
    ///
    /// [`ConnectionStringError`]: the first mistake in the order of the text, then what is missing.
    pub fn parse(text: &'a str) -> Result<Self, ConnectionStringError> {
        let values = Values::read(text)?;
        values.finish(text)
    }

    /// The device or module, with the default API version and product.
    #[must_use]
    pub const fn identity(&self) -> Identity<'a> {
        let mut identity = Identity::device(self.host_name, self.device_id);
        identity.module_id = self.module_id;
        identity
    }

    /// How it authenticates.
    #[must_use]
    pub const fn credential(&self) -> Credential<'a> {
        self.credential
    }

    /// The host to connect to, to name in TLS and to find in its certificate: the gateway if there is one, else
    /// the hub. The user name and the token have the hub in both cases.
    #[must_use]
    pub fn connect_host(&self) -> &'a str {
        self.gateway_host_name.unwrap_or(self.host_name)
    }

    /// The keys that mean nothing here: worth a warning, as a key may be mistyped.
    pub fn unknown_keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        segments(self.text)
            .map(|(_, segment)| cut(segment, b'=').0)
            .filter(|name| ConnectionStringKey::from_name(name).is_none())
    }
}

impl fmt::Debug for ConnectionString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionString")
            .field("host_name", &self.host_name)
            .field("device_id", &self.device_id)
            .field("module_id", &self.module_id)
            .field("gateway_host_name", &self.gateway_host_name)
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

/// The values as they are found, one place a key.
#[derive(Default)]
struct Values<'a> {
    host_name: Option<&'a str>,
    device_id: Option<&'a str>,
    module_id: Option<&'a str>,
    shared_access_key: Option<&'a str>,
    shared_access_key_name: Option<&'a str>,
    shared_access_signature: Option<&'a str>,
    gateway_host_name: Option<&'a str>,
    x509: Option<&'a str>,
    use_provisioning: Option<&'a str>,
}

impl<'a> Values<'a> {
    /// Puts every value in its place.
    fn read(text: &'a str) -> Result<Self, ConnectionStringError> {
        let mut values = Self::default();
        for (at, segment) in segments(text) {
            let (name, value) = match cut(segment, b'=') {
                (name, Some(value)) if !name.is_empty() => (name, value),
                _ => return Err(bad_character(at, segment).unwrap_or(ConnectionStringError::BadSegment { at })),
            };
            let value_at = at.saturating_add(name.len()).saturating_add(1);
            let key = ConnectionStringKey::from_name(name);
            // The one space that belongs there.
            let token = if key == Some(ConnectionStringKey::SharedAccessSignature) {
                value.strip_prefix(TOKEN_START)
            } else {
                None
            };
            let (tail, tail_at) = match token {
                Some(fields) => (fields, value_at.saturating_add(TOKEN_START.len())),
                None => (value, value_at),
            };
            if let Some(error) = bad_character(at, name).or_else(|| bad_character(tail_at, tail)) {
                return Err(error);
            }
            if let Some(key) = key {
                values.set(key, value, value_at)?;
            }
        }
        Ok(values)
    }

    /// Checks one value and keeps it.
    fn set(&mut self, key: ConnectionStringKey, value: &'a str, at: usize) -> Result<(), ConnectionStringError> {
        use ConnectionStringKey as Key;
        let place = match key {
            Key::HostName => &mut self.host_name,
            Key::DeviceId => &mut self.device_id,
            Key::ModuleId => &mut self.module_id,
            Key::SharedAccessKey => &mut self.shared_access_key,
            Key::SharedAccessKeyName => &mut self.shared_access_key_name,
            Key::SharedAccessSignature => &mut self.shared_access_signature,
            Key::GatewayHostName => &mut self.gateway_host_name,
            Key::X509 => &mut self.x509,
            Key::UseProvisioning => &mut self.use_provisioning,
        };
        if place.replace(value).is_some() {
            return Err(ConnectionStringError::Duplicate(key));
        }
        if value.is_empty() {
            return Err(ConnectionStringError::Empty(key));
        }
        match key {
            Key::SharedAccessKey => put_from_base64(&mut Writer::new(&mut []), value.as_bytes())
                .map_err(|wrong| ConnectionStringError::BadBase64 { at: at.saturating_add(wrong) }),
            Key::SharedAccessSignature if !value.starts_with(TOKEN_START) => Err(ConnectionStringError::BadValue(key)),
            Key::X509 | Key::UseProvisioning => {
                if value.eq_ignore_ascii_case("false") {
                    Ok(())
                } else if !value.eq_ignore_ascii_case("true") {
                    Err(ConnectionStringError::BadValue(key))
                } else if key == Key::UseProvisioning {
                    Err(ConnectionStringError::Unsupported(key))
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    /// Whether the values are complete and agree.
    fn finish(self, text: &'a str) -> Result<ConnectionString<'a>, ConnectionStringError> {
        let host_name = self.host_name.ok_or(ConnectionStringError::Missing(ConnectionStringKey::HostName))?;
        let device_id = self.device_id.ok_or(ConnectionStringError::Missing(ConnectionStringKey::DeviceId))?;
        let x509 = self.x509.filter(|value| value.eq_ignore_ascii_case("true"));
        let credential = match (self.shared_access_key, self.shared_access_signature, x509) {
            (Some(key), None, None) => Credential::Key { key, name: self.shared_access_key_name },
            (None, Some(token), None) => Credential::Token(token),
            (None, None, Some(_)) => Credential::X509,
            (None, None, None) => return Err(ConnectionStringError::NoCredential),
            _ => return Err(ConnectionStringError::TwoCredentials),
        };
        Ok(ConnectionString {
            text,
            host_name,
            device_id,
            module_id: self.module_id,
            gateway_host_name: self.gateway_host_name,
            credential,
        })
    }
}

/// The segments that are not empty, each with its offset in `text`. White space at both ends of `text` is left out.
fn segments(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let from_start = text.trim_ascii_start();
    let mut next_at = text.len().saturating_sub(from_start.len());
    let mut next = Some(from_start.trim_ascii_end());
    core::iter::from_fn(move || {
        let (segment, rest) = cut(next?, b';');
        let at = next_at;
        next_at = at.saturating_add(segment.len()).saturating_add(1);
        next = rest;
        Some((at, segment))
    })
    .filter(|(_, segment)| !segment.is_empty())
}

/// The first character of `text` that does not survive copying, `text` being at offset `at`.
fn bad_character(at: usize, text: &str) -> Option<ConnectionStringError> {
    text.bytes()
        .position(|byte| !byte.is_ascii_graphic() || byte == b'"')
        .map(|bad| ConnectionStringError::BadCharacter { at: at.saturating_add(bad) })
}

#[cfg(test)]
mod tests;
