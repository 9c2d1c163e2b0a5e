//! Lists.

mod blocking;
mod edit;
mod moving;
mod pop;
mod push;
mod read;

use viator_data::list::{End, Limits, List};
use viator_engine::args::is;
use viator_engine::command::{ArgSpec, Command};
use viator_engine::config::NotifyFlags;
use viator_engine::error::Error;
use viator_engine::keys::WriteKeys;
use viator_engine::typed::list_limits;
use viator_resp::reply::Reply;

/// The family.
pub static COMMANDS: &[&Command] = &[
    &push::LPUSH,
    &push::RPUSH,
    &push::LPUSHX,
    &push::RPUSHX,
    &pop::LPOP,
    &pop::RPOP,
    &pop::LMPOP,
    &read::LLEN,
    &read::LINDEX,
    &read::LRANGE,
    &read::LPOS,
    &edit::LSET,
    &edit::LINSERT,
    &edit::LREM,
    &edit::LTRIM,
    &moving::LMOVE,
    &moving::RPOPLPUSH,
    &blocking::BLPOP,
    &blocking::BRPOP,
    &blocking::BLMOVE,
    &blocking::BRPOPLPUSH,
    &blocking::BLMPOP,
];

const LEFT: ArgSpec = ArgSpec::token("left", "LEFT");
const RIGHT: ArgSpec = ArgSpec::token("right", "RIGHT");
/// LEFT or RIGHT.
const WHERE: ArgSpec = ArgSpec::oneof("where", &[LEFT, RIGHT]);

/// The end that an argument names.
fn end(arg: &[u8]) -> Result<End, Error> {
    if is(arg, "left") {
        Ok(End::Front)
    } else if is(arg, "right") {
        Ok(End::Back)
    } else {
        Err(Error::Syntax)
    }
}

/// The event of a push.
const fn pushed(end: End) -> &'static str {
    match end {
        End::Front => "lpush",
        End::Back => "rpush",
    }
}

/// The event of a pop.
const fn popped(end: End) -> &'static str {
    match end {
        End::Front => "lpop",
        End::Back => "rpop",
    }
}

/// How lists are cut into nodes now.
fn limits(keys: &WriteKeys<'_, '_>) -> Limits {
    list_limits(keys.cfg())
}

/// Pushes values at an end of a list, which is made if it is not there; returns its length.
fn push<V: AsRef<[u8]>>(keys: &mut WriteKeys<'_, '_>, key: &[u8], end: End, values: &[V]) -> Result<usize, Error> {
    let limits = limits(keys);
    let list = keys.write_or_new::<List>(key, |_| List::new())?;
    list.push(end, values, &limits);
    Ok(list.len())
}

/// Takes up to `count` elements (one at least) off an end of a list that is there, and replies with them as an array.
fn pop_many(keys: &mut WriteKeys<'_, '_>, out: &mut Reply, key: &[u8], end: End, count: usize) -> Result<usize, Error> {
    let limits = limits(keys);
    let Some(list) = keys.write::<List>(key)? else { return Ok(0) };
    let len = list.len();
    let n = count.min(len);
    out.array(n);
    let mut digits = viator_data::packed::IntBuf::new();
    let mut left = n;
    let first = if end == End::Front { 0 } else { len.saturating_sub(1) };
    list.visit(first, end == End::Back, |e| {
        out.bulk(e.bytes(&mut digits));
        left -= 1;
        left > 0
    });
    let emptied = n == len;
    if !emptied {
        list.remove_range(if end == End::Front { 0 } else { len - n }, n, &limits);
    }
    keys.changed(NotifyFlags::LIST, popped(end), key, n as u64);
    if emptied {
        keys.delete(key, false);
        keys.notify(NotifyFlags::GENERIC, "del", key);
    }
    Ok(n)
}
