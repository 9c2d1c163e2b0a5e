//! Parts of a string: APPEND, GETRANGE, SETRANGE.

use viator_engine::args::int;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{ReadCtx, WriteCtx};
use viator_engine::error::Error;
use viator_keyspace::{Expiry, NewValue};

use crate::declare::{KEY, RO_ACCESS, RW_INSERT, RW_UPDATE, one_key};

/// APPEND.
pub static APPEND: Command = Command {
    name: "append",
    arity: 3,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_INSERT)],
    scope: Scope::Keys,
    group: Group::String,
    since: "2.0.0",
    summary: "Appends a string to the value of a key. Creates the key if it doesn't exist.",
    complexity: "O(1). The amortized time complexity is O(1) assuming the appended value is small and the already \
        present value is of any size, since the dynamic string library used by Redis will double the free space \
        available on every reallocation.",
    args: &[KEY, ArgSpec::string("value")],
    examples: &[
        "APPEND key Hello",
        r#"APPEND key " World""#,
        "GET key",
        "SET number 1",
        "APPEND number 2",
        "INCR number",
        "SADD set a",
        "APPEND set b",
    ],
    handler: Handler::Write(append),
    ..Command::BASE
};

fn append(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, value) = (ctx.args.at(1), ctx.args.at(2));
    let spot = ctx.keys.spot(key);
    let len = if spot.is_occupied() {
        let max = super::max_len(ctx.keys.cfg());
        let len = ctx.keys.edit_string(spot, key, |bytes| {
            let len = bytes.len() + value.len();
            if len as u64 > max {
                return Err(Error::TooLong);
            }
            super::reserve(bytes, len);
            bytes.extend_from_slice(value);
            Ok(len)
        })?;
        ctx.keys.touched(key);
        len
    } else {
        ctx.keys.update(spot, key, NewValue::text(value), Expiry::Clear);
        value.len()
    };
    ctx.keys.notify(NotifyFlags::STRING, "append", key);
    ctx.keys.dirty(1);
    ctx.out.int(len as i64);
    Ok(())
}

/// GETRANGE.
pub static GETRANGE: Command = Command {
    name: "getrange",
    arity: 4,
    flags: Flags::READONLY,
    acl: Acl::STRING,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::String,
    since: "2.4.0",
    summary: "Returns a substring of the string stored at a key.",
    complexity: "O(N) where N is the length of the returned string. The complexity is ultimately determined by the \
        returned length, but because creating a substring from an existing string is very cheap, it can be considered \
        O(1) for small strings.",
    args: &[KEY, ArgSpec::integer("start"), ArgSpec::integer("end")],
    examples: &[
        r#"SET key "This is a string""#,
        "GETRANGE key 0 3",
        "GETRANGE key -3 -1",
        "GETRANGE key 0 -1",
        "GETRANGE key 10 100",
        "GETRANGE key 5 2",
        "GETRANGE missing 0 -1",
    ],
    handler: Handler::Read(getrange),
    ..Command::BASE
};

fn getrange(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let (start, end) = (int(ctx.args.at(2))?, int(ctx.args.at(3))?);
    let mut digits = itoa::Buffer::new();
    let bytes = match ctx.keys.lookup(ctx.args.at(1)) {
        Some(e) => super::bytes(e.value, &mut digits)?,
        None => b"",
    };
    let crossed = start < 0 && end < 0 && start > end;
    let part = match super::bounds(start, end, bytes.len() as u64) {
        Some((first, last)) if !crossed => bytes.get(first as usize..=last as usize),
        _ => None,
    };
    ctx.out.bulk(part.unwrap_or_default());
    Ok(())
}

/// SUBSTR.
pub static SUBSTR: Command = Command {
    name: "substr",
    arity: 4,
    flags: Flags::READONLY,
    acl: Acl::STRING,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::String,
    since: "1.0.0",
    summary: "Returns a substring from a string value.",
    complexity: "O(N) where N is the length of the returned string. The complexity is ultimately determined by the \
        returned length, but because creating a substring from an existing string is very cheap, it can be considered \
        O(1) for small strings.",
    deprecated: Some(("2.0.0", "`GETRANGE`")),
    args: &[KEY, ArgSpec::integer("start"), ArgSpec::integer("end")],
    examples: &[r#"SET key "This is a string""#, "SUBSTR key 0 3", "SUBSTR key -6 -1"],
    handler: Handler::Read(substr),
    ..Command::BASE
};

fn substr(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    getrange(ctx)
}

/// SETRANGE.
pub static SETRANGE: Command = Command {
    name: "setrange",
    arity: 4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::STRING,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::String,
    since: "2.2.0",
    summary: "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
    complexity: "O(1), not counting the time taken to copy the new string in place. Usually, this string is very small \
        so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the value \
        argument.",
    args: &[KEY, ArgSpec::integer("offset"), ArgSpec::string("value")],
    examples: &[
        r#"SET key "Hello World""#,
        "SETRANGE key 6 Redis",
        "GET key",
        "SETRANGE padded 6 Redis",
        "GET padded",
        r#"SETRANGE missing 5 """#,
        "SETRANGE key -1 x",
        "SETRANGE key 536870912 x",
    ],
    handler: Handler::Write(setrange),
    ..Command::BASE
};

fn setrange(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (key, value) = (ctx.args.at(1), ctx.args.at(3));
    let offset = u64::try_from(int(ctx.args.at(2))?).map_err(|_| Error::Static("ERR offset is out of range"))?;
    let spot = ctx.keys.spot(key);
    if value.is_empty() {
        let len = match ctx.keys.entry_at(spot) {
            Some(e) => super::bytes(e.value, &mut itoa::Buffer::new())?.len(),
            None => 0,
        };
        ctx.out.int(len as i64);
        return Ok(());
    }
    let max = super::max_len(ctx.keys.cfg());
    let len = ctx.keys.edit_string(spot, key, |bytes| {
        let end = offset.saturating_add(value.len() as u64);
        if end > max {
            return Err(Error::TooLong);
        }
        super::grow(bytes, end as usize);
        if let Some(part) = bytes.get_mut(offset as usize..end as usize) {
            part.copy_from_slice(value);
        }
        Ok(bytes.len())
    })?;
    ctx.keys.touched(key);
    ctx.keys.notify(NotifyFlags::STRING, "setrange", key);
    ctx.keys.dirty(1);
    ctx.out.int(len as i64);
    Ok(())
}
