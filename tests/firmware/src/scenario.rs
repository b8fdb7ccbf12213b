//! What the device does: a plain function over scripted bytes.
//!
//! A token is made, the device signs in, sends telemetry, is cut off in the middle of a message, resumes, is pinged and
//! leaves; with `everything` it also takes messages, answers a method and follows its twin. What the hub sends stands in
//! [`script`]; buffers stand in `.bss.message`; the rest of the state is in a [`Place`] too, as it would be in a
//! firmware, and so counts as static memory and not as stack.

mod script;

use core::hint::black_box;
use harness::{Place, received};
use iothub_proto::auth::Identity;
use iothub_proto::error::Error;
use iothub_proto::event::{DisconnectReason, RequestId, TelemetryToken, TwinToken};
use iothub_proto::packet::QoS;
use iothub_proto::time::{Duration, Instant, UnixSeconds};
use iothub_proto::topic::{Features, Properties, SystemProperties};
use iothub_proto::{Client, Config, ConnectOptions, Event, Inbound, RxBuffer, Slot, State, Storage, Telemetry};
use script::*;

const EVERYTHING: bool = cfg!(feature = "everything");

#[unsafe(link_section = ".bss.message")]
static TX: Place<[u8; 1024]> = Place::new();
#[unsafe(link_section = ".bss.message")]
static RX: Place<[u8; MAX_PACKET]> = Place::new();
static SLOTS: Place<[Slot; 8]> = Place::new();
static INBOUND: Place<[Inbound; 8]> = Place::new();
static TOKEN: Place<[u8; 256]> = Place::new();
static CLIENT: Place<Client<'static>> = Place::new();
static DEVICE: Place<Device> = Place::new();

/// The client and what its driver has.
struct Device {
    client: &'static mut Client<'static>,
    rx: RxBuffer<'static>,
    now: Instant,
}

/// The number in an error names the step that went wrong.
pub fn run() -> Result<(), u32> {
    let password = sign().ok_or(1_u32)?;
    let device = new_device().ok_or(2_u32)?;
    device.sign_in(password, &CONNACK_NEW).ok_or(3_u32)?;
    if EVERYTHING {
        device.synchronise(&TWIN_DOCUMENT).ok_or(3_u32)?;
    }
    let sent = device.send_telemetry().ok_or(4_u32)?;
    device.get_acknowledged(PUBLISH_1, &PUBACK_FIRST, sent).ok_or(4_u32)?;
    if EVERYTHING {
        device.take_message().ok_or(5_u32)?;
        device.answer_method().ok_or(6_u32)?;
        device.follow_twin().ok_or(7_u32)?;
        device.skip_what_is_too_large().ok_or(8_u32)?;
    }
    device.stay_alive().ok_or(9_u32)?;
    let unsettled = device.send_telemetry().ok_or(10_u32)?;
    device.lose_connection().ok_or(10_u32)?;
    device.sign_in(password, &CONNACK_RESUMED).ok_or(11_u32)?;
    if EVERYTHING {
        device.synchronise(&TWIN_DOCUMENT_AGAIN).ok_or(11_u32)?;
    }
    device.get_acknowledged(PUBLISH_1_DUP, &PUBACK_AGAIN, unsettled).ok_or(12_u32)?;
    device.leave().ok_or(13_u32)
}

fn identity() -> Identity<'static> {
    Identity::device(black_box("contoso.azure-devices.net"), black_box("press-7"))
}

#[cfg(feature = "sas")]
#[inline(never)]
fn sign() -> Option<&'static str> {
    // SAFETY: here only, and this runs once.
    let room = unsafe { TOKEN.fill(0) };
    let key = black_box("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let Ok(key) = &iothub_proto::auth::SharedAccessKey::from_base64(key) else { return None };
    key.token(&identity(), EXPIRY, None, room).ok()
}

/// As with a secure element: the signature comes from elsewhere.
#[cfg(not(feature = "sas"))]
#[inline(never)]
fn sign() -> Option<&'static str> {
    use iothub_proto::auth::{put_string_to_sign, put_token};
    use iothub_proto::wire::Writer;
    // SAFETY: here only, and this runs once.
    let room = unsafe { TOKEN.fill(0) };
    let resource = identity().resource();
    let mut writer = Writer::new(room);
    put_string_to_sign(&mut writer, &resource, EXPIRY);
    black_box(writer.finish().ok()?);
    let signature = received(&SIGNATURE).first_chunk()?;
    let mut writer = Writer::new(room);
    put_token(&mut writer, &resource, signature, EXPIRY, None);
    core::str::from_utf8(writer.finish().ok()?).ok()
}

const EXPIRY: UnixSeconds = UnixSeconds(1_767_225_600);

#[inline(never)]
fn new_device() -> Option<&'static mut Device> {
    let mut config = Config::new(identity());
    config.settings.max_packet = MAX_PACKET as u32;
    if !EVERYTHING {
        config.settings.features = Features::NONE;
        config.settings.twin_sync = false;
    }
    // SAFETY: here only, and this runs once.
    unsafe {
        let storage = Storage { tx: TX.fill(0), slots: SLOTS.fill(Slot::EMPTY), inbound: INBOUND.fill(Inbound::EMPTY) };
        let client = Client::new_in(CLIENT.lend(), config, storage).ok()?;
        Some(DEVICE.put(Device { client, rx: RxBuffer::new(RX.fill(0)), now: Instant::from_millis(1_000) }))
    }
}

impl Device {
    /// The transport brought `bytes`.
    fn fill(&mut self, bytes: &'static [u8]) {
        let bytes = received(bytes);
        for (to, from) in self.rx.space().iter_mut().zip(bytes) {
            *to = *from;
        }
        self.rx.commit(bytes.len());
    }

    /// The transport brought `bytes`. Gives the next event.
    fn receive(&mut self, bytes: &'static [u8]) -> Result<Option<Event<'_>>, Error> {
        self.fill(bytes);
        self.next_event()
    }

    fn next_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        self.client.poll_event(self.now, &mut self.rx)
    }

    /// The transport takes the next packet, which must begin with `first`.
    #[inline(never)]
    fn transmit(&mut self, first: u8) -> Option<()> {
        let packet = black_box(self.client.poll_transmit()?);
        let (begins, len) = (packet.first() == Some(&first), packet.len());
        self.client.confirm_transmit(self.now, len).ok()?;
        self.now = self.now + Duration::from_millis(100);
        begins.then_some(())
    }

    #[inline(never)]
    fn connect(&mut self, password: &str) -> Option<()> {
        self.rx.clear();
        let lifetime = Some(Duration::from_secs(3_600));
        let options = ConnectOptions { password: Some(password), lifetime, random: black_box(7), will: None };
        self.client.connect(self.now, &options).ok()
    }

    #[inline(never)]
    fn sign_in(&mut self, password: &str, connack: &'static [u8]) -> Option<()> {
        self.connect(password)?;
        self.transmit(CONNECT)?;
        let Ok(Some(Event::Connected { .. })) = self.receive(connack) else { return None };
        if !EVERYTHING {
            let Ok(Some(Event::Ready { .. })) = self.next_event() else { return None };
            return Some(());
        }
        self.transmit(SUBSCRIBE)?;
        let Ok(Some(Event::Ready { .. })) = self.receive(&SUBACK) else { return None };
        self.transmit(PUBLISH_0)
    }

    /// The twin that was asked for comes.
    #[inline(never)]
    fn synchronise(&mut self, document: &'static [u8]) -> Option<()> {
        self.fill(document);
        let Ok(Some(Event::TwinDocument { token: None, version: Some(_), stale: false, .. })) = self.next_event()
        else {
            return None;
        };
        Some(())
    }

    #[inline(never)]
    fn send_telemetry(&mut self) -> Option<TelemetryToken> {
        let properties = [("alarm", "high pressure"), ("line", "4"), ("unit", "bar/s")];
        let telemetry = Telemetry {
            payload: br#"{"pressure":21.5}"#,
            qos: QoS::AtLeastOnce,
            system: &SystemProperties::NONE,
            properties: &properties,
        };
        self.client.send_telemetry(self.now, &telemetry).ok()
    }

    #[inline(never)]
    fn get_acknowledged(&mut self, first: u8, puback: &'static [u8], sent: TelemetryToken) -> Option<()> {
        self.transmit(first)?;
        let Ok(Some(Event::TelemetryAcked(token))) = self.receive(puback) else { return None };
        (token == sent).then_some(())
    }

    /// Decodes the properties and accepts.
    #[inline(never)]
    fn take_message(&mut self) -> Option<()> {
        let now = self.now;
        let Ok(Some(Event::Message(message))) = self.receive(&MESSAGE) else { return None };
        let (token, properties) = (message.token?, message.properties);
        let decoded = decode(properties)?;
        self.client.message_accept(now, token).ok()?;
        self.transmit(PUBACK)?;
        (decoded == "reset°C".len()).then_some(())
    }

    /// Answers while the event is alive.
    #[inline(never)]
    fn answer_method(&mut self) -> Option<()> {
        self.fill(&METHOD);
        let event = self.client.poll_event(self.now, &mut self.rx);
        let Ok(Some(Event::MethodCall { name: "reboot", payload, request })) = event else { return None };
        respond(self.client, self.now, request, payload)?;
        self.transmit(PUBLISH_0)
    }

    /// A desired change comes, and is confirmed by a reported one.
    #[inline(never)]
    fn follow_twin(&mut self) -> Option<()> {
        let Ok(Some(Event::TwinDesired { version: Some(8), unsynced: false, payload })) = self.receive(&DESIRED) else {
            return None;
        };
        black_box(payload);
        let sent = self.report()?;
        self.transmit(PUBLISH_0)?;
        let Ok(Some(Event::TwinReported { token, version: Some(3) })) = self.receive(&REPORTED) else { return None };
        (token == sent).then_some(())
    }

    #[cfg(feature = "everything")]
    #[inline(never)]
    fn report(&mut self) -> Option<TwinToken> {
        self.client.twin_report(self.now, br#"{"interval":{"value":5,"ac":200,"av":8}}"#).ok()
    }

    #[cfg(not(feature = "everything"))]
    fn report(&mut self) -> Option<TwinToken> {
        None
    }

    /// A message of which the buffer holds only the beginning: told, left, and its bytes pass by.
    #[inline(never)]
    fn skip_what_is_too_large(&mut self) -> Option<()> {
        let Ok(Some(Event::Skipped(skipped))) = self.receive(&TOO_LARGE_BEGINS) else { return None };
        let token = skipped.token?;
        self.client.message_leave(self.now, token).ok()?;
        for _ in 0..TOO_LARGE_PIECES {
            if !matches!(self.receive(&TOO_LARGE_PIECE), Ok(None)) {
                return None;
            }
        }
        Some(())
    }

    /// The next deadline comes.
    #[inline(never)]
    fn sleep(&mut self) -> Option<()> {
        self.now = self.client.poll_timeout()?;
        self.client.handle_timeout(self.now).ok()
    }

    #[inline(never)]
    fn stay_alive(&mut self) -> Option<()> {
        self.sleep()?;
        self.transmit(PINGREQ)?;
        matches!(self.receive(&PINGRESP), Ok(None)).then_some(())
    }

    /// The transport takes half of a message and breaks.
    #[inline(never)]
    fn lose_connection(&mut self) -> Option<()> {
        let half = black_box(self.client.poll_transmit()?).len() / 2;
        self.client.confirm_transmit(self.now, half).ok()?;
        self.client.handle_eof(self.now).ok()?;
        let Ok(Some(Event::Disconnected(end))) = self.next_event() else { return None };
        matches!(end.reason, DisconnectReason::TransportClosed).then_some(())
    }

    #[inline(never)]
    fn leave(&mut self) -> Option<()> {
        self.client.disconnect(self.now).ok()?;
        self.transmit(DISCONNECT)?;
        let Ok(Some(Event::Disconnected(end))) = self.next_event() else { return None };
        (matches!(end.reason, DisconnectReason::Requested) && self.client.state() == State::Offline).then_some(())
    }
}

#[inline(never)]
fn respond(client: &mut Client<'_>, now: Instant, request: RequestId<'_>, payload: &[u8]) -> Option<()> {
    client.method_respond(now, request, 200, payload).ok()
}

/// Decodes names and values of the application's properties; gives the bytes of the values.
#[inline(never)]
fn decode(properties: Properties<'_>) -> Option<usize> {
    let mut decoded = 0;
    for property in properties.application() {
        let (mut name, mut value) = ([0; 16], [0; 16]);
        property.name.decode(&mut name).ok()?;
        decoded += property.value?.decode(&mut value).ok()?.len();
    }
    Some(decoded)
}
