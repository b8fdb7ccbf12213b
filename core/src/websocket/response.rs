//! The server's answer to the upgrade, byte by byte (RFC 6455 §4.1, RFC 9112).

use super::frame::MAX_CONTROL;
use crate::error::{WebSocketError, WebSocketViolation as Violation};

/// Bytes of the answer at most, with its headers: the hub's has some 200.
pub const MAX_RESPONSE: u16 = 8_192;

/// Bytes of a line that are kept. No header that matters is longer; of others only the name matters.
pub(super) type Line = [u8; MAX_CONTROL];

/// The headers that matter. Bits of [`Response::seen`].
const UPGRADE: u8 = 1;
const CONNECTION: u8 = 2;
const ACCEPT: u8 = 4;
const PROTOCOL: u8 = 8;

/// How far the answer was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Response {
    /// Bytes of the answer so far.
    total: u16,
    /// Bytes of the line so far, of which the front is kept.
    line: u16,
    /// The status line is over.
    headers: bool,
    /// The line's carriage return is there, its line feed is not.
    ending: bool,
    seen: u8,
}

impl Response {
    pub(super) const fn new() -> Self {
        Self { total: 0, line: 0, headers: false, ending: false, seen: 0 }
    }

    /// Takes the next byte. `true` if it was the last, and the server agreed.
    ///
    /// # Errors
    ///
    /// Another status than 101, or a violation, as soon as it is seen.
    pub(super) fn take(&mut self, byte: u8, line: &mut Line, accept: &[u8; 28]) -> Result<bool, WebSocketError> {
        if self.total == MAX_RESPONSE {
            return Err(Violation::ResponseTooLarge.into());
        }
        self.total = self.total.saturating_add(1);
        match (byte, self.ending) {
            (b'\r', false) => self.ending = true,
            (b'\n', true) => {
                self.ending = false;
                let len = core::mem::take(&mut self.line);
                return self.end_of_line(usize::from(len), line, accept);
            }
            // A tab may stand in a value, other control characters nowhere.
            (b'\t' | b' '..=b'~' | 0x80.., false) => {
                if let Some(to) = line.get_mut(usize::from(self.line)) {
                    *to = byte;
                }
                self.line = self.line.saturating_add(1);
            }
            _ => return Err(self.malformed().into()),
        }
        Ok(false)
    }

    const fn malformed(&self) -> Violation {
        if self.headers { Violation::BadHeader } else { Violation::BadStatusLine }
    }

    fn end_of_line(&mut self, len: usize, line: &Line, accept: &[u8; 28]) -> Result<bool, WebSocketError> {
        let kept = line.get(..len).unwrap_or(line);
        if !self.headers {
            self.headers = true;
            return match status(kept).ok_or(Violation::BadStatusLine)? {
                101 => Ok(false),
                status => Err(WebSocketError::Refused { status }),
            };
        }
        if len > 0 {
            self.header(kept, len > kept.len(), accept)?;
            return Ok(false);
        }
        for (header, violation) in [
            (UPGRADE, Violation::NoUpgrade),
            (CONNECTION, Violation::NoConnectionUpgrade),
            (ACCEPT, Violation::BadAccept),
            (PROTOCOL, Violation::BadProtocol),
        ] {
            if self.seen & header == 0 {
                return Err(violation.into());
            }
        }
        Ok(true)
    }

    /// One header line, of which the front is kept if it is `long`.
    fn header(&mut self, line: &[u8], long: bool, accept: &[u8; 28]) -> Result<(), Violation> {
        let colon = line.iter().position(|&byte| byte == b':').ok_or(Violation::BadHeader)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Violation::BadHeader)?;
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            return Err(Violation::BadHeader);
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        let (header, agrees, violation) = if is(b"Upgrade") {
            (UPGRADE, value.eq_ignore_ascii_case(b"websocket"), Violation::NoUpgrade)
        } else if is(b"Sec-WebSocket-Accept") {
            (ACCEPT, value == accept, Violation::BadAccept)
        } else if is(b"Sec-WebSocket-Protocol") {
            (PROTOCOL, value.eq_ignore_ascii_case(b"mqtt"), Violation::BadProtocol)
        } else if is(b"Connection") {
            // A list, which may go on in another header of this name.
            let mut options = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
            if options.any(|option| option.eq_ignore_ascii_case(b"upgrade")) {
                self.seen |= CONNECTION;
            }
            return Ok(());
        } else if is(b"Sec-WebSocket-Extensions") {
            return Err(Violation::UnexpectedExtension);
        } else {
            return Ok(());
        };
        if long || self.seen & header != 0 {
            return Err(Violation::BadHeader);
        }
        self.seen |= header;
        if agrees { Ok(()) } else { Err(violation) }
    }
}

/// The status of `HTTP/1.1 101 Switching Protocols`, 100 to 599.
fn status(line: &[u8]) -> Option<u16> {
    let (minor, rest) = line.strip_prefix(b"HTTP/1.")?.split_first()?;
    let digits = rest.strip_prefix(b" ")?;
    let (status, reason) = digits.split_at_checked(3)?;
    let is_whole = reason.first().is_none_or(|&byte| byte == b' ');
    if !minor.is_ascii_digit() || !status.iter().all(u8::is_ascii_digit) || !is_whole {
        return None;
    }
    let status = status.iter().fold(0_u16, |sum, digit| sum.wrapping_mul(10).wrapping_add(u16::from(digit & 0x0F)));
    (100..600).contains(&status).then_some(status)
}

/// What a header's name is made of (RFC 9110 §5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::String};

    const ACCEPTED: &[u8; 28] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    /// The bytes that were taken, and how that ended.
    fn read(answer: &[u8]) -> (usize, Result<bool, WebSocketError>) {
        let (mut response, mut line) = (Response::new(), [0; MAX_CONTROL]);
        for (at, &byte) in answer.iter().enumerate() {
            match response.take(byte, &mut line, ACCEPTED) {
                Ok(false) => {}
                end => return (at, end),
            }
        }
        (answer.len(), Ok(false))
    }

    const HEADERS: [&str; 4] = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol: mqtt",
    ];

    /// A good answer with the header at `at` replaced.
    fn with(at: usize, header: &str) -> String {
        let mut headers = HEADERS;
        headers[at] = header;
        format!("HTTP/1.1 101 Switching Protocols\r\n{}\r\n\r\n", headers.join("\r\n"))
    }

    #[test]
    fn a_good_answer_in_any_spelling() {
        let long = format!("X-Trace: {}\r\n{}", "x".repeat(5_000), HEADERS[0]);
        for (at, header) in [
            (0, HEADERS[0]),
            (0, "UPGRADE:WebSocket"),
            (1, "connection: keep-alive ,\t upgrade"),
            (1, "Connection: Upgrade\r\nConnection: keep-alive"),
            (2, "sec-websocket-accept:\t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \t"),
            (3, "Sec-WebSocket-Protocol: MQTT"),
            (3, "Server: x\r\nDate: \u{e9}\r\nEmpty:\r\nSec-WebSocket-Protocol: mqtt"),
            (0, &long),
        ] {
            let answer = with(at, header);
            assert_eq!(read(answer.as_bytes()), (answer.len() - 1, Ok(true)), "{header}");
        }
        let bare = with(0, HEADERS[0]).replace(" Switching Protocols", "");
        assert_eq!(read(bare.as_bytes()).1, Ok(true));
    }

    #[test]
    fn other_statuses_are_told_with_their_line() {
        for (line, status) in [
            ("HTTP/1.1 100 Continue", 100),
            ("HTTP/1.1 200 OK", 200),
            ("HTTP/1.1 302 Found", 302),
            ("HTTP/1.1 401", 401),
            ("HTTP/1.0 407 Proxy Authentication Required", 407),
            ("HTTP/1.1 503 ", 503),
            ("HTTP/1.1 599 \u{e9}", 599),
        ] {
            let answer = format!("{line}\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(read(answer.as_bytes()), (line.len() + 1, Err(WebSocketError::Refused { status })), "{line}");
        }
    }

    #[test]
    fn no_web_server() {
        for answer in [
            "\r\n",
            "\n",
            " HTTP/1.1 101 x\r\n",
            "HTTP/2 101\r\n",
            "HTTP/1.1  101\r\n",
            "HTTP/1.1 1010\r\n",
            "HTTP/1.1 99\r\n",
            "HTTP/1.1 099 x\r\n",
            "HTTP/1.1 600 x\r\n",
            "HTTP/1.x 101\r\n",
            "HTTP/1.1 +12 x\r\n",
            "HTTP/1.1 101 x\n",
            "HTTP/1.1\r\n",
            "HTTP/1.1 101\rx",
            "SSH-2.0-x\r\n",
            "\x20\x02\0\x00",
            "HTTP/1.1 101 \x7f",
            "HTTP/1.1 101 \u{0}",
        ] {
            assert_eq!(read(answer.as_bytes()).1, Err(Violation::BadStatusLine.into()), "{answer:?}");
        }
    }

    #[test]
    fn a_bad_answer_is_told_why() {
        let long = format!("Upgrade: websocket{}", " ".repeat(125));
        let nameless = "x".repeat(126);
        let accept_twice = format!("{0}\r\n{0}", HEADERS[2]);
        for (at, header, violation) in [
            (0, "X: y", Violation::NoUpgrade),
            (0, "Upgrade: h2c", Violation::NoUpgrade),
            (0, "Upgrade:", Violation::NoUpgrade),
            (0, &long, Violation::BadHeader),
            (0, &nameless, Violation::BadHeader),
            (1, "Connection: close", Violation::NoConnectionUpgrade),
            (1, "Connection: Upgraded", Violation::NoConnectionUpgrade),
            (2, "X: y", Violation::BadAccept),
            (2, "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=", Violation::BadAccept),
            (2, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=x", Violation::BadAccept),
            (2, &accept_twice, Violation::BadHeader),
            (3, "X: y", Violation::BadProtocol),
            (3, "Sec-WebSocket-Protocol: amqp", Violation::BadProtocol),
            (3, "Sec-WebSocket-Protocol: mqtt, amqp", Violation::BadProtocol),
            (3, "Sec-WebSocket-Extensions: permessage-deflate", Violation::UnexpectedExtension),
            (0, "Upgrade : websocket", Violation::BadHeader),
            (0, " folded", Violation::BadHeader),
            (0, "no colon", Violation::BadHeader),
            (0, ": x", Violation::BadHeader),
            (0, "a\u{e9}: x", Violation::BadHeader),
            (0, "a: \u{1}", Violation::BadHeader),
            (0, "a: b\nUpgrade: websocket", Violation::BadHeader),
            (0, "a: b\rUpgrade: websocket", Violation::BadHeader),
        ] {
            assert_eq!(read(with(at, header).as_bytes()).1, Err(violation.into()), "{header:?}");
        }
    }

    #[test]
    fn a_long_answer_ends() {
        let limit = usize::from(MAX_RESPONSE);
        let exact = with(0, HEADERS[0]).len() + "X: \r\n".len();
        let fits = with(0, &format!("X: {}\r\n{}", "x".repeat(limit - exact), HEADERS[0]));
        assert_eq!((fits.len(), read(fits.as_bytes()).1), (limit, Ok(true)));
        let over = with(0, &format!("X: {}\r\n{}", "x".repeat(limit - exact + 1), HEADERS[0]));
        assert_eq!(read(over.as_bytes()), (limit, Err(Violation::ResponseTooLarge.into())));
        let endless = format!("HTTP/1.1 101 {}", "x".repeat(70_000));
        assert_eq!(read(endless.as_bytes()).1, Err(Violation::ResponseTooLarge.into()));
    }
}
