//! Moving and copying keys: RENAME, RENAMENX, MOVE, COPY.

use viator_engine::args;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_engine::keys::{TakenValue, WriteKeys, kind};
use viator_keyspace::{EntryRef, Type, ValueRef};

use crate::declare::{KEY, OW_INSERT, OW_UPDATE, RO_ACCESS, RW_ACCESS_DELETE, RW_ACCESS_UPDATE, one_key};

/// RENAME.
pub static RENAME: Command = Command {
    name: "rename",
    arity: 3,
    flags: Flags::WRITE,
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_ACCESS_DELETE), one_key(2, OW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Renames a key and overwrites the destination.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::key("newkey", 1)],
    examples: &[
        "SET key value EX 100",
        "SET other old",
        "RENAME key other",
        "GET other",
        "TTL other",
        "RENAME missing other",
        "RENAME other other",
    ],
    handler: Handler::Write(rename),
    ..Command::BASE
};

fn rename(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    if move_name(ctx, false)? {
        ctx.out.ok();
    }
    Ok(())
}

/// RENAME and RENAMENX; with `nx` not over an existing key, and with replies of its own. Returns whether the caller is to
/// reply that it was done.
fn move_name(ctx: &mut WriteCtx<'_, '_>, nx: bool) -> Result<bool, Error> {
    let (from, to) = (ctx.args.at(1), ctx.args.at(2));
    let kind_from = ctx.keys.lookup_write(from).map(|e| kind(e.value)).ok_or(Error::NoSuchKey)?;
    if from == to {
        return Ok(!nx);
    }
    let kind_to = ctx.keys.lookup_write(to).map(|e| kind(e.value));
    if kind_to.is_some() && nx {
        return Ok(false);
    }
    let db = ctx.keys.db;
    remove_for_overwrite(&mut ctx.keys, db, to);
    if let Some(taken) = ctx.keys.take_entry(db, from) {
        ctx.keys.put_entry(db, to, taken);
    }
    ctx.keys.notify(NotifyFlags::GENERIC, "rename_from", from);
    ctx.keys.notify(NotifyFlags::GENERIC, "rename_to", to);
    tell_overwritten(&mut ctx.keys, db, to, kind_to, kind_from);
    ctx.keys.dirty(1);
    Ok(true)
}

/// Removes a key that is about to be overwritten, so that it comes back as a new one; as Redis does where it does not
/// simply set.
pub fn remove_for_overwrite(keys: &mut WriteKeys<'_, '_>, db: usize, key: &[u8]) {
    let lazy = keys.cfg().lazyfree_lazy_server_del;
    keys.delete_in(db, key, lazy);
}

/// The events of a key that held `before` and now holds `after`, after the command's own.
pub fn tell_overwritten(keys: &mut WriteKeys<'_, '_>, db: usize, key: &[u8], before: Option<Type>, after: Type) {
    let Some(before) = before else { return };
    keys.event(NotifyFlags::OVERWRITTEN, "overwritten", db, key);
    if before != after {
        keys.event(NotifyFlags::TYPE_CHANGED, "type_changed", db, key);
    }
}

/// RENAMENX.
pub static RENAMENX: Command = Command {
    name: "renamenx",
    arity: 3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_ACCESS_DELETE), one_key(2, OW_INSERT)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Renames a key only when the target key name doesn't exist.",
    complexity: "O(1)",
    history: &[("3.2.0", "The command no longer returns an error when source and destination names are the same.")],
    args: &[KEY, ArgSpec::key("newkey", 1)],
    examples: &[
        "MSET key value other old",
        "RENAMENX key other",
        "RENAMENX key fresh",
        "GET fresh",
        "RENAMENX missing other",
    ],
    handler: Handler::Write(renamenx),
    ..Command::BASE
};

fn renamenx(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let done = move_name(ctx, true)?;
    ctx.out.int(i64::from(done));
    Ok(())
}

/// MOVE.
pub static MOVE: Command = Command {
    name: "move",
    arity: 3,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Moves a key to another database.",
    complexity: "O(1)",
    args: &[KEY, ArgSpec::integer("db")],
    examples: &[
        "SET key value",
        "MOVE key 1",
        "EXISTS key",
        "MOVE key 1",
        "SET key again",
        "MOVE key 1",
        "MOVE key 0",
        "MOVE key 100",
    ],
    handler: Handler::Write(move_key),
    ..Command::BASE
};

fn move_key(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    if ctx.keys.cfg().cluster_enabled {
        return Err(Error::Static("ERR MOVE is not allowed in cluster mode"));
    }
    let key = ctx.args.at(1);
    let (from, to) = (ctx.keys.db, database(ctx, 2)?);
    if from == to {
        return Err(Error::Static(SAME));
    }
    if ctx.keys.lookup_write(key).is_none() || ctx.keys.find_in(to, key).is_some() {
        ctx.out.int(0);
        return Ok(());
    }
    if let Some(taken) = ctx.keys.take_entry(from, key) {
        ctx.keys.put_entry(to, key, taken);
    }
    ctx.keys.event(NotifyFlags::GENERIC, "move_from", from, key);
    ctx.keys.event(NotifyFlags::GENERIC, "move_to", to, key);
    ctx.keys.dirty(1);
    ctx.out.int(1);
    Ok(())
}

const SAME: &str = "ERR source and destination objects are the same";

/// The database that argument `i` names.
fn database(ctx: &WriteCtx<'_, '_>, i: usize) -> Result<usize, Error> {
    let n = i32::try_from(args::int(ctx.args.at(i))?)
        .map_err(|_| Error::Static("ERR value is out of range, value must between -2147483648 and 2147483647"))?;
    usize::try_from(n).ok().filter(|db| *db < ctx.server.keyspace.databases()).ok_or(Error::DbIndex)
}

/// COPY.
pub static COPY: Command = Command {
    name: "copy",
    arity: -3,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO_ACCESS), one_key(2, OW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "6.2.0",
    summary: "Copies the value of a key to a new key.",
    complexity: "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
    args: &[
        ArgSpec::key("source", 0),
        ArgSpec::key("destination", 1),
        ArgSpec::integer("destination-db").after("DB").opt(),
        ArgSpec::token("replace", "REPLACE").opt(),
    ],
    examples: &[
        "SET key value EX 100",
        "COPY key twin",
        "GET twin",
        "TTL twin",
        "SET key new",
        "COPY key twin",
        "COPY key twin REPLACE",
        "GET twin",
        "COPY key key DB 1",
        "COPY key key",
        "COPY missing other",
        "COPY key twin DB 100",
    ],
    handler: Handler::Write(copy),
    ..Command::BASE
};

fn copy(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (from, to) = (ctx.args.at(1), ctx.args.at(2));
    let db = ctx.keys.db;
    let (mut replace, mut target, mut i) = (false, db, 3);
    while let Some(option) = ctx.args.get(i) {
        if args::is(option, "REPLACE") {
            replace = true;
        } else if args::is(option, "DB") && i + 1 < ctx.args.len() {
            target = database(ctx, i + 1)?;
            i += 1;
        } else {
            return Err(Error::Syntax);
        }
        i += 1;
    }
    if ctx.keys.cfg().cluster_enabled && (db != 0 || target != 0) {
        return Err(Error::Static("ERR Copying to another database is not allowed in cluster mode"));
    }
    if db == target && from == to {
        return Err(Error::Static(SAME));
    }
    let Some((kind_from, value, expire)) = ctx.keys.lookup(from).map(|e| (kind(e.value), copy_of(&e), e.expire)) else {
        ctx.out.int(0);
        return Ok(());
    };
    let kind_to = ctx.keys.peek_in(target, to).map(|e| kind(e.value));
    if kind_to.is_some() {
        if !replace {
            ctx.out.int(0);
            return Ok(());
        }
        remove_for_overwrite(&mut ctx.keys, target, to);
    }
    ctx.keys.put_new(target, to, value, expire);
    ctx.keys.event(NotifyFlags::GENERIC, "copy_to", target, to);
    tell_overwritten(&mut ctx.keys, target, to, kind_to, kind_from);
    ctx.keys.dirty(1);
    ctx.out.int(1);
    Ok(())
}

/// A value of its own with the same content.
fn copy_of(e: &EntryRef<'_>) -> TakenValue {
    match e.value {
        ValueRef::Int(n) => TakenValue::Int(n),
        // what is "raw" stays so, even where the other key would leave it room
        ValueRef::Str { bytes, .. } => TakenValue::Str(bytes.to_vec(), e.is_raw()),
        ValueRef::Object(o) => TakenValue::Object(Box::new(o.clone())),
    }
}
