//! Our frames against tungstenite's: bytes in both directions, split anywhere, in fragments and with pings between them.

use iothub_proto::error::WebSocketError;
use iothub_proto::time::Instant;
use iothub_proto::websocket::{NO_CLIENT_CERTIFICATE, State, Upgrade, WebSocket};
use iothub_tests::websocket::{ServerEnd, Service};
use proptest::prelude::*;
use tungstenite::protocol::frame::coding::CloseCode;

const NOW: Instant = Instant::ZERO;

/// A client, a server, and what flows between them in pieces.
struct Wire {
    client: WebSocket<'static>,
    server: ServerEnd,
    /// Sizes of the pieces, in turn.
    sizes: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl Wire {
    fn new(window: usize, fragment: usize, random: [u8; 32], sizes: Vec<usize>) -> Self {
        let mut client = WebSocket::with_window(window);
        let upgrade = Upgrade { query: NO_CLIENT_CERTIFICATE, ..Upgrade::new("contoso.azure-devices.net", random) };
        client.connect(NOW, &upgrade).unwrap();
        Self { client, server: ServerEnd::new(Service::Hub).with_fragments(fragment), sizes: sizes.into_iter().cycle() }
    }

    fn size(&mut self) -> usize {
        self.sizes.next().unwrap()
    }

    /// Moves everything that is to be moved; `mqtt` is what the client has to send. What each side got of MQTT.
    fn run(&mut self, mut mqtt: &[u8]) -> (Vec<u8>, Result<Vec<u8>, WebSocketError>) {
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        let mut downstream = Vec::new();
        loop {
            let size = self.size();
            let lent = self.client.poll_transmit(Some(mqtt)).map(|lent| lent[..size.min(lent.len())].to_vec());
            if let Some(piece) = &lent {
                mqtt = &mqtt[self.client.confirm_transmit(NOW, piece.len()).unwrap()..];
                to_server.extend(self.server.receive(piece));
            }
            downstream.extend(self.server.output());
            if lent.is_none() && downstream.is_empty() {
                return (to_server, Ok(to_client));
            }
            let rest = downstream.split_off(self.size().min(downstream.len()));
            let mut piece = std::mem::replace(&mut downstream, rest);
            match self.client.handle_input_in_place(NOW, &mut piece) {
                Ok(len) => to_client.extend(&piece[..len]),
                Err(error) => {
                    // The last word.
                    while let Some(lent) = self.client.poll_transmit(None).map(<[u8]>::to_vec) {
                        self.client.confirm_transmit(NOW, lent.len()).unwrap();
                        to_server.extend(self.server.receive(&lent));
                    }
                    return (to_server, Err(error));
                }
            }
        }
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![4 => 0..300_usize, 2 => 300..3_000_usize, 1 => 65_500..66_000_usize];
    (len, any::<u8>()).prop_map(|(len, seed)| (0..len).map(|index| (index as u8).wrapping_mul(31) ^ seed).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn whatever_goes_in_comes_out(
        window in prop_oneof![270..300_usize, 300..4_096_usize, 60_000..80_000_usize],
        fragment in prop_oneof![1..200_usize, Just(usize::MAX)],
        random in any::<[u8; 32]>(),
        sizes in proptest::collection::vec(prop_oneof![1..20_usize, 1..2_000_usize, Just(100_000)], 1..20),
        upward in proptest::collection::vec(bytes(), 0..4),
        polite in any::<bool>(),
        downward in proptest::collection::vec(bytes(), 0..4),
    ) {
        let mut wire = Wire::new(window, fragment, random, sizes);
        // What the client has to send at once waits for the upgrade.
        let first = wire.run(b"first of all");
        prop_assert_eq!(first, (b"first of all".to_vec(), Ok(Vec::new())));
        for round in 0..upward.len().max(downward.len()) {
            // Both at once: what the server sends is on its way while the client's frames are.
            let (up, down) = (upward.get(round).cloned().unwrap_or_default(), downward.get(round).cloned().unwrap_or_default());
            wire.server.send(&down);
            prop_assert!(wire.run(&up) == (up, Ok(down)));
            prop_assert!(wire.server.is_open() && wire.client.state() == State::Open);
        }
        // A good end from either side, as tungstenite sees it.
        if polite {
            wire.client.disconnect(NOW).unwrap();
            let (_, end) = wire.run(b"never sent");
            prop_assert_eq!(end, Ok(Vec::new()));
            prop_assert_eq!((wire.client.state(), wire.client.error()), (State::Closed, None));
        } else {
            wire.server.close(CloseCode::Away);
            let (_, end) = wire.run(b"never sent");
            prop_assert_eq!(end, Err(WebSocketError::Closed { code: Some(1001) }));
            prop_assert_eq!(wire.client.state(), State::Closed);
        }
        prop_assert!(matches!(wire.server.over(), Some(tungstenite::Error::ConnectionClosed)));
    }
}
