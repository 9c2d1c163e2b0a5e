//! Lua's values as JSON.

use super::Config;
use crate::errors::{self, type_name};
use mlua::{Lua, Table, Value};

/// Deeper than this no recursion goes, whatever the option says.
const HARD_DEPTH: i64 = 1000;

/// Appends a value.
pub(crate) fn append(lua: &Lua, c: &Config, v: &Value, depth: i64, out: &mut Vec<u8>) -> mlua::Result<()> {
    match v {
        Value::String(s) => string(&s.as_bytes(), out),
        Value::Integer(n) => integer(c, *n, out),
        Value::Number(n) => number(lua, c, *n, out)?,
        Value::Boolean(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::Nil => out.extend_from_slice(b"null"),
        Value::LightUserData(_) => out.extend_from_slice(b"null"),
        Value::Table(t) => {
            let depth = depth + 1;
            if depth > c.encode_max_depth.min(HARD_DEPTH) {
                return Err(errors::plain(lua, format!("Cannot serialise, excessive nesting ({depth})")));
            }
            if t.metatable().is_some_and(|m| m == c.array_metatable) {
                return array(lua, c, t, i64::try_from(t.raw_len()).unwrap_or(0), depth, out);
            }
            match array_length(lua, c, t)? {
                Some(n) if n > 0 => array(lua, c, t, n, depth, out)?,
                _ => object(lua, c, t, depth, out)?,
            }
        }
        other => return Err(refused(lua, type_name(other), "type not supported")),
    }
    Ok(())
}

fn refused(lua: &Lua, what: &str, reason: &str) -> mlua::Error {
    errors::plain(lua, format!("Cannot serialise {what}: {reason}"))
}

/// The length of an array; `None`: it is none.
fn array_length(lua: &Lua, c: &Config, t: &Table) -> mlua::Result<Option<i64>> {
    let (mut max, mut items, mut array) = (0i64, 0i64, true);
    // the first key that is none decides
    for pair in t.pairs::<Value, Value>() {
        match pair?.0 {
            Value::Integer(i) if i > 0 => {
                max = max.max(i);
                items += 1;
            }
            _ => {
                array = false;
                break;
            }
        }
    }
    if !array {
        return Ok(None);
    }
    if c.sparse_ratio > 0 && max > items.saturating_mul(c.sparse_ratio) && max > c.sparse_safe {
        if !c.sparse_convert {
            return Err(refused(lua, "table", "excessively sparse array"));
        }
        return Ok(None);
    }
    Ok(Some(max))
}

fn array(lua: &Lua, c: &Config, t: &Table, n: i64, depth: i64, out: &mut Vec<u8>) -> mlua::Result<()> {
    out.push(b'[');
    for i in 1..=n {
        if i > 1 {
            out.push(b',');
        }
        append(lua, c, &t.raw_get::<Value>(i)?, depth, out)?;
    }
    out.push(b']');
    Ok(())
}

fn object(lua: &Lua, c: &Config, t: &Table, depth: i64, out: &mut Vec<u8>) -> mlua::Result<()> {
    out.push(b'{');
    let mut first = true;
    for pair in t.pairs::<Value, Value>() {
        let (k, v) = pair?;
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        match &k {
            Value::String(s) => string(&s.as_bytes(), out),
            Value::Integer(n) => {
                out.push(b'"');
                integer(c, *n, out);
                out.push(b'"');
            }
            Value::Number(n) => {
                out.push(b'"');
                number(lua, c, *n, out)?;
                out.push(b'"');
            }
            other => return Err(refused(lua, type_name(other), "table key must be a number or string")),
        }
        out.push(b':');
        append(lua, c, &v, depth, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn integer(c: &Config, n: i64, out: &mut Vec<u8>) {
    // as a double of so many digits is written
    if n.unsigned_abs() < 10u64.pow(c.precision.min(18) as u32) {
        out.extend_from_slice(n.to_string().as_bytes());
    } else {
        out.extend_from_slice(crate::number::general(n as f64, c.precision).as_bytes());
    }
}

fn number(lua: &Lua, c: &Config, n: f64, out: &mut Vec<u8>) -> mlua::Result<()> {
    if !n.is_finite() {
        match c.encode_invalid {
            0 => return Err(refused(lua, "number", "must not be NaN or Inf")),
            2 => {
                out.extend_from_slice(b"null");
                return Ok(());
            }
            _ if n.is_nan() => {
                out.extend_from_slice(b"nan");
                return Ok(());
            }
            _ => {}
        }
    }
    out.extend_from_slice(crate::number::general(n, c.precision).as_bytes());
    Ok(())
}

fn string(s: &[u8], out: &mut Vec<u8>) {
    out.reserve(s.len() + 2);
    out.push(b'"');
    for &b in s {
        match b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'/' => out.extend_from_slice(b"\\/"),
            8 => out.extend_from_slice(b"\\b"),
            9 => out.extend_from_slice(b"\\t"),
            10 => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            13 => out.extend_from_slice(b"\\r"),
            0..=31 | 127 => out.extend_from_slice(format!("\\u{b:04x}").as_bytes()),
            _ => out.push(b),
        }
    }
    out.push(b'"');
}
