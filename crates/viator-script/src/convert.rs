//! Replies as Lua's values, and Lua's values as replies.

use crate::errors;
use mlua::{Lua, Table, Value};
use std::sync::Arc;
use viator_resp::reply::{Reply, Shared};
use viator_resp::request::Args;

/// How deep replies may be nested.
const MAX_DEPTH: usize = 200;

/// Strings that go to Lua without a detour, as long as they come and are valid text: for others there is no such way.
struct Texts<I> {
    items: I,
    /// How many there are.
    len: usize,
    /// How many were taken.
    taken: usize,
}

impl<'t, I: Iterator<Item = Option<&'t [u8]>>> Iterator for &mut Texts<I> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let text = std::str::from_utf8(self.items.next()??).ok()?;
        self.taken += 1;
        Some(text)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

/// A table of strings.
pub(crate) fn sequence(lua: &Lua, items: Args<'_>) -> mlua::Result<Table> {
    let mut texts = Texts { items: items.iter().map(Some), len: items.len(), taken: 0 };
    let table = lua.create_sequence_from(&mut texts)?;
    for (i, item) in items.iter().enumerate().skip(texts.taken) {
        table.raw_seti(i + 1, lua.create_string(item)?)?;
    }
    Ok(table)
}

/// The first value of a reply.
pub(crate) fn to_lua(lua: &Lua, reply: &Reply) -> mlua::Result<Value> {
    Reader { lua, at: Cursor::new(reply), depth: 0 }.value()
}

/// A place in a reply.
struct Cursor<'r> {
    buf: &'r [u8],
    shared: &'r [Shared],
    at: usize,
}

impl<'r> Cursor<'r> {
    fn new(reply: &'r Reply) -> Cursor<'r> {
        let (buf, shared) = reply.parts();
        Cursor { buf, shared, at: 0 }
    }

    /// The first byte of a value.
    fn tag(&mut self) -> Option<u8> {
        let tag = self.buf.get(self.at).copied();
        self.at += usize::from(tag.is_some());
        tag
    }

    /// A line without its end.
    fn line(&mut self) -> &'r [u8] {
        let rest = self.buf.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|b| *b == b'\r').unwrap_or(rest.len());
        self.at += end + 2;
        rest.get(..end).unwrap_or_default()
    }

    fn number(&mut self) -> i64 {
        viator_data::num::parse_i64(self.line()).unwrap_or(0)
    }

    /// The value of a bulk of this length, if it is a shared one.
    fn shared(&mut self, len: usize) -> Option<&'r Arc<Vec<u8>>> {
        while let Some((position, bytes)) = self.shared.first() {
            if *position > self.at {
                break;
            }
            self.shared = self.shared.get(1..).unwrap_or_default();
            if *position == self.at && bytes.len() == len {
                self.at += 2;
                return Some(bytes);
            }
        }
        None
    }

    /// The bytes of a bulk of this length.
    fn bulk(&mut self, len: usize) -> &'r [u8] {
        if let Some(bytes) = self.shared(len) {
            return bytes;
        }
        let bytes = self.buf.get(self.at..self.at + len).unwrap_or_default();
        self.at += len + 2;
        bytes
    }

    /// The bytes of a bulk that is valid text, if one comes next.
    fn text(&mut self) -> Option<&'r [u8]> {
        if self.buf.get(self.at) != Some(&b'$') {
            return None;
        }
        let before = (self.at, self.shared);
        self.at += 1;
        if let Ok(len) = usize::try_from(self.number()) {
            let bytes = self.bulk(len);
            if std::str::from_utf8(bytes).is_ok() {
                return Some(bytes);
            }
        }
        (self.at, self.shared) = before;
        None
    }
}

struct Reader<'r> {
    lua: &'r Lua,
    at: Cursor<'r>,
    depth: usize,
}

impl<'r> Reader<'r> {
    fn string(&self, bytes: &[u8]) -> mlua::Result<Value> {
        Ok(Value::String(self.lua.create_string(bytes)?))
    }

    fn field(&self, name: &str, value: Value) -> mlua::Result<Value> {
        let t = self.lua.create_table_with_capacity(0, 1)?;
        t.raw_set(name, value)?;
        Ok(Value::Table(t))
    }

    fn value(&mut self) -> mlua::Result<Value> {
        let Some(tag) = self.at.tag() else { return Ok(Value::Nil) };
        if self.depth > MAX_DEPTH {
            return Err(errors::reply("ERR reached lua stack limit", false));
        }
        self.depth += 1;
        let value = self.tagged(tag);
        self.depth -= 1;
        value
    }

    fn tagged(&mut self, tag: u8) -> mlua::Result<Value> {
        match tag {
            b'$' => match usize::try_from(self.at.number()) {
                Ok(len) => {
                    let bytes = self.at.bulk(len);
                    self.string(bytes)
                }
                Err(_) => Ok(Value::Boolean(false)),
            },
            b':' => Ok(Value::Integer(self.at.number())),
            b'+' => {
                let line = self.at.line();
                match std::str::from_utf8(line) {
                    Ok(text) => Ok(Value::Table(self.lua.create_table_from([("ok", text)])?)),
                    Err(_) => self.field("ok", self.string(line)?),
                }
            }
            b'-' => {
                let line = self.at.line();
                let text = self.string(line)?;
                let t = self.lua.create_table_with_capacity(0, 2)?;
                t.raw_set("ignore_error_stats_update", true)?;
                t.raw_set("err", text)?;
                Ok(Value::Table(t))
            }
            b'*' | b'>' => match usize::try_from(self.at.number()) {
                Ok(n) => {
                    let lua = self.lua;
                    let mut texts = Texts { items: std::iter::from_fn(|| Some(self.at.text())), len: n, taken: 0 };
                    let t = lua.create_sequence_from((&mut texts).take(n))?;
                    let taken = texts.taken;
                    for i in taken + 1..=n {
                        let v = self.value()?;
                        t.raw_seti(i, v)?;
                    }
                    Ok(Value::Table(t))
                }
                Err(_) => Ok(Value::Boolean(false)),
            },
            b'_' => {
                self.at.line();
                Ok(Value::Nil)
            }
            b'#' => Ok(Value::Boolean(self.at.line() == b"t")),
            b',' => {
                let line = self.at.line();
                let n = viator_data::num::parse_f64_loose(line).unwrap_or(f64::NAN);
                self.field("double", Value::Number(n))
            }
            b'(' => {
                let line = self.at.line();
                let digits = self.string(line)?;
                self.field("big_number", digits)
            }
            b'=' => {
                let len = usize::try_from(self.at.number()).unwrap_or(0);
                let bytes = self.at.bulk(len);
                let inner = self.lua.create_table_with_capacity(0, 2)?;
                inner.raw_set("format", self.string(bytes.get(..3).unwrap_or_default())?)?;
                inner.raw_set("string", self.string(bytes.get(4..).unwrap_or_default())?)?;
                self.field("verbatim_string", Value::Table(inner))
            }
            b'%' => {
                let n = self.at.number();
                let inner = self.lua.create_table_with_capacity(0, usize::try_from(n).unwrap_or(0))?;
                for _ in 0..n {
                    let k = self.value()?;
                    let v = self.value()?;
                    set(&inner, k, v)?;
                }
                self.field("map", Value::Table(inner))
            }
            b'~' => {
                let n = self.at.number();
                let inner = self.lua.create_table_with_capacity(0, usize::try_from(n).unwrap_or(0))?;
                for _ in 0..n {
                    let k = self.value()?;
                    set(&inner, k, Value::Boolean(true))?;
                }
                self.field("set", Value::Table(inner))
            }
            b'|' => {
                for _ in 0..2 * self.at.number() {
                    self.value()?;
                }
                self.value()
            }
            _ => Ok(Value::Nil),
        }
    }
}

/// Writes a RESP2 reply of a command as what a script gives back that returns it. `error` hears of every error in it.
pub(crate) fn forward(reply: &Reply, out: &mut Reply, error: &mut dyn FnMut(&[u8])) {
    let mut cursor = Cursor::new(reply);
    match (cursor.buf, cursor.shared) {
        ([b':' | b'+', ..], _) | ([b'$', b'0'..=b'9', ..], []) => out.raw(cursor.buf),
        _ => forward_value(&mut cursor, out, error, 0),
    }
}

fn forward_value(at: &mut Cursor<'_>, out: &mut Reply, error: &mut dyn FnMut(&[u8]), depth: usize) {
    let tag = at.tag().filter(|_| depth <= MAX_DEPTH);
    match tag {
        Some(b'$') => match usize::try_from(at.number()) {
            Ok(len) => match at.shared(len) {
                Some(value) => out.bulk_shared(value),
                None => out.bulk(at.bulk(len)),
            },
            Err(_) => out.null(),
        },
        Some(b':') => out.int(at.number()),
        Some(tag @ (b'+' | b'-')) => {
            let line = at.line();
            out.raw(&[tag]);
            out.raw(line);
            out.raw(b"\r\n");
            if tag == b'-' {
                error(line);
            }
        }
        Some(b'*') => match usize::try_from(at.number()) {
            Ok(n) => {
                out.array(n);
                (0..n).for_each(|_| forward_value(at, out, error, depth + 1));
            }
            Err(_) => out.null(),
        },
        _ => out.null(),
    }
}

/// A member of a map or set; what cannot be a key is left out.
fn set(t: &Table, k: Value, v: Value) -> mlua::Result<()> {
    match k {
        Value::Nil => Ok(()),
        Value::Number(n) if n.is_nan() => Ok(()),
        k => t.raw_set(k, v),
    }
}

/// Where a value is written as a reply.
pub(crate) struct Writer<'o> {
    pub(crate) out: &'o mut Reply,
    /// The script chose RESP3, so that booleans are such.
    pub(crate) resp3: bool,
    /// Hears of every error in the reply, and whether it was counted already.
    pub(crate) error: &'o mut dyn FnMut(&[u8], bool),
}

/// Writes a value as a reply.
pub(crate) fn to_reply(value: &Value, w: &mut Writer<'_>) -> mlua::Result<()> {
    write(value, w, 0)
}

fn write(value: &Value, w: &mut Writer<'_>, depth: usize) -> mlua::Result<()> {
    if depth > MAX_DEPTH {
        w.out.error("ERR reached lua stack limit");
        (w.error)(b"ERR reached lua stack limit", false);
        return Ok(());
    }
    let out = &mut *w.out;
    match value {
        Value::String(s) => out.bulk(&s.as_bytes()),
        Value::Integer(n) => out.int(*n),
        Value::Number(n) => out.int(integer(*n)),
        Value::Boolean(b) if w.resp3 => out.bool(*b),
        Value::Boolean(true) => out.int(1),
        Value::Table(t) => return table(t, w, depth),
        _ => out.null(),
    }
    Ok(())
}

/// A double as C converts it on x86-64.
fn integer(n: f64) -> i64 {
    if n.is_nan() || n >= 9_223_372_036_854_775_808.0 { i64::MIN } else { n as i64 }
}

fn line(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }).collect()
}

fn table(t: &Table, w: &mut Writer<'_>, depth: usize) -> mlua::Result<()> {
    let out = &mut *w.out;
    if let Some(s) = text(t, "err")? {
        let trimmed = s.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |p| p + 1);
        let line = line(s.get(..trimmed).unwrap_or_default());
        out.raw(b"-");
        out.raw(&line);
        out.raw(b"\r\n");
        (w.error)(&line, t.raw_get::<Option<bool>>("ignore_error_stats_update").ok().flatten().unwrap_or(false));
        return Ok(());
    }
    if let Some(s) = text(t, "ok")? {
        out.raw(b"+");
        out.raw(&line(&s));
        out.raw(b"\r\n");
        return Ok(());
    }
    match t.raw_get::<Value>("double")? {
        Value::Number(n) => {
            out.double(&double(n));
            return Ok(());
        }
        Value::Integer(n) => {
            out.double(&double(n as f64));
            return Ok(());
        }
        _ => {}
    }
    if let Value::Table(map) = t.raw_get("map")? {
        let mut n = 0;
        let deferred = w.out.defer();
        map.for_each(|k: Value, v: Value| {
            n += 1;
            write(&k, w, depth + 1)?;
            write(&v, w, depth + 1)
        })?;
        w.out.finish(deferred, |r| r.map(n));
        return Ok(());
    }
    if let Value::Table(set) = t.raw_get("set")? {
        let mut n = 0;
        let deferred = w.out.defer();
        set.for_each(|k: Value, _: Value| {
            n += 1;
            write(&k, w, depth + 1)
        })?;
        w.out.finish(deferred, |r| r.set(n));
        return Ok(());
    }
    if let Some(s) = text(t, "big_number")? {
        out.big_number(&String::from_utf8_lossy(&line(&s)));
        return Ok(());
    }
    if let Value::Table(v) = t.raw_get("verbatim_string")?
        && let (Some(format), Some(string)) = (text(&v, "format")?, text(&v, "string")?)
    {
        let format: String = String::from_utf8_lossy(&format).chars().filter(char::is_ascii).take(3).collect();
        out.verbatim(&format!("{format:<3}"), &string);
        return Ok(());
    }
    let mut n = 0;
    let deferred = w.out.defer();
    loop {
        let v: Value = t.raw_get(n + 1)?;
        if v.is_nil() {
            break;
        }
        n += 1;
        write(&v, w, depth + 1)?;
    }
    w.out.finish(deferred, |r| r.array(n));
    Ok(())
}

fn double(n: f64) -> String {
    let mut text = Vec::new();
    viator_data::num::format_f64(n, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// A field that is a string.
fn text(t: &Table, name: &str) -> mlua::Result<Option<Vec<u8>>> {
    Ok(match t.raw_get(name)? {
        Value::String(s) => Some(s.as_bytes().to_vec()),
        _ => None,
    })
}
