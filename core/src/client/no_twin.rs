//! In place of `twin.rs` without the feature `twin`: twins are not asked for, and what comes of them is passed over.

use super::machine::{Machine, Parts};
use crate::event::Event;
#[cfg(feature = "stream")]
use crate::event::TwinToken;
use crate::topic::Features;
use crate::wire::Writer;

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct TwinSync;

impl TwinSync {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(super) const fn reset(&mut self) {}

    pub(super) const fn skip(&mut self, _status: u16, _request_id: &str, _payload_len: u32) {}

    pub(super) const fn read(&mut self, _bytes: &[u8]) {}
}

impl Machine {
    pub(super) const fn lend_sync_get(&mut self, _: &mut Parts<'_>) {}

    pub(super) const fn sync_sent(&mut self, _: &Parts<'_>) {}

    pub(super) const fn sync_start(&mut self, _: &Parts<'_>, _before: Features) {}

    pub(super) const fn sync_retry(&mut self) {}

    pub(super) const fn twin_desired<'i>(
        &mut self,
        _: &Parts<'_>,
        _version: Option<u64>,
        _payload: Option<&'i [u8]>,
    ) -> Option<Event<'i>> {
        None
    }

    pub(super) const fn twin_response<'i>(
        &mut self,
        _: &mut Parts<'_>,
        _status: u16,
        _request_id: &str,
        _version: Option<u64>,
        _payload: &'i [u8],
    ) -> Option<Event<'i>> {
        None
    }

    pub(super) const fn skipped_response<'i>(&mut self, _: &Parts<'_>) -> Option<Event<'i>> {
        None
    }

    #[cfg(feature = "stream")]
    #[expect(clippy::option_option, reason = "as with the feature")]
    pub(super) const fn twin_awaits(&mut self, _: &Parts<'_>) -> Option<Option<TwinToken>> {
        None
    }

    #[cfg(feature = "stream")]
    pub(super) const fn twin_streamed(&mut self, _: &Parts<'_>) -> (Option<u64>, bool) {
        (None, true)
    }
}

pub(super) const fn put_sync_get(_: &mut Writer<'_>, _number: u16) {}

#[cfg(all(test, feature = "inbound"))]
mod tests {
    use crate::auth::Identity;
    use crate::time::Instant;
    use crate::{Client, Config, ConnectOptions, Event, Inbound, Slot, Storage};

    fn transmit(client: &mut Client<'_>) -> std::vec::Vec<u8> {
        let packet = client.poll_transmit().unwrap().to_vec();
        client.confirm_transmit(Instant::ZERO, packet.len()).unwrap();
        packet
    }

    #[test]
    fn twins_are_not_asked_for_and_passed_over() {
        let (mut tx, mut slots, mut inbound) = ([0; 1_024], [Slot::EMPTY; 2], [Inbound::EMPTY; 2]);
        let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
        let config = Config::new(Identity::device("contoso.azure-devices.net", "dev1"));
        let mut client = Client::new(config, storage).unwrap();
        client.connect(Instant::ZERO, &ConnectOptions::default()).unwrap();
        transmit(&mut client);
        let _ = client.handle_input(Instant::ZERO, b"\x20\x02\x00\x00").unwrap();
        let subscribe = transmit(&mut client);
        assert!(!subscribe.windows(5).any(|text| text == b"/twin"), "{subscribe:?}");
        let ready = client.handle_input(Instant::ZERO, b"\x90\x04\xFF\xFF\x01\x00").unwrap();
        assert!(matches!(ready.event, Some(Event::Ready { .. })));
        assert_eq!(client.poll_transmit(), None);

        let topics = ["$iothub/twin/PATCH/properties/desired/?$version=7", "$iothub/twin/res/200/?$rid=s00000001"];
        for topic in topics {
            let mut publish = std::vec![0x30, topic.len() as u8 + 4, 0, topic.len() as u8];
            publish.extend(topic.bytes().chain(*b"{}"));
            let handled = client.handle_input(Instant::ZERO, &publish).unwrap();
            assert_eq!((handled.consumed, handled.event), (publish.len(), None), "{topic}");
        }
    }
}
