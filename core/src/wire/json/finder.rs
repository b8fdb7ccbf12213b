//! The grammar of JSON, byte by byte in constant memory, and where in it one value stands.

/// Which value is looked for: the names of the members that lead to it, from the top object on.
pub(super) trait Path {
    /// Whether every name is of ASCII.
    const ASCII: bool;

    /// The name after `found` of them; `None` if there is none.
    fn name(&self, found: u8) -> Option<&[u8]>;

    /// Whether the name after `found` of them is the last.
    fn is_last(&self, found: u8) -> bool;

    /// Whether the name after `found` of them is every name: then the value of each member is found.
    fn is_any(&self, _found: u8) -> bool {
        false
    }
}

/// What a byte is to the value looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
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
pub(super) enum State {
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

impl State {
    const fn is_number(self) -> bool {
        use State::*;
        matches!(self, Minus | Zero | Integer | Point | Fraction | Exponent | ExponentSign | ExponentInteger)
    }
}

/// The literals one after the other; [`Finder::count`] is the place in it.
const LITERALS: &[u8; 13] = b"truefalsenull";

/// A [`Finder::matched`] that no name has.
const NO_MATCH: u8 = u8::MAX;

/// A pushdown automaton for JSON that knows when it stands on the value at the end of a [`Path`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Finder<P> {
    pub(super) path: P,
    /// A bit for each open array (0) or object (1), the innermost lowest.
    kinds: u64,
    /// How many of them are open: 0 to 63.
    depth: u8,
    /// The `depth` of the object whose names are compared with [`sought`](Self::sought); all around it are on the path.
    on_path: u8,
    /// How many names of the path lead to that object.
    found: u8,
    /// Whether a name is being read, or its value comes next.
    in_name: bool,
    /// Bytes by which the name agrees with the one looked for so far, or [`NO_MATCH`].
    matched: u8,
    /// Whether the value at the end of the path has begun and not ended.
    inside: bool,
    /// Digits of a `\u` escape still to come, or the place in [`LITERALS`].
    count: u8,
    /// The `\u` escape so far, above it the one directly before if that is the first half of a pair.
    unit: u32,
    pub(super) state: State,
}

impl<P: Path> Finder<P> {
    /// At the beginning of a document. `found` names of the path are taken as found already.
    pub(super) const fn new(path: P, found: u8) -> Self {
        Self {
            path,
            kinds: 0,
            depth: 0,
            on_path: 1,
            found,
            in_name: false,
            matched: NO_MATCH,
            inside: false,
            count: 0,
            unit: 0,
            state: State::Value,
        }
    }

    /// Whether one whole value was read, with nothing but white space after it.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::AfterValue && self.depth == 0
    }

    /// As [`is_complete`](Self::is_complete), of a document that ends here: a number alone has no other end.
    pub(super) fn is_complete_here(&self) -> bool
    where
        P: Copy,
    {
        let mut end = *self;
        end.step(b' ');
        end.is_complete()
    }

    /// The name that the path goes on with; empty, which no name is, where it is at its end.
    fn sought(&self) -> &[u8] {
        self.path.name(self.found).unwrap_or_default()
    }

    /// Whether the name that was read is the one that the path goes on with.
    fn is_sought(&self) -> bool {
        if self.path.is_any(self.found) {
            self.matched != NO_MATCH
        } else {
            usize::from(self.matched) == self.sought().len()
        }
    }

    /// Whether it stands between the quotes of a name that counts on a path where [every name](Path::is_any) does.
    pub(super) fn is_in_any_name(&self) -> bool {
        self.in_name
            && self.path.is_any(self.found)
            && self.matched != NO_MATCH
            && matches!(self.state, State::Text | State::Escape | State::Hex)
    }

    pub(super) fn step(&mut self, byte: u8) -> Step {
        if self.state.is_number() {
            self.state = number(self.state, byte);
            if self.state != State::AfterValue {
                return self.elsewhere();
            }
        }
        if self.state == State::AfterValue && self.depth == self.on_path {
            self.inside = false;
        }
        if matches!(self.state, State::FirstValue | State::Value) && !is_space(byte) {
            return self.value(byte);
        }
        self.state = match self.state {
            State::Text | State::Escape | State::Hex => self.text(byte),
            State::Literal => self.literal(byte),
            _ => self.between(byte),
        };
        self.elsewhere()
    }

    /// What a byte is that begins nothing that is looked for.
    fn elsewhere(&self) -> Step {
        if self.inside { Step::Next } else { Step::Elsewhere }
    }

    /// The first byte of a value, or the `]` of an empty array.
    fn value(&mut self, byte: u8) -> Step {
        let sought = self.in_name && self.is_sought();
        self.in_name = false;
        self.state = match byte {
            b'{' | b'[' => self.open(byte),
            b']' if self.state == State::FirstValue => self.close(byte),
            b'"' => State::Text,
            b'-' => State::Minus,
            b't' => self.literal_from(1),
            b'f' => self.literal_from(5),
            b'n' => self.literal_from(10),
            digit => number(State::Minus, digit),
        };
        if !sought {
            return self.elsewhere();
        }
        if self.path.is_last(self.found) {
            self.inside = true;
            return Step::First;
        }
        if byte == b'{' {
            self.found = self.found.wrapping_add(1);
            self.on_path = self.depth;
        }
        Step::Forget
    }

    /// A byte that is of no value: white space, punctuation, the quote that begins a name.
    fn between(&mut self, byte: u8) -> State {
        match (byte, self.state) {
            (b' ' | b'\t' | b'\n' | b'\r', same) => same,
            (b']' | b'}', State::FirstName | State::AfterValue) => self.close(byte),
            (b',', State::AfterValue) if self.depth > 0 => {
                if self.kinds & 1 == 1 {
                    State::Name
                } else {
                    State::Value
                }
            }
            (b':', State::Colon) => State::Value,
            (b'"', State::FirstName | State::Name) => {
                self.in_name = true;
                self.matched = if self.depth == self.on_path { 0 } else { NO_MATCH };
                State::Text
            }
            _ => State::IllFormed,
        }
    }

    /// `{` or `[`.
    fn open(&mut self, byte: u8) -> State {
        if self.depth >= 63 {
            return State::IllFormed;
        }
        self.depth = self.depth.wrapping_add(1);
        self.kinds = (self.kinds << 1) | u64::from(kind(byte));
        if kind(byte) == 1 { State::FirstName } else { State::FirstValue }
    }

    /// `}` or `]`.
    #[cfg_attr(target_os = "none", inline(never))]
    fn close(&mut self, byte: u8) -> State {
        if self.depth == 0 || self.kinds as u8 & 1 != kind(byte) {
            return State::IllFormed;
        }
        if self.depth == self.on_path {
            // At the top this leads nowhere: no name can follow.
            self.on_path = self.on_path.wrapping_sub(1);
            self.found = self.found.wrapping_sub(1);
        }
        self.depth = self.depth.wrapping_sub(1);
        self.kinds >>= 1;
        State::AfterValue
    }

    fn text(&mut self, byte: u8) -> State {
        let unit = match (self.state, byte) {
            (State::Hex, _) => {
                let digit = match byte {
                    b'0'..=b'9' => byte & 0x0F,
                    b'a'..=b'f' | b'A'..=b'F' => (byte & 0x0F).wrapping_add(9),
                    _ => return State::IllFormed,
                };
                self.unit = (self.unit << 4) | u32::from(digit);
                self.count = self.count.wrapping_sub(1);
                if self.count > 0 {
                    return State::Hex;
                }
                if !P::ASCII {
                    self.compare_escape();
                    return State::Text;
                }
                self.unit as u16
            }
            (State::Escape, b'u') => {
                self.count = 4;
                return State::Hex;
            }
            (State::Escape, b'"' | b'\\' | b'/') => u16::from(byte),
            // A control character is in none of the names looked for.
            (State::Escape, b'b' | b'f' | b'n' | b'r' | b't') => 0,
            (State::Text, b'"') => {
                self.end_pair();
                return if self.in_name { State::Colon } else { State::AfterValue };
            }
            (State::Text, b'\\') => return State::Escape,
            (State::Text, 0x20..) => u16::from(byte),
            _ => return State::IllFormed,
        };
        self.end_pair();
        self.compare(unit);
        State::Text
    }

    /// A `\u` escape is complete, and the names looked for may be more than ASCII: compares its UTF-8. The first half
    /// of a pair waits for the other.
    fn compare_escape(&mut self) {
        let (before, unit) = (self.unit >> 16, self.unit & 0xFFFF);
        let scalar = match (before, unit) {
            (0xD800..0xDC00, 0xDC00..0xE000) => (before.wrapping_sub(0xD7C0) << 10) | unit & 0x3FF,
            _ => unit,
        };
        if before != 0 && scalar == unit {
            self.matched = NO_MATCH;
        }
        self.unit = if matches!(unit, 0xD800..0xDC00) { unit } else { 0 };
        if self.unit == 0 {
            match char::from_u32(scalar) {
                Some(c) => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.compare(byte.into())),
                None => self.matched = NO_MATCH,
            }
        }
    }

    /// The first half of a pair has no other: no name has such a thing.
    fn end_pair(&mut self) {
        if !P::ASCII && self.unit != 0 {
            self.unit = 0;
            self.matched = NO_MATCH;
        }
    }

    /// One more character of a string, or one more byte of its UTF-8, of which ASCII is the same.
    fn compare(&mut self, unit: u16) {
        if self.path.is_any(self.found) {
            return;
        }
        self.matched = match self.sought().get(usize::from(self.matched)) {
            Some(&want) if u16::from(want) == unit => self.matched.wrapping_add(1),
            _ => NO_MATCH,
        };
    }

    /// The first letter of a literal; the next one is at `count` of [`LITERALS`].
    fn literal_from(&mut self, count: u8) -> State {
        self.count = count;
        State::Literal
    }

    fn literal(&mut self, byte: u8) -> State {
        if LITERALS.get(usize::from(self.count)) != Some(&byte) {
            return State::IllFormed;
        }
        self.count = self.count.wrapping_add(1);
        if matches!(self.count, 4 | 9 | 13) { State::AfterValue } else { State::Literal }
    }
}

/// The white space of JSON (RFC 8259 §2).
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// 1 for `{` and `}`, 0 for `[` and `]`: a bit of ASCII tells them apart.
const fn kind(bracket: u8) -> u8 {
    (bracket >> 5) & 1
}

/// One more byte of a number (RFC 8259 §6). A number has no last byte of its own: the first byte that is not of it
/// ends it, and [`State::AfterValue`] is where that byte belongs.
#[cfg_attr(target_os = "none", inline(never))] // Two places use it.
const fn number(state: State, byte: u8) -> State {
    use State::*;
    match (byte, state) {
        (b'0', Minus) => Zero,
        (b'0'..=b'9', Minus | Integer) => Integer,
        (b'0'..=b'9', Point | Fraction) => Fraction,
        (b'0'..=b'9', Exponent | ExponentSign | ExponentInteger) => ExponentInteger,
        (b'.', Zero | Integer) => Point,
        (b'e' | b'E', Zero | Integer | Fraction) => Exponent,
        (b'+' | b'-', Exponent) => ExponentSign,
        (_, Zero | Integer | Fraction | ExponentInteger) => AfterValue,
        _ => IllFormed,
    }
}
