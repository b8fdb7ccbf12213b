//! What the application says once: who it is, how it wants things, what it signs in with.
//!
//! Checked when it is handed in, trusted after.

use crate::auth::Identity;
use crate::error::{Setting, UsageError};
use crate::packet::QoS;
use crate::time::Duration;
use crate::topic::{Features, PropertySource, SystemProperties};
use core::fmt;

/// Whether what the hub publishes is looked at in this build. If not, nothing is subscribed, and what comes all the same
/// is passed over. Code behind it that is always compiled, and left out where this is false, needs no second version.
pub(crate) const INBOUND: bool = cfg!(feature = "inbound");

/// Whether twins are known in this build.
pub(crate) const TWIN: bool = cfg!(feature = "twin");

/// All that a device or a module can subscribe to in this build.
pub(crate) fn offered(identity: &Identity<'_>) -> Features {
    let all = if identity.module_id.is_some() { Features::ALL_MODULE } else { Features::ALL_DEVICE };
    match (INBOUND, TWIN) {
        (false, _) => Features::NONE,
        (true, false) => all.difference(Features::TWIN.union(Features::DESIRED)),
        (true, true) => all,
    }
}

/// The identity of a device or module and its settings.
///
/// ```
/// use iothub_proto::{Config, auth::Identity};
/// let config = Config::new(Identity::device("contoso.azure-devices.net", "dev1"));
/// assert_eq!(config.settings.keep_alive, 240);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// Who signs in, and how it names itself.
    pub identity: Identity<'a>,
    /// How the machine behaves.
    pub settings: Settings,
}

impl<'a> Config<'a> {
    /// The default settings for `identity`: every feature it can have, twin synchronisation included.
    #[must_use]
    pub fn new(identity: Identity<'a>) -> Self {
        let features = offered(&identity);
        Self { identity, settings: Settings { features, twin_sync: true, ..Settings::default() } }
    }
}

/// How the machine behaves. A fleet shares one.
///
/// ```
/// use iothub_proto::{Settings, time::Duration};
/// let settings = Settings { keep_alive: 60, puback_timeout: Duration::from_secs(30), ..Settings::default() };
/// # let _ = settings;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Settings {
    /// What to subscribe to after each CONNACK. [`Client::subscribe`](crate::Client::subscribe) adds to it.
    pub features: Features,
    /// Seconds of silence after which the hub may give the device up (times 1.5). 0: none; the hub caps it at
    /// 1177. Default 240.
    pub keep_alive: u16,
    /// Ask for a clean session: the hub discards what it queued. Default `false`, as in every Azure SDK.
    pub clean_session: bool,
    /// Accept each message at the input call after the one that delivered it. Default `false`.
    pub auto_accept: bool,
    /// Fetch the twin after each connect and whenever a desired patch was missed, as soon as both of its features are
    /// subscribed. Default `false` here, `true` with [`Config::new`].
    pub twin_sync: bool,
    /// Bytes of the largest packet the caller's receive buffer holds. Larger PUBLISHes are skipped as they
    /// arrive and reported. 64 to `packet_limit`; default 4096.
    pub max_packet: u32,
    /// Deliver the payloads of larger PUBLISHes in pieces instead, as
    /// [`StreamSource`](crate::event::StreamSource) tells. Default `false`.
    #[cfg(feature = "stream")]
    pub stream_payloads: bool,
    /// Bytes of the largest packet at all: a larger one is a protocol error. Default 1 MiB; the hub's largest
    /// is 64 KiB and a topic.
    pub packet_limit: u32,
    /// Bytes kept for CONNECT, out of `tx`. 0: as much as this identity with a SAS token signed by its own key,
    /// and no will, needs. Default 0.
    pub connect_reserve: u32,
    /// QoS 1 messages on their way at once. At least 1; default 65,535, so that memory is the limit.
    pub send_window: u16,
    /// From the last byte of CONNECT to CONNACK. Default 30 s.
    pub connect_timeout: Duration,
    /// From the last byte of SUBSCRIBE to SUBACK. Default 30 s.
    pub subscribe_timeout: Duration,
    /// From PINGREQ to PINGRESP. Default 30 s.
    pub ping_timeout: Duration,
    /// Without any PUBACK while messages wait for one. Default 120 s: the hub shapes traffic by delaying.
    pub puback_timeout: Duration,
    /// Without any byte confirmed while bytes wait, or any supplied while a part is wanted. Default 60 s.
    pub send_timeout: Duration,
    /// For a twin request to be answered, counted anew when it is sent. Default 60 s.
    pub request_timeout: Duration,
    /// For a polite disconnect to settle what is in flight. Default 5 s.
    pub drain_timeout: Duration,
    /// For DISCONNECT to be confirmed. Default 2 s.
    pub close_timeout: Duration,
    /// How long before its end a credential is reported as expiring; jitter of the same length is added, and it
    /// is never more than a quarter of the lifetime. Default 5 min.
    pub credential_margin: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            features: Features::NONE,
            keep_alive: 240,
            clean_session: false,
            auto_accept: false,
            twin_sync: false,
            max_packet: 4096,
            #[cfg(feature = "stream")]
            stream_payloads: false,
            packet_limit: 1 << 20,
            connect_reserve: 0,
            send_window: u16::MAX,
            connect_timeout: Duration::from_secs(30),
            subscribe_timeout: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(30),
            puback_timeout: Duration::from_secs(120),
            send_timeout: Duration::from_secs(60),
            request_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(2),
            credential_margin: Duration::from_secs(300),
        }
    }
}

/// The hub gives a silent device 1.5 times its keep-alive, but never more than 1767 s.
const MAX_KEEP_ALIVE: u16 = 1177;

/// The smallest receive buffer: a topic of the dialect and a status fit.
const MIN_MAX_PACKET: u32 = 64;

/// Remaining Length goes no further (MQTT 3.1.1 §2.2.3).
const MAX_PACKET_LIMIT: u32 = 268_435_460;

impl Settings {
    /// Checks every range.
    pub(crate) fn check(&self) -> Result<(), UsageError> {
        let no_time = |timeout: Duration| timeout == Duration::ZERO;
        let wrong = if self.keep_alive > MAX_KEEP_ALIVE {
            Setting::KeepAlive
        } else if self.max_packet < MIN_MAX_PACKET || self.max_packet > self.packet_limit {
            Setting::MaxPacket
        } else if self.packet_limit > MAX_PACKET_LIMIT {
            Setting::PacketLimit
        } else if self.send_window == 0 {
            Setting::SendWindow
        } else if no_time(self.connect_timeout)
            || no_time(self.subscribe_timeout)
            || no_time(self.ping_timeout)
            || no_time(self.puback_timeout)
            || no_time(self.send_timeout)
            || no_time(self.request_timeout)
            || no_time(self.drain_timeout)
            || no_time(self.close_timeout)
        {
            Setting::Timeout
        } else {
            return Ok(());
        };
        Err(UsageError::BadSetting(wrong))
    }
}

/// What one connection signs in with. Secrets live here only, and in the CONNECT packet until it is sent.
#[derive(Clone, Copy, Default)]
pub struct ConnectOptions<'o> {
    /// The SAS token; `None` with X.509.
    pub password: Option<&'o str>,
    /// How long the credential is valid from now on: [`Event::CredentialExpiring`](crate::Event) comes before its
    /// end. `None`: it does not expire.
    pub lifetime: Option<Duration>,
    /// Any random number, for jitter: a fleet must not renew at the same moment.
    pub random: u32,
    /// What the hub publishes as telemetry of this device if the connection ends without DISCONNECT. It makes
    /// CONNECT larger: see [`Settings::connect_reserve`].
    pub will: Option<&'o Telemetry<'o>>,
}

impl fmt::Debug for ConnectOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("password", &self.password.map(|_| "***"))
            .field("lifetime", &self.lifetime)
            .field("random", &self.random)
            .field("will", &self.will)
            .finish()
    }
}

/// One device-to-cloud message.
///
/// ```
/// use iothub_proto::{Telemetry, topic::SystemProperties};
/// let message = Telemetry {
///     payload: br#"{"t":21.5}"#,
///     properties: &[("room", "kitchen")],
///     system: &SystemProperties { content_type: Some("application/json"), ..SystemProperties::NONE },
///     ..Default::default()
/// };
/// # let _ = message;
/// ```
#[derive(Clone, Copy)]
pub struct Telemetry<'a> {
    /// The body: any bytes, also none. With the properties at most 256 KiB.
    pub payload: &'a [u8],
    /// QoS 1 by default: kept until the hub has stored it. QoS 0: sent once, and perhaps lost.
    pub qos: QoS,
    /// Properties the hub knows; the output of a module and the Plug and Play component are here. By reference, since
    /// they are many and usually the same for every message.
    pub system: &'a SystemProperties<'a>,
    /// Properties of the application, in this order.
    pub properties: &'a dyn PropertySource,
}

impl Default for Telemetry<'_> {
    fn default() -> Self {
        Self { payload: &[], qos: QoS::AtLeastOnce, system: &SystemProperties::NONE, properties: &() }
    }
}

/// What [`Client::send_telemetry_parts`](crate::Client::send_telemetry_parts) is to send behind the payload it is given:
/// bytes that the application supplies while the packet leaves.
#[cfg(feature = "stream")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Parts {
    /// Bytes of all parts.
    pub len: u32,
    /// Bytes of the largest part: so much of `tx` is taken. At least 1; no more than `len` is.
    pub room: u32,
}

#[cfg(feature = "stream")]
impl Parts {
    pub(crate) const NONE: Self = Self { len: 0, room: 0 };

    /// With a room that can be used.
    pub(crate) fn checked(self) -> Self {
        Self { room: self.room.max(1).min(self.len), ..self }
    }
}

impl fmt::Debug for Telemetry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut count = 0u32;
        self.properties.visit(&mut |_, _| count = count.saturating_add(1));
        f.debug_struct("Telemetry")
            .field("payload_len", &self.payload.len())
            .field("qos", &self.qos)
            .field("system", &self.system)
            .field("properties", &count)
            .finish()
    }
}
