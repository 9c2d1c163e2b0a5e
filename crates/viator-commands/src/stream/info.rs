//! XINFO, but for XINFO STREAM's FULL form.

use viator_data::stream::{Group as ConsumerGroup, Stream, StreamId};
use viator_engine::args::{self, Args};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::{AdminCtx, ReadCtx};
use viator_engine::error::Error;
use viator_resp::reply::Reply;

use super::group::no_group;
use super::{entry, info_full};
use crate::declare::{KEY, RO_ACCESS, one_key};
use crate::help;

/// XINFO.
pub static XINFO: Command = Command {
    name: "xinfo",
    arity: -2,
    group: Group::Stream,
    since: "5.0.0",
    summary: "A container for stream introspection commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&XINFO_CONSUMERS, &XINFO_GROUPS, &XINFO_HELP, &XINFO_STREAM],
    ..Command::BASE
};

/// XINFO STREAM.
pub static XINFO_STREAM: Command = Command {
    name: "stream",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::STREAM,
    keys: &[one_key(2, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns information about a stream.",
    complexity: "O(1)",
    history: &[
        ("6.0.0", "Added the `FULL` modifier."),
        (
            "7.0.0",
            "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` \
        and `lag` fields",
        ),
        ("7.2.0", "Added the `active-time` field, and changed the meaning of `seen-time`."),
    ],
    args: &[
        KEY,
        ArgSpec::block("full-block", &[ArgSpec::token("full", "FULL"), ArgSpec::integer("count").after("COUNT").opt()])
            .opt(),
    ],
    examples: &[
        "XADD stream 1-1 a 1",
        "XADD stream 2-1 a 2",
        "XINFO STREAM stream",
        "XDEL stream 2-1",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group consumer STREAMS stream >",
        "XINFO STREAM stream FULL",
        "XINFO STREAM stream FULL COUNT 1",
        "XINFO STREAM stream COUNT 1",
        "XINFO STREAM missing",
        "SET string v",
        "XINFO STREAM string",
    ],
    handler: Handler::Read(xinfo_stream),
    ..Command::BASE
};

/// How many elements of each list FULL shows; `None` without FULL.
fn full(args: Args<'_>) -> Result<Option<usize>, Error> {
    const SHOWN: usize = 10;
    match args.len() {
        3 => Ok(None),
        4 if args::is(args.at(3), "FULL") => Ok(Some(SHOWN)),
        6 if args::is(args.at(3), "FULL") && args::is(args.at(4), "COUNT") => {
            Ok(Some(match usize::try_from(args::int(args.at(5))?) {
                Ok(0) => usize::MAX,
                Ok(n) => n,
                Err(_) => SHOWN,
            }))
        }
        _ => Err(help::bad_subcommand(args)),
    }
}

fn xinfo_stream(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let args = ctx.args;
    let stream = ctx.keys.read::<Stream>(args.at(2))?.ok_or(Error::NoSuchKey)?;
    let full = full(args)?;
    let out = &mut *ctx.out;
    out.map(if full.is_some() { 9 } else { 10 });
    let log = stream.log();
    number(out, "length", log.len() as i64);
    number(out, "radix-tree-keys", log.node_count() as i64);
    number(out, "radix-tree-nodes", log.radix_nodes() as i64);
    for (name, id) in [("last-generated-id", log.last_id()), ("max-deleted-entry-id", log.max_deleted_id())] {
        out.bulk(name.as_bytes());
        entry::id(out, id);
    }
    number(out, "entries-added", log.entries_added().cast_signed());
    out.bulk(b"recorded-first-entry-id");
    entry::id(out, log.first_id());
    if let Some(count) = full {
        info_full::entries_and_groups(out, stream, count);
        return Ok(());
    }
    number(out, "groups", stream.group_count() as i64);
    for (name, reverse) in [("first-entry", false), ("last-entry", true)] {
        out.bulk(name.as_bytes());
        match log.range(StreamId::MIN, StreamId::MAX, reverse).next() {
            Some(item) => entry::entry(out, item),
            None => out.null(),
        }
    }
    Ok(())
}

/// A name and a number.
pub(super) fn number(out: &mut Reply, name: &str, n: i64) {
    out.bulk(name.as_bytes());
    out.int(n);
}

/// Where a group stands: what XINFO GROUPS and FULL both say.
pub(super) fn position(out: &mut Reply, stream: &Stream, group: &ConsumerGroup) {
    out.bulk(b"last-delivered-id");
    entry::id(out, group.last_id());
    for (name, n) in [("entries-read", group.entries_read().map(u64::cast_signed)), ("lag", stream.lag(group))] {
        out.bulk(name.as_bytes());
        match n {
            Some(n) => out.int(n),
            None => out.null(),
        }
    }
}

/// XINFO GROUPS.
pub static XINFO_GROUPS: Command = Command {
    name: "groups",
    arity: 3,
    flags: Flags::READONLY,
    acl: Acl::STREAM,
    keys: &[one_key(2, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns a list of the consumer groups of a stream.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added the `entries-read` and `lag` fields")],
    args: &[KEY],
    examples: &[
        "XADD stream 1-1 a 1",
        "XINFO GROUPS stream",
        "XGROUP CREATE stream group 0",
        "XGROUP CREATE stream other $",
        "XREADGROUP GROUP group consumer STREAMS stream >",
        "XINFO GROUPS stream",
        "XINFO GROUPS missing",
    ],
    handler: Handler::Read(xinfo_groups),
    ..Command::BASE
};

fn xinfo_groups(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let stream = ctx.keys.read::<Stream>(ctx.args.at(2))?.ok_or(Error::NoSuchKey)?;
    let out = &mut *ctx.out;
    out.array(stream.group_count());
    for (name, group) in stream.groups() {
        out.map(6);
        out.bulk(b"name");
        out.bulk(name);
        number(out, "consumers", group.consumer_count() as i64);
        number(out, "pending", group.pending_len() as i64);
        position(out, stream, group);
    }
    Ok(())
}

/// XINFO CONSUMERS.
pub static XINFO_CONSUMERS: Command = Command {
    name: "consumers",
    arity: 4,
    flags: Flags::READONLY,
    acl: Acl::STREAM,
    keys: &[one_key(2, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns a list of the consumers in a consumer group.",
    complexity: "O(1)",
    history: &[("7.2.0", "Added the `inactive` field, and changed the meaning of `idle`.")],
    args: &[KEY, ArgSpec::string("group")],
    tips: &["nondeterministic_output"],
    examples: &[
        "XADD stream 1-1 a 1",
        "XGROUP CREATE stream group 0",
        "XINFO CONSUMERS stream group",
        "XGROUP CREATECONSUMER stream group idle",
        "XREADGROUP GROUP group busy STREAMS stream >",
        "XINFO CONSUMERS stream group",
        "XINFO CONSUMERS stream other",
        "XINFO CONSUMERS missing group",
    ],
    handler: Handler::Read(xinfo_consumers),
    ..Command::BASE
};

fn xinfo_consumers(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let (key, name) = (ctx.args.at(2), ctx.args.at(3));
    let now = ctx.keys.now();
    let stream = ctx.keys.read::<Stream>(key)?.ok_or(Error::NoSuchKey)?;
    let group = stream.group(name).ok_or_else(|| no_group(name, key))?;
    let since = |time: u64| now.saturating_sub_unsigned(time).max(0);
    let out = &mut *ctx.out;
    out.array(group.consumer_count());
    for (name, consumer) in group.consumers() {
        out.map(4);
        out.bulk(b"name");
        out.bulk(name);
        number(out, "pending", consumer.pending_len() as i64);
        number(out, "idle", since(consumer.seen_time));
        number(out, "inactive", consumer.active_time.map_or(-1, since));
    }
    Ok(())
}

/// XINFO HELP.
pub static XINFO_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::STREAM,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["XINFO HELP", "XINFO NOSUCH"],
    handler: Handler::Admin(xinfo_help),
    ..Command::BASE
};

fn xinfo_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    help::help(
        ctx.out,
        "XINFO",
        &[
            "CONSUMERS <key> <groupname>",
            "    Show consumers of <groupname>.",
            "GROUPS <key>",
            "    Show the stream consumer groups.",
            "STREAM <key> [FULL [COUNT <count>]",
            "    Show information about the stream.",
        ],
    );
    Ok(())
}
