//! What the program prints: when, who, what; one short line each.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::io::Write;
use std::time::Instant;

/// The lines, and the time they begin with.
pub(crate) struct Transcript {
    out: RefCell<Box<dyn Write>>,
    start: Instant,
    steps: Cell<u32>,
}

impl Transcript {
    /// Time begins here.
    pub(crate) fn new(out: Box<dyn Write>) -> Self {
        Self { out: RefCell::new(out), start: Instant::now(), steps: Cell::new(0) }
    }

    /// A line as it is.
    pub(crate) fn text(&self, line: impl Display) {
        let mut out = self.out.borrow_mut();
        // Nobody reading is no reason to stop.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    /// The heading of the next step.
    pub(crate) fn step(&self, title: &str) {
        self.steps.set(self.steps.get() + 1);
        self.text(format_args!("\n{}. {title}", self.steps.get()));
    }

    /// The device did this.
    pub(crate) fn device(&self, what: impl Display) {
        self.line("device", &what);
    }

    /// The hub did this, as the device sees it.
    pub(crate) fn hub(&self, what: impl Display) {
        self.line("hub", &what);
    }

    /// The application on the other side of the hub did this.
    pub(crate) fn service(&self, what: impl Display) {
        self.line("service", &what);
    }

    /// The Device Provisioning Service did this, as the device sees it.
    pub(crate) fn dps(&self, what: impl Display) {
        self.line("dps", &what);
    }

    fn line(&self, who: &str, what: &dyn Display) {
        self.text(format_args!("  {:6.3} s  {who:7}  {what}", self.seconds()));
    }

    /// This was found to be so.
    pub(crate) fn checked(&self, what: impl Display) {
        self.text(format_args!("{:10}  checked  {what}", ""));
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f32 {
        self.start.elapsed().as_secs_f32()
    }

    /// The step that was begun last, counted from 1; 0 before.
    pub(crate) const fn current(&self) -> u32 {
        self.steps.get()
    }
}

/// A number with commas, as people write it: 1,234,567.
pub(crate) fn number(value: impl Into<u64>) -> String {
    let digits = value.into().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Text from elsewhere: on one line, and not too much of it.
pub(crate) fn excerpt(text: impl AsRef<[u8]>) -> String {
    const LONGEST: usize = 48;
    let text = String::from_utf8_lossy(text.as_ref());
    let mut short: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    // Quotes are no danger to a terminal, and escaped they make JSON unreadable.
    short.replace("\\\"", "\"").replace("\\'", "'")
}
