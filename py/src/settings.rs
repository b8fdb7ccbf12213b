//! How the machine behaves, and how much memory it may take.

use crate::enums::{feature, features};
use crate::errors::bad_setting;
use crate::time::{duration, span};
use iothub_proto::auth::Identity;
use iothub_proto::topic::Features;
use iothub_proto::{Config, OwnedLimits, Settings as Machine};
use pyo3::prelude::*;
use std::sync::{Arc, LazyLock};

impl Settings {
    /// As the machine of `identity` takes them.
    pub(crate) fn of(&self, identity: &Identity<'_>) -> Arc<Machine> {
        if identity.module_id.is_some() { self.module.clone() } else { self.device.clone() }
    }

    /// All that does not depend on the identity.
    fn resolve(common: Machine, features: Option<Features>) -> Self {
        let resolve = |identity| {
            let features = features.unwrap_or(Config::new(identity).settings.features);
            Arc::new(Machine { features, ..common })
        };
        // The names do not matter here.
        let (device, module) = (Identity::device("h", "d"), Identity::module("h", "d", "m"));
        Self { features, device: resolve(device), module: resolve(module) }
    }
}

/// The defaults, with twin synchronisation as for every identity.
fn default() -> Machine {
    Machine { twin_sync: true, ..Machine::default() }
}

/// The settings of all clients that are given none.
pub(crate) static SETTINGS: LazyLock<Settings> = LazyLock::new(|| Settings::resolve(default(), None));

macro_rules! settings {
    (
        $features:literal,
        $(flag $flag:ident: $flag_doc:literal,)*
        $(number $number:ident: $number_doc:literal,)*
        $(time $time:ident: $time_doc:literal,)*
    ) => {
        /// How a client behaves. A fleet shares one. All times are in seconds, with a resolution of 1 ms.
        ///
        #[doc = concat!("features: ", $features)]
        $(#[doc = concat!(stringify!($flag), ": ", $flag_doc)])*
        $(#[doc = concat!(stringify!($number), ": ", $number_doc)])*
        $(#[doc = concat!(stringify!($time), ": ", $time_doc)])*
        #[pyclass(frozen, eq, module = "iothub_proto")]
        #[derive(PartialEq, Eq, Debug)]
        pub(crate) struct Settings {
            features: Option<Features>,
            device: Arc<Machine>,
            module: Arc<Machine>,
        }

        #[pymethods]
        impl Settings {
            #[new]
            #[allow(clippy::too_many_arguments)] // All are optional and named.
            #[pyo3(signature = (*, features=None, $($flag=None,)* $($number=None,)* $($time=None,)*))]
            fn new(
                py: Python<'_>,
                features: Option<u8>,
                $($flag: Option<bool>,)*
                $($number: Option<i64>,)*
                $($time: Option<f64>,)*
            ) -> PyResult<Self> {
                let mut common = default();
                $(if let Some(flag) = $flag {
                    common.$flag = flag;
                })*
                $(if let Some(number) = $number {
                    common.$number = number.try_into().map_err(|_| bad_setting(py, stringify!($number)))?;
                })*
                $(if let Some(time) = $time {
                    common.$time = duration(time)?;
                })*
                let features = features.map(self::features).transpose()?;
                Ok(Self::resolve(common, features))
            }

            #[doc = $features]
            #[getter]
            fn features<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
                self.features.map(|features| feature(py, features)).transpose()
            }

            $(#[doc = $flag_doc]
            #[getter]
            fn $flag(&self) -> bool {
                self.device.$flag
            })*

            $(#[doc = $number_doc]
            #[getter]
            fn $number(&self) -> i64 {
                self.device.$number.into()
            })*

            $(#[doc = $time_doc]
            #[getter]
            fn $time(&self) -> f64 {
                span(self.device.$time)
            })*

            fn __repr__(&self) -> String {
                let default = default();
                let mut fields: Vec<String> = Vec::new();
                if let Some(features) = self.features {
                    fields.push(format!("features={}", features.bits()));
                }
                $(if self.device.$flag != default.$flag {
                    fields.push(format!("{}={}", stringify!($flag), if self.device.$flag { "True" } else { "False" }));
                })*
                $(if self.device.$number != default.$number {
                    fields.push(format!("{}={}", stringify!($number), self.device.$number));
                })*
                $(if self.device.$time != default.$time {
                    fields.push(format!("{}={:?}", stringify!($time), span(self.device.$time)));
                })*
                format!("Settings({})", fields.join(", "))
            }
        }
    };
}

settings! {
    "what to subscribe to after each CONNACK; default None, all that the identity can have. Client.subscribe adds.",
    flag twin_sync: "fetch the twin after each connect and whenever a desired patch was missed, as soon as both of its features are subscribed; default True.",
    flag clean_session: "the hub discards what it queued; default False.",
    flag stream_payloads: "deliver the payloads of PUBLISHes larger than max_packet in pieces: StreamBegin, StreamPiece, StreamEnd; default False.",
    flag auto_accept: "accept each message at the call of Client.next_event after the one that delivered it; default False.",
    number keep_alive: "silence in whole seconds after which the hub may give the device up (times 1.5), 0 (none) to 1177; default 240.",
    number max_packet: "bytes of the largest packet taken in whole, from 64; of a larger PUBLISH there is a Skipped event; default 4096.",
    number packet_limit: "bytes of the largest packet at all: a larger one is a protocol error; default 1 MiB.",
    number connect_reserve: "bytes kept for CONNECT; 0 for what this identity with a SAS token and no will needs; default 0.",
    number send_window: "QoS 1 messages on their way at once, 1 to 65535; default 65535.",
    time connect_timeout: "from CONNECT to CONNACK; default 30.",
    time subscribe_timeout: "from SUBSCRIBE to SUBACK; default 30.",
    time ping_timeout: "from PINGREQ to PINGRESP; default 30.",
    time puback_timeout: "without any PUBACK while messages wait for one; default 120.",
    time send_timeout: "without any byte taken while bytes wait; default 60.",
    time request_timeout: "for a twin request to be answered; default 60.",
    time drain_timeout: "for a polite disconnect to settle what is in flight; default 5.",
    time close_timeout: "for DISCONNECT to be taken; default 2.",
    time credential_margin: "how long before its end a credential is reported as expiring; default 300.",
}

/// How much memory a client may take at most. It takes none while nothing is pending.
///
/// tx: bytes for outgoing packets, the handshake's reserve (about 500) included; default 1 MiB.
/// commands: messages and requests in flight, 40 bytes each; at most 65,534; default 1,024.
/// messages: messages received and not yet acknowledged, 4 bytes each; at least 1; default 64, as the hub queues 50.
#[pyclass(frozen, eq, hash, get_all, module = "iothub_proto")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    /// Bytes for outgoing packets.
    tx: u32,
    /// Messages and requests in flight.
    commands: u16,
    /// Messages received and not yet acknowledged.
    messages: u16,
}

impl Limits {
    pub(crate) const fn of(&self) -> OwnedLimits {
        OwnedLimits { tx: self.tx, slots: self.commands, inbound: self.messages }
    }
}

#[pymethods]
impl Limits {
    #[new]
    #[pyo3(signature = (*, tx=1_048_576, commands=1024, messages=64))]
    fn new(py: Python<'_>, tx: i64, commands: i64, messages: i64) -> PyResult<Self> {
        Ok(Self {
            tx: tx.try_into().map_err(|_| bad_setting(py, "tx"))?,
            commands: commands.try_into().map_err(|_| bad_setting(py, "commands"))?,
            messages: messages.try_into().map_err(|_| bad_setting(py, "messages"))?,
        })
    }

    fn __repr__(&self) -> String {
        format!("Limits(tx={}, commands={}, messages={})", self.tx, self.commands, self.messages)
    }
}
