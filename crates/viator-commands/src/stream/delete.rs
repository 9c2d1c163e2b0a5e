//! Deleting entries: XDEL, XDELEX.

use viator_data::stream::{Deleted, RefPolicy, Stream, StreamId};
use viator_engine::args::{self, Args};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_resp::reply::Reply;

use super::{id, trim};
use crate::declare::{KEY, RW_DELETE, one_key};

/// XDEL.
pub static XDEL: Command = Command {
    name: "xdel",
    arity: -3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::STREAM,
    keys: &[one_key(1, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns the number of messages after removing them from a stream.",
    complexity: "O(1) for each single item to delete in the stream, regardless of the stream size.",
    args: &[KEY, ArgSpec::string("id").multi()],
    examples: &[
        "XADD stream 1-1 a 1",
        "XADD stream 2-1 a 2",
        "XDEL stream 1-1 3-1",
        "XRANGE stream - +",
        "XDEL stream 1-1",
        "XDEL missing 1-1",
        "XDEL stream a",
    ],
    handler: Handler::Write(xdel),
    ..Command::BASE
};

fn xdel(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (args, key) = (ctx.args, ctx.args.at(1));
    let Some(stream) = ctx.keys.write::<Stream>(key)? else {
        ctx.out.int(0);
        return Ok(());
    };
    let ids = ids(args.from(2))?;
    let deleted = ids.into_iter().filter(|id| stream.delete(*id)).count();
    if deleted > 0 {
        ctx.keys.changed(NotifyFlags::STREAM, "xdel", key, deleted as u64);
    }
    ctx.out.int(deleted as i64);
    Ok(())
}

/// Arguments that are all ids.
///
/// # Errors
/// At the first that is none.
pub(super) fn ids(args: Args<'_>) -> Result<Vec<StreamId>, Error> {
    args.iter().map(id::exact).collect()
}

/// What XDELEX and XACKDEL are to delete: `[KEEPREF | DELREF | ACKED] IDS numids id [id ...]`.
pub(super) struct Which<'a> {
    pub(super) policy: RefPolicy,
    /// The ids, not yet looked at.
    pub(super) ids: Args<'a>,
}

impl<'a> Which<'a> {
    /// Reads the options, which begin with argument `from`.
    ///
    /// # Errors
    /// Redis's; none about the ids.
    pub(super) fn parse(args: Args<'a>, from: usize) -> Result<Which<'a>, Error> {
        let (mut policy, mut ids) = (None, None);
        let mut i = from;
        while i < args.len() {
            let option = args.at(i);
            if let Some(p) = trim::policy(option)
                && policy.is_none()
            {
                policy = Some(p);
                i += 1;
            } else if args::is(option, "IDS") && i + 1 < args.len() {
                let n = args::int(args.at(i + 1)).ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
                let n = n.ok_or(Error::Static("ERR Number of IDs must be a positive integer"))?;
                let rest = args.from(i + 2);
                if n > rest.len() {
                    return Err(Error::Static("ERR The `numids` parameter must match the number of arguments"));
                }
                ids = Some(rest.first(n));
                i += 2 + n;
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(Which { policy: policy.unwrap_or_default(), ids: ids.ok_or(Error::Syntax)? })
    }

    /// The answer where there is nothing to delete from.
    pub(super) fn none(&self, out: &mut Reply) {
        out.array(self.ids.len());
        (0..self.ids.len()).for_each(|_| out.int(Deleted::NotFound as i64));
    }
}

/// XDELEX.
pub static XDELEX: Command = Command {
    name: "xdelex",
    arity: -5,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::STREAM,
    keys: &[one_key(1, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "8.2.0",
    summary: "Deletes one or multiple entries from the stream.",
    complexity: "O(1) for each single item to delete in the stream, regardless of the stream size.",
    args: &[
        KEY,
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
        "XREADGROUP GROUP group consumer COUNT 2 STREAMS stream >",
        "XDELEX stream ACKED IDS 1 1-1",
        "XDELEX stream DELREF IDS 2 1-1 9-1",
        "XDELEX stream IDS 1 2-1",
        "XRANGE stream - +",
        "XDELEX missing IDS 1 1-1",
        "XDELEX stream IDS 2 1-1",
    ],
    handler: Handler::Write(xdelex),
    ..Command::BASE
};

fn xdelex(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    if ctx.keys.write::<Stream>(key)?.is_none() {
        Which::parse(ctx.args, 2)?.none(ctx.out);
        return Ok(());
    }
    let which = Which::parse(ctx.args, 2)?;
    let ids = ids(which.ids)?;
    let Some(stream) = ctx.keys.write::<Stream>(key)? else { return Ok(()) };
    let mut deleted = 0;
    ctx.out.array(ids.len());
    for id in ids {
        let what = stream.delete_by(id, which.policy);
        deleted += u64::from(what == Deleted::Yes);
        ctx.out.int(what as i64);
    }
    if deleted > 0 {
        ctx.keys.changed(NotifyFlags::STREAM, "xdel", key, deleted);
    }
    Ok(())
}
