//! Cloud-to-device messages and messages to the inputs of modules.

use iothub_proto::time::{Duration, Instant};

use super::{
    Hub,
    registry::Entry,
    topic::{Feature, percent_encode, resource, write_bag},
};

/// Messages that the hub queues for one device.
const QUEUE: usize = 50;

/// Names a cloud-to-device message; counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageId(pub u32);

/// A message for a device. `Default` is an empty one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CloudMessage {
    /// Body.
    pub payload: Vec<u8>,
    /// Message id; the hub makes one up if it is empty.
    pub message_id: String,
    /// Further system properties under their wire names, such as `$.cid`, `$.ct` or `iothub-ack`.
    pub system: Vec<(String, String)>,
    /// Application properties, in order.
    pub properties: Vec<(String, String)>,
    /// Put this text behind `devicebound` instead of a bag that every SDK can read.
    pub raw_bag: Option<String>,
    /// How long the hub keeps it; `None` is the hub's default.
    pub time_to_live: Option<Duration>,
}

impl CloudMessage {
    /// A message with a body and nothing else.
    #[must_use]
    pub fn new(payload: &[u8]) -> Self {
        Self { payload: payload.to_vec(), ..Self::default() }
    }

    /// The same message with one more application property.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The bag: message id and destination first, then system and application properties.
    fn bag(&self, id: MessageId, to: &str) -> String {
        if let Some(raw) = &self.raw_bag {
            return raw.clone();
        }
        let made_up = format!("message-{}", id.0);
        let message_id = if self.message_id.is_empty() { made_up.as_str() } else { &self.message_id };
        let rest = self.system.iter().chain(&self.properties);
        let rest = rest.map(|(name, value)| (name.as_str(), value.as_str()));
        write_bag([("$.mid", message_id), ("$.to", to)].into_iter().chain(rest))
    }
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Waits in the queue.
    Pending,
    /// Sent; its PUBACK is missing.
    Delivered,
    /// Acknowledged, or sent at QoS 0.
    Completed,
    /// Its time to live ended first.
    Expired,
}

/// Why a message cannot be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// There is no such device, or no such module for an input.
    NotFound,
    /// The device's queue is full (403004).
    QueueFull,
    /// The module is not there to take an input.
    NotSubscribed,
}

/// A message in a device's queue.
#[derive(Debug)]
pub(super) struct Queued {
    id: MessageId,
    message: CloudMessage,
    expires: Instant,
    delivered: bool,
}

impl Entry {
    /// When the next message in the queue expires.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.queue.iter().filter(|queued| !queued.delivered).map(|queued| queued.expires).min()
    }
}

impl Hub {
    /// Sends a message to a device. It waits in the queue until the device can take it.
    ///
    /// # Errors
    /// The device is not registered or is a module, or its queue is full.
    pub fn send_message(&mut self, device: &str, message: CloudMessage) -> Result<MessageId, SendError> {
        let expires = self.now + message.time_to_live.unwrap_or(self.config.time_to_live);
        let id = MessageId(u32::try_from(self.outcomes.len()).unwrap_or(u32::MAX) + 1);
        let entry = self.entries.get_mut(device).filter(|_| !device.contains('/')).ok_or(SendError::NotFound)?;
        if entry.queue.len() >= QUEUE {
            return Err(SendError::QueueFull);
        }
        entry.queue.push(Queued { id, message, expires, delivered: false });
        self.outcomes.push(Outcome::Pending);
        self.deliver_messages(device);
        Ok(id)
    }

    /// Sends a message to an input of a connected module, at QoS 1.
    ///
    /// # Errors
    /// The module is not registered, or not connected and subscribed.
    pub fn send_input(&mut self, module: &str, input: &str, message: &CloudMessage) -> Result<(), SendError> {
        if !self.entries.contains_key(module) || !module.contains('/') {
            return Err(SendError::NotFound);
        }
        let sender = ("$.cdid".to_owned(), module.split('/').next().unwrap_or_default().to_owned());
        let mut message = message.clone();
        if message.system.iter().all(|(name, _)| *name != sender.0) {
            message.system.insert(0, sender);
        }
        let resource = resource(module);
        let bag = message.bag(MessageId(0), &format!("/{resource}/inputs/{input}"));
        let topic = format!("{resource}/inputs/{}/{bag}", percent_encode(input));
        let sent = self.publish_to(module, Feature::Inputs, 1, (topic, &message.payload), None);
        sent.map(drop).ok_or(SendError::NotSubscribed)
    }

    /// What became of a message.
    #[must_use]
    pub fn outcome(&self, id: MessageId) -> Option<Outcome> {
        self.outcomes.get((id.0 as usize).checked_sub(1)?).copied()
    }

    /// How many messages wait for a device or for its PUBACK.
    #[must_use]
    pub fn queued(&self, device: &str) -> usize {
        self.entries.get(device).map_or(0, |entry| entry.queue.len())
    }

    /// Sends what waits to a device that is connected and subscribed, in order.
    pub(super) fn deliver_messages(&mut self, device: &str) {
        self.expire_messages(device);
        while self.is_subscribed(device, Feature::Messages) {
            let Some(entry) = self.entries.get_mut(device) else { return };
            let Some(queued) = entry.queue.iter_mut().find(|queued| !queued.delivered) else { return };
            let (id, payload) = (queued.id, queued.message.payload.clone());
            let bag = queued.message.bag(id, &format!("/devices/{device}/messages/deviceBound"));
            let topic = format!("devices/{device}/messages/devicebound/{bag}");
            match self.publish_to(device, Feature::Messages, 1, (topic, &payload), Some(id)) {
                None => return,
                Some(0) => self.complete_message(device, id),
                Some(_) => self.set_delivered(device, id, true),
            }
        }
    }

    /// Takes a message off the queue for good.
    pub(super) fn complete_message(&mut self, device: &str, id: MessageId) {
        if let Some(entry) = self.entries.get_mut(device) {
            entry.queue.retain(|queued| queued.id != id);
        }
        self.set_outcome(id, Outcome::Completed);
    }

    /// Returns the messages to the queue whose lock has ended, and sends them again.
    pub(super) fn unlock_messages(&mut self, device: &str) {
        let now = self.now;
        for id in self.session_mut(device).map(|session| session.take_unlocked(now)).unwrap_or_default() {
            self.set_delivered(device, id, false);
        }
        self.deliver_messages(device);
    }

    /// Returns every message to the queue: the session in which it was sent is over.
    pub(super) fn release_messages(&mut self, device: &str) {
        let queue = self.entries.get(device).map(|entry| entry.queue.as_slice()).unwrap_or_default();
        for id in queue.iter().map(|queued| queued.id).collect::<Vec<_>>() {
            self.set_delivered(device, id, false);
        }
    }

    /// Ends the lock of messages whose lifetime is over, and gives the others.
    pub(super) fn live_messages(&mut self, device: &str) -> Vec<MessageId> {
        let now = self.now;
        let Some(entry) = self.entries.get_mut(device) else { return Vec::new() };
        for queued in entry.queue.iter_mut().filter(|queued| queued.expires <= now) {
            queued.delivered = false;
        }
        self.expire_messages(device);
        self.entries.get(device).map(|entry| entry.queue.iter().map(|queued| queued.id).collect()).unwrap_or_default()
    }

    /// Drops the messages in the queue whose lifetime is over.
    pub(super) fn expire_messages(&mut self, device: &str) {
        let now = self.now;
        let Some(entry) = self.entries.get_mut(device) else { return };
        let gone = |queued: &mut Queued| !queued.delivered && queued.expires <= now;
        for queued in entry.queue.extract_if(.., gone).collect::<Vec<_>>() {
            self.set_outcome(queued.id, Outcome::Expired);
        }
    }

    fn set_delivered(&mut self, device: &str, id: MessageId, delivered: bool) {
        let queue = self.entries.get_mut(device).map(|entry| &mut entry.queue);
        if let Some(queued) = queue.and_then(|queue| queue.iter_mut().find(|queued| queued.id == id)) {
            queued.delivered = delivered;
            self.set_outcome(id, if delivered { Outcome::Delivered } else { Outcome::Pending });
        }
    }

    fn set_outcome(&mut self, id: MessageId, outcome: Outcome) {
        if let Some(slot) = (id.0 as usize).checked_sub(1).and_then(|index| self.outcomes.get_mut(index)) {
            *slot = outcome;
        }
    }
}
