//! Acknowledging entries: XACK, XACKDEL.

use viator_data::stream::{Deleted, Stream};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;

use super::delete::{Which, ids};
use crate::declare::{KEY, RW_UPDATE, RW_UPDATE_DELETE, one_key};

/// XACK.
pub static XACK: Command = Command {
    name: "xack",
    arity: -4,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::STREAM,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns the number of messages that were successfully acknowledged by the consumer group member \
        of a stream.",
    complexity: "O(1) for each message ID processed.",
    args: &[KEY, ArgSpec::string("group"), ArgSpec::string("id").multi()],
    examples: &[
        "XADD stream 1-1 a 1",
        "XADD stream 2-1 a 2",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group consumer STREAMS stream >",
        "XACK stream group 1-1 3-1",
        "XACK stream group 1-1",
        "XPENDING stream group",
        "XACK stream other 1-1",
        "XACK missing group 1-1",
        "XACK stream group a",
    ],
    handler: Handler::Write(xack),
    ..Command::BASE
};

fn xack(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (args, key) = (ctx.args, ctx.args.at(1));
    let stream = ctx.keys.write::<Stream>(key)?;
    let Some((_, group)) = stream.and_then(|s| s.group_mut(args.at(2))) else {
        ctx.out.int(0);
        return Ok(());
    };
    let acknowledged = ids(args.from(3))?.into_iter().filter(|id| group.ack(*id)).count();
    ctx.keys.dirty(acknowledged as u64);
    ctx.out.int(acknowledged as i64);
    Ok(())
}

/// XACKDEL.
pub static XACKDEL: Command = Command {
    name: "xackdel",
    arity: -6,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::STREAM,
    keys: &[one_key(1, RW_UPDATE_DELETE)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "8.2.0",
    summary: "Acknowledges and deletes one or multiple messages for a stream consumer group.",
    complexity: "O(1) for each message ID processed.",
    args: &[
        KEY,
        ArgSpec::string("group"),
        ArgSpec::oneof(
            "condition",
            &[
                ArgSpec::token("keepref", "KEEPREF"),
                ArgSpec::token("delref", "DELREF"),
                ArgSpec::token("acked", "ACKED"),
            ],
        )
        .opt(),
        ArgSpec::block("ids", &[ArgSpec::integer("numids"), ArgSpec::string("id").multi()]).after("IDS"),
    ],
    examples: &[
        "XADD stream 1-1 a 1",
        "XADD stream 2-1 a 2",
        "XADD stream 3-1 a 3",
        "XGROUP CREATE stream group 0",
        "XGROUP CREATE stream other 0",
        "XREADGROUP GROUP group consumer COUNT 2 STREAMS stream >",
        "XACKDEL stream group ACKED IDS 1 1-1",
        "XACKDEL stream group DELREF IDS 3 1-1 2-1 9-1",
        "XRANGE stream - +",
        "XPENDING stream group",
        "XACKDEL missing group IDS 1 1-1",
        "XACKDEL stream group IDS 0 1-1",
    ],
    handler: Handler::Write(xackdel),
    ..Command::BASE
};

fn xackdel(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (args, key) = (ctx.args, ctx.args.at(1));
    let stream = ctx.keys.write::<Stream>(key)?.filter(|s| s.group(args.at(2)).is_some());
    let which = Which::parse(args, 3)?;
    let Some(stream) = stream else {
        which.none(ctx.out);
        return Ok(());
    };
    let ids = ids(which.ids)?;
    let (mut acknowledged, mut deleted) = (0, 0);
    ctx.out.array(ids.len());
    for id in ids {
        let before = stream.len();
        let what = stream.ack_delete(args.at(2), id, which.policy);
        acknowledged += u64::from(what != Deleted::NotFound);
        deleted += before - stream.len();
        ctx.out.int(what as i64);
    }
    if deleted > 0 {
        ctx.keys.changed(NotifyFlags::STREAM, "xdel", key, 0);
    }
    ctx.keys.dirty(acknowledged);
    Ok(())
}
