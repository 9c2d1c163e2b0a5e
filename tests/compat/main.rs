//! Viator against the reference: the same commands to both, every reply and the resulting datasets compared.
//!
//! - `scripts/*.txt`: handwritten command lines (the format is described in `scripts.rs`);
//! - `families/*.rs`: seeded random sequences, reduced to the shortest that still shows a difference.
//!
//! `VIATOR_SEED` repeats a run, `VIATOR_COMPAT_N` sets the number of commands for each family, `VIATOR_BIN` names
//! another server to compare with the reference, `VIATOR_REFERENCE` (`redis-8.2`, …) another reference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod examples;
mod families;
mod known;
mod pair;
mod random;
mod replay;
mod scripts;
mod stress;

use common::{Launch, Server};

/// The server under test and the reference, started alike; `None`, said aloud, where the reference is not installed.
fn servers() -> Option<(Server, Server)> {
    let reference = match std::env::var("VIATOR_REFERENCE") {
        Ok(name) => Launch::peer(&name)?,
        Err(_) => Launch::reference()?,
    };
    // Uncompressed DUMP payloads are the same bytes whoever writes them.
    let like = |l: Launch| l.directive("rdbcompression", "no").directive("save", "\"\"").start();
    Some((like(Launch::viator()), like(reference)))
}
