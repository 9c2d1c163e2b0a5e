//! Sorted sets.

pub(crate) mod add;
pub(crate) mod algebra;
mod blocking;
mod pop;
mod random;
mod range;
mod read;
mod remove;

use viator_data::num;
use viator_data::packed::Entry;
use viator_data::zset::{LexBound, ScoreRange, ZSet};
use viator_engine::command::Command;
use viator_engine::config::NotifyFlags;
use viator_engine::error::Error;
use viator_engine::keys::WriteKeys;
use viator_resp::reply::Reply;

use crate::collection::{is_full, reply_entry, reply_score};

/// The family.
pub static COMMANDS: &[&Command] = &[
    &add::ZADD,
    &add::ZINCRBY,
    &algebra::ZDIFF,
    &algebra::ZDIFFSTORE,
    &algebra::ZINTER,
    &algebra::ZINTERCARD,
    &algebra::ZINTERSTORE,
    &algebra::ZUNION,
    &algebra::ZUNIONSTORE,
    &blocking::BZMPOP,
    &blocking::BZPOPMAX,
    &blocking::BZPOPMIN,
    &pop::ZMPOP,
    &pop::ZPOPMAX,
    &pop::ZPOPMIN,
    &random::ZRANDMEMBER,
    &range::ZRANGE,
    &range::ZRANGEBYLEX,
    &range::ZRANGEBYSCORE,
    &range::ZRANGESTORE,
    &range::ZREVRANGE,
    &range::ZREVRANGEBYLEX,
    &range::ZREVRANGEBYSCORE,
    &read::ZCARD,
    &read::ZCOUNT,
    &read::ZLEXCOUNT,
    &read::ZMSCORE,
    &read::ZRANK,
    &read::ZREVRANK,
    &read::ZSCAN,
    &read::ZSCORE,
    &remove::ZREM,
    &remove::ZREMRANGEBYLEX,
    &remove::ZREMRANGEBYRANK,
    &remove::ZREMRANGEBYSCORE,
];

/// A range of scores from two arguments: each a number, after `(` if it is out of the range itself.
fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, Error> {
    let bound = |arg: &[u8]| {
        let (text, exclusive) = match arg.strip_prefix(b"(") {
            Some(text) => (text, true),
            None => (arg, false),
        };
        let score = num::parse_f64_loose(text).ok_or(Error::Static("ERR min or max is not a float"))?;
        Ok((score, exclusive))
    };
    let ((min, min_exclusive), (max, max_exclusive)) = (bound(min)?, bound(max)?);
    Ok(ScoreRange { min, min_exclusive, max, max_exclusive })
}

/// A bound of a range of members: `-`, `+`, or a member after `[` or `(`.
fn lex_bound(arg: &[u8]) -> Result<LexBound<'_>, Error> {
    match arg {
        b"-" => Ok(LexBound::Lowest),
        b"+" => Ok(LexBound::Highest),
        [b'[', member @ ..] => Ok(LexBound::Inclusive(member)),
        [b'(', member @ ..] => Ok(LexBound::Exclusive(member)),
        _ => Err(Error::Static("ERR min or max not valid string range item")),
    }
}

/// Writes members in order, with their scores if asked for: as pairs in RESP3, as a flat array in RESP2.
pub(crate) fn reply_members<'a>(
    out: &mut Reply,
    members: impl ExactSizeIterator<Item = (Entry<'a>, f64)>,
    withscores: bool,
) {
    reply_members_until(out, members, withscores, None);
}

/// As [`reply_members`], but nothing more is written when the client will be closed for the length of its output.
pub(crate) fn reply_members_until<'a>(
    out: &mut Reply,
    members: impl ExactSizeIterator<Item = (Entry<'a>, f64)>,
    withscores: bool,
    most: Option<usize>,
) {
    let paired = withscores && out.resp3();
    out.array(if withscores && !paired { members.len() * 2 } else { members.len() });
    for (member, score) in members {
        if is_full(out, most) {
            break;
        }
        if paired {
            out.array(2);
        }
        reply_entry(out, member);
        if withscores {
            reply_score(out, score);
        }
    }
}

/// Stores a result under a key, or deletes the key if it is empty. Returns the number of members.
pub(crate) fn store(keys: &mut WriteKeys<'_, '_>, to: &[u8], result: ZSet, event: &'static str) -> usize {
    let n = result.len();
    if n > 0 {
        keys.set_content(to, result);
        keys.notify(NotifyFlags::ZSET, event, to);
        keys.dirty(1);
    } else {
        let lazy = keys.cfg().lazyfree_lazy_server_del;
        if keys.delete(to, lazy) {
            keys.notify(NotifyFlags::GENERIC, "del", to);
            keys.dirty(1);
        }
    }
    n
}
