//! The command families: each a list of [`Command`] declarations beside their handlers.

use viator_engine::command::Command;

mod bitmap;
mod collection;
mod connection;
pub mod declare;
mod geo;
mod hash;
mod help;
mod hyperloglog;
mod keys;
mod list;
mod pubsub;
mod scripting;
mod server;
mod set;
mod stream;
mod string;
mod transactions;
mod zset;

/// Every family's top-level commands; the order is without meaning.
pub static FAMILIES: &[&[&Command]] = &[
    bitmap::COMMANDS,
    connection::COMMANDS,
    geo::COMMANDS,
    hash::COMMANDS,
    hyperloglog::COMMANDS,
    keys::COMMANDS,
    list::COMMANDS,
    pubsub::COMMANDS,
    scripting::COMMANDS,
    server::COMMANDS,
    set::COMMANDS,
    stream::COMMANDS,
    string::COMMANDS,
    transactions::COMMANDS,
    zset::COMMANDS,
];

/// Every top-level command; subcommands hang from their containers.
pub fn all() -> impl Iterator<Item = &'static Command> {
    FAMILIES.iter().flat_map(|family| family.iter().copied())
}
