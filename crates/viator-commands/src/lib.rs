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

#[cfg(test)]
mod tests {
    use super::*;
    use viator_engine::command::{KeyFlags, Scope};

    /// In a transaction a command has the locks that its scope names, and no others.
    #[test]
    fn commands_with_keys_name_them_as_their_scope() {
        let has_keys = |c: &Command| c.keys.iter().any(|k| !k.flags.has(KeyFlags::NOT_KEY));
        let with_subs = all().flat_map(|c| std::iter::once(c).chain(c.subcommands.iter().copied()));
        let missing: Vec<_> =
            with_subs.filter(|c| has_keys(c) && matches!(c.scope, Scope::None)).map(|c| c.name).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
