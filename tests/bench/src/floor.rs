//! What nobody can do without: looking at every byte of the topic once, and copying every byte once.

use crate::measure::{Operation, Subject};
use crate::workload::{BUFFER, CHUNK, ID, SIZES, TOPIC, batch, payload, publish};
use std::hint::black_box;

const NAME: &str = "floor";

pub fn subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for size in SIZES {
        let mut add = |group, operation| {
            subjects.push(Subject { group, case: size.to_string(), library: NAME, batch: batch(size), operation });
        };
        add("decode", Box::new(decoding(size)));
        add("encode", Box::new(encoding(size)));
        add("stream", Box::new(Stream::new(size)));
    }
    subjects
}

fn decoding(size: usize) -> impl Operation {
    let packet = publish(TOPIC, 1, &payload(size));
    move || {
        for _ in 0..batch(size) {
            black_box(decode(black_box(&packet))).expect("a good packet");
        }
    }
}

struct Message<'i> {
    _topic: &'i [u8],
    _id: u16,
    _payload: &'i [u8],
    len: usize,
}

/// A whole PUBLISH with QoS 1; `None` if it is not there whole, or its topic is none.
fn decode(input: &[u8]) -> Option<Message<'_>> {
    let (&0x32, lengths) = input.split_first()? else { return None };
    let (mut remaining, mut header) = (0, 1);
    for &byte in lengths.iter().take(4) {
        remaining |= usize::from(byte & 0x7F) << (7 * (header - 1));
        header += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let len = header + remaining;
    let body = input.get(header..len)?;
    let (&topic_len, rest) = body.split_first_chunk()?;
    let (topic, rest) = rest.split_at_checked(u16::from_be_bytes(topic_len).into())?;
    let (&id, payload) = rest.split_first_chunk()?;
    is_topic(topic).then_some(Message { _topic: topic, _id: u16::from_be_bytes(id), _payload: payload, len })
}

/// Well-formed UTF-8 without U+0000, `+` and `#`, in one pass where it is ASCII. Blocks of 32 bytes are what the compiler
/// turns into vector code; the last one overlaps the one before.
fn is_topic(bytes: &[u8]) -> bool {
    // 0 for the three: `#` and `+` differ in one bit.
    let mark = |byte: u8| byte.min((byte | 0x08) ^ b'+');
    let Some(last) = bytes.last_chunk::<32>() else {
        return bytes.iter().all(|&byte| mark(byte) != 0) && std::str::from_utf8(bytes).is_ok();
    };
    let (mut lowest, mut highest) = (last.map(mark), *last);
    for block in bytes.as_chunks::<32>().0 {
        for ((lowest, highest), &byte) in lowest.iter_mut().zip(&mut highest).zip(block) {
            *lowest = (*lowest).min(mark(byte));
            *highest |= byte;
        }
    }
    let lowest = lowest.iter().fold(u8::MAX, |all, &one| all.min(one));
    let highest = highest.iter().fold(0, |all, &one| all | one);
    lowest != 0 && (highest < 0x80 || std::str::from_utf8(bytes).is_ok())
}

fn encoding(size: usize) -> impl Operation {
    let (payload, mut room) = (payload(size), vec![0; size + 512]);
    move || {
        for _ in 0..batch(size) {
            black_box(encode(black_box(&mut room), black_box(TOPIC), black_box(&payload)));
        }
    }
}

fn encode(room: &mut [u8], topic: &str, payload: &[u8]) -> Option<usize> {
    let mut remaining = topic.len() + 4 + payload.len();
    let (first, mut rest) = room.split_first_mut()?;
    *first = 0x32;
    let mut len = 1 + remaining;
    loop {
        let more = if remaining > 0x7F { 0x80 } else { 0 };
        let (byte, after) = rest.split_first_mut()?;
        *byte = (remaining & 0x7F) as u8 | more;
        (rest, len, remaining) = (after, len + 1, remaining >> 7);
        if more == 0 {
            break;
        }
    }
    for part in [&(topic.len() as u16).to_be_bytes(), topic.as_bytes(), &ID.to_be_bytes(), payload] {
        let (to, after) = rest.split_at_mut_checked(part.len())?;
        to.copy_from_slice(part);
        rest = after;
    }
    Some(len)
}

/// Packets that come in pieces, collected in a buffer.
struct Stream {
    size: usize,
    bytes: Vec<u8>,
    buffer: Vec<u8>,
}

impl Stream {
    fn new(size: usize) -> Self {
        Self { size, bytes: publish(TOPIC, 1, &payload(size)).repeat(batch(size)), buffer: vec![0; BUFFER] }
    }
}

impl Operation for Stream {
    fn run(&mut self) {
        let (mut start, mut end, mut messages) = (0, 0, 0);
        for chunk in self.bytes.chunks(CHUNK) {
            if self.buffer.len() - end < chunk.len() {
                self.buffer.copy_within(start..end, 0);
                (start, end) = (0, end - start);
            }
            self.buffer[end..end + chunk.len()].copy_from_slice(chunk);
            end += chunk.len();
            while let Some(message) = decode(&self.buffer[start..end]) {
                start += message.len;
                black_box(&message);
                messages += 1;
            }
        }
        assert_eq!((messages, start), (batch(self.size), end));
    }
}
