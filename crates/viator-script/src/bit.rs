//! `bit`: operations on 32-bit integers.

use crate::errors;
use mlua::{Lua, MultiValue, Table, Value};

/// The module.
pub(crate) fn module(lua: &Lua) -> mlua::Result<Table> {
    let t = lua.create_table()?;
    t.raw_set("tobit", lua.create_function(|lua, v: MultiValue| arg(lua, &v, 0, "tobit"))?)?;
    t.raw_set("bnot", lua.create_function(|lua, v: MultiValue| Ok(!arg(lua, &v, 0, "bnot")?))?)?;
    t.raw_set("bswap", lua.create_function(|lua, v: MultiValue| Ok(arg(lua, &v, 0, "bswap")?.swap_bytes()))?)?;
    fold(lua, &t, "band", |a, b| a & b)?;
    fold(lua, &t, "bor", |a, b| a | b)?;
    fold(lua, &t, "bxor", |a, b| a ^ b)?;
    shift(lua, &t, "lshift", |a, n| ((a as u32) << n) as i32)?;
    shift(lua, &t, "rshift", |a, n| ((a as u32) >> n) as i32)?;
    shift(lua, &t, "arshift", |a, n| a >> n)?;
    shift(lua, &t, "rol", |a, n| a.rotate_left(n))?;
    shift(lua, &t, "ror", |a, n| a.rotate_right(n))?;
    t.raw_set("tohex", lua.create_function(tohex)?)?;
    Ok(t)
}

fn fold(lua: &Lua, t: &Table, name: &'static str, f: fn(i32, i32) -> i32) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, v: MultiValue| {
        let mut result = arg(lua, &v, 0, name)?;
        for i in 1..v.len() {
            result = f(result, arg(lua, &v, i, name)?);
        }
        Ok(result)
    })?;
    t.raw_set(name, function)
}

fn shift(lua: &Lua, t: &Table, name: &'static str, f: fn(i32, u32) -> i32) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, v: MultiValue| {
        let a = arg(lua, &v, 0, name)?;
        let n = arg(lua, &v, 1, name)?;
        Ok(f(a, n as u32 & 31))
    })?;
    t.raw_set(name, function)
}

fn tohex(lua: &Lua, v: MultiValue) -> mlua::Result<String> {
    let mut bits = arg(lua, &v, 0, "tohex")? as u32;
    let mut n = if v.len() < 2 { 8 } else { arg(lua, &v, 1, "tohex")? };
    let upper = n < 0;
    n = n.saturating_abs().min(8);
    let mut digits = Vec::new();
    for _ in 0..n {
        let digit = char::from_digit(bits & 15, 16).unwrap_or('0');
        digits.push(if upper { digit.to_ascii_uppercase() } else { digit });
        bits >>= 4;
    }
    Ok(digits.into_iter().rev().collect())
}

/// A number modulo 2^32; of one beyond 2^51 what the same way gives: its double's lowest bits.
fn arg(lua: &Lua, values: &MultiValue, i: usize, function: &str) -> mlua::Result<i32> {
    match values.get(i) {
        Some(Value::Integer(n)) if n.unsigned_abs() < 1 << 51 => Ok(*n as i32),
        Some(Value::Integer(n)) => Ok(wrap(*n as f64)),
        Some(Value::Number(n)) => Ok(wrap(*n)),
        Some(Value::String(s)) => match lua.coerce_number(Value::String(s.clone()))? {
            Some(n) => Ok(wrap(n)),
            None => Err(errors::wrong_type(lua, i + 1, function, "number", values.get(i))),
        },
        other => Err(errors::wrong_type(lua, i + 1, function, "number", other)),
    }
}

/// Adding 2^52 + 2^51 leaves the whole number, halves rounded to even, in the lowest bits.
fn wrap(n: f64) -> i32 {
    (n + 6_755_399_441_055_744.0).to_bits() as u32 as i32
}
