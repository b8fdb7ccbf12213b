//! What the service's side is told to do, one command a line.

use std::io;

use iothub_proto::time::Duration;
use iothub_tests::{
    hub::{CloseReason, CloudMessage, Credentials, Cut, Hub, SendError},
    server::{ClientCertificate, Server},
};
use serde_json::{Value, json};

/// Runs one command of the service's side. What it finds out is an event.
pub(crate) fn command(hub: &mut Hub, line: &str) -> io::Result<Option<Value>> {
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
        Some("twin") => {
            return Ok(Some(json!({ "event": "twin", "twin": hub.twin(client), "model_id": hub.model_id(client) })));
        }
        Some("desired") => {
            let patch: Value = serde_json::from_str(rest)?;
            hub.patch_desired(client, &patch).map(drop).map_err(str::to_owned)
        }
        Some("invoke") => {
            let (method, payload) = rest.split_once(' ').unwrap_or((rest, ""));
            hub.invoke(client, method, payload.as_bytes(), Duration::from_secs(30));
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
        Some("x509") => Credentials::thumbprint(rest)
            .map(|thumbprint| hub.register(client, thumbprint))
            .ok_or_else(|| format!("{rest} is no thumbprint")),
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
        "puback-delay" => faults.puback_delay = Duration::from_millis(number()?.into()),
        "answer-delay" => faults.answer_delay = Duration::from_millis(number()?.into()),
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
pub(crate) fn certificate(server: &Server, line: &str) -> io::Result<Value> {
    let mut words = line.split_whitespace().skip(1);
    let (Some(name), Some(file)) = (words.next(), words.next()) else {
        return Err(io::Error::other("certificate needs a device and a file"));
    };
    let client = match words.next() {
        None => server.issue_client(name)?,
        Some("self-signed") => ClientCertificate::self_signed(name)?,
        Some(other) => return Err(io::Error::other(format!("{other} is no kind of certificate"))),
    };
    std::fs::write(file, client.certificate + &client.key)?;
    Ok(json!({ "event": "certificate", "file": file, "thumbprint": client.thumbprint }))
}
