//! `Client`, its settings, memory and tokens.

use super::auth::some_identity;
use super::topic::{some_properties, some_system};
use super::{any, bytes, number, room, some_string, string, used};
use core::mem::MaybeUninit;
use iothub_proto::error::{ConnectRefusal, Error};
use iothub_proto::event::{KeptRequestId, MessageToken, RequestId, TelemetryToken, TwinToken};
use iothub_proto::packet::QoS;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::Features;
use iothub_proto::{
    Client, Config, ConnectOptions, Event, Handled, Inbound, RxBuffer, Settings, Slot, Storage, Telemetry,
};

pub(super) fn all() {
    errors();
    tokens();
    rx_buffer();
    with_client();
}

fn now() -> Instant {
    Instant::from_millis(any(0))
}

#[inline(never)]
fn errors() {
    used(Error::is_fatal(any(&Error::Refused(ConnectRefusal::ClientId))));
    used(ConnectRefusal::from_code(any(0)));
    used(ConnectRefusal::code(any(ConnectRefusal::ClientId)));
}

#[inline(never)]
fn tokens() {
    used(TelemetryToken::to_bits(TelemetryToken::from_bits(any(0))));
    used(TwinToken::to_bits(TwinToken::from_bits(any(0))));
    used(MessageToken::to_bits(MessageToken::from_bits(any(0))));
}

#[inline(never)]
fn rx_buffer() {
    let mut rx = any(RxBuffer::new(room()));
    used(RxBuffer::capacity(&rx));
    used(RxBuffer::filled(&rx));
    used(RxBuffer::space(&mut rx));
    RxBuffer::commit(&mut rx, number());
    RxBuffer::clear(&mut rx);
    used(rx);
}

fn config() -> Config<'static> {
    let mut config = any(Config::new(some_identity()));
    config.settings =
        any(Settings { features: Features::from_bits(any(0)).unwrap_or_default(), ..any(Settings::default()) });
    any(config)
}

fn storage() -> Storage<'static> {
    let slots: &'static mut [Slot] = any(&mut []);
    let inbound: &'static mut [Inbound] = any(&mut []);
    any(Storage { tx: room(), slots, inbound })
}

fn with_telemetry(then: impl FnOnce(&Telemetry<'_>)) {
    let (system, properties) = (some_system(), some_properties());
    let qos = if number() == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    then(&any(Telemetry { payload: bytes(), qos, system: &system, properties: &properties }));
}

/// A client in a state of which nothing is known, at each of its functions.
fn with_client() {
    let mut place = MaybeUninit::uninit();
    used(Client::new_in(&mut place, config(), storage()).is_ok());
    let Ok(mut client) = any(Client::new(config(), storage())) else { return };
    let client = &mut client;
    driver(any(&mut *client));
    input(any(&mut *client));
    input_in(any(&mut *client));
    commands(any(&mut *client));
    sign_in(any(&mut *client));
    getters(any(client));
}

#[inline(never)]
fn sign_in(client: &mut Client<'_>) {
    with_telemetry(|will| {
        let options = ConnectOptions {
            password: some_string(),
            lifetime: any(Some(Duration::from_millis(any(0)))),
            random: any(0),
            will: any(Some(will)),
        };
        used(Client::connect(client, now(), &any(options)));
    });
}

#[inline(never)]
fn driver(client: &mut Client<'_>) {
    used(Client::poll_transmit(client));
    used(Client::confirm_transmit(client, now(), number()));
    used(Client::poll_timeout(client));
    used(Client::timeout_reason(client));
    used(Client::handle_timeout(client, now()));
    used(Client::handle_eof(client, now()));
    used(Client::disconnect(client, now()));
    used(Client::has_event(client));
}

#[inline(never)]
fn input(client: &mut Client<'_>) {
    let mut rx = any(RxBuffer::new(room()));
    used(Client::poll_event(client, now(), &mut rx));
    let Ok(handled) = Client::handle_input(client, now(), bytes()) else { return };
    used((handled.consumed, handled.needed));
    match any(handled.event) {
        Some(Event::MethodCall { request, .. }) => method(client, request),
        other => used(other),
    }
}

#[inline(never)]
fn input_in(client: &mut Client<'_>) {
    let mut rx = any(RxBuffer::new(room()));
    let mut handled = any(Handled { consumed: 0, needed: 0, event: None });
    used(Client::poll_event_in(client, now(), &mut rx, &mut handled));
    used(handled);
    let mut handled = any(Handled { consumed: 0, needed: 0, event: None });
    used(Client::handle_input_in(client, now(), bytes(), &mut handled));
    used(handled);
}

#[inline(never)]
fn method(client: &mut Client<'_>, request: RequestId<'_>) {
    used(RequestId::as_str(&request));
    used(RequestId::connection(&request));
    used(RequestId::from_parts(string(), any(0)));
    used(Client::method_respond(client, now(), request, any(0), bytes()));
    let Some(kept) = any(RequestId::keep(&request)) else { return };
    used(KeptRequestId::id(&kept));
    used(Client::method_respond(client, now(), &kept, any(0), bytes()));
}

#[inline(never)]
fn commands(client: &mut Client<'_>) {
    used(Client::subscribe(client, now(), Features::from_bits(any(0)).unwrap_or_default()));
    with_telemetry(|message| used(Client::send_telemetry(client, now(), message)));
    #[cfg(feature = "stream")]
    parts(client);
    used(Client::telemetry_withdraw(client, now(), TelemetryToken::from_bits(any(0))));
    used(Client::message_accept(client, now(), MessageToken::from_bits(any(0))));
    used(Client::message_leave(client, now(), MessageToken::from_bits(any(0))));
    #[cfg(feature = "twin")]
    used(Client::twin_get(client, now()));
    #[cfg(feature = "twin")]
    used(Client::twin_report(client, now(), bytes()));
}

#[cfg(feature = "stream")]
#[inline(never)]
fn parts(client: &mut Client<'_>) {
    with_telemetry(|message| {
        let parts = any(iothub_proto::Parts { len: any(0), room: any(0) });
        used(Client::send_telemetry_parts(client, now(), message, parts));
    });
    used(Client::telemetry_part(client, now(), TelemetryToken::from_bits(any(0)), any(0), bytes()));
}

#[inline(never)]
fn getters(client: &Client<'_>) {
    used(Client::state(client));
    used(Client::pending(client));
    for token in Client::unacked(client) {
        used(token);
    }
    used(Client::telemetry_sent(client, TelemetryToken::from_bits(any(0))));
    used(Client::tx_free(client));
    used(Client::strays(client));
    used(Client::config(client));
}
