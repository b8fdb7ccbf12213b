//! The upgrade as the client asks for it (RFC 6455 §4.1).

use crate::error::{Field, Setting, UsageError};
use crate::time::Duration;
use crate::wire::Writer;

/// Where IoT Hub and the Device Provisioning Service take MQTT over WebSocket.
pub const PATH: &str = "/$iothub/websocket";

/// The query for a device with a SAS token whose TLS stack cannot cope with a server that asks for a client
/// certificate: the hub then does not ask.
pub const NO_CLIENT_CERTIFICATE: &str = "iothub-no-client-cert=true";

/// How long an upgrade may take by default.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What to ask the server for.
#[derive(Clone, Copy)]
pub struct Upgrade<'a> {
    /// The host name, with `:port` behind it if that is not 443.
    pub host: &'a str,
    /// The path: [`PATH`].
    pub path: &'a str,
    /// The query without its `?`: empty, or [`NO_CLIENT_CERTIFICATE`].
    pub query: &'a str,
    /// Random bytes that nobody else knows, new for each connection. From the first 16 comes the key of the
    /// handshake, from the others come the masks of all frames, by SHA-1 over them and a counter.
    pub random: [u8; 32],
    /// From [`connect`](super::WebSocket::connect) to the end of the server's answer. Default: 30 s.
    pub timeout: Duration,
}

impl<'a> Upgrade<'a> {
    /// For IoT Hub or the Device Provisioning Service at `host`, port 443.
    #[must_use]
    pub const fn new(host: &'a str, random: [u8; 32]) -> Self {
        Self { host, path: PATH, query: "", random, timeout: TIMEOUT }
    }

    /// Whether it makes sense and can be sent: visible ASCII, a path that begins with `/`, and nothing that would end its place.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        let check = |field, text: &str, begin: &str, forbidden: &[u8]| {
            let bad = |byte: u8| !byte.is_ascii_graphic() || forbidden.contains(&byte);
            match text.bytes().position(bad) {
                Some(at) => Err(UsageError::BadText { field, at }),
                None if !text.starts_with(begin) => Err(UsageError::BadText { field, at: 0 }),
                None => Ok(()),
            }
        };
        if self.timeout == Duration::ZERO {
            return Err(UsageError::BadSetting(Setting::Timeout));
        }
        if self.host.is_empty() {
            return Err(UsageError::BadText { field: Field::HostName, at: 0 });
        }
        check(Field::HostName, self.host, "", b"/?#@")?;
        check(Field::Path, self.path, "/", b"?#")?;
        check(Field::Query, self.query, "", b"#")
    }

    /// Writes the request with this key at the start of `room`; more bytes than there is room for if it does not fit.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn write(&self, room: &mut [u8], key: &[u8; 24]) -> usize {
        let mut w = Writer::new(room);
        w.put(b"GET ");
        w.put(self.path.as_bytes());
        if !self.query.is_empty() {
            w.put_u8(b'?');
            w.put(self.query.as_bytes());
        }
        w.put(b" HTTP/1.1\r\nHost: ");
        w.put(self.host.as_bytes());
        w.put(b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ");
        w.put(key);
        // The sub-protocol's name is MQTT 3.1.1 §6.0's.
        w.put(b"\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n");
        w.len()
    }
}

impl core::fmt::Debug for Upgrade<'_> {
    /// Without the randomness.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Upgrade")
            .field("host", &self.host)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_sdks_write_it() {
        let mut upgrade = Upgrade::new("contoso.azure-devices.net", [7; 32]);
        let expected = |target: &str| {
            std::format!(
                "GET {target} HTTP/1.1\r\nHost: contoso.azure-devices.net\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
            )
        };
        let written = |upgrade: &Upgrade<'_>| {
            let mut room = [0; 512];
            let len = upgrade.write(&mut room, b"dGhlIHNhbXBsZSBub25jZQ==");
            std::string::String::from_utf8(room[..len].to_vec()).unwrap()
        };
        assert_eq!(written(&upgrade), expected("/$iothub/websocket"));
        upgrade.query = NO_CLIENT_CERTIFICATE;
        assert_eq!(written(&upgrade), expected("/$iothub/websocket?iothub-no-client-cert=true"));
        assert!(!std::format!("{upgrade:?}").contains('7'));
    }

    #[test]
    fn nothing_can_be_smuggled_in() {
        let good = Upgrade::new("localhost:8443", [0; 32]);
        assert_eq!(good.check(), Ok(()));
        let never = Upgrade { timeout: Duration::ZERO, ..good };
        assert_eq!(never.check(), Err(UsageError::BadSetting(Setting::Timeout)));
        for (field, at, upgrade) in [
            (Field::HostName, 0, Upgrade { host: "", ..good }),
            (Field::HostName, 1, Upgrade { host: "a\r\nX: y", ..good }),
            (Field::HostName, 1, Upgrade { host: "a/b", ..good }),
            (Field::HostName, 3, Upgrade { host: "gerät", ..good }),
            (Field::Path, 0, Upgrade { path: "", ..good }),
            (Field::Path, 0, Upgrade { path: "x", ..good }),
            (Field::Path, 2, Upgrade { path: "/a b", ..good }),
            (Field::Path, 2, Upgrade { path: "/a?b", ..good }),
            (Field::Query, 0, Upgrade { query: "#", ..good }),
            (Field::Query, 3, Upgrade { query: "a=b\n", ..good }),
        ] {
            assert_eq!(upgrade.check(), Err(UsageError::BadText { field, at }), "{upgrade:?}");
        }
    }
}
