//! The provisioning client and the WebSocket behind the C functions do what they do in Rust.

use iothub::event::{self as c, iothub_event};
use iothub::provisioning::*;
use iothub::registration::{iothub_provisioning_config, iothub_provisioning_config_init};
use iothub::status::{self, IOTHUB_OK, iothub_status};
use iothub::types::{iothub_bytes, iothub_str};
use iothub::websocket::*;
use iothub_proto::auth::Registration;
use iothub_proto::error::RegistrationError;
use iothub_proto::event::DisconnectReason;
use iothub_proto::provisioning::ProvisioningEvent;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::websocket::{Upgrade, WebSocket};
use iothub_proto::{ProvisioningClient, ProvisioningConfig, Settings};
use std::mem::{MaybeUninit, size_of};
use std::ptr::{null, null_mut};

use super::client::text;
use crate::plant::{Plant, planted};

const NOW: Instant = Instant::from_millis(1_000);
const RANDOM: [u8; 32] = *b"the sample nonceand a secret one";
const UPGRADED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
const ACCEPTED: &[u8] = b"\x20\x02\x00\x00\x90\x03\xff\xff\x01";

/// Takes `data` as what servers send, in pieces; a piece of no bytes is a minute. An odd first byte lets the handshakes
/// succeed.
pub(super) fn run(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else { return };
    let (mut tx, mut tx_of_c, mut window) = (vec![0; 512], vec![0; 512], vec![0; 256]);
    let mut provisioning = Provisioning::new(&mut tx, &mut tx_of_c);
    let mut websocket = Sockets::new(&mut window);
    if first % 2 == 1 {
        provisioning.feed(ACCEPTED);
        websocket.feed(UPGRADED);
    }
    let mut rest = data;
    while let Some((&len, behind)) = rest.split_first() {
        let (piece, behind) = behind.split_at(behind.len().min(len.into()));
        rest = behind;
        if piece.is_empty() {
            provisioning.wait();
            websocket.wait();
        } else {
            provisioning.feed(piece);
            websocket.feed(piece);
        }
    }
    // SAFETY: both were made by their `init`.
    unsafe {
        assert_eq!(iothub_provisioning_deinit(&mut *provisioning.c), IOTHUB_OK);
        assert_eq!(iothub_websocket_deinit(&mut *websocket.c), IOTHUB_OK);
    }
}

/// A place of its own for an object of C, which is not to be moved.
fn place<T>() -> Box<T> {
    // SAFETY: the objects of C are numbers, and `init` fills them in.
    unsafe { Box::new(MaybeUninit::<T>::zeroed().assume_init()) }
}

struct Provisioning<'m> {
    rust: ProvisioningClient<'m>,
    c: Box<iothub_provisioning>,
    now: Instant,
    /// What came in and is not consumed.
    input: Vec<u8>,
}

impl<'m> Provisioning<'m> {
    /// `tx_of_c` must live as long as this.
    fn new(tx: &'m mut [u8], tx_of_c: &mut [u8]) -> Self {
        let config = ProvisioningConfig {
            settings: Settings { max_packet: 1_024, ..Settings::default() },
            ..ProvisioningConfig::new(Registration::new("0ne00000001", "reg-001"))
        };
        let mut rust = ProvisioningClient::new(config, tx).unwrap();
        rust.connect(NOW, Some("p"), 7).unwrap();
        let mut c = place::<iothub_provisioning>();
        let mut settings = MaybeUninit::uninit();
        // SAFETY: everything points to what its type says.
        unsafe {
            let size = size_of::<iothub_provisioning_config>();
            assert_eq!(iothub_provisioning_config_init(settings.as_mut_ptr(), size), IOTHUB_OK);
            let mut settings: iothub_provisioning_config = settings.assume_init();
            (settings.id_scope, settings.registration_id) = (text("0ne00000001"), text("reg-001"));
            let size = size_of::<iothub_provisioning>();
            let (tx, len) = (tx_of_c.as_mut_ptr(), tx_of_c.len());
            let made = iothub_provisioning_init(&mut *c, size, &raw const settings, tx, len, null_mut());
            assert_eq!(made, IOTHUB_OK);
            assert_eq!(iothub_provisioning_connect(&mut *c, NOW.as_millis(), text("p"), 7), IOTHUB_OK);
        }
        let mut both = Self { rust, c, now: NOW, input: Vec::new() };
        both.send();
        both
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        loop {
            let input: Box<[u8]> = self.input.as_slice().into();
            let (mut consumed, mut needed, mut event) = (0, 0, MaybeUninit::<iothub_event>::uninit());
            // SAFETY: everything points to what its type says.
            let status = unsafe {
                let (c, now) = (&mut *self.c, self.now.as_millis());
                let (data, len) = (input.as_ptr(), input.len());
                iothub_provisioning_handle_input(c, now, data, len, &mut consumed, &mut needed, event.as_mut_ptr())
            };
            // SAFETY: it is written on every return.
            let event = unsafe { event.assume_init() };
            let handled = self.rust.handle_input(self.now, &input);
            assert_eq!(handled.is_ok(), status == IOTHUB_OK);
            let Ok(handled) = handled else { return };
            assert_eq!((handled.consumed, handled.needed), (consumed, needed));
            assert_same(&event, handled.event);
            let over = consumed == 0 && event.kind == 0;
            self.input.drain(..consumed);
            self.send();
            if over {
                return;
            }
        }
    }

    fn wait(&mut self) {
        self.now = self.now + Duration::from_secs(60);
        // SAFETY: the client was made.
        let status = unsafe { iothub_provisioning_handle_timeout(&mut *self.c, self.now.as_millis()) };
        assert_eq!(self.rust.handle_timeout(self.now).is_ok(), status == IOTHUB_OK);
        self.send();
        self.feed(&[]);
    }

    fn send(&mut self) {
        loop {
            let mut data = null();
            // SAFETY: the client was made; what it lends stays until it is confirmed.
            let (lent, bytes) = unsafe {
                let lent = iothub_provisioning_poll_transmit(&mut *self.c, &mut data);
                (lent, if lent > 0 { std::slice::from_raw_parts(data, lent as usize) } else { &[] })
            };
            assert_eq!(self.rust.poll_transmit().unwrap_or_default(), bytes);
            if lent <= 0 {
                assert_eq!(lent, 0);
                return;
            }
            // SAFETY: as above.
            let confirmed =
                unsafe { iothub_provisioning_confirm_transmit(&mut *self.c, self.now.as_millis(), lent as usize) };
            assert_eq!(confirmed, IOTHUB_OK);
            self.rust.confirm_transmit(self.now, lent as usize).unwrap();
        }
    }
}

/// An event of C says what the one of Rust says.
fn assert_same(event: &iothub_event, of_rust: Option<ProvisioningEvent<'_>>) {
    use ProvisioningEvent as E;
    // SAFETY: the kind says which member was written; its pointers point into the input, which is still there.
    unsafe {
        match (event.kind, of_rust) {
            (c::IOTHUB_EVENT_NONE, None)
            | (c::IOTHUB_EVENT_CONNECTED, Some(E::Connected))
            | (c::IOTHUB_EVENT_READY, Some(E::Ready)) => {}
            (c::IOTHUB_EVENT_ASSIGNING, Some(E::Assigning { retry_after })) => {
                assert_eq!(u64::from(event.u.assigning.retry_after_ms), retry_after.as_millis());
            }
            (c::IOTHUB_EVENT_THROTTLED, Some(E::Throttled { status, code, retry_after })) => {
                let it = &event.u.assigning;
                assert_eq!((it.http_status, it.code), (status.into(), code));
                assert_eq!(u64::from(it.retry_after_ms), retry_after.as_millis());
            }
            (c::IOTHUB_EVENT_ASSIGNED, Some(E::Assigned(assigned))) => {
                let it = &event.u.assigned;
                let short = usize::from(planted(Plant::ShortHub));
                assert_eq!(told(it.host_name), &assigned.assigned_hub.as_bytes()[short..]);
                assert_eq!(told(it.device_id), assigned.device_id.raw().as_bytes());
                assert_eq!(told(it.substatus), assigned.substatus.as_bytes());
                assert_eq!(told_bytes(it.payload), assigned.payload);
            }
            (c::IOTHUB_EVENT_REFUSED, Some(E::Refused { error, payload })) => {
                let it = &event.u.refused;
                assert_eq!((it.error.status, it.http_status, it.code), refusal(error));
                assert_eq!(told_bytes(it.payload), payload);
            }
            (c::IOTHUB_EVENT_DISCONNECTED, Some(E::Disconnected(ended))) => {
                let it = &event.u.disconnected;
                let failed = matches!(ended.reason, DisconnectReason::Failed(_));
                assert_eq!(it.error.status != IOTHUB_OK, failed);
                assert_eq!(u64::from(it.ready_for_ms), ended.ready_for.as_millis());
            }
            (kind, of_rust) => panic!("kind {kind} of an event, where Rust says {of_rust:?}"),
        }
    }
}

/// Status, HTTP's number and the service's number of what C is told.
fn refusal(error: RegistrationError) -> (iothub_status, u32, u32) {
    match error {
        RegistrationError::Refused { status, code } => (status::IOTHUB_ERR_REGISTRATION_REFUSED, status.into(), code),
        RegistrationError::Failed { code } => (status::IOTHUB_ERR_REGISTRATION_FAILED, 0, code),
        RegistrationError::Disabled => (status::IOTHUB_ERR_REGISTRATION_DISABLED, 0, 0),
        RegistrationError::NotSubscribed => (status::IOTHUB_ERR_REGISTRATION_NOT_SUBSCRIBED, 0, 0),
        RegistrationError::AnswerTooLarge { .. } => (status::IOTHUB_ERR_REGISTRATION_ANSWER_TOO_LARGE, 0, 0),
        RegistrationError::BadAnswer { status } => (status::IOTHUB_ERR_REGISTRATION_BAD_ANSWER, status.into(), 0),
        error => panic!("{error:?} has no status"),
    }
}

/// # Safety
///
/// It points to what is still there.
unsafe fn told<'t>(text: iothub_str) -> &'t [u8] {
    // SAFETY: as the caller says.
    unsafe { told_bytes(iothub_bytes { ptr: text.ptr.cast(), len: text.len }) }
}

/// # Safety
///
/// They point to what is still there.
unsafe fn told_bytes<'t>(bytes: iothub_bytes) -> &'t [u8] {
    if bytes.len == 0 {
        return &[];
    }
    // SAFETY: as the caller says.
    unsafe { std::slice::from_raw_parts(bytes.ptr, bytes.len) }
}

struct Sockets {
    rust: WebSocket<'static>,
    c: Box<iothub_websocket>,
    now: Instant,
}

impl Sockets {
    /// `window` must live as long as this.
    fn new(window: &mut [u8]) -> Self {
        let mut rust = WebSocket::with_window(window.len());
        rust.connect(NOW, &Upgrade::new("h.net", RANDOM)).unwrap();
        let mut c = place::<iothub_websocket>();
        let upgrade = iothub_upgrade {
            struct_size: size_of::<iothub_upgrade>() as u32,
            timeout_ms: 30_000,
            host: text("h.net"),
            path: iothub_str { ptr: null(), len: 0 },
            no_client_certificate: 0,
            reserved: [0; 7],
            random: RANDOM,
        };
        // SAFETY: everything points to what its type says.
        unsafe {
            let (window, len) = (window.as_mut_ptr(), window.len());
            assert_eq!(iothub_websocket_init(&mut *c, size_of::<iothub_websocket>(), window, len), IOTHUB_OK);
            assert_eq!(iothub_websocket_connect(&mut *c, NOW.as_millis(), &raw const upgrade), IOTHUB_OK);
        }
        let mut both = Self { rust, c, now: NOW };
        both.send();
        both
    }

    fn feed(&mut self, bytes: &[u8]) {
        let (mut in_rust, mut in_c): (Box<[u8]>, Box<[u8]>) = (bytes.into(), bytes.into());
        let (mut len, now) = (0, self.now.as_millis());
        // SAFETY: everything points to what its type says.
        let status =
            unsafe { iothub_websocket_handle_input(&mut *self.c, now, in_c.as_mut_ptr(), in_c.len(), &mut len) };
        let mqtt = self.rust.handle_input_in_place(self.now, &mut in_rust);
        assert_eq!(mqtt.is_ok(), status == IOTHUB_OK);
        if let (true, Some(last)) = (planted(Plant::SocketByte), in_c[..len].last_mut()) {
            *last ^= 1;
        }
        assert_eq!(&in_rust[..mqtt.unwrap_or(0)], &in_c[..len]);
        self.send();
    }

    fn wait(&mut self) {
        self.now = self.now + Duration::from_secs(60);
        // SAFETY: the WebSocket was made.
        let status = unsafe { iothub_websocket_handle_timeout(&mut *self.c, self.now.as_millis()) };
        assert_eq!(self.rust.handle_timeout(self.now).is_ok(), status == IOTHUB_OK);
        self.send();
    }

    /// What there is to send, of which "mqtt" is the client's.
    fn send(&mut self) {
        let mut mqtt: &[u8] = b"mqtt";
        loop {
            let (mut data, mut taken) = (null(), 0);
            // SAFETY: the WebSocket was made; what it lends stays until it is confirmed.
            let (lent, bytes) = unsafe {
                let lent = iothub_websocket_poll_transmit(&mut *self.c, mqtt.as_ptr(), mqtt.len(), &mut data);
                (lent, if lent > 0 { std::slice::from_raw_parts(data, lent as usize) } else { &[] })
            };
            assert_eq!(self.rust.poll_transmit(Some(mqtt)).unwrap_or_default(), bytes);
            if lent <= 0 {
                assert_eq!(lent, 0);
                break;
            }
            let now = self.now.as_millis();
            // SAFETY: as above.
            let status = unsafe { iothub_websocket_confirm_transmit(&mut *self.c, now, lent as usize, &mut taken) };
            assert_eq!(status, IOTHUB_OK);
            assert_eq!(self.rust.confirm_transmit(self.now, lent as usize).unwrap(), taken);
            mqtt = &mqtt[taken..];
        }
        // SAFETY: as above.
        assert_eq!(unsafe { iothub_websocket_state(&*self.c) }, self.rust.state() as i32);
    }
}
