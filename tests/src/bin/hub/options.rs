//! The command line.

use iothub_tests::hub::{Credentials, Route};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
usage: hub [--host NAME] [--plain PORT] [--tls PORT] [--ca-out FILE] [--client-ca FILE] [--grace SECONDS]
           [--gateway NAME] [--route OUTPUT=INPUT]... [--device ID=KEY]... [--x509 ID[=THUMBPRINT]]...
           [--websocket PORT] [--websocket-plain PORT]
           [--dps-plain PORT] [--dps-tls PORT] [--dps-websocket PORT] [--id-scope TEXT] [--dps-polls N]
           [--enroll ID=KEY]... [--enroll-x509 ID[=THUMBPRINT]]... [--enroll-group KEY]...
  --host    name of the hub in user names and tokens (default localhost)
  --gateway name of an IoT Edge gateway that clients connect to instead, which the certificate is then for
  --route   send what a module sends to an output on to an input of another module: DEVICE/MODULE/OUTPUT=
            DEVICE/MODULE/INPUT
  --plain   listen on 127.0.0.1 without TLS; 0 chooses a port
  --tls     the same with TLS
  --websocket, --websocket-plain
            the same for MQTT over WebSocket, with TLS and without
  --ca-out  write the certificate that clients are to trust; the command 'certificate' on standard input
            makes client certificates
  --client-ca
            trust the client certificates of the authorities in this PEM file, too
  --grace   how long a connection outlives its token (default 600)
  --device  register a device, or a module as DEVICE/MODULE, with its key in base64
  --x509    register a device that signs in with a client certificate: with one of a trusted authority and
            the device id as its common name, or with the one that has this thumbprint (SHA-256, 64 hex
            digits). A client with a wrong certificate, or with none, is refused by CONNACK 5
  --dps-plain, --dps-tls, --dps-websocket
            the same for the provisioning service, which assigns this hub
  --id-scope
            its id scope (default 0ne00000001)
  --dps-polls
            how often a device must ask before it is assigned (default 1)
  --enroll, --enroll-x509, --enroll-group
            enroll a device with its key, with a certificate as above, or all devices with keys derived from
            this one";

/// What the command line asks for.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) host: String,
    pub(crate) gateway: Option<String>,
    pub(crate) routes: Vec<Route>,
    pub(crate) plain: Option<u16>,
    pub(crate) tls: Option<u16>,
    pub(crate) ca_out: Option<String>,
    pub(crate) client_ca: Option<String>,
    pub(crate) grace: Option<u32>,
    pub(crate) identities: Vec<(String, Credentials)>,
    pub(crate) dps_plain: Option<u16>,
    pub(crate) dps_tls: Option<u16>,
    pub(crate) websocket: Option<u16>,
    pub(crate) websocket_plain: Option<u16>,
    pub(crate) dps_websocket: Option<u16>,
    pub(crate) id_scope: Option<String>,
    pub(crate) dps_polls: Option<u32>,
    /// `None` for a group.
    pub(crate) enrollments: Vec<(Option<String>, Credentials)>,
}

impl Options {
    /// Reads the arguments after the program's name. `None` if it is asked for help.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self { host: "localhost".to_owned(), ..Self::default() };
        let identity = |value: &str| -> Result<(String, Credentials), String> {
            let (id, key) = value.split_once('=').ok_or_else(|| format!("{value} is no ID=KEY"))?;
            let key = Credentials::key(key).map_err(|error| format!("key of {id}: {error}"))?;
            Ok((id.to_owned(), key))
        };
        let certified = |value: String| match value.split_once('=') {
            None => Ok((value, Credentials::Certificate)),
            Some((id, hex)) => Credentials::thumbprint(hex)
                .map(|thumbprint| (id.to_owned(), thumbprint))
                .ok_or_else(|| format!("{hex} is no thumbprint")),
        };
        while let Some(name) = arguments.next() {
            if name == "--help" || name == "-h" {
                return Ok(None);
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            let port = || value.parse().map_err(|_| format!("{value} is no port"));
            match name.as_str() {
                "--host" => options.host = value,
                "--gateway" => options.gateway = Some(value),
                "--route" => {
                    options.routes.push(Route::parse(&value).ok_or_else(|| format!("{value} is no route"))?);
                }
                "--plain" => options.plain = Some(port()?),
                "--tls" => options.tls = Some(port()?),
                "--ca-out" => options.ca_out = Some(value),
                "--grace" => {
                    options.grace = Some(value.parse().map_err(|_| format!("{value} is no number of seconds"))?);
                }
                "--client-ca" => options.client_ca = Some(value),
                "--x509" => options.identities.push(certified(value)?),
                "--device" => options.identities.push(identity(&value)?),
                "--dps-plain" => options.dps_plain = Some(port()?),
                "--dps-tls" => options.dps_tls = Some(port()?),
                "--websocket" => options.websocket = Some(port()?),
                "--websocket-plain" => options.websocket_plain = Some(port()?),
                "--dps-websocket" => options.dps_websocket = Some(port()?),
                "--id-scope" => options.id_scope = Some(value),
                "--dps-polls" => options.dps_polls = Some(value.parse().map_err(|_| format!("{value} is no number"))?),
                "--enroll" => {
                    let (id, key) = identity(&value)?;
                    options.enrollments.push((Some(id), key));
                }
                "--enroll-x509" => {
                    let (id, certificate) = certified(value)?;
                    options.enrollments.push((Some(id), certificate));
                }
                "--enroll-group" => {
                    let key = Credentials::key(&value).map_err(|error| format!("key of the group: {error}"))?;
                    options.enrollments.push((None, key));
                }
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(Some(options))
    }
}
