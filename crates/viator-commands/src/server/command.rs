//! COMMAND: what the server knows about its commands.

use super::command_docs::write_docs;
use super::command_info::write_info;
use crate::help::help;
use viator_engine::args::{self, Args};
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler};
use viator_engine::command::{KeyFlags, Outcome};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::table::{Entry, Lookup, Table};

/// COMMAND.
pub static COMMAND: Command = Command {
    name: "command",
    arity: -1,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns detailed information about all commands.",
    complexity: "O(N) where N is the total number of Redis commands",
    tips: &["nondeterministic_output_order"],
    examples: &["COMMAND UNKNOWN"],
    subcommands: &[
        &COMMAND_COUNT,
        &COMMAND_DOCS,
        &COMMAND_GETKEYS,
        &COMMAND_GETKEYSANDFLAGS,
        &COMMAND_HELP,
        &COMMAND_INFO,
        &COMMAND_LIST,
    ],
    handler: Handler::Admin(command),
    ..Command::BASE
};

fn command(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.args.len() > 1 {
        let shown = viator_resp::reply::shown(ctx.args.at(1));
        return Err(Error::text(format!("ERR unknown subcommand '{shown}'. Try COMMAND HELP.")));
    }
    info_of_all(ctx);
    Ok(())
}

fn info_of_all(ctx: &mut AdminCtx<'_, '_>) {
    let table = &ctx.server.table;
    ctx.out.array(table.top_level().count());
    for (_, entry) in table.top_level() {
        write_info(ctx.out, table, entry);
    }
}

/// COMMAND COUNT.
pub static COMMAND_COUNT: Command = Command {
    name: "count",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns a count of commands.",
    complexity: "O(1)",
    examples: &["COMMAND COUNT extra"],
    handler: Handler::Admin(command_count),
    ..Command::BASE
};

fn command_count(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.int(ctx.server.table.top_level().count() as i64);
    Ok(())
}

/// COMMAND DOCS.
pub static COMMAND_DOCS: Command = Command {
    name: "docs",
    arity: -2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "7.0.0",
    summary: "Returns documentary information about one, multiple or all commands.",
    complexity: "O(N) where N is the number of commands to look up",
    args: &[ArgSpec::string("command-name").multi().opt()],
    tips: &["nondeterministic_output_order"],
    examples: &["COMMAND DOCS get", "COMMAND DOCS SET nothing", "COMMAND DOCS nothing"],
    handler: Handler::Admin(command_docs),
    ..Command::BASE
};

fn command_docs(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let table = &ctx.server.table;
    let found: Vec<&Entry> = if ctx.args.len() == 2 {
        table.top_level().map(|(_, entry)| entry).collect()
    } else {
        ctx.args.from(2).iter().filter_map(|name| table.by_full_name(name)).collect()
    };
    ctx.out.map(found.len());
    for entry in found {
        ctx.out.bulk(entry.name.as_bytes());
        write_docs(ctx.out, table, entry);
    }
    Ok(())
}

/// COMMAND GETKEYS.
pub static COMMAND_GETKEYS: Command = Command {
    name: "getkeys",
    arity: -3,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "2.8.13",
    summary: "Extracts the key names from an arbitrary command.",
    complexity: "O(N) where N is the number of arguments to the command",
    args: &[ArgSpec::string("command"), ArgSpec::string("arg").multi().opt()],
    examples: &[
        "COMMAND GETKEYS GET key",
        "COMMAND GETKEYS MSET a 1 b 2 c 3",
        "COMMAND GETKEYS SORT list BY weight_* STORE other",
        "COMMAND GETKEYS MSETEX 2 a 1 b 2 EX 10",
        "COMMAND GETKEYS BITOP AND dest a b",
        "COMMAND GETKEYS PING",
        "COMMAND GETKEYS GET",
        "COMMAND GETKEYS nothing key",
    ],
    handler: Handler::Admin(command_getkeys),
    ..Command::BASE
};

fn command_getkeys(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let args = ctx.args.from(2);
    let keys = keys_of(&ctx.server.table, args)?;
    ctx.out.array(keys.len());
    for (i, _) in keys {
        ctx.out.bulk(args.at(i));
    }
    Ok(())
}

/// The keys of a command line, and what the command does with them.
fn keys_of(table: &Table, args: Args<'_>) -> Result<Vec<(usize, KeyFlags)>, Error> {
    let Lookup::Found(entry) = table.lookup(args) else {
        return Err(Error::Static("ERR Invalid command specified"));
    };
    if entry.cmd.keys.is_empty() {
        return Err(Error::Static("ERR The command has no key arguments"));
    }
    if !entry.arity_ok(args.len()) {
        return Err(Error::Static("ERR Invalid number of arguments specified for command"));
    }
    let keys = entry.keys(args).unwrap_or_default();
    if keys.is_empty() && !entry.flags.has(Flags::NO_MANDATORY_KEYS) {
        return Err(Error::Static("ERR Invalid arguments specified for command"));
    }
    Ok(keys)
}

/// COMMAND GETKEYSANDFLAGS.
pub static COMMAND_GETKEYSANDFLAGS: Command = Command {
    name: "getkeysandflags",
    arity: -3,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "7.0.0",
    summary: "Extracts the key names and access flags for an arbitrary command.",
    complexity: "O(N) where N is the number of arguments to the command",
    args: &[ArgSpec::string("command"), ArgSpec::string("arg").multi().opt()],
    examples: &[
        "COMMAND GETKEYSANDFLAGS GET key",
        "COMMAND GETKEYSANDFLAGS SET key value",
        "COMMAND GETKEYSANDFLAGS SET key value GET",
        "COMMAND GETKEYSANDFLAGS RENAME a b",
        "COMMAND GETKEYSANDFLAGS COPY a b",
        "COMMAND GETKEYSANDFLAGS PING",
    ],
    handler: Handler::Admin(command_getkeysandflags),
    ..Command::BASE
};

fn command_getkeysandflags(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let args = ctx.args.from(2);
    let keys = keys_of(&ctx.server.table, args)?;
    ctx.out.array(keys.len());
    for (i, flags) in keys {
        ctx.out.array(2);
        ctx.out.bulk(args.at(i));
        let names: Vec<&str> = KeyFlags::ALL.iter().filter(|f| flags.has(f.0)).map(|f| f.1).collect();
        ctx.out.set(names.len());
        for name in names {
            ctx.out.simple(name);
        }
    }
    Ok(())
}

/// COMMAND HELP.
pub static COMMAND_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "5.0.0",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["COMMAND HELP"],
    handler: Handler::Admin(command_help),
    ..Command::BASE
};

fn command_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    help(
        ctx.out,
        "COMMAND",
        &[
            "(no subcommand)",
            "    Return details about all Redis commands.",
            "COUNT",
            "    Return the total number of commands in this Redis server.",
            "LIST",
            "    Return a list of all commands in this Redis server.",
            "INFO [<command-name> ...]",
            "    Return details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "DOCS [<command-name> ...]",
            "    Return documentation details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "GETKEYS <full-command>",
            "    Return the keys from a full Redis command.",
            "GETKEYSANDFLAGS <full-command>",
            "    Return the keys and the access flags from a full Redis command.",
        ],
    );
    Ok(())
}

/// COMMAND INFO.
pub static COMMAND_INFO: Command = Command {
    name: "info",
    arity: -2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns information about one, multiple or all commands.",
    complexity: "O(N) where N is the number of commands to look up",
    history: &[("7.0.0", "Allowed to be called with no argument to get info on all commands.")],
    args: &[ArgSpec::string("command-name").multi().opt()],
    tips: &["nondeterministic_output_order"],
    examples: &["COMMAND INFO get nothing set", "COMMAND INFO bitfield mget", "COMMAND INFO nothing"],
    handler: Handler::Admin(command_info),
    ..Command::BASE
};

fn command_info(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.args.len() == 2 {
        info_of_all(ctx);
        return Ok(());
    }
    let table = &ctx.server.table;
    let names = ctx.args.from(2);
    ctx.out.array(names.len());
    for name in names.iter() {
        match table.by_full_name(name) {
            Some(entry) => write_info(ctx.out, table, entry),
            None => ctx.out.null(),
        }
    }
    Ok(())
}

/// COMMAND LIST.
pub static COMMAND_LIST: Command = Command {
    name: "list",
    arity: -2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "7.0.0",
    summary: "Returns a list of command names.",
    complexity: "O(N) where N is the total number of Redis commands",
    args: &[ArgSpec::oneof(
        "filterby",
        &[
            ArgSpec::string("module-name").after("MODULE"),
            ArgSpec::string("category").after("ACLCAT"),
            ArgSpec::new("pattern", ArgKind::Pattern).after("PATTERN"),
        ],
    )
    .after("FILTERBY")
    .opt()],
    tips: &["nondeterministic_output_order"],
    examples: &[
        "COMMAND LIST FILTERBY PATTERN ech*",
        "COMMAND LIST FILTERBY PATTERN nothing*",
        "COMMAND LIST FILTERBY ACLCAT nothing",
        "COMMAND LIST FILTERBY MODULE nothing",
        "COMMAND LIST FILTERBY OTHER x",
    ],
    handler: Handler::Admin(command_list),
    ..Command::BASE
};

fn command_list(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let table = &ctx.server.table;
    let rest = ctx.args.from(2);
    let listed: Vec<&Entry> = match rest.len() {
        0 => table.top_level().map(|(_, entry)| entry).collect(),
        3 if args::is(rest.at(0), "filterby") => {
            let value = rest.at(2);
            let all = table.entries().iter();
            if args::is(rest.at(1), "module") {
                // the module commands of this server are part of it: no module was loaded
                Vec::new()
            } else if args::is(rest.at(1), "aclcat") {
                let category = Acl::ALL.iter().find(|c| args::is(value, c.1)).map(|c| c.0);
                all.filter(|e| category.is_some_and(|c| e.acl.has(c))).collect()
            } else if args::is(rest.at(1), "pattern") {
                all.filter(|e| viator_data::glob::matches_ignore_case(value, e.name.as_bytes())).collect()
            } else {
                return Err(Error::Syntax);
            }
        }
        _ => return Err(Error::Syntax),
    };
    ctx.out.array(listed.len());
    for entry in listed {
        ctx.out.bulk(entry.name.as_bytes());
    }
    Ok(())
}
