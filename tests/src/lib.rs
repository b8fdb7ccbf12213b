//! Hub simulator and harness.
