//! The client, a hub that makes no mistakes, and an application, as small as they can be.

use super::super::*;
use crate::client::inbound::Handled;
use crate::client::machine::{Machine, Parts};
use crate::error::UsageError;
use crate::event::{Event, MessageToken, TwinToken};
use crate::session::State;
use crate::storage::window::Decision;

/// What the application may still do, and the hub and the clock.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub(super) publish: u8,
    pub(super) subscribe: u8,
    pub(super) message: u8,
    pub(super) twin: u8,
    pub(super) time: u8,
    /// Polite ends.
    pub(super) disconnect: u8,
}

impl Budget {
    pub(super) const NONE: Self = Self { publish: 0, subscribe: 0, message: 0, twin: 0, time: 0, disconnect: 0 };
    pub(super) const WHOLE: Self = Self { publish: 2, subscribe: 1, message: 1, twin: 1, time: 3, disconnect: 0 };
}

/// One thing that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    Publish,
    Subscribe,
    TwinGet,
    /// The hub has a message for the device.
    Message,
    Connect,
    /// The client lends a packet, and the hub may have it from then on.
    Lend,
    /// One byte of it is confirmed, or all the rest.
    ConfirmByte,
    Confirm,
    /// The hub's packets come in.
    ConnackFresh,
    ConnackResumed,
    Suback,
    /// For the oldest message, or for a later one.
    Puback,
    PubackLater,
    Answer,
    Pingresp,
    Delivery,
    Accept,
    Leave,
    Disconnect,
    /// The transport ends. What was lent came to the hub, or the last of it did not.
    End,
    EndLost,
    /// The next deadline is there.
    Time,
}

impl Action {
    pub(super) const ALL: [Self; 22] = [
        Self::Publish,
        Self::Subscribe,
        Self::TwinGet,
        Self::Message,
        Self::Connect,
        Self::Lend,
        Self::ConfirmByte,
        Self::Confirm,
        Self::ConnackFresh,
        Self::ConnackResumed,
        Self::Suback,
        Self::Puback,
        Self::PubackLater,
        Self::Answer,
        Self::Pingresp,
        Self::Delivery,
        Self::Accept,
        Self::Leave,
        Self::Disconnect,
        Self::End,
        Self::EndLost,
        Self::Time,
    ];
}

/// What is checked in each state, or on each way to one.
pub(super) const INVARIANTS: [&str; 14] = [
    "consistent",
    "kept",
    "acked",
    "order",
    "dup",
    "frozen",
    "request",
    "puback",
    "stale",
    "deadline",
    "later",
    "early",
    "silent",
    "rest",
];

/// A fault that an invariant has to find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Plant {
    /// A flag of the session is not set.
    ForgetWish,
    /// The oldest message is forgotten at the end of a connection.
    ForgetMessage,
    /// An acknowledgement is told twice.
    RepeatAck,
    /// Messages leave in the wrong order.
    Swap,
    FlipDup,
    /// What is lent changes.
    Scribble,
    RepeatAnswer,
    /// A message is accepted that the application did not decide about.
    AcceptAll,
    /// A stale token is taken for that of the message at hand.
    Revive,
    NoDeadline,
    /// The client forgets to act on a deadline.
    SleepOn,
    /// It acts before its time.
    Hasty,
    /// It sends on when the transport is gone.
    Babble,
    /// The hub never acknowledges.
    MuteHub,
}

impl Plant {
    pub(super) const ALL: [Self; 14] = [
        Self::ForgetWish,
        Self::ForgetMessage,
        Self::RepeatAck,
        Self::Swap,
        Self::FlipDup,
        Self::Scribble,
        Self::RepeatAnswer,
        Self::AcceptAll,
        Self::Revive,
        Self::NoDeadline,
        Self::SleepOn,
        Self::Hasty,
        Self::Babble,
        Self::MuteHub,
    ];

    pub(super) const fn invariant(self) -> &'static str {
        match self {
            Self::ForgetWish => "consistent",
            Self::ForgetMessage => "kept",
            Self::RepeatAck => "acked",
            Self::Swap => "order",
            Self::FlipDup => "dup",
            Self::Scribble => "frozen",
            Self::RepeatAnswer => "request",
            Self::AcceptAll => "puback",
            Self::Revive => "stale",
            Self::NoDeadline => "deadline",
            Self::SleepOn => "later",
            Self::Hasty => "early",
            Self::Babble => "silent",
            Self::MuteHub => "rest",
        }
    }
}

macro_rules! invariant {
    ($name:literal, $holds:expr) => {
        assert!($holds, "invariant {}: {}", $name, stringify!($holds))
    };
}

/// A message of the application.
#[derive(Clone, Debug)]
struct Telemetry1 {
    token: TelemetryToken,
    id: u16,
    acked: bool,
    /// A byte was lent in the hub's session, and on this connection.
    lent: bool,
    lent_now: bool,
    /// The hub owes its PUBACK.
    owed: bool,
}

/// Where the hub's message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Inward {
    Absent,
    Queued,
    Delivered,
    /// Its PUBACK was lent on this connection, or came to the hub on an earlier one.
    Acknowledged,
    Done,
}

#[derive(Clone)]
pub(super) struct World {
    machine: Machine,
    memory: Memory,
    settings: Settings,
    plant: Option<Plant>,
    now: Instant,
    left: Budget,
    /// There is a transport.
    up: bool,
    /// Not confirmed, and whether a byte of the packet is.
    lent: Option<Vec<u8>>,
    begun: bool,
    /// What the hub has of the session, and what it owes on this connection.
    session: bool,
    filters: Features,
    asked: Option<Features>,
    connack: bool,
    answer: Option<String>,
    ping: bool,
    messages: Vec<Telemetry1>,
    inward: Inward,
    /// The message at hand, and what was decided; a token of an earlier connection.
    token: Option<(MessageToken, Option<bool>)>,
    stale: Option<MessageToken>,
    twin: Option<TwinToken>,
    twin_open: bool,
}

/// Of the hub's one message.
const MESSAGE_ID: u16 = 7;

/// Twin requests from the first; messages by a later subscription.
pub(super) fn settings() -> Settings {
    Settings { features: Features::TWIN, ..Settings::default() }
}

impl World {
    pub(super) fn new(settings: Settings, left: Budget, plant: Option<Plant>) -> Self {
        let mut memory = Memory::new(400, 4, 2);
        let reserve = crate::client::machine::reserve(&identity(), &settings) as u32;
        Self {
            machine: Machine::new(reserve, settings.features, &mut memory.slots),
            memory,
            settings,
            plant,
            now: secs(1),
            left,
            up: false,
            lent: None,
            begun: false,
            session: false,
            filters: Features::NONE,
            asked: None,
            connack: false,
            answer: None,
            ping: false,
            messages: Vec::new(),
            inward: Inward::Absent,
            token: None,
            stale: None,
            twin: None,
            twin_open: false,
        }
    }

    fn planted(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// The machine in its memory, as a `Client` has it; but that wipes the memory when it goes.
    fn call<T>(&mut self, call: impl FnOnce(&mut Machine, &mut Parts<'_>, Instant) -> T) -> T {
        let Memory { tx, slots, inbound } = &mut self.memory;
        let config = Config { identity: identity(), settings: self.settings };
        let mut parts = Parts::new(Storage { tx, slots, inbound }, config);
        call(&mut self.machine, &mut parts, self.now)
    }

    fn state(&self) -> State {
        self.machine.state()
    }

    fn deadline(&self) -> Option<Instant> {
        let deadline = self.machine.deadline(&self.memory.slots, &self.settings);
        deadline.map(|(at, _)| at).filter(|_| !self.planted(Plant::NoDeadline))
    }

    /// Does `action`, if it can be done now, and has the events that follow.
    pub(super) fn act(&mut self, action: Action) -> bool {
        let done = match action {
            Action::Publish => take(&mut self.left.publish) && self.publish(),
            Action::Subscribe => {
                take(&mut self.left.subscribe)
                    && self.call(|machine, parts, now| machine.subscribe(parts, now, Features::MESSAGES)).is_ok()
            }
            Action::TwinGet => take(&mut self.left.twin) && self.twin_get(),
            Action::Message => {
                self.inward = Inward::Queued;
                take(&mut self.left.message)
            }
            Action::Connect => self.connect(),
            Action::Lend => self.lend(),
            Action::ConfirmByte => {
                self.lent.as_ref().is_some_and(|lent| lent.len() > 1) && !self.begun && self.confirm(1)
            }
            Action::Confirm => self.lent.as_ref().map(Vec::len).is_some_and(|len| self.confirm(len)),
            Action::ConnackFresh => self.connack(false),
            Action::ConnackResumed => self.session && self.connack(true),
            Action::Suback => self.suback(),
            Action::Puback => self.puback(0),
            Action::PubackLater => self.puback(1),
            Action::Answer => self.answer.take().is_some_and(|rid| self.input(&document(&rid, 1))),
            Action::Pingresp => core::mem::take(&mut self.ping) && self.input(&[0xD0, 0]),
            Action::Delivery => self.deliver(),
            Action::Accept => self.decide(true),
            Action::Leave => self.decide(false),
            Action::Disconnect => {
                self.state().has_connection()
                    && take(&mut self.left.disconnect)
                    && self.call(|machine, parts, now| machine.disconnect(parts, now)).is_ok()
            }
            Action::End => self.end(false),
            Action::EndLost => (self.asked.is_some() || self.inward == Inward::Acknowledged) && self.end(true),
            Action::Time => take(&mut self.left.time) && self.pass_time(),
        };
        if done {
            self.input(&[]);
            if self.planted(Plant::ForgetWish) {
                self.machine.session.wants_subscribe = false;
            }
        }
        done
    }

    fn publish(&mut self) -> bool {
        let message = Telemetry { payload: &[self.messages.len() as u8], ..Telemetry::default() };
        let token = self.call(|machine, parts, now| machine.send_telemetry(parts, now, &message)).expect("room");
        let id = self.memory.slots[usize::from(token.0.slot)].id;
        self.messages.push(Telemetry1 { token, id, acked: false, lent: false, lent_now: false, owed: false });
        true
    }

    fn twin_get(&mut self) -> bool {
        let token = self.call(|machine, parts, now| machine.twin_get(parts, now)).expect("room");
        (self.twin, self.twin_open) = (Some(token), true);
        true
    }

    fn connect(&mut self) -> bool {
        let options = ConnectOptions::default();
        let begins = !self.state().has_connection()
            && self.call(|machine, parts, now| machine.connect(parts, now, &options)).is_ok();
        self.up |= begins;
        begins
    }

    /// What the client lends comes to the hub at once: what happens later is as if the hub were slow.
    fn lend(&mut self) -> bool {
        if self.lent.is_some() {
            return false;
        }
        let lent = self.call(|machine, parts, _| {
            machine.prepare_transmit(parts);
            machine.lent_bytes(parts.storage.tx).map(<[u8]>::to_vec)
        });
        let Some(bytes) = lent else { return false };
        invariant!("silent", self.up);
        self.begun = false;
        match bytes[0] {
            0x10 => self.connack = true,
            0x82 => self.asked = Some(filters(&bytes)),
            0xC0 => self.ping = true,
            0xE0 => {}
            0x40 => self.acknowledged(&bytes),
            _ if has(&bytes, b"twin/GET/") => self.answer = Some(rid(&bytes)),
            _ => self.published(&bytes),
        }
        self.lent = Some(bytes);
        true
    }

    fn published(&mut self, bytes: &[u8]) {
        let mut number = usize::from(bytes[bytes.len() - 1]);
        if self.planted(Plant::Swap) && self.messages.len() == 2 {
            number = 1 - number;
        }
        let dup = (bytes[0] & 8 != 0) != self.planted(Plant::FlipDup);
        let before = self.messages[..number].iter().all(|earlier| earlier.acked || earlier.lent_now);
        invariant!("order", before);
        let message = &mut self.messages[number];
        invariant!("order", !message.acked && !message.lent_now);
        invariant!("dup", dup == message.lent);
        (message.lent, message.lent_now, message.owed) = (true, true, true);
    }

    /// PUBACKs, perhaps with a PINGREQ before them.
    fn acknowledged(&mut self, bytes: &[u8]) {
        invariant!("puback", bytes == puback(MESSAGE_ID));
        invariant!("puback", self.token.is_some_and(|(_, decided)| decided == Some(true)));
        invariant!("puback", self.inward == Inward::Delivered);
        self.inward = Inward::Acknowledged;
    }

    fn confirm(&mut self, count: usize) -> bool {
        self.call(|machine, parts, now| machine.confirm_transmit(parts, now, count)).expect("it is lent");
        let lent = self.lent.take().expect("it is lent");
        self.begun = true;
        self.lent = (count < lent.len()).then(|| lent[count..].to_vec());
        if self.lent.is_some() && self.planted(Plant::Scribble) {
            let reserve = self.machine.reserve as usize;
            self.memory.tx[..reserve].fill(0xAA);
        }
        true
    }

    fn connack(&mut self, resumed: bool) -> bool {
        if !core::mem::take(&mut self.connack) {
            return false;
        }
        self.session = true;
        if !resumed {
            self.filters = Features::NONE;
            self.messages.iter_mut().for_each(|message| message.lent = false);
        }
        self.input(&connack(resumed))
    }

    fn suback(&mut self) -> bool {
        let Some(asked) = self.asked.take() else { return false };
        self.filters = self.filters.union(asked);
        let codes: Vec<u8> = asked.iter().map(Features::qos).collect();
        self.input(&suback(&codes))
    }

    fn puback(&mut self, nth: usize) -> bool {
        let Some(message) = self.messages.iter_mut().filter(|message| message.owed).nth(nth) else { return false };
        message.owed = false;
        let id = message.id;
        !self.planted(Plant::MuteHub) && self.input(&puback(id))
    }

    fn deliver(&mut self) -> bool {
        let connected = self.state().is_connected();
        let possible = connected && self.inward == Inward::Queued && self.filters.contains(Features::MESSAGES);
        possible && {
            self.inward = Inward::Delivered;
            self.input(&message(MESSAGE_ID, b"m"))
        }
    }

    fn decide(&mut self, accept: bool) -> bool {
        let Some((token, None)) = self.token.filter(|_| self.state().is_connected()) else { return false };
        let decision = if accept { Decision::Accepted } else { Decision::Left };
        let outcome = self.call(|machine, parts, now| machine.settle_message(parts, now, token, decision));
        assert!(outcome.is_ok() || self.planted(Plant::AcceptAll), "{outcome:?}");
        self.token = Some((token, Some(accept)));
        true
    }

    fn end(&mut self, lost: bool) -> bool {
        if !self.state().has_connection() {
            return false;
        }
        if let Some(asked) = self.asked.filter(|_| !lost) {
            self.filters = self.filters.union(asked);
        }
        if lost && self.inward == Inward::Acknowledged {
            self.inward = Inward::Delivered;
        }
        if self.planted(Plant::ForgetMessage)
            && let Some(message) = self.messages.first()
        {
            let token = message.token;
            let _ = self.call(|machine, parts, now| machine.telemetry_withdraw(parts, now, token));
        }
        if self.planted(Plant::Babble) {
            self.over();
        } else {
            self.call(|machine, parts, now| machine.handle_eof(parts, now)).expect("a good instant");
        }
        true
    }

    /// The connection is over: what belonged to it dies.
    fn over(&mut self) {
        self.up = false;
        self.lent = None;
        self.asked = None;
        self.connack = false;
        self.answer = None;
        self.ping = false;
        for message in &mut self.messages {
            (message.lent_now, message.owed) = (false, false);
        }
        self.inward = match self.inward {
            Inward::Delivered => Inward::Queued,
            Inward::Acknowledged => Inward::Done,
            other => other,
        };
        if let Some((token, _)) = self.token.take() {
            self.stale = Some(token);
        }
    }

    fn pass_time(&mut self) -> bool {
        let Some(at) = self.deadline() else { return false };
        self.now = at;
        if !self.planted(Plant::SleepOn) {
            let outcome = self.call(|machine, parts, now| machine.handle_timeout(parts, now));
            assert!(outcome.is_ok() || self.state() == State::Failed, "{outcome:?}");
        }
        let now = self.now;
        invariant!("later", self.deadline().is_none_or(|next| next > now));
        true
    }

    /// Bytes come in, of which one packet is whole: true. Then, and without, what waits to be told.
    fn input(&mut self, bytes: &[u8]) -> bool {
        let mut input = bytes;
        loop {
            let waits = self.machine.has_event();
            let mut handled = Handled { consumed: 0, needed: 0, event: None };
            let outcome = self.call(|machine, parts, now| machine.handle_input(parts, now, input, &mut handled));
            if outcome.is_err() {
                assert!(!waits && self.state() == State::Failed, "{outcome:?}");
                return true;
            }
            let Some(event) = handled.event else {
                assert!(!waits, "has_event, and none came");
                if input.is_empty() || handled.consumed == 0 {
                    return true;
                }
                input = &input[handled.consumed..];
                continue;
            };
            input = &input[handled.consumed..];
            self.told(&event);
        }
    }

    fn told(&mut self, event: &Event<'_>) {
        match *event {
            Event::TelemetryAcked(token) => {
                for _ in 0..=u8::from(self.planted(Plant::RepeatAck)) {
                    let message = self.messages.iter_mut().find(|message| message.token == token);
                    let message = message.expect("a message of ours");
                    invariant!("acked", message.lent_now && !message.owed && !message.acked);
                    message.acked = true;
                }
            }
            Event::Message(message) => {
                let token = message.token.expect("QoS 1");
                self.token = Some((token, None));
                if self.planted(Plant::AcceptAll) {
                    let decision = Decision::Accepted;
                    let _ = self.call(|machine, parts, now| machine.settle_message(parts, now, token, decision));
                }
            }
            Event::TwinDocument { token: Some(token), .. } | Event::RequestFailed { token, .. } => {
                for _ in 0..=u8::from(self.planted(Plant::RepeatAnswer)) {
                    let open = core::mem::take(&mut self.twin_open);
                    invariant!("request", open && self.twin == Some(token));
                }
            }
            Event::Disconnected(_) => self.over(),
            Event::Connected { .. } | Event::Ready { .. } | Event::Subscribed { .. } => {}
            ref other => panic!("{other:?}"),
        }
    }

    /// What must hold in every state.
    pub(super) fn check(&mut self) {
        let consistent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.call(|machine, parts, _| machine.session.check_consistent(&parts.storage, &parts.config.settings));
            self.machine.check_consistent(&self.settings);
        }));
        invariant!("consistent", consistent.is_ok());
        let kept = super::super::super::Unacked::new(&self.machine, &self.memory.slots);
        let open = self.messages.iter().filter(|message| !message.acked).map(|message| message.token);
        invariant!("kept", kept.eq(open));
        let pending = self.machine.pending(&self.memory.slots).twin_requests;
        invariant!("request", pending == u16::from(self.twin_open));
        if let Some(lent) = &self.lent {
            invariant!("frozen", self.machine.lent_bytes(&self.memory.tx) == Some(lent.as_slice()));
        }
        self.check_waiting();
        self.check_stale();
    }

    /// Whoever waits for the hub knows until when; and before that nothing happens.
    fn check_waiting(&mut self) {
        let connected = self.state().has_connection();
        let waits = connected || self.twin_open;
        invariant!("deadline", !waits || self.deadline().is_some());
        let key = self.key();
        let mut early = self.clone();
        if self.planted(Plant::Hasty) {
            early.now = self.deadline().unwrap_or(early.now);
        }
        let _ = early.call(|machine, parts, now| machine.handle_timeout(parts, now));
        invariant!("early", early.key() == key || self.deadline() == Some(self.now));
        if !connected {
            let silent = early.call(|machine, parts, _| {
                machine.prepare_transmit(parts);
                machine.lent_bytes(parts.storage.tx).is_none()
            });
            invariant!("silent", silent && self.lent.is_none());
        }
    }

    /// A token of another connection, or of what is settled, is refused and changes nothing.
    fn check_stale(&mut self) {
        let decided = self.token.and_then(|(token, decided)| decided.map(|_| token));
        let revived = self.token.map(|(token, _)| token).filter(|_| self.planted(Plant::Revive));
        let key = self.key();
        for token in [self.stale.map(|stale| revived.unwrap_or(stale)), decided].into_iter().flatten() {
            let decision = Decision::Accepted;
            let outcome = self.call(|machine, parts, now| machine.settle_message(parts, now, token, decision));
            invariant!("stale", outcome == Err(UsageError::Stale.into()));
        }
        let acked: Vec<_> = self.messages.iter().filter(|message| message.acked).map(|it| it.token).collect();
        for token in acked {
            let outcome = self.call(|machine, parts, now| machine.telemetry_withdraw(parts, now, token));
            invariant!("stale", outcome == Err(UsageError::Stale.into()));
        }
        invariant!("stale", self.key() == key);
    }

    /// Everything is settled, and nothing waits.
    pub(super) fn rests(&self) -> bool {
        self.state() == State::Ready
            && self.lent.is_none()
            && self.messages.iter().all(|message| message.acked)
            && matches!(self.inward, Inward::Absent | Inward::Acknowledged | Inward::Done)
            && !self.twin_open
    }

    /// What distinguishes this state from others.
    pub(super) fn key(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        let Budget { publish, subscribe, message, twin, time, disconnect } = self.left;
        out.extend([publish, subscribe, message, twin, time, disconnect]);
        let mut memory = self.memory.clone();
        let Memory { tx, slots, inbound } = &mut memory;
        let named = self.machine.session.put_key(&Storage { tx, slots, inbound }, time > 0, &mut out);
        self.machine.put_sync_key(time > 0, &mut out);
        let Machine { wanted, asked, granted, refused, ready, credential_due, accept_next, .. } = &self.machine;
        out.extend([wanted.bits(), asked.bits(), granted.bits(), refused.bits()]);
        out.extend([*ready, *credential_due, accept_next.is_some()].map(u8::from));
        let name = |slot| named.iter().position(|known| *known == slot).map_or(u8::MAX, |at| at as u8);
        for message in &self.messages {
            let slot = if message.acked { u8::MAX } else { name(message.token.0.slot) };
            out.push(slot);
            out.extend([message.acked, message.lent, message.lent_now, message.owed].map(u8::from));
        }
        let token = self.token.map_or(0, |(_, decided)| 1 + decided.map_or(0, |accept| 1 + u8::from(accept)));
        out.extend([self.inward as u8, token, self.filters.bits(), self.asked.map_or(u8::MAX, Features::bits)]);
        let twin = self.twin.filter(|_| self.twin_open).map_or(u8::MAX, |token| name(token.0.slot));
        out.push(twin);
        let flags = [self.session, self.connack, self.answer.is_some(), self.ping, self.begun && self.lent.is_some()];
        out.extend(flags.map(u8::from));
        out.push(u8::from(self.stale.is_some()));
        out
    }
}

/// One less, if there is one.
const fn take(left: &mut u8) -> bool {
    let there = *left > 0;
    *left = left.saturating_sub(1);
    there
}

fn has(packet: &[u8], text: &[u8]) -> bool {
    packet.windows(text.len()).any(|window| window == text)
}

/// What a SUBSCRIBE asks for.
fn filters(subscribe: &[u8]) -> Features {
    let known: [(&[u8], _); 2] = [(b"/devicebound/#", Features::MESSAGES), (b"/twin/res/#", Features::TWIN)];
    let asked = known.into_iter().filter(|(filter, _)| has(subscribe, filter));
    asked.fold(Features::NONE, |all, (_, feature)| all.union(feature))
}
