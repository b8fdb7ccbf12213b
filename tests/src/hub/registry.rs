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
    /// A client certificate of an authority that the server trusts, with the device id as its common name.
    Certificate,
    /// One of these client certificates, whoever signed it, by the SHA-256 of its DER.
    Thumbprints {
        /// Of the primary certificate.
        primary: [u8; 32],
        /// Of the secondary certificate.
        secondary: [u8; 32],
    },
}

/// The client certificate of a connection: the client has proven to TLS that it has the private key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerCertificate {
    /// Its common name, if an authority that the server trusts has signed it and it is valid now.
    pub common_name: Option<String>,
    /// The SHA-256 of its DER.
    pub thumbprint: [u8; 32],
}

impl PeerCertificate {
    /// One of a trusted authority, where there is no TLS.
    #[must_use]
    pub fn named(common_name: &str) -> Self {
        Self { common_name: Some(common_name.to_owned()), thumbprint: [0; 32] }
    }
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

    /// One certificate, used for both, by its thumbprint: 64 hex digits. `None` if these are none.
    #[must_use]
    pub fn thumbprint(hex: &str) -> Option<Self> {
        if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut thumbprint = [0; 32];
        for (index, byte) in thumbprint.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Self::Thumbprints { primary: thumbprint, secondary: thumbprint })
    }

    /// Whether this client certificate proves that the client is `name`.
    pub(super) fn are_proven_by(&self, peer: &PeerCertificate, name: &str) -> bool {
        match self {
            Self::Keys { .. } => false,
            Self::Certificate => peer.common_name.as_deref() == Some(name),
            Self::Thumbprints { primary, secondary } => [primary, secondary].contains(&&peer.thumbprint),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keys { .. } => "Keys(…)",
            Self::Certificate => "Certificate",
            Self::Thumbprints { .. } => "Thumbprints(…)",
        })
    }
}

/// What the hub keeps for one identity.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) credentials: Credentials,
    pub(super) enabled: bool,
    /// Told with the last sign-in.
    pub(super) model_id: Option<String>,
    pub(super) session: Option<Session>,
    pub(super) queue: Vec<Queued>,
    pub(super) twin: Twin,
}

impl Hub {
    /// Registers a device, or a module if `client_id` is `{device}/{module}`; replaces an older one.
    pub fn register(&mut self, client_id: &str, credentials: Credentials) {
        self.delete(client_id);
        let entry = Entry {
            credentials,
            enabled: true,
            model_id: None,
            session: None,
            queue: Vec::new(),
            twin: Twin::default(),
        };
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

    /// The IoT Plug and Play model that a client told at its last sign-in.
    #[must_use]
    pub fn model_id(&self, client_id: &str) -> Option<&str> {
        self.entries.get(client_id)?.model_id.as_deref()
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
