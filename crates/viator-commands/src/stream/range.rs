//! Reading a stream by ids: XLEN, XRANGE, XREVRANGE.

use viator_data::stream::Stream;
use viator_engine::args::{self, Args};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;
use viator_engine::error::Error;

use super::{entry, id};
use crate::declare::{KEY, RO, RO_ACCESS, one_key};

/// XLEN.
pub static XLEN: Command = Command {
    name: "xlen",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::STREAM,
    keys: &[one_key(1, RO)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Return the number of messages in a stream.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["XLEN stream", "XADD stream 1-1 field value", "XLEN stream", "SET string v", "XLEN string"],
    handler: Handler::Read(xlen),
    ..Command::BASE
};

fn xlen(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let len = ctx.keys.read::<Stream>(ctx.args.at(1))?.map_or(0, Stream::len);
    ctx.out.int(len as i64);
    Ok(())
}

/// XRANGE.
pub static XRANGE: Command = Command {
    name: "xrange",
    arity: -4,
    flags: Flags::READONLY,
    acl: Acl::STREAM,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns the messages from a stream within a range of IDs.",
    complexity: "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking \
        for the first 10 elements with COUNT), you can consider it O(1).",
    history: &[("6.2.0", "Added exclusive ranges.")],
    args: &[KEY, ArgSpec::string("start"), ArgSpec::string("end"), ArgSpec::integer("count").after("COUNT").opt()],
    examples: &[
        "XADD stream 1-1 a 1",
        "XADD stream 1-2 a 2 b 3",
        "XADD stream 2-1 c 4",
        "XRANGE stream - +",
        "XRANGE stream 1 1",
        "XRANGE stream (1-1 + COUNT 1",
        "XRANGE stream 5 +",
        "XRANGE missing - +",
        "XRANGE stream - + COUNT 0",
        "XRANGE stream a +",
    ],
    handler: Handler::Read(xrange),
    ..Command::BASE
};

fn xrange(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    range(ctx, false)
}

/// XREVRANGE.
pub static XREVRANGE: Command = Command {
    name: "xrevrange",
    arity: -4,
    flags: Flags::READONLY,
    acl: Acl::STREAM,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns the messages from a stream within a range of IDs in reverse order.",
    complexity: "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the \
        first 10 elements with COUNT), you can consider it O(1).",
    history: &[("6.2.0", "Added exclusive ranges.")],
    args: &[KEY, ArgSpec::string("end"), ArgSpec::string("start"), ArgSpec::integer("count").after("COUNT").opt()],
    examples: &[
        "XADD stream 1-1 a 1",
        "XADD stream 1-2 a 2 b 3",
        "XADD stream 2-1 c 4",
        "XREVRANGE stream + -",
        "XREVRANGE stream 1 1",
        "XREVRANGE stream + (1-1 COUNT 1",
        "XREVRANGE missing + -",
    ],
    handler: Handler::Read(xrevrange),
    ..Command::BASE
};

fn xrevrange(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    range(ctx, true)
}

/// The count that COUNT asks for; `None` without it.
fn count(args: Args<'_>) -> Result<Option<usize>, Error> {
    let mut count = None;
    let mut options = args.iter();
    while let Some(option) = options.next() {
        if !args::is(option, "COUNT") {
            return Err(Error::Syntax);
        }
        let n = args::int(options.next().ok_or(Error::Syntax)?)?;
        // -1 is what Redis has for "without it"
        count = Some(usize::try_from(n).unwrap_or(0));
    }
    Ok(count)
}

fn range(ctx: &mut ReadCtx<'_, '_>, reverse: bool) -> Outcome {
    let (first, last) = if reverse { (3, 2) } else { (2, 3) };
    let (start, end) = (id::range_start(ctx.args.at(first))?, id::range_end(ctx.args.at(last))?);
    let count = count(ctx.args.from(4))?;
    match (ctx.keys.read::<Stream>(ctx.args.at(1))?, count) {
        (None, _) => ctx.out.array(0),
        (Some(_), Some(0)) => ctx.out.null_array(),
        (Some(s), count) => {
            entry::entries(ctx.out, s.log().range(start, end, reverse).take(count.unwrap_or(usize::MAX)));
        }
    }
    Ok(())
}
