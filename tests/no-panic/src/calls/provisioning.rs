//! `provisioning`.

use super::auth::some_registration;
use super::{any, bytes, number, room, some_string, used};
use iothub_proto::provisioning::Assignment;
use iothub_proto::time::{Duration, Instant};
use iothub_proto::{ProvisioningClient, ProvisioningConfig, ProvisioningEvent, RxBuffer, Settings};

pub(super) fn all() {
    let mut config = any(ProvisioningConfig::new(some_registration()));
    config.payload = any(Some(bytes()));
    config.settings = any(Settings::default());
    config.deadline = Duration::from_millis(any(0));
    let Ok(mut client) = any(ProvisioningClient::new(any(config), room())) else { return };
    let client = &mut client;
    driver(any(&mut *client));
    input(any(&mut *client));
    getters(any(client));
}

fn now() -> Instant {
    Instant::from_millis(any(0))
}

#[inline(never)]
fn driver(client: &mut ProvisioningClient<'_>) {
    used(ProvisioningClient::connect(client, now(), some_string(), any(0)));
    used(ProvisioningClient::poll_transmit(client));
    used(ProvisioningClient::confirm_transmit(client, now(), number()));
    used(ProvisioningClient::handle_timeout(client, now()));
    used(ProvisioningClient::handle_eof(client, now()));
    used(ProvisioningClient::disconnect(client, now()));
}

#[inline(never)]
fn input(client: &mut ProvisioningClient<'_>) {
    let mut rx = any(RxBuffer::new(room()));
    used(ProvisioningClient::poll_event(client, now(), &mut rx));
    let Ok(handled) = ProvisioningClient::handle_input(client, now(), bytes()) else { return };
    used((handled.consumed, handled.needed));
    match any(handled.event) {
        Some(ProvisioningEvent::Assigned(assignment)) => used(Assignment::identity(&any(assignment), room())),
        other => used(other),
    }
}

#[inline(never)]
fn getters(client: &ProvisioningClient<'_>) {
    used(ProvisioningClient::has_event(client));
    used(ProvisioningClient::poll_timeout(client));
    used(ProvisioningClient::timeout_reason(client));
    used(ProvisioningClient::state(client));
    used(ProvisioningClient::strays(client));
    used(ProvisioningClient::config(client));
}
