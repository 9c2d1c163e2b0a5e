//! `cjson`: JSON, with the options of lua-cjson as Redis has it.

mod decode;
mod encode;

use crate::errors;
use mlua::{Lua, MultiValue, Table, Value};
use std::cell::RefCell;
use std::rc::Rc;

/// Settings of one instance of the module.
#[derive(Clone)]
pub(crate) struct Config {
    /// Sparse arrays become objects instead of errors.
    sparse_convert: bool,
    sparse_ratio: i64,
    sparse_safe: i64,
    encode_max_depth: i64,
    /// 0: an error; 1: as they are; 2: null.
    encode_invalid: i64,
    precision: usize,
    keep_buffer: bool,
    decode_invalid: bool,
    decode_max_depth: i64,
    /// Arrays get a metatable that makes empty ones arrays again.
    array_mt: bool,
    array_metatable: Table,
}

type Shared = Rc<RefCell<Config>>;

/// The module.
pub(crate) fn module(lua: &Lua) -> mlua::Result<Table> {
    let array_metatable = lua.create_table()?;
    array_metatable.raw_set("__is_cjson_array", true)?;
    instance(lua, array_metatable)
}

fn instance(lua: &Lua, array_metatable: Table) -> mlua::Result<Table> {
    let config: Shared = Rc::new(RefCell::new(Config {
        sparse_convert: false,
        sparse_ratio: 2,
        sparse_safe: 10,
        encode_max_depth: 1000,
        encode_invalid: 0,
        precision: 14,
        keep_buffer: true,
        decode_invalid: true,
        decode_max_depth: 1000,
        array_mt: false,
        array_metatable: array_metatable.clone(),
    }));
    let t = lua.create_table()?;
    let c = config.clone();
    t.raw_set(
        "encode",
        lua.create_function(move |lua, v: MultiValue| {
            if v.len() != 1 {
                return Err(errors::argument(lua, 1, "encode", "expected 1 argument"));
            }
            let mut out = Vec::new();
            encode::append(lua, &c.borrow(), v.front().unwrap_or(&Value::Nil), 0, &mut out)?;
            Ok(Value::String(lua.create_string(out)?))
        })?,
    )?;
    let c = config.clone();
    t.raw_set(
        "decode",
        lua.create_function(move |lua, v: MultiValue| {
            if v.len() != 1 {
                return Err(errors::argument(lua, 1, "decode", "expected 1 argument"));
            }
            let text = match v.front() {
                Some(Value::String(s)) => s.as_bytes().to_vec(),
                Some(Value::Integer(i)) => i.to_string().into_bytes(),
                Some(Value::Number(n)) => crate::number::general(*n, 14).into_bytes(),
                other => return Err(errors::wrong_type(lua, 1, "decode", "string", other)),
            };
            let config = c.borrow().clone();
            decode::parse(lua, &config, &text)
        })?,
    )?;
    let c = config.clone();
    t.raw_set(
        "encode_sparse_array",
        lua.create_function(move |lua, v: MultiValue| {
            limit_args(lua, &v, 3, "encode_sparse_array")?;
            let mut c = c.borrow_mut();
            c.sparse_convert = boolean(lua, &v, 0, c.sparse_convert, "encode_sparse_array")?;
            c.sparse_ratio = integer(lua, &v, 1, c.sparse_ratio, 0..=i64::from(i32::MAX), "encode_sparse_array")?;
            c.sparse_safe = integer(lua, &v, 2, c.sparse_safe, 0..=i64::from(i32::MAX), "encode_sparse_array")?;
            Ok((c.sparse_convert, c.sparse_ratio, c.sparse_safe))
        })?,
    )?;
    let c = config.clone();
    option(lua, &t, "encode_max_depth", move |lua, v| {
        let mut c = c.borrow_mut();
        c.encode_max_depth = integer(lua, v, 0, c.encode_max_depth, 1..=i64::from(i32::MAX), "encode_max_depth")?;
        Ok(Value::Integer(c.encode_max_depth))
    })?;
    let c = config.clone();
    option(lua, &t, "decode_max_depth", move |lua, v| {
        let mut c = c.borrow_mut();
        c.decode_max_depth = integer(lua, v, 0, c.decode_max_depth, 1..=i64::from(i32::MAX), "decode_max_depth")?;
        Ok(Value::Integer(c.decode_max_depth))
    })?;
    let c = config.clone();
    option(lua, &t, "encode_number_precision", move |lua, v| {
        let mut c = c.borrow_mut();
        c.precision = integer(lua, v, 0, c.precision as i64, 1..=14, "encode_number_precision")? as usize;
        Ok(Value::Integer(c.precision as i64))
    })?;
    let c = config.clone();
    option(lua, &t, "encode_keep_buffer", move |lua, v| {
        let mut c = c.borrow_mut();
        c.keep_buffer = boolean(lua, v, 0, c.keep_buffer, "encode_keep_buffer")?;
        Ok(Value::Boolean(c.keep_buffer))
    })?;
    let c = config.clone();
    option(lua, &t, "encode_invalid_numbers", move |lua, v| {
        let mut c = c.borrow_mut();
        match v.front() {
            None | Some(Value::Nil) => {}
            Some(Value::String(s)) => match s.as_bytes().as_ref() {
                b"off" => c.encode_invalid = 0,
                b"on" => c.encode_invalid = 1,
                b"null" => c.encode_invalid = 2,
                other => {
                    let text = format!("invalid option '{}'", String::from_utf8_lossy(other));
                    return Err(errors::argument(lua, 1, "encode_invalid_numbers", &text));
                }
            },
            _ => c.encode_invalid = i64::from(boolean(lua, v, 0, false, "encode_invalid_numbers")?),
        }
        Ok(match c.encode_invalid {
            2 => Value::String(lua.create_string("null")?),
            n => Value::Boolean(n == 1),
        })
    })?;
    let c = config.clone();
    option(lua, &t, "decode_invalid_numbers", move |lua, v| {
        let mut c = c.borrow_mut();
        c.decode_invalid = boolean(lua, v, 0, c.decode_invalid, "decode_invalid_numbers")?;
        Ok(Value::Boolean(c.decode_invalid))
    })?;
    let c = config;
    option(lua, &t, "decode_array_with_array_mt", move |lua, v| {
        let mut c = c.borrow_mut();
        c.array_mt = boolean(lua, v, 0, c.array_mt, "decode_array_with_array_mt")?;
        Ok(Value::Boolean(c.array_mt))
    })?;
    t.raw_set("new", lua.create_function(move |lua, ()| instance(lua, array_metatable.clone()))?)?;
    t.raw_set("null", Value::NULL)?;
    t.raw_set("_NAME", "cjson")?;
    t.raw_set("_VERSION", "2.1.0")?;
    Ok(t)
}

fn option(
    lua: &Lua,
    t: &Table,
    name: &'static str,
    f: impl Fn(&Lua, &MultiValue) -> mlua::Result<Value> + 'static,
) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, v: MultiValue| {
        limit_args(lua, &v, 1, name)?;
        f(lua, &v)
    })?;
    t.raw_set(name, function)
}

fn limit_args(lua: &Lua, v: &MultiValue, n: usize, function: &str) -> mlua::Result<()> {
    if v.len() > n {
        return Err(errors::argument(lua, n + 1, function, "found too many arguments"));
    }
    Ok(())
}

fn boolean(lua: &Lua, v: &MultiValue, i: usize, now: bool, function: &str) -> mlua::Result<bool> {
    match v.get(i) {
        None | Some(Value::Nil) => Ok(now),
        Some(Value::Boolean(b)) => Ok(*b),
        Some(Value::String(s)) => match s.as_bytes().as_ref() {
            b"on" => Ok(true),
            b"off" => Ok(false),
            other => {
                let text = format!("invalid option '{}'", String::from_utf8_lossy(other));
                Err(errors::argument(lua, i + 1, function, &text))
            }
        },
        Some(n @ (Value::Integer(_) | Value::Number(_))) => {
            let text = lua.coerce_string(n.clone())?.map(|s| s.to_string_lossy()).unwrap_or_default();
            let text = match n {
                Value::Number(n) => crate::number::general(*n, 14),
                _ => text,
            };
            Err(errors::argument(lua, i + 1, function, &format!("invalid option '{text}'")))
        }
        other => Err(errors::wrong_type(lua, i + 1, function, "string", other)),
    }
}

fn integer(
    lua: &Lua,
    v: &MultiValue,
    i: usize,
    now: i64,
    range: std::ops::RangeInclusive<i64>,
    function: &str,
) -> mlua::Result<i64> {
    let n = match v.get(i) {
        None | Some(Value::Nil) => return Ok(now),
        Some(Value::Integer(n)) => *n,
        Some(Value::Number(n)) => *n as i64,
        Some(v @ Value::String(_)) => match lua.coerce_number(v.clone())? {
            Some(n) => n as i64,
            None => return Err(errors::wrong_type(lua, i + 1, function, "number", Some(v))),
        },
        other => return Err(errors::wrong_type(lua, i + 1, function, "number", other)),
    };
    if !range.contains(&n) {
        let text = format!("expected integer between {} and {}", range.start(), range.end());
        return Err(errors::argument(lua, 1, function, &text)); // as lua-cjson counts
    }
    Ok(n)
}
