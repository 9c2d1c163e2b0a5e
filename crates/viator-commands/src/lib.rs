//! The command families: each a list of [`Command`] declarations beside their handlers.

use viator_engine::command::Command;

mod bitmap;
pub mod declare;
pub mod help;
mod keys;
mod server;
mod string;

/// Every family's top-level commands; the order is without meaning.
pub static FAMILIES: &[&[&Command]] = &[string::COMMANDS, bitmap::COMMANDS, keys::COMMANDS, server::COMMANDS];

/// Every top-level command; subcommands hang from their containers.
pub fn all() -> impl Iterator<Item = &'static Command> {
    FAMILIES.iter().flat_map(|family| family.iter().copied())
}
