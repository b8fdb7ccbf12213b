//! Faults to plant: what a target is there to find must be found when it is there.
//!
//! A planted fault falsifies what the target sees of the library, as a bug in the library would. None is planted
//! unless a test asks for it by [`with`], or the environment by [`VARIABLE`], which is how `fuzz/run --controls` does it.

use std::cell::Cell;

/// Names the fault to plant.
pub const VARIABLE: &str = "IOTHUB_FUZZ_PLANT";

macro_rules! plants {
    ($($target:literal { $($plant:ident = $name:literal: $what:literal,)* })*) => {
        /// A fault, named after what the library would be doing wrong.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Plant {
            $($(#[doc = $what] $plant,)*)*
        }

        /// Each fault with the target that must find it and its name.
        pub const PLANTS: &[(Plant, &str, &str)] = &[$($((Plant::$plant, $target, $name),)*)*];
    };
}

plants! {
    "packet" {
        Reencode = "reencode": "A QoS 1 PUBLISH is written without its DUP flag.",
        Lenient = "lenient": "A SUBACK is read although a code is reserved.",
        Early = "early": "A PUBLISH is refused by its first bytes that is accepted as a whole.",
        OtherCodec = "other-codec": "The payload of a PUBLISH begins a byte too late.",
    }
    "stream" {
        ChunkEvent = "chunk-event": "A message on an unknown topic is lost if the bytes come in chunks.",
        ChunkAck = "chunk-ack": "An acknowledgement is lost if the bytes come in chunks.",
        ChunkOutput = "chunk-output": "A packet at QoS 0 is lost if the bytes come in chunks.",
        ChunkPiece = "chunk-piece": "The last byte of a piece is another one if the bytes come in chunks.",
        OwnedEvent = "owned-event": "The owned client cuts an event short.",
        Needed = "needed": "The size of an incomplete packet is told too small.",
    }
    "topic" {
        WrongMeaning = "wrong-meaning": "A twin response without a version is one with version 0.",
        BagPair = "bag-pair": "A value ends at a second `=`.",
        BagSent = "bag-sent": "A space is sent as a plus sign.",
        Counted = "counted": "The name of an application property is not counted.",
    }
    "session" {
        LoseMessage = "lose-message": "Telemetry that was accepted is dropped when the connection ends.",
        NoDup = "no-dup": "A message is sent again without DUP.",
        EarlyAck = "early-ack": "Telemetry counts as acknowledged once it is sent.",
        MovedLend = "moved-lend": "What was lent changes before it is confirmed.",
        Overtaken = "overtaken": "The payload of a later message leaves first.",
        PastDeadline = "past-deadline": "A deadline stays after it was handled.",
        NoDeadline = "no-deadline": "A client that waits has no deadline.",
        LoseAccept = "lose-accept": "An accepted message is never acknowledged.",
        AckLeft = "ack-left": "A message that was left is acknowledged.",
        LosePatch = "lose-patch": "A desired patch is not delivered.",
        LoseRequest = "lose-request": "The end of a twin request is not told.",
        LosePiece = "lose-piece": "A piece of a payload is not delivered.",
        OtherPart = "other-part": "A part of a message is sent as another.",
        HalfCommand = "half-command": "A command that is refused changes something.",
        Unsticky = "unsticky": "A fatal error is told once.",
        Promise = "promise": "An event is promised and does not come.",
    }
    "connection_string" {
        LaxKey = "lax-key": "A key that stands twice counts once.",
        Secret = "secret": "A key is shown by Debug.",
        Base64 = "base64": "Base64 without its padding is taken.",
        Token = "token": "A token is signed over another expiry.",
    }
    "twin" {
        Merge = "merge": "A null in a new object is kept.",
        Version = "version": "A version is read out of a component.",
        SplitVersion = "split-version": "A version cut in two is not read.",
        Rules = "rules": "A null in an array is reported.",
        SplitProperty = "split-property": "A property is lost if the bytes come in pieces.",
        Component = "component": "The properties of a component without the marker are lost.",
        Gap = "gap": "A patch is merged although one before it is missing.",
    }
    "c_abi" {
        Span = "span": "A payload ends behind the input.",
        Reason = "reason": "A deadline has the reason of another.",
        Lend = "lend": "The last byte of a lent packet is not lent.",
        TextLost = "text-lost": "A property without a value has an empty one.",
        OutLeft = "out-left": "A result is left as it was when the call fails.",
        Overrun = "overrun": "A byte behind the caller's buffer is written.",
        ShortHub = "short-hub": "The name of an assigned hub lacks its first letter.",
        SocketByte = "socket-byte": "The last byte that came through a WebSocket is another.",
    }
}

thread_local! {
    static PLANTED: Cell<Option<Plant>> = Cell::new(from_environment());
}

/// # Panics
///
/// If the environment asks for a fault that there is not.
fn from_environment() -> Option<Plant> {
    let name = std::env::var(VARIABLE).ok().filter(|name| !name.is_empty())?;
    let plant = PLANTS.iter().find(|(_, _, known)| *known == name);
    Some(plant.unwrap_or_else(|| panic!("{VARIABLE}: no fault {name:?}")).0)
}

/// Whether a fault is planted in this thread, so that a panic in it is no news.
#[must_use]
pub fn is_any() -> bool {
    PLANTED.get().is_some()
}

/// Whether this fault is planted.
pub(crate) fn planted(plant: Plant) -> bool {
    PLANTED.get() == Some(plant)
}

/// Does something with a fault planted.
pub fn with<T>(plant: Plant, action: impl FnOnce() -> T) -> T {
    PLANTED.set(Some(plant));
    let outcome = action();
    PLANTED.set(None);
    outcome
}
