//! The Device Provisioning Service beside the hub: enrollments, and registrations over connections of their own.
//!
//! A connection belongs to it from its opening ([`Hub::accept_dps`]), as at another host. It shares the clock, the
//! timers, the cuts and delays with those of the hub.

mod requests;
mod sign_in;

use std::collections::{BTreeMap, VecDeque};

use iothub_proto::time::{Duration, Instant};
use serde_json::Value;

use super::{
    ConnId, Hub,
    registry::{Credentials, PeerCertificate},
};

/// What a device may ask in a span of time.
const POLLS: usize = 5;
const POLL_SPAN: Duration = Duration::from_secs(10);

/// The service: how it behaves, and what it knows.
#[derive(Debug)]
pub struct Dps {
    /// Its name in user names and tokens.
    pub id_scope: String,
    /// How often a device is told to ask again before it is assigned.
    pub polls: u32,
    /// Seconds in `retry-after` of these answers; `None` leaves it out.
    pub retry_after: Option<u32>,
    /// Highest QoS of answers.
    pub answer_qos: u8,
    /// Statuses for the next answers, instead of what the requests deserve, and their `retry-after`.
    pub statuses: VecDeque<(u16, Option<u32>)>,
    /// Topics and bodies of the next answers, sent as they are; `{rid}` in a topic becomes the request's.
    pub raw_answers: VecDeque<(String, Vec<u8>)>,
    /// How many of the next requests are not answered at all.
    pub ignored: u32,
    individuals: BTreeMap<String, Enrollment>,
    groups: Vec<Enrollment>,
    operations: BTreeMap<String, Operation>,
    registered: Vec<Registered>,
    requests: BTreeMap<String, VecDeque<Instant>>,
}

/// What is laid down for one device, or for the devices of a group.
#[derive(Clone, Debug)]
pub struct Enrollment {
    /// How a device proves itself: of a group by a key derived from the group's, or by a certificate of an authority that
    /// the server trusts, with the registration id as its common name.
    pub credentials: Credentials,
    /// Host name of the hub to assign.
    pub hub: String,
    /// The device id there; `None` makes it the registration id.
    pub device_id: Option<String>,
    /// A disabled enrollment assigns nothing.
    pub enabled: bool,
    /// Fail with this code instead of assigning.
    pub failure: Option<u32>,
    /// What the device is told; `None` echoes what it sent.
    pub payload: Option<Value>,
}

impl Enrollment {
    /// Assigns this hub.
    #[must_use]
    pub fn new(credentials: Credentials, hub: &str) -> Self {
        Self { credentials, hub: hub.to_owned(), device_id: None, enabled: true, failure: None, payload: None }
    }
}

/// A registration that came to an end.
#[derive(Clone, PartialEq, Debug)]
pub struct Registered {
    /// Under which name.
    pub registration_id: String,
    /// What the device sent.
    pub payload: Option<Value>,
    /// The hub it was told; `None` if it was not assigned.
    pub hub: Option<String>,
}

#[derive(Debug)]
struct Operation {
    registration_id: String,
    payload: Option<Value>,
    polls_left: u32,
}

/// What a connection to the service has, over one to the hub.
#[derive(Debug, Default)]
pub(super) struct Registrant {
    /// As it stands in CONNECT; empty before.
    registration_id: String,
    /// What the device proved itself with, as a hub would know it.
    credentials: Option<Credentials>,
    /// Of its subscription to answers.
    qos: Option<u8>,
    last_packet_id: u16,
}

impl Dps {
    pub(super) fn new() -> Self {
        Self {
            id_scope: "0ne00000001".to_owned(),
            polls: 1,
            retry_after: Some(3),
            answer_qos: 0,
            statuses: VecDeque::new(),
            raw_answers: VecDeque::new(),
            ignored: 0,
            individuals: BTreeMap::new(),
            groups: Vec::new(),
            operations: BTreeMap::new(),
            registered: Vec::new(),
            requests: BTreeMap::new(),
        }
    }

    /// Enrolls one device; replaces an older enrollment. Registration ids have no letter case.
    pub fn enroll(&mut self, registration_id: &str, enrollment: Enrollment) {
        self.individuals.insert(registration_id.to_ascii_lowercase(), enrollment);
    }

    /// Enrolls every device that can prove that it belongs to the group.
    pub fn enroll_group(&mut self, enrollment: Enrollment) {
        self.groups.push(enrollment);
    }

    /// The enrollment of one device, to be changed.
    pub fn enrollment(&mut self, registration_id: &str) -> Option<&mut Enrollment> {
        self.individuals.get_mut(&registration_id.to_ascii_lowercase())
    }

    /// The enrollments of groups, to be changed.
    pub fn groups(&mut self) -> &mut [Enrollment] {
        &mut self.groups
    }

    /// Registrations that came to an end, in order.
    #[must_use]
    pub fn registered(&self) -> &[Registered] {
        &self.registered
    }

    /// The enrollment whose proof `prove` accepts, and what it gave: the device's own before the groups'.
    fn find<T>(
        &self,
        registration_id: &str,
        prove: impl Fn(&Enrollment, bool) -> Option<T>,
    ) -> Option<(&Enrollment, T)> {
        match self.individuals.get(&registration_id.to_ascii_lowercase()) {
            Some(own) => prove(own, false).map(|proof| (own, proof)),
            None => self.groups.iter().find_map(|group| prove(group, true).map(|proof| (group, proof))),
        }
    }

    /// Whether a device has asked too often, this question included.
    fn is_too_often(&mut self, registration_id: &str, now: Instant) -> bool {
        let asked = self.requests.entry(registration_id.to_ascii_lowercase()).or_default();
        asked.retain(|at| *at + POLL_SPAN > now);
        asked.push_back(now);
        asked.len() > POLLS
    }
}

impl Hub {
    /// Opens a connection to the provisioning service; otherwise as [`Hub::accept`].
    pub fn accept_dps(&mut self, now: Instant, peer: Option<PeerCertificate>) -> ConnId {
        let id = self.accept(now, peer);
        if let Some(connection) = self.conns.get_mut(&id) {
            connection.registrant = Some(Registrant::default());
        }
        id
    }
}
