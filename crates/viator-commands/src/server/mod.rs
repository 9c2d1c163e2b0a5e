//! The server itself.

mod aof;
mod art;
mod command;
mod command_docs;
mod command_info;
mod config;
mod database;
mod debug;
mod digest;
mod info;
mod latency;
mod latency_report;
mod memory;
mod monitor;
mod save;
mod shutdown;
mod slowlog;

use viator_engine::command::Command;

/// The family.
pub static COMMANDS: &[&Command] = &[
    &aof::BGREWRITEAOF,
    &command::COMMAND,
    &config::CONFIG,
    &database::DBSIZE,
    &database::FLUSHALL,
    &database::FLUSHDB,
    &database::SWAPDB,
    &debug::DEBUG,
    &info::INFO,
    &info::LASTSAVE,
    &info::LOLWUT,
    &info::ROLE,
    &info::TIME,
    &latency::LATENCY,
    &memory::MEMORY,
    &monitor::MONITOR,
    &save::BGSAVE,
    &save::SAVE,
    &shutdown::SHUTDOWN,
    &slowlog::SLOWLOG,
];
