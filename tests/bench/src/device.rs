//! A client of ours and the hub's part of its sign-in.

use crate::workload::{CONNACK, DEVICE, HOST, PASSWORD};
use iothub_proto::auth::Identity;
use iothub_proto::time::Instant;
use iothub_proto::topic::Features;
use iothub_proto::{Client, Config, ConnectOptions, Event, Inbound, Slot, Storage};
use std::hint::black_box;

pub struct Device {
    pub client: Client<'static>,
    pub now: Instant,
}

impl Device {
    /// Offline, with room for so many messages in flight. Its memory is not given back: there are a few dozen of them.
    pub fn new(slots: usize) -> Self {
        let storage = Storage {
            tx: vec![0; 140_000 + slots * 160].leak(),
            slots: vec![Slot::EMPTY; slots].leak(),
            inbound: vec![Inbound::EMPTY; 64].leak(),
        };
        let mut config = Config::new(Identity::device(HOST, DEVICE));
        config.settings.max_packet = 70_000;
        config.settings.twin_sync = false;
        config.settings.features = Features::MESSAGES | Features::METHODS;
        Self { client: Client::new(config, storage).expect("a good configuration"), now: Instant::from_millis(1_000) }
    }

    /// CONNECT, CONNACK, SUBSCRIBE with two filters, SUBACK.
    pub fn sign_in(&mut self) {
        let options = ConnectOptions { password: Some(black_box(PASSWORD)), ..ConnectOptions::default() };
        self.client.connect(self.now, &options).expect("offline");
        self.send();
        self.hear(&CONNACK);
        self.send();
        let ready = self.client.handle_input(self.now, black_box(&[0x90, 4, 0xFF, 0xFF, 1, 0])).expect("a SUBACK");
        assert!(matches!(black_box(ready.event), Some(Event::Ready { .. })));
    }

    pub fn cut(&mut self) {
        self.client.handle_eof(self.now).expect("a good instant");
        self.hear(&[]);
    }

    /// Sends whatever there is.
    pub fn send(&mut self) {
        while let Some(bytes) = self.client.poll_transmit() {
            let len = black_box(bytes).len();
            self.client.confirm_transmit(self.now, len).expect("lent");
        }
    }

    fn hear(&mut self, input: &[u8]) {
        let handled = self.client.handle_input(self.now, black_box(input)).expect("good bytes");
        black_box(handled.event.expect("an event"));
    }
}

pub fn signed_in(slots: usize) -> Device {
    let mut device = Device::new(slots);
    device.sign_in();
    device
}
