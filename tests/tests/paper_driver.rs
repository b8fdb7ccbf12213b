//! A difficult embedded driver, driven: the memory of a small device, a DMA engine that holds what is lent for a long
//! time and takes it in odd pieces, a receive buffer far smaller than a twin, a clock that jumps, a hub that closes the
//! link instead of refusing a message. One device lives through all of it; at the end nothing is lost and the hub has
//! nothing to object to.

mod common;

use common::{HOST, KEY, config, hub_with};
use iothub_proto::auth::{Identity, SharedAccessKey};
use iothub_proto::error::{CapacityError, Error, TimeoutReason, UsageError};
use iothub_proto::event::{
    DisconnectReason, Disconnected, KeptRequestId, LastSent, MessageToken, RequestError, TelemetryToken, TwinToken,
    Withdrawn,
};
use iothub_proto::time::{Duration, Instant, UnixSeconds};
use iothub_proto::{Client, Config, ConnectOptions, Event, Inbound, RxBuffer, Slot, State, Storage, Telemetry};
use iothub_tests::hub::{CallResult, CloudMessage, ConnId, Hub, Outcome};
use serde_json::json;
use std::collections::BTreeMap;

const RX: usize = 2048;
const DEVICE: &str = "dev1";

/// Bytes of a QoS 1 PUBLISH of this device around a payload that makes it 128 to 16,383 bytes: header, topic, id.
const AROUND: usize = 3 + 2 + "devices/dev1/messages/events/".len() + 2;

/// What the driver's application remembers of an event.
#[derive(Clone, PartialEq, Debug)]
enum Seen {
    Ready,
    Acked(TelemetryToken),
    Message { token: MessageToken, payload: Vec<u8> },
    Call(KeptRequestId),
    Document { token: Option<TwinToken>, version: Option<u64> },
    Reported(TwinToken),
    Desired { version: Option<u64>, unsynced: bool },
    Failed { token: TwinToken, reason: RequestError },
    SyncFailed(RequestError),
    Disconnected(Disconnected),
}

/// A transfer that the hardware has begun: the memory belongs to it until it is done.
struct Transfer {
    place: *const u8,
    bytes: Vec<u8>,
    /// Turns that it still takes.
    turns: u32,
}

struct Driver<'m> {
    client: Client<'m>,
    rx: RxBuffer<'m>,
    hub: Hub,
    conn: Option<ConnId>,
    /// The hub's time; the device's clock shows `skew` milliseconds more.
    millis: u64,
    skew: i64,
    transfer: Option<Transfer>,
    /// Makes the sizes of pieces; every value of it does.
    turn: usize,
    seen: Vec<Seen>,
    /// What the application has sent and not withdrawn, and how often the hub acknowledged it.
    acks: BTreeMap<Vec<u8>, (TelemetryToken, u32)>,
}

impl<'m> Driver<'m> {
    fn now(&self) -> Instant {
        Instant::from_millis(self.millis.checked_add_signed(self.skew).expect("the device's clock begins at 0"))
    }

    fn hub_now(&self) -> Instant {
        Instant::from_millis(self.millis)
    }

    /// The transport is up.
    fn dial(&mut self) {
        assert!(self.transfer.is_none());
        self.conn = Some(self.hub.accept(self.hub_now(), None));
        let key = SharedAccessKey::from_base64(KEY).unwrap();
        let expiry = UnixSeconds(u32::try_from(self.hub.unix_now()).unwrap()).plus(3_600);
        let mut room = [0; 256];
        let token = key.token(&Identity::device(HOST, DEVICE), expiry, None, &mut room).unwrap();
        let now = self.now();
        self.client.connect(now, &ConnectOptions { password: Some(token), ..Default::default() }).unwrap();
    }

    fn connect(&mut self) {
        self.dial();
        self.run_until(|driver| driver.client.state() == State::Ready);
        assert!(self.take(|seen| *seen == Seen::Ready).is_some());
    }

    /// The link breaks: both sides learn of it, and what the hardware holds is over.
    fn cut(&mut self) {
        let now = self.now();
        self.transfer = None;
        self.client.handle_eof(now).unwrap();
        self.hang_up();
        self.poll_events();
    }

    fn hang_up(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.hub.handle_eof(conn, self.hub_now());
        }
    }

    /// A millisecond passes: a few bytes come, the events in them are taken, the hardware may be done.
    fn step(&mut self) {
        self.millis += 1;
        self.turn += 1;
        let (now, hub_now) = (self.now(), self.hub_now());
        self.hub.handle_timeout(hub_now);
        self.receive(1 + self.turn * 37 % 300);
        if self.client.poll_timeout().is_some_and(|at| at <= now) {
            let _ = self.client.handle_timeout(now);
            self.poll_events();
        }
        self.transmit();
        let closed = self.conn.is_some_and(|conn| self.hub.wants_close(conn).is_some());
        if closed || self.conn.is_some() && matches!(self.client.state(), State::Offline | State::Failed) {
            self.cut();
        }
    }

    /// At most `max` bytes come, as many as the buffer has room for; the events in them are taken.
    fn receive(&mut self, max: usize) {
        if let Some(conn) = self.conn {
            let space = self.rx.space();
            let bytes = self.hub.poll_transmit(conn, space.len().min(max));
            space[..bytes.len()].copy_from_slice(&bytes);
            self.rx.commit(bytes.len());
        }
        self.poll_events();
    }

    fn run_until(&mut self, is_done: impl Fn(&Self) -> bool) {
        for _ in 0..20_000 {
            if is_done(self) {
                return;
            }
            self.step();
        }
        panic!("nothing comes of it: {:?}, seen {:?}", self.client, self.seen);
    }

    fn run(&mut self, steps: u32) {
        (0..steps).for_each(|_| self.step());
    }

    /// Begins a transfer, or goes on with it, or ends it with 1 to all of its bytes sent.
    fn transmit(&mut self) {
        self.check_frozen();
        match &mut self.transfer {
            None => {
                if let Some(lent) = self.client.poll_transmit() {
                    let turns = (self.turn * 5 % 7) as u32;
                    self.transfer = Some(Transfer { place: lent.as_ptr(), bytes: lent.to_vec(), turns });
                }
            }
            Some(transfer) if transfer.turns > 0 => transfer.turns -= 1,
            Some(_) => self.complete(1 + self.turn * 11 % 97),
        }
    }

    /// The transfer ends; at most `count` bytes were sent.
    fn complete(&mut self, count: usize) {
        let (now, hub_now) = (self.now(), self.hub_now());
        let Some(transfer) = self.transfer.take() else { return };
        let count = count.min(transfer.bytes.len());
        if let Some(conn) = self.conn {
            self.hub.handle_input(conn, hub_now, &transfer.bytes[..count]);
        }
        self.client.confirm_transmit(now, count).unwrap();
    }

    /// Whatever was called meanwhile: same place, same length, same bytes (law 11).
    fn check_frozen(&mut self) {
        if let Some(Transfer { place, bytes, .. }) = &self.transfer {
            let lent = self.client.poll_transmit().expect("what is lent stays lent");
            assert_eq!((lent.as_ptr(), lent), (*place, bytes.as_slice()));
        }
    }

    fn poll_events(&mut self) {
        let now = self.now();
        loop {
            let event = match self.client.poll_event(now, &mut self.rx) {
                Ok(Some(event)) => event,
                Ok(None) => return self.check_frozen(),
                Err(error) => {
                    // The end of the connection was told before.
                    assert!(error.is_fatal(), "{error:?}");
                    return;
                }
            };
            self.seen.push(match event {
                Event::Connected { .. } => continue,
                Event::Ready { refused } => {
                    assert!(refused.is_empty());
                    Seen::Ready
                }
                Event::TelemetryAcked(token) => {
                    let (_, times) = self.acks.values_mut().find(|(known, _)| *known == token).expect("was sent");
                    *times += 1;
                    Seen::Acked(token)
                }
                Event::Message(message) => {
                    let token = message.token.expect("QoS 1 was asked for");
                    Seen::Message { token, payload: message.payload.to_vec() }
                }
                Event::MethodCall { request, .. } => Seen::Call(request.keep().expect("a short request id")),
                Event::TwinDocument { token, version, .. } => Seen::Document { token, version },
                Event::TwinReported { token, .. } => Seen::Reported(token),
                Event::TwinDesired { version, unsynced, .. } => Seen::Desired { version, unsynced },
                Event::RequestFailed { token, reason, .. } => Seen::Failed { token, reason },
                Event::TwinSyncFailed { reason } => Seen::SyncFailed(reason),
                Event::Disconnected(end) => {
                    // The memory is the device's own again.
                    self.transfer = None;
                    Seen::Disconnected(end)
                }
                event => panic!("unexpected: {event:?}"),
            });
        }
    }

    /// Takes the first event of a kind out of what was seen.
    fn take(&mut self, is_it: impl Fn(&Seen) -> bool) -> Option<Seen> {
        let at = self.seen.iter().position(is_it)?;
        Some(self.seen.remove(at))
    }

    /// Runs until an event of a kind is seen, and takes it.
    fn wait(&mut self, is_it: impl Fn(&Seen) -> bool) -> Seen {
        self.run_until(|driver| driver.seen.iter().any(&is_it));
        self.take(is_it).expect("it was just seen")
    }

    fn wait_disconnected(&mut self) -> Disconnected {
        let Seen::Disconnected(end) = self.wait(|seen| matches!(seen, Seen::Disconnected(_))) else { unreachable!() };
        end
    }

    fn send(&mut self, payload: &[u8]) -> Result<TelemetryToken, Error> {
        let now = self.now();
        let token = self.client.send_telemetry(now, &Telemetry { payload, ..Default::default() })?;
        assert!(self.acks.insert(payload.to_vec(), (token, 0)).is_none(), "payloads are told apart");
        self.check_frozen();
        Ok(token)
    }

    fn all_acked(&self) -> bool {
        self.acks.values().all(|(_, times)| *times == 1)
    }

    fn pending_telemetry(&self) -> usize {
        self.client.unacked().count()
    }
}

/// What is lent is held for a second, while everything else goes on around it.
fn a_transfer_that_takes_long(driver: &mut Driver<'_>) {
    let first = driver.send(b"leaves a hole before it").unwrap();
    driver.send(&[b'd'; 900]).unwrap();
    driver.run_until(|driver| driver.transfer.as_ref().is_some_and(|transfer| transfer.bytes.len() > 900));
    driver.transfer.as_mut().unwrap().turns = 1_000;
    driver.wait(|seen| *seen == Seen::Acked(first));
    let len = driver.transfer.as_ref().unwrap().bytes.len();
    assert_eq!(len, AROUND + 900);
    driver.transfer.as_mut().unwrap().turns = 1_000;

    // Small messages fill the arena around it and are taken back, which makes holes and has packets moved.
    let mut tokens = Vec::new();
    for number in 0..u32::MAX {
        match driver.send(format!("around {number}").as_bytes()) {
            Ok(token) => tokens.push(token),
            Err(error) => {
                assert!(matches!(error, Error::Capacity(_)), "{error:?}");
                break;
            }
        }
        driver.step();
    }
    let now = driver.now();
    for token in tokens.into_iter().step_by(2) {
        assert_eq!(driver.client.telemetry_withdraw(now, token), Ok(Withdrawn::Unsent));
        driver.acks.retain(|_, (known, _)| *known != token);
        driver.check_frozen();
    }
    let free = driver.client.tx_free();
    driver.send(&vec![b'e'; free - AROUND]).unwrap();
    driver.run(50);

    // Part by part; a part is a byte at first.
    assert_eq!(
        driver.client.confirm_transmit(now, len + 1),
        Err(UsageError::BadConfirm { lent: len, confirmed: len + 1 }.into())
    );
    driver.check_frozen();
    driver.complete(1);
    let lent = driver.client.poll_transmit().unwrap();
    assert_eq!((lent.len(), lent[2]), (len - 1, 0), "the rest, from its second byte on");
    driver.run_until(Driver::all_acked);
    assert_eq!(driver.hub.take_telemetry().len(), driver.acks.len());
}

/// Offline until the arena is full to the last byte; then all of it drains in order.
fn a_full_arena_offline(driver: &mut Driver<'_>) {
    driver.cut();
    assert!(driver.take(|seen| matches!(seen, Seen::Disconnected(_))).is_some());
    let whole = driver.client.tx_free();
    let mut sent: Vec<Vec<u8>> = Vec::new();
    let mut free = whole;
    // 200 bytes each: three bytes of header.
    let payload = |number: usize| [&[number as u8][..], &[b'f'; 200 - AROUND - 1]].concat();
    while free >= 200 {
        driver.send(&payload(sent.len())).unwrap();
        sent.push(payload(sent.len()));
        free -= 200;
        assert_eq!(driver.client.tx_free(), free, "after {}", sent.len());
    }
    let full = CapacityError::TxFull { needed: 200, free };
    assert_eq!(driver.send(&payload(sent.len())), Err(full.into()));
    let huge = vec![b'h'; whole];
    let too_large = CapacityError::TooLarge { needed: AROUND + whole, capacity: whole };
    assert_eq!(driver.send(&huge), Err(too_large.into()));
    assert_eq!((driver.client.tx_free(), driver.pending_telemetry()), (free, sent.len()), "nothing changed");

    // What `free` says fits, to the last byte; the header of such a small packet has two.
    assert!(free < 130);
    let last = vec![b'l'; free - (AROUND - 1)];
    driver.send(&last).unwrap();
    sent.push(last);
    assert_eq!(driver.client.tx_free(), 0);

    driver.connect();
    driver.run_until(Driver::all_acked);
    let arrived: Vec<_> = driver.hub.take_telemetry().into_iter().map(|telemetry| telemetry.payload).collect();
    assert_eq!(arrived, sent, "in order, once");
    assert_eq!(driver.client.tx_free(), whole);
}

/// Three messages: the first is decided seconds later, the others at once. PUBACKs keep their order.
fn a_message_accepted_late(driver: &mut Driver<'_>) {
    let ids = [1, 2, 3].map(|number: u8| driver.hub.send_message(DEVICE, CloudMessage::new(&[number])).unwrap());
    let tokens = [1, 2, 3].map(|number: u8| {
        let Seen::Message { token, payload } = driver.wait(|seen| matches!(seen, Seen::Message { .. })) else {
            unreachable!()
        };
        assert_eq!(payload, [number]);
        token
    });
    let now = driver.now();
    driver.client.message_leave(now, tokens[1]).unwrap();
    driver.client.message_accept(now, tokens[2]).unwrap();
    // Telemetry flows meanwhile, both ways.
    for second in 0..5u8 {
        driver.send(&[b's', second]).unwrap();
        driver.run(1_000);
    }
    assert!(driver.all_acked());
    assert_eq!(ids.map(|id| driver.hub.outcome(id)), [Some(Outcome::Delivered); 3], "the first holds the third");
    driver.client.message_accept(driver.now(), tokens[0]).unwrap();
    assert_eq!(driver.client.message_accept(driver.now(), tokens[0]), Err(UsageError::Stale.into()));
    driver.run_until(|driver| driver.hub.outcome(ids[2]) == Some(Outcome::Completed));
    assert_eq!(
        ids.map(|id| driver.hub.outcome(id)).map(Option::unwrap),
        [Outcome::Completed, Outcome::Delivered, Outcome::Completed]
    );

    // What was left comes again on the next connection.
    driver.cut();
    assert!(driver.take(|seen| matches!(seen, Seen::Disconnected(_))).is_some());
    assert_eq!(driver.client.message_leave(driver.now(), tokens[1]), Err(UsageError::Stale.into()));
    driver.connect();
    let Seen::Message { token, payload } = driver.wait(|seen| matches!(seen, Seen::Message { .. })) else {
        unreachable!()
    };
    assert_eq!(payload, [2]);
    driver.client.message_accept(driver.now(), token).unwrap();
    driver.run_until(|driver| driver.hub.queued(DEVICE) == 0);
}

/// A method is called, the link breaks before the answer: it is refused, not sent to another call.
fn a_method_answered_too_late(driver: &mut Driver<'_>) {
    let timeout = Duration::from_secs(30);
    let first = driver.hub.invoke(DEVICE, "reboot", b"{}", timeout);
    let Seen::Call(request) = driver.wait(|seen| matches!(seen, Seen::Call(_))) else { unreachable!() };
    driver.cut();
    assert!(driver.take(|seen| matches!(seen, Seen::Disconnected(_))).is_some());
    assert_eq!(driver.client.method_respond(driver.now(), &request, 200, b"{}"), Err(UsageError::Stale.into()));
    driver.connect();
    assert_eq!(driver.client.method_respond(driver.now(), &request, 200, b"{}"), Err(UsageError::Stale.into()));

    let second = driver.hub.invoke(DEVICE, "reboot", b"{}", timeout);
    let Seen::Call(request) = driver.wait(|seen| matches!(seen, Seen::Call(_))) else { unreachable!() };
    driver.client.method_respond(driver.now(), &request, 202, b"{\"in\":5}").unwrap();
    driver.run_until(|driver| driver.hub.call_result(second) != CallResult::Pending);
    let answer = CallResult::Answered { status: 202, payload: b"{\"in\":5}".to_vec() };
    assert_eq!((driver.hub.call_result(second), driver.hub.call_result(first)), (answer, CallResult::Pending));
    assert_eq!(driver.hub.stray_answers(), 0);
}

/// A twin of 20 KB and a receive buffer of 2 KB: it cannot be had, and that is said, with its version.
fn a_twin_larger_than_the_buffer(driver: &mut Driver<'_>) {
    driver.cut();
    let mut version = 0;
    for key in ["a", "b", "c", "d", "e"] {
        version = driver.hub.patch_desired(DEVICE, &json!({ key: "x".repeat(4_000) })).unwrap();
    }
    let size = driver.hub.twin(DEVICE).to_string().len();
    assert!(size > 20_000);
    let too_large = RequestError::TooLarge { payload_len: u32::try_from(size).unwrap(), version: Some(version) };

    driver.connect();
    assert_eq!(driver.wait(|seen| matches!(seen, Seen::SyncFailed(_))), Seen::SyncFailed(too_large));
    let token = driver.client.twin_get(driver.now()).unwrap();
    let failed = driver.wait(|seen| matches!(seen, Seen::Failed { .. }));
    assert_eq!(failed, Seen::Failed { token, reason: too_large });

    // Small patches pass, and reports are answered.
    let small = driver.hub.patch_desired(DEVICE, &json!({ "rate": 5 })).unwrap();
    let desired = driver.wait(|seen| matches!(seen, Seen::Desired { .. }));
    assert_eq!(desired, Seen::Desired { version: Some(small), unsynced: true });
    let token = driver.client.twin_report(driver.now(), b"{\"rate\":5}").unwrap();
    driver.wait(|seen| *seen == Seen::Reported(token));
    driver.run(5_000);
    assert!(driver.take(|seen| matches!(seen, Seen::SyncFailed(_))).is_none(), "said once");

    // The application makes room at the hub; the next connection is synchronised again.
    let shrink = json!({ "a": null, "b": null, "c": null, "d": null, "e": null });
    driver.cut();
    let version = driver.hub.patch_desired(DEVICE, &shrink).unwrap();
    driver.connect();
    driver.wait(|seen| *seen == Seen::Document { token: None, version: Some(version) });
    while driver.take(|seen| matches!(seen, Seen::Disconnected(_))).is_some() {}
}

const DAY: i64 = 86_400_000;

/// The device's clock is set forward by a day, and back again across a connect.
fn a_clock_that_jumps(driver: &mut Driver<'_>) {
    // Idle: a day later a PINGREQ is due, and its answer makes it good.
    driver.run_until(|driver| driver.transfer.is_none() && driver.all_acked());
    driver.skew += DAY;
    driver.client.handle_timeout(driver.now()).unwrap();
    assert!(driver.client.poll_timeout().unwrap() > driver.now(), "later than now");
    driver.run(1_000);
    assert_eq!((driver.client.state(), driver.client.timeout_reason()), (State::Ready, Some(TimeoutReason::KeepAlive)));

    // An hour back, while connected, is no time at all.
    driver.skew -= 3_600_000;
    driver.send(b"an hour ago").unwrap();
    driver.run_until(Driver::all_acked);
    driver.skew += 3_600_000;

    // A PUBACK in hand beats its deadline that has passed.
    driver.send(b"in hand").unwrap();
    driver.run_until(|driver| !driver.hub.ready().is_empty());
    assert_eq!((driver.client.pending().telemetry, driver.transfer.is_some()), (1, false));
    driver.skew += DAY;
    assert!(driver.client.poll_timeout().unwrap() < driver.now());
    driver.receive(RX);
    driver.client.handle_timeout(driver.now()).unwrap();
    driver.run_until(Driver::all_acked);
    assert_eq!(driver.client.state(), State::Ready);

    // Without one the link is dead, and what was sent goes out again.
    driver.hub.faults.drop_pubacks = 1;
    let token = driver.send(b"again").unwrap();
    driver.run(1_000);
    driver.skew += DAY;
    driver.run(2);
    let end = driver.take(|seen| matches!(seen, Seen::Disconnected(_)));
    let Some(Seen::Disconnected(end)) = end else { panic!("{:?}", driver.client.state()) };
    let dead = Error::TimedOut(TimeoutReason::Puback);
    assert_eq!((end.reason, driver.client.handle_timeout(driver.now())), (DisconnectReason::Failed(dead), Err(dead)));

    // Back to where it was, with a request that has most of its minute left.
    let report = driver.client.twin_report(driver.now(), b"{\"day\":1}").unwrap();
    driver.skew -= 3 * DAY;
    driver.dial();
    driver.cut();
    assert!(driver.take(|seen| matches!(seen, Seen::Disconnected(_))).is_some());
    let deadline = driver.now() + Duration::from_secs(60);
    assert_eq!(driver.client.poll_timeout(), Some(deadline));
    driver.connect();
    driver.wait(|seen| *seen == Seen::Reported(report));
    driver.wait(|seen| *seen == Seen::Acked(token));
    let copies: Vec<_> = driver.hub.take_telemetry().into_iter().filter(|it| it.payload == b"again").collect();
    assert_eq!(copies.iter().map(|copy| copy.dup).collect::<Vec<_>>(), [false, true]);
    assert_eq!(copies[0].packet_id, copies[1].packet_id);
}

/// The hub closes the link over one message, whenever it comes. It is found, taken back, and the rest flows.
fn a_message_the_hub_refuses_for_ever(driver: &mut Driver<'_>) {
    driver.hub.faults.poison = Some(b"poison".to_vec());
    driver.send(b"before").unwrap();
    let poison = driver.send(b"the poison").unwrap();
    for number in 0..4u8 {
        driver.send(&[b'p', number]).unwrap();
    }
    let end = driver.wait_disconnected();
    assert_eq!((end.reason, end.suspect), (DisconnectReason::TransportClosed, None), "a PUBACK came");
    let mut suspect = None;
    for cut in 1..=3u8 {
        driver.dial();
        let end = driver.wait_disconnected();
        assert_eq!(end.last_sent, Some(LastSent::Telemetry));
        suspect = end.suspect.map(|suspect| (suspect.token, suspect.cuts));
        assert_eq!(suspect, (cut >= 2).then_some((poison, cut)));
    }
    let (token, _) = suspect.unwrap();
    assert_eq!(driver.client.telemetry_withdraw(driver.now(), token), Ok(Withdrawn::MaybeSent));
    driver.acks.remove(&b"the poison"[..]);

    // One unlucky cut accuses nobody of what another did.
    driver.connect();
    let sends = |driver: &Driver<'_>| driver.transfer.as_ref().is_some_and(|transfer| transfer.bytes[0] & 0xF6 == 0x32);
    driver.run_until(sends);
    driver.cut();
    assert_eq!(driver.wait_disconnected().suspect, None);
    driver.connect();
    driver.run_until(Driver::all_acked);
    assert_eq!(driver.client.telemetry_withdraw(driver.now(), token), Err(UsageError::Stale.into()));
    assert!(driver.hub.take_telemetry().iter().all(|telemetry| telemetry.payload != b"the poison"));
}

#[test]
fn a_difficult_driver_loses_nothing() {
    let (mut tx, mut slots, mut inbound) = ([0; 3_000], [Slot::EMPTY; 16], [Inbound::EMPTY; 8]);
    let mut rx = [0; RX];
    let mut settings = Config::new(Identity::device(HOST, DEVICE));
    settings.settings.max_packet = RX as u32;
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let mut driver = Driver {
        client: Client::new(settings, storage).unwrap(),
        rx: RxBuffer::new(&mut rx),
        hub: hub_with(config()),
        conn: None,
        millis: 1_000,
        skew: 0,
        transfer: None,
        turn: 0,
        seen: Vec::new(),
        acks: BTreeMap::new(),
    };
    let whole = driver.client.tx_free();
    driver.connect();
    driver.wait(|seen| matches!(seen, Seen::Document { token: None, .. }));

    a_transfer_that_takes_long(&mut driver);
    a_full_arena_offline(&mut driver);
    a_message_accepted_late(&mut driver);
    a_method_answered_too_late(&mut driver);
    a_twin_larger_than_the_buffer(&mut driver);
    a_clock_that_jumps(&mut driver);
    a_message_the_hub_refuses_for_ever(&mut driver);

    driver.client.disconnect(driver.now()).unwrap();
    let end = driver.wait_disconnected();
    assert_eq!((end.reason, end.last_sent), (DisconnectReason::Requested, Some(LastSent::Disconnect)));
    assert!(driver.all_acked(), "each message acknowledged, and once: {:?}", driver.acks);
    assert_eq!((driver.client.pending(), driver.client.strays()), (Default::default(), 0));
    assert_eq!(driver.client.tx_free(), whole);
    assert_eq!(driver.hub.queued(DEVICE), 0);
    assert_eq!(driver.hub.violations(), []);
}
