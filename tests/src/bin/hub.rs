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
//! twin dev1                      the whole twin, as an event
//! invoke dev1 reboot {"in":5}    a method call; the payload may be left out
//! end dev1                       cut the connection
//! certificate dev1 FILE          a client certificate and its key, in PEM; an event tells when it is written
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

use std::{
    collections::VecDeque,
    io::{self, BufRead, Write},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use iothub_proto::time::Duration as Span;
use iothub_tests::{
    hub::{CallId, CallResult, CloseReason, CloudMessage, Credentials, Cut, Enrollment, Hub, HubConfig, SendError},
    server::Server,
};
use serde_json::{Value, json};

const USAGE: &str = "\
usage: hub [--host NAME] [--plain PORT] [--tls PORT] [--ca-out FILE] [--grace SECONDS] [--device ID=KEY]... [--x509 ID]...
           [--websocket PORT] [--websocket-plain PORT]
           [--dps-plain PORT] [--dps-tls PORT] [--dps-websocket PORT] [--id-scope TEXT] [--dps-polls N]
           [--enroll ID=KEY]... [--enroll-x509 ID]... [--enroll-group KEY]...
  --host    name of the hub in user names and tokens (default localhost)
  --plain   listen on 127.0.0.1 without TLS; 0 chooses a port
  --tls     the same with TLS
  --websocket, --websocket-plain
            the same for MQTT over WebSocket, with TLS and without
  --ca-out  write the certificate that clients are to trust
  --grace   how long a connection outlives its token (default 600)
  --device  register a device, or a module as DEVICE/MODULE, with its key in base64
  --x509    register a device with a client certificate of that authority
  --dps-plain, --dps-tls, --dps-websocket
            the same for the provisioning service, which assigns this hub
  --id-scope
            its id scope (default 0ne00000001)
  --dps-polls
            how often a device must ask before it is assigned (default 1)
  --enroll, --enroll-x509, --enroll-group
            enroll a device with its key, with a certificate, or all devices with keys derived from this one";

/// What the command line asks for.
#[derive(Default)]
struct Options {
    host: String,
    plain: Option<u16>,
    tls: Option<u16>,
    ca_out: Option<String>,
    grace: Option<u32>,
    identities: Vec<(String, Credentials)>,
    dps_plain: Option<u16>,
    dps_tls: Option<u16>,
    websocket: Option<u16>,
    websocket_plain: Option<u16>,
    dps_websocket: Option<u16>,
    id_scope: Option<String>,
    dps_polls: Option<u32>,
    /// `None` for a group.
    enrollments: Vec<(Option<String>, Credentials)>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { host: "localhost".to_owned(), ..Self::default() };
        let identity = |value: &str| -> Result<(String, Credentials), String> {
            let (id, key) = value.split_once('=').ok_or_else(|| format!("{value} is no ID=KEY"))?;
            let key = Credentials::key(key).map_err(|error| format!("key of {id}: {error}"))?;
            Ok((id.to_owned(), key))
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            let port = || value.parse().map_err(|_| format!("{value} is no port"));
            match name.as_str() {
                "--host" => options.host = value,
                "--plain" => options.plain = Some(port()?),
                "--tls" => options.tls = Some(port()?),
                "--ca-out" => options.ca_out = Some(value),
                "--grace" => {
                    options.grace = Some(value.parse().map_err(|_| format!("{value} is no number of seconds"))?);
                }
                "--x509" => options.identities.push((value, Credentials::Certificate)),
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
                "--enroll-x509" => options.enrollments.push((Some(value), Credentials::Certificate)),
                "--enroll-group" => {
                    let key = Credentials::key(&value).map_err(|error| format!("key of the group: {error}"))?;
                    options.enrollments.push((None, key));
                }
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
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
        config.expiry_grace = Span::from_secs(grace);
    }
    let mut hub = Hub::new(config);
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

/// Runs one command of the service's side. What it finds out is an event.
fn command(hub: &mut Hub, line: &str) -> io::Result<Option<Value>> {
    let mut words = line.trim().splitn(3, ' ');
    let (verb, client, rest) = (words.next(), words.next().unwrap_or(""), words.next().unwrap_or(""));
    let sent = |outcome: Result<_, SendError>| outcome.map_err(|error| format!("{error:?}"));
    let done = match verb {
        Some("send") => sent(hub.send_message(client, CloudMessage::new(rest.as_bytes())).map(drop)),
        Some("message") => sent(hub.send_message(client, cloud_message(&serde_json::from_str(rest)?)).map(drop)),
        Some("input") => {
            let (input, payload) = rest.split_once(' ').unwrap_or((rest, ""));
            sent(hub.send_input(client, input, &CloudMessage::new(payload.as_bytes())))
        }
        Some("queued") => return Ok(Some(json!({ "event": "queued", "messages": hub.queued(client) }))),
        Some("twin") => return Ok(Some(json!({ "event": "twin", "twin": hub.twin(client) }))),
        Some("desired") => {
            let patch: Value = serde_json::from_str(rest)?;
            hub.patch_desired(client, &patch).map(drop).map_err(str::to_owned)
        }
        Some("invoke") => {
            let (method, payload) = rest.split_once(' ').unwrap_or((rest, ""));
            hub.invoke(client, method, payload.as_bytes(), Span::from_secs(30));
            Ok(())
        }
        Some("end") => {
            hub.end_client(client, CloseReason::Fault);
            Ok(())
        }
        Some("restart") => {
            hub.restart(client == "keep");
            Ok(())
        }
        Some("fault") => fault(hub, client, rest),
        Some("assign" | "enrollment") => change_enrollment(hub, verb == Some("assign"), client, rest),
        Some("") | None => Ok(()),
        Some(other) => Err(format!("unknown command {other}")),
    };
    done.map(|()| None).map_err(io::Error::other)
}

/// A message from `{"payload":…,"properties":{…},"system":{…}}`; each part may be left out.
fn cloud_message(parts: &Value) -> CloudMessage {
    let pairs = |name: &str| -> Vec<(String, String)> {
        let fields = parts[name].as_object().into_iter().flatten();
        fields.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    };
    let payload = parts["payload"].as_str().unwrap_or_default();
    CloudMessage { system: pairs("system"), properties: pairs("properties"), ..CloudMessage::new(payload.as_bytes()) }
}

/// Changes what the provisioning service will do with a device.
fn change_enrollment(hub: &mut Hub, assign: bool, id: &str, rest: &str) -> Result<(), String> {
    let enrollment = hub.dps.enrollment(id).ok_or_else(|| format!("{id} is not enrolled"))?;
    if assign {
        let (hub, device_id) = rest.split_once(' ').map_or((rest, None), |(hub, device)| (hub, Some(device)));
        enrollment.hub = hub.to_owned();
        enrollment.device_id = device_id.map(str::to_owned);
        return Ok(());
    }
    (enrollment.enabled, enrollment.failure) = match rest {
        "enabled" => (true, None),
        "disabled" => (false, None),
        "failed" => (true, Some(400_207)),
        _ => return Err(format!("{rest} is neither enabled, disabled nor failed")),
    };
    Ok(())
}

/// Sets what is to go wrong.
fn fault(hub: &mut Hub, kind: &str, value: &str) -> Result<(), String> {
    let number = || value.parse::<u32>().map_err(|_| format!("{value} is no number"));
    let faults = &mut hub.faults;
    match kind {
        "dps-status" => {
            let (status, retry_after) =
                value.split_once(' ').map_or((value, None), |(status, rest)| (status, Some(rest)));
            let status = status.parse().map_err(|_| format!("{status} is no status"))?;
            let retry_after =
                retry_after.map(|text| text.parse().map_err(|_| format!("{text} is no number"))).transpose()?;
            hub.dps.statuses.push_back((status, retry_after));
        }
        "dps-silence" => hub.dps.ignored = number()?,
        "refuse" => faults.refuse_connects.push_back(number()? as u8),
        "puback-delay" => faults.puback_delay = Span::from_millis(number()?.into()),
        "answer-delay" => faults.answer_delay = Span::from_millis(number()?.into()),
        "drop-pubacks" => faults.drop_pubacks = number()?,
        "twin-status" => faults.twin_statuses.push_back(number()? as u16),
        "cut-in" => faults.cuts.push_back(Cut { inbound: Some(number()?.into()), outbound: None }),
        "cut-out" => faults.cuts.push_back(Cut { inbound: None, outbound: Some(number()?.into()) }),
        "poison" => faults.poison = Some(value.as_bytes().to_vec()).filter(|text| !text.is_empty()),
        _ => return Err(format!("unknown fault {kind}")),
    }
    Ok(())
}

/// Writes a client certificate for a device, and its key.
fn certificate(server: &Server, line: &str) -> io::Result<Value> {
    let mut words = line.split_whitespace().skip(1);
    let (Some(name), Some(file)) = (words.next(), words.next()) else {
        return Err(io::Error::other("certificate needs a device and a file"));
    };
    let (chain, key) = server.issue_client(name)?;
    std::fs::write(file, chain + &key)?;
    Ok(json!({ "event": "certificate", "file": file }))
}

/// Prints what happens, as it happens.
fn report(server: &Server, stop: &AtomicBool) {
    let mut seen = Seen::default();
    while !stop.load(Ordering::SeqCst) {
        let events = server.wait(Duration::from_secs(3_600), |hub| {
            let events = seen.news(hub);
            (!events.is_empty() || stop.load(Ordering::SeqCst)).then_some(events)
        });
        for event in events.into_iter().flatten() {
            print(&event);
        }
    }
}

/// What has been printed already.
#[derive(Default)]
struct Seen {
    violations: usize,
    registered: usize,
    /// Calls are counted from 1; this many are over and printed, or in `open`.
    calls: u32,
    open: VecDeque<CallId>,
}

impl Seen {
    fn news(&mut self, hub: &mut Hub) -> Vec<Value> {
        let mut events = Vec::new();
        for telemetry in hub.take_telemetry() {
            events.push(json!({
                "event": "telemetry",
                "from": telemetry.client_id,
                "qos": telemetry.qos,
                "dup": telemetry.dup,
                "properties": telemetry.properties,
                "text": str::from_utf8(&telemetry.payload).ok(),
                "base64": STANDARD.encode(&telemetry.payload),
            }));
        }
        for violation in &hub.violations()[self.violations..] {
            events.push(json!({ "event": "violation", "from": violation.client_id, "what": violation.what }));
        }
        self.violations = hub.violations().len();
        for registered in &hub.dps.registered()[self.registered..] {
            events.push(json!({
                "event": "registered",
                "from": registered.registration_id,
                "payload": registered.payload,
                "hub": registered.hub,
            }));
        }
        self.registered = hub.dps.registered().len();
        self.open.extend((self.calls..hub.calls_made()).map(|made| CallId(made + 1)));
        self.calls = hub.calls_made();
        self.open.retain(|&call| {
            let (status, payload) = match hub.call_result(call) {
                CallResult::Pending => return true,
                CallResult::Answered { status, payload } => (status, String::from_utf8_lossy(&payload).into_owned()),
                CallResult::NotOnline => (404_103, String::new()),
                CallResult::TimedOut => (504_101, String::new()),
            };
            events.push(json!({ "event": "answer", "call": call.0, "status": status, "payload": payload }));
            false
        });
        events
    }
}

fn print(event: &Value) {
    let mut out = io::stdout().lock();
    // Nobody reading is no reason to stop serving.
    let _ = writeln!(out, "{event}").and_then(|()| out.flush());
}
