//! CONNECT at the provisioning service: user name, identity, proof.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Enrollment;
use crate::hub::{
    CloseReason, ConnId, Hub,
    codec::{self, Connect},
    registry::Credentials,
    sas::Token,
    sign_in::{BAD_CLIENT_ID, BAD_PROTOCOL, BAD_USER_NAME, NOT_AUTHORISED},
};

/// The key of a device in a group, by HMAC-SHA-256 of its registration id.
fn derive(group_key: &[u8], registration_id: &str) -> Vec<u8> {
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(group_key);
    let Ok(mut mac) = mac else { return Vec::new() };
    mac.update(registration_id.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Id scope and registration id in a user name: `{scope}/registrations/{id}/{parameters}`.
fn parse_user_name(user_name: &str) -> Option<(&str, &str)> {
    let mut segments = user_name.split('/');
    let (scope, collection, id, parameters) = (segments.next()?, segments.next()?, segments.next()?, segments.next()?);
    let versioned = parameters.split('&').any(|parameter| parameter.starts_with("api-version="));
    (collection == "registrations" && versioned && segments.next().is_none()).then_some((scope, id))
}

impl Hub {
    /// Handles CONNECT.
    pub(in crate::hub) fn on_dps_connect(&mut self, conn: ConnId, connect: &Connect) -> Result<(), CloseReason> {
        if let Some(code) = self.faults.refuse_connects.pop_front() {
            return Err(self.refuse(conn, code));
        }
        let credentials = match self.check_registration(conn, connect) {
            Ok(credentials) => credentials,
            Err(code) => return Err(self.refuse(conn, code)),
        };
        if connect.will.is_some() {
            return Err(CloseReason::Violation("will at the provisioning service"));
        }
        let (now, at) = (self.now, self.now + self.faults.answer_delay);
        let Some(connection) = self.conns.get_mut(&conn) else { return Ok(()) };
        connection.keep_alive(now, connect.keep_alive);
        connection.client_id.clone_from(&connect.client_id);
        if let Some(registrant) = &mut connection.registrant {
            registrant.registration_id.clone_from(&connect.client_id);
            registrant.credentials = Some(credentials);
        }
        // It keeps no sessions, whatever the client asks.
        connection.open(now, at, codec::connack(false, 0));
        Ok(())
    }

    /// Verifies identity and proof. Gives the proof as a hub would know it, or the CONNACK code.
    fn check_registration(&self, conn: ConnId, connect: &Connect) -> Result<Credentials, u8> {
        if connect.level != 4 {
            return Err(BAD_PROTOCOL);
        }
        let user_name = connect.user_name.as_deref().ok_or(BAD_USER_NAME)?;
        let (scope, id) = parse_user_name(user_name).ok_or(BAD_USER_NAME)?;
        if id != connect.client_id {
            return Err(BAD_CLIENT_ID);
        }
        if scope != self.dps.id_scope {
            return Err(NOT_AUTHORISED);
        }
        let password = connect.password.as_deref().unwrap_or_default();
        if password.is_empty() {
            let peer = self.conns.get(&conn).and_then(|connection| connection.peer.as_ref()).ok_or(NOT_AUTHORISED)?;
            let proves = |enrollment: &Enrollment, _| {
                enrollment.credentials.are_proven_by(peer, id).then(|| enrollment.credentials.clone())
            };
            return self.dps.find(id, proves).map(|(_, credentials)| credentials).ok_or(NOT_AUTHORISED);
        }
        let password = str::from_utf8(password).map_err(|_| BAD_USER_NAME)?;
        let token = Token::parse(password).ok_or(BAD_USER_NAME)?;
        let named = token.policy.as_deref() == Some("registration");
        if !named || !token.is_for(&format!("{scope}/registrations/{id}")) || token.expired(self.unix_now()) {
            return Err(NOT_AUTHORISED);
        }
        let signs = |enrollment: &Enrollment, of_group: bool| {
            let Credentials::Keys { primary, secondary } = &enrollment.credentials else { return None };
            let own = |key: &Vec<u8>| if of_group { derive(key, id) } else { key.clone() };
            let (primary, secondary) = (own(primary), own(secondary));
            let signed = token.signed_with(&primary) || token.signed_with(&secondary);
            signed.then_some(Credentials::Keys { primary, secondary })
        };
        self.dps.find(id, signs).map(|(_, credentials)| credentials).ok_or(NOT_AUTHORISED)
    }
}
