//! The identity registry: who may sign in, and what the hub keeps for each of them.

use std::fmt;

use base64::{DecodeError, Engine, engine::general_purpose::STANDARD};

use super::{CloseReason, Hub, message::Queued, session::Session, twin::Twin};

/// How an identity proves itself.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A SAS token signed with one of these keys.
    Keys {
        /// Primary key, decoded.
        primary: Vec<u8>,
        /// Secondary key, decoded.
        secondary: Vec<u8>,
    },
    /// A client certificate, signed by the server's authority, whose common name is the device id.
    Certificate,
}

impl Credentials {
    /// Two keys in base64, as the registry shows them.
    ///
    /// # Errors
    /// A key is no standard, padded base64.
    pub fn keys(primary: &str, secondary: &str) -> Result<Self, DecodeError> {
        Ok(Self::Keys { primary: STANDARD.decode(primary)?, secondary: STANDARD.decode(secondary)? })
    }

    /// One key in base64, used for both.
    ///
    /// # Errors
    /// The key is no standard, padded base64.
    pub fn key(key: &str) -> Result<Self, DecodeError> {
        Self::keys(key, key)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keys { .. } => "Keys(…)",
            Self::Certificate => "Certificate",
        })
    }
}

/// What the hub keeps for one identity.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) credentials: Credentials,
    pub(super) enabled: bool,
    pub(super) session: Option<Session>,
    pub(super) queue: Vec<Queued>,
    pub(super) twin: Twin,
}

impl Hub {
    /// Registers a device, or a module if `client_id` is `{device}/{module}`; replaces an older one.
    pub fn register(&mut self, client_id: &str, credentials: Credentials) {
        self.delete(client_id);
        let entry = Entry { credentials, enabled: true, session: None, queue: Vec::new(), twin: Twin::default() };
        self.entries.insert(client_id.to_owned(), entry);
    }

    /// Adds a shared access policy of the hub, whose tokens (with `skn`) open every device that they cover.
    ///
    /// # Errors
    /// The key is no standard, padded base64.
    pub fn add_policy(&mut self, name: &str, key: &str) -> Result<(), DecodeError> {
        self.policies.insert(name.to_owned(), STANDARD.decode(key)?);
        Ok(())
    }

    /// Enables or disables an identity. Disabling ends its connection.
    pub fn set_enabled(&mut self, client_id: &str, enabled: bool) {
        if let Some(entry) = self.entries.get_mut(client_id) {
            entry.enabled = enabled;
            if !enabled {
                self.end_client(client_id, CloseReason::IdentityGone);
            }
        }
    }

    /// Deletes an identity with its session, queue and twin, and ends its connection.
    pub fn delete(&mut self, client_id: &str) {
        self.end_client(client_id, CloseReason::IdentityGone);
        self.entries.remove(client_id);
    }
}
