//! XCLAIM.

use viator_data::stream::{Stream, StreamId};
use viator_engine::args::{self, Args};
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_resp::reply::shown_whole;

use super::group::{created_consumer, no_key_or_group};
use super::propagate::{Place, Told};
use super::{entry, id};
use crate::declare::{KEY, RW_UPDATE, one_key};

/// XCLAIM.
pub static XCLAIM: Command = Command {
    name: "xclaim",
    arity: -6,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::STREAM,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Changes, or acquires, ownership of a message in a consumer group, as if the message was \
        delivered a consumer group member.",
    complexity: "O(log N) with N being the number of messages in the PEL of the consumer group.",
    args: &[
        KEY,
        ArgSpec::string("group"),
        ArgSpec::string("consumer"),
        ArgSpec::string("min-idle-time"),
        ArgSpec::string("id").multi(),
        ArgSpec::integer("ms").after("IDLE").opt(),
        ArgSpec::new("unix-time-milliseconds", ArgKind::UnixTime).after("TIME").opt(),
        ArgSpec::integer("count").after("RETRYCOUNT").opt(),
        ArgSpec::token("force", "FORCE").opt(),
        ArgSpec::token("justid", "JUSTID").opt(),
        ArgSpec::string("lastid").after("LASTID").opt(),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "XADD stream 1-1 a 1",
        "XADD stream 2-1 a 2",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group alice STREAMS stream >",
        "XCLAIM stream group bob 0 1-1 3-1",
        "XCLAIM stream group bob 3600000 2-1",
        "XCLAIM stream group bob 0 2-1 JUSTID",
        "XPENDING stream group",
        "XACK stream group 1-1",
        "XCLAIM stream group bob 0 1-1",
        "XCLAIM stream group bob 0 1-1 FORCE RETRYCOUNT 7 IDLE 1000",
        "XCLAIM stream group bob 0 1-1 NOSUCH",
        "XCLAIM stream other bob 0 1-1",
    ],
    handler: Handler::Write(xclaim),
    ..Command::BASE
};

/// Options of XCLAIM.
struct Options {
    ids: Vec<StreamId>,
    force: bool,
    just_id: bool,
    retry_count: Option<u64>,
    last_id: StreamId,
    /// When the entries were delivered, as the command has it.
    delivered: u64,
}

impl Options {
    fn parse(args: Args<'_>, now: i64) -> Result<Options, Error> {
        let number = |arg: &[u8], what: &str| {
            args::int(arg).map_err(|_| Error::text(format!("ERR Invalid {what} option argument for XCLAIM")))
        };
        let ids: Vec<StreamId> = args.from(5).iter().map_while(|a| id::exact(a).ok()).collect();
        let mut options = args.from(5 + ids.len()).iter();
        let (mut force, mut just_id, mut retry_count, mut last_id) = (false, false, -1, StreamId::MIN);
        // as in Redis, -1 is "not given"
        let mut delivered = -1i64;
        while let Some(option) = options.next() {
            let more = options.len() > 0;
            let mut value = || options.next().unwrap_or_default();
            if args::is(option, "FORCE") {
                force = true;
            } else if args::is(option, "JUSTID") {
                just_id = true;
            } else if args::is(option, "IDLE") && more {
                delivered = now.wrapping_sub(number(value(), "IDLE")?);
            } else if args::is(option, "TIME") && more {
                delivered = number(value(), "TIME")?;
            } else if args::is(option, "RETRYCOUNT") && more {
                retry_count = number(value(), "RETRYCOUNT")?;
            } else if args::is(option, "LASTID") && more {
                last_id = id::exact(value())?;
            } else {
                return Err(Error::text(format!("ERR Unrecognized XCLAIM option '{}'", shown_whole(option))));
            }
        }
        // times that make no sense are now
        let delivered = if (0..=now).contains(&delivered) { delivered } else { now };
        let delivered = delivered.cast_unsigned();
        Ok(Options { ids, force, just_id, retry_count: u64::try_from(retry_count).ok(), last_id, delivered })
    }
}

/// The least idle time of an entry that is to be claimed.
pub(super) fn min_idle(arg: &[u8], error: &'static str) -> Result<u64, Error> {
    let n = args::int(arg).map_err(|_| Error::Static(error))?;
    Ok(u64::try_from(n).unwrap_or(0))
}

fn xclaim(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (args, key, name, consumer) = (ctx.args, ctx.args.at(1), ctx.args.at(2), ctx.args.at(3));
    if ctx.keys.write::<Stream>(key)?.is_none_or(|s| s.group(name).is_none()) {
        return Err(no_key_or_group(key, name));
    }
    let min_idle = min_idle(args.at(4), "ERR Invalid min-idle-time argument for XCLAIM")?;
    let now = ctx.keys.now();
    let o = Options::parse(args, now)?;
    let now = now.cast_unsigned();
    let mut told = Told::new(Place { key, group: name }, &ctx.keys);
    let Some((log, group)) = ctx.keys.write::<Stream>(key)?.and_then(|s| s.group_mut(name)) else { return Ok(()) };
    let advanced = o.last_id > group.last_id();
    if advanced {
        group.set_position(o.last_id, group.entries_read());
    }
    let created = group.create_consumer(consumer, now);
    group.touch_consumer(consumer, now, None);
    let (mut dirty, mut n) = (0, 0);
    let header = ctx.out.defer();
    for &id in &o.ids {
        let before = group.pending(id).cloned();
        let Some(item) = log.get(id) else {
            // there is nothing left to be had
            if let Some(p) = before {
                told.pending(id, &p, group.last_id());
                group.ack(id);
                dirty += 1;
            }
            continue;
        };
        let deliveries = match before {
            Some(p) if now.saturating_sub(p.delivery_time) < min_idle => continue,
            Some(p) => p.delivery_count,
            None if o.force => 1,
            None => continue,
        };
        let deliveries = o.retry_count.unwrap_or(if o.just_id { deliveries } else { deliveries.wrapping_add(1) });
        group.assign(id, consumer, o.delivered, deliveries);
        group.touch_consumer(consumer, now, Some(now));
        if let Some(p) = group.pending(id) {
            told.pending(id, p, group.last_id());
        }
        if o.just_id {
            entry::id(ctx.out, id)
        } else {
            entry::entry(ctx.out, item)
        }
        (dirty, n) = (dirty + 1, n + 1);
    }
    ctx.out.finish(header, |out| out.array(n));
    if advanced && dirty == 0 {
        told.position(group.last_id(), group.entries_read());
        dirty = 1;
    }
    if created {
        if n == 0 {
            told.consumer(consumer);
        }
        created_consumer(&mut ctx.keys, key);
    }
    ctx.keys.dirty(dirty);
    told.propagate(&mut ctx.keys);
    Ok(())
}
