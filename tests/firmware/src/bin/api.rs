//! Every public function, called as `tests/no-panic` calls them: it links only if none can panic. It is not run.
#![no_std]
#![no_main]

#[path = "../../../no-panic/src/calls/mod.rs"]
mod calls;

harness::scenario!(all);

fn all() -> Result<(), u32> {
    calls::all();
    Ok(())
}
