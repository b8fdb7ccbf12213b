//! A whole session in memory of every size from nothing to 2,048 bytes, to send from and to receive into: sign-in, twin,
//! telemetry, messages, a method, a cut in the middle of a message, another sign-in, and the end. Either it works or
//! what is short is reported; nothing that was accepted is lost, and all memory is free again at the end.

use std::collections::{BTreeMap, BTreeSet};

use iothub_proto::auth::Identity;
use iothub_proto::error::{CapacityError, Error, UsageError};
use iothub_proto::event::{KeptRequestId, TelemetryToken, TwinToken};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::{
    Client, Config, ConnectOptions, Event, Inbound, Pending, RxBuffer, Settings, Slot, State, Storage, Telemetry,
};
use iothub_tests::hub::{
    CallId, CallResult, CloudMessage, ConnId, Credentials, Hub, HubConfig, MessageId, Outcome, PeerCertificate,
};
use iothub_tests::link::Rng;

const HOST: &str = "contoso.azure-devices.net";
const MAX: usize = 2_048;
/// Enough for everything that happens here.
const AMPLE: usize = 2_048;

/// How a session went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum End {
    /// No client could be made: `tx` does not hold the handshake.
    NoHandshake,
    /// The receive buffer is below the least size.
    RxTooSmall,
    /// It ran, and something was refused or skipped for its size.
    Reported,
    /// All of it worked.
    Whole,
}

/// What a driver could do wrong, to see that it is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    /// The second message never reaches the hub, which acknowledges it all the same.
    Lost,
    /// The answer to a method is kept back.
    Unanswered,
}

/// A client with its driver, and the hub.
struct Session<'m> {
    client: Client<'m>,
    rx: RxBuffer<'m>,
    hub: Hub,
    conn: ConnId,
    now: Instant,
    fault: Fault,
    accepted: BTreeMap<u32, Vec<u8>>,
    acked: BTreeSet<u32>,
    unanswered: Vec<KeptRequestId>,
    open_requests: BTreeSet<u32>,
    /// Something was too large or too many.
    reported: bool,
    over: bool,
    telemetry: u32,
}

impl<'m> Session<'m> {
    fn new(client: Client<'m>, rx: RxBuffer<'m>, fault: Fault) -> Self {
        let mut hub = Hub::new(HubConfig::new(HOST));
        hub.register("dev1", Credentials::Certificate);
        Self {
            client,
            rx,
            hub,
            conn: ConnId(0),
            now: Instant::ZERO,
            fault,
            accepted: BTreeMap::new(),
            acked: BTreeSet::new(),
            unanswered: Vec::new(),
            open_requests: BTreeSet::new(),
            reported: false,
            over: false,
            telemetry: 0,
        }
    }

    /// Opens a transport and drives until ready.
    fn sign_in(&mut self) -> Result<(), Error> {
        self.conn = self.hub.accept(self.now, Some(PeerCertificate::named("dev1")));
        self.rx.clear();
        self.over = false;
        self.client.connect(self.now, &ConnectOptions::default()).expect("offline, and the handshake fits");
        self.drive()?;
        assert_eq!(self.client.state(), State::Ready);
        Ok(())
    }

    /// Moves bytes both ways until nothing moves.
    fn drive(&mut self) -> Result<(), Error> {
        for _ in 0..10_000 {
            if !(self.transmit(usize::MAX) | self.receive()? | self.answer()) {
                return Ok(());
            }
        }
        panic!("it never ends");
    }

    /// Sends, at most so many bytes.
    fn transmit(&mut self, most: usize) -> bool {
        let mut sent = 0;
        while sent < most
            && let Some(bytes) = self.client.poll_transmit()
        {
            let len = bytes.len().min(most - sent);
            let bytes = bytes[..len].to_vec();
            self.client.confirm_transmit(self.now, len).expect("it was lent");
            sent += len;
            if !self.swallow(&bytes) {
                self.hub.handle_input(self.conn, self.now, &bytes);
            }
        }
        sent > 0
    }

    /// The planted loss.
    fn swallow(&mut self, bytes: &[u8]) -> bool {
        let is_telemetry = bytes[0] == 0x32;
        self.telemetry += u32::from(is_telemetry);
        let swallowed = self.fault == Fault::Lost && is_telemetry && self.telemetry == 2;
        if swallowed {
            let topic = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            self.hub.send_raw(self.conn, &[0x40, 2, bytes[4 + topic], bytes[5 + topic]]);
        }
        swallowed
    }

    /// Fills the buffer and takes what is in it.
    fn receive(&mut self) -> Result<bool, Error> {
        let space = self.rx.space();
        let bytes = self.hub.poll_transmit(self.conn, space.len());
        space[..bytes.len()].copy_from_slice(&bytes);
        self.rx.commit(bytes.len());
        let mut moved = !bytes.is_empty();
        while let Some(event) = self.client.poll_event(self.now, &mut self.rx)? {
            moved = true;
            match event {
                Event::TelemetryAcked(token) => assert!(self.acked.insert(token.to_bits()), "acknowledged once"),
                Event::Message(message) => {
                    let token = message.token.expect("QoS 1");
                    self.client.message_accept(self.now, token).expect("it is new");
                }
                Event::MethodCall { request, .. } => self.unanswered.push(request.keep().expect("a short id")),
                Event::Skipped(skipped) => {
                    self.reported = true;
                    if let Some(token) = skipped.token {
                        self.client.message_accept(self.now, token).expect("it is new");
                    }
                    self.unanswered.extend(skipped.request.and_then(|request| request.keep()));
                }
                Event::TwinReported { token, .. } => settle(&mut self.open_requests, token),
                Event::RequestFailed { token, .. } => {
                    settle(&mut self.open_requests, token);
                    self.reported = true;
                }
                Event::TwinSyncFailed { .. } | Event::MessageLeft(_) => self.reported = true,
                Event::Disconnected(_) => self.over = true,
                Event::Connected { .. }
                | Event::Ready { .. }
                | Event::TwinDocument { .. }
                | Event::TwinDesired { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        Ok(moved)
    }

    /// Answers methods, as far as there is room.
    fn answer(&mut self) -> bool {
        if self.fault == Fault::Unanswered {
            return false;
        }
        let Some(request) = self.unanswered.last().copied() else { return false };
        match self.client.method_respond(self.now, &request, 200, b"{}") {
            Ok(()) => {}
            // What is in flight will go.
            Err(Error::Capacity(CapacityError::TxFull { .. } | CapacityError::SlotsFull)) => return false,
            Err(error) => self.is_too_large(error),
        }
        self.unanswered.pop();
        true
    }

    /// That is the only thing that may be in the way when all is quiet.
    fn is_too_large(&mut self, error: Error) {
        assert!(
            matches!(error, Error::Capacity(CapacityError::TooLarge { needed, capacity }) if needed > capacity),
            "{error:?}"
        );
        self.reported = true;
    }

    /// Queues a message; when there is no room now, after what is in flight is gone.
    fn send(&mut self, len: usize) -> Result<(), Error> {
        let payload = vec![self.accepted.len() as u8; len];
        let message = Telemetry { payload: &payload, ..Telemetry::default() };
        let mut sent = self.client.send_telemetry(self.now, &message);
        if matches!(sent, Err(Error::Capacity(CapacityError::TxFull { .. } | CapacityError::SlotsFull))) {
            self.drive()?;
            sent = self.client.send_telemetry(self.now, &message);
        }
        match sent {
            Ok(token) => {
                let known = self.accepted.insert(TelemetryToken::to_bits(token), payload);
                assert_eq!(known, None, "each token is new");
            }
            Err(error) => self.is_too_large(error),
        }
        Ok(())
    }

    fn report(&mut self, patch: &[u8]) {
        match self.client.twin_report(self.now, patch) {
            Ok(token) => assert!(self.open_requests.insert(token.to_bits())),
            Err(error) => self.is_too_large(error),
        }
    }

    /// The transport breaks after so many more bytes.
    fn cut(&mut self, after: usize) -> Result<(), Error> {
        self.transmit(after);
        self.client.handle_eof(self.now).expect("a good instant");
        self.hub.handle_eof(self.conn, self.now);
        self.unanswered.clear();
        self.receive()?;
        assert!(self.over);
        Ok(())
    }

    /// Everything once, with what the hub has to deliver. Tells of the messages and of the call.
    fn life(&mut self) -> Result<(Vec<MessageId>, CallId), Error> {
        self.sign_in()?;
        for len in [0, 1, 40, 200, 700] {
            self.send(len)?;
        }
        let mut messages = Vec::new();
        for len in [0, 60, 500] {
            messages.push(self.hub.send_message("dev1", CloudMessage::new(&vec![b'm'; len])).expect("it is known"));
        }
        self.drive()?;
        let call = self.hub.invoke("dev1", "blink", b"{}", Duration::from_secs(3_600));
        self.drive()?;
        self.send(30)?;
        self.send(100)?;
        self.cut(50)?;
        messages.push(self.hub.send_message("dev1", CloudMessage::new(b"waits")).expect("it is known"));
        self.sign_in()?;
        self.drive()?;
        self.report(br#"{"a":1}"#);
        self.hub.patch_desired("dev1", &serde_json::json!({ "b": 2 })).expect("a good patch");
        self.drive()?;
        Ok((messages, call))
    }

    /// Says goodbye; waits where the client wants to.
    fn leave(&mut self) -> Result<(), Error> {
        self.client.disconnect(self.now).expect("there is a connection");
        for _ in 0..4 {
            self.drive()?;
            if self.over {
                return Ok(());
            }
            self.now = self.client.poll_timeout().expect("it waits until some time");
            self.client.handle_timeout(self.now)?;
        }
        panic!("it does not end");
    }

    /// What must be so at the end.
    fn verdict(&mut self, messages: &[MessageId], call: CallId) -> Result<(), String> {
        let arrived: BTreeSet<Vec<u8>> = self.hub.take_telemetry().into_iter().map(|one| one.payload).collect();
        let holds = |what: &str, is: bool| if is { Ok(()) } else { Err(what.to_owned()) };
        holds("every accepted message arrives", self.accepted.values().all(|payload| arrived.contains(payload)))?;
        holds("every accepted message is acknowledged", self.accepted.keys().eq(self.acked.iter()))?;
        holds("what arrives was sent", arrived.len() == self.accepted.len())?;
        let completed = |id: &MessageId| self.hub.outcome(*id) == Some(Outcome::Completed);
        holds("every message is completed", messages.iter().all(completed))?;
        let answered = matches!(self.hub.call_result(call), CallResult::Answered { .. });
        holds("the method is answered, or it is said why not", answered || self.reported)?;
        holds("every twin request ends", self.open_requests.is_empty())?;
        holds("nothing is left", self.client.pending() == Pending::default())?;
        holds("the hub found nothing wrong", self.hub.violations().is_empty())
    }
}

fn settle(open: &mut BTreeSet<u32>, token: TwinToken) {
    assert!(open.remove(&token.to_bits()), "it ends once");
}

/// A session in memory of these sizes.
fn session(tx_len: usize, rx_len: usize, fault: Fault) -> Result<End, String> {
    let (mut tx, mut rx) = (vec![0; tx_len], vec![0; rx_len]);
    let (mut slots, mut inbound) = ([Slot::EMPTY; 4], [Inbound::EMPTY; 4]);
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let config = Config::new(Identity::device(HOST, "dev1"));
    let max_packet = u32::try_from(rx_len.max(64)).expect("small");
    let settings = Settings { max_packet, keep_alive: 0, ..config.settings };
    let client = match Client::new(Config { settings, ..config }, storage) {
        Ok(client) => client,
        Err(Error::Capacity(CapacityError::TooLarge { needed, capacity }))
            if needed >= capacity && capacity == tx_len =>
        {
            return Ok(End::NoHandshake);
        }
        Err(error) => return Err(format!("{error:?}")),
    };
    let free = client.tx_free();
    let mut session = Session::new(client, RxBuffer::new(&mut rx), fault);
    let (messages, call) = match session.life() {
        Ok(told) => told,
        Err(Error::Usage(UsageError::RxTooSmall { capacity, needed: 64 })) if capacity == rx_len && rx_len < 64 => {
            return Ok(End::RxTooSmall);
        }
        Err(error) => return Err(format!("{error:?}")),
    };
    session.leave().map_err(|error| format!("{error:?}"))?;
    session.verdict(&messages, call)?;
    if session.client.tx_free() != free {
        return Err(format!("{free} bytes were free, and now {}", session.client.tx_free()));
    }
    Ok(if session.reported { End::Reported } else { End::Whole })
}

/// How many sessions ended in which way.
fn ends(sizes: impl Iterator<Item = (usize, usize)>) -> BTreeMap<End, usize> {
    let mut ends = BTreeMap::new();
    for (tx, rx) in sizes {
        let end = session(tx, rx, Fault::None).unwrap_or_else(|why| panic!("tx {tx}, rx {rx}: {why}"));
        *ends.entry(end).or_default() += 1;
    }
    println!("{ends:?}");
    ends
}

#[test]
fn every_size_to_send_from() {
    let ends = ends((0..=MAX).map(|tx| (tx, AMPLE)));
    assert_eq!(ends.keys().copied().collect::<Vec<_>>(), [End::NoHandshake, End::Reported, End::Whole]);
    assert_eq!(ends.values().sum::<usize>(), MAX + 1);
}

#[test]
fn every_size_to_receive_into() {
    let ends = ends((0..=MAX).map(|rx| (AMPLE, rx)));
    assert_eq!(ends.keys().copied().collect::<Vec<_>>(), [End::RxTooSmall, End::Reported, End::Whole]);
    assert_eq!(ends[&End::RxTooSmall], 64);
}

#[test]
fn both_small_at_once() {
    let mut rng = Rng::new(5);
    let mut size = || rng.between(0, MAX as u64) as usize;
    let ends = ends((0..1_000).map(|_| (size(), size())));
    assert!(ends[&End::Reported] > 100 && ends[&End::Whole] > 100, "{ends:?}");
}

/// The control: what is planted is seen in memory of any size that works.
#[test]
fn a_loss_is_seen() {
    for (tx, rx) in [(700, AMPLE), (AMPLE, AMPLE), (AMPLE, 700)] {
        let lost = session(tx, rx, Fault::Lost).unwrap_err();
        assert_eq!(lost, "every accepted message arrives");
    }
    let unanswered = session(AMPLE, AMPLE, Fault::Unanswered).unwrap_err();
    assert_eq!(unanswered, "the method is answered, or it is said why not");
}
