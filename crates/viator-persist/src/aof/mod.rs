//! The append-only file as Redis 7 and later keep it: a folder with a base (a snapshot), increments (logs of commands),
//! and a manifest that tells in which order to read them.

pub mod check;
pub mod commands;
pub mod journal;
mod log;
pub mod manifest;

pub use log::{Item, LogError, LogReader};
pub use manifest::{Kind, Manifest, ManifestError, Part};
