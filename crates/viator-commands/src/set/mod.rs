//! Sets.

mod algebra;
mod change;
mod random;
mod read;

use viator_engine::command::Command;

/// The family.
pub static COMMANDS: &[&Command] = &[
    &change::SADD,
    &change::SREM,
    &change::SMOVE,
    &read::SISMEMBER,
    &read::SMISMEMBER,
    &read::SCARD,
    &read::SMEMBERS,
    &read::SSCAN,
    &random::SPOP,
    &random::SRANDMEMBER,
    &algebra::SINTER,
    &algebra::SINTERCARD,
    &algebra::SINTERSTORE,
    &algebra::SUNION,
    &algebra::SUNIONSTORE,
    &algebra::SDIFF,
    &algebra::SDIFFSTORE,
];
