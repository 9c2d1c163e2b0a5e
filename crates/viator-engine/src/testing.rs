//! What unit tests need: a server without a process around it.

use crate::config::Config;
use crate::server::{Garbage, Host, Parts, ProcessInfo, Server, ShutdownRequest};
use crate::table::Table;
use std::sync::Arc;

/// A process that has nothing to do.
struct Idle;

impl Host for Idle {
    fn used_memory(&self) -> u64 {
        0
    }
    fn free_later(&self, garbage: Garbage) {
        drop(garbage);
    }
    fn spawn(&self, _: &'static str, _: crate::server::Job) -> bool {
        false
    }
    fn pending_frees(&self) -> u64 {
        0
    }
    fn shutdown(&self, _: ShutdownRequest) {}
    fn abort_shutdown(&self) -> bool {
        false
    }
    fn apply_config(&self, _: &Config, _: &Config, _: &[&'static str]) -> Result<(), (String, String)> {
        Ok(())
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

/// A server that knows the commands of a table.
pub(crate) fn server(table: Table, now_ms: i64) -> Server {
    Server::new(Parts {
        config: Config::default(),
        table,
        host: Arc::new(Idle),
        config_file: String::new(),
        executable: String::new(),
        seed: 1,
        now_ms,
        run_id: "0".repeat(40),
    })
}
