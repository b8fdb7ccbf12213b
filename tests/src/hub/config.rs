//! What a hub is made of, and the faults that it can be told to make.

use std::collections::VecDeque;

use iothub_proto::time::Duration;

/// How a hub behaves when all is well.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// Fully qualified name: in user names and in the resource of tokens.
    pub host_name: String,
    /// Fully qualified name of the IoT Edge gateway that clients connect to instead, if there is one: the server's
    /// certificate is for it. User names and tokens name the hub all the same; tokens may name the gateway.
    pub gateway_host_name: Option<String>,
    /// Wall-clock time at [`Instant::ZERO`](iothub_proto::time::Instant::ZERO), in Unix seconds.
    pub unix_base: u64,
    /// How long a connection lives on after its token expired. The service waits about 10 minutes.
    pub expiry_grace: Duration,
    /// How long a cloud-to-device message may wait for its PUBACK before it returns to the queue.
    pub lock: Duration,
    /// How long the hub keeps a cloud-to-device message that names no time of its own.
    pub time_to_live: Duration,
    /// How long a client may take from opening the transport to CONNECT.
    pub connect_timeout: Duration,
    /// Close the connection over an undocumented topic filter, instead of refusing it with 0x80.
    pub close_on_unknown_filter: bool,
    /// Acknowledge a QoS 2 PUBLISH with PUBACK (seen in 2025), instead of closing as documented.
    pub accept_qos_2: bool,
    /// Highest QoS of twin answers, desired properties and methods; the service uses 0.
    pub notification_qos: u8,
    /// Text in front of the counter in the request ids of methods.
    pub request_id_prefix: String,
}

impl HubConfig {
    /// A hub of this name whose clock shows 2026-01-01T00:00:00Z at instant zero.
    #[must_use]
    pub fn new(host_name: &str) -> Self {
        Self {
            host_name: host_name.to_owned(),
            gateway_host_name: None,
            unix_base: 1_767_225_600,
            expiry_grace: Duration::from_secs(600),
            lock: Duration::from_secs(60),
            time_to_live: Duration::from_secs(3_600),
            connect_timeout: Duration::from_secs(60),
            close_on_unknown_filter: false,
            accept_qos_2: false,
            notification_qos: 0,
            request_id_prefix: String::new(),
        }
    }
}

/// Where to cut a connection. Bytes before the cut pass, and none after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cut {
    /// After this many bytes from the client.
    pub inbound: Option<u64>,
    /// After this many bytes to the client.
    pub outbound: Option<u64>,
}

/// What is to go wrong. All zero by default; change it at any time through [`Hub::faults`](super::Hub::faults).
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Cuts for the next connections, in order of their opening.
    pub cuts: VecDeque<Cut>,
    /// CONNACK codes with which to refuse the next sign-ins.
    pub refuse_connects: VecDeque<u8>,
    /// How many of the next PUBACKs are not sent, though the message is taken.
    pub drop_pubacks: u32,
    /// How long PUBACKs are held back: traffic shaping.
    pub puback_delay: Duration,
    /// How long every other answer is held back.
    pub answer_delay: Duration,
    /// Statuses for the next twin requests, instead of what they deserve.
    pub twin_statuses: VecDeque<u16>,
    /// How long each of the next desired patches is held back while what comes later overtakes it.
    pub patch_delays: VecDeque<Duration>,
    /// Never answer PINGREQ.
    pub ignore_pings: bool,
    /// Close instead of taking a message with these bytes in its payload.
    pub poison: Option<Vec<u8>>,
}
