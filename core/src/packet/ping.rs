//! PINGREQ and PINGRESP (MQTT 3.1.1 §3.12, §3.13): is the other side still there?

/// The whole PINGREQ.
pub const PINGREQ: [u8; 2] = [0xC0, 0x00];

/// The whole PINGRESP, the hub's answer.
pub const PINGRESP: [u8; 2] = [0xD0, 0x00];
