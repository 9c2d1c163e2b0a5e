//! FCALL and FUNCTION: libraries of functions.

use super::eval::{BASE as EVAL_BASE, BASE_RO as EVAL_BASE_RO, FUNCTION_ARGS};
use super::script::{FLUSH_TYPE, flush_mode_ok};
use crate::help::help;
use std::sync::atomic::Ordering::Relaxed;
use viator_data::glob;
use viator_engine::args::is;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::scripting::{self, Kind, Library, Policy, ScriptFlags};
use viator_persist::file::Part;
use viator_persist::{Reader, Writer};
use viator_resp::reply::shown;

const COMPLEXITY: &str = "Depends on the function that is executed.";

/// FCALL.
pub static FCALL: Command = Command {
    name: "fcall",
    since: "7.0.0",
    summary: "Invokes a function.",
    complexity: COMPLEXITY,
    args: FUNCTION_ARGS,
    examples: &[
        "FUNCTION LOAD REPLACE \"#!lua name=lib\\nredis.register_function('f', function(keys, args) return {keys[1], \
         args[1]} end)\"",
        "FCALL f 1 key arg",
        "FCALL F 1 key arg",
        "FCALL g 0",
        "FCALL f x",
        "FCALL f 1",
        "FCALL f -1",
        "FUNCTION FLUSH",
    ],
    only_reads: Some(scripting::fcall_only_reads),
    handler: Handler::Admin(fcall),
    ..EVAL_BASE
};

fn fcall(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    scripting::fcall(ctx, false)
}

/// FCALL_RO.
pub static FCALL_RO: Command = Command {
    name: "fcall_ro",
    summary: "Invokes a read-only function.",
    complexity: COMPLEXITY,
    args: FUNCTION_ARGS,
    examples: &[
        "FUNCTION LOAD REPLACE \"#!lua name=lib\\nredis.register_function{function_name='f', callback=function() return 1 \
         end, flags={'no-writes'}}\\nredis.register_function('g', function() return 2 end)\"",
        "FCALL_RO f 0",
        "FCALL_RO g 0",
        "FUNCTION FLUSH",
    ],
    handler: Handler::Admin(fcall_ro),
    ..EVAL_BASE_RO
};

fn fcall_ro(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    scripting::fcall(ctx, true)
}

const BASE: Command = Command {
    flags: Flags::NOSCRIPT,
    acl: Acl::SCRIPTING,
    group: Group::Scripting,
    since: "7.0.0",
    complexity: "O(1)",
    ..Command::BASE
};

/// FUNCTION.
pub static FUNCTION: Command = Command {
    name: "function",
    arity: -2,
    group: Group::Scripting,
    since: "7.0.0",
    summary: "A container for function commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&DELETE, &DUMP, &FLUSH, &HELP, &KILL, &LIST, &LOAD, &RESTORE, &STATS],
    ..Command::BASE
};

const EVERYWHERE: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

/// Counts a change of the libraries, so that it is propagated.
fn changed(ctx: &mut AdminCtx<'_, '_>) {
    let db = ctx.session.db;
    ctx.with_keys_mut(db, |keys| keys.dirty(1));
}

/// FUNCTION DELETE.
pub static DELETE: Command = Command {
    name: "delete",
    arity: 3,
    flags: Flags::NOSCRIPT.or(Flags::WRITE),
    summary: "Deletes a library and its functions.",
    args: &[ArgSpec::string("library-name")],
    tips: EVERYWHERE,
    examples: &[
        "FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', function() return 1 end)\"",
        "FUNCTION DELETE lib",
        "FUNCTION DELETE lib",
        "FCALL f 0",
    ],
    scope: Scope::All,
    handler: Handler::Admin(delete),
    ..BASE
};

fn delete(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if !ctx.server.scripting.delete_library(ctx.args.at(2)) {
        return Err(Error::Static("ERR Library not found"));
    }
    changed(ctx);
    ctx.out.ok();
    Ok(())
}

/// FUNCTION DUMP.
pub static DUMP: Command = Command {
    name: "dump",
    arity: 2,
    summary: "Dumps all libraries into a serialized binary payload.",
    complexity: "O(N) where N is the number of functions",
    examples: &[
        "FUNCTION FLUSH",
        "FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', function() return 1 end)\"",
        "FUNCTION FLUSH",
    ],
    handler: Handler::Admin(dump),
    ..BASE
};

fn dump(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let mut compressor = ctx.cfg().rdbcompression.then(viator_data::lzf::Compressor::default);
    let mut writer = Writer::new(compressor.as_mut());
    for library in ctx.server.scripting.libraries() {
        writer.function(&library.code);
    }
    ctx.out.bulk(&writer.finish_payload());
    Ok(())
}

/// FUNCTION FLUSH.
pub static FLUSH: Command = Command {
    name: "flush",
    arity: -2,
    flags: Flags::NOSCRIPT.or(Flags::WRITE),
    summary: "Deletes all libraries and functions.",
    complexity: "O(N) where N is the number of functions deleted",
    args: &[FLUSH_TYPE],
    tips: EVERYWHERE,
    examples: &[
        "FUNCTION FLUSH",
        "FUNCTION FLUSH ASYNC",
        "FUNCTION FLUSH SYNC",
        "FUNCTION FLUSH later",
        "FUNCTION LIST",
    ],
    scope: Scope::All,
    handler: Handler::Admin(flush),
    ..BASE
};

fn flush(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.args.len() > 3 {
        return Err(crate::help::bad_subcommand(ctx.args));
    }
    if !flush_mode_ok(ctx) {
        return Err(Error::Static("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    scripting::flush_libraries(ctx);
    changed(ctx);
    ctx.out.ok();
    Ok(())
}

/// FUNCTION HELP.
pub static HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    summary: "Returns helpful text about the different subcommands.",
    examples: &["FUNCTION HELP"],
    handler: Handler::Admin(function_help),
    ..BASE
};

fn function_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    help(
        ctx.out,
        "FUNCTION",
        &[
            "LOAD [REPLACE] <FUNCTION CODE>",
            "    Create a new library with the given library name and code.",
            "DELETE <LIBRARY NAME>",
            "    Delete the given library.",
            "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
            "    Return general information on all the libraries:",
            "    * Library name",
            "    * The engine used to run the Library",
            "    * Functions list",
            "    * Library code (if WITHCODE is given)",
            "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
            "STATS",
            "    Return information about the current function running:",
            "    * Function name",
            "    * Command used to run the function",
            "    * Duration in MS that the function is running",
            "    If no function is running, return nil",
            "    In addition, returns a list of available engines.",
            "KILL",
            "    Kill the current running function.",
            "FLUSH [ASYNC|SYNC]",
            "    Delete all the libraries.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the libraries.",
            "    * SYNC: Synchronously flush the libraries.",
            "DUMP",
            "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
            "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
            "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
            "    control how to handle existing libraries (default APPEND):",
            "    * FLUSH: delete all existing libraries.",
            "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
            "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
            "      libraries with the new libraries (notice that even on this option there is a chance of failure",
            "      in case of functions name collision with another library).",
        ],
    );
    Ok(())
}

/// FUNCTION KILL.
pub static KILL: Command = Command {
    name: "kill",
    arity: 2,
    flags: Flags::NOSCRIPT.or(Flags::ALLOW_BUSY),
    summary: "Terminates a function during execution.",
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    examples: &["FUNCTION KILL"],
    handler: Handler::Admin(kill),
    ..BASE
};

fn kill(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.server.scripting.running.kill(Kind::Function)?;
    ctx.out.ok();
    Ok(())
}

/// FUNCTION LIST.
pub static LIST: Command = Command {
    name: "list",
    arity: -2,
    summary: "Returns information about all libraries.",
    complexity: "O(N) where N is the number of functions",
    args: &[
        ArgSpec::string("library-name-pattern").after("LIBRARYNAME").opt(),
        ArgSpec::token("withcode", "WITHCODE").opt(),
    ],
    tips: &["nondeterministic_output_order"],
    examples: &[
        "FUNCTION FLUSH",
        "FUNCTION LOAD \"#!lua name=lib\\nredis.register_function{function_name='f', callback=function() return 1 end, \
         description='what it does', flags={'no-writes', 'allow-oom'}}\"",
        "FUNCTION LIST",
        "FUNCTION LIST LIBRARYNAME l*",
        "FUNCTION LIST LIBRARYNAME x*",
        "FUNCTION LIST WITHCODE",
        "FUNCTION LIST LIBRARYNAME",
        "FUNCTION LIST WITHCODE WITHCODE",
        "FUNCTION LIST LIBRARYNAME a LIBRARYNAME b",
        "FUNCTION LIST other",
        "FUNCTION FLUSH",
    ],
    handler: Handler::Admin(list),
    ..BASE
};

fn list(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let (mut with_code, mut pattern) = (false, None);
    let args = ctx.args.from(2);
    let mut i = 0;
    while let Some(arg) = args.get(i) {
        i += 1;
        if !with_code && is(arg, "withcode") {
            with_code = true;
        } else if pattern.is_none() && is(arg, "libraryname") {
            pattern = Some(args.get(i).ok_or(Error::Static("ERR library name argument was not given"))?);
            i += 1;
        } else {
            return Err(Error::text(format!("ERR Unknown argument {}", shown(arg))));
        }
    }
    let libraries: Vec<_> = ctx
        .server
        .scripting
        .libraries()
        .into_iter()
        .filter(|l| pattern.is_none_or(|p| glob::matches_ignore_case(p, &l.name)))
        .collect();
    ctx.out.array(libraries.len());
    for library in &libraries {
        describe(ctx, library, with_code);
    }
    Ok(())
}

fn describe(ctx: &mut AdminCtx<'_, '_>, library: &Library, with_code: bool) {
    let out = &mut *ctx.out;
    out.map(if with_code { 4 } else { 3 });
    out.bulk(b"library_name");
    out.bulk(&library.name);
    out.bulk(b"engine");
    out.bulk(b"LUA");
    out.bulk(b"functions");
    out.array(library.functions.len());
    for f in &library.functions {
        out.map(3);
        out.bulk(b"name");
        out.bulk(&f.name);
        out.bulk(b"description");
        match &f.description {
            Some(d) => out.bulk(d),
            None => out.null(),
        }
        out.bulk(b"flags");
        let names: Vec<&str> =
            ScriptFlags::NAMES.iter().filter(|(flag, _)| f.flags.has(*flag)).map(|(_, n)| *n).collect();
        out.set(names.len());
        for n in names {
            out.simple(n);
        }
    }
    if with_code {
        out.bulk(b"library_code");
        out.bulk(&library.code);
    }
}

/// FUNCTION LOAD.
pub static LOAD: Command = Command {
    name: "load",
    arity: -3,
    flags: Flags::NOSCRIPT.or(Flags::WRITE).or(Flags::DENYOOM),
    summary: "Creates a library.",
    complexity: "O(1) (considering compilation time is redundant)",
    args: &[ArgSpec::token("replace", "REPLACE").opt(), ArgSpec::string("function-code")],
    tips: EVERYWHERE,
    examples: &[
        "FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', function() return 1 end)\"",
        "FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', function() return 1 end)\"",
        "FUNCTION LOAD REPLACE \"#!lua name=lib\\nredis.register_function('f', function() return 1 end)\"",
        "FUNCTION LOAD \"#!lua name=other\\nredis.register_function('f', function() return 1 end)\"",
        "FUNCTION LOAD \"return 1\"",
        "FUNCTION LOAD \"#!lua\\nreturn 1\"",
        "FUNCTION LOAD \"#!js name=lib2\\nreturn 1\"",
        "FUNCTION LOAD \"#!lua name=lib2 other=x\\nreturn 1\"",
        "FUNCTION LOAD \"#!lua name=li-b\\nreturn 1\"",
        "FUNCTION LOAD \"#!lua name=lib2\\nreturn 1\"",
        "FUNCTION LOAD SOME \"#!lua name=lib2\\nreturn 1\"",
        "FUNCTION FLUSH",
    ],
    scope: Scope::All,
    handler: Handler::Admin(load),
    ..BASE
};

fn load(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let args = ctx.args;
    let last = args.len() - 1;
    let mut replace = false;
    for option in args.iter().take(last).skip(2) {
        if !is(option, "replace") {
            return Err(Error::text(format!("ERR Unknown option given: {}", shown(option))));
        }
        replace = true;
    }
    let name = scripting::load_library(ctx, args.at(last), replace)?;
    changed(ctx);
    ctx.out.bulk(&name);
    Ok(())
}

/// FUNCTION RESTORE.
pub static RESTORE: Command = Command {
    name: "restore",
    arity: -3,
    flags: Flags::NOSCRIPT.or(Flags::WRITE).or(Flags::DENYOOM),
    summary: "Restores all libraries from a payload.",
    complexity: "O(N) where N is the number of functions on the payload",
    args: &[
        ArgSpec::string("serialized-value"),
        ArgSpec::oneof(
            "policy",
            &[
                ArgSpec::token("flush", "FLUSH"),
                ArgSpec::token("append", "APPEND"),
                ArgSpec::token("replace", "REPLACE"),
            ],
        )
        .opt(),
    ],
    tips: EVERYWHERE,
    examples: &["FUNCTION RESTORE payload", "FUNCTION RESTORE payload KEEP", "FUNCTION RESTORE payload FLUSH extra"],
    scope: Scope::All,
    handler: Handler::Admin(restore),
    ..BASE
};

fn restore(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let args = ctx.args;
    if args.len() > 4 {
        return Err(crate::help::bad_subcommand(args));
    }
    let policy = match args.get(3) {
        None => Policy::Append,
        Some(p) if is(p, "append") => Policy::Append,
        Some(p) if is(p, "replace") => Policy::Replace,
        Some(p) if is(p, "flush") => Policy::Flush,
        Some(_) => {
            return Err(Error::Static(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let checked = !ctx.server.debug.skip_checksum_validation.load(Relaxed);
    let mut reader = Reader::of_payload(args.at(2), checked)
        .map_err(|_| Error::Static("ERR DUMP payload version or checksum are wrong"))?;
    let mut codes = Vec::new();
    while !reader.is_at_end() {
        match reader.part() {
            Ok(Part::Function(code)) => codes.push(code),
            Ok(_) => return Err(Error::Static("ERR given type is not a function")),
            Err(_) => return Err(Error::Static("ERR failed loading functions")),
        }
    }
    scripting::restore(ctx, &codes, policy)?;
    changed(ctx);
    ctx.out.ok();
    Ok(())
}

/// FUNCTION STATS.
pub static STATS: Command = Command {
    name: "stats",
    arity: 2,
    flags: Flags::NOSCRIPT.or(Flags::ALLOW_BUSY),
    summary: "Returns information about a function during execution.",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    examples: &["FUNCTION FLUSH", "FUNCTION STATS"],
    handler: Handler::Admin(stats),
    ..BASE
};

fn stats(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let (libraries, functions) = ctx.server.scripting.counts();
    let out = &mut *ctx.out;
    out.map(2);
    out.bulk(b"running_script");
    match ctx.server.scripting.running.longest() {
        None => out.null(),
        Some(run) => {
            out.map(3);
            out.bulk(b"name");
            out.bulk(run.name.as_bytes());
            out.bulk(b"command");
            out.array(run.command.len());
            for a in &run.command {
                out.bulk(a);
            }
            out.bulk(b"duration_ms");
            out.int(run.started.elapsed().as_millis() as i64);
        }
    }
    out.bulk(b"engines");
    out.map(1);
    out.bulk(b"LUA");
    out.map(2);
    out.bulk(b"libraries_count");
    out.int(libraries as i64);
    out.bulk(b"functions_count");
    out.int(functions as i64);
    Ok(())
}
