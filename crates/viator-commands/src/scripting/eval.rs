//! EVAL, EVALSHA and their read-only forms.

use crate::declare::{RO_ACCESS, RW_ACCESS_UPDATE, counted_keys};
use viator_engine::command::{ArgSpec, Command, Flags, Group, Handler, Outcome, Scope, Traits};
use viator_engine::ctx::AdminCtx;
use viator_engine::scripting;

const FLAGS: Flags = Flags::NOSCRIPT.or(Flags::SKIP_MONITOR).or(Flags::STALE).or(Flags::NO_MANDATORY_KEYS);

pub(super) const BASE: Command = Command {
    arity: -3,
    flags: FLAGS,
    acl: viator_engine::command::Acl::SCRIPTING,
    keys: &[counted_keys(2, RW_ACCESS_UPDATE)],
    scope: Scope::All,
    group: Group::Scripting,
    since: "2.6.0",
    complexity: "Depends on the script that is executed.",
    traits: Traits::MAY_REPLICATE,
    ..Command::BASE
};

pub(super) const BASE_RO: Command = Command {
    flags: FLAGS.or(Flags::READONLY),
    keys: &[counted_keys(2, RO_ACCESS)],
    since: "7.0.0",
    traits: Traits::NONE,
    ..BASE
};

const NUMKEYS: ArgSpec = ArgSpec::integer("numkeys");
const KEYS: ArgSpec = ArgSpec::key("key", 0).opt().multi();
const ARGS: ArgSpec = ArgSpec::string("arg").opt().multi();

const SCRIPT_ARGS: &[ArgSpec] = &[ArgSpec::string("script"), NUMKEYS, KEYS, ARGS];
const SHA_ARGS: &[ArgSpec] = &[ArgSpec::string("sha1"), NUMKEYS, KEYS, ARGS];
pub(super) const FUNCTION_ARGS: &[ArgSpec] = &[ArgSpec::string("function"), NUMKEYS, KEYS, ARGS];

/// EVAL.
pub static EVAL: Command = Command {
    name: "eval",
    summary: "Executes a server-side Lua script.",
    args: SCRIPT_ARGS,
    examples: &[
        "EVAL 'return 1' 0",
        "EVAL 'return {KEYS[1], ARGV[1], ARGV[2]}' 1 key a b",
        "EVAL 'return redis.call(\"SET\", KEYS[1], ARGV[1])' 1 key value",
        "EVAL 'return redis.call(\"GET\", KEYS[1])' 1 key",
        "EVAL 'return redis.call(\"NOTHING\")' 0",
        "EVAL 'return {1, 2.7, \"three\", true, false, 5}' 0",
        "EVAL 'return +' 0",
        "EVAL 'return 1' x",
        "EVAL 'return 1' -1",
        "EVAL 'return 1' 1",
        "EVAL \"#!lua flags=some\\nreturn 1\" 0",
    ],
    only_reads: Some(scripting::eval_only_reads),
    handler: Handler::Admin(eval),
    ..BASE
};

fn eval(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    scripting::eval(ctx, false)
}

/// EVALSHA.
pub static EVALSHA: Command = Command {
    name: "evalsha",
    summary: "Executes a server-side Lua script by SHA1 digest.",
    args: SHA_ARGS,
    examples: &[
        "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
        "EVAL 'return 1' 0",
        "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
        "EVALSHA E0E1F9FABFC9D4800C877A703B823AC0578FF8DB 0",
        "EVALSHA short 0",
    ],
    only_reads: Some(scripting::evalsha_only_reads),
    handler: Handler::Admin(evalsha),
    ..BASE
};

fn evalsha(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    scripting::evalsha(ctx, false)
}

/// EVAL_RO.
pub static EVAL_RO: Command = Command {
    name: "eval_ro",
    summary: "Executes a read-only server-side Lua script.",
    args: SCRIPT_ARGS,
    examples: &[
        "SET key value",
        "EVAL_RO 'return redis.call(\"GET\", KEYS[1])' 1 key",
        "EVAL_RO 'return redis.call(\"SET\", KEYS[1], 1)' 1 key",
        "EVAL_RO \"#!lua\\nreturn 1\" 0",
    ],
    handler: Handler::Admin(eval_ro),
    ..BASE_RO
};

fn eval_ro(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    scripting::eval(ctx, true)
}

/// EVALSHA_RO.
pub static EVALSHA_RO: Command = Command {
    name: "evalsha_ro",
    summary: "Executes a read-only server-side Lua script by SHA1 digest.",
    args: SHA_ARGS,
    examples: &["SCRIPT LOAD 'return 1'", "EVALSHA_RO e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0"],
    handler: Handler::Admin(evalsha_ro),
    ..BASE_RO
};

fn evalsha_ro(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    scripting::evalsha(ctx, true)
}
