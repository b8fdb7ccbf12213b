//! `websocket`.

use super::{any, bytes, number, room, string, used};
use iothub_proto::error::WebSocketError;
use iothub_proto::time::Instant;
use iothub_proto::websocket::{Upgrade, WebSocket};

fn now() -> Instant {
    Instant::from_millis(any(0))
}

#[inline(never)]
pub(super) fn all() {
    let mut upgrade = any(Upgrade::new(string(), any([0; 32])));
    upgrade.path = string();
    upgrade.query = string();
    let mut socket = any(WebSocket::new(room()));
    used(WebSocket::connect(&mut socket, now(), &any(upgrade)));
    used(WebSocket::handle_input(&mut socket, now(), bytes()));
    used(WebSocket::handle_input_in_place(&mut socket, now(), room()));
    used(WebSocket::poll_transmit(&mut socket, any(Some(bytes()))));
    used(WebSocket::confirm_transmit(&mut socket, now(), number()));
    used(WebSocket::poll_timeout(&socket));
    used(WebSocket::handle_timeout(&mut socket, now()));
    used(WebSocket::disconnect(&mut socket, now()));
    used(WebSocket::handle_eof(&mut socket, now()));
    used(WebSocket::state(&socket));
    if let Some(error) = WebSocket::error(&socket) {
        used(WebSocketError::is_fatal(&error));
    }
    drop(any(socket));
}
