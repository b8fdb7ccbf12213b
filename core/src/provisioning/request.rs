//! What goes out: packets, written whole where they are sent from.

use super::ProvisioningConfig;
use super::machine::MAX_OPERATION_ID;
use crate::error::{CapacityError, Error, Field, UsageError};
use crate::packet::{Connect, PacketId, QoS, connect, publish, subscribe};
use crate::session::SUBSCRIBE_ID;
use crate::topic::registration;
use crate::wire::{MAX_TEXT, Writer, frame, put_encoded};
use core::ops::Range;
use zeroize::Zeroize;

/// Writes CONNECT, whole or not at all.
pub(super) fn write_connect(
    room: &mut [u8],
    config: &ProvisioningConfig<'_>,
    password: Option<&str>,
) -> Result<Range<u32>, Error> {
    if password.is_some_and(|password| password.len() > MAX_TEXT) {
        return Err(UsageError::BadText { field: Field::Password, at: MAX_TEXT }.into());
    }
    let packet = frame::write(room, frame::MAX_HEADER, connect::FIRST, &mut |w| {
        put_connect(w, config, password.map(str::as_bytes));
    });
    packet.map(|packet| packet.start as u32..packet.end as u32).map_err(|needed| {
        room.zeroize();
        CapacityError::TooLarge { needed, capacity: room.len() }.into()
    })
}

fn put_connect(w: &mut Writer<'_>, config: &ProvisioningConfig<'_>, password: Option<&[u8]>) {
    let registration = &config.registration;
    Connect {
        client_id: &mut |w| w.put(registration.registration_id.as_bytes()),
        user_name: &mut |w| registration.put_user_name(w),
        password,
        keep_alive: config.settings.keep_alive,
        // The service keeps no sessions.
        clean_session: true,
        will: None,
    }
    .put_body(w);
}

/// Puts the body of the SUBSCRIBE for all answers.
pub(super) fn put_subscribe(w: &mut Writer<'_>) {
    let Some(id) = PacketId::new(SUBSCRIBE_ID) else { return };
    subscribe::put_body(w, id, &mut |w| {
        subscribe::put_filter(w, &mut |w| w.put(registration::FILTER.as_bytes()), QoS::AtLeastOnce);
    });
}

/// Writes a request: a question about an operation, or if there is none yet the registration.
pub(super) fn write(
    room: &mut [u8],
    config: &ProvisioningConfig<'_>,
    number: u32,
    operation: Option<&str>,
) -> Result<Range<usize>, usize> {
    // Not QoS 1: the answer tells more than a PUBACK, and a request without one is sent again.
    let first = publish::first_byte(QoS::AtMostOnce, false, false);
    frame::write(room, frame::MAX_HEADER, first, &mut |w| match operation {
        Some(id) => put_poll(w, number, id),
        None => put_register(w, config, number),
    })
}

fn put_poll(w: &mut Writer<'_>, number: u32, operation: &str) {
    w.put_text_with(&mut |w| registration::put_poll_topic(w, number, operation));
}

fn put_register(w: &mut Writer<'_>, config: &ProvisioningConfig<'_>, number: u32) {
    w.put_text_with(&mut |w| registration::put_register_topic(w, number));
    put_body(w, config);
}

/// Puts `{"registrationId":"…"[,"payload":…]}`. A registration id has no character that JSON escapes.
pub(super) fn put_body(w: &mut Writer<'_>, config: &ProvisioningConfig<'_>) {
    w.put(b"{\"registrationId\":\"");
    w.put(config.registration.registration_id.as_bytes());
    w.put_u8(b'"');
    if let Some(payload) = config.payload {
        w.put(b",\"payload\":");
        w.put(payload);
    }
    w.put_u8(b'}');
}

/// Bytes of `text`, percent-encoded.
pub(super) fn encoded_len(text: &str) -> usize {
    let mut w = Writer::new(&mut []);
    put_encoded(&mut w, text.as_bytes());
    w.len()
}

/// Bytes that the largest packet needs. One is there at a time.
pub(super) fn needed(config: &ProvisioningConfig<'_>) -> usize {
    // What is put into no room is counted.
    let len = |put: &mut dyn FnMut(&mut Writer<'_>)| {
        let mut w = Writer::new(&mut []);
        put(&mut w);
        w.len()
    };
    let connect = match config.settings.connect_reserve {
        0 => {
            let token = config.registration.token_capacity().saturating_add(2);
            len(&mut |w| put_connect(w, config, None)).saturating_add(token)
        }
        bytes => bytes as usize,
    };
    let poll = len(&mut |w| put_poll(w, u32::MAX, "")).saturating_add(MAX_OPERATION_ID);
    let register = len(&mut |w| put_register(w, config, u32::MAX));
    connect.max(len(&mut put_subscribe)).max(poll).max(register).saturating_add(frame::MAX_HEADER)
}
