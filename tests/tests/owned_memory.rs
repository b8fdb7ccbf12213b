//! What the owned tier takes from the heap, counted by the allocator: little for a device that is idle, and one
//! allocation for an event.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use iothub_proto::auth::Identity;
use iothub_proto::time::Instant;
use iothub_proto::topic::PropertySource;
use iothub_proto::{
    Config, ConnectOptions, Event, OwnedClient, OwnedEvent, OwnedLimits, RxBytes, Settings, State, Telemetry,
};

/// The system's allocator, counting for each thread.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: isize, allocations: usize) {
    // A thread that ends has no counters any more.
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + allocations));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize, 1);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as isize), 0);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Instant = Instant::ZERO;

/// The topic of a message to the device.
const MESSAGE: &str = "devices/dev1/messages/devicebound/";

fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    let remaining = 2 + topic.len() + payload.len();
    assert!(remaining < 16_384);
    let mut packet = vec![0x30, remaining as u8 | 0x80, (remaining >> 7) as u8, 0, topic.len() as u8];
    packet.extend(topic.as_bytes());
    packet.extend(payload);
    packet
}

struct Device {
    client: OwnedClient,
    rx: RxBytes,
}

impl Device {
    fn new() -> Self {
        let config = Config::new(Identity::device("contoso.azure-devices.net", "dev1"));
        let settings = config.settings;
        let client = OwnedClient::new(&config.identity, Arc::new(settings), OwnedLimits::default()).unwrap();
        let rx = RxBytes::new(settings.max_packet as usize + 4096);
        Self { client, rx }
    }

    /// Signs in, subscribes, and has its twin.
    fn ready() -> Self {
        let mut device = Self::new();
        let options = ConnectOptions { password: Some("SharedAccessSignature …"), ..ConnectOptions::default() };
        device.client.connect(NOW, &options).unwrap();
        let document = publish("$iothub/twin/res/200/?$rid=s00000001", b"{\"desired\":{\"$version\":1}}");
        for answer in [b"\x20\x02\x00\x00".to_vec(), b"\x90\x06\xFF\xFF\x01\x01\x00\x00".to_vec(), document] {
            device.transmit();
            device.receive(&answer);
            while device.poll().is_some() {}
        }
        assert_eq!(device.client.state(), State::Ready);
        device
    }

    fn transmit(&mut self) {
        while let Some(bytes) = self.client.poll_transmit() {
            let len = bytes.len();
            self.client.confirm_transmit(NOW, len).unwrap();
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        assert_eq!(self.rx.receive(bytes), bytes.len());
    }

    fn read(&mut self, bytes: &[u8]) {
        self.rx.space()[..bytes.len()].copy_from_slice(bytes);
        self.rx.commit(bytes.len());
    }

    fn poll(&mut self) -> Option<OwnedEvent> {
        self.client.poll_event(NOW, &mut self.rx).unwrap()
    }
}

fn allocations<T>(call: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATIONS.get();
    let outcome = call();
    (ALLOCATIONS.get() - before, outcome)
}

#[test]
fn a_ready_device_holds_its_names_and_settings_only() {
    let before = HELD.get();
    let mut device = Device::ready();
    let idle = HELD.get() - before;
    let identity = device.client.identity();
    let names =
        identity.host_name.len() + identity.device_id.len() + identity.api_version.len() + identity.product.len();
    // The settings, which a fleet shares, behind the two counters of their `Arc`.
    let settings = size_of::<(usize, usize, Settings)>();
    assert_eq!(idle as usize, names + settings);

    // After any work it is the same again.
    for round in 1..=100u8 {
        for _ in 0..round % 9 {
            let message = Telemetry { payload: &[round; 300], ..Telemetry::default() };
            device.client.send_telemetry(NOW, &message).unwrap();
        }
        device.receive(&publish(MESSAGE, &[round; 200]));
        assert!(device.poll().is_some());
        device.transmit();
        let tokens: Vec<_> = device.client.unacked().collect();
        for token in tokens {
            device.client.telemetry_withdraw(NOW, token).unwrap();
        }
        device.client.handle_eof(NOW).unwrap();
        while device.poll().is_some() {}
        assert_eq!(HELD.get() - before, idle, "round {round}");
        device.client.connect(NOW, &ConnectOptions::default()).unwrap();
        device.transmit();
        device.receive(b"\x20\x02\x01\x00");
        while device.poll().is_some() {}
        device.transmit();
        device.receive(b"\x90\x06\xFF\xFF\x01\x01\x00\x00");
        while device.poll().is_some() {}
    }
    drop(device);
    assert_eq!(HELD.get(), before);
}

#[test]
fn an_event_is_one_allocation() {
    let message = publish(MESSAGE, &[7; 500]);
    for keep in [false, true] {
        for read in [Device::receive, Device::read] {
            let mut device = Device::ready();
            let mut kept = Vec::with_capacity(100);
            for round in 0..100 {
                let (count, ()) = allocations(|| {
                    read(&mut device, &message);
                    let event = device.poll().unwrap();
                    assert!(matches!(event.as_event(), Event::Message(_)));
                    if keep {
                        kept.push(event);
                    }
                    assert!(device.poll().is_none());
                });
                assert!(count <= 1, "{count} in round {round}, kept: {keep}");
            }
        }
    }
}

#[test]
fn many_events_of_one_read_are_fewer_allocations_than_events() {
    let messages = publish(MESSAGE, b"small").repeat(20);
    for keep in [false, true] {
        for read in [Device::receive, Device::read] {
            let mut device = Device::ready();
            let mut kept = Vec::with_capacity(2_000);
            // The last packet of each read is cut: its rest comes with the next.
            let cut = messages.len() - 7;
            for (round, part) in messages.repeat(10).chunks(cut).enumerate() {
                let (count, events) = allocations(|| {
                    read(&mut device, part);
                    let before = kept.len();
                    let mut told = 0;
                    while let Some(event) = device.poll() {
                        told += 1;
                        if keep {
                            kept.push(event);
                        }
                    }
                    assert_eq!(kept.len() - before, if keep { told } else { 0 });
                    told
                });
                assert!(events >= 1 && count <= 2.min(events.max(1)), "{count} for {events} in round {round}");
            }
        }
    }
}

#[test]
fn acknowledgements_take_no_memory_of_their_own() {
    let mut device = Device::ready();
    for _ in 0..10 {
        device.client.send_telemetry(NOW, &Telemetry::default()).unwrap();
    }
    let mut pubacks = Vec::new();
    while let Some(packet) = device.client.poll_transmit() {
        // The packet id is at the end, as there is no payload.
        let (len, id) = (packet.len(), *packet.last_chunk::<2>().unwrap());
        pubacks.push([0x40, 2, id[0], id[1]]);
        device.client.confirm_transmit(NOW, len).unwrap();
    }
    assert_eq!(pubacks.len(), 10);
    for puback in pubacks {
        let (count, handled) = allocations(|| device.client.handle_input(NOW, &puback).unwrap());
        assert!(matches!(handled.event, Some(Event::TelemetryAcked(_))));
        assert_eq!(count, 0);
    }
}

#[test]
fn a_puback_leaves_without_memory() {
    let mut device = Device::ready();
    let mut packet = publish(MESSAGE, b"");
    packet[0] = 0x32;
    packet[1] += 2;
    packet.extend([0, 7]);
    let handled = device.client.handle_input(NOW, &packet).unwrap();
    let Some(Event::Message(message)) = handled.event else { panic!("{handled:?}") };
    let token = message.token.unwrap();
    device.client.message_accept(NOW, token).unwrap();
    let (count, lent) = allocations(|| device.client.poll_transmit().map(<[u8]>::to_owned).unwrap());
    assert_eq!((count, lent.as_slice()), (1, &[0x40, 2, 0, 7][..]), "one is the test's own");
}

/// Counts how often it is read.
struct Counted(Cell<u32>);

impl PropertySource for Counted {
    fn visit(&self, each: &mut dyn FnMut(&str, &str)) {
        self.0.set(self.0.get() + 1);
        each("room", "kitchen");
    }
}

#[test]
fn a_message_like_the_last_one_is_written_once() {
    let mut device = Device::ready();
    for round in 0..4 {
        let properties = Counted(Cell::new(0));
        let message = Telemetry { payload: &[7; 500], properties: &properties, ..Telemetry::default() };
        let (count, token) = allocations(|| device.client.send_telemetry(NOW, &message).unwrap());
        // It is read to be checked, and each time it is written.
        let written = properties.0.get() - 1;
        assert_eq!(count, 2, "round {round}: slots and bytes");
        assert!(written == 1 || round == 0, "round {round}: {written} times");
        device.client.telemetry_withdraw(NOW, token).unwrap();
    }
}

#[test]
fn the_structs_are_small() {
    let (client, rx, event) = (size_of::<OwnedClient>(), size_of::<RxBytes>(), size_of::<OwnedEvent>());
    assert!(client <= 584 && rx <= 56 && event <= 160, "client {client}, buffer {rx}, event {event} bytes");
}

/// The ninth of the classes in `known_bugs.rs`: a peer claims much, and sends bad packets again and again.
#[test]
fn a_peer_cannot_make_it_grow() {
    let mut device = Device::ready();
    let before = HELD.get();
    // A megabyte is said to come, a part of it does.
    let topic = [&[0x30, 0xFF, 0xFF, 0x3E, 0x00, MESSAGE.len() as u8][..], MESSAGE.as_bytes()].concat();
    device.receive(&topic);
    assert!(matches!(device.poll().unwrap().as_event(), Event::Skipped(_)));
    for _ in 0..100 {
        device.receive(&[b'x'; 1000]);
        assert!(device.poll().is_none());
        assert!(HELD.get() - before <= device.rx.capacity() as isize);
    }
    let mut held = None;
    for _ in 0..1_000 {
        device.client.handle_eof(NOW).unwrap();
        device.client.connect(NOW, &ConnectOptions::default()).unwrap();
        device.rx.clear();
        device.transmit();
        device.receive(b"\x20\x02\x00\x00\x30\x01\x00");
        while let Ok(event) = device.client.poll_event(NOW, &mut device.rx) {
            assert!(event.is_some());
        }
        assert_eq!(device.client.state(), State::Failed);
        assert_eq!(HELD.get(), *held.get_or_insert(HELD.get()), "nothing leaks");
    }
}
