//! The same devices and messages without any transport: what the machines take of it.

use crate::hub::Hub;
use crate::usage::{Usage, cpu, memory};
use iothub_proto::auth::Identity;
use iothub_proto::time::Instant;
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Event, OwnedClient, OwnedLimits, RxBytes, Settings, Telemetry};
use std::sync::Arc;

/// CPU time comes in hundredths of a second, so everything is done this often.
const TIMES: usize = 20;

struct Device {
    client: OwnedClient,
    rx: RxBytes,
    hub: Hub,
}

pub fn run(connections: usize, messages: usize) -> Usage {
    let settings = Arc::new(Settings { features: Features::ALL_DEVICE, ..Settings::default() });
    let (mut usage, now) = (Usage::default(), Instant::from_millis(1));
    let before = memory();
    let mut devices = Vec::with_capacity(connections);
    let start = cpu();
    for number in 0..connections {
        let device_id = format!("device-{number:07}");
        let identity = Identity::device("localhost", &device_id);
        let client = OwnedClient::new(&identity, Arc::clone(&settings), OwnedLimits::default()).expect("good");
        let rx = RxBytes::new(client.settings().max_packet as usize + 4_096);
        devices.push(Device { client, rx, hub: Hub::echoing() });
    }
    for _ in 0..TIMES {
        for device in &mut devices {
            if device.client.state() != iothub_proto::State::Offline {
                device.client.handle_eof(now).expect("a good instant");
                device.drive(now);
            }
            let options = ConnectOptions { password: Some("a token"), ..ConnectOptions::default() };
            device.client.connect(now, &options).expect("offline");
            device.drive(now);
        }
    }
    let (ready, clock) = (cpu(), std::time::Instant::now());
    usage.signed_in = (ready - start) / TIMES as u32;
    for _ in 0..TIMES * messages {
        for device in &mut devices {
            let message = Telemetry { payload: &[b'x'; 64], ..Telemetry::default() };
            device.client.send_telemetry(now, &message).expect("room");
            device.drive(now);
        }
    }
    usage.exchanged = (cpu() - ready) / TIMES as u32;
    usage.wall = clock.elapsed() / TIMES as u32;
    usage.memory = memory().saturating_sub(before);
    usage
}

impl Device {
    fn drive(&mut self, now: Instant) {
        loop {
            while let Some(event) = self.client.poll_event(now, &mut self.rx).expect("good bytes") {
                if let Event::Message(message) = event.as_event() {
                    self.client.message_accept(now, message.token.expect("QoS 1")).expect("undecided");
                }
            }
            while let Some(bytes) = self.client.poll_transmit() {
                let len = bytes.len();
                self.hub.receive(bytes);
                self.client.confirm_transmit(now, len).expect("lent");
            }
            if self.hub.answer().is_empty() {
                return;
            }
            assert_eq!(self.rx.receive(self.hub.answer()), self.hub.answer().len());
            self.hub.taken();
        }
    }
}
