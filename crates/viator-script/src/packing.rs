//! `struct`: values packed as C structures are.

use crate::errors;
use mlua::{Lua, MultiValue, Table, Value};

/// Widest integer, bytes.
const MAX_INT: usize = 32;
/// Alignment of `!` without a number.
const MAX_ALIGN: usize = 8;

/// The module.
pub(crate) fn module(lua: &Lua) -> mlua::Result<Table> {
    let t = lua.create_table()?;
    t.raw_set("pack", lua.create_function(pack)?)?;
    t.raw_set("unpack", lua.create_function(unpack)?)?;
    t.raw_set("size", lua.create_function(size)?)?;
    Ok(t)
}

struct Format<'l> {
    function: &'static str,
    lua: &'l Lua,
    text: Vec<u8>,
    at: usize,
    little: bool,
    align: usize,
}

impl<'l> Format<'l> {
    fn new(lua: &'l Lua, values: &MultiValue, function: &'static str) -> mlua::Result<Format<'l>> {
        let text = match values.front() {
            Some(Value::String(s)) => s.as_bytes().to_vec(),
            Some(Value::Integer(i)) => i.to_string().into_bytes(),
            Some(Value::Number(n)) => crate::number::general(*n, 14).into_bytes(),
            other => return Err(errors::wrong_type(lua, 1, function, "string", other)),
        };
        Ok(Format { function, lua, text, at: 0, little: cfg!(target_endian = "little"), align: 1 })
    }

    fn next(&mut self) -> Option<u8> {
        let c = *self.text.get(self.at)?;
        self.at += 1;
        Some(c)
    }

    /// A number in the format, or this one.
    fn number(&mut self, otherwise: usize) -> mlua::Result<usize> {
        let mut n: Option<usize> = None;
        while let Some(c @ b'0'..=b'9') = self.text.get(self.at) {
            let digit = usize::from(c - b'0');
            let so_far = n.unwrap_or(0);
            if so_far > (i32::MAX as usize) / 10 || so_far * 10 > i32::MAX as usize - digit {
                return Err(errors::plain(self.lua, "integral size overflow"));
            }
            n = Some(so_far * 10 + digit);
            self.at += 1;
        }
        Ok(n.unwrap_or(otherwise))
    }

    /// Bytes of what an option stands for.
    fn width(&mut self, option: u8) -> mlua::Result<usize> {
        Ok(match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let n = self.number(4)?;
                if n > MAX_INT {
                    return Err(errors::plain(
                        self.lua,
                        format!("integral size {n} is larger than limit of {MAX_INT}"),
                    ));
                }
                n
            }
            _ => 0,
        })
    }

    /// Padding before a value.
    fn padding(&self, width: usize, option: u8, total: usize) -> mlua::Result<usize> {
        if width == 0 || option == b'c' {
            return Ok(0);
        }
        let align = width.min(self.align);
        if align > 1 { Ok((align - (total & (align - 1))) & (align - 1)) } else { Ok(0) }
    }

    /// An option that is no value.
    fn control(&mut self, option: u8) -> mlua::Result<()> {
        match option {
            b' ' => {}
            b'>' => self.little = false,
            b'<' => self.little = true,
            b'!' => {
                let a = self.number(MAX_ALIGN)?;
                if a == 0 || !a.is_power_of_two() {
                    return Err(errors::plain(self.lua, format!("alignment {a} is not a power of 2")));
                }
                self.align = a;
            }
            _ => {
                let text = format!("invalid format option '{}'", char::from(option));
                return Err(errors::argument(self.lua, 1, self.function, &text));
            }
        }
        Ok(())
    }
}

/// What a missing argument is said to be: `pack` has a nil behind its arguments.
fn missing(function: &str) -> Option<&'static Value> {
    (function == "pack").then_some(&Value::Nil)
}

fn as_number(lua: &Lua, values: &MultiValue, i: usize, function: &str) -> mlua::Result<f64> {
    match values.get(i) {
        Some(Value::Integer(n)) => Ok(*n as f64),
        Some(Value::Number(n)) => Ok(*n),
        Some(v @ Value::String(_)) => match lua.coerce_number(v.clone())? {
            Some(n) => Ok(n),
            None => Err(errors::wrong_type(lua, i + 1, function, "number", values.get(i))),
        },
        other => Err(errors::wrong_type(lua, i + 1, function, "number", other.or(missing(function)))),
    }
}

fn as_integer(lua: &Lua, values: &MultiValue, i: usize, function: &str) -> mlua::Result<i64> {
    if let Some(Value::Integer(n)) = values.get(i) {
        return Ok(*n);
    }
    let n = as_number(lua, values, i, function)?;
    // as C converts it: what does not fit is taken as unsigned
    Ok(if n < 0.0 { n as i64 } else { n as u64 as i64 })
}

fn as_string(lua: &Lua, values: &MultiValue, i: usize, function: &str) -> mlua::Result<Vec<u8>> {
    match values.get(i) {
        Some(Value::String(s)) => Ok(s.as_bytes().to_vec()),
        Some(Value::Integer(n)) => Ok(n.to_string().into_bytes()),
        Some(Value::Number(n)) => Ok(crate::number::general(*n, 14).into_bytes()),
        other => Err(errors::wrong_type(lua, i + 1, function, "string", other.or(missing(function)))),
    }
}

fn pack(lua: &Lua, values: MultiValue) -> mlua::Result<Value> {
    let mut f = Format::new(lua, &values, "pack")?;
    let mut out = Vec::new();
    let mut arg = 1;
    while let Some(option) = f.next() {
        let width = f.width(option)?;
        let pad = f.padding(width, option, out.len())?;
        out.resize(out.len() + pad, 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let n = as_integer(lua, &values, arg, "pack")?;
                arg += 1;
                let mut bytes = n.to_le_bytes().to_vec();
                // wider than 64 bits: the shift that C makes there brings zeros
                bytes.resize(width.max(8), 0);
                bytes.truncate(width);
                if !f.little {
                    bytes.reverse();
                }
                out.extend_from_slice(&bytes);
            }
            b'x' => out.push(0),
            b'f' | b'd' => {
                let n = as_number(lua, &values, arg, "pack")?;
                arg += 1;
                let mut bytes =
                    if option == b'f' { (n as f32).to_le_bytes().to_vec() } else { n.to_le_bytes().to_vec() };
                if !f.little {
                    bytes.reverse();
                }
                out.extend_from_slice(&bytes);
            }
            b'c' | b's' => {
                let s = as_string(lua, &values, arg, "pack")?;
                arg += 1;
                let width = if option == b's' || width == 0 { s.len() } else { width };
                match s.get(..width) {
                    Some(s) => out.extend_from_slice(s),
                    None => return Err(errors::argument(lua, arg + 1, "pack", "string too short")),
                }
                if option == b's' {
                    out.push(0);
                }
            }
            other => f.control(other)?,
        }
    }
    Ok(Value::String(lua.create_string(out)?))
}

fn unpack(lua: &Lua, values: MultiValue) -> mlua::Result<MultiValue> {
    let mut f = Format::new(lua, &values, "unpack")?;
    let data = as_string(lua, &values, 1, "unpack")?;
    let start = match values.get(2) {
        None | Some(Value::Nil) => 1,
        Some(_) => as_integer(lua, &values, 2, "unpack")?,
    };
    if start < 0 {
        return Err(errors::argument(lua, 2, "unpack", "data string too short"));
    }
    let Some(mut at) = usize::try_from(start).ok().and_then(|n| n.checked_sub(1)) else {
        return Err(errors::argument(lua, 3, "unpack", "offset must be 1 or greater"));
    };
    if at > data.len() {
        return Err(errors::argument(lua, 2, "unpack", "data string too short"));
    }
    let mut results: Vec<Value> = Vec::new();
    let short = || errors::argument(lua, 2, "unpack", "data string too short");
    while let Some(option) = f.next() {
        let width = f.width(option)?;
        at += f.padding(width, option, at)?;
        if at > data.len() || width > data.len() - at {
            return Err(short());
        }
        if results.len() > 7000 {
            return Err(errors::plain(lua, "stack overflow (too many results)"));
        }
        let bytes = data.get(at..at + width).unwrap_or_default();
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                results.push(Value::Number(read_int(bytes, f.little, option.is_ascii_lowercase())));
            }
            b'x' => {}
            b'f' | b'd' => {
                let mut b = bytes.to_vec();
                if !f.little {
                    b.reverse();
                }
                let n = match (<[u8; 4]>::try_from(b.as_slice()), <[u8; 8]>::try_from(b.as_slice())) {
                    (Ok(four), _) => f64::from(f32::from_le_bytes(four)),
                    (_, Ok(eight)) => f64::from_le_bytes(eight),
                    _ => 0.0,
                };
                results.push(Value::Number(n));
            }
            b'c' => {
                let mut n = width;
                if n == 0 {
                    let count = match results.pop() {
                        Some(Value::Number(n)) => n,
                        Some(Value::Integer(n)) => n as f64,
                        Some(Value::String(s)) => match lua.coerce_number(Value::String(s))? {
                            Some(n) => n,
                            None => return Err(errors::plain(lua, "format 'c0' needs a previous size")),
                        },
                        _ => return Err(errors::plain(lua, "format 'c0' needs a previous size")),
                    };
                    n = count as usize;
                    if count < 0.0 || n > data.len() - at {
                        return Err(short());
                    }
                }
                results.push(Value::String(lua.create_string(data.get(at..at + n).unwrap_or_default())?));
                at += n;
                continue;
            }
            b's' => {
                let rest = data.get(at..).unwrap_or_default();
                let Some(n) = rest.iter().position(|b| *b == 0) else {
                    return Err(errors::plain(lua, "unfinished string in data"));
                };
                results.push(Value::String(lua.create_string(rest.get(..n).unwrap_or_default())?));
                at += n + 1;
            }
            other => f.control(other)?,
        }
        at += width;
    }
    results.push(Value::Integer(at as i64 + 1));
    Ok(results
        .into_iter()
        .map(|v| match v {
            Value::Number(n) => {
                crate::number::whole(n).filter(|i| i.abs() < 1 << 53).map_or(Value::Number(n), Value::Integer)
            }
            v => v,
        })
        .collect())
}

fn read_int(bytes: &[u8], little: bool, signed: bool) -> f64 {
    let mut value: u64 = 0;
    let ordered: Vec<u8> = if little { bytes.iter().rev().copied().collect() } else { bytes.to_vec() };
    for b in ordered {
        value = (value << 8) | u64::from(b);
    }
    if !signed {
        return value as f64;
    }
    let bits = bytes.len() * 8;
    if bits == 0 || bits >= 64 {
        return value as i64 as f64;
    }
    let shift = 64 - bits;
    (((value << shift) as i64) >> shift) as f64
}

fn size(lua: &Lua, values: MultiValue) -> mlua::Result<i64> {
    let mut f = Format::new(lua, &values, "size")?;
    let mut total: usize = 0;
    while let Some(option) = f.next() {
        let width = f.width(option)?;
        total = total.saturating_add(f.padding(width, option, total)?);
        match option {
            b's' => return Err(errors::argument(lua, 1, "size", "option 's' has no fixed size")),
            b'c' if width == 0 => return Err(errors::argument(lua, 1, "size", "option 'c0' has no fixed size")),
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' | b'x' | b'f' | b'd' | b'c' => {}
            // unknown letters and digits have no size
            other if other.is_ascii_alphanumeric() => {}
            other => f.control(other)?,
        }
        total = total.saturating_add(width);
    }
    Ok(total as i64)
}
