//! What a seed makes of memory, settings, link and hub, and one random step of everybody.

use std::cell::RefCell;

use iothub_proto::error::{CapacityError, Error, UsageError};
use iothub_proto::packet::QoS;
use iothub_proto::time::Duration;
use iothub_proto::topic::Features;
use iothub_proto::{Parts, State, Telemetry};
use serde_json::json;

use super::oracle::Oracle;
use super::plant::Plant;
use super::wire;
use super::world::{Call, CloudMessage, Message, Request, World};
use crate::hub::{self, CloseReason, ConnId, Credentials, Faults};
use crate::link::{Break, End, Rng};
use crate::pair::setup::KEY;
use crate::pair::{LinkCut, PairIn, Reconnect, Setup};

/// In telemetry over which the hub closes the link.
const POISON: &[u8] = b"poison";

/// What a session is made of.
pub(super) struct Weather {
    pub(super) seed: u64,
    rng: Rng,
    /// Random steps before the calm.
    pub(super) steps: u64,
    pub(super) memory: (usize, usize, usize),
    pub(super) auto_accept: bool,
    /// No cuts and no other faults but poison.
    pub(super) clear: bool,
    poisoned: bool,
    /// In seconds; without it nobody notices that an idle link is half open.
    keep_alive: u16,
    /// Connections of a second device under the same name.
    doubles: Vec<ConnId>,
}

impl Weather {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let clear = rng.between(0, 9) == 0;
        let poisoned = clear || rng.between(0, 3) == 0;
        let memory = (rng.between(700, 3_000), rng.between(2, 16), rng.between(1, 6));
        // Most are short, so that there are many. What takes long to come about comes about in a few.
        let steps = if rng.between(0, 49) == 0 { rng.between(50, 250) } else { rng.between(3, 30) };
        let auto_accept = rng.between(0, 5) == 0;
        let keep_alive = [0, 10, 240][rng.between(0, 2) as usize];
        let memory = (memory.0 as usize, memory.1 as usize, memory.2 as usize);
        Self { seed, rng, steps, memory, auto_accept, clear, poisoned, keep_alive, doubles: Vec::new() }
    }

    fn one<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.rng.between(0, N as u64 - 1) as usize]
    }

    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.rng.between(0, most))
    }

    fn a_break(&mut self) -> Break {
        let how = self.one([Break::Close, Break::Silent]);
        if self.keep_alive == 0 { Break::Close } else { how }
    }

    pub(super) fn setup(&mut self) -> Setup {
        let (tx, slots, inbound) = self.memory;
        let mut setup = Setup::device().seed(self.seed).memory(tx, slots, inbound);
        setup.link.max_chunk = self.one([1, 2, 7, 60, 1_460, 1_460]);
        setup.link.latency = (Duration::ZERO, self.millis(120));
        setup.link.capacity = self.one([60, 300, 65_536, 65_536]);
        setup.hub.lock = Duration::from_secs(self.one([5, 60]));
        setup.hub.expiry_grace = Duration::from_secs(5);
        let settings = &mut setup.settings;
        settings.auto_accept = self.auto_accept;
        settings.send_window = self.one([1, 3, u16::MAX]);
        settings.max_packet = self.one([250, 4_096, 4_096]);
        settings.stream_payloads = self.rng.between(0, 1) == 0;
        settings.send_timeout = Duration::from_secs(self.one([10, 60]));
        settings.keep_alive = self.keep_alive;
        settings.puback_timeout = Duration::from_secs(self.one([10, 120]));
        settings.request_timeout = Duration::from_secs(self.one([5, 60]));
        if self.rng.between(0, 3) == 0 {
            // The rest comes by a `subscribe` in its time.
            settings.features = Features::TWIN.union(Features::DESIRED);
        }
        setup
    }

    pub(super) fn begin(&mut self, pair: &mut PairIn<'_>, _: &RefCell<World>) {
        pair.reconnect = Reconnect::After(self.millis(2_000));
        pair.eager = self.rng.between(0, 1) == 0;
        if self.rng.between(0, 3) == 0 && !self.clear {
            pair.token_lifetime = 20;
        }
        pair.hub.faults.poison = self.poisoned.then(|| POISON.to_vec());
        pair.connect();
    }

    /// One thing happens.
    pub(super) fn step(&mut self, pair: &mut PairIn<'_>, world: &RefCell<World>) {
        let now = pair.now();
        match self.rng.between(0, if self.clear { 19 } else { 27 }) {
            0..=4 => self.telemetry(pair, world),
            5 => self.withdraw(pair, world),
            6 => {
                let patch = format!("{{\"{}\":{}}}", self.one(["a", "b"]), self.rng.between(0, 9));
                let asked = pair.client.twin_report(now, patch.as_bytes());
                world.borrow_mut().asked(asked);
            }
            7 => {
                let asked = pair.client.twin_get(now);
                world.borrow_mut().asked(asked);
            }
            8 | 9 => self.message(pair, world),
            10 => self.call(pair, world),
            11 | 12 => self.patch(pair),
            13 => world.borrow_mut().decide_late(&mut pair.client, now),
            15 => world.borrow_mut().supply_late(&mut pair.client, now),
            14 => {
                world.borrow_mut().subscribing = pair.client.state().eq(&State::Ready);
                pair.client.subscribe(now, Features::ALL_DEVICE).expect("features of a device");
            }
            20 | 21 => self.fault(pair),
            22 => pair.cut(self.a_break()),
            23 if pair.client.state() != State::Failed => pair.client.disconnect(now).expect("not failed"),
            24 => pair.stalled = !pair.stalled && self.rng.between(0, 2) == 0,
            25 => pair.hub.restart(self.rng.between(0, 1) == 0),
            26 => self.double(pair, world),
            27 => pair.jump(self.millis(200_000)),
            _ => {
                let most = self.one([5, 50, 500, 5_000, 40_000]);
                pair.run_for(self.millis(most));
            }
        }
    }

    fn telemetry(&mut self, pair: &mut PairIn<'_>, world: &RefCell<World>) {
        let world = &mut *world.borrow_mut();
        let number = world.telemetry.len();
        let poison = self.poisoned && self.rng.between(0, 7) == 0;
        let mut payload = wire::payload(number, self.rng.between(0, 150) as usize);
        if poison {
            payload.extend_from_slice(POISON);
        }
        let qos = if self.rng.between(0, 3) == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        // Poison at QoS 0 is gone with its connection, and nobody is told of it.
        let qos = if poison { QoS::AtLeastOnce } else { qos };
        let room = self.one([0, 0, 1, 7, 50, 1_000]);
        let (now, room) = (pair.now(), if world.plant.is_none_or(Plant::is_of_payloads) { room } else { 0 });
        let sent = if room == 0 {
            pair.client.send_telemetry(now, &Telemetry { payload: &payload, qos, ..Telemetry::default() })
        } else {
            // The number goes first, so that the oracles know the message by its beginning.
            let (head, behind) = payload.split_at(4);
            let parts = Parts { len: behind.len() as u32, room };
            pair.client.send_telemetry_parts(now, &Telemetry { payload: head, qos, ..Telemetry::default() }, parts)
        };
        match sent {
            Ok(token) => {
                let (sent, acked, withdrawn, stored) = (false, false, None, 0);
                world.telemetry.push(Message { token, qos, poison, payload, sent, acked, withdrawn, stored });
            }
            Err(Error::Capacity(CapacityError::TxFull { needed, free })) => {
                Oracle::Memory.must(needed > free, format_args!("{needed} bytes have no place in {free}"));
            }
            Err(error) => assert!(matches!(error, Error::Capacity(_)), "{error:?}"),
        }
    }

    fn withdraw(&mut self, pair: &mut PairIn<'_>, world: &RefCell<World>) {
        let world = &mut *world.borrow_mut();
        let index = self.rng.between(0, world.telemetry.len() as u64) as usize;
        let Some(message) = world.telemetry.get_mut(index) else { return };
        match pair.client.telemetry_withdraw(pair.now(), message.token) {
            Ok(withdrawn) => {
                let open = !message.acked && message.withdrawn.replace(withdrawn).is_none();
                Oracle::AtLeastOnce.must(open, "what is settled cannot be withdrawn");
            }
            Err(error) => {
                let settled = message.acked || message.withdrawn.is_some() || message.qos == QoS::AtMostOnce;
                Oracle::AtLeastOnce.must(settled && error == UsageError::Stale.into(), format_args!("{error:?}"));
            }
        }
    }

    fn message(&mut self, pair: &mut PairIn<'_>, world: &RefCell<World>) {
        let world = &mut *world.borrow_mut();
        let body = wire::payload(world.messages.len(), self.rng.between(0, 200) as usize);
        let span = Duration::from_secs(self.one([30, 1_000_000]));
        let message = hub::CloudMessage { time_to_live: Some(span), ..hub::CloudMessage::new(&body) };
        if let Ok(id) = pair.hub.send_message("dev1", message) {
            world.messages.push(CloudMessage { id, body, expires: pair.now() + span, accepted: false });
        }
    }

    fn call(&mut self, pair: &mut PairIn<'_>, world: &RefCell<World>) {
        let world = &mut *world.borrow_mut();
        let padding = " ".repeat(self.rng.between(0, 20) as usize);
        let payload = format!("{}{padding}", world.calls.len());
        let timeout = Duration::from_secs(self.one([5, 60]));
        world.calls.push(Call::new(pair.hub.invoke("dev1", "method", payload.as_bytes(), timeout)));
    }

    fn patch(&mut self, pair: &mut PairIn<'_>) {
        for _ in 0..self.rng.between(1, 3) {
            if !self.clear && self.rng.between(0, 2) == 0 {
                let delay = self.millis(3_000);
                pair.hub.faults.patch_delays.push_back(delay);
            }
            let patch = match self.rng.between(0, 3) {
                0 => json!({ "a": self.rng.between(0, 9) }),
                1 => json!({ "a": null }),
                2 => json!({ "b": { "c": self.rng.between(0, 9) } }),
                _ => json!({ "b": { "c": null, "d": true } }),
            };
            pair.hub.patch_desired("dev1", &patch).expect("a good patch");
        }
    }

    fn fault(&mut self, pair: &mut PairIn<'_>) {
        let faults = &mut pair.hub.faults;
        match self.rng.between(0, 8) {
            0 => faults.answer_delay = self.millis(4_000),
            1 => faults.puback_delay = self.millis(4_000),
            2 => faults.drop_pubacks += 1,
            3 => faults.twin_statuses.extend([429, self.one([429, 500, 404])]),
            4 => faults.refuse_connects.push_back(self.one([3, 5])),
            5 => faults.ignore_pings = !faults.ignore_pings,
            6 => {
                let at = Some(self.rng.between(0, 900));
                let cut =
                    self.one([hub::Cut { inbound: at, outbound: None }, hub::Cut { inbound: None, outbound: at }]);
                faults.cuts.push_back(cut);
            }
            _ => {
                let (from, how) = (self.one([End::Client, End::Hub]), self.a_break());
                pair.cuts.push_back(Some(LinkCut { from, bytes: self.rng.between(0, 900), how }));
            }
        }
    }

    /// Another device signs in under the same name, with the same token.
    fn double(&mut self, pair: &mut PairIn<'_>, world: &RefCell<World>) {
        let conn = pair.hub.accept(pair.now(), None);
        pair.hub.handle_input(conn, pair.now(), &world.borrow().connect);
        self.doubles.push(conn);
    }

    /// All faults end, and the application does what it put off.
    pub(super) fn calm(&mut self, pair: &mut PairIn<'_>, world: &RefCell<World>) {
        let poison = pair.hub.faults.poison.take();
        pair.hub.faults = Faults { poison, ..Faults::default() };
        pair.cuts.clear();
        pair.stalled = false;
        pair.token_lifetime = 24 * 3_600;
        let now = pair.now();
        for conn in self.doubles.drain(..) {
            let _ = pair.hub.poll_transmit(conn, usize::MAX);
            pair.hub.handle_eof(conn, now);
        }
        let world = &mut *world.borrow_mut();
        world.calm = true;
        if world.planted(Plant::LoseMessage) {
            pair.hub.end_client("dev1", CloseReason::Fault);
            pair.hub.register("dev1", Credentials::key(KEY).expect("base64"));
        }
        world.decide_late(&mut pair.client, now);
        world.supply_late(&mut pair.client, now);
        world.subscribing = pair.client.state() == State::Ready;
        pair.client.subscribe(now, Features::ALL_DEVICE).expect("features of a device");
    }
}

impl World {
    /// A twin request was made, or there was no room for it.
    fn asked(&mut self, asked: Result<iothub_proto::event::TwinToken, Error>) {
        match asked {
            Ok(token) => self.requests.push(Request { token, sent: false, ended: false }),
            Err(error) => assert!(matches!(error, Error::Capacity(_)), "{error:?}"),
        }
    }
}
