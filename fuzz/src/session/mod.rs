//! A list of calls and faults, with the hub simulator at the other end, against the laws of
//! [`Client`](iothub_proto::Client).
//!
//! The first bytes choose the client's memory and settings, see [`Setup`]; every three bytes that follow are a [`Step`].
//! After each of them holds what the laws say must hold at any time. At the end everything that was broken works again,
//! and then nothing may be left: every message is stored, every request has ended, every message of the hub is
//! acknowledged, and the twin is the hub's.
//!
//! | file | what |
//! |---|---|
//! | `steps` | bytes to setup and steps |
//! | `world` | client, transport and hub: how bytes and time move |
//! | `act` | what the steps do, and the end |
//! | `payload` | payloads that come in pieces and leave in parts |
//! | `model` | what the application and the hub know, and whether it agrees with the client |

mod act;
mod model;
mod payload;
mod steps;
mod world;

use arbitrary::{Arbitrary, Unstructured};
use iothub_proto::auth::Identity;
use iothub_proto::{Client, Inbound, OwnedClient, OwnedLimits, Slot, Storage};
use std::sync::Arc;

use crate::machine::Machine;
pub use steps::{Setup, Step};
use world::World;

/// Set to anything, it has the steps printed.
pub const TRACE: &str = "IOTHUB_FUZZ_TRACE";

pub(crate) const HOST: &str = "contoso.azure-devices.net";
pub(crate) const DEVICE: &str = "dev1";

/// Steps of one session: enough to fill every memory many times.
const LONGEST: usize = 400;

/// What a session is made of.
pub(crate) fn parse(data: &[u8]) -> Option<(Setup, Vec<Step>)> {
    let mut input = Unstructured::new(data);
    let setup = Setup::arbitrary(&mut input).ok()?;
    let steps: Vec<Step> = std::iter::from_fn(|| Step::arbitrary(&mut input).ok()).take(LONGEST).collect();
    if std::env::var_os(TRACE).is_some() {
        eprintln!("{setup:?}");
        steps.iter().enumerate().for_each(|(at, step)| eprintln!("{at}: {step:?}"));
    }
    Some((setup, steps))
}

/// Takes `data` as a session.
pub fn run(data: &[u8]) {
    let Some((setup, steps)) = parse(data) else { return };
    let identity = Identity::device(HOST, DEVICE);
    let settings = setup.settings();
    if setup.owned {
        let limits = OwnedLimits { tx: setup.tx.into(), slots: setup.slots.into(), inbound: setup.inbound.into() };
        if let Ok(mut client) = OwnedClient::new(&identity, Arc::new(settings), limits) {
            live(&mut client, &setup, &steps);
        }
        return;
    }
    let mut tx = vec![0; setup.tx.into()];
    let mut slots = vec![Slot::EMPTY; setup.slots.into()];
    let mut inbound = vec![Inbound::EMPTY; setup.inbound.into()];
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    if let Ok(mut client) = Client::new(iothub_proto::Config { identity, settings }, storage) {
        live(&mut client, &setup, &steps);
    }
}

pub(crate) fn live(machine: &mut dyn Machine, setup: &Setup, steps: &[Step]) {
    let mut world = World::new(machine, setup);
    for step in steps {
        world.take(*step);
        world.check();
    }
    world.settle();
}
