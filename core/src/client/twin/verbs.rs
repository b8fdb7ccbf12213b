//! What an application asks of a [`Client`] about its twin.

use crate::Client;
use crate::error::Error;
use crate::event::TwinToken;
use crate::time::Instant;
#[cfg(doc)]
use crate::{
    Event,
    error::{CapacityError, UsageError},
    topic::Features,
};

impl Client<'_> {
    /// Asks for the whole twin. It ends in [`Event::TwinDocument`] or [`Event::RequestFailed`].
    ///
    /// # Errors
    ///
    /// [`UsageError::NotSubscribed`] without [`Features::TWIN`]; [`CapacityError`].
    pub fn twin_get(&mut self, now: Instant) -> Result<TwinToken, Error> {
        let Self { machine, parts } = self;
        machine.twin_get(parts, now)
    }

    /// Reports properties: a JSON merge patch. It ends in [`Event::TwinReported`] or [`Event::RequestFailed`].
    ///
    /// # Errors
    ///
    /// [`UsageError::NotSubscribed`] without [`Features::TWIN`]; with the feature `json`,
    /// [`UsageError::BadPatch`] for what breaks a rule of twins; [`CapacityError`].
    pub fn twin_report(&mut self, now: Instant, patch: &[u8]) -> Result<TwinToken, Error> {
        let Self { machine, parts } = self;
        machine.twin_report(parts, now, patch)
    }
}
