//! The end of a `$iothub/` topic: `/?$rid={rid}&$version={version}`.

use crate::wire::{Text, decimal};

/// `{path}[?{pairs}]` taken apart.
#[derive(Clone, Copy)]
pub(super) struct Query<'i> {
    /// What stands before the first `?`.
    pub(super) path: Text<'i>,
    /// What stands after it, without a `/` at the end.
    pairs: Text<'i>,
}

impl<'i> Query<'i> {
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn parse(rest: Text<'i>) -> Self {
        let (path, pairs) = rest.cut(b'?');
        Self { path, pairs: pairs.unwrap_or_default().without_slash() }
    }

    /// The path if it is one level and not empty; a `/` may end it. Another level would name another resource.
    pub(super) fn level(&self) -> Option<Text<'i>> {
        let (level, rest) = self.path.cut(b'/');
        if level.is_empty() || rest.is_some_and(|rest| !rest.is_empty()) { None } else { Some(level) }
    }

    /// `$rid`, verbatim; not empty.
    pub(super) fn request_id(&self) -> Option<&'i str> {
        self.value("$rid=").filter(|request_id| !request_id.is_empty()).map(Text::as_str)
    }

    /// `$version`, if it is a number of 64 bits.
    pub(super) fn version(&self) -> Option<u64> {
        self.value("$version=").and_then(decimal)
    }

    /// `retry-after`, if it is a number of 64 bits.
    pub(super) fn retry_after(&self) -> Option<u64> {
        self.value("retry-after=").and_then(decimal)
    }

    /// What follows `name`, which ends in `=`, in the first pair that begins with it.
    ///
    /// Names are compared and values given as they stand: the hub escapes neither, and a `$rid` has to go
    /// back verbatim.
    #[cfg_attr(target_os = "none", inline(never))]
    fn value(&self, name: &str) -> Option<Text<'i>> {
        let mut rest = Some(self.pairs);
        while let Some(pairs) = rest {
            let (pair, more) = pairs.cut(b'&');
            if let Some(value) = pair.after(name) {
                return Some(value);
            }
            rest = more;
        }
        None
    }
}
