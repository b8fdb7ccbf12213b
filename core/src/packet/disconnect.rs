//! DISCONNECT (MQTT 3.1.1 §3.14): the last packet a client sends.

/// The whole DISCONNECT.
pub const DISCONNECT: [u8; 2] = [0xE0, 0x00];
