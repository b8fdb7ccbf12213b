//! `wire` and `packet`.

use super::{any, bytes, number, room, string, used, writer};
use iothub_proto::packet::{
    Connect, Kind, PacketId, Publish, QoS, Suback, WillFields, connect, decode, puback, publish, subscribe, unsubscribe,
};
use iothub_proto::wire::frame::Header;
use iothub_proto::wire::{
    JsonText, JsonValue, Text, ValueReader, VersionReader, Writer, check_json, frame, json_value, put_encoded,
    put_json_text, topic_name,
};

pub(super) fn all() {
    write();
    read();
    versions();
    json();
    packets_out();
    publishes();
    packets_in();
}

fn qos() -> QoS {
    if number() == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce }
}

fn some_id() -> Option<PacketId> {
    PacketId::new(any(0))
}

fn some_header() -> Header {
    any(Header { first: any(0), len: any(0), remaining: any(0) })
}

#[inline(never)]
fn write() {
    let mut w = any(Writer::new(room()));
    used(Writer::len(&w));
    used(Writer::is_empty(&w));
    used(Writer::overflowed(&w));
    Writer::put(&mut w, bytes());
    Writer::put_u8(&mut w, any(0));
    Writer::put_u16(&mut w, any(0));
    Writer::put_text(&mut w, string());
    used(Writer::put_text_with(&mut w, &mut |w| w.put(bytes())));
    let start = Writer::begin_text(&mut w);
    used(Writer::end_text(&mut w, any(start)));
    Writer::patch_u16(&mut w, number(), any(0));
    Writer::patch(&mut w, number(), bytes());
    Writer::put_decimal(&mut w, any(0));
    put_encoded(&mut w, bytes());
    put_json_text(&mut w, string());
    used(Writer::finish(any(w)));
    used(frame::write(room(), number(), any(0), &mut |w| w.put(bytes())));
}

#[inline(never)]
fn read() {
    used(frame::header(bytes()));
    used(Header::total(&some_header()));
    used(frame::remaining_length_len(number()));
    used(frame::header_len(number()));
    used(iothub_proto::wire::text(bytes()));
    used(topic_name(bytes()));
    let text = any(Text::new(string()));
    used((Text::as_str(text), Text::as_bytes(text), Text::len(text), Text::is_empty(text)));
}

#[inline(never)]
fn versions() {
    for mut reader in [any(VersionReader::document()), any(VersionReader::patch())] {
        VersionReader::feed(&mut reader, bytes());
        used(VersionReader::version(&reader));
    }
}

#[inline(never)]
fn json() {
    let path: &'static [&'static str] = any(&[]);
    used(check_json(bytes()));
    used(json_value(bytes(), path));
    if let Ok(document) = any(JsonValue::parse(bytes())) {
        for member in JsonValue::members(document) {
            used(member);
        }
        used(JsonValue::get(document, string()));
    }
    used(ValueReader::with_names(path, room()).value().is_ok());
    let mut reader = any(ValueReader::new(path, room()));
    ValueReader::feed(&mut reader, bytes());
    let Ok(Some(value)) = any(ValueReader::value(&reader)) else { return };
    used(JsonValue::raw(value));
    used(JsonValue::is_null(value));
    used(JsonValue::number(value));
    let Some(text) = any(JsonValue::text(value)) else { return };
    used(JsonText::raw(text));
    used(JsonText::plain(text));
    used(JsonText::is(text, string()));
    used(JsonText::from_raw(string()));
    for c in JsonText::chars(text) {
        used(c);
    }
    used(JsonText::decode(text, room()));
}

#[inline(never)]
fn packets_out() {
    let mut w = writer();
    let mut topic = |w: &mut Writer<'_>| w.put(bytes());
    let will = WillFields { topic: &mut topic, message: bytes(), qos: qos(), retain: any(false) };
    let mut packet = Connect {
        client_id: &mut |w| w.put(bytes()),
        user_name: &mut |w| w.put(bytes()),
        password: any(Some(bytes())),
        keep_alive: any(0),
        clean_session: any(false),
        will: any(Some(will)),
    };
    Connect::put_body(&mut packet, &mut w);
    used(connect::FIRST);
    let Some(id) = some_id() else { return };
    used(PacketId::get(id));
    used(puback::packet(id));
    subscribe::put_body(&mut w, id, &mut |w| subscribe::put_filter(w, &mut |w| w.put(bytes()), qos()));
    unsubscribe::put_body(&mut w, id, &mut |w| unsubscribe::put_filter(w, &mut |w| w.put(bytes())));
    used(w);
}

#[inline(never)]
fn publishes() {
    let publish = any(Publish {
        qos: qos(),
        dup: any(false),
        retain: any(false),
        topic: Text::new(string()),
        id: some_id(),
        payload: bytes(),
    });
    used(Publish::encoded_len(&publish));
    used(Publish::emit(&publish, room()));
    used(publish::first_byte(qos(), any(false), any(false)));
    let mut w = writer();
    publish::put_rest(&mut w, some_id(), bytes());
    used(w);
    used(publish::head(&some_header(), bytes()));
}

#[inline(never)]
fn packets_in() {
    if let Ok(kind) = Kind::of(any(0)) {
        used(Kind::check_length(any(kind), &some_header()));
    }
    used(decode(&some_header(), bytes()));
    let Some(id) = some_id() else { return };
    for code in Suback::codes(&any(Suback { id, codes: bytes() })) {
        used(code);
    }
}
