//! XREADGROUP.

use viator_data::stream::{Group as ConsumerGroup, Log, Stream, StreamId};
use viator_engine::blocking::{self, TRY_AGAIN_MS, Wait};
use viator_engine::command::{Acl, ArgSpec, Begin, Command, Find, Flags, Group, Handler, KeySpec, Outcome, Scope};
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_keyspace::Type;
use viator_resp::reply::{Reply, shown_whole};

use super::group::created_consumer;
use super::propagate::{Place, Told};
use super::read::{Options, Streams, find_keys, last_entry};
use super::{entry, id};
use crate::declare::{KEY, RO_ACCESS};

/// XREADGROUP.
pub static XREADGROUP: Command = Command {
    name: "xreadgroup",
    arity: -7,
    flags: Flags::WRITE.or(Flags::BLOCKING),
    acl: Acl::STREAM,
    keys: &[KeySpec {
        flags: RO_ACCESS,
        begin: Begin::Keyword { keyword: "STREAMS", start_from: 4 },
        find: Find::Range { last: -1, step: 1, limit: 2 },
        notes: "",
    }],
    find_keys: Some(find_keys),
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns new or historical messages from a stream for a consumer in a group. Blocks until a \
        message is available otherwise.",
    complexity: "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant \
        (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On the \
        other side when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients \
        blocked on the stream getting new data.",
    args: &[
        ArgSpec::block("group-block", &[ArgSpec::string("group"), ArgSpec::string("consumer")]).after("GROUP"),
        ArgSpec::integer("count").after("COUNT").opt(),
        ArgSpec::integer("milliseconds").after("BLOCK").opt(),
        ArgSpec::integer("min-idle-time").after("CLAIM").opt(),
        ArgSpec::token("noack", "NOACK").opt(),
        ArgSpec::block("streams", &[KEY.multi(), ArgSpec::string("id").multi()]).after("STREAMS"),
    ],
    examples: &[
        "XADD stream 1-1 a 1",
        "XADD stream 2-1 a 2",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group alice COUNT 1 STREAMS stream >",
        "XREADGROUP GROUP group alice STREAMS stream 0",
        "XREADGROUP GROUP group bob NOACK STREAMS stream >",
        "XREADGROUP GROUP group bob STREAMS stream >",
        "XDEL stream 1-1",
        "XREADGROUP GROUP group alice STREAMS stream 0",
        "XREADGROUP GROUP group bob CLAIM 3600000 STREAMS stream >",
        "XREADGROUP GROUP other alice STREAMS stream >",
        "XREADGROUP GROUP group alice STREAMS missing >",
        "XREADGROUP GROUP group alice STREAMS stream $",
    ],
    handler: Handler::Write(xreadgroup),
    ..Command::BASE
};

/// What is to be read of a stream.
#[derive(Clone, Copy)]
enum From {
    /// `>`: what no consumer was given yet.
    New,
    /// What the consumer has pending after this id.
    History(StreamId),
}

impl From {
    fn parse(arg: &[u8]) -> Result<From, Error> {
        let meaningless = |c: char| {
            Err(Error::text(format!(
                "ERR The {c} ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                 consumer by specifying a proper ID, or use the > ID to get new messages. The {c} ID would just return \
                 an empty result set."
            )))
        };
        match arg {
            b"$" => meaningless('$'),
            b"+" => meaningless('+'),
            b">" => Ok(From::New),
            // the greatest id stands for `>`
            _ => Ok(match id::exact(arg)? {
                StreamId::MAX => From::New,
                id => From::History(id),
            }),
        }
    }
}

/// Pending entries of a consumer. Reading them again counts as a delivery.
fn history(out: &mut Reply, log: &Log, group: &mut ConsumerGroup, consumer: &[u8], after: StreamId, read: &Reading) {
    let from = after.next().unwrap_or(StreamId::MAX);
    let pending = group.consumer(consumer).into_iter().flat_map(|c| c.pending_from(from));
    let ids: Vec<StreamId> = pending.take(read.most).collect();
    out.array(ids.len());
    for id in ids {
        match log.get(id) {
            None => {
                out.array(2);
                entry::id(out, id);
                out.null_array();
            }
            Some(item) => {
                entry::entry(out, item);
                let n = group.pending(id).map_or(0, |p| p.delivery_count);
                group.assign(id, consumer, read.now, n.wrapping_add(1));
            }
        }
    }
}

/// How the streams are read.
struct Reading {
    most: usize,
    no_ack: bool,
    claim: Option<u64>,
    now: u64,
}

impl Reading {
    /// The pending entries that are to be claimed, those that wait longest first.
    fn claimable(&self, log: &Log, group: &ConsumerGroup) -> Vec<StreamId> {
        let Some(by) = self.claim.and_then(|idle| self.now.checked_sub(idle)) else { return Vec::new() };
        group.pending_since(by).filter(|id| log.contains(*id)).take(self.most).collect()
    }

    /// When there may be something to be claimed: the first that is pending, or else what is delivered from now on.
    fn claimable_at(&self, log: &Log, group: &ConsumerGroup) -> i64 {
        let Some(idle) = self.claim else { return i64::MAX };
        let mut pending = group.pending_since(self.now).filter(|id| log.contains(*id));
        let first = pending.next().and_then(|id| group.pending(id)).map(|p| p.delivery_time.saturating_add(idle));
        let later = self.now.saturating_add(TRY_AGAIN_MS.unsigned_abs().max(idle));
        let at = first.map_or(later, |at| at.clamp(self.now.saturating_add(1), later));
        i64::try_from(at).unwrap_or(i64::MAX)
    }
}

/// New entries, after those that are claimed; how many were given.
fn news(
    out: &mut Reply,
    stream: &mut Stream,
    (name, consumer): (&[u8], &[u8]),
    claimed: &[StreamId],
    read: &Reading,
    told: &mut Told<'_>,
) -> usize {
    let header = out.defer();
    let Some((log, group)) = stream.group_mut(name) else { return 0 };
    let last_id = group.last_id();
    for &id in claimed {
        let (Some(item), Some(before)) = (log.get(id), group.pending(id)) else { continue };
        let (idle, deliveries) = (read.now.saturating_sub(before.delivery_time), before.delivery_count);
        entry::claimed(out, item, idle, deliveries);
        group.assign(id, consumer, read.now, deliveries.wrapping_add(1));
        if let Some(p) = group.pending(id) {
            told.pending(id, p, last_id);
        }
    }
    let mut n = claimed.len();
    if n > 0 {
        group.touch_consumer(consumer, read.now, Some(read.now));
    }
    let left = read.most.saturating_sub(n);
    if left > 0 {
        let mut ids = Vec::new();
        let count = if left == usize::MAX { 0 } else { left };
        n += stream.deliver(name, consumer, count, read.no_ack, read.now, |item| {
            ids.push(item.id);
            if read.claim.is_some() { entry::claimed(out, item, 0, 0) } else { entry::entry(out, item) }
        });
        if let Some((_, group)) = stream.group_mut(name)
            && !ids.is_empty()
        {
            if !read.no_ack {
                group.touch_consumer(consumer, read.now, Some(read.now));
                ids.iter().filter_map(|id| Some((id, group.pending(*id)?))).for_each(|(id, p)| {
                    told.pending(*id, p, last_id);
                });
            }
            told.position(group.last_id(), group.entries_read());
        }
    }
    out.finish(header, |out| out.array(n));
    n
}

fn xreadgroup(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let o = Options::parse(ctx.args, true, ctx.keys.now())?;
    let Some((name, consumer)) = o.group else {
        return Err(Error::Static("ERR Missing GROUP option for XREADGROUP"));
    };
    let mut starts = Vec::with_capacity(o.keys.len());
    for (key, id) in o.keys.iter().zip(o.ids.iter()) {
        if ctx.keys.read::<Stream>(key)?.is_none_or(|s| s.group(name).is_none()) {
            return Err(Error::text(format!(
                "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option",
                shown_whole(key),
                shown_whole(name)
            )));
        }
        starts.push(From::parse(id)?);
    }
    let now = ctx.keys.now().cast_unsigned();
    let mut read = Reading { most: o.most(), no_ack: o.no_ack, claim: o.claim, now };
    let (mut streams, mut again, mut given) = (Streams::new(ctx.out), i64::MAX, 0);
    for (key, from) in o.keys.iter().zip(starts) {
        let mut told = Told::new(Place { key, group: name }, &ctx.keys);
        let Some(stream) = ctx.keys.write::<Stream>(key)? else { continue };
        let last = last_entry(stream);
        let Some((log, group)) = stream.group_mut(name) else { continue };
        let created = group.create_consumer(consumer, now);
        group.touch_consumer(consumer, now, None);
        if created && read.no_ack {
            told.consumer(consumer);
        }
        let mut n = 0;
        match from {
            From::History(after) => {
                // as in Redis, nothing is claimed behind a stream whose history is read
                read.claim = None;
                streams.next(ctx.out, key);
                history(ctx.out, log, group, consumer, after, &read);
            }
            From::New => {
                let claimed = read.claimable(log, group);
                again = again.min(read.claimable_at(log, group));
                if !claimed.is_empty() || last.is_some_and(|last| last > group.last_id()) {
                    streams.next(ctx.out, key);
                    n = news(ctx.out, stream, (name, consumer), &claimed, &read, &mut told);
                }
            }
        }
        if created {
            if told.is_empty() {
                told.consumer(consumer);
            }
            created_consumer(&mut ctx.keys, key);
        }
        given += n;
        told.propagate(&mut ctx.keys);
    }
    // as in Redis, one change however many entries
    ctx.keys.dirty(u64::from(given > 0));
    match o.block {
        Some(until) if streams.is_empty() => {
            let again = read.claim.map(|_| again);
            let wait = Wait {
                kind: Type::Stream,
                until,
                if_forbidden: Reply::null_array,
                if_gone: true,
                again,
                command: None,
            };
            blocking::wait(&mut ctx.keys, ctx.session, ctx.entry, ctx.args, ctx.out, wait, o.keys.iter())
        }
        _ => {
            streams.finish(ctx.out);
            Ok(())
        }
    }
}
