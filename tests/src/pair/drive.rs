//! One instant: bytes move, deadlines fire and the script acts until nothing is left to do.

use iothub_proto::time::Instant;
use iothub_proto::{Event, State};

use super::{
    PairIn, Reconnect, Seen, Sent, Transport,
    trace::{Head, History},
};
use crate::hub::CloseReason;
use crate::link::{End, Received};

/// Rounds in one instant, and calls in one loop, before it counts as a livelock.
const ROUNDS: u32 = 100_000;

/// Bytes that the hub writes at a time.
const HUB_CHUNK: usize = 16 * 1024;

impl PairIn<'_> {
    /// Does everything that can be done at the present instant.
    pub(super) fn settle(&mut self) {
        // Nothing may be due, but what the test asks of the hub next happens at its clock.
        self.hub.handle_timeout(self.now);
        for _ in 0..ROUNDS {
            // Bytes in hand beat a deadline at the same instant: reading comes first.
            let moved = self.run_script()
                | self.client_reads()
                | self.client_writes()
                | self.hub_moves()
                | self.client_times_out()
                | self.hub_times_out()
                | self.connects_again();
            if !moved {
                return self.check_waiting();
            }
        }
        self.fail(format_args!("livelock at one instant"))
    }

    /// What is due next, anywhere.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let links = self.transports.iter().filter_map(|transport| transport.link.poll_timeout());
        let ends = [self.client_deadline(), self.hub.poll_timeout(), self.reconnect_at];
        let script = self.script.iter().map(|(at, _)| *at);
        links.chain(ends.into_iter().flatten()).chain(script).map(|at| at.max(self.now)).min()
    }

    pub(super) fn client_deadline(&self) -> Option<Instant> {
        self.client.poll_timeout().filter(|_| !self.hides_deadlines)
    }

    fn run_script(&mut self) -> bool {
        let Some(index) = self.script.iter().position(|(at, _)| *at <= self.now) else { return false };
        let (_, action) = self.script.remove(index);
        action(self);
        true
    }

    fn client_reads(&mut self) -> bool {
        let mut moved = self.take_events();
        let now = self.now;
        while let Some(received) = self.live().and_then(|transport| transport.link.receive(End::Client, now)) {
            moved = true;
            match received {
                Received::Bytes(bytes) => {
                    self.trace.note(now, format_args!("<- {}", Head(&bytes)));
                    if self.remembers() {
                        self.received.extend(&bytes);
                    }
                    self.rx.extend(bytes);
                }
                Received::Closed => {
                    self.trace.note(now, format_args!("<- end"));
                    self.hang_up();
                    self.client.handle_eof(now).expect("a good instant");
                }
            }
            self.take_events();
        }
        moved
    }

    /// Feeds the client until there is no event and nothing is consumed.
    fn take_events(&mut self) -> bool {
        let mut moved = false;
        for _ in 0..ROUNDS {
            let had_event = self.client.has_event();
            let handled = match self.client.handle_input(self.now, &self.rx) {
                Ok(handled) => handled,
                Err(error) => {
                    assert!(error.is_fatal(), "{error:?}");
                    assert!(!had_event, "events come before the error");
                    if !core::mem::replace(&mut self.failed, true) && self.remembers() {
                        self.record(Seen::Failed(error));
                    }
                    self.hang_up();
                    return moved;
                }
            };
            let consumed = handled.consumed;
            let Some(event) = handled.event else {
                assert!(!had_event, "has_event promises an event: {:?}", self.client.state());
                self.rx.drain(..consumed);
                if consumed > 0 {
                    moved = true;
                    continue;
                }
                if matches!(self.client.state(), State::Offline | State::Failed) {
                    self.hang_up();
                }
                let unread = self.rx.len();
                if unread >= self.client.config().settings.max_packet as usize {
                    self.fail(format_args!("{unread} bytes are unread: more than the receive buffer has to hold"));
                }
                return moved;
            };
            moved = true;
            let seen = self.remembers().then(|| Seen::from(&event));
            if let (Event::Disconnected(_), Reconnect::After(delay)) = (&event, self.reconnect) {
                self.reconnect_at = Some(self.now + delay);
            }
            if let Some(handler) = &mut self.handler {
                // The event borrows the input and nothing else (law 1): it is alive here.
                handler(&mut self.client, self.now, &event);
            }
            self.rx.drain(..consumed);
            if let Some(seen) = seen {
                self.record(seen);
            }
            if self.eager {
                self.client_writes();
            }
        }
        self.fail(format_args!("livelock: events without end"))
    }

    fn record(&mut self, seen: Seen) {
        self.trace.note(self.now, format_args!("   {seen:?}"));
        self.seen.push((self.now, seen));
    }

    /// The client lets go of its transport.
    fn hang_up(&mut self) {
        self.lent = None;
        self.rx.clear();
        if let Some(transport) = self.live() {
            transport.client_open = false;
            transport.link.close(End::Client);
        }
    }

    fn client_writes(&mut self) -> bool {
        let mut moved = false;
        let now = self.now;
        let Some(transport) = self.transports.iter_mut().find(|transport| transport.client_open) else {
            return false;
        };
        for _ in 0..ROUNDS {
            if !transport.tapped.is_empty() {
                let taken = if self.stalled { 0 } else { transport.link.send(End::Client, now, &transport.tapped) };
                transport.tapped.drain(..taken);
                moved |= taken > 0;
                if !transport.tapped.is_empty() {
                    return moved;
                }
            }
            if self.client.poll_transmit().is_none() {
                return moved;
            }
            if self.lent.is_none()
                && let Some(tap) = &mut self.tap
            {
                // Lent already: the same bytes again.
                let bytes = self.client.poll_transmit().unwrap_or_default().to_vec();
                if let Some(instead) = tap(&self.client, now, &bytes) {
                    transport.tapped = instead;
                    self.client.confirm_transmit(now, bytes.len()).expect("no more than was lent");
                    moved = true;
                    continue;
                }
            }
            let bytes = self.client.poll_transmit().unwrap_or_default();
            match self.lent.take() {
                Some((place, kept)) => {
                    assert!(place == bytes.as_ptr() && kept == bytes, "what is lent is frozen (law 11)");
                }
                None if self.trace.history == History::None => {}
                None => {
                    self.trace.note(now, format_args!("-> {}", Head(bytes)));
                    self.half_lent.extend_from_slice(bytes);
                    self.sent.extend(Sent::split(now, self.connections, &mut self.half_lent));
                }
            }
            let taken = if self.stalled { 0 } else { transport.link.send(End::Client, now, bytes) };
            if taken < bytes.len() {
                self.lent = Some((bytes[taken..].as_ptr(), bytes[taken..].to_vec()));
            }
            if taken == 0 {
                return moved;
            }
            self.client.confirm_transmit(now, taken).expect("no more than was lent");
            moved = true;
        }
        self.fail(format_args!("livelock: the client sends without end"))
    }

    fn hub_moves(&mut self) -> bool {
        let mut moved = false;
        let Self { hub, transports, closes, now, trace, .. } = self;
        for transport in transports.iter_mut() {
            let Transport { link, conn, outbox, hub_open, .. } = transport;
            while *hub_open {
                let mut step = false;
                match link.receive(End::Hub, *now) {
                    Some(Received::Bytes(bytes)) => {
                        hub.handle_input(*conn, *now, &bytes);
                        step = true;
                    }
                    Some(Received::Closed) => {
                        closes.push(hub.wants_close(*conn).unwrap_or(CloseReason::TransportClosed));
                        hub.handle_eof(*conn, *now);
                        *hub_open = false;
                        moved = true;
                        break;
                    }
                    None => {}
                }
                if outbox.is_empty() {
                    *outbox = hub.poll_transmit(*conn, HUB_CHUNK);
                }
                if !outbox.is_empty() {
                    let taken = link.send(End::Hub, *now, outbox);
                    outbox.drain(..taken);
                    step |= taken > 0;
                }
                if outbox.is_empty()
                    && let Some(reason) = hub.wants_close(*conn)
                {
                    trace.note(*now, format_args!("   the hub closes: {reason:?}"));
                    closes.push(reason);
                    link.close(End::Hub);
                    hub.handle_eof(*conn, *now);
                    *hub_open = false;
                    step = true;
                }
                if !step {
                    break;
                }
                moved = true;
            }
        }
        transports.retain(|transport| transport.client_open || transport.hub_open);
        moved
    }

    fn client_times_out(&mut self) -> bool {
        let Some(at) = self.client_deadline().filter(|at| *at <= self.now) else { return false };
        let reason = self.client.timeout_reason();
        self.trace.note(self.now, format_args!("   {reason:?} at {} ms", at.as_millis()));
        if let Err(error) = self.client.handle_timeout(self.now) {
            assert!(error.is_fatal(), "{error:?}");
        }
        if self.client.poll_timeout().is_some_and(|next| next <= self.now) {
            self.fail(format_args!("{reason:?} leaves no later deadline (law 7)"));
        }
        true
    }

    fn hub_times_out(&mut self) -> bool {
        let due = self.hub.poll_timeout().is_some_and(|at| at <= self.now);
        if due {
            self.hub.handle_timeout(self.now);
        }
        due
    }

    fn connects_again(&mut self) -> bool {
        let due = self.reconnect_at.is_some_and(|at| at <= self.now);
        if due {
            self.connect();
        }
        due
    }

    /// A client that waits for the peer must know until when.
    fn check_waiting(&self) {
        let pending = self.client.pending();
        let waits = match self.client.state() {
            State::Offline | State::Failed => false,
            State::Connecting | State::Subscribing | State::Draining | State::Closing => true,
            State::Ready => pending.telemetry > 0 || self.client.config().settings.keep_alive > 0,
        };
        if (waits || pending.twin_requests > 0 && self.client.state() != State::Failed && !self.client.has_event())
            && self.client_deadline().is_none()
        {
            self.fail(format_args!("the client waits without a deadline"));
        }
    }
}
