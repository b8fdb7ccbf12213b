//! Twin synchronisation: every order in which patches and documents can come, and the distances between fetches.
//!
//! The client is alone here, so that the other side can do what no hub does: lose patches, swap them, answer late.
//! What comes in and what is expected are written in a small language:
//!
//! | in | |
//! |---|---|
//! | `p6` | the patch that makes desired version 6 |
//! | `q6` | the same, larger than the receive buffer |
//! | `x` | a patch whose topic names no version |
//! | `d5` | the answer to the last GET of synchronisation: a document at version 5 |
//! | `b5` | the same, larger than the receive buffer |
//! | `n` | the same, without a version |
//! | `s429` | the answer with this status |
//! | `l5` | a document that answers the GET before the last |
//! | `g`, `a5` | the application asks for the twin; its answer |
//! | `w1000` | so many milliseconds pass |
//! | `R` | the link breaks, and a new connection is ready at once |
//!
//! | out | |
//! |---|---|
//! | `G@1000` | a GET of synchronisation leaves at this time |
//! | `D5`, `D-` | the document is delivered, with or without a version |
//! | `P6` | the patch is delivered |
//! | `U6`, `U-` | the patch is delivered unsynced |
//! | `A5`, `S5` | the application's document, fresh or stale |
//! | `K` | a skipped PUBLISH is reported |
//! | `F400`, `F-` | synchronisation has failed, by status or by size |

use iothub_proto::event::{RequestError, TwinToken};
use iothub_proto::time::{Duration, Instant};
use iothub_proto::topic::Features;
use iothub_proto::{Client, ConnectOptions, Event};
use iothub_tests::hub::codec::{self, Packet, publish_packet};
use iothub_tests::link::Rng;
use iothub_tests::pair::Setup;

/// Larger than the receive buffer.
const LARGE: usize = 2_000;

/// A client whose peer is the test.
struct Desk {
    client: Client<'static>,
    now: Instant,
    /// Request ids of the GETs: of synchronisation, and of the application.
    gets: Vec<String>,
    asked: Vec<(TwinToken, String)>,
    log: Vec<String>,
}

impl Desk {
    fn new() -> Self {
        let setup = Setup::device().settings(|settings| {
            settings.features = Features::TWIN | Features::DESIRED;
            settings.keep_alive = 0;
            settings.max_packet = 1_024;
        });
        let now = Instant::ZERO;
        let mut desk = Self { client: setup.client(), now, gets: Vec::new(), asked: Vec::new(), log: Vec::new() };
        desk.sign_in();
        desk
    }

    fn sign_in(&mut self) {
        self.client.connect(self.now, &ConnectOptions::default()).unwrap();
        self.transmit();
        self.feed(b"\x20\x02\x00\x00");
        self.feed(b"\x90\x04\xff\xff\x00\x00");
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        loop {
            let handled = self.client.handle_input(self.now, bytes).unwrap();
            bytes = &bytes[handled.consumed..];
            let Some(event) = handled.event else {
                if handled.consumed == 0 {
                    break;
                }
                continue;
            };
            let version = |version: Option<u64>| version.map_or("-".to_owned(), |version| version.to_string());
            self.log.push(match event {
                Event::TwinDocument { token: None, version: at, stale: false, .. } => format!("D{}", version(at)),
                Event::TwinDocument { token: Some(_), version: at, stale, .. } => {
                    format!("{}{}", if stale { "S" } else { "A" }, version(at))
                }
                Event::TwinDesired { version: at, unsynced, .. } => {
                    format!("{}{}", if unsynced { "U" } else { "P" }, version(at))
                }
                Event::TwinSyncFailed { reason: RequestError::Status(status) } => format!("F{status}"),
                Event::TwinSyncFailed { reason: RequestError::TooLarge { .. } } => "F-".to_owned(),
                Event::Skipped(_) => "K".to_owned(),
                Event::Connected { .. } | Event::Ready { .. } | Event::Disconnected(_) => continue,
                other => panic!("{other:?}"),
            });
            self.transmit();
        }
        assert!(bytes.is_empty(), "{:?}", self.log);
        self.transmit();
    }

    fn transmit(&mut self) {
        while let Some(bytes) = self.client.poll_transmit() {
            let len = bytes.len();
            if let Packet::Publish(publish) = codec::decode(bytes).unwrap()
                && let Some(request) = publish.topic.strip_prefix("$iothub/twin/GET/?$rid=")
            {
                if request.starts_with('s') {
                    self.gets.push(request.to_owned());
                    self.log.push(format!("G@{}", self.now.as_millis()));
                } else {
                    self.asked.last_mut().unwrap().1 = request.to_owned();
                }
            }
            self.client.confirm_transmit(self.now, len).unwrap();
        }
    }

    fn wait(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.client.handle_timeout(self.now).unwrap();
            assert!(self.client.poll_timeout().is_none_or(|at| at > self.now), "law 7");
            self.feed(b"");
        }
        self.now = end;
    }

    fn answer(&mut self, request: &str, status: u16, version: Option<u64>, pad: usize) {
        let version = version.map(|version| format!(r#","$version":{version}"#)).unwrap_or_default();
        let body = match status {
            200 => format!(r#"{{"desired":{{"pad":"{}"{version}}},"reported":{{"$version":99}}}}"#, "x".repeat(pad)),
            _ => r#"{"errorCode":1}"#.to_owned(),
        };
        let topic = format!("$iothub/twin/res/{status}/?$rid={request}");
        self.feed(&publish_packet(&topic, body.as_bytes(), false, None));
    }

    fn patch(&mut self, version: Option<u64>, pad: usize) {
        let bag = version.map(|version| format!("?$version={version}")).unwrap_or_default();
        let body = format!(r#"{{"pad":"{}"}}"#, "x".repeat(pad));
        let topic = format!("$iothub/twin/PATCH/properties/desired/{bag}");
        self.feed(&publish_packet(&topic, body.as_bytes(), false, None));
    }

    fn step(&mut self, step: &str) {
        let number = || step[1..].parse::<u64>().unwrap();
        let last = |desk: &Self, back: usize| desk.gets[desk.gets.len() - back].clone();
        match &step[..1] {
            "p" => self.patch(Some(number()), 0),
            "q" => self.patch(Some(number()), LARGE),
            "x" => self.patch(None, 0),
            "d" => self.answer(&last(self, 1), 200, Some(number()), 0),
            "b" => self.answer(&last(self, 1), 200, Some(number()), LARGE),
            "n" => self.answer(&last(self, 1), 200, None, 0),
            "s" => self.answer(&last(self, 1), number() as u16, None, 0),
            "l" => self.answer(&last(self, 2), 200, Some(number()), 0),
            "g" => {
                let token = self.client.twin_get(self.now).unwrap();
                self.asked.push((token, String::new()));
                self.transmit();
            }
            "a" => {
                let (_, request) = self.asked.remove(0);
                self.answer(&request, 200, Some(number()), 0);
            }
            "w" => self.wait(number()),
            "R" => {
                self.client.handle_eof(self.now).unwrap();
                self.feed(b"");
                self.sign_in();
            }
            _ => panic!("{step}"),
        }
    }

    fn run(&mut self, steps: &str) -> String {
        steps.split_whitespace().for_each(|step| self.step(step));
        core::mem::take(&mut self.log).join(" ")
    }
}

/// What is told, what comes in, what is expected.
const TABLE: &[(&str, &str, &str)] = &[
    ("the document, then patches in order", "d5 p6 p7", "G@0 D5 P6 P7"),
    ("an empty twin", "d1 p2", "G@0 D1 P2"),
    ("a patch before the document that has it", "p6 d6 p7", "G@0 D6 P7"),
    ("patches before the document that has them", "p6 p7 p8 d8 p9", "G@0 D8 P9"),
    ("a patch before a document that does not have it", "p7 d6 w1000 d7 p8", "G@0 D6 G@1000 D7 P8"),
    ("a document that has more than the patches before it", "p6 d9 p7 p8 p9 p10", "G@0 D9 P10"),
    ("duplicates", "d5 p6 p6 p5 p7 p7 p1", "G@0 D5 P6 P7"),
    ("a gap right away waits for its second", "d5 p7 w999 w1 d7 p8", "G@0 D5 G@1000 D7 P8"),
    ("a gap later is fetched at once", "d5 w5000 p7 d7 p8", "G@0 D5 G@5000 D7 P8"),
    ("patches after a gap are not delivered until it is closed", "d5 w5000 p7 p8 d8 p9", "G@0 D5 G@5000 D8 P9"),
    ("one that was missing comes late", "d5 w5000 p7 p6 d7 p8", "G@0 D5 G@5000 P6 D7 P8"),
    ("swapped", "d5 w5000 p7 p6 w9 d7 p9 w2000 d9", "G@0 D5 G@5000 P6 D7 G@6000 D9"),
    ("a document older than the gap", "d5 w5000 p9 d7 p8 w2000 d9 p10", "G@0 D5 G@5000 D7 P8 G@7000 D9 P10"),
    ("a document older than what is held, with a gap", "d5 w5000 p9 d4 w2000 d9", "G@0 D5 G@5000 G@7000 D9"),
    ("one fetch at a time", "d5 w5000 p7 p9 p12 w30000 d12 p13", "G@0 D5 G@5000 D12 P13"),
    ("twice caught up", "d5 w5000 p7 d7 w5000 p9 d9", "G@0 D5 G@5000 D7 G@10000 D9"),
    ("the distance starts anew when caught up", "p6 d5 w1000 d6 p8 w1000 d8", "G@0 D5 G@1000 D6 G@2000 D8"),
    ("a twin made anew while away", "d20 p21 R d2 p3 p22 w1000", "G@0 D20 P21 G@0 D2 P3 G@1000"),
    ("a new connection fetches whatever was known", "d5 p6 w10 R d6 p7", "G@0 D5 P6 G@10 D6 P7"),
    ("a fetch dies with its connection", "d5 w5000 p7 R l7 d8 p9", "G@0 D5 G@5000 G@5000 D8 P9"),
    ("a fetch that waits dies with its connection", "d5 p7 w500 R d8 w60000 p9", "G@0 D5 G@500 D8 P9"),
    (
        "throttled, the distance doubles to a minute",
        "s429 w1000 s429 w2000 s429 w4000 s500 w8000 s503 w16000 s599 w32000 s429 w60000 s429 w60000 d5 p6",
        "G@0 G@1000 G@3000 G@7000 G@15000 G@31000 G@63000 G@123000 G@183000 D5 P6",
    ),
    ("throttled, then a gap", "s429 w1000 d5 p7 w1000 d7", "G@0 G@1000 D5 G@2000 D7"),
    ("patches while throttled", "s429 p6 p7 w1000 d7 p8", "G@0 G@1000 D7 P8"),
    ("a throttled fetch is answered long after it was sent", "w5000 s429 d5", "G@0 G@5000 D5"),
    ("no answer", "w200000", "G@0 G@60000 G@120000 G@180000"),
    ("an answer after its time", "w60000 l5 d6 p7", "G@0 G@60000 D6 P7"),
    ("an answer twice", "d5 d6 p6", "G@0 D5 P6"),
    ("another status", "s400 p6 p9 w999999 p2", "G@0 F400 U6 U9 U2"),
    ("another status after a gap", "d5 w5000 p7 s404 p8 w999999", "G@0 D5 G@5000 F404 U8"),
    ("a redirect is another status", "s301 p6", "G@0 F301 U6"),
    ("failed on one connection, not on the next", "s400 p6 R d6 p7", "G@0 F400 U6 G@0 D6 P7"),
    ("the document is too large", "b5 p6 w999999", "G@0 F- U6"),
    ("the document becomes too large", "d5 w5000 p7 b7 p8 p8 w999999", "G@0 D5 G@5000 F- U8 U8"),
    ("a patch is too large", "d5 w5000 q6 d6 p7", "G@0 D5 K G@5000 D6 P7"),
    ("a patch is too large before the document", "q6 d5 w1000 d6", "G@0 K D5 G@1000 D6"),
    ("an old patch is too large", "d5 q5 p6 w999999", "G@0 D5 K P6"),
    ("a document without a version", "n p6 p9", "G@0 D- U6 U9"),
    ("a patch without a version", "d5 x p6", "G@0 D5 U- P6"),
    ("the application asks too", "d5 g a5 p6", "G@0 D5 A5 P6"),
    ("the application's answer is old", "d5 g p6 a5 p7", "G@0 D5 P6 S5 P7"),
    ("the application's answer closes the gap", "d5 w5000 g p7 a7 p8 d7 w999999", "G@0 D5 G@5000 A7 P8"),
    ("the application's answer shows a gap", "d5 w5000 p7 g a6 w1000 d7", "G@0 D5 G@5000 A6 D7"),
    ("the application's answer comes first", "g a5 p6 d5 w999999", "G@0 A5 P6"),
    ("the application asks after it has failed", "p9 s404 g a8 p10 w999999", "G@0 F404 A8 U10"),
];

#[test]
fn every_order_of_patches_and_documents() {
    let mut wrong = Vec::new();
    for (name, steps, wanted) in TABLE {
        let found = Desk::new().run(steps);
        if found != *wanted {
            wrong.push(format!("{name}: {steps}\n  wanted {wanted}\n  found  {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A hub that loses, swaps and repeats patches, and answers late or not at all.
#[test]
fn whatever_is_lost_the_application_ends_at_the_hubs_version() {
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let mut desk = Desk::new();
        let (mut version, mut under_way, mut answered) = (1_u64, Vec::new(), 0);
        for _ in 0..rng.between(5, 60) {
            match rng.between(0, 9) {
                0..=3 => {
                    version += 1;
                    match rng.between(0, 5) {
                        0 => {}
                        1 => under_way.extend([version, version]),
                        _ => under_way.push(version),
                    }
                }
                4 | 5 if !under_way.is_empty() => {
                    let index = rng.between(0, under_way.len() as u64 - 1) as usize;
                    let patch = under_way.remove(index);
                    desk.step(&format!("p{patch}"));
                }
                6 if desk.gets.len() > answered => {
                    answered = desk.gets.len();
                    let status = [429, 500, 503][rng.between(0, 2) as usize];
                    desk.step(&format!("s{status}"));
                }
                7 if desk.gets.len() > answered => {
                    answered = desk.gets.len();
                    // As the twin was a moment ago.
                    let then = version.saturating_sub(rng.between(0, 2)).max(1);
                    desk.step(&format!("d{then}"));
                }
                _ => desk.wait(rng.between(0, 5_000)),
            }
        }
        // Now nothing is lost any more: one patch and time enough for the fetches.
        version += 1;
        desk.step(&format!("p{version}"));
        // The first answer may still be one of before.
        let mut shown = version.saturating_sub(rng.between(0, 9)).max(1);
        for _ in 0..6 {
            if desk.gets.len() > answered {
                answered = desk.gets.len();
                desk.step(&format!("d{shown}"));
                shown = version;
            }
            desk.wait(60_000);
        }
        check(seed, &desk.log, version);
    }
}

/// Patches are delivered one after another, fetches are a second apart, and the last version is the hub's.
fn check(seed: u64, log: &[String], version: u64) {
    let (mut held, mut last) = (None, None);
    for entry in log {
        let at = || entry[1..].parse::<u64>().unwrap();
        match &entry[..1] {
            "D" => {
                assert!(held <= Some(at()), "seed {seed}: {entry} goes back: {log:?}");
                held = Some(at());
            }
            "P" => {
                assert_eq!(held, at().checked_sub(1), "seed {seed}: {entry} does not follow: {log:?}");
                held = Some(at());
            }
            "G" => {
                let at = entry[2..].parse::<u64>().unwrap();
                assert!(last.is_none_or(|last| at >= last + 1_000), "seed {seed}: {entry} is too early: {log:?}");
                last = Some(at);
            }
            _ => panic!("seed {seed}: {entry}"),
        }
    }
    assert_eq!(held, Some(version), "seed {seed}: {log:?}");
}

#[test]
fn refused_filters_that_are_granted_later_start_synchronisation() {
    let mut desk = Desk::new();
    desk.client.handle_eof(desk.now).unwrap();
    desk.feed(b"");
    desk.log.clear();
    desk.client.connect(desk.now, &ConnectOptions::default()).unwrap();
    desk.transmit();
    desk.feed(b"\x20\x02\x00\x00");
    desk.feed(b"\x90\x04\xff\xff\x80\x80");
    assert!(desk.log.is_empty(), "{:?}", desk.log);
    desk.client.subscribe(desk.now, Features::TWIN | Features::DESIRED).unwrap();
    desk.transmit();
    // `Subscribed` is the only event of this test that the log does not know.
    let handled = desk.client.handle_input(desk.now, b"\x90\x04\xff\xff\x00\x00").unwrap();
    assert!(matches!(handled.event, Some(Event::Subscribed { refused: Features::NONE, .. })), "{handled:?}");
    desk.transmit();
    assert_eq!(desk.run("d5 p6"), "G@0 D5 P6");
}
