//! XSETID.

use viator_data::stream::{Stream, StreamId};
use viator_engine::args;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;

use super::id;
use crate::declare::{KEY, RW_UPDATE, one_key};

/// XSETID.
pub static XSETID: Command = Command {
    name: "xsetid",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STREAM,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "An internal command for replicating stream values.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments.")],
    args: &[
        KEY,
        ArgSpec::string("last-id"),
        ArgSpec::integer("entries-added").after("ENTRIESADDED").since("7.0.0").opt(),
        ArgSpec::string("max-deleted-id").after("MAXDELETEDID").since("7.0.0").opt(),
    ],
    examples: &[
        "XADD stream 5-1 a 1",
        "XSETID stream 7-0",
        "XADD stream 6-0 a 1",
        "XSETID stream 4-0",
        "XSETID stream 8-0 ENTRIESADDED 10 MAXDELETEDID 6-0",
        "XINFO STREAM stream",
        "XSETID stream 9-0 ENTRIESADDED -1",
        "XSETID stream 5-0 MAXDELETEDID 6-0",
        "XSETID missing 1-1",
    ],
    handler: Handler::Write(xsetid),
    ..Command::BASE
};

fn xsetid(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let id = id::exact(ctx.args.at(2))?;
    let (mut added, mut max_deleted) = (None, StreamId::MIN);
    let mut options = ctx.args.from(3).iter();
    while let Some(option) = options.next() {
        let value = options.next().ok_or(Error::Syntax)?;
        if args::is(option, "ENTRIESADDED") {
            let n = args::int(value)?;
            added = Some(u64::try_from(n).map_err(|_| Error::Static("ERR entries_added must be positive"))?);
        } else if args::is(option, "MAXDELETEDID") {
            max_deleted = id::exact(value)?;
            if id < max_deleted {
                return Err(Error::Static(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(Error::Syntax);
        }
    }
    let stream = ctx.keys.write::<Stream>(key)?.ok_or(Error::NoSuchKey)?;
    let log = stream.log();
    if id < log.max_deleted_id() {
        return Err(Error::Static("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"));
    }
    if let Some(last) = log.range(StreamId::MIN, StreamId::MAX, true).next() {
        if id < last.id {
            return Err(Error::Static("ERR The ID specified in XSETID is smaller than the target stream top item"));
        }
        if added.is_some_and(|n| n < log.len() as u64) {
            return Err(Error::Static(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
    }
    let max_deleted = if max_deleted == StreamId::MIN { log.max_deleted_id() } else { max_deleted };
    let added = added.unwrap_or(log.entries_added());
    stream.set_counters(id, max_deleted, added);
    // as in Redis, the entries being what they were, nobody who watches them is told
    ctx.keys.notify(NotifyFlags::STREAM, "xsetid", key);
    ctx.keys.dirty(1);
    ctx.out.ok();
    Ok(())
}
