//! `cmsgpack`: MessagePack.

use crate::errors;
use mlua::{Lua, MultiValue, Table, Value};

/// How deep tables may be nested; what is deeper is packed as nil.
const MAX_DEPTH: usize = 16;
/// How deep data may be nested.
const MAX_UNPACK_DEPTH: usize = 200;

/// The module.
pub(crate) fn module(lua: &Lua) -> mlua::Result<Table> {
    let t = lua.create_table()?;
    t.raw_set("pack", lua.create_function(pack)?)?;
    t.raw_set("unpack", lua.create_function(|lua, v: MultiValue| unpack(lua, &v, 0, 0, "unpack"))?)?;
    t.raw_set("unpack_one", lua.create_function(|lua, v: MultiValue| unpack_some(lua, &v, Some(1)))?)?;
    t.raw_set("unpack_limit", lua.create_function(|lua, v: MultiValue| unpack_some(lua, &v, None))?)?;
    t.raw_set("_NAME", "cmsgpack")?;
    t.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    t.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    t.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(t)
}

fn pack(lua: &Lua, values: MultiValue) -> mlua::Result<Value> {
    if values.is_empty() {
        return Err(errors::argument(lua, 0, "pack", "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for v in &values {
        encode(v, &mut out, 0)?;
    }
    Ok(Value::String(lua.create_string(out)?))
}

fn head(out: &mut Vec<u8>, n: usize, fix: Option<(u8, usize)>, eight: Option<u8>, sixteen: u8, thirty_two: u8) {
    match (fix, eight) {
        (Some((tag, limit)), _) if n < limit => out.push(tag | n as u8),
        (_, Some(tag)) if n <= 0xff => out.extend_from_slice(&[tag, n as u8]),
        _ if n <= 0xffff => {
            out.push(sixteen);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        _ => {
            out.push(thirty_two);
            out.extend_from_slice(&(n as u32).to_be_bytes());
        }
    }
}

fn encode(v: &Value, out: &mut Vec<u8>, depth: usize) -> mlua::Result<()> {
    match v {
        Value::String(s) => {
            let s = s.as_bytes();
            head(out, s.len(), Some((0xa0, 32)), Some(0xd9), 0xda, 0xdb);
            out.extend_from_slice(&s);
        }
        Value::Boolean(b) => out.push(if *b { 0xc3 } else { 0xc2 }),
        Value::Integer(n) => integer(*n, out),
        Value::Number(n) if *n == -9_223_372_036_854_775_808.0 => integer(i64::MIN, out),
        Value::Number(n) => match crate::number::whole(*n) {
            Some(i) => integer(i, out),
            None => {
                let single = *n as f32;
                if f64::from(single) == *n {
                    out.push(0xca);
                    out.extend_from_slice(&single.to_be_bytes());
                } else {
                    out.push(0xcb);
                    out.extend_from_slice(&n.to_be_bytes());
                }
            }
        },
        Value::Table(t) if depth < MAX_DEPTH => table(t, out, depth)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn integer(n: i64, out: &mut Vec<u8>) {
    if n >= 0 {
        match n {
            0..=127 => out.push(n as u8),
            128..=0xff => out.extend_from_slice(&[0xcc, n as u8]),
            0x100..=0xffff => {
                out.push(0xcd);
                out.extend_from_slice(&(n as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                out.push(0xce);
                out.extend_from_slice(&(n as u32).to_be_bytes());
            }
            _ => {
                out.push(0xcf);
                out.extend_from_slice(&n.to_be_bytes());
            }
        }
    } else {
        match n {
            -32..=-1 => out.push(n as i8 as u8),
            -128..=-33 => out.extend_from_slice(&[0xd0, n as i8 as u8]),
            -32768..=-129 => {
                out.push(0xd1);
                out.extend_from_slice(&(n as i16).to_be_bytes());
            }
            -2_147_483_648..=-32769 => {
                out.push(0xd2);
                out.extend_from_slice(&(n as i32).to_be_bytes());
            }
            _ => {
                out.push(0xd3);
                out.extend_from_slice(&n.to_be_bytes());
            }
        }
    }
}

fn table(t: &Table, out: &mut Vec<u8>, depth: usize) -> mlua::Result<()> {
    let (mut n, mut max, mut array) = (0usize, 0i64, true);
    t.for_each(|k: Value, _: Value| {
        n += 1;
        match k {
            Value::Integer(i) if i > 0 => max = max.max(i),
            _ => array = false,
        }
        Ok(())
    })?;
    if array && max as usize == n {
        head(out, n, Some((0x90, 16)), None, 0xdc, 0xdd);
        for i in 1..=n {
            encode(&t.raw_get::<Value>(i)?, out, depth + 1)?;
        }
        return Ok(());
    }
    head(out, n, Some((0x80, 16)), None, 0xde, 0xdf);
    t.for_each(|k: Value, v: Value| {
        encode(&k, out, depth + 1)?;
        encode(&v, out, depth + 1)
    })
}

fn unpack_some(lua: &Lua, values: &MultiValue, limit: Option<i64>) -> mlua::Result<MultiValue> {
    let int = |i: usize| match values.get(i) {
        Some(Value::Integer(n)) => Some(*n),
        Some(Value::Number(n)) => Some(*n as i64),
        _ => None,
    };
    let (limit, offset) = match limit {
        Some(n) => match (int(1), values.get(1)) {
            (Some(at), _) => (n, at),
            (None, None | Some(Value::Nil)) => (n, 0),
            (None, other) => return Err(errors::wrong_type(lua, 2, "unpack_one", "number", other)),
        },
        None => (
            int(1).ok_or_else(|| errors::wrong_type(lua, 2, "unpack_limit", "number", values.get(1)))?,
            int(2).unwrap_or(0),
        ),
    };
    unpack(lua, values, limit, offset, if values.len() < 2 { "unpack_one" } else { "unpack_limit" })
}

/// Unpacks all (`limit` 0) or some values from an offset on; of some, the next offset is given first.
fn unpack(lua: &Lua, values: &MultiValue, limit: i64, offset: i64, function: &str) -> mlua::Result<MultiValue> {
    let data = match values.front() {
        Some(Value::String(s)) => s.as_bytes().to_vec(),
        Some(Value::Integer(i)) => i.to_string().into_bytes(),
        Some(Value::Number(n)) => crate::number::general(*n, 14).into_bytes(),
        other => return Err(errors::wrong_type(lua, 1, function, "string", other)),
    };
    if offset < 0 || limit < 0 {
        return Err(errors::plain(
            lua,
            format!("Invalid request to unpack with offset of {offset} and limit of {}.", data.len()),
        ));
    }
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    if offset > data.len() {
        return Err(errors::plain(lua, format!("Start offset {offset} greater than input length {}.", data.len())));
    }
    let mut r = Decoder { lua, data: &data, at: offset };
    let all = limit == 0;
    let limit = if all { i64::MAX } else { limit };
    let mut results = Vec::new();
    while r.at < data.len() && (results.len() as i64) < limit {
        if results.len() >= 7000 {
            return Err(errors::plain(lua, "too many results to unpack"));
        }
        results.push(r.value(0)?);
    }
    if !all {
        let next = if r.at < data.len() { r.at as i64 } else { -1 };
        results.insert(0, Value::Integer(next));
    }
    Ok(results.into_iter().collect())
}

struct Decoder<'d> {
    lua: &'d Lua,
    data: &'d [u8],
    at: usize,
}

impl<'d> Decoder<'d> {
    fn take(&mut self, n: usize) -> mlua::Result<&'d [u8]> {
        match self.at.checked_add(n).and_then(|end| self.data.get(self.at..end)) {
            Some(bytes) => {
                self.at += n;
                Ok(bytes)
            }
            None => Err(errors::plain(self.lua, "Missing bytes in input.")),
        }
    }

    fn uint(&mut self, n: usize) -> mlua::Result<u64> {
        Ok(self.take(n)?.iter().fold(0, |v, b| (v << 8) | u64::from(*b)))
    }

    fn value(&mut self, depth: usize) -> mlua::Result<Value> {
        if depth > MAX_UNPACK_DEPTH {
            return Err(errors::plain(self.lua, "Too many nested data structures."));
        }
        let tag = self.uint(1)? as u8;
        Ok(match tag {
            0x00..=0x7f => Value::Integer(i64::from(tag)),
            0xe0..=0xff => Value::Integer(i64::from(tag as i8)),
            0x80..=0x8f => self.map(usize::from(tag & 15), depth)?,
            0x90..=0x9f => self.array(usize::from(tag & 15), depth)?,
            0xa0..=0xbf => self.string(usize::from(tag & 31))?,
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xd9 => {
                let n = self.uint(1)?;
                self.string(n as usize)?
            }
            0xda => {
                let n = self.uint(2)?;
                self.string(n as usize)?
            }
            0xdb => {
                let n = self.uint(4)?;
                self.string(n as usize)?
            }
            0xca => number(f64::from(f32::from_bits(self.uint(4)? as u32))),
            0xcb => number(f64::from_bits(self.uint(8)?)),
            0xcc => Value::Integer(self.uint(1)? as i64),
            0xcd => Value::Integer(self.uint(2)? as i64),
            0xce => Value::Integer(self.uint(4)? as i64),
            0xcf => {
                // as Redis does: what is beyond 2^63 comes out negative
                Value::Integer(self.uint(8)? as i64)
            }
            0xd0 => Value::Integer(i64::from(self.uint(1)? as i8)),
            0xd1 => Value::Integer(i64::from(self.uint(2)? as i16)),
            0xd2 => Value::Integer(i64::from(self.uint(4)? as i32)),
            0xd3 => Value::Integer(self.uint(8)? as i64),
            0xdc => {
                let n = self.uint(2)?;
                self.array(n as usize, depth)?
            }
            0xdd => {
                let n = self.uint(4)?;
                self.array(n as usize, depth)?
            }
            0xde => {
                let n = self.uint(2)?;
                self.map(n as usize, depth)?
            }
            0xdf => {
                let n = self.uint(4)?;
                self.map(n as usize, depth)?
            }
            _ => return Err(errors::plain(self.lua, "Bad data format in input.")),
        })
    }

    fn string(&mut self, n: usize) -> mlua::Result<Value> {
        let bytes = self.take(n)?;
        Ok(Value::String(self.lua.create_string(bytes)?))
    }

    fn array(&mut self, n: usize, depth: usize) -> mlua::Result<Value> {
        // every element takes a byte at least
        let t = self.lua.create_table_with_capacity(n.min(self.data.len() - self.at), 0)?;
        for i in 1..=n {
            let v = self.value(depth + 1)?;
            t.raw_set(i, v)?;
        }
        Ok(Value::Table(t))
    }

    fn map(&mut self, n: usize, depth: usize) -> mlua::Result<Value> {
        let t = self.lua.create_table()?;
        for _ in 0..n {
            let k = self.value(depth + 1)?;
            let v = self.value(depth + 1)?;
            match k {
                Value::Nil => return Err(errors::bare("table index is nil")),
                Value::Number(n) if n.is_nan() => return Err(errors::bare("table index is NaN")),
                k => t.raw_set(k, v)?,
            }
        }
        Ok(Value::Table(t))
    }
}

fn number(n: f64) -> Value {
    crate::number::whole(n).filter(|i| i.abs() < 1 << 53).map_or(Value::Number(n), Value::Integer)
}
