//! What a device asks of the provisioning service, and what it is told.

use std::mem::discriminant;

use serde_json::{Value, json};

use super::{Operation, Registered};
use crate::hub::{
    CloseReason, ConnId, Hub,
    codec::{self, Packet, Publish},
    registry::Credentials,
    topic::{parse_request_bag, percent_decode},
};

/// Largest message.
const MAX_BODY: usize = 96 * 1024;

impl Hub {
    /// Handles what comes after CONNECT.
    pub(in crate::hub) fn on_dps_packet(&mut self, conn: ConnId, packet: Packet) -> Result<(), CloseReason> {
        let Some(connection) = self.conns.get_mut(&conn) else { return Ok(()) };
        let Some(registrant) = &mut connection.registrant else { return Ok(()) };
        match packet {
            Packet::Connect(_) => return Err(CloseReason::Violation("second CONNECT")),
            Packet::Subscribe(id, filters) => {
                let mut codes = Vec::new();
                for (filter, qos) in filters {
                    let known = filter == "$dps/registrations/res/#";
                    codes.push(if known { qos.min(1) } else { 0x80 });
                    registrant.qos = registrant.qos.max(known.then_some(qos.min(1)));
                }
                self.reply(conn, codec::suback(id, &codes));
            }
            Packet::Unsubscribe(id, _) => {
                registrant.qos = None;
                self.reply(conn, codec::unsuback(id));
            }
            Packet::Publish(publish) => self.on_dps_request(conn, &publish)?,
            // One answer at a time is on its way: whichever it is.
            Packet::PubAck(_) => {}
            Packet::PingReq if self.faults.ignore_pings => {}
            Packet::PingReq => self.reply(conn, codec::pingresp()),
            Packet::Disconnect => return Err(CloseReason::Disconnected),
        }
        Ok(())
    }

    fn on_dps_request(&mut self, conn: ConnId, publish: &Publish) -> Result<(), CloseReason> {
        let rest = publish.topic.strip_prefix("$dps/registrations/").unwrap_or_default();
        let (register, bag) =
            match (rest.strip_prefix("PUT/iotdps-register/"), rest.strip_prefix("GET/iotdps-get-operationstatus/")) {
                (Some(bag), _) => (true, bag),
                (_, Some(bag)) => (false, bag),
                _ => return Err(CloseReason::Violation("topic that the provisioning service does not know")),
            };
        let pairs = parse_request_bag(bag).map_err(CloseReason::Violation)?;
        let value = |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let rid = value("$rid").ok_or(CloseReason::Violation("request without $rid"))?;
        if publish.payload.len() > MAX_BODY {
            return Err(CloseReason::Violation("message above 96 KB"));
        }
        // First of all the PUBACK: an SDK that sees the answer before it fails.
        self.acknowledge(conn, publish.packet_id);
        let Some(registrant) = self.conns.get(&conn).and_then(|connection| connection.registrant.as_ref()) else {
            return Ok(());
        };
        let (id, credentials) = (registrant.registration_id.clone(), registrant.credentials.clone());
        let dps = &mut self.dps;
        if dps.ignored > 0 {
            dps.ignored -= 1;
            return Ok(());
        }
        if let Some((topic, body)) = dps.raw_answers.pop_front() {
            self.publish_dps(conn, &topic.replace("{rid}", rid), &body);
            return Ok(());
        }
        let too_often = dps.is_too_often(&id, self.now);
        let (status, retry_after, body) = if let Some((status, retry_after)) = dps.statuses.pop_front() {
            (status, retry_after, error(status, 1))
        } else if too_often {
            (429, Some(5), error(429, 1))
        } else if register {
            self.on_register(&id, &publish.payload, credentials)
        } else {
            let operation = value("operationId").and_then(percent_decode).unwrap_or_default();
            self.on_poll(&id, &operation, credentials)
        };
        let retry_after = retry_after.map(|seconds| format!("&retry-after={seconds}")).unwrap_or_default();
        let topic = format!("$dps/registrations/res/{status}/?$rid={rid}{retry_after}");
        self.publish_dps(conn, &topic, body.to_string().as_bytes());
        Ok(())
    }

    /// Sends an answer to a connection that is subscribed to them.
    fn publish_dps(&mut self, conn: ConnId, topic: &str, body: &[u8]) {
        let highest = self.dps.answer_qos;
        let Some(registrant) = self.conns.get_mut(&conn).and_then(|connection| connection.registrant.as_mut()) else {
            return;
        };
        let Some(qos) = registrant.qos else { return };
        registrant.last_packet_id = registrant.last_packet_id.checked_add(1).unwrap_or(1);
        let packet_id = (qos.min(highest) > 0).then_some(registrant.last_packet_id);
        self.reply(conn, codec::publish_packet(topic, body, false, packet_id));
    }

    fn on_register(&mut self, id: &str, body: &[u8], credentials: Option<Credentials>) -> (u16, Option<u32>, Value) {
        // An SDK sends nothing at all when it has no payload.
        let body = if body.is_empty() {
            json!({ "registrationId": id })
        } else {
            serde_json::from_slice(body).unwrap_or_default()
        };
        let names = body["registrationId"].as_str().is_some_and(|named| named.eq_ignore_ascii_case(id));
        if !names {
            return (400, None, error(400, 4));
        }
        let payload = body.get("payload").filter(|payload| !payload.is_null()).cloned();
        let operation = format!("4.{:016x}.{id}", self.dps.operations.len() + 1);
        let polls_left = self.dps.polls;
        let state = Operation { registration_id: id.to_ascii_lowercase(), payload, polls_left };
        self.dps.operations.insert(operation.clone(), state);
        self.advance_operation(id, &operation, credentials)
    }

    fn on_poll(&mut self, id: &str, operation: &str, credentials: Option<Credentials>) -> (u16, Option<u32>, Value) {
        let known = self.dps.operations.get(operation);
        if known.is_some_and(|known| known.registration_id == id.to_ascii_lowercase()) {
            self.advance_operation(id, operation, credentials)
        } else {
            (404, None, error(404, 202))
        }
    }

    fn advance_operation(
        &mut self,
        id: &str,
        operation: &str,
        credentials: Option<Credentials>,
    ) -> (u16, Option<u32>, Value) {
        let Some(state) = self.dps.operations.get_mut(operation) else { return (404, None, error(404, 202)) };
        if state.polls_left > 0 {
            state.polls_left -= 1;
            return (202, self.dps.retry_after, json!({ "operationId": operation, "status": "assigning" }));
        }
        let sent = state.payload.clone();
        let enrollment = self.dps.find(id, |enrollment, _| {
            // A group is found again by what proved the device.
            let kind = credentials.as_ref().map(discriminant);
            (kind == Some(discriminant(&enrollment.credentials))).then_some(())
        });
        let Some((enrollment, ())) = enrollment else { return (404, None, error(404, 201)) };
        let enrollment = enrollment.clone();
        let (status, more) = if !enrollment.enabled {
            ("disabled", json!({}))
        } else if let Some(code) = enrollment.failure {
            ("failed", json!({ "errorCode": code, "errorMessage": "Custom allocation failed." }))
        } else {
            let device_id = enrollment.device_id.clone().unwrap_or_else(|| id.to_ascii_lowercase());
            let before = self.dps.registered.iter().rev().find(|done| done.registration_id == id && done.hub.is_some());
            let moved = before.is_some_and(|before| before.hub.as_ref() != Some(&enrollment.hub));
            let substatus = if moved { "deviceDataMigrated" } else { "initialAssignment" };
            let payload = enrollment.payload.clone().or_else(|| sent.clone()).unwrap_or_default();
            if enrollment.hub == self.config.host_name
                && !self.entries.contains_key(&device_id)
                && let Some(credentials) = credentials
            {
                self.register(&device_id, credentials);
            }
            (
                "assigned",
                json!({ "assignedHub": enrollment.hub, "deviceId": device_id, "substatus": substatus, "payload": payload }),
            )
        };
        let hub = (status == "assigned").then_some(enrollment.hub);
        self.dps.registered.push(Registered { registration_id: id.to_owned(), payload: sent, hub });
        let mut state = json!({
            "registrationId": id,
            "createdDateTimeUtc": "2026-01-01T00:00:00.0000000Z",
            "status": status,
            "lastUpdatedDateTimeUtc": "2026-01-01T00:00:00.0000000Z",
            "etag": "simulated",
        });
        if let (Some(state), Value::Object(more)) = (state.as_object_mut(), more) {
            state.extend(more);
        }
        (200, None, json!({ "operationId": operation, "status": status, "registrationState": state }))
    }
}

/// The body of an error, whose code is the status and a number of its own.
fn error(status: u16, number: u32) -> Value {
    json!({
        "errorCode": u32::from(status) * 1_000 + number,
        "trackingId": "simulated",
        "message": "The request was not served.",
        "timestampUtc": "2026-01-01T00:00:00Z",
    })
}
