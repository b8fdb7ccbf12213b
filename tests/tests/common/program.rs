//! The hub simulator as a program: commands go in, events come out.

// Each test program uses its own part of this.
#![allow(dead_code, unreachable_pub)]

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

pub struct Program {
    child: Child,
    commands: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    listening: Value,
}

impl Program {
    /// Starts it with these arguments, a space between them, and takes its first event.
    pub fn start(arguments: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
        command.args(arguments.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let events = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut program = Self { child, commands, events, listening: Value::Null };
        program.listening = program.event();
        program
    }

    /// The port on which it listens for what is called so.
    pub fn port(&self, name: &str) -> u16 {
        u16::try_from(self.listening[name].as_u64().unwrap()).unwrap()
    }

    /// Gives it a command, or a line each.
    pub fn tell(&mut self, commands: &str) {
        writeln!(self.commands, "{commands}").unwrap();
    }

    pub fn event(&mut self) -> Value {
        serde_json::from_str(&self.events.next().unwrap().unwrap()).unwrap()
    }

    /// Ends its input, and with that the program.
    pub fn end(mut self) {
        drop(self.commands);
        assert!(self.child.wait().unwrap().success());
    }
}
