//! Secrets: never printed, and overwritten as soon as they are sent or cannot be.

use iothub_proto::error::TimeoutReason;
use iothub_proto::topic::SystemProperties;
use iothub_proto::{Config, ConnectOptions, Settings, Telemetry};
use iothub_tests::script::{ACCEPTED, IDENTITY, Memory, Rig, hex, quiet};

const SECRET: &str = "SharedAccessSignature sr=x&sig=c2VjcmV0IHNpZ25hdHVyZQ%3D%3D&se=1767225600";

fn options() -> ConnectOptions<'static> {
    ConnectOptions { password: Some(SECRET), ..Default::default() }
}

/// Whether any eight bytes of the secret are in `memory`.
fn holds_secret(memory: &[u8]) -> bool {
    SECRET.as_bytes().windows(8).any(|part| memory.windows(8).any(|bytes| bytes == part))
}

/// Whether `text` shows the secret: as it is, or as the numbers of its bytes.
fn shows_secret(text: &str) -> bool {
    // One number a line, in the alternate form.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let spelled = |format: fn(u8) -> String, between: &str| {
        let numbers: Vec<String> = SECRET.bytes().map(format).collect();
        numbers.windows(6).any(|part| text.contains(&part.join(between)))
    };
    let text_parts = SECRET.as_bytes().windows(8).any(|part| text.contains(std::str::from_utf8(part).unwrap()));
    text_parts
        || spelled(|byte| byte.to_string(), ", ")
        || spelled(|byte| format!("{byte:02x}"), "")
        || spelled(|byte| format!("{byte:#x}"), ", ")
}

/// Runs `script` up to its end and gives what is in the client's memory, which a drop would clean up.
fn after(settings: Settings, script: impl Fn(&mut Rig<'_>)) -> Vec<u8> {
    let mut memory = Memory::default();
    let mut rig = memory.rig(settings);
    rig.connect_with(&options());
    script(&mut rig);
    std::mem::forget(rig);
    memory.tx
}

#[test]
fn the_password_is_there_until_connect_is_confirmed_and_gone_after() {
    assert!(holds_secret(&after(quiet(), |_| {})), "or the others mean nothing");
    let len = {
        let mut memory = Memory::default();
        let mut rig = memory.rig(quiet());
        rig.connect_with(&options());
        rig.lent().len()
    };
    for confirmed in 0..len {
        let memory = after(quiet(), |rig| {
            rig.lent();
            rig.confirm(confirmed);
        });
        assert!(holds_secret(&memory), "{confirmed} of {len} bytes are confirmed, the rest is lent");
    }
    assert!(!holds_secret(&after(quiet(), |rig| drop(rig.sent()))));
}

#[test]
fn the_password_is_gone_with_the_client() {
    for lent in [0, 20] {
        let mut memory = Memory::default();
        let mut rig = memory.rig(quiet());
        rig.connect_with(&options());
        if lent > 0 {
            rig.lent();
            rig.confirm(lent);
        }
        drop(rig);
        assert!(!holds_secret(&memory.tx), "{lent} bytes were confirmed");
    }
}

#[test]
fn the_password_is_gone_after_any_end_before_that() {
    type End = (&'static str, fn(&mut Rig<'_>));
    let ends: [End; 8] = [
        ("cut before it was lent", |rig| rig.client.handle_eof(rig.now).unwrap()),
        ("cut while lent", |rig| {
            rig.lent();
            rig.client.handle_eof(rig.now).unwrap();
        }),
        ("cut half sent", |rig| {
            rig.lent();
            rig.confirm(20);
            rig.client.handle_eof(rig.now).unwrap();
        }),
        ("disconnect", |rig| rig.client.disconnect(rig.now).unwrap()),
        ("violation", |rig| {
            rig.feed(&[0]);
        }),
        ("refused half sent", |rig| {
            rig.lent();
            rig.confirm(20);
            rig.feed(&hex("20020005"));
        }),
        ("stalled", |rig| {
            rig.lent();
            rig.pass(TimeoutReason::Send).unwrap_err();
        }),
        ("accepted half sent, then cut", |rig| {
            rig.lent();
            rig.confirm(20);
            rig.feed(&ACCEPTED);
            rig.client.handle_eof(rig.now).unwrap();
        }),
    ];
    for (name, end) in ends {
        assert!(!holds_secret(&after(quiet(), end)), "{name}");
    }
}

#[test]
fn the_password_is_gone_if_connect_is_accepted_before_its_last_byte() {
    let memory = after(quiet(), |rig| {
        let len = rig.lent().len();
        rig.confirm(20);
        rig.feed(&ACCEPTED);
        rig.confirm(len - 20);
    });
    assert!(!holds_secret(&memory));
}

#[test]
fn a_connect_that_does_not_fit_leaves_nothing_behind() {
    for reserve in 0..400 {
        let mut memory = Memory::default();
        let settings = Settings { connect_reserve: reserve, ..quiet() };
        let mut rig = memory.try_rig(Config { identity: IDENTITY, settings }).unwrap();
        let is_refused = rig.client.connect(rig.now, &options()).is_err();
        std::mem::forget(rig);
        assert!(holds_secret(&memory.tx) != is_refused, "{reserve} bytes: refused is {is_refused}");
    }
}

#[test]
fn nothing_printed_shows_the_password() {
    let message = Telemetry { payload: SECRET.as_bytes(), ..Telemetry::default() };
    let with_will = ConnectOptions { will: Some(&message), ..options() };
    assert!(!shows_secret(&format!("{with_will:?} {with_will:#?}")));

    let mut memory = Memory::default();
    let settings = Settings { connect_reserve: 600, ..quiet() };
    let mut rig = memory.rig(settings);
    rig.connect_with(&with_will);
    let printed = |rig: &mut Rig<'_>| format!("{:?} {:#?}", rig.client, rig.client);
    assert!(!shows_secret(&printed(&mut rig)), "before it is lent");
    rig.lent();
    rig.confirm(10);
    assert!(!shows_secret(&printed(&mut rig)), "half sent");
    rig.send(SECRET.as_bytes());
    assert!(!shows_secret(&printed(&mut rig)), "a body is nobody's business either");
    assert!(printed(&mut rig).contains("dev1"), "what is printed is of use");

    let mut memory = Memory::default();
    let mut rig = memory.rig(Settings { connect_reserve: 50, ..quiet() });
    let error = rig.client.connect(rig.now, &with_will).unwrap_err();
    assert!(!shows_secret(&format!("{error:?} {error}")));
    let system = SystemProperties::default();
    assert!(!shows_secret(&format!("{:?}", Telemetry { system: &system, ..message })));
}

#[test]
fn storage_and_the_receive_buffer_print_no_bytes() {
    let mut memory = Memory::default();
    memory.tx[..SECRET.len()].copy_from_slice(SECRET.as_bytes());
    let storage = iothub_proto::Storage { tx: &mut memory.tx, slots: &mut memory.slots, inbound: &mut memory.inbound };
    assert!(!shows_secret(&format!("{storage:?}")));
    let mut room = [0; 128];
    let mut rx = iothub_proto::RxBuffer::new(&mut room);
    rx.space()[..SECRET.len()].copy_from_slice(SECRET.as_bytes());
    rx.commit(SECRET.len());
    assert!(!shows_secret(&format!("{rx:?}")));
}
