//! One process holds a million connected devices: what each costs when it is idle, and how many messages a second one
//! thread moves for all of them.
//!
//! ```sh
//! cargo run --release --manifest-path tests/fleet/Cargo.toml [-- DEVICES]    # 1,000,000 if not said, which take 600 MB
//! ```
//!
//! Every device signs in, is sent a cloud-to-device message that it accepts, and sends one that the hub acknowledges; then
//! all are idle for ten minutes of a simulated clock, in which nothing happens but keep-alive. There are no sockets. The
//! hub is in `hub.rs` and keeps nothing: the simulator of `tests/src/hub` is a service with queues and twins for each
//! device, of which a million would take more memory than what is measured.
//!
//! Fails if an idle device takes more than [`IDLE`] bytes besides the texts of its identity, if a message is lost, or if
//! a tick looks at devices whose deadline is far.

mod heap;
mod hub;
mod timers;

use hub::Hub;
use iothub_proto::auth::Identity;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Event, OwnedClient, OwnedLimits, Settings, Telemetry};
use std::sync::Arc;
use timers::Timers;

/// Bytes that an idle device may take besides the texts of its identity.
const IDLE: usize = 512;

/// How often each device gets a message and sends one while the clock is taken.
const ROUNDS: usize = 5;

const PASSWORD: &str = "SharedAccessSignature sr=contoso.azure-devices.net%2Fdevices%2Fdevice-0000000&\
    sig=Zm9yIHRoZSBsZW5ndGggb2YgaXQsIG5vIHNlY3JldCE%3D&se=1767225600";

struct Fleet {
    clients: Vec<OwnedClient>,
    /// All devices share these.
    _settings: Arc<Settings>,
    timers: Timers,
    hub: Hub,
    now: Instant,
    /// Events that were told.
    received: usize,
    acknowledged: usize,
}

impl Fleet {
    fn new(count: usize) -> Self {
        let settings = Arc::new(Settings { features: Features::ALL_DEVICE, ..Settings::default() });
        let client = |number: usize| {
            let device_id = format!("device-{number:07}");
            let identity = Identity::device("contoso.azure-devices.net", &device_id);
            OwnedClient::new(&identity, Arc::clone(&settings), OwnedLimits::default()).expect("a good identity")
        };
        let mut clients = Vec::with_capacity(count);
        clients.extend((0..count).map(client));
        let now = Instant::from_millis(1_000);
        let timers = Timers::new(count, now);
        Self { clients, _settings: settings, timers, hub: Hub::default(), now, received: 0, acknowledged: 0 }
    }

    /// Moves bytes between a device and the hub until neither has any.
    fn settle(&mut self, number: usize) {
        let (client, now) = (&mut self.clients[number], self.now);
        loop {
            while let Some(bytes) = client.poll_transmit() {
                let len = bytes.len();
                self.hub.receive(bytes);
                client.confirm_transmit(now, len).expect("lent");
            }
            let mut input = self.hub.answer();
            if input.is_empty() && !client.has_event() {
                break;
            }
            loop {
                let handled = client.handle_input(now, input).expect("good bytes");
                input = &input[handled.consumed..];
                match handled.event {
                    Some(Event::Message(message)) => {
                        self.received += 1;
                        client.message_accept(now, message.token.expect("QoS 1")).expect("undecided");
                    }
                    Some(Event::TelemetryAcked(_)) => self.acknowledged += 1,
                    Some(_) => {}
                    None if handled.consumed == 0 => break,
                    None => {}
                }
            }
            self.hub.taken();
        }
        if let Some(at) = client.poll_timeout() {
            self.timers.arm(number, at);
        }
    }

    fn sign_in(&mut self) {
        for number in 0..self.clients.len() {
            let options = ConnectOptions { password: Some(PASSWORD), ..ConnectOptions::default() };
            self.clients[number].connect(self.now, &options).expect("offline");
            self.settle(number);
        }
    }

    /// A message to each device and one from each.
    fn exchange(&mut self) {
        for number in 0..self.clients.len() {
            let device = self.clients[number].identity().device_id.as_bytes();
            self.hub.send_message(device, b"a message to the device, 64 bytes long: 0123456789abcdefghijklmno");
            self.settle(number);
            let message = Telemetry { payload: &[b'x'; 64], ..Telemetry::default() };
            self.clients[number].send_telemetry(self.now, &message).expect("room");
            self.settle(number);
        }
    }

    /// Lets the clock run, one second after the other, as a loop with a timer does.
    fn idle(&mut self, span: Duration) -> usize {
        let until = self.now + span;
        let mut looked_at = 0;
        while self.now < until {
            self.now = self.now + Duration::from_secs(1);
            for number in self.timers.due(self.now) {
                looked_at += 1;
                let client = &mut self.clients[number];
                if client.poll_timeout().is_some_and(|at| at <= self.now) {
                    client.handle_timeout(self.now).expect("no dead link");
                }
                self.settle(number);
            }
        }
        looked_at
    }
}

fn main() {
    let count: usize = std::env::args().nth(1).map_or(1_000_000, |count| count.parse().expect("a number of devices"));
    let mut fleet = Fleet::new(count);

    let start = std::time::Instant::now();
    fleet.sign_in();
    let per_second = |operations: usize, start: std::time::Instant| operations as f64 / start.elapsed().as_secs_f64();
    println!("{count} devices signed in, {:.0} a second", per_second(count, start));

    let start = std::time::Instant::now();
    for _ in 0..ROUNDS {
        fleet.exchange();
    }
    let messages = 2 * ROUNDS * count;
    println!("{messages} messages, half of them each way, {:.0} a second in one thread", per_second(messages, start));
    assert_eq!((fleet.received, fleet.acknowledged), (ROUNDS * count, ROUNDS * count), "a message is lost");

    let start = std::time::Instant::now();
    let (pings, looked_at) = (fleet.hub.pings, fleet.idle(Duration::from_secs(600)));
    let pings = fleet.hub.pings - pings;
    println!(
        "ten minutes of silence: {pings} pings, {looked_at} looks at a device, {:.2} s",
        start.elapsed().as_secs_f64()
    );
    assert!(pings >= 2 * count && looked_at <= 2 * pings, "{looked_at} looks for {pings} pings");

    let text = |client: &OwnedClient| {
        let identity = client.identity();
        identity.host_name.len() + identity.device_id.len() + identity.api_version.len() + identity.product.len()
    };
    let texts: usize = fleet.clients.iter().map(text).sum();
    // What they give back is what they had.
    let before = heap::held();
    drop(std::mem::take(&mut fleet.clients));
    let idle = before - heap::held() - texts;
    let each = |bytes: usize| bytes as f64 / count as f64;
    println!(
        "an idle device: {:.1} bytes, of which OwnedClient {}; {:.0} more are the texts of its identity, {:.1} its timer",
        each(idle),
        size_of::<OwnedClient>(),
        each(texts),
        each(fleet.timers.bytes())
    );
    assert!(idle <= IDLE * count, "an idle device takes {:.1} bytes", each(idle));
}
