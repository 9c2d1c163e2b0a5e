//! Deleting keys and asking whether they exist: DEL, UNLINK, EXISTS, TOUCH, TYPE.

use viator_engine::command::{Acl, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{ReadCtx, WriteCtx};
use viator_engine::keys::kind;

use crate::declare::{KEY, RM_DELETE, RO, keys, one_key};

/// DEL.
pub static DEL: Command = Command {
    name: "del",
    arity: -2,
    flags: Flags::WRITE,
    acl: Acl::KEYSPACE,
    keys: &[keys(1, -1, 1, RM_DELETE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Deletes one or more keys.",
    complexity: "O(N) where N is the number of keys that will be removed. When a key to remove holds a value other \
        than a string, the individual complexity for this key is O(M) where M is the number of elements in the list, \
        set, sorted set or hash. Removing a single key that holds a string value is O(1).",
    args: &[KEY.multi()],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    examples: &["MSET one 1 two 2", "DEL one two three", "EXISTS one two"],
    handler: Handler::Write(del),
    ..Command::BASE
};

fn del(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let lazy = ctx.keys.cfg().lazyfree_lazy_user_del;
    delete_all(ctx, lazy)
}

/// Deletes the keys that the arguments name, and replies how many there were.
fn delete_all(ctx: &mut WriteCtx<'_, '_>, lazy: bool) -> Outcome {
    let mut deleted = 0;
    for key in ctx.args.from(1).iter() {
        if ctx.keys.delete(key, lazy) {
            ctx.keys.notify(NotifyFlags::GENERIC, "del", key);
            ctx.keys.dirty(1);
            deleted += 1;
        }
    }
    ctx.out.int(deleted);
    Ok(())
}

/// UNLINK.
pub static UNLINK: Command = Command {
    name: "unlink",
    arity: -2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[keys(1, -1, 1, RM_DELETE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "4.0.0",
    summary: "Asynchronously deletes one or more keys.",
    complexity: "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different \
        thread in order to reclaim memory, where N is the number of allocations the deleted objects where composed \
        of.",
    args: &[KEY.multi()],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    examples: &["MSET one 1 two 2", "UNLINK one two three", "EXISTS one two"],
    handler: Handler::Write(unlink),
    ..Command::BASE
};

fn unlink(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    delete_all(ctx, true)
}

/// EXISTS.
pub static EXISTS: Command = Command {
    name: "exists",
    arity: -2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[keys(1, -1, 1, RO)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Determines whether one or more keys exist.",
    complexity: "O(N) where N is the number of keys to check.",
    history: &[("3.0.3", "Accepts multiple `key` arguments.")],
    args: &[KEY.multi()],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    examples: &["SET key value", "EXISTS key", "EXISTS missing", "EXISTS key key missing"],
    handler: Handler::Read(exists),
    ..Command::BASE
};

fn exists(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let mut found = 0;
    for key in ctx.args.from(1).iter() {
        found += i64::from(ctx.keys.glance(key).is_some());
    }
    ctx.out.int(found);
    Ok(())
}

/// TOUCH.
pub static TOUCH: Command = Command {
    name: "touch",
    arity: -2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[keys(1, -1, 1, RO)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "3.2.1",
    summary: "Returns the number of existing keys out of those specified after updating the time they were last \
        accessed.",
    complexity: "O(N) where N is the number of keys that will be touched.",
    args: &[KEY.multi()],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    examples: &["MSET one 1 two 2", "TOUCH one two three one"],
    handler: Handler::Read(touch),
    ..Command::BASE
};

fn touch(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    // this command is meant to touch: CLIENT NO-TOUCH does not hold it back
    ctx.keys.no_touch = false;
    let mut found = 0;
    for key in ctx.args.from(1).iter() {
        found += i64::from(ctx.keys.lookup(key).is_some());
    }
    ctx.out.int(found);
    Ok(())
}

/// TYPE.
pub static TYPE: Command = Command {
    name: "type",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Determines the type of value stored at a key.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &[
        "SET string s",
        "RPUSH list a",
        "SADD set a",
        "ZADD zset 1 a",
        "HSET hash f v",
        "XADD stream 1-1 f v",
        "TYPE string",
        "TYPE list",
        "TYPE set",
        "TYPE zset",
        "TYPE hash",
        "TYPE stream",
        "TYPE missing",
    ],
    handler: Handler::Read(type_of),
    ..Command::BASE
};

fn type_of(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let name = ctx.keys.glance(ctx.args.at(1)).map_or("none", |e| kind(e.value).name());
    ctx.out.simple(name);
    Ok(())
}
