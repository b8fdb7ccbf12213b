//! All tests that drive the core at its verbs, in one program: thirty take longer to link than to run. Only
//! `tests/mutation` builds this, which needs them a thousand times.

#[path = "../conformance/main.rs"]
mod conformance;
#[path = "../known_bugs.rs"]
mod known_bugs;
#[path = "../law_any_order.rs"]
mod law_any_order;
#[path = "../law_bad_inputs.rs"]
mod law_bad_inputs;
#[path = "../law_capacity.rs"]
mod law_capacity;
#[path = "../law_input.rs"]
mod law_input;
#[path = "../law_life.rs"]
mod law_life;
#[path = "../law_limits.rs"]
mod law_limits;
#[path = "../law_oversize.rs"]
mod law_oversize;
#[path = "../law_parts.rs"]
mod law_parts;
#[path = "../law_redelivery.rs"]
mod law_redelivery;
#[path = "../law_secrets.rs"]
mod law_secrets;
#[path = "../law_states.rs"]
mod law_states;
#[path = "../law_stream.rs"]
mod law_stream;
#[path = "../law_time/main.rs"]
mod law_time;
#[path = "../law_transmit/main.rs"]
mod law_transmit;
#[path = "../law_twin.rs"]
mod law_twin;
#[path = "../pair_chunking.rs"]
mod pair_chunking;
#[path = "../pair_cuts.rs"]
mod pair_cuts;
#[path = "../pair_disconnect.rs"]
mod pair_disconnect;
#[path = "../pair_first_steps.rs"]
mod pair_first_steps;
#[path = "../pair_liveness.rs"]
mod pair_liveness;
#[path = "../pair_messages.rs"]
mod pair_messages;
#[path = "../pair_methods.rs"]
mod pair_methods;
#[path = "../pair_pnp.rs"]
mod pair_pnp;
#[path = "../pair_poison.rs"]
mod pair_poison;
#[path = "../pair_sign_in.rs"]
mod pair_sign_in;
#[path = "../pair_stream.rs"]
mod pair_stream;
#[path = "../pair_telemetry.rs"]
mod pair_telemetry;
#[path = "../pair_twin.rs"]
mod pair_twin;
#[path = "../pair_twin_sync.rs"]
mod pair_twin_sync;
#[path = "../topic_vectors.rs"]
mod topic_vectors;

#[test]
fn none_is_missing() {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).expect("the folder of these tests");
    for file in folder {
        let file = file.expect("an entry");
        let mut name = file.file_name().into_string().expect("a name");
        if file.path().is_dir() {
            name.push_str("/main.rs");
        }
        let wanted = name.starts_with("law_") || name.starts_with("pair_");
        assert!(!wanted || include_str!("main.rs").contains(&format!("\"../{name}\"")), "{name}");
    }
}
