//! XAUTOCLAIM.

use viator_data::stream::{Stream, StreamId};
use viator_engine::args::{self, Args};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;

use super::claim::min_idle;
use super::group::{created_consumer, no_key_or_group};
use super::propagate::{Place, Told};
use super::{entry, id};
use crate::declare::{KEY, RW_DELETE, one_key};

/// How many entries are looked at for each that COUNT allows.
const ATTEMPTS: usize = 10;

/// XAUTOCLAIM.
pub static XAUTOCLAIM: Command = Command {
    name: "xautoclaim",
    arity: -6,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::STREAM,
    keys: &[one_key(1, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "6.2.0",
    summary: "Changes, or acquires, ownership of messages in a consumer group, as if the messages were \
        delivered to as consumer group member.",
    complexity: "O(1) if COUNT is small.",
    history: &[(
        "7.0.0",
        "Added an element to the reply array, containing deleted entries the command cleared from the PEL",
    )],
    args: &[
        KEY,
        ArgSpec::string("group"),
        ArgSpec::string("consumer"),
        ArgSpec::string("min-idle-time"),
        ArgSpec::string("start"),
        ArgSpec::integer("count").after("COUNT").opt(),
        ArgSpec::token("justid", "JUSTID").opt(),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "XADD stream 1-1 a 1",
        "XADD stream 2-1 a 2",
        "XADD stream 3-1 a 3",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group alice STREAMS stream >",
        "XDEL stream 2-1",
        "XAUTOCLAIM stream group bob 3600000 0",
        "XAUTOCLAIM stream group bob 0 0 COUNT 1",
        "XAUTOCLAIM stream group bob 0 (1-1 JUSTID",
        "XPENDING stream group",
        "XAUTOCLAIM stream group bob 0 0 COUNT 0",
        "XAUTOCLAIM stream other bob 0 0",
        "XAUTOCLAIM missing group bob 0 0",
    ],
    handler: Handler::Write(xautoclaim),
    ..Command::BASE
};

/// COUNT and JUSTID.
fn options(args: Args<'_>) -> Result<(usize, bool), Error> {
    let (mut count, mut just_id) = (100, false);
    let mut options = args.from(6).iter();
    while let Some(option) = options.next() {
        if args::is(option, "JUSTID") {
            just_id = true;
        } else if args::is(option, "COUNT")
            && let Some(n) = options.next()
        {
            let n = args::int(n).ok().filter(|n| (1..=i64::MAX / 16).contains(n));
            let n = n.ok_or(Error::Static("ERR COUNT must be > 0"))?;
            count = usize::try_from(n).unwrap_or(usize::MAX);
        } else {
            return Err(Error::Syntax);
        }
    }
    Ok((count, just_id))
}

fn xautoclaim(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (args, key, name, consumer) = (ctx.args, ctx.args.at(1), ctx.args.at(2), ctx.args.at(3));
    let min_idle = min_idle(args.at(4), "ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
    let start = id::range_start(args.at(5))?;
    let (mut count, just_id) = options(args)?;
    let now = ctx.keys.now().cast_unsigned();
    let mut told = Told::new(Place { key, group: name }, &ctx.keys);
    let Some((log, group)) = ctx.keys.write::<Stream>(key)?.and_then(|s| s.group_mut(name)) else {
        return Err(no_key_or_group(key, name));
    };
    let created = group.create_consumer(consumer, now);
    group.touch_consumer(consumer, now, None);
    ctx.out.array(3);
    let cursor = ctx.out.defer();
    let header = ctx.out.defer();
    let mut deleted = Vec::new();
    let mut n = 0;
    let mut attempts = count.saturating_mul(ATTEMPTS);
    let mut next = Some(start);
    let find = |from: Option<StreamId>, group: &viator_data::stream::Group| {
        let (id, p) = group.pending_range(from?, StreamId::MAX).next()?;
        Some((id, p.clone()))
    };
    while attempts > 0 && count > 0 {
        attempts -= 1;
        let Some((id, p)) = find(next, group) else {
            next = None;
            break;
        };
        next = id.next();
        let Some(item) = log.get(id) else {
            told.pending(id, &p, group.last_id());
            group.ack(id);
            deleted.push(id);
            count -= 1;
            continue;
        };
        if now.saturating_sub(p.delivery_time) < min_idle {
            continue;
        }
        group.assign(id, consumer, now, if just_id { p.delivery_count } else { p.delivery_count.wrapping_add(1) });
        group.touch_consumer(consumer, now, Some(now));
        if let Some(p) = group.pending(id) {
            told.pending(id, p, group.last_id());
        }
        if just_id {
            entry::id(ctx.out, id)
        } else {
            entry::entry(ctx.out, item)
        }
        n += 1;
        count -= 1;
    }
    let end = find(next, group).map_or(StreamId::MIN, |(id, _)| id);
    ctx.out.finish(header, |out| out.array(n));
    ctx.out.finish(cursor, |out| entry::id(out, end));
    ctx.out.array(deleted.len());
    deleted.iter().for_each(|id| entry::id(ctx.out, *id));
    if created {
        if n == 0 {
            told.consumer(consumer);
        }
        created_consumer(&mut ctx.keys, key);
    }
    ctx.keys.dirty((n + deleted.len()) as u64);
    told.propagate(&mut ctx.keys);
    Ok(())
}
