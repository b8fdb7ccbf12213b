//! Every input of up to four bytes, every packet of three bytes after its header, every topic of up to three bytes and
//! of four where they can be one character: what the client makes of each, held against a second reading of the
//! standard. Prints what was covered; fails at the first difference.
//!
//! Without `--all` it leaves out what takes long and tells little: of the inputs of four bytes those whose first byte
//! is no packet's and not among [`REPRESENTATIVES`], fed to a client those of packets that cannot end there and most
//! lengths in two bytes, and of the topics of four bytes those that begin with F1 to F3 or above F5.
//!
//! Then with each mistake of [`Fault::PLANTED`] in the second reading: one of the families must find it, and each of
//! the families alone must find the one that stands beside it.

#[allow(dead_code, unused_imports, unreachable_pub, reason = "shared with the tests, which use all of it")]
#[path = "../../src/reference/mod.rs"]
mod reference;

use iothub_proto::Client;
use reference::{Fault, Model, Phase, Subject, Told, different, feed, headers};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// An input of which client and reference say different things, and where.
type Found = Option<(String, Vec<u8>)>;

/// A family of inputs.
struct Family {
    name: &'static str,
    /// Runs the inputs of which a certain byte is this one: how many there are.
    run: fn(u8, Plan) -> (u64, Found),
    /// A mistake that it must find alone.
    finds: Fault,
}

/// What is run.
#[derive(Clone, Copy)]
struct Plan {
    fault: Fault,
    /// Nothing is left out.
    all: bool,
}

/// First bytes that a client may receive, and some of each class that it may not: types of clients, reserved, of QoS 2,
/// wrong flags, wrong QoS, DUP at QoS 0.
const REPRESENTATIVES: [u8; 28] = [
    0x20, 0x30, 0x31, 0x32, 0x33, 0x3a, 0x3b, 0x40, 0x90, 0xb0, 0xd0, 0x00, 0x10, 0x21, 0x34, 0x36, 0x38, 0x3f, 0x42,
    0x50, 0x62, 0x70, 0x82, 0x9f, 0xa2, 0xc0, 0xe0, 0xf0,
];

/// The last repeats at length what the others see.
const FAMILIES: [Family; 6] = [
    Family {
        name: "inputs of 0 to 2 bytes in 5 phases, fed to a client",
        run: every_tiny_input_fed,
        finds: Fault::FirstPacketNeedNotBeConnack,
    },
    Family {
        name: "fixed headers of length bytes at their edges, decoded",
        run: every_header,
        finds: Fault::SampleLengthCode,
    },
    Family {
        name: "topics of 1 to 3 bytes, and of 4 from F0 on, decoded",
        run: every_short_topic,
        finds: Fault::Above10FFFFPasses,
    },
    Family {
        name: "packets of 3 bytes after the header, decoded",
        run: every_short_body,
        finds: Fault::SubackCodesUnchecked,
    },
    Family {
        name: "inputs of 3 and 4 bytes in 5 phases whose shorter part is no error, fed to a client",
        run: every_short_input_fed,
        finds: Fault::AnyAckAcknowledges,
    },
    Family { name: "inputs of 0 to 4 bytes, decoded", run: every_short_input, finds: Fault::ReservedReturnCodePasses },
];

/// The bytes where mistakes show come first, so that a planted one is found soon.
const TELLING: [u8; 14] = [0x20, 0x30, 0x00, 0x40, 0x90, 0xd0, 0xc0, 0xc3, 0xe0, 0xed, 0xf0, 0x2b, 0x36, 0xf4];

fn main() -> ExitCode {
    let all = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [only] if only == "--all" => true,
        _ => {
            eprintln!("usage: iothub-exhaustive [--all]");
            return ExitCode::from(2);
        }
    };
    println!("{}", if all { "nothing left out" } else { "a part of the inputs of four bytes; --all runs all" });
    for Family { name, run, .. } in FAMILIES {
        let began = Instant::now();
        let (count, found) = spread(run, Plan { fault: Fault::None, all });
        println!("{count:>13} {name}: {:.1} s", began.elapsed().as_secs_f64());
        if let Some((place, input)) = found {
            println!("client and reference differ, {place}: {input:02x?}");
            return ExitCode::FAILURE;
        }
    }
    let (count, [found]) = headers([Fault::None]);
    println!("{count:>13} first bytes with lengths 0 to 5 in 5 phases, fed to a client");
    if let Some((phase, input)) = found.first() {
        println!("client and model differ, {phase:?}: {input:02x?}");
        return ExitCode::FAILURE;
    }
    if let Some(blind) = control() {
        println!("a check that cannot fail: {blind}");
        return ExitCode::FAILURE;
    }
    println!("{:>13} planted mistakes, each found", Fault::PLANTED.len());
    ExitCode::SUCCESS
}

/// Plants the mistakes: which of them was not found.
fn control() -> Option<String> {
    let found = |run: fn(u8, Plan) -> (u64, Found), part: u8, fault: Fault| run(part, Plan { fault, all: false }).1;
    let alone = FAMILIES.iter().find(|family| !parts().any(|part| found(family.run, part, family.finds).is_some()));
    if let Some(Family { name, finds, .. }) = alone {
        return Some(format!("{finds:?} is not found by {name}"));
    }
    let quick = &FAMILIES[..FAMILIES.len() - 1];
    let any = |fault| parts().any(|part| quick.iter().any(|family| found(family.run, part, fault).is_some()));
    let unseen = Fault::PLANTED.into_iter().find(|fault| !any(*fault))?;
    Some(format!("{unseen:?} is not found"))
}

/// Every byte.
fn parts() -> impl Iterator<Item = u8> {
    TELLING.into_iter().chain((0..=255).filter(|part| !TELLING.contains(part)))
}

/// Runs all 256 parts on all processors, until one finds something.
fn spread(run: fn(u8, Plan) -> (u64, Found), plan: Plan) -> (u64, Found) {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut sum, mut found) = (0, None);
        while let Ok(part) = u8::try_from(next.fetch_add(1, Ordering::Relaxed)) {
            let (count, difference) = run(part, plan);
            sum += count;
            if difference.is_some() {
                next.store(256, Ordering::Relaxed);
                found = difference;
            }
        }
        (sum, found)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(|worker| worker.join().expect("no panic"));
        done.fold((0, None), |(sum, found), (count, difference)| (sum + count, found.or(difference)))
    })
}

/// Counts in the bytes of `input` from `from` on, the last first; `false` when they have all been.
fn step(input: &mut [u8], from: usize) -> bool {
    for byte in input[from..].iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return true;
        }
    }
    false
}

/// Every filling of `input` from `from` on.
fn decode_all(input: &mut [u8], from: usize, plan: Plan, count: &mut u64) -> Found {
    loop {
        *count += 1;
        if different(input, plan.fault) {
            return Some(("decoded".into(), input.to_vec()));
        }
        if !step(input, from) {
            return None;
        }
    }
}

fn every_short_input(first: u8, plan: Plan) -> (u64, Found) {
    let mut count = 0;
    // The empty input belongs to one of them.
    let empty = (first == 0).then(|| decode_all(&mut [], 0, plan, &mut count)).flatten();
    let found = empty.or_else(|| {
        let longest = if plan.all || REPRESENTATIVES.contains(&first) { 4 } else { 3 };
        (1..=longest).find_map(|len| {
            let mut input = [first, 0, 0, 0];
            decode_all(&mut input[..len], 1, plan, &mut count)
        })
    });
    (count, found)
}

fn every_header(first: u8, plan: Plan) -> (u64, Found) {
    if !plan.all && !REPRESENTATIVES.contains(&first) {
        return (0, None);
    }
    const EDGES: [u8; 8] = [0x00, 0x01, 0x02, 0x7f, 0x80, 0x81, 0x82, 0xff];
    let mut count = 0;
    for number in 0..8_usize.pow(5) {
        let input: [u8; 6] =
            std::array::from_fn(|place| if place == 0 { first } else { EDGES[number >> (3 * (place - 1)) & 7] });
        for len in 5..=6 {
            count += 1;
            if different(&input[..len], plan.fault) {
                return (count, Some(("decoded".into(), input[..len].to_vec())));
            }
        }
    }
    (count, None)
}

fn every_short_body(part: u8, plan: Plan) -> (u64, Found) {
    let mut count = 0;
    let found = [0x30, 0x90].into_iter().find_map(|first| decode_all(&mut [first, 3, part, 0, 0], 3, plan, &mut count));
    (count, found)
}

fn every_short_topic(part: u8, plan: Plan) -> (u64, Found) {
    let mut count = 0;
    let longest = if matches!(part, 0xf0 | 0xf4 | 0xf5) || plan.all && part >= 0xf0 { 4 } else { 3 };
    let found = (1..=longest).find_map(|len: u8| {
        let mut input = vec![0x30, len + 2, 0, len, part];
        input.resize(usize::from(len) + 4, 0);
        decode_all(&mut input, 5, plan, &mut count)
    });
    (count, found)
}

fn every_tiny_input_fed(first: u8, plan: Plan) -> (u64, Found) {
    let mut subject = Subject::default();
    let mut count = 0;
    for phase in Phase::ALL {
        let empty = (first == 0).then(Vec::new);
        let two = (0..=255).map(|second| vec![first, second]);
        for input in empty.into_iter().chain([vec![first]]).chain(two) {
            count += 1;
            if feed(&mut subject.client(phase), &input) != Model::new(phase, plan.fault).run(&input) {
                return (count, Some((format!("{phase:?}"), input)));
            }
        }
    }
    (count, None)
}

fn every_short_input_fed(first: u8, plan: Plan) -> (u64, Found) {
    let mut subject = Subject::default();
    let mut count = 0;
    for phase in Phase::ALL {
        for second in 0..=255 {
            let ends = |len: usize| feed(&mut Subject::default().client(phase), &[first, second][..len]).end.is_some();
            if ends(1) {
                break;
            }
            if ends(2) {
                continue;
            }
            let mut input = [first, second, 0, 0];
            let found = longer(&mut subject, phase, &mut input, 3, plan, &mut count);
            if found.is_some() {
                return (count, found);
            }
        }
    }
    (count, None)
}

/// Every filling of the last of the `len` bytes, and, where that is no error, of one byte more.
fn longer(subject: &mut Subject, phase: Phase, input: &mut [u8; 4], len: usize, plan: Plan, count: &mut u64) -> Found {
    let mut alive = Vec::new();
    let mut client: Client<'_> = subject.client(phase);
    for byte in 0..=255 {
        input[len - 1] = byte;
        *count += 1;
        let told = feed(&mut client, &input[..len]);
        if told != Model::new(phase, plan.fault).run(&input[..len]) {
            return Some((format!("{phase:?}"), input[..len].to_vec()));
        }
        if told != Told::default() {
            drop(client);
            client = subject.client(phase);
        }
        // Of lengths in more bytes than necessary two stand for all.
        let ends_there = !matches!(input[0] >> 4, 3 | 9) && matches!(input[1], 0..=0x80 | 0x82);
        if told.end.is_none() && len < 4 && (plan.all || ends_there) {
            alive.push(byte);
        }
    }
    drop(client);
    alive.into_iter().find_map(|byte| {
        input[len - 1] = byte;
        longer(subject, phase, input, len + 1, plan, count)
    })
}
