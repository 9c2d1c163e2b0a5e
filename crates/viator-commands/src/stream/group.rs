//! Consumer groups: XGROUP.

use viator_data::stream::{Stream, StreamId};
use viator_engine::args::{self, Args};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{AdminCtx, WriteCtx};
use viator_engine::error::Error;
use viator_engine::keys::WriteKeys;
use viator_resp::reply::shown_whole;

use super::id;
use crate::declare::{KEY, RW_DELETE, RW_INSERT, RW_UPDATE, one_key};
use crate::help;

/// XGROUP.
pub static XGROUP: Command = Command {
    name: "xgroup",
    arity: -2,
    group: Group::Stream,
    since: "5.0.0",
    summary: "A container for consumer groups commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &XGROUP_CREATE,
        &XGROUP_CREATECONSUMER,
        &XGROUP_DELCONSUMER,
        &XGROUP_DESTROY,
        &XGROUP_HELP,
        &XGROUP_SETID,
    ],
    ..Command::BASE
};

/// XGROUP CREATE.
pub static XGROUP_CREATE: Command = Command {
    name: "create",
    arity: -5,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STREAM,
    keys: &[one_key(2, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Creates a consumer group.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added the `entries_read` named argument.")],
    args: &[
        KEY,
        ArgSpec::string("group"),
        ArgSpec::oneof("id-selector", &[ArgSpec::string("id"), ArgSpec::token("new-id", "$")]),
        ArgSpec::token("mkstream", "MKSTREAM").opt(),
        ArgSpec::integer("entriesread").after("ENTRIESREAD").shown("entries-read").opt(),
    ],
    examples: &[
        "XGROUP CREATE stream group $",
        "XGROUP CREATE stream group $ MKSTREAM",
        "XGROUP CREATE stream group $",
        "XADD stream 1-1 a 1",
        "XGROUP CREATE stream other 0 ENTRIESREAD 1",
        "XINFO GROUPS stream",
        "XGROUP CREATE stream third a",
        "XGROUP CREATE stream third 0 ENTRIESREAD -2",
        "XGROUP CREATE stream third 0 NOSUCH",
    ],
    handler: Handler::Write(xgroup_create),
    ..Command::BASE
};

/// The error where a group is missing.
pub(super) fn no_group(group: &[u8], key: &[u8]) -> Error {
    Error::text(format!("NOGROUP No such consumer group '{}' for key name '{}'", shown_whole(group), shown_whole(key)))
}

/// The error where the key or the group is missing.
pub(super) fn no_key_or_group(key: &[u8], group: &[u8]) -> Error {
    Error::text(format!("NOGROUP No such key '{}' or consumer group '{}'", shown_whole(key), shown_whole(group)))
}

const NO_KEY: Error = Error::Static(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to \
     create an empty stream automatically.",
);

/// Options of XGROUP CREATE and SETID.
#[derive(Default)]
struct Options {
    make: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(args: Args<'_>, create: bool) -> Result<Options, Error> {
        let mut o = Options::default();
        let mut rest = args.from(5).iter();
        while let Some(option) = rest.next() {
            if create && args::is(option, "MKSTREAM") {
                o.make = true;
            } else if args::is(option, "ENTRIESREAD")
                && let Some(n) = rest.next()
            {
                let n = args::int(n)?;
                if n < -1 {
                    return Err(Error::Static("ERR value for ENTRIESREAD must be positive or -1"));
                }
                o.entries_read = u64::try_from(n).ok();
            } else {
                return Err(help::bad_subcommand(args));
            }
        }
        Ok(o)
    }

    /// The entries read, which cannot be more than were added.
    fn read_of(&self, stream: &Stream) -> Option<u64> {
        self.entries_read.map(|n| n.min(stream.log().entries_added()))
    }
}

fn xgroup_create(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, name) = (ctx.args.at(2), ctx.args.at(3));
    let options = Options::parse(ctx.args, true)?;
    let last_id = ctx.keys.write::<Stream>(key)?.map(|s| s.log().last_id());
    if last_id.is_none() && !options.make {
        return Err(NO_KEY);
    }
    if ctx.args.len() > 8 {
        return Err(help::bad_subcommand(ctx.args));
    }
    let start = match ctx.args.at(4) {
        b"$" => last_id.unwrap_or_default(),
        start => id::exact(start)?,
    };
    let stream = ctx.keys.write_or_new::<Stream>(key, |_| Stream::new())?;
    if !stream.create_group(name, start, options.read_of(stream)) {
        return Err(Error::Static("BUSYGROUP Consumer Group name already exists"));
    }
    ctx.keys.notify(NotifyFlags::STREAM, "xgroup-create", key);
    ctx.keys.dirty(1);
    ctx.out.ok();
    Ok(())
}

/// The stream of a subcommand that takes no options, and needs the stream to exist.
fn stream<'k>(keys: &'k mut WriteKeys<'_, '_>, args: Args<'_>) -> Result<&'k mut Stream, Error> {
    keys.write::<Stream>(args.at(2))?.ok_or(NO_KEY)
}

/// XGROUP SETID.
pub static XGROUP_SETID: Command = Command {
    name: "setid",
    arity: -5,
    flags: Flags::WRITE,
    acl: Acl::STREAM,
    keys: &[one_key(2, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Sets the last-delivered ID of a consumer group.",
    complexity: "O(1)",
    history: &[("7.0.0", "Added the optional `entries_read` argument.")],
    args: &[
        KEY,
        ArgSpec::string("group"),
        ArgSpec::oneof("id-selector", &[ArgSpec::string("id"), ArgSpec::token("new-id", "$")]),
        ArgSpec::integer("entriesread").after("ENTRIESREAD").shown("entries-read").opt(),
    ],
    examples: &[
        "XADD stream 1-1 a 1",
        "XGROUP CREATE stream group $",
        "XGROUP SETID stream group 0",
        "XREADGROUP GROUP group consumer STREAMS stream >",
        "XGROUP SETID stream group $ ENTRIESREAD 1",
        "XINFO GROUPS stream",
        "XGROUP SETID stream other 0",
        "XGROUP SETID missing group 0",
    ],
    handler: Handler::Write(xgroup_setid),
    ..Command::BASE
};

fn xgroup_setid(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (args, key, name) = (ctx.args, ctx.args.at(2), ctx.args.at(3));
    let options = Options::parse(args, false)?;
    let s = stream(&mut ctx.keys, args)?;
    let (last, read): (StreamId, _) = (s.log().last_id(), options.read_of(s));
    let Some((_, group)) = s.group_mut(name) else { return Err(no_group(name, key)) };
    if args.len() > 7 {
        return Err(help::bad_subcommand(args));
    }
    let at = match args.at(4) {
        b"$" => last,
        at => id::bound(at, 0)?,
    };
    group.set_position(at, read);
    ctx.keys.notify(NotifyFlags::STREAM, "xgroup-setid", key);
    ctx.keys.dirty(1);
    ctx.out.ok();
    Ok(())
}

/// XGROUP DESTROY.
pub static XGROUP_DESTROY: Command = Command {
    name: "destroy",
    arity: 4,
    flags: Flags::WRITE,
    acl: Acl::STREAM,
    keys: &[one_key(2, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Destroys a consumer group.",
    complexity: "O(N) where N is the number of entries in the group's pending entries list (PEL).",
    args: &[KEY, ArgSpec::string("group")],
    examples: &[
        "XGROUP CREATE stream group $ MKSTREAM",
        "XGROUP DESTROY stream group",
        "XGROUP DESTROY stream group",
        "XGROUP DESTROY missing group",
    ],
    handler: Handler::Write(xgroup_destroy),
    ..Command::BASE
};

fn xgroup_destroy(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(2);
    let removed = stream(&mut ctx.keys, ctx.args)?.remove_group(ctx.args.at(3));
    if removed {
        ctx.keys.notify(NotifyFlags::STREAM, "xgroup-destroy", key);
        // those who read by the group are told that it is gone
        ctx.keys.wake(key);
        ctx.keys.dirty(1);
    }
    ctx.out.int(i64::from(removed));
    Ok(())
}

/// XGROUP CREATECONSUMER.
pub static XGROUP_CREATECONSUMER: Command = Command {
    name: "createconsumer",
    arity: 5,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STREAM,
    keys: &[one_key(2, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "6.2.0",
    summary: "Creates a consumer in a consumer group.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::string("group"), ArgSpec::string("consumer")],
    examples: &[
        "XGROUP CREATE stream group $ MKSTREAM",
        "XGROUP CREATECONSUMER stream group consumer",
        "XGROUP CREATECONSUMER stream group consumer",
        "XGROUP CREATECONSUMER stream other consumer",
        "XGROUP CREATECONSUMER missing group consumer",
    ],
    handler: Handler::Write(xgroup_createconsumer),
    ..Command::BASE
};

/// Tells of a consumer that was created.
pub(super) fn created_consumer(keys: &mut WriteKeys<'_, '_>, key: &[u8]) {
    keys.notify(NotifyFlags::STREAM, "xgroup-createconsumer", key);
    keys.dirty(1);
}

fn xgroup_createconsumer(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (args, key, name) = (ctx.args, ctx.args.at(2), ctx.args.at(3));
    let now = ctx.keys.now().cast_unsigned();
    let s = stream(&mut ctx.keys, args)?;
    let Some((_, group)) = s.group_mut(name) else { return Err(no_group(name, key)) };
    let created = group.create_consumer(args.at(4), now);
    if created {
        created_consumer(&mut ctx.keys, key);
    }
    ctx.out.int(i64::from(created));
    Ok(())
}

/// XGROUP DELCONSUMER.
pub static XGROUP_DELCONSUMER: Command = Command {
    name: "delconsumer",
    arity: 5,
    flags: Flags::WRITE,
    acl: Acl::STREAM,
    keys: &[one_key(2, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Deletes a consumer from a consumer group.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::string("group"), ArgSpec::string("consumer")],
    examples: &[
        "XADD stream 1-1 a 1",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group consumer STREAMS stream >",
        "XGROUP DELCONSUMER stream group consumer",
        "XGROUP DELCONSUMER stream group consumer",
        "XPENDING stream group",
        "XGROUP DELCONSUMER stream other consumer",
    ],
    handler: Handler::Write(xgroup_delconsumer),
    ..Command::BASE
};

fn xgroup_delconsumer(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (args, key, name) = (ctx.args, ctx.args.at(2), ctx.args.at(3));
    let s = stream(&mut ctx.keys, args)?;
    let Some((_, group)) = s.group_mut(name) else { return Err(no_group(name, key)) };
    let pending = group.remove_consumer(args.at(4));
    if pending.is_some() {
        ctx.keys.notify(NotifyFlags::STREAM, "xgroup-delconsumer", key);
        ctx.keys.dirty(1);
    }
    ctx.out.int(pending.unwrap_or(0) as i64);
    Ok(())
}

/// XGROUP HELP.
pub static XGROUP_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::STREAM,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["XGROUP HELP", "XGROUP NOSUCH"],
    handler: Handler::Admin(xgroup_help),
    ..Command::BASE
};

fn xgroup_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    help::help(
        ctx.out,
        "XGROUP",
        &[
            "CREATE <key> <groupname> <id|$> [option]",
            "    Create a new consumer group. Options are:",
            "    * MKSTREAM",
            "      Create the empty stream if it does not exist.",
            "    * ENTRIESREAD entries_read",
            "      Set the group's entries_read counter (internal use).",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Create a new consumer in the specified group.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Remove the specified consumer.",
            "DESTROY <key> <groupname>",
            "    Remove the specified group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Set the current group ID and entries_read counter.",
        ],
    );
    Ok(())
}
