//! The hub simulator as a program, for clients in any language.
//!
//! ```text
//! hub --plain 1883 --tls 8883 --ca-out ca.pem --device dev1=AAECAw== --device dev1/mod1=AAECAw==
//! ```
//!
//! It prints what happens as lines of JSON, first `{"event":"listening",…}` with the ports. On its input it takes
//! the service's side, one command a line, and it serves until that ends:
//!
//! ```text
//! send dev1 hello                a cloud-to-device message
//! message dev1 {"payload":"hello","properties":{"a":"b"},"system":{"$.ct":"text/plain"}}
//! input dev1/mod1 alarm hello    a message to a module's input
//! queued dev1                    how many messages wait, as an event
//! desired dev1 {"a":1}           a patch of the desired properties
//! twin dev1                      the whole twin, and the model that the device has told, as an event
//! invoke dev1 reboot {"in":5}    a method call; the payload may be left out
//! end dev1                       cut the connection
//! certificate dev1 FILE          a client certificate and its key, in PEM; an event tells when it is written, and the
//!                                thumbprint; with `self-signed` behind, one that no authority has signed
//! x509 dev1 THUMBPRINT           register a device anew, which signs in with that client certificate
//! restart keep                   end all connections; `forget` loses the sessions, too
//! fault refuse 5                 answer the next sign-in with this code
//! fault puback-delay 500         hold each PUBACK back, in milliseconds; answer-delay the same for all else
//! fault drop-pubacks 3           take as many messages without a PUBACK
//! fault poison TEXT              close instead of taking a message with this text; without text, no more
//! fault twin-status 429          answer the next twin request so
//! fault cut-in 100               cut the next connection after so many bytes in; cut-out the same for bytes out
//! assign reg-001 HUB DEVICE      from now on the provisioning service assigns this; without DEVICE, the registration id
//! enrollment reg-001 disabled    from now on it does not; `failed` makes it fail, `enabled` ends both
//! fault dps-status 429 5         answer the next request for provisioning so, with this retry-after
//! fault dps-silence 2            leave as many such requests without an answer
//! ```

mod command;
mod options;
mod report;

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use iothub_proto::time::Duration;
use iothub_tests::{
    hub::{Enrollment, Hub, HubConfig},
    server::Server,
};
use serde_json::{Value, json};

use command::{certificate, command};
use options::{Options, USAGE};
use report::report;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("hub: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hub: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: Options) -> io::Result<()> {
    let mut config = HubConfig::new(&options.host);
    if let Some(grace) = options.grace {
        config.expiry_grace = Duration::from_secs(grace);
    }
    config.gateway_host_name = options.gateway;
    let mut hub = Hub::new(config);
    for route in options.routes {
        hub.add_route(route);
    }
    for (id, credentials) in options.identities {
        hub.register(&id, credentials);
    }
    hub.dps.id_scope = options.id_scope.unwrap_or(hub.dps.id_scope);
    hub.dps.polls = options.dps_polls.unwrap_or(hub.dps.polls);
    for (id, credentials) in options.enrollments {
        let enrollment = Enrollment::new(credentials, &options.host);
        match id {
            Some(id) => hub.dps.enroll(&id, enrollment),
            None => hub.dps.enroll_group(enrollment),
        }
    }
    let mut server = Server::new(hub)?;
    if let Some(file) = options.client_ca {
        server.trust_clients(&std::fs::read(file)?)?;
    }
    let plain = options.plain.map(|port| server.listen_plain(port)).transpose()?;
    let tls = options.tls.map(|port| server.listen_tls(port)).transpose()?;
    let dps_plain = options.dps_plain.map(|port| server.listen_dps_plain(port)).transpose()?;
    let dps_tls = options.dps_tls.map(|port| server.listen_dps_tls(port)).transpose()?;
    let websocket = options.websocket.map(|port| server.listen_websocket_tls(port)).transpose()?;
    let websocket_plain = options.websocket_plain.map(|port| server.listen_websocket_plain(port)).transpose()?;
    let dps_websocket = options.dps_websocket.map(|port| server.listen_dps_websocket_tls(port)).transpose()?;
    if let Some(file) = options.ca_out {
        std::fs::write(file, server.ca_pem())?;
    }
    print(&json!({
        "event": "listening", "plain": plain, "tls": tls, "dps_plain": dps_plain, "dps_tls": dps_tls,
        "websocket": websocket, "websocket_plain": websocket_plain, "dps_websocket": dps_websocket,
    }));

    let server = Arc::new(server);
    let stop = Arc::new(AtomicBool::new(false));
    let reporter = {
        let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
        std::thread::spawn(move || report(&server, &stop))
    };
    for line in io::stdin().lock().lines() {
        let line = line?;
        let outcome = match line.split_whitespace().next() {
            Some("certificate") => certificate(&server, &line).map(Some),
            _ => server.with(|hub| command(hub, &line)),
        };
        let event = outcome.unwrap_or_else(|error| Some(json!({ "event": "error", "message": error.to_string() })));
        event.iter().for_each(print);
    }
    stop.store(true, Ordering::SeqCst);
    // Every use of the hub wakes the reporter.
    server.with(|_| ());
    let _ = reporter.join();
    Ok(())
}

fn print(event: &Value) {
    let mut out = io::stdout().lock();
    // Nobody reading is no reason to stop serving.
    let _ = writeln!(out, "{event}").and_then(|()| out.flush());
}
