//! CONNECT (MQTT 3.1.1 §3.1): the first packet a client sends.

use super::QoS;
use crate::wire::Writer;

/// The first byte of a CONNECT.
pub const FIRST: u8 = 0x10;

/// Everything before the connect flags: the protocol name `MQTT` and protocol level 4 (§3.1.2.1, §3.1.2.2).
const PROTOCOL: &[u8] = b"\x00\x04MQTT\x04";

const CLEAN_SESSION: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_QOS_SHIFT: u32 = 3;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

/// A CONNECT to write.
///
/// The hub always wants a user name, so it is no option; with an X.509 certificate there is no password. Texts
/// are composed in place. Each of them, the password and the will message are at most
/// [`MAX_TEXT`](crate::wire::MAX_TEXT) bytes; who makes them has checked that. There is no `Debug`, since the
/// password is a secret.
///
/// ```
/// use iothub_proto::packet::connect::{Connect, FIRST};
/// use iothub_proto::wire::frame;
/// let mut connect = Connect {
///     client_id: &mut |w| w.put(b"d1"),
///     user_name: &mut |w| w.put(b"h/d1/?api-version=2021-04-12"),
///     password: None,
///     keep_alive: 240,
///     clean_session: false,
///     will: None,
/// };
/// let mut room = [0; 64];
/// let packet = frame::write(&mut room, 2, FIRST, &mut |w| connect.put_body(w)).unwrap();
/// assert_eq!(room[packet][..12], *b"\x10\x2C\x00\x04MQTT\x04\x80\x00\xF0");
/// ```
pub struct Connect<'a> {
    /// Puts the client id.
    pub client_id: &'a mut dyn FnMut(&mut Writer<'_>),
    /// Puts the user name.
    pub user_name: &'a mut dyn FnMut(&mut Writer<'_>),
    /// The password: a SAS token.
    pub password: Option<&'a [u8]>,
    /// Keep-alive interval in seconds; 0 for none.
    pub keep_alive: u16,
    /// Whether the hub is to forget the session it has kept.
    pub clean_session: bool,
    /// What the hub publishes in the device's name if the connection ends without DISCONNECT.
    pub will: Option<WillFields<'a>>,
}

/// The will in a CONNECT (MQTT 3.1.1 §3.1.2.5).
pub struct WillFields<'a> {
    /// Puts the will topic.
    pub topic: &'a mut dyn FnMut(&mut Writer<'_>),
    /// The will message; may be empty.
    pub message: &'a [u8],
    /// With which QoS it is published.
    pub qos: QoS,
    /// Whether it is published as a retained message; the hub makes a property of it.
    pub retain: bool,
}

impl Connect<'_> {
    /// Puts what follows the fixed header.
    pub fn put_body(&mut self, w: &mut Writer<'_>) {
        w.put(PROTOCOL);
        w.put_u8(self.flags());
        w.put_u16(self.keep_alive);
        let text = w.begin_text();
        (self.client_id)(w);
        w.end_text(text);
        if let Some(will) = &mut self.will {
            let text = w.begin_text();
            (will.topic)(w);
            w.end_text(text);
            w.put_binary(will.message);
        }
        let text = w.begin_text();
        (self.user_name)(w);
        w.end_text(text);
        if let Some(password) = self.password {
            w.put_binary(password);
        }
    }

    /// The connect flags (§3.1.2.3). Without a will its QoS and retain bits are 0.
    fn flags(&self) -> u8 {
        let mut flags = USER_NAME;
        if self.password.is_some() {
            flags |= PASSWORD;
        }
        if self.clean_session {
            flags |= CLEAN_SESSION;
        }
        if let Some(will) = &self.will {
            flags |= WILL | (will.qos as u8).wrapping_shl(WILL_QOS_SHIFT);
            if will.retain {
                flags |= WILL_RETAIN;
            }
        }
        flags
    }
}

#[cfg(test)]
mod tests;
