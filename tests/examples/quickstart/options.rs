//! The command line.

use std::num::NonZeroU32;
use std::path::PathBuf;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
A device holds a whole conversation with an IoT Hub and shows it.

usage: quickstart [--count N]
           with a hub simulator in the same process, over TLS on loopback
       quickstart --connection-string 'HostName=…;DeviceId=…;SharedAccessKey=…' [options]
           with a real hub

  --connection-string TEXT  of the device; '-' reads it from standard input, which keeps
                            the key out of the shell's history and the list of processes
  --host NAME               connect to this host instead of the one in the connection string
  --port N                  connect to this port (default 8883)
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
    },
    /// A conversation with a real hub.
    Real(RealHub),
}

/// A real hub, and how to reach it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RealHub {
    /// `-` stands for standard input.
    pub(crate) connection_string: String,
    /// Instead of the host in the connection string.
    pub(crate) host: Option<String>,
    /// 8883 unless told otherwise.
    pub(crate) port: u16,
    /// Certificates to trust, in PEM.
    pub(crate) ca: Option<PathBuf>,
    /// Seconds to wait for what needs somebody at the service's side.
    pub(crate) wait: u32,
    /// Telemetry messages.
    pub(crate) count: u32,
}

impl std::fmt::Debug for RealHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the connection string, which is a secret.
        f.debug_struct("RealHub").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// What is wrong with them. An argument that is not understood is not repeated: it may be a key.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Request, String> {
    let mut arguments = arguments.into_iter();
    let (mut connection_string, mut host, mut port, mut ca, mut wait, mut count) = (None, None, None, None, None, None);
    while let Some(name) = arguments.next() {
        if name == "--help" || name == "-h" {
            return Ok(Request::Help);
        }
        if !name.starts_with("--") {
            return Err("an argument without an option before it".to_owned());
        }
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--connection-string" => connection_string = Some(value()?),
            "--host" => host = Some(value()?),
            "--port" => port = Some(number(&name, &value()?)?),
            "--ca" => ca = Some(PathBuf::from(value()?)),
            "--wait" => wait = Some(number(&name, &value()?)?),
            "--count" => count = Some(number::<NonZeroU32>(&name, &value()?)?.get()),
            _ => return Err("an unknown option".to_owned()),
        }
    }
    match connection_string {
        Some(connection_string) => Ok(Request::Real(RealHub {
            connection_string,
            host,
            port: port.unwrap_or(8883),
            ca,
            wait: wait.unwrap_or(60),
            count: count.unwrap_or(100),
        })),
        None if host.is_some() || port.is_some() || ca.is_some() || wait.is_some() => {
            Err("--host, --port, --ca and --wait need --connection-string".to_owned())
        }
        None => Ok(Request::Simulator { count: count.unwrap_or(1_000) }),
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} takes a number, and not this"))
}
