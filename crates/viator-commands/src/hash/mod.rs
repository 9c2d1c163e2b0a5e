//! Hashes.

mod expire;
mod expiry;
mod getset;
mod incr;
mod random;
mod read;
mod scan;
mod write;

use viator_data::hash::Hash;
use viator_data::packed::Entry;
use viator_engine::args::{Args, OwnedArgs};
use viator_engine::command::Command;
use viator_engine::error::Error;
use viator_engine::keys::{ReadKeys, WriteKeys};

/// The family.
pub static COMMANDS: &[&Command] = &[
    &expire::HEXPIRE,
    &expire::HPEXPIRE,
    &expire::HEXPIREAT,
    &expire::HPEXPIREAT,
    &expire::HTTL,
    &expire::HPTTL,
    &expire::HEXPIRETIME,
    &expire::HPEXPIRETIME,
    &expire::HPERSIST,
    &getset::HGETDEL,
    &getset::HGETEX,
    &getset::HSETEX,
    &incr::HINCRBY,
    &incr::HINCRBYFLOAT,
    &random::HRANDFIELD,
    &read::HGET,
    &read::HMGET,
    &read::HGETALL,
    &read::HKEYS,
    &read::HVALS,
    &read::HEXISTS,
    &read::HLEN,
    &read::HSTRLEN,
    &scan::HSCAN,
    &write::HSET,
    &write::HMSET,
    &write::HSETNX,
    &write::HDEL,
];

/// Unix milliseconds, as fields' expiration times count them.
fn now(keys: &ReadKeys<'_, '_>) -> u64 {
    keys.expiry_now().max(0).unsigned_abs()
}

/// Names and values that alternate.
fn pairs(args: Args<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut words = args.iter();
    std::iter::from_fn(move || Some((words.next()?, words.next()?)))
}

/// Does something with the value of a field; an expired field is none, and is removed.
fn with_value<R>(
    keys: &mut ReadKeys<'_, '_>,
    key: &[u8],
    name: &[u8],
    then: impl FnOnce(Option<Entry<'_>>) -> R,
) -> Result<R, Error> {
    let now = now(keys);
    match keys.read::<Hash>(key)?.and_then(|h| h.get(name)) {
        Some(f) if f.is_live(now) => return Ok(then(Some(f.value))),
        Some(_) => keys.expire_fields(key, &[name]),
        None => {}
    }
    Ok(then(None))
}

/// Removes those of the fields that have expired, before a command writes to the hash.
fn expire_if_due(keys: &mut WriteKeys<'_, '_>, key: &[u8], names: &[&[u8]]) -> Result<(), Error> {
    let now = now(keys);
    let Some(hash) = keys.write::<Hash>(key)? else { return Ok(()) };
    if hash.min_expire().is_none_or(|at| now <= at) {
        return Ok(());
    }
    let due: Vec<&[u8]> = names.iter().copied().filter(|n| hash.get(n).is_some_and(|f| !f.is_live(now))).collect();
    keys.expire_fields(key, &due);
    Ok(())
}

/// Has the removal of fields propagated, whatever the command was: each for itself.
fn propagate_hdel(keys: &mut WriteKeys<'_, '_>, key: &[u8], names: &[&[u8]]) {
    for name in names {
        keys.propagate_as(|| OwnedArgs::from_slices([b"HDEL", key, name]));
    }
}
