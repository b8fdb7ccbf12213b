//! Prints a SAS token for a connection string, and nothing else: `mosquitto_pub -P "$(…)"` can take it.
//!
//! ```text
//! cargo run -p iothub-proto --example sas_token -- 'HostName=…;DeviceId=…;SharedAccessKey=…' [--ttl SECONDS]
//! cargo run -p iothub-proto --example sas_token -- --ttl 600 < connection-string.txt
//! ```
//!
//! The second form keeps the key out of the shell's history and of the list of processes.

use iothub_proto::auth::{ConnectionString, Credential, SharedAccessKey};
use iothub_proto::time::UnixSeconds;
use std::error::Error;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

const USAGE: &str = "usage: sas_token ['HostName=…;DeviceId=…;SharedAccessKey=…'] [--ttl SECONDS]
Without a connection string as argument it is read from standard input. The token is valid for 3600 s by default.";

fn main() -> ExitCode {
    match run() {
        Ok(token) => {
            println!("{token}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("sas_token: {error}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, Box<dyn Error>> {
    let (text, ttl) = arguments()?;
    let text = text.map_or_else(|| std::io::read_to_string(std::io::stdin()), Ok)?;
    let parsed = ConnectionString::parse(&text)?;
    for key in parsed.unknown_keys() {
        eprintln!("sas_token: warning: the key '{key}' means nothing here");
    }
    let Credential::Key { key, name } = parsed.credential() else {
        return Err("the connection string has no SharedAccessKey to sign with".into());
    };
    let identity = parsed.identity();
    identity.check().map_err(iothub_proto::error::Error::from)?;

    let now = u32::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let mut room = vec![0; identity.token_capacity(name)];
    let token = SharedAccessKey::from_base64(key)?
        .token(&identity, UnixSeconds(now).plus(ttl), name, &mut room)
        .map_err(iothub_proto::error::Error::from)?;
    Ok(token.to_owned())
}

/// The connection string, if it was given, and the seconds to live.
fn arguments() -> Result<(Option<String>, u32), Box<dyn Error>> {
    let mut text = None;
    let mut ttl = 3_600;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--ttl" {
            let seconds = arguments.next().ok_or("--ttl needs a number of seconds")?;
            ttl = seconds.parse().map_err(|_| format!("--ttl takes a number of seconds, not '{seconds}'"))?;
        } else if argument.starts_with('-') || text.is_some() {
            // Not repeated here: it may be a key.
            return Err("too many arguments, or an unknown option".into());
        } else {
            text = Some(argument);
        }
    }
    Ok((text, ttl))
}
