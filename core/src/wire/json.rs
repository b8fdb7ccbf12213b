//! Reads one number out of JSON that nobody holds in memory: the `$version` of a twin.
//!
//! [`Finder`] knows the grammar and where in the document it stands, and points at the bytes of one value;
//! [`VersionReader`] makes a number of them. Another reader of one value needs another path and another use
//! of those bytes, not another lexer.

#[cfg(test)]
mod tests;

use super::append_digit;

/// Finds a desired `$version` in twin JSON that comes in pieces, without holding it.
///
/// The document is read as a JSON parser reads it, but byte by byte, in constant memory: only the `$version`
/// that stands directly in the right object counts, not one in `reported`, in a component, or in a string.
/// As `serde_json` does, it takes the last of duplicate members, and a name spelled with escapes
/// (`"\u0024version"`) is the same name.
///
/// There is no version before the document is complete, nor in one that is ill-formed: no guess is made
/// from half a document. Ill-formed is what the grammar of RFC 8259 forbids, nesting deeper than 63 levels (a
/// twin has 12), and anything but white space after the end. Two errors that cannot move a value go
/// unnoticed: bytes of a string that are no UTF-8, and escaped surrogates without their other half.
///
/// ```
/// use iothub_proto::wire::VersionReader;
/// let mut reader = VersionReader::document();
/// reader.feed(br#"{"desired":{"fan":{"$version":1},"$ver"#);
/// reader.feed(br#"sion":7},"reported":{"$version":31"#);
/// assert_eq!(reader.version(), None);
/// reader.feed(b"}}");
/// assert_eq!(reader.version(), Some(7));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VersionReader {
    finder: Finder,
    version: Option<u64>,
}

impl VersionReader {
    /// For a whole twin, the answer to GET: finds `$version` in the member `desired` of the top object.
    #[must_use]
    pub const fn document() -> Self {
        Self { finder: Finder::new(Path::Document), version: None }
    }

    /// For a patch of desired properties: finds `$version` in the top object.
    #[must_use]
    pub const fn patch() -> Self {
        Self { finder: Finder::new(Path::Patch), version: None }
    }

    /// Reads the next bytes. They may be cut anywhere, and none is kept.
    pub fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match self.finder.step(byte) {
                Step::Elsewhere => continue,
                Step::Forget => self.version = None,
                Step::First => self.version = Some(0),
                Step::Next => {}
            }
            append_digit(&mut self.version, byte);
        }
    }

    /// The version, once the document is complete; `None` if it has none, if it is ill-formed, or if the
    /// version is no whole number from 0 to 2⁶⁴ − 1 in plain digits.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        if self.finder.is_complete() { self.version } else { None }
    }
}

/// Which value is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Path {
    Document,
    Patch,
}

impl Path {
    /// The names that lead to the value, from the top object down. All ASCII.
    const fn names(self) -> &'static [&'static [u8]] {
        match self {
            Self::Document => &[b"desired", b"$version"],
            Self::Patch => &[b"$version"],
        }
    }
}

/// What a byte is to the value looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// No part of it.
    Elsewhere,
    /// No part of it, and a value found before is void: a duplicate takes the place of what held it.
    Forget,
    /// Its first byte. A value found before is void.
    First,
    /// A further byte of it.
    Next,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// After `[`: a value or `]`.
    FirstValue,
    Value,
    /// After `{`: a name or `}`.
    FirstName,
    Name,
    Colon,
    /// A comma or the end of what is open; at the top, white space only.
    AfterValue,
    /// In a string, be it a name or a value.
    Text,
    Escape,
    Hex,
    /// In `true`, `false` or `null`.
    Literal,
    /// The parts of a number, named after what came last.
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentInteger,
    /// The JSON is ill-formed. Nothing leads out.
    IllFormed,
}

/// The literals one after the other; [`Finder::count`] is the place in it.
const LITERALS: &[u8; 13] = b"truefalsenull";

/// A [`Finder::matched`] that no name has.
const NO_MATCH: u8 = u8::MAX;

/// A pushdown automaton for JSON that knows when it stands on the value at the end of a [`Path`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Finder {
    /// A bit for each open array (0) or object (1), the innermost lowest.
    kinds: u64,
    /// How many of them are open: 0 to 63.
    depth: u8,
    /// How many objects below the top one are open and on the path. While `depth` is one more, the names read
    /// now are those that the path goes on with.
    on_path: u8,
    /// Whether the string being read is a name.
    in_name: bool,
    /// Bytes by which the name agrees with the one looked for so far, or [`NO_MATCH`].
    matched: u8,
    /// Whether the name just read is the one looked for, so that its value comes next.
    hit: bool,
    /// Whether the value at the end of the path has begun and not ended.
    inside: bool,
    /// Digits of a `\u` escape still to come, or the place in [`LITERALS`].
    count: u8,
    /// The `\u` escape so far.
    unit: u16,
    state: State,
    path: Path,
}

impl Finder {
    const fn new(path: Path) -> Self {
        Self {
            kinds: 0,
            depth: 0,
            on_path: 0,
            in_name: false,
            matched: NO_MATCH,
            hit: false,
            inside: false,
            count: 0,
            unit: 0,
            state: State::Value,
            path,
        }
    }

    /// Whether one whole value was read, with nothing but white space after it.
    fn is_complete(&self) -> bool {
        self.state == State::AfterValue && self.depth == 0
    }

    fn step(&mut self, byte: u8) -> Step {
        // A number has no last byte of its own: the first byte that is not of it ends it.
        let ends = matches!(self.state, State::Zero | State::Integer | State::Fraction | State::ExponentInteger);
        if ends && number(self.state, byte) == State::IllFormed {
            self.state = State::AfterValue;
        }
        if self.inside && self.state == State::AfterValue && usize::from(self.depth) == self.path.names().len() {
            self.inside = false;
        }
        if self.hit && self.state == State::Value && !is_space(byte) {
            return self.enter(byte);
        }
        self.state = self.next(byte);
        if self.inside { Step::Next } else { Step::Elsewhere }
    }

    /// The first byte of the value of a name on the path.
    fn enter(&mut self, byte: u8) -> Step {
        self.hit = false;
        self.state = self.next(byte);
        if usize::from(self.on_path).saturating_add(1) == self.path.names().len() {
            self.inside = true;
            return Step::First;
        }
        if byte == b'{' {
            self.on_path = self.on_path.saturating_add(1);
        }
        Step::Forget
    }

    /// The state that `byte` leads to.
    fn next(&mut self, byte: u8) -> State {
        match self.state {
            State::IllFormed => State::IllFormed,
            State::Text | State::Escape | State::Hex => self.text(byte),
            State::Literal => self.literal(byte),
            State::Minus
            | State::Zero
            | State::Integer
            | State::Point
            | State::Fraction
            | State::Exponent
            | State::ExponentSign
            | State::ExponentInteger => number(self.state, byte),
            same if is_space(byte) => same,
            State::FirstValue if byte == b']' => self.close(0),
            State::FirstValue | State::Value => self.value(byte),
            State::FirstName if byte == b'}' => self.close(1),
            State::FirstName | State::Name => self.name(byte),
            State::Colon if byte == b':' => State::Value,
            State::Colon => State::IllFormed,
            State::AfterValue => match byte {
                b']' => self.close(0),
                b'}' => self.close(1),
                b',' if self.depth == 0 => State::IllFormed,
                b',' if self.kinds & 1 == 1 => State::Name,
                b',' => State::Value,
                _ => State::IllFormed,
            },
        }
    }

    /// The first byte of a value.
    fn value(&mut self, byte: u8) -> State {
        match byte {
            b'{' => self.open(1, State::FirstName),
            b'[' => self.open(0, State::FirstValue),
            b'"' => {
                self.in_name = false;
                State::Text
            }
            b'-' => State::Minus,
            b'0' => State::Zero,
            b'1'..=b'9' => State::Integer,
            b't' | b'f' | b'n' => {
                self.count = match byte {
                    b't' => 1,
                    b'f' => 5,
                    _ => 10,
                };
                State::Literal
            }
            _ => State::IllFormed,
        }
    }

    fn open(&mut self, kind: u64, then: State) -> State {
        if self.depth >= 63 {
            return State::IllFormed;
        }
        self.depth = self.depth.saturating_add(1);
        self.kinds = (self.kinds << 1) | kind;
        then
    }

    fn close(&mut self, kind: u64) -> State {
        if self.depth == 0 || self.kinds & 1 != kind {
            return State::IllFormed;
        }
        if self.depth == self.on_path.saturating_add(1) {
            self.on_path = self.on_path.saturating_sub(1);
        }
        self.depth = self.depth.saturating_sub(1);
        self.kinds >>= 1;
        State::AfterValue
    }

    /// The quote that begins a name.
    fn name(&mut self, byte: u8) -> State {
        if byte != b'"' {
            return State::IllFormed;
        }
        self.in_name = true;
        self.matched = if self.depth == self.on_path.saturating_add(1) { 0 } else { NO_MATCH };
        State::Text
    }

    fn text(&mut self, byte: u8) -> State {
        let unit = match (self.state, byte) {
            (State::Hex, _) => {
                let digit = match byte {
                    b'0'..=b'9' => byte & 0x0F,
                    b'a'..=b'f' | b'A'..=b'F' => (byte & 0x0F).saturating_add(9),
                    _ => return State::IllFormed,
                };
                self.unit = (self.unit << 4) | u16::from(digit);
                self.count = self.count.saturating_sub(1);
                if self.count > 0 {
                    return State::Hex;
                }
                self.unit
            }
            (State::Escape, b'u') => {
                self.count = 4;
                return State::Hex;
            }
            (State::Escape, b'"' | b'\\' | b'/') => u16::from(byte),
            // A control character is in none of the names looked for.
            (State::Escape, b'b' | b'f' | b'n' | b'r' | b't') => 0,
            (State::Text, b'"') => return self.end_text(),
            (State::Text, b'\\') => return State::Escape,
            (State::Text, 0x20..) => u16::from(byte),
            _ => return State::IllFormed,
        };
        self.compare(unit);
        State::Text
    }

    fn end_text(&mut self) -> State {
        if !self.in_name {
            return State::AfterValue;
        }
        self.hit = self.sought().is_some_and(|name| name.len() == usize::from(self.matched));
        State::Colon
    }

    /// The name that the path goes on with.
    fn sought(&self) -> Option<&'static [u8]> {
        self.path.names().get(usize::from(self.on_path)).copied()
    }

    /// One more character of a string, or one more byte of its UTF-8. What the names looked for are made of
    /// is ASCII, where the two are the same.
    fn compare(&mut self, unit: u16) {
        let want = self.sought().and_then(|name| name.get(usize::from(self.matched)));
        self.matched = match want {
            Some(&want) if u16::from(want) == unit => self.matched.saturating_add(1),
            _ => NO_MATCH,
        };
    }

    fn literal(&mut self, byte: u8) -> State {
        if LITERALS.get(usize::from(self.count)) != Some(&byte) {
            return State::IllFormed;
        }
        self.count = self.count.saturating_add(1);
        if matches!(self.count, 4 | 9 | 13) { State::AfterValue } else { State::Literal }
    }
}

/// The white space of JSON (RFC 8259 §2).
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// One more byte of a number (RFC 8259 §6).
const fn number(state: State, byte: u8) -> State {
    match byte {
        b'0'..=b'9' => match state {
            State::Minus if byte == b'0' => State::Zero,
            State::Minus | State::Integer => State::Integer,
            State::Point | State::Fraction => State::Fraction,
            State::Exponent | State::ExponentSign | State::ExponentInteger => State::ExponentInteger,
            _ => State::IllFormed,
        },
        b'.' if matches!(state, State::Zero | State::Integer) => State::Point,
        b'e' | b'E' if matches!(state, State::Zero | State::Integer | State::Fraction) => State::Exponent,
        b'+' | b'-' if matches!(state, State::Exponent) => State::ExponentSign,
        _ => State::IllFormed,
    }
}
