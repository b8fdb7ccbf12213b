//! The C functions, called as C would call them, under the address sanitizer.
//!
//! Every buffer is an allocation of its exact size, so that a byte too far is seen. The first byte chooses: a [session]
//! whose client is behind the C functions, with all that is checked there; what servers send to a provisioning client and
//! to a WebSocket; or texts for the functions that have no client. All begin with calls that are wrong in every way that a function can tell.
//!
//! [session]: crate::session

mod client;
mod misuse;
mod others;
mod texts;
mod translate;

use crate::session;

/// Takes `data` as a session, as what servers send, or as texts.
pub fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return misuse::without_objects() };
    match kind % 4 {
        1 => return texts::run(data),
        3 => return others::run(data),
        _ => {}
    }
    let Some((mut setup, steps)) = session::parse(data) else { return };
    setup.owned = false;
    if let Some(mut client) = client::Client::new(&setup) {
        misuse::of_client(&mut client);
        session::live(&mut client, &setup, &steps);
        client.end();
    }
}
