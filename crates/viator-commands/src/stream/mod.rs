//! Streams.

mod ack;
mod add;
mod autoclaim;
mod claim;
mod delete;
mod entry;
mod group;
mod id;
mod info;
mod info_full;
mod pending;
mod propagate;
mod range;
mod read;
mod read_group;
mod setid;
mod trim;

use viator_engine::command::Command;

/// The family.
pub static COMMANDS: &[&Command] = &[
    &ack::XACK,
    &ack::XACKDEL,
    &add::XADD,
    &autoclaim::XAUTOCLAIM,
    &claim::XCLAIM,
    &delete::XDEL,
    &delete::XDELEX,
    &group::XGROUP,
    &info::XINFO,
    &pending::XPENDING,
    &range::XLEN,
    &range::XRANGE,
    &range::XREVRANGE,
    &read::XREAD,
    &read_group::XREADGROUP,
    &setid::XSETID,
    &trim::XTRIM,
];
