//! CONNECT: user name, identity, proof, session.

use iothub_proto::time::Instant;

use super::{
    CloseReason, ConnId, Hub,
    codec::{self, Connect},
    registry::Credentials,
    sas::Token,
    session::Session,
    telemetry::telemetry_bag,
    topic::{percent_decode, resource},
};

/// CONNACK return codes.
pub(super) const BAD_PROTOCOL: u8 = 1;
pub(super) const BAD_CLIENT_ID: u8 = 2;
pub(super) const BAD_USER_NAME: u8 = 4;
pub(super) const NOT_AUTHORISED: u8 = 5;

/// Host name and client id in a user name, or `None` if it does not follow the grammar.
///
/// `{host}/{device}[/{module}]/[?]{parameters}`. Order and values of the parameters do not matter, but
/// `api-version` must be there.
fn parse_user_name(user_name: &str) -> Option<(&str, String)> {
    let segments: Vec<&str> = user_name.split('/').collect();
    let (&parameters, path) = segments.split_last()?;
    let parameters = parameters.strip_prefix('?').unwrap_or(parameters);
    let versioned = parameters.split('&').any(|parameter| parameter.starts_with("api-version="));
    match path {
        [host, ids @ ..] if versioned && (1..=2).contains(&ids.len()) && ids.iter().all(|id| !id.is_empty()) => {
            Some((host, ids.join("/")))
        }
        _ => None,
    }
}

/// The model that a user name, which follows the grammar, tells of. Not every SDK encodes it.
fn model_id(user_name: &str) -> Option<String> {
    let parameters = user_name.rsplit('/').next()?;
    let parameters = parameters.strip_prefix('?').unwrap_or(parameters);
    percent_decode(parameters.split('&').find_map(|parameter| parameter.strip_prefix("model-id="))?)
}

impl Hub {
    /// Handles the first packet of a connection.
    pub(super) fn on_connect(&mut self, conn: ConnId, connect: Connect) -> Result<(), CloseReason> {
        if let Some(code) = self.faults.refuse_connects.pop_front() {
            return Err(self.refuse(conn, code));
        }
        let expires = match self.check_sign_in(conn, &connect) {
            Ok(expires) => expires,
            Err(code) => return Err(self.refuse(conn, code)),
        };
        let client_id = connect.client_id;
        if let Some(will) = &connect.will {
            telemetry_bag(&client_id, &will.topic)
                .ok_or("will topic that is not the telemetry topic")
                .and_then(|bag| super::topic::parse_bag(bag).map(drop))
                .map_err(CloseReason::Violation)?;
            if will.qos > 1 {
                return Err(CloseReason::Violation("will QoS 2"));
            }
        }
        self.end_client(&client_id, CloseReason::TakenOver);
        if let Some(entry) = self.entries.get_mut(&client_id) {
            entry.model_id = connect.user_name.as_deref().and_then(model_id);
        }

        let now = self.now;
        let session_present = !connect.clean_session && self.session_mut(&client_id).is_some();
        if !session_present {
            self.drop_session(&client_id);
            if let Some(entry) = self.entries.get_mut(&client_id) {
                entry.session = Some(Session::new(connect.clean_session));
            }
        }
        let Some(connection) = self.conns.get_mut(&conn) else { return Ok(()) };
        connection.client_id.clone_from(&client_id);
        connection.keep_alive(now, connect.keep_alive);
        connection.expires = expires;
        connection.will = connect.will;
        connection.open(now, now + self.faults.answer_delay, codec::connack(session_present, 0));
        self.online.insert(client_id.clone(), conn);
        if session_present {
            self.resume(&client_id);
        }
        Ok(())
    }

    pub(super) fn refuse(&mut self, conn: ConnId, code: u8) -> CloseReason {
        if let Some(connection) = self.conns.get_mut(&conn) {
            connection.send(self.now, self.now, codec::connack(false, code), None);
        }
        CloseReason::Refused(code)
    }

    /// Verifies identity and proof. Gives the time at which the connection is to end, or the CONNACK code.
    fn check_sign_in(&self, conn: ConnId, connect: &Connect) -> Result<Option<Instant>, u8> {
        if connect.level != 4 {
            return Err(BAD_PROTOCOL);
        }
        let user_name = connect.user_name.as_deref().ok_or(BAD_USER_NAME)?;
        let (host, client_id) = parse_user_name(user_name).ok_or(BAD_USER_NAME)?;
        if client_id != connect.client_id {
            return Err(BAD_CLIENT_ID);
        }
        if !host.eq_ignore_ascii_case(&self.config.host_name) {
            return Err(NOT_AUTHORISED);
        }
        let entry = self.entries.get(&client_id).filter(|entry| entry.enabled).ok_or(NOT_AUTHORISED)?;
        let password = connect.password.as_deref().unwrap_or_default();
        if password.is_empty() {
            let device = client_id.split('/').next().unwrap_or_default();
            let peer = self.conns.get(&conn).and_then(|connection| connection.peer.as_ref());
            let proven = peer.is_some_and(|peer| entry.credentials.are_proven_by(peer, device));
            return if proven { Ok(None) } else { Err(NOT_AUTHORISED) };
        }
        let password = str::from_utf8(password).map_err(|_| BAD_USER_NAME)?;
        let token = Token::parse(password).ok_or(BAD_USER_NAME)?;
        let hosts = [Some(&self.config.host_name), self.config.gateway_host_name.as_ref()];
        let resource = resource(&client_id);
        let any_host =
            |covers: &dyn Fn(&str) -> bool| hosts.iter().flatten().any(|host| covers(&format!("{host}/{resource}")));
        let proven = match (&token.policy, &entry.credentials) {
            (Some(name), _) => {
                let key = self.policies.get(name).ok_or(NOT_AUTHORISED)?;
                any_host(&|resource| token.covers(resource)) && token.signed_with(key)
            }
            (None, Credentials::Keys { primary, secondary }) => {
                any_host(&|resource| token.is_for(resource))
                    && (token.signed_with(primary) || token.signed_with(secondary))
            }
            (None, Credentials::Certificate | Credentials::Thumbprints { .. }) => false,
        };
        if proven && !token.expired(self.unix_now()) {
            Ok(Some(self.end_of(token.expires)))
        } else {
            Err(NOT_AUTHORISED)
        }
    }

    /// When a connection ends whose token expires at `expires` Unix seconds.
    fn end_of(&self, expires: f64) -> Instant {
        // The cast saturates: a token without practical end is as good as the latest instant.
        let left = (expires as u64).saturating_sub(self.config.unix_base).saturating_mul(1_000);
        Instant::from_millis(left.min(Instant::MAX.as_millis())) + self.config.expiry_grace
    }
}
