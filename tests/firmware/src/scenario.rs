//! What the device does: a plain function over scripted bytes.
//!
//! What the hub sends stands in `.script` and is taken through [`received`]; buffers stand in `.bss.message`; the rest of
//! the state is in a [`Place`] too, as it would be in a firmware, and so counts as static memory and not as stack.

use harness::{Place, received};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::wire::Writer;

#[unsafe(link_section = ".script")]
static CONNACK: [u8; 4] = [0x20, 0x02, 0x00, 0x00];

#[unsafe(link_section = ".bss.message")]
static TX: Place<[u8; 512]> = Place::new();
static CLOCK: Place<Instant> = Place::new();

pub fn run() -> Result<(), u32> {
    // SAFETY: here only, and this runs once.
    let (tx, clock) = unsafe { (TX.put([0; 512]), CLOCK.put(Instant::ZERO)) };

    let mut writer = Writer::new(tx);
    writer.put(b"devices/press-7/messages/events/");
    if cfg!(feature = "everything") {
        writer.put(received(&CONNACK));
    }
    *clock = *clock + Duration::from_secs(240);
    writer.put_decimal(clock.as_millis() as u32);
    let written = writer.finish().map_err(|_| 1_u32)?;
    if core::hint::black_box(written).is_empty() { Err(2) } else { Ok(()) }
}
