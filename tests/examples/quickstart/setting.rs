//! Whom the device talks to: the simulator, or a real hub.

use std::sync::Arc;

use iothub_proto::auth::ConnectionString;

use super::link::Remote;
use super::options::{RealHub, Source};
use super::provision::provision;
use super::simulator::{DEVICE, Simulator};
use super::tls;
use super::transcript::Transcript;

/// Whom the device talks to, and how much.
pub(crate) struct Setting {
    pub(crate) connection_string: String,
    pub(crate) remote: Remote,
    /// The hub was assigned by a provisioning service.
    pub(crate) provisioned: bool,
    pub(crate) count: u32,
    /// `None`: the hub is a real one, and may take its time.
    pub(crate) simulator: Option<Simulator>,
    /// Seconds for what needs somebody at the service's side.
    pub(crate) wait: u32,
}

impl Setting {
    /// A hub simulator, on loopback.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn simulator(count: u32, provisioned: bool, websocket: bool, log: &Transcript) -> Result<Self, String> {
        let over = carrier(websocket);
        log.text(format_args!(
            "The device {DEVICE} talks to an IoT Hub simulator: MQTT 3.1.1 over {over}, on loopback."
        ));
        log.text("Lines marked \"checked\" say what the hub's own records show.");
        let simulator = Simulator::start(provisioned, websocket).map_err(|error| error.to_string())?;
        let remote = simulator.remote().map_err(|error| error.to_string())?;
        let connection_string = if provisioned {
            let dps = simulator.dps_remote().map_err(|error| error.to_string())?;
            let found = provision(&dps, &Simulator::enrolled(), log)?;
            simulator.check_registered()?;
            log.checked("registered, and assigned to this hub");
            found
        } else {
            Simulator::connection_string()
        };
        // The simulator's service has no other hub.
        Ok(Self { connection_string, remote, provisioned: false, count, simulator: Some(simulator), wait: 0 })
    }

    /// A real hub.
    ///
    /// # Errors
    /// The connection string is wrong, or there is no certificate to trust.
    pub(crate) fn real(hub: &RealHub, log: &Transcript) -> Result<Self, String> {
        let own = hub.certificate.as_deref();
        let tls = hub.ca.as_deref().map_or_else(|| tls::trust_system(own), |ca| tls::trust_file(ca, own));
        let tls = tls.map_err(|error| format!("certificates: {error}"))?;
        let connection_string = match &hub.source {
            Source::ConnectionString(text) => text.clone(),
            Source::Provisioning(enrolled) => {
                let (host, port) = (enrolled.host.clone(), enrolled.port);
                let dps = Remote { host, port, tls: Arc::clone(&tls), websocket: hub.websocket };
                provision(&dps, enrolled, log)?
            }
        };
        let parsed =
            ConnectionString::parse(&connection_string).map_err(|error| format!("connection string: {error}"))?;
        for key in parsed.unknown_keys() {
            log.text(format_args!("Note: {key} means nothing in a connection string."));
        }
        let host = hub.host.clone().unwrap_or_else(|| parsed.connect_host().to_owned());
        log.text(format_args!(
            "The device {} talks to {}: MQTT 3.1.1 over {}.",
            parsed.identity().device_id,
            parsed.identity().host_name,
            carrier(hub.websocket)
        ));
        let remote = Remote { host, port: hub.port, tls, websocket: hub.websocket };
        let provisioned = matches!(hub.source, Source::Provisioning(_));
        Ok(Self { connection_string, remote, provisioned, count: hub.count, simulator: None, wait: hub.wait })
    }
}

/// What MQTT is carried by.
const fn carrier(websocket: bool) -> &'static str {
    if websocket { "WebSocket" } else { "TLS" }
}
