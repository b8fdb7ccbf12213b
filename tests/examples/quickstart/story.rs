//! The conversation, step by step. With the simulator each step is compared with the hub's own records; with a
//! real hub the service's side is left to whoever watches.

use iothub_proto::auth::ConnectionString;
use iothub_proto::{Client, Config, Inbound, RxBuffer, Slot, Storage};
use serde_json::json;

use super::app::{App, BLINK, INTERVAL, ROOM, WINDOW};
use super::device::Device;
use super::setting::Setting;
use super::simulator::{Simulator, Stored};
use super::transcript::{Transcript, number};

/// Commands that the client keeps at once, telemetry and others, and the bytes that it has for them.
const SLOTS: usize = WINDOW + 8;
const TX: usize = 32 * 1024;
/// The largest packet that is received whole: a twin document.
const RX: usize = 64 * 1024;
/// Messages in the burst that is cut.
const BURST: u32 = 200;
/// Milliseconds by which the hub then holds acknowledgements back.
const FAR: u64 = 30;
/// Messages in flight, and as many unsent, at the renewal of the token.
const RENEWAL: u32 = 20;
/// Seconds after which something is missing that depends on nobody.
const LIMIT: u32 = 20;
/// Seconds for which the first token with the simulator is good: its renewal is to be seen.
const SHORT_TOKEN: u32 = 2;

/// How a conversation went.
pub(crate) enum Played {
    /// Everything has happened.
    Whole,
    /// The hub refused the device, before anything was sent: the provisioning service should be asked again.
    Moved(String),
}

impl Setting {
    /// Has the conversation.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn play(self, log: &Transcript) -> Result<Played, String> {
        let connection = ConnectionString::parse(&self.connection_string).map_err(|error| error.to_string())?;
        let (mut tx, mut rx) = (vec![0; TX], vec![0; RX]);
        let (mut slots, mut inbound) = ([Slot::EMPTY; SLOTS], [Inbound::EMPTY; 64]);
        let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
        let mut config = Config::new(connection.identity());
        config.settings.max_packet = RX as u32;
        // Enough for any SAS token, also one that was made elsewhere.
        config.settings.connect_reserve = 2_048;
        let client = Client::new(config, storage).map_err(|error| error.to_string())?;
        let rx = RxBuffer::new(&mut rx);
        let mut device = Device::new(client, rx, &self.remote, connection.credential(), App::new(log));
        device.provisioned = self.provisioned;
        let mut story =
            Story { device, log, hub: self.simulator, count: self.count, wait: self.wait, message_bytes: 0 };
        match (story.tell(), story.device.moved) {
            (Ok(()), _) => Ok(Played::Whole),
            // What the client keeps is for its own hub: later, the application would have to send it again.
            (Err(_), Some(why)) if story.device.app.sent == 0 => Ok(Played::Moved(why)),
            (Err(missing), _) => Err(missing),
        }
    }
}

struct Story<'a> {
    device: Device<'a>,
    log: &'a Transcript,
    hub: Option<Simulator>,
    count: u32,
    wait: u32,
    /// Bytes of one telemetry packet.
    message_bytes: usize,
}

impl Story<'_> {
    fn tell(&mut self) -> Result<(), String> {
        self.sign_in()?;
        self.twin()?;
        self.telemetry()?;
        if self.hub.is_some() {
            self.message()?;
            self.method()?;
            self.desired()?;
        } else {
            self.wait_for_service()?;
        }
        self.renewal()?;
        self.cut()?;
        self.end()
    }

    fn sign_in(&mut self) -> Result<(), String> {
        self.log.step("Sign-in: a token signed with the device's key, never the key itself");
        if self.hub.is_some() {
            self.device.token_lifetime = SHORT_TOKEN;
        }
        self.device.run_until(LIMIT, "sign-in", |device| device.is_ready())?;
        let Some(hub) = &self.hub else { return Ok(()) };
        hub.check_online(true)?;
        self.log.checked("the token is good, and the device is online");
        Ok(())
    }

    fn twin(&mut self) -> Result<(), String> {
        self.log.step("Device twin: what both sides know of the device's state");
        let settled = |device: &mut Device<'_>| device.app.documents > 0 && device.app.is_settled();
        self.device.run_until(LIMIT, "twin document", settled)?;
        let Some(hub) = &self.hub else { return Ok(()) };
        hub.check_twin(30)?;
        self.log.checked(format_args!("{INTERVAL} is 30, desired and reported"));
        Ok(())
    }

    fn telemetry(&mut self) -> Result<(), String> {
        self.log.step("Telemetry: each message is kept until the hub has stored it");
        let (count, before) = (self.count, self.device.traffic.0);
        self.log.device(format_args!(
            "sends {} messages with properties, at most {WINDOW} unacknowledged at a time",
            number(count)
        ));
        // A real hub takes about a hundred a second, and delays the acknowledgements of what is above that.
        self.send(count, LIMIT + count / 20)?;
        self.message_bytes = ((self.device.traffic.0 - before) / u64::from(count.max(1))) as usize;
        self.log.hub(format_args!("has acknowledged all {}", number(count)));
        self.check_telemetry()?;
        Ok(())
    }

    /// Sends so many messages, and waits until all of them are acknowledged.
    fn send(&mut self, count: u32, seconds: u32) -> Result<(), String> {
        let end = self.device.app.sent + count;
        self.device.run_until(seconds, "acknowledgement of every message", |device| {
            while device.app.sent < end && device.send_telemetry() {}
            device.app.acknowledged == end
        })
    }

    /// Compares telemetry on both sides.
    fn check_telemetry(&mut self) -> Result<Option<Stored>, String> {
        let app = &self.device.app;
        if app.unexpected > 0 || app.acknowledged != app.sent {
            return Err(format!(
                "{} acknowledgements too many, {} of {} messages acknowledged",
                app.unexpected, app.acknowledged, app.sent
            ));
        }
        let Some(hub) = &mut self.hub else { return Ok(None) };
        let stored = hub.check_telemetry(app.sent)?;
        let copies = match stored.copies {
            0 => "each once".to_owned(),
            copies => format!("{} came twice, with DUP", number(copies)),
        };
        let messages = number(stored.messages);
        self.log.checked(format_args!("{messages} stored so far, whole and in order, none missing; {copies}"));
        Ok(Some(stored))
    }

    fn message(&mut self) -> Result<(), String> {
        self.log.step("Cloud-to-device message: the hub keeps it until the device accepts it");
        let Some(hub) = &self.hub else { return Ok(()) };
        self.log.service("sends \"open the window\", with a property that a topic must escape");
        let id = hub.send_message("open the window")?;
        self.device.run_until(LIMIT, "message", |device| device.app.messages > 0)?;
        hub.check_message(id)?;
        let expected = format!("\"open the window\"; {} = {}", ROOM.0, ROOM.1);
        if self.device.app.last_message != expected {
            return Err(format!("the message did not come as {expected}"));
        }
        self.log.checked("acknowledged, and off the queue");
        Ok(())
    }

    fn method(&mut self) -> Result<(), String> {
        self.log.step("Direct method: a call with an answer");
        self.call()?;
        self.log.checked("the caller got this answer");
        Ok(())
    }

    /// Calls a method, if there is somebody to call it.
    fn call(&mut self) -> Result<(), String> {
        let Some(hub) = &self.hub else { return Ok(()) };
        let before = self.device.app.methods;
        self.log.service(format_args!("calls {BLINK}, three times please"));
        let call = hub.call(BLINK, &json!({ "times": 3 }));
        self.device.run_until(LIMIT, "method call", |device| device.app.methods > before)?;
        hub.check_call(call, &json!({ "blinked": 3 }))
    }

    fn desired(&mut self) -> Result<(), String> {
        self.log.step("Desired property: a patch, applied and reported back");
        let Some(hub) = &self.hub else { return Ok(()) };
        self.log.service(format_args!("desires {INTERVAL} = 10"));
        hub.desire(10)?;
        let settled = |device: &mut Device<'_>| device.app.patches > 0 && device.app.is_settled();
        self.device.run_until(LIMIT, "desired patch", settled)?;
        hub.check_twin(10)?;
        self.log.checked(format_args!("{INTERVAL} is 10, desired and reported"));
        Ok(())
    }

    /// With a real hub: what somebody must send.
    fn wait_for_service(&mut self) -> Result<(), String> {
        self.log.step("From the cloud: a message, a method call, a desired property");
        let identity = self.device.client.config().identity;
        let hub = identity.host_name.split('.').next().unwrap_or_default();
        let target = format!("-n {hub} -d {}", identity.device_id);
        self.log.device(format_args!("waits {} s for these (send them with the Azure CLI), or goes on:", self.wait));
        let is_module = identity.module_id.is_some();
        if let Some(module) = identity.module_id {
            self.log.text(format_args!(
                "    az iot hub invoke-module-method {target} -m {module} --mn {BLINK} --mp '{{\"times\":3}}'"
            ));
            self.log.text(format_args!(
                "    az iot hub module-twin update {target} -m {module} --desired '{{\"{INTERVAL}\":10}}'"
            ));
        } else {
            self.log
                .text(format_args!("    az iot device c2d-message send {target} --data hello --props room=kitchen"));
            self.log
                .text(format_args!("    az iot hub invoke-device-method {target} --mn {BLINK} --mp '{{\"times\":3}}'"));
            self.log.text(format_args!("    az iot hub device-twin update {target} --desired '{{\"{INTERVAL}\":10}}'"));
        }
        let all = |device: &mut Device<'_>| {
            let app = &device.app;
            (app.messages > 0 || is_module) && app.methods > 0 && app.patches > 0 && app.is_settled()
        };
        // Nobody may be there to send them.
        if !self.device.run_for(self.wait, all)? {
            self.log.device("has not got all of them, and goes on");
        }
        Ok(())
    }

    fn renewal(&mut self) -> Result<(), String> {
        self.log.step("Token renewal: a polite end and a new beginning, and nothing is lost");
        if self.hub.is_some() {
            self.device.run_until(LIMIT, "notice that the token ends", |device| device.app.credential_expiring)?;
        }
        let (messages, documents) = (self.device.app.messages, self.device.app.documents);
        // The first are sent before the connection is to end; the others are only queued.
        for end_now in [false, true] {
            let end = self.device.app.sent + RENEWAL;
            self.device.run_until(LIMIT, "room for messages", |device| {
                while device.app.sent < end && device.send_telemetry() {}
                device.app.sent == end && (!end_now || device.disconnect().is_ok())
            })?;
        }
        self.device.run_until(LIMIT, "polite end", |device| device.is_offline())?;
        let kept = self.device.app.sent - self.device.app.acknowledged;
        let settled = 2 * RENEWAL - kept;
        self.log.device(format_args!(
            "disconnects politely: {settled} in flight are acknowledged first, {kept} unsent are kept"
        ));
        if let Some(hub) = &self.hub {
            hub.check_online(false)?;
            self.log.service("sends \"welcome back\" while the device is away");
        }
        let id = self.hub.as_ref().map(|hub| hub.send_message("welcome back")).transpose()?;

        self.device.token_lifetime = 3_600;
        self.device.connect_now();
        let awaited = messages + u32::from(id.is_some());
        self.device.run_until(LIMIT, "life after the renewal", |device| {
            let app = &device.app;
            let settled = app.acknowledged == app.sent && app.is_settled();
            device.is_ready() && settled && app.messages >= awaited && app.documents > documents
        })?;
        if let (Some(hub), Some(id)) = (&self.hub, id) {
            hub.check_message(id)?;
        }
        self.call()?;
        self.check_telemetry()?;
        Ok(())
    }

    fn cut(&mut self) -> Result<(), String> {
        self.log.step("A cut cable: nothing is lost, and nothing acknowledged twice");
        if let Some(hub) = &self.hub {
            self.log.hub(format_args!("is far away now: acknowledgements take {FAR} ms"));
            hub.delay_acknowledgements(FAR);
        }
        let bytes = self.message_bytes * (BURST as usize / 2) + self.message_bytes / 2;
        let text = number(bytes as u64);
        self.log.device(format_args!("sends {BURST} more; the cable is cut after {text} bytes, inside a message"));
        let end = self.device.app.sent + BURST;
        self.device.cut_cable_after(bytes);
        self.device.run_until(LIMIT, "end of the link", |device| {
            while !device.is_offline() && device.app.sent < end && device.send_telemetry() {}
            device.is_offline()
        })?;
        if self.device.app.sent == self.device.app.acknowledged {
            return Err("no message was on its way when the cable was cut".to_owned());
        }
        if let Some(hub) = &self.hub {
            hub.check_online(false)?;
            self.log.service(format_args!("desires {INTERVAL} = 60 while the device is away"));
            hub.desire(60)?;
            hub.delay_acknowledgements(0);
        }
        let (documents, rest) = (self.device.app.documents, end - self.device.app.sent);
        self.send(rest, LIMIT + BURST / 20)?;
        self.log.hub(format_args!("has acknowledged all {BURST}"));
        self.device.run_until(LIMIT, "twin after the cut", |device| {
            device.app.documents > documents && device.app.is_settled()
        })?;
        if let Some(hub) = &self.hub {
            hub.check_twin(60)?;
        }
        match self.check_telemetry()? {
            Some(Stored { copies: 0, .. }) => {
                Err("no message was stored before the cut and sent again after it".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        self.device.disconnect()?;
        self.device.run_until(LIMIT, "polite end", |device| device.is_offline())?;
        let mut stored = String::new();
        if let Some(hub) = &mut self.hub {
            hub.check_online(false)?;
            hub.check_rules()?;
            let Stored { messages, copies } = hub.check_telemetry(self.device.app.sent)?;
            stored = format!(", {} stored, {} twice with DUP", number(messages), number(copies));
        }
        let strays = self.device.client.strays();
        if strays > 0 && self.hub.is_some() {
            return Err(format!("{strays} answers of the hub to no request"));
        }
        let Device { app, traffic: (out, r#in), connections, .. } = &self.device;
        self.log.text(format_args!(
            "\nTotal: {} sent, {} acknowledged{stored}; {} B out, {} B in; {connections} connections; {:.1} s",
            number(app.sent),
            number(app.acknowledged),
            number(*out),
            number(*r#in),
            self.log.seconds()
        ));
        Ok(())
    }
}
