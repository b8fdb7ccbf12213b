//! Bytes in, events out.

use super::{OwnedClient, OwnedEvent, RxBytes};
use crate::client::Handled;
use crate::error::{Error, UsageError};
use crate::time::Instant;

impl OwnedClient {
    /// As [`Client::handle_input`](crate::Client::handle_input): for drivers that keep input in a buffer of their own.
    ///
    /// # Errors
    ///
    /// A fatal error, when nothing was consumed.
    pub fn handle_input<'i>(&mut self, now: Instant, input: &'i [u8]) -> Result<Handled<'i>, Error> {
        let (mut consumed, mut rest) = (0usize, input);
        let mut handled = Handled { consumed: 0, needed: 0, event: None };
        // Before the call, or it would stop at a first message and be made twice.
        self.make_record(rest);
        let outcome = loop {
            let outcome = self.call(|machine, parts| machine.handle_input(parts, now, rest, &mut handled));
            consumed = consumed.saturating_add(handled.consumed);
            rest = input.get(consumed..).unwrap_or_default();
            if outcome.is_err() || handled.event.is_some() || !self.make_record(rest) {
                break outcome;
            }
            (handled.consumed, handled.needed) = (0, 0);
        };
        self.memory.release(&mut self.machine);
        handled.consumed = consumed;
        outcome.map(|()| handled)
    }

    /// Makes a record of the inbound window for what is at the front of `input` if it may need one and there is none left.
    /// Whether it did.
    fn make_record(&mut self, input: &[u8]) -> bool {
        let wanted = self.memory.inbound_grows() && self.machine.wants_record(self.memory.inbound(), input);
        if wanted {
            self.memory.add_records(&mut self.machine);
        }
        wanted
    }

    /// As [`Client::poll_event`](crate::Client::poll_event), with an event that can be kept.
    ///
    /// With `Disconnected` and with a fatal error the buffer is cleared.
    ///
    /// An event with texts or a payload costs one allocation at most, by which it takes the buffer over; if it is
    /// kept, the next bytes in cost another.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn poll_event(&mut self, now: Instant, rx: &mut RxBytes) -> Result<Option<OwnedEvent>, Error> {
        let (capacity, needed) = (rx.capacity(), self.settings.max_packet as usize);
        if capacity < needed {
            return Err(UsageError::RxTooSmall { capacity, needed }.into());
        }
        loop {
            let input = rx.filled();
            let outcome = self.handle_input(now, input);
            // What is left came on a connection that is over, and would be taken for the next one's.
            let over = !self.state().has_connection();
            let Handled { consumed, needed, event } = match outcome {
                Ok(handled) => handled,
                Err(error) => {
                    if over {
                        rx.clear();
                    }
                    return Err(error);
                }
            };
            let event = event.map(|event| OwnedEvent::of(&event, input));
            match event {
                Some(event) if event.has_bytes() => return Ok(Some(event.with_bytes(rx.take(consumed)))),
                _ if over => rx.clear(),
                _ => rx.advance(consumed),
            }
            if event.is_some() || consumed == 0 {
                rx.wait(needed);
                return Ok(event);
            }
        }
    }
}
