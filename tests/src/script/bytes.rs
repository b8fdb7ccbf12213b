//! Packets by hand.

/// The packet id of every SUBSCRIBE, high byte first.
pub const SUBSCRIBE_ID: [u8; 2] = [0xff, 0xff];

/// The answer to the outstanding SUBSCRIBE.
#[must_use]
pub fn suback(codes: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x90, codes.len() as u8 + 2];
    packet.extend(SUBSCRIBE_ID);
    packet.extend(codes);
    packet
}

/// The filters of a SUBSCRIBE.
///
/// # Panics
///
/// If `packet` is none, or has another packet id.
#[must_use]
pub fn subscribe_filters(packet: &[u8]) -> Vec<String> {
    assert_eq!(packet.first(), Some(&0x82), "a SUBSCRIBE: {packet:02x?}");
    let digits = packet[1..].iter().take_while(|&&byte| byte >= 128).count() + 1;
    let mut rest = &packet[1 + digits..];
    assert_eq!(rest[..2], SUBSCRIBE_ID);
    rest = &rest[2..];
    let mut filters = Vec::new();
    while let [high, low, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        filters.push(String::from_utf8(tail[..len].to_vec()).expect("UTF-8"));
        rest = &tail[len + 1..];
    }
    filters
}

/// Bytes from hexadecimal digits; spaces may stand between.
///
/// # Panics
///
/// If these are none.
#[must_use]
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("two hexadecimal digits")).collect()
}

/// A stream split into its packets.
///
/// # Panics
///
/// If it ends in the middle of one.
#[must_use]
pub fn packets(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = stream;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let digits = rest[1..].iter().take_while(|&&byte| byte >= 128).count() + 1;
        let len = rest[1..=digits].iter().rev().fold(0, |len, &digit| len * 128 + usize::from(digit & 127));
        let (packet, tail) = rest.split_at(1 + digits + len);
        found.push(packet.to_vec());
        rest = tail;
    }
    found
}
