//! XREAD, and what it shares with XREADGROUP.

use viator_data::stream::{Stream, StreamId};
use viator_engine::args::{self, Args, OwnedArgs};
use viator_engine::blocking::{self, Wait, timeout_ms};
use viator_engine::command::{
    Acl, ArgSpec, Begin, Command, Find, Flags, Group, Handler, KeyFlags, KeySpec, Outcome, Scope,
};
use viator_engine::ctx::ReadCtx;
use viator_engine::error::Error;
use viator_keyspace::Type;
use viator_resp::reply::Reply;

use super::{entry, id};
use crate::declare::{KEY, RO_ACCESS};

/// XREAD.
pub static XREAD: Command = Command {
    name: "xread",
    arity: -4,
    flags: Flags::READONLY.or(Flags::BLOCKING),
    acl: Acl::STREAM,
    keys: &[KeySpec {
        flags: RO_ACCESS,
        begin: Begin::Keyword { keyword: "STREAMS", start_from: 1 },
        find: Find::Range { last: -1, step: 1, limit: 2 },
        notes: "",
    }],
    find_keys: Some(find_keys),
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns messages from multiple streams with IDs greater than the ones requested. Blocks until a \
        message is available otherwise.",
    args: &[
        ArgSpec::integer("count").after("COUNT").opt(),
        ArgSpec::integer("milliseconds").after("BLOCK").opt(),
        ArgSpec::block("streams", &[KEY.multi(), ArgSpec::string("id").multi()]).after("STREAMS"),
    ],
    examples: &[
        "XADD stream 1-1 a 1",
        "XADD stream 2-1 a 2",
        "XADD other 1-1 b 1",
        "XREAD STREAMS stream 0",
        "XREAD COUNT 1 STREAMS stream other 0 0",
        "XREAD STREAMS stream 1-1",
        "XREAD STREAMS stream $",
        "XREAD STREAMS stream missing + +",
        "XREAD STREAMS missing 0",
        "XREAD STREAMS stream >",
        "XREAD STREAMS stream other 0",
        "XREAD COUNT 1",
    ],
    handler: Handler::Read(xread),
    ..Command::BASE
};

/// Arguments of XREAD and XREADGROUP.
pub(super) struct Options<'a> {
    /// Most entries of each stream; 0: all.
    pub(super) count: usize,
    /// Whether to wait where there is nothing, and until when (`None`: without end).
    pub(super) block: Option<Option<i64>>,
    /// Group and consumer.
    pub(super) group: Option<(&'a [u8], &'a [u8])>,
    pub(super) no_ack: bool,
    /// The least idle time of pending entries to be claimed, milliseconds.
    pub(super) claim: Option<u64>,
    pub(super) keys: Args<'a>,
    pub(super) ids: Args<'a>,
}

/// The keys of XREAD and XREADGROUP: behind the STREAMS that is no value of another option.
pub(super) fn find_keys(args: Args<'_>) -> Option<Vec<(usize, KeyFlags)>> {
    let mut i = 1;
    while !args::is(args.get(i)?, "STREAMS") {
        let values = match args.at(i) {
            o if args::is(o, "NOACK") => 0,
            o if args::is(o, "BLOCK") || args::is(o, "COUNT") || args::is(o, "CLAIM") => 1,
            o if args::is(o, "GROUP") => 2,
            _ => return None,
        };
        i += 1 + values;
    }
    let rest = args.len() - 1 - i;
    (rest > 0 && rest.is_multiple_of(2)).then(|| (i + 1..=i + rest / 2).map(|k| (k, RO_ACCESS)).collect())
}

impl<'a> Options<'a> {
    /// Reads the options; `grouped`: of XREADGROUP.
    ///
    /// # Errors
    /// Redis's; none about the ids.
    pub(super) fn parse(args: Args<'a>, grouped: bool, now: i64) -> Result<Options<'a>, Error> {
        let only = |name: &str| {
            Err(Error::text(format!(
                "ERR The {name} option is only supported by XREADGROUP. You called XREAD instead."
            )))
        };
        let mut o = Options {
            count: 0,
            block: None,
            group: None,
            no_ack: false,
            claim: None,
            keys: Args::EMPTY,
            ids: Args::EMPTY,
        };
        let mut options = args.from(1).iter();
        while let Some(option) = options.next() {
            let more = options.len();
            let mut value = || options.next().unwrap_or_default();
            if args::is(option, "BLOCK") && more > 0 {
                o.block = Some(timeout_ms(value(), now)?);
            } else if args::is(option, "COUNT") && more > 0 {
                o.count = usize::try_from(args::int(value())?).unwrap_or(0);
            } else if args::is(option, "STREAMS") && more > 0 {
                if more % 2 == 1 {
                    return Err(Error::text(format!(
                        "ERR Unbalanced '{}' list of streams: for each stream key an ID{} must be specified.",
                        if grouped { "xreadgroup" } else { "xread" },
                        if grouped { " or '>'" } else { ", '+', or '$'" },
                    )));
                }
                let rest = args.from(args.len() - more);
                (o.keys, o.ids) = (rest.first(more / 2), rest.from(more / 2));
                break;
            } else if args::is(option, "GROUP") && more >= 2 {
                if !grouped {
                    return only("GROUP");
                }
                o.group = Some((value(), value()));
            } else if args::is(option, "NOACK") {
                if !grouped {
                    return only("NOACK");
                }
                o.no_ack = true;
            } else if args::is(option, "CLAIM") && more > 0 {
                if !grouped {
                    return only("CLAIM");
                }
                let n = args::int(value())
                    .map_err(|_| Error::Static("ERR min-idle-time is not an integer or out of range"))?;
                o.claim =
                    Some(u64::try_from(n).map_err(|_| Error::Static("ERR min-idle-time must be a positive integer"))?);
            } else {
                return Err(Error::Syntax);
            }
        }
        if o.keys.len() == 0 {
            return Err(Error::Syntax);
        }
        Ok(o)
    }

    /// Most entries of each stream.
    pub(super) fn most(&self) -> usize {
        if self.count == 0 { usize::MAX } else { self.count }
    }
}

/// The streams of a reply, as they are found: a map in RESP3, an array of pairs in RESP2, null if there are none.
pub(super) struct Streams {
    header: viator_resp::reply::Deferred,
    n: usize,
}

impl Streams {
    /// None yet.
    pub(super) fn new(out: &mut Reply) -> Streams {
        Streams { header: out.defer(), n: 0 }
    }

    /// Begins the next: its entries follow.
    pub(super) fn next(&mut self, out: &mut Reply, key: &[u8]) {
        if !out.resp3() {
            out.array(2);
        }
        out.bulk(key);
        self.n += 1;
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Ends the reply.
    pub(super) fn finish(self, out: &mut Reply) {
        let n = self.n;
        if n == 0 {
            out.null_array();
        } else {
            out.finish(self.header, |out| if out.resp3() { out.map(n) } else { out.array(n) });
        }
    }
}

/// The greatest id of an entry that is there.
pub(super) fn last_entry(stream: &Stream) -> Option<StreamId> {
    stream.log().range(StreamId::MIN, StreamId::MAX, true).next().map(|item| item.id)
}

/// The id after which XREAD is to read a stream.
fn after(ctx: &mut ReadCtx<'_, '_>, key: &[u8], arg: &[u8]) -> Result<StreamId, Error> {
    let stream = ctx.keys.read::<Stream>(key)?;
    match arg {
        b"$" => Ok(stream.map_or(StreamId::MIN, |s| s.log().last_id())),
        b"+" => Ok(stream.and_then(last_entry).and_then(StreamId::prev).unwrap_or_default()),
        b">" => Err(Error::Static(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        _ => id::exact(arg),
    }
}

/// The command with these ids in the place of `$`.
fn with_ids(args: Args<'_>, o: &Options<'_>, ids: &[StreamId]) -> OwnedArgs {
    let first = args.len() - o.ids.len();
    let mut owned = OwnedArgs::copy(args.first(first));
    for (arg, id) in o.ids.iter().zip(ids) {
        if arg == b"$" { owned.push(entry::IdText::new(*id).as_ref()) } else { owned.push(arg) }
    }
    owned
}

fn xread(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let o = Options::parse(ctx.args, false, ctx.keys.now())?;
    let starts = o.keys.iter().zip(o.ids.iter()).map(|(key, id)| after(ctx, key, id)).collect::<Result<Vec<_>, _>>()?;
    let mut streams = Streams::new(ctx.out);
    for (key, after) in o.keys.iter().zip(&starts) {
        let Some(stream) = ctx.keys.read::<Stream>(key)? else { continue };
        let Some(start) = after.next().filter(|start| last_entry(stream).is_some_and(|last| last >= *start)) else {
            continue;
        };
        streams.next(ctx.out, key);
        entry::entries(ctx.out, stream.log().range(start, StreamId::MAX, false).take(o.most()));
    }
    match o.block {
        Some(until) if streams.is_empty() => {
            // `$` is what is the last id now
            let command = o.ids.iter().any(|id| id == b"$").then(|| with_ids(ctx.args, &o, &starts));
            let wait = Wait {
                kind: Type::Stream,
                until,
                if_forbidden: Reply::null_array,
                if_gone: false,
                again: None,
                command,
            };
            blocking::wait(&mut ctx.keys, ctx.session, ctx.entry, ctx.args, ctx.out, wait, o.keys.iter())
        }
        _ => {
            streams.finish(ctx.out);
            Ok(())
        }
    }
}
