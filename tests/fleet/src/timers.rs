//! Deadlines of many devices, by the second: a device costs something when its second comes, and nothing before.

use iothub_proto::time::Instant;
use std::collections::BTreeMap;

pub struct Timers {
    /// The devices to look at in each second.
    seconds: BTreeMap<u32, Vec<u32>>,
    /// The earliest second in which each device stands; [`NONE`] if it is in none.
    ///
    /// A deadline moves later with every message. Then nothing is moved here: the device is looked at in the old second,
    /// and put into the new one.
    armed: Vec<u32>,
    start: Instant,
}

const NONE: u32 = u32::MAX;

impl Timers {
    pub fn new(devices: usize, start: Instant) -> Self {
        Self { seconds: BTreeMap::new(), armed: vec![NONE; devices], start }
    }

    /// The device is to be looked at no later than in the second after `at`.
    pub fn arm(&mut self, device: usize, at: Instant) {
        let second = at.since(self.start).as_millis().div_ceil(1_000) as u32;
        if second < self.armed[device] {
            self.armed[device] = second;
            self.seconds.entry(second).or_default().push(device as u32);
        }
    }

    /// The devices to look at now. Each is to be armed again.
    pub fn due(&mut self, now: Instant) -> Vec<usize> {
        let now = (now.since(self.start).as_millis() / 1_000) as u32;
        let later = self.seconds.split_off(&(now + 1));
        let mut due = Vec::new();
        for (second, devices) in std::mem::replace(&mut self.seconds, later) {
            // A device that was armed for an earlier second since stands here in vain.
            for device in devices.into_iter().map(|device| device as usize) {
                if self.armed[device] == second {
                    self.armed[device] = NONE;
                    due.push(device);
                }
            }
        }
        due
    }

    /// What it takes.
    pub fn bytes(&self) -> usize {
        let seconds = self.seconds.values().map(|devices| devices.capacity() * size_of::<u32>());
        seconds.sum::<usize>() + self.armed.capacity() * size_of::<u32>()
    }
}
