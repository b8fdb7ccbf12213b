//! Deterministic simulation: whole lives of a device, by the million, each made of one seed.
//!
//! A session is a [`Pair`](crate::pair::Pair) in bad weather. An application that decides late, twice or never, and a
//! service that does the same, act at random while the weather does its worst: chunks down to single bytes, delays, links
//! that carry next to nothing, cuts at any byte, half-open links, sockets that take nothing, clocks that jump, a hub that
//! restarts with and without sessions, throttles, loses acknowledgements, lets tokens expire and patches overtake each
//! other, and a second device under the same name. Then the weather calms, and every promise is counted.
//!
//! What must hold is an [`Oracle`]. For each of them there is a [`Plant`]: a fault that it has to find, so that an oracle
//! that cannot fail is found out. A session that fails tells its seed, and the seed is all there is to it.
//!
//! | file | what |
//! |---|---|
//! | `weather` | what a seed makes of memory, settings, link and hub; one random step; the calm |
//! | `world` | the application, and the ledger of what was promised |
//! | `payload` | payloads that come in pieces and leave in parts |
//! | `wire` | what each packet that leaves says about the promises |
//! | [`oracle`] | what must hold; what is counted in the end |
//! | [`plant`] | the faults to be found |
//! | [`run`] | many sessions on every core |
//!
//! ```
//! use iothub_tests::{pair::Memory, sim};
//!
//! let stats = sim::session(7, None, false, &mut Memory::default());
//! assert!(stats.connections > 0);
//! ```

pub mod oracle;
mod payload;
pub mod plant;
pub mod run;
mod weather;
mod wire;
mod world;

use std::cell::RefCell;
use std::rc::Rc;

use iothub_proto::time::Duration;

use crate::pair::trace::History;
use crate::pair::{Memory, PairIn};

pub use oracle::Oracle;
pub use plant::Plant;
use weather::Weather;
use world::World;

/// How long the calm may take to settle everything. The longest wait of a client is the half-open link that nobody
/// tells of, 240 s and 30 s more, and there may be one after another.
const PATIENCE: Duration = Duration::from_secs(2 * 3_600);

/// What sessions came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// How many sessions.
    pub sessions: u64,
    /// How many connections they opened.
    pub connections: u64,
    /// How many packets the client sent.
    pub packets: u64,
    /// How many events the application saw.
    pub events: u64,
    /// How long they lasted on their clocks, in milliseconds.
    pub simulated: u64,
}

impl Stats {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            sessions: self.sessions + other.sessions,
            connections: self.connections + other.connections,
            packets: self.packets + other.packets,
            events: self.events + other.events,
            simulated: self.simulated + other.simulated,
        }
    }
}

/// Lives through the session of a seed, with a fault planted or without, and prints what happens if it is to be a
/// `trace`.
///
/// # Panics
/// If an oracle finds something.
pub fn session(seed: u64, plant: Option<Plant>, trace: bool, memory: &mut Memory) -> Stats {
    let mut weather = Weather::new(seed);
    let mut pair = weather.setup().start_in(memory);
    pair.set_history(if trace { History::Printed } else { History::None });
    let world = Rc::new(RefCell::new(World::new(&weather, pair.client.tx_free(), plant)));
    let inside = Rc::clone(&world);
    pair.handler = Some(Box::new(move |client, now, event| inside.borrow_mut().on_event(client, now, event)));
    let inside = Rc::clone(&world);
    pair.tap = Some(Box::new(move |client, _, bytes| inside.borrow_mut().on_packets(client, bytes)));
    pair.hides_deadlines = plant == Some(Plant::NoDeadlines);
    // A planted fault may be one that the hub objects to, too.
    pair.expects_violations = plant.is_some();

    weather.begin(&mut pair, &world);
    for _ in 0..weather.steps {
        weather.step(&mut pair, &world);
        world.borrow_mut().audit(&mut pair);
    }
    weather.calm(&mut pair, &world);
    let settled = pair.run_within(PATIENCE, |pair| world.borrow().is_settled(pair));
    world.borrow_mut().audit(&mut pair);
    world.borrow().must_be_settled(&pair, settled);

    // A new connection brings what was left, and the twin as it is now.
    renew(&mut pair, &world);
    let settled = pair.run_within(PATIENCE, |pair| world.borrow().is_done(pair));
    world.borrow_mut().audit(&mut pair);
    world.borrow().must_be_done(&mut pair, settled);
    let world = world.borrow();
    Stats {
        sessions: 1,
        connections: u64::from(pair.connections()),
        packets: world.packets,
        events: world.events,
        simulated: pair.now().as_millis(),
    }
}

fn renew(pair: &mut PairIn<'_>, world: &RefCell<World>) {
    let before = world.borrow().ready;
    pair.client.disconnect(pair.now()).expect("it is ready");
    let ready = pair.run_within(PATIENCE, |_| world.borrow().ready > before);
    Oracle::AtLeastOnce.must(ready, "a device signs in again when all is calm");
}
