//! The command line.

use std::num::NonZeroU32;
use std::path::PathBuf;

use iothub_proto::auth::Registration;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
A device holds a whole conversation with an IoT Hub and shows it.

usage: quickstart [--provision] [--websocket] [--count N]
           with a hub simulator in the same process, over TLS on loopback
       quickstart --connection-string 'HostName=…;DeviceId=…;SharedAccessKey=…' [options]
           with a real hub
       quickstart --provision --id-scope SCOPE --registration-id ID
                  --symmetric-key KEY | --group-key KEY | --certificate FILE [options]
           with a real provisioning service, and the hub that it assigns

  --connection-string TEXT  of the device; '-' reads it from standard input, which keeps
                            the key out of the shell's history and the list of processes
  --provision               ask the Device Provisioning Service for the hub first, and again if the
                            hub refuses the device
  --symmetric-key KEY       of the enrollment, in base64; '-' reads it from standard input
  --group-key KEY           of the enrollment group instead: the device's own is derived from it
  --certificate FILE        client certificate and private key in PEM: in place of an enrollment's key,
                            or for a connection string that says x509=true
  --payload JSON            for the service's allocation policy
  --dps-host NAME           of the service (default global.azure-devices-provisioning.net)
  --dps-port N              its port (default 8883, with --websocket 443)
  --host NAME               connect to this host instead of the one in the connection string
  --websocket               MQTT over WebSocket, for networks that let only port 443 out
  --port N                  connect to this port (default 8883, with --websocket 443)
  --ca FILE                 trust the certificates in this PEM file instead of the system's
  --wait SECONDS            for the steps that need you at the service's side (default 60)
  --count N                 telemetry messages (default 1000, with a real hub 100)
  --help

The exit code is 0 if everything that was shown as a step has happened, else 1; 2 for a wrong
command line. Keys and tokens are never printed.";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Print the help.
    Help,
    /// A conversation with the simulator.
    Simulator {
        /// Telemetry messages.
        count: u32,
        /// Ask the simulator's provisioning service first.
        provision: bool,
        /// MQTT over WebSocket.
        websocket: bool,
    },
    /// A conversation with a real hub.
    Real(Box<RealHub>),
}

/// A real hub, and how to reach it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RealHub {
    /// How the hub is known.
    pub(crate) source: Source,
    /// Instead of the host in the connection string.
    pub(crate) host: Option<String>,
    /// 8883, or 443 for WebSocket, unless told otherwise.
    pub(crate) port: u16,
    /// Certificates to trust, in PEM.
    pub(crate) ca: Option<PathBuf>,
    /// Client certificate and private key, in PEM.
    pub(crate) certificate: Option<PathBuf>,
    /// Seconds to wait for what needs somebody at the service's side.
    pub(crate) wait: u32,
    /// Telemetry messages.
    pub(crate) count: u32,
    /// MQTT over WebSocket.
    pub(crate) websocket: bool,
}

/// What says which hub it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `-` stands for standard input.
    ConnectionString(String),
    /// The provisioning service.
    Provisioning(Enrolled),
}

/// A device that is enrolled with a provisioning service, and how to reach that.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Enrolled {
    pub(crate) id_scope: String,
    pub(crate) registration_id: String,
    /// In base64; `-` stands for standard input. `None`: it has a client certificate.
    pub(crate) key: Option<String>,
    /// The key is that of a group.
    pub(crate) of_group: bool,
    pub(crate) payload: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl std::fmt::Debug for RealHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the source, in which there is a secret.
        f.debug_struct("RealHub").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// What is wrong with them. An argument that is not understood is not repeated: it may be a key.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Request, String> {
    let mut arguments = arguments.into_iter();
    let mut given = Given::default();
    while let Some(name) = arguments.next() {
        if name == "--help" || name == "-h" {
            return Ok(Request::Help);
        }
        if !name.starts_with("--") {
            return Err("an argument without an option before it".to_owned());
        }
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--provision" => given.provision = true,
            "--websocket" => given.websocket = true,
            "--connection-string" => given.connection_string = Some(value()?),
            "--id-scope" => given.id_scope = Some(value()?),
            "--registration-id" => given.registration_id = Some(value()?),
            "--symmetric-key" => given.key = Some((value()?, false)),
            "--group-key" => given.key = Some((value()?, true)),
            "--payload" => given.payload = Some(value()?),
            "--dps-host" => given.dps_host = Some(value()?),
            "--dps-port" => given.dps_port = Some(number(&name, &value()?)?),
            "--host" => given.host = Some(value()?),
            "--port" => given.port = Some(number(&name, &value()?)?),
            "--ca" => given.ca = Some(PathBuf::from(value()?)),
            "--certificate" => given.certificate = Some(PathBuf::from(value()?)),
            "--wait" => given.wait = Some(number(&name, &value()?)?),
            "--count" => given.count = Some(number::<NonZeroU32>(&name, &value()?)?.get()),
            _ => return Err("an unknown option".to_owned()),
        }
    }
    given.request()
}

/// What was given.
#[derive(Default)]
struct Given {
    provision: bool,
    websocket: bool,
    connection_string: Option<String>,
    id_scope: Option<String>,
    registration_id: Option<String>,
    /// And whether it is a group's.
    key: Option<(String, bool)>,
    payload: Option<String>,
    dps_host: Option<String>,
    dps_port: Option<u16>,
    host: Option<String>,
    port: Option<u16>,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    wait: Option<u32>,
    count: Option<u32>,
}

impl Given {
    fn request(mut self) -> Result<Request, String> {
        let Some(source) = self.source()? else {
            let files = self.ca.is_some() || self.certificate.is_some();
            return if self.host.is_some() || self.port.is_some() || files || self.wait.is_some() {
                Err("--host, --port, --ca, --certificate and --wait need --connection-string or --id-scope".to_owned())
            } else {
                let Self { provision, websocket, count, .. } = self;
                Ok(Request::Simulator { count: count.unwrap_or(1_000), provision, websocket })
            };
        };
        let port = self.port.unwrap_or(self.usual_port());
        Ok(Request::Real(Box::new(RealHub {
            source,
            host: self.host,
            port,
            ca: self.ca,
            certificate: self.certificate,
            wait: self.wait.unwrap_or(60),
            count: self.count.unwrap_or(100),
            websocket: self.websocket,
        })))
    }

    /// The port of MQTT over TLS, or that of WebSocket.
    const fn usual_port(&self) -> u16 {
        if self.websocket { 443 } else { 8883 }
    }

    /// `None` stands for the simulator.
    fn source(&mut self) -> Result<Option<Source>, String> {
        let has_proof = self.key.is_some() != self.certificate.is_some();
        let enrolled = (self.id_scope.take(), self.registration_id.take(), self.key.take());
        match (self.connection_string.take(), enrolled) {
            (Some(_), _) if self.provision => {
                Err("--provision finds the hub: it needs no --connection-string".to_owned())
            }
            (None, (Some(id_scope), Some(registration_id), key)) if self.provision && has_proof => {
                let (key, of_group) = key.unzip();
                let host = self.dps_host.take().unwrap_or_else(|| Registration::GLOBAL_HOST.to_owned());
                let (payload, port) = (self.payload.take(), self.dps_port.unwrap_or(self.usual_port()));
                Ok(Some(Source::Provisioning(Enrolled {
                    id_scope,
                    registration_id,
                    key,
                    of_group: of_group.unwrap_or_default(),
                    payload,
                    host,
                    port,
                })))
            }
            (text, (None, None, None))
                if self.payload.is_none() && self.dps_host.is_none() && self.dps_port.is_none() =>
            {
                Ok(text.map(Source::ConnectionString))
            }
            _ => {
                Err("--provision with a real service needs --id-scope, --registration-id and one of --symmetric-key, \
                      --group-key and --certificate; but for that, these, --payload, --dps-host and --dps-port need \
                      --provision"
                    .to_owned())
            }
        }
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} takes a number, and not this"))
}

impl RealHub {
    /// With the key or the connection string in place of `-`, which stands for standard input.
    ///
    /// # Errors
    /// Standard input is no text.
    pub(crate) fn with_secret(&self) -> Result<Self, String> {
        let mut hub = self.clone();
        let secret = match &mut hub.source {
            Source::ConnectionString(text) => Some(text),
            Source::Provisioning(enrolled) => enrolled.key.as_mut(),
        };
        if let Some(secret) = secret
            && secret == "-"
        {
            *secret = std::io::read_to_string(std::io::stdin()).map_err(|error| error.to_string())?.trim().to_owned();
        }
        Ok(hub)
    }
}
