//! Strings.

mod get;
mod incr;
mod lcs;
mod multi;
mod range;
mod set;

use viator_engine::command::Command;

/// The family.
pub static COMMANDS: &[&Command] = &[
    &get::GET,
    &get::GETDEL,
    &get::GETEX,
    &get::GETSET,
    &get::STRLEN,
    &get::DIGEST,
    &incr::INCR,
    &incr::DECR,
    &incr::INCRBY,
    &incr::DECRBY,
    &incr::INCRBYFLOAT,
    &lcs::LCS,
    &multi::MGET,
    &multi::MSET,
    &multi::MSETNX,
    &multi::MSETEX,
    &range::APPEND,
    &range::GETRANGE,
    &range::SUBSTR,
    &range::SETRANGE,
    &set::SET,
    &set::SETEX,
    &set::PSETEX,
    &set::SETNX,
    &set::DELEX,
];
