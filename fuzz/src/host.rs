//! The process that is not there.

use std::sync::Arc;
use viator_engine::config::Config;
use viator_engine::server::{Garbage, Host, Parts, ProcessInfo, Server, ShutdownRequest};
use viator_engine::table::Table;

/// A server of an input's own.
pub fn server() -> Server {
    Server::new(Parts {
        config: Config { proto_max_bulk_len: 1 << 20, ..Config::default() },
        table: Table::new(viator_commands::all(), &[]).expect("the declarations make a table"),
        host: Arc::new(Stub),
        config_file: String::new(),
        executable: String::new(),
        seed: 1,
        now_ms: 1_700_000_000_000,
        run_id: "0".repeat(40),
    })
}

/// A host that does nothing: no sockets, no threads, no files, and no end.
pub struct Stub;

impl Host for Stub {
    fn used_memory(&self) -> u64 {
        100 << 20
    }
    fn free_later(&self, garbage: Garbage) {
        drop(garbage);
    }
    fn spawn(&self, _: &'static str, _: viator_engine::server::Job) -> bool {
        false
    }
    fn pending_frees(&self) -> u64 {
        0
    }
    fn shutdown(&self, _: ShutdownRequest) {}
    fn abort_shutdown(&self) -> bool {
        false
    }
    /// Keeps the bound of a value's length, by which the memory of an input is bounded.
    fn apply_config(&self, _: &Config, _: &Config, changed: &[&'static str]) -> Result<(), (String, String)> {
        match changed.iter().find(|c| **c == "proto-max-bulk-len") {
            Some(name) => Err(((*name).to_owned(), "not here".to_owned())),
            None => Ok(()),
        }
    }
    fn process_info(&self) -> ProcessInfo {
        ProcessInfo::default()
    }
    fn purge(&self) {}
    fn malloc_stats(&self) -> String {
        String::new()
    }
    fn wake_all(&self) {}
}
