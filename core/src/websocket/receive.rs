//! Bytes from the server: the answer to the upgrade, then frames (RFC 6455 §5).
//!
//! Nothing is collected but a header, a control frame's payload and a line of the answer: what is MQTT's is given on
//! as it lies in the input.

use super::frame::{Header, MAX_CONTROL, MAX_HEADER, Opcode};
use super::response::Response;
use crate::error::{WebSocketError, WebSocketViolation as Violation};

/// Where the next byte belongs.
#[derive(Clone, Copy, Debug)]
enum Place {
    Response(Response),
    Header,
    /// MQTT's bytes.
    Data,
    /// A ping's or a Close's payload, which is kept.
    Control,
    /// A pong's payload: nobody waits for one.
    Pong,
}

/// What the input came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step<'i> {
    /// All of it is taken in.
    More,
    /// The server agreed: frames follow.
    Opened,
    /// These are MQTT's, the last of those consumed.
    Payload(&'i [u8]),
    /// The server says that it sends no more, with its code.
    Closed(Option<u16>),
}

pub(super) struct Receiver {
    place: Place,
    opcode: Opcode,
    /// Bytes of the payload that are still to come.
    left: u64,
    header: [u8; MAX_HEADER],
    header_len: u8,
    /// A message is open: its next frame is a continuation.
    fragmented: bool,
    /// The payload of the last ping or Close; before the frames, a line of the answer.
    control: [u8; MAX_CONTROL],
    control_len: u8,
    /// The ping in `control` is whole and was not answered. A later one takes its place (§5.5.3).
    pong_due: bool,
}

impl Receiver {
    pub(super) const fn new() -> Self {
        Self {
            place: Place::Response(Response::new()),
            opcode: Opcode::Continuation,
            left: 0,
            header: [0; MAX_HEADER],
            header_len: 0,
            fragmented: false,
            control: [0; MAX_CONTROL],
            control_len: 0,
            pong_due: false,
        }
    }

    /// The payload of a ping that was not answered.
    pub(super) fn pong(&self) -> Option<&[u8]> {
        self.pong_due.then(|| self.kept())
    }

    pub(super) const fn pong_taken(&mut self) {
        self.pong_due = false;
    }

    fn kept(&self) -> &[u8] {
        self.control.get(..usize::from(self.control_len)).unwrap_or_default()
    }

    /// Takes `input` from `consumed` on, until there is something to tell. What is wrong is not consumed.
    pub(super) fn step<'i>(
        &mut self,
        input: &'i [u8],
        consumed: &mut usize,
        accept: &[u8; 28],
    ) -> Result<Step<'i>, WebSocketError> {
        loop {
            let rest = input.get(*consumed..).unwrap_or_default();
            let Some(&byte) = rest.first() else { return Ok(Step::More) };
            let (taken, step) = match &mut self.place {
                Place::Response(response) => {
                    let agreed = response.take(byte, &mut self.control, accept)?;
                    if agreed {
                        self.place = Place::Header;
                    }
                    (1, agreed.then_some(Step::Opened))
                }
                Place::Header => (1, self.take_header(byte)?),
                Place::Data => {
                    let piece = self.take_payload(rest);
                    (piece.len(), Some(Step::Payload(piece)))
                }
                Place::Control => (1, self.take_control(byte)?),
                Place::Pong => (self.take_payload(rest).len(), None),
            };
            *consumed = consumed.saturating_add(taken);
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    fn take_header<'i>(&mut self, byte: u8) -> Result<Option<Step<'i>>, Violation> {
        if let Some(to) = self.header.get_mut(usize::from(self.header_len)) {
            *to = byte;
        }
        self.header_len = self.header_len.saturating_add(1);
        let header = self.header.get(..usize::from(self.header_len)).unwrap_or_default();
        let Some(Header { opcode, fin, len }) = Header::parse(header, self.fragmented)? else { return Ok(None) };
        self.header_len = 0;
        self.opcode = opcode;
        self.left = len;
        self.place = match opcode {
            Opcode::Continuation | Opcode::Binary => {
                self.fragmented = !fin;
                Place::Data
            }
            Opcode::Pong => Place::Pong,
            Opcode::Ping | Opcode::Close => {
                self.control_len = 0;
                self.pong_due = false;
                Place::Control
            }
        };
        if len > 0 { Ok(None) } else { self.end_of_frame() }
    }

    /// What of `rest` belongs to the frame.
    fn take_payload<'i>(&mut self, rest: &'i [u8]) -> &'i [u8] {
        let piece = usize::try_from(self.left).ok().and_then(|left| rest.get(..left)).unwrap_or(rest);
        self.left = self.left.saturating_sub(piece.len() as u64);
        if self.left == 0 {
            self.place = Place::Header;
        }
        piece
    }

    fn take_control<'i>(&mut self, byte: u8) -> Result<Option<Step<'i>>, Violation> {
        if let Some(to) = self.control.get_mut(usize::from(self.control_len)) {
            *to = byte;
        }
        self.control_len = self.control_len.saturating_add(1);
        self.left = self.left.saturating_sub(1);
        if self.left > 0 { Ok(None) } else { self.end_of_frame() }
    }

    fn end_of_frame<'i>(&mut self) -> Result<Option<Step<'i>>, Violation> {
        self.place = Place::Header;
        match self.opcode {
            Opcode::Ping => self.pong_due = true,
            Opcode::Close => return close_code(self.kept()).map(|code| Some(Step::Closed(code))),
            Opcode::Continuation | Opcode::Binary | Opcode::Pong => {}
        }
        Ok(None)
    }
}

/// The code in a Close frame's payload (§5.5.1, §7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let Some((&[high, low], reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::BadClose) };
    };
    let code = u16::from_be_bytes([high, low]);
    // 1004 has no meaning; 1005, 1006 and 1015 stand for what was not sent; 1012 to 1014 are registered later (IANA).
    let is_sendable = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    if is_sendable && core::str::from_utf8(reason).is_ok() { Ok(Some(code)) } else { Err(Violation::BadClose) }
}
