//! XPENDING.

use viator_data::stream::{Group as ConsumerGroup, Stream, StreamId};
use viator_engine::args::{self, Args};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;
use viator_engine::error::Error;
use viator_resp::reply::Reply;

use super::group::no_key_or_group;
use super::{entry, id};
use crate::declare::{KEY, RO_ACCESS, one_key};

/// XPENDING.
pub static XPENDING: Command = Command {
    name: "xpending",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::STREAM,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns the information and entries from a stream consumer group's pending entries list.",
    complexity: "O(N) with N being the number of elements returned, so asking for a small fixed number of \
        entries per call is O(1). O(M), where M is the total number of entries scanned when used with \
        the IDLE filter. When the command returns just the summary and the list of consumers is small, \
        it runs in O(1) time; otherwise, an additional O(N) time for iterating every consumer.",
    history: &[("6.2.0", "Added the `IDLE` option and exclusive range intervals.")],
    args: &[
        KEY,
        ArgSpec::string("group"),
        ArgSpec::block(
            "filters",
            &[
                ArgSpec::integer("min-idle-time").after("IDLE").since("6.2.0").opt(),
                ArgSpec::string("start"),
                ArgSpec::string("end"),
                ArgSpec::integer("count"),
                ArgSpec::string("consumer").opt(),
            ],
        )
        .opt(),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "XADD stream 1-1 a 1",
        "XADD stream 2-1 a 2",
        "XGROUP CREATE stream group 0",
        "XPENDING stream group",
        "XREADGROUP GROUP group consumer STREAMS stream >",
        "XPENDING stream group",
        "XPENDING stream group (1-1 + 10",
        "XPENDING stream group IDLE 100000 - + 10 consumer",
        "XPENDING stream group - + 10 nobody",
        "XPENDING stream other",
        "XPENDING missing group",
    ],
    handler: Handler::Read(xpending),
    ..Command::BASE
};

/// Which pending entries are wanted.
struct Wanted<'a> {
    min_idle: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Wanted<'a> {
    fn parse(args: Args<'a>) -> Result<Wanted<'a>, Error> {
        let mut at = 3;
        let mut min_idle = 0;
        if args::is(args.at(3), "IDLE") {
            min_idle = args::int(args.at(4))?;
            if args.len() < 8 {
                return Err(Error::Syntax);
            }
            at = 5;
        }
        let count = usize::try_from(args::int(args.at(at + 2))?).unwrap_or(0);
        let (start, end) = (id::range_start(args.at(at))?, id::range_end(args.at(at + 1))?);
        Ok(Wanted { min_idle, start, end, count, consumer: args.get(at + 3) })
    }

    fn reply(&self, out: &mut Reply, group: &ConsumerGroup, now: i64) {
        let header = out.defer();
        let mut n = 0;
        let mut row = |id: StreamId| {
            let Some(p) = group.pending(id).filter(|_| n < self.count) else { return n < self.count };
            let idle = now.saturating_sub_unsigned(p.delivery_time);
            if idle >= self.min_idle {
                out.array(4);
                entry::id(out, id);
                out.bulk(&p.consumer);
                out.int(idle.max(0));
                out.int(p.delivery_count.cast_signed());
                n += 1;
            }
            n < self.count
        };
        match self.consumer.map(|name| group.consumer(name)) {
            None => {
                let _ = group.pending_range(self.start, self.end).all(|(id, _)| row(id));
            }
            Some(Some(c)) => {
                let _ = c.pending_from(self.start).take_while(|id| *id <= self.end).all(&mut row);
            }
            Some(None) => {}
        }
        out.finish(header, |out| out.array(n));
    }
}

/// The summary: how many, the first and the last, how many each consumer has.
fn summary(out: &mut Reply, group: &ConsumerGroup) {
    out.array(4);
    out.int(group.pending_len() as i64);
    let mut all = group.pending_range(StreamId::MIN, StreamId::MAX);
    let Some((first, _)) = all.next() else {
        out.null();
        out.null();
        out.null_array();
        return;
    };
    entry::id(out, first);
    entry::id(out, all.next_back().map_or(first, |(id, _)| id));
    let busy = || group.consumers().filter(|(_, c)| c.pending_len() > 0);
    out.array(busy().count());
    for (name, consumer) in busy() {
        out.array(2);
        out.bulk(name);
        out.bulk_int(consumer.pending_len() as i64);
    }
}

fn xpending(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let (args, key, name) = (ctx.args, ctx.args.at(1), ctx.args.at(2));
    let wanted = match args.len() {
        3 => None,
        6..=9 => Some(Wanted::parse(args)?),
        _ => return Err(Error::Syntax),
    };
    let now = ctx.keys.now();
    let stream = ctx.keys.read::<Stream>(key)?;
    let group = stream.and_then(|s| s.group(name)).ok_or_else(|| no_key_or_group(key, name))?;
    match wanted {
        None => summary(ctx.out, group),
        Some(wanted) => wanted.reply(ctx.out, group, now),
    }
    Ok(())
}
