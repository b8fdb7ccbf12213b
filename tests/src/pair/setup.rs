//! What a [`Pair`] is made of.

use std::collections::VecDeque;

use iothub_proto::auth::{ConnectionString, Identity};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::{Client, Config, Inbound, Settings, Slot, Storage};

use super::{Pair, PairIn, Reconnect, trace::Trace};
use crate::hub::{Credentials, Hub, HubConfig};
use crate::link::{LinkConfig, Rng};

/// The name of the simulated hub.
pub const HOST: &str = "contoso.azure-devices.net";
/// The key of `dev1` and of its module `mod1`.
pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The key of the hub's policy `device`, which opens every device.
pub const POLICY_KEY: &str = "c29tZSBvdGhlciBrZXk=";

/// What a client works in.
#[derive(Debug, Default)]
pub struct Memory {
    text: String,
    tx: Vec<u8>,
    slots: Vec<Slot>,
    inbound: Vec<Inbound>,
}

/// Who signs in, how, over which link, in how much memory. Change the fields, then [`start`](Self::start).
#[derive(Clone, Debug)]
pub struct Setup {
    /// What the portal would hand out.
    pub connection_string: String,
    /// The IoT Plug and Play model that the client implements.
    pub model_id: Option<&'static str>,
    /// How the client behaves.
    pub settings: Settings,
    /// Bytes of `tx`, and numbers of slots and of inbound records.
    pub memory: (usize, usize, usize),
    /// How the links carry bytes.
    pub link: LinkConfig,
    /// Of chunks, latencies and jitter.
    pub seed: u64,
    /// How the hub behaves.
    pub hub: HubConfig,
    /// Send after each event instead of after all that have arrived.
    pub eager: bool,
}

impl Setup {
    /// The device `dev1` with its own key and every feature; 10 ms each way.
    #[must_use]
    pub fn device() -> Self {
        Self::with_string(format!("HostName={HOST};DeviceId=dev1;SharedAccessKey={KEY}"))
    }

    /// The module `mod1` of `dev1`, likewise.
    #[must_use]
    pub fn module() -> Self {
        Self::with_string(format!("HostName={HOST};DeviceId=dev1;ModuleId=mod1;SharedAccessKey={KEY}"))
    }

    /// The device `dev1` without subscriptions and twin: telemetry alone.
    #[must_use]
    pub fn sensor() -> Self {
        let mut setup = Self::device();
        setup.settings.features = iothub_proto::topic::Features::NONE;
        setup.settings.twin_sync = false;
        setup
    }

    /// Whoever this connection string belongs to.
    #[must_use]
    pub fn with_string(connection_string: String) -> Self {
        let parsed = ConnectionString::parse(&connection_string).expect("a connection string");
        let settings = Config::new(parsed.identity()).settings;
        let travel = Duration::from_millis(10);
        Self {
            model_id: None,
            settings,
            connection_string,
            memory: (16 * 1024, 64, 64),
            link: LinkConfig { latency: (travel, travel), ..LinkConfig::default() },
            seed: 1,
            hub: HubConfig::new(HOST),
            eager: false,
        }
    }

    /// The same with other settings.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The same with so many bytes of `tx`, slots and inbound records.
    #[must_use]
    pub const fn memory(mut self, tx: usize, slots: usize, inbound: usize) -> Self {
        self.memory = (tx, slots, inbound);
        self
    }

    /// The same with another seed.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same with chunks of at most `max_chunk` bytes that travel between `latency.0` and `latency.1` ms.
    #[must_use]
    pub const fn link(mut self, max_chunk: usize, latency: (u64, u64)) -> Self {
        self.link.max_chunk = max_chunk;
        self.link.latency = (Duration::from_millis(latency.0), Duration::from_millis(latency.1));
        self
    }

    /// The same with another behaviour of the hub.
    #[must_use]
    pub fn hub(mut self, change: impl FnOnce(&mut HubConfig)) -> Self {
        change(&mut self.hub);
        self
    }

    /// A client in memory of its own, which lives as long as the test program.
    ///
    /// # Panics
    /// If the client refuses the configuration.
    #[must_use]
    pub fn client(&self) -> Client<'static> {
        self.client_in(Box::leak(Box::default())).0
    }

    /// Both ends, not connected.
    #[must_use]
    pub fn start(self) -> Pair {
        self.start_in(Box::leak(Box::default()))
    }

    fn client_in<'m>(&self, memory: &'m mut Memory) -> (Client<'m>, ConnectionString<'m>) {
        let (tx, slots, inbound) = self.memory;
        memory.text.clone_from(&self.connection_string);
        memory.tx.resize(tx, 0);
        memory.slots.resize(slots, Slot::EMPTY);
        memory.inbound.resize(inbound, Inbound::EMPTY);
        let storage = Storage { tx: &mut memory.tx, slots: &mut memory.slots, inbound: &mut memory.inbound };
        let connection_string = ConnectionString::parse(&memory.text).expect("it was parsed before");
        let identity = Identity { model_id: self.model_id, ..connection_string.identity() };
        let config = Config { identity, settings: self.settings };
        (Client::new(config, storage).expect("a configuration that works"), connection_string)
    }

    /// As [`start`](Self::start), in memory that can be used again.
    ///
    /// # Panics
    /// If the client refuses the configuration.
    #[must_use]
    pub fn start_in(self, memory: &mut Memory) -> PairIn<'_> {
        let (client, connection_string) = self.client_in(memory);
        let identity = connection_string.identity();
        let mut hub = Hub::new(self.hub.clone());
        hub.register("dev1", Credentials::key(KEY).expect("base64"));
        hub.register("dev1/mod1", Credentials::key(KEY).expect("base64"));
        hub.add_policy("device", POLICY_KEY).expect("base64");
        let module = identity.module_id.map(|module| format!("/{module}")).unwrap_or_default();
        PairIn {
            client,
            hub,
            reconnect: Reconnect::Never,
            token_lifetime: 24 * 3_600,
            will: None,
            certificate: None,
            link: self.link,
            cuts: VecDeque::new(),
            stalled: false,
            eager: self.eager,
            handler: None,
            tap: None,
            hides_deadlines: false,
            expects_violations: false,
            closes: Vec::new(),
            connection_string,
            client_id: format!("{}{module}", identity.device_id),
            now: Instant::ZERO,
            rng: Rng::new(self.seed),
            transports: Vec::new(),
            rx: Vec::new(),
            lent: None,
            half_lent: Vec::new(),
            seen: Vec::new(),
            sent: Vec::new(),
            received: Vec::new(),
            script: Vec::new(),
            reconnect_at: None,
            failed: false,
            connections: 0,
            trace: Trace::default(),
        }
    }
}
