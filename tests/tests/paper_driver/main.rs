//! A difficult embedded driver, driven: the memory of a small device, a DMA engine that holds what is lent for a long
//! time and takes it in odd pieces, a receive buffer far smaller than a twin, a clock that jumps, a hub that closes the
//! link instead of refusing a message. One device lives through all of it; at the end nothing is lost and the hub has
//! nothing to object to.

mod episodes;

#[path = "../common/mod.rs"]
mod common;

use common::{HOST, KEY, config, hub_with};
use iothub_proto::auth::{Identity, SharedAccessKey};
use iothub_proto::error::Error;
use iothub_proto::event::{
    DisconnectReason, Disconnected, KeptRequestId, LastSent, MessageToken, RequestError, TelemetryToken, TwinToken,
};
use iothub_proto::time::{Instant, UnixSeconds};
use iothub_proto::{Client, Config, ConnectOptions, Event, Inbound, RxBuffer, Slot, State, Storage, Telemetry};
use iothub_tests::hub::{ConnId, Hub};
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

    episodes::a_transfer_that_takes_long(&mut driver);
    episodes::a_full_arena_offline(&mut driver);
    episodes::a_message_accepted_late(&mut driver);
    episodes::a_method_answered_too_late(&mut driver);
    episodes::a_twin_larger_than_the_buffer(&mut driver);
    episodes::a_clock_that_jumps(&mut driver);
    episodes::a_message_the_hub_refuses_for_ever(&mut driver);

    driver.client.disconnect(driver.now()).unwrap();
    let end = driver.wait_disconnected();
    assert_eq!((end.reason, end.last_sent), (DisconnectReason::Requested, Some(LastSent::Disconnect)));
    assert!(driver.all_acked(), "each message acknowledged, and once: {:?}", driver.acks);
    assert_eq!((driver.client.pending(), driver.client.strays()), (Default::default(), 0));
    assert_eq!(driver.client.tx_free(), whole);
    assert_eq!(driver.hub.queued(DEVICE), 0);
    assert_eq!(driver.hub.violations(), []);
}
