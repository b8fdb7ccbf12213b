//! What the steps do, and the end of a session, where everything works and nothing may be left.

use iothub_proto::error::{CapacityError, Error, UsageError};
use iothub_proto::packet::QoS;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Parts, State, Telemetry};
use iothub_tests::hub::codec::publish_packet;
use iothub_tests::hub::{CallId, CallResult, CloseReason, CloudMessage, Cut};
use serde_json::json;

use super::DEVICE;
use super::model::accept_message;
use super::steps::{Fault, Step};
use super::world::World;
use crate::machine::Machine;
use crate::plant::{Plant, planted};

/// Jumps of the clock until everything is settled.
const PATIENCE: usize = 400;

/// No twin request and no keep-alive is due later than this, offline included.
const LONG: Duration = Duration::from_secs(60);

impl World<'_> {
    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Connect { set_clock, expires, n } => self.try_connect(set_clock, expires, n),
            Step::Cut => self.cut(),
            Step::HalfOpen => {
                self.silent = self.conn.is_some();
                self.to_hub.clear();
                self.to_client.clear();
            }
            Step::Disconnect => drop(self.command(|machine, now| machine.disconnect(now))),
            Step::Telemetry { qos1, len, room } => self.send(qos1, len.into(), room.into()),
            Step::Withdraw(n) => self.withdraw(n.into()),
            Step::TwinGet => self.request(|machine, now| machine.twin_get(now)),
            Step::TwinReport(n) => {
                let patch = json!({ "report": "r".repeat(usize::from(n) % 100) }).to_string();
                self.request(|machine, now| machine.twin_report(now, patch.as_bytes()));
            }
            Step::Subscribe(bits) => {
                let features = Features::from_bits(bits & Features::ALL_DEVICE.bits()).expect("features of a device");
                self.command(|machine, now| machine.subscribe(now, features)).expect("a device may");
            }
            Step::Accept(n) => self.decide(n.into(), true),
            Step::Leave(n) => self.decide(n.into(), false),
            Step::Respond(n) => self.respond(n.into()),
            Step::Transmit(n) => {
                self.supply_late();
                self.transmit(n.into());
            }
            Step::HubReads(n) => drop(self.hub_reads(n.into())),
            Step::Arrive(n) => drop(self.arrive(n.into())),
            Step::Pump => {
                self.supply_late();
                self.pump();
            }
            Step::Wait { millis } => self.wait(Duration::from_millis(millis.into())),
            Step::NextDeadline => self.wait(self.next_deadline().unwrap_or(LONG)),
            Step::CloudMessage(n) => self.cloud_message(n.into()),
            Step::Desired(n) => {
                let value = if n % 4 == 3 { json!(null) } else { json!("v".repeat(usize::from(n) % 90)) };
                let patch = json!({ format!("d{}", n % 3): value });
                self.hub.patch_desired(DEVICE, &patch).expect("within the rules");
            }
            Step::Invoke(n) => {
                let payload = format!("\"{}\"", "p".repeat(usize::from(n) % 160));
                self.hub.invoke(DEVICE, "blink", payload.as_bytes(), Duration::from_secs(300));
            }
            Step::Fault(fault) => self.fault(fault),
            Step::Restart { keep_sessions } => self.hub.restart(keep_sessions),
            Step::Recreate => {
                self.hub.end_client(DEVICE, CloseReason::IdentityGone);
                self.hub.reset_twin(DEVICE);
            }
            Step::Garbage(n) => self.garbage(n.into()),
        }
    }

    fn try_connect(&mut self, set_clock: bool, expires: bool, n: u16) {
        let lifetime = expires.then(|| Duration::from_secs(u32::from(n)));
        let options = ConnectOptions { lifetime, random: u32::from(n) << 16, ..ConnectOptions::default() };
        if !matches!(self.machine.state(), State::Offline | State::Failed) {
            let refused = self.command(|machine, now| machine.connect(now, &options));
            return assert_eq!(refused, Err(UsageError::InvalidState.into()));
        }
        if set_clock {
            self.set_clock(Instant::from_millis(u64::from(n) * 7));
        }
        self.connect(&options);
    }

    /// A command, which changes nothing if it is refused (law 3).
    fn command<T>(&mut self, command: impl FnOnce(&mut dyn Machine, Instant) -> Result<T, Error>) -> Result<T, Error> {
        let now = self.clock();
        let before = self.snapshot();
        let outcome = command(self.machine, now);
        if let Err(error) = &outcome {
            assert!(!error.is_fatal(), "{error:?} of a command");
            if let (true, Some(token)) = (planted(Plant::HalfCommand), self.machine.unacked().first()) {
                let _ = self.machine.telemetry_withdraw(now, *token);
            }
            assert_eq!(self.snapshot(), before, "{error:?} changed nothing");
            if let Error::Capacity(CapacityError::TxFull { needed, free }) = *error {
                assert!(needed > free && free == self.machine.tx_free(), "{error:?}");
            }
        }
        outcome
    }

    /// The part that was wanted is supplied, if it still is.
    fn supply_late(&mut self) {
        if let Some(wish) = self.model.wanted.take() {
            let now = self.clock();
            self.model.supply(&mut *self.machine, now, wish, true);
        }
    }

    fn send(&mut self, qos1: bool, len: usize, room: u32) {
        let (number, payload) = self.model.next_message(len);
        let qos = if qos1 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let (head, behind) = payload.split_at(if room == 0 { payload.len() } else { 4 });
        let message = Telemetry { payload: head, qos, properties: &[("n", "1")], ..Telemetry::default() };
        let sent = self.command(|machine, now| match room {
            0 => machine.send_telemetry(now, &message),
            _ => machine.send_telemetry_parts(now, &message, Parts { len: behind.len() as u32, room }),
        });
        match sent {
            Ok(token) => self.model.sends(number, token, qos, payload),
            Err(error) => assert!(matches!(error, Error::Capacity(_)), "{error:?}"),
        }
    }

    fn withdraw(&mut self, n: usize) {
        let Some((number, token, qos)) = self.model.nth_open(n) else { return };
        match self.command(|machine, now| machine.telemetry_withdraw(now, token)) {
            Ok(_) => self.model.withdraws(number),
            // A message at QoS 0 is gone when it was sent, and nobody is told.
            Err(error) => assert_eq!((error, qos), (UsageError::Stale.into(), QoS::AtMostOnce)),
        }
    }

    fn request(
        &mut self,
        request: impl FnOnce(&mut dyn Machine, Instant) -> Result<iothub_proto::event::TwinToken, Error>,
    ) {
        match self.command(request) {
            Ok(token) => self.model.requests.push(token),
            Err(error) => {
                assert!(matches!(error, Error::Capacity(_) | Error::Usage(UsageError::NotSubscribed)), "{error:?}")
            }
        }
    }

    fn decide(&mut self, n: usize, accept: bool) {
        let Some((token, message)) = self.model.nth_undecided(n) else { return };
        let decided = self.command(|machine, now| match accept {
            false if !planted(Plant::AckLeft) => machine.message_leave(now, token),
            _ => accept_message(machine, now, token),
        });
        match decided {
            Ok(()) => self.model.decided(token, accept.then_some(message)),
            // Its connection is ending, or it was accepted by itself.
            Err(error) => {
                assert_eq!(error, UsageError::Stale.into());
                let over = !matches!(self.machine.state(), State::Subscribing | State::Ready | State::Draining);
                assert!(over || self.model.auto_accepts, "undecided, and its connection lives");
            }
        }
    }

    fn respond(&mut self, n: usize) {
        let Some(request) = self.model.calls.pop() else { return };
        let body = format!("\"{}\"", "r".repeat(n % 120));
        match self.command(|machine, now| machine.method_respond(now, &request, 200, body.as_bytes())) {
            Ok(()) => self.model.answers.push(u32::from_str_radix(request.id().as_str(), 16).expect("the hub's id")),
            Err(Error::Usage(error)) => {
                let over = !matches!(self.machine.state(), State::Subscribing | State::Ready | State::Draining);
                assert!(over || error == UsageError::NotSubscribed, "{error:?}");
            }
            Err(error) => assert!(matches!(error, Error::Capacity(_)), "{error:?}"),
        }
    }

    fn cloud_message(&mut self, n: usize) {
        let payload = self.model.next_cloud_message(n % 200);
        let mut message = CloudMessage::new(&payload);
        if n % 16 == 15 {
            // The topic alone is larger than some receive buffers.
            message = message.with("long", &"l".repeat(150));
        }
        if let Ok(id) = self.hub.send_message(DEVICE, message) {
            self.model.cloud_messages.push(id);
        }
    }

    fn fault(&mut self, fault: Fault) {
        let faults = &mut self.hub.faults;
        match fault {
            Fault::DropPubacks(count) => faults.drop_pubacks = count,
            Fault::PubackDelay { secs } => faults.puback_delay = Duration::from_secs(secs),
            Fault::AnswerDelay { secs } => faults.answer_delay = Duration::from_secs(secs),
            Fault::TwinStatus(status) => faults.twin_statuses.push_back(status),
            Fault::IgnorePings(so) => faults.ignore_pings = so,
            Fault::RefuseConnect(code) => faults.refuse_connects.push_back(code),
            Fault::CutInbound(at) => faults.cuts.push_back(Cut { inbound: Some(at), outbound: None }),
            Fault::CutOutbound(at) => faults.cuts.push_back(Cut { inbound: None, outbound: Some(at) }),
        }
    }

    /// A packet between those of the hub: strays, which are passed over, and such as end a connection. Nothing comes
    /// behind what a hub sent last, which may be a part of a packet.
    fn garbage(&mut self, n: usize) {
        self.hub_writes();
        if self.silent || self.conn.is_none_or(|conn| self.hub.wants_close(conn).is_some()) {
            return;
        }
        let packets: [&[u8]; 12] = [
            &[0xF0, 0],
            &[0x40, 2, 0, 0],
            &[0x30, 0x80, 0x80, 0x80, 0x80],
            &[0x20, 2, 0, 0],
            &[0x90, 3, 0x12, 0x34, 1],
            &[0xB0, 2, 0x12, 0x34],
            &[0xD0, 0],
            &[0x36, 6, 0, 1, b't', 0, 1, b'a'],
            &[0x30, 3, 0, 0, b'a'],
            &[0x30, 0xFF, 0xFF, 0xFF, 0x7F],
            &[0x30, 4, 0, 1, b't', b'a'],
            &[0x40, 2, 0xFF, 0xF0],
        ];
        match packets.get(n % 16) {
            Some(packet) => self.to_client.extend_from_slice(packet),
            None => {
                let topics = [
                    "$iothub/twin/res/200/?$rid=nobody",
                    "$iothub/methods/POST/x/?$rid=",
                    "devices/dev2/messages/devicebound/",
                ];
                let payload = vec![b'{'; n % 700];
                self.to_client.extend(publish_packet(topics[n % 3], &payload, false, None));
            }
        }
    }

    /// What was broken works again, and everything that is due comes, until nothing is left.
    pub(super) fn settle(&mut self) {
        self.hub.faults = Default::default();
        if self.silent {
            self.cut();
        }
        self.model.accepts_at_once = true;
        self.supply_late();
        self.command(|machine, now| machine.subscribe(now, Features::ALL_DEVICE)).expect("a device may");
        self.until_settled("once", |world| world.model.is_settled(&*world.machine, &world.hub));
        self.check();
        for call in self.model.answers.drain(..) {
            let result = self.hub.call_result(CallId(call));
            assert!(!matches!(result, CallResult::Pending | CallResult::NotOnline), "{call}: {result:?}");
        }
        // What was left comes again on a later connection, and then the hub has nothing more.
        self.command(|machine, now| machine.disconnect(now)).expect("there is a connection");
        self.until_settled("again", |world| {
            world.model.is_settled(&*world.machine, &world.hub) && world.hub.queued(DEVICE) == 0
        });
        self.check();
    }

    fn until_settled(&mut self, when: &str, settled: impl Fn(&Self) -> bool) {
        for _ in 0..PATIENCE {
            self.drain();
            if matches!(self.machine.state(), State::Offline | State::Failed) {
                self.connect(&ConnectOptions::default());
            }
            for (token, message) in self.model.all_undecided() {
                let now = self.clock();
                if accept_message(self.machine, now, token).is_ok() {
                    self.model.decided(token, Some(message));
                }
            }
            self.pump();
            if settled(self) {
                return;
            }
            self.wait(self.next_deadline().unwrap_or(LONG).min(LONG));
        }
        panic!("not settled {when}: {:?}, {:?}", self.snapshot(), self.model);
    }
}
