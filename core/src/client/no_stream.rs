//! In place of `stream.rs` without the feature `stream`: nobody listens to what passes by.

use super::machine::{Machine, Parts};
use crate::event::{Event, MessageToken};
use crate::packet::Publish;
use crate::topic::Inbound;

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Stream;

impl Stream {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(super) const fn reset(&mut self) {}

    pub(super) const fn is_whole(&self) -> bool {
        false
    }
}

impl Machine {
    #[expect(clippy::option_option, reason = "as with the feature")]
    pub(super) const fn stream_begin<'i>(
        &mut self,
        _: &mut Parts<'_>,
        _: &Publish<'i>,
        _: Inbound<'i>,
        _token: Option<MessageToken>,
        _payload_len: u32,
    ) -> Option<Option<Event<'i>>> {
        None
    }

    pub(super) const fn stream_piece<'i>(
        &mut self,
        _: &mut Parts<'_>,
        _bytes: &'i [u8],
        _last: bool,
    ) -> Option<Event<'i>> {
        None
    }

    pub(super) const fn stream_end<'i>(&mut self, _: &Parts<'_>) -> Option<Event<'i>> {
        None
    }
}
