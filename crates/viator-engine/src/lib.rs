//! The command specification and everything around a command's execution.

pub mod aof;
pub mod args;
pub mod auth;
pub mod batch;
pub mod blocking;
pub mod client;
pub mod client_evict;
pub mod client_list;
pub mod command;
pub mod config;
pub mod ctx;
pub mod dispatch;
pub mod error;
pub mod evict;
pub mod expire;
pub mod fields;
pub mod info;
pub mod keys;
pub mod latency;
pub mod local;
pub mod monitor;
pub mod notify;
pub mod pause;
pub mod persistence;
pub mod propagation;
pub mod pubsub;
pub mod scripting;
pub mod server;
pub mod session;
pub mod slowlog;
pub mod snapshot;
pub mod stats;
pub mod table;
#[cfg(test)]
mod testing;
pub mod tracking;
pub mod transaction;
pub mod typed;

/// The version of Redis whose behaviour this is.
pub const REDIS_VERSION: &str = "8.4.0";
