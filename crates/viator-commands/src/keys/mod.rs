//! Keys of any type: the generic commands.

mod dump;
mod exists;
mod expire;
mod migrate;
pub mod object;
mod rename;
mod scan;
mod sort;
mod sorting;
mod ttl;
mod wait;

use viator_engine::command::Command;

/// The family.
pub static COMMANDS: &[&Command] = &[
    &dump::DUMP,
    &dump::RESTORE,
    &dump::RESTORE_ASKING,
    &exists::DEL,
    &exists::UNLINK,
    &exists::EXISTS,
    &exists::TOUCH,
    &exists::TYPE,
    &expire::EXPIRE,
    &expire::PEXPIRE,
    &expire::EXPIREAT,
    &expire::PEXPIREAT,
    &expire::PERSIST,
    &migrate::MIGRATE,
    &object::OBJECT,
    &rename::RENAME,
    &rename::RENAMENX,
    &rename::MOVE,
    &rename::COPY,
    &scan::SCAN,
    &scan::KEYS,
    &scan::RANDOMKEY,
    &sort::SORT,
    &sort::SORT_RO,
    &ttl::TTL,
    &ttl::PTTL,
    &ttl::EXPIRETIME,
    &ttl::PEXPIRETIME,
    &wait::WAIT,
    &wait::WAITAOF,
];
