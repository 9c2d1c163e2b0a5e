//! Errors on their way through Lua.
//!
//! A function in Rust can raise nothing but an [`mlua::Error`], which Lua code sees as a userdata. The prelude's `pcall`,
//! `xpcall` and `coroutine.resume` turn it into what a script of Redis sees before the script gets it.

use mlua::{Error, Lua, Table, Value};
use thiserror::Error as ThisError;

/// An error that a function in Rust raises.
#[derive(Debug, Clone, ThisError)]
#[error("{}", String::from_utf8_lossy(.line))]
pub struct Raised {
    /// The message; of an error reply with its code.
    pub line: Vec<u8>,
    /// It is a table with the field `err`, as `redis.call` raises it; otherwise a string with a position.
    pub table: bool,
    /// The error was counted already.
    pub counted: bool,
}

/// The script was killed: no `pcall` holds it up.
#[derive(Debug, Clone, ThisError)]
#[error("Script killed by user")]
pub(crate) struct Killed;

/// What a script ended with, if not well.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The error line, code first.
    pub line: Vec<u8>,
    /// Chunk and line where it happened.
    pub place: Option<(String, i64)>,
    /// The error was counted already.
    pub counted: bool,
    /// The script was killed.
    pub killed: bool,
}

/// An error reply that is raised as a table.
pub(crate) fn reply(line: impl Into<Vec<u8>>, counted: bool) -> Error {
    Error::external(Raised { line: line.into(), table: true, counted })
}

/// An error as `luaL_error` raises it: a string that begins with the caller's position.
pub(crate) fn plain(lua: &Lua, message: impl AsRef<[u8]>) -> Error {
    let mut line = position(lua, 1).map(|(s, n)| format!("{s}:{n}: ")).unwrap_or_default().into_bytes();
    line.extend_from_slice(message.as_ref());
    Error::external(Raised { line, table: false, counted: false })
}

/// An error without a position.
pub(crate) fn bare(message: &str) -> Error {
    Error::external(Raised { line: message.into(), table: false, counted: false })
}

/// A wrong argument, as `luaL_argerror` words it.
pub(crate) fn argument(lua: &Lua, n: usize, function: &str, what: &str) -> Error {
    plain(lua, format!("bad argument #{n} to '{function}' ({what})"))
}

/// A value of a wrong type, as `luaL_typerror` words it.
pub(crate) fn wrong_type(lua: &Lua, n: usize, function: &str, wanted: &str, got: Option<&Value>) -> Error {
    argument(lua, n, function, &format!("{wanted} expected, got {}", got.map_or("no value", type_name)))
}

/// The type's name as Lua says it.
pub(crate) fn type_name(v: &Value) -> &'static str {
    match v {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}

/// Short name of the chunk and line of the function at a level, if it is Lua's.
fn position(lua: &Lua, level: usize) -> Option<(String, i64)> {
    lua.inspect_stack(level, |d| {
        let line = d.current_line()? as i64;
        Some((d.source().short_src?.into_owned(), line))
    })?
}

/// Chunk and line of the innermost function of the script's.
fn place(lua: &Lua) -> Option<(String, i64)> {
    for level in 1..200 {
        let found = lua.inspect_stack(level, |d| {
            let line = d.current_line()? as i64;
            let source = d.source().source?.into_owned();
            source.starts_with("@user_").then_some((source, line))
        });
        match found {
            None => return None,
            Some(Some(p)) => return Some(p),
            Some(None) => {}
        }
    }
    None
}

/// The `Raised` or `Killed` behind a Rust error.
enum Cause {
    Raised(Raised),
    Killed,
    Other(String),
}

fn cause(e: &Error) -> Cause {
    if let Some(r) = e.downcast_ref::<Raised>() {
        return Cause::Raised(r.clone());
    }
    if e.downcast_ref::<Killed>().is_some() {
        return Cause::Killed;
    }
    match e {
        Error::RuntimeError(s) => Cause::Other(s.clone()),
        Error::CallbackError { cause: c, .. } => cause(c),
        other => Cause::Other(other.to_string()),
    }
}

/// What `pcall` gives a script for a Rust error: the message.
pub(crate) fn seen(lua: &Lua, e: Value) -> mlua::Result<Value> {
    let Value::Error(e) = e else { return Ok(e) };
    match cause(&e) {
        Cause::Raised(r) => Ok(Value::String(lua.create_string(r.line)?)),
        Cause::Killed => Err(Error::external(Killed)),
        Cause::Other(s) => Ok(Value::String(lua.create_string(s)?)),
    }
}

/// What `xpcall` gives a script's handler for a Rust error: a table for what `redis.call` raised.
pub(crate) fn described(lua: &Lua, e: Value) -> mlua::Result<Value> {
    let Value::Error(error) = &e else { return Ok(e) };
    match cause(error) {
        Cause::Raised(r) if r.table => {
            let t = lua.create_table()?;
            t.raw_set("err", lua.create_string(r.line)?)?;
            if r.counted {
                t.raw_set("ignore_error_stats_update", true)?;
            }
            Ok(Value::Table(t))
        }
        _ => seen(lua, e),
    }
}

/// Messages of 5.4 in the words of 5.1, where that goes by rules.
pub(crate) fn reword(message: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(message).ok()?;
    for (now, then) in [
        (": bad 'for' limit (number expected, got ", ": 'for' limit must be a number"),
        (": bad 'for' initial value (number expected, got ", ": 'for' initial value must be a number"),
        (": bad 'for' step (number expected, got ", ": 'for' step must be a number"),
        (" (for iterator 'for iterator')", ""),
        ("attempt to yield from outside a coroutine", "attempt to yield across metamethod/C-call boundary"),
    ] {
        if let Some((before, _)) = text.split_once(now) {
            return Some(format!("{before}{then}").into_bytes());
        }
    }
    if let Some((before, rest)) = text.split_once("invalid conversion '%")
        && let Some((option, _)) = rest.split_once("' to 'format'")
    {
        return Some(format!("{before}invalid option '%{option}' to 'format'").into_bytes());
    }
    if let Some((before, rest)) = text.split_once("attempt to ")
        && let Some((_, types)) = rest.split_once(" a '")
        && let Some((one, two)) = types.strip_suffix('\'').and_then(|t| t.split_once("' with a '"))
    {
        // of a string and a number it is the string that is none
        let wrong = [one, two].into_iter().find(|t| !matches!(*t, "string" | "number")).unwrap_or("string");
        return Some(format!("{before}attempt to perform arithmetic on a {wrong} value").into_bytes());
    }
    named(text)
}

/// `attempt to call a nil value (field 'f')` as 5.1 words it: `attempt to call field 'f' (a nil value)`.
fn named(text: &str) -> Option<Vec<u8>> {
    let (before, rest) = text.split_once("attempt to ")?;
    let (verb, rest) = rest.split_once(" a ")?;
    let (kind, rest) = rest.split_once(" value (")?;
    let name = rest.strip_suffix(')')?;
    let known = ["global '", "local '", "field '", "upvalue '", "method '", "constant '"];
    if verb.contains(' ') && verb != "perform arithmetic on" || !known.iter().any(|k| name.starts_with(k)) {
        return None;
    }
    // elements that became parameters (see `crate::rewrite`)
    let name = if name.contains("'__key") || name.contains("'__arg") { "field '?'" } else { name };
    Some(format!("{before}attempt to {verb} {name} (a {kind} value)").into_bytes())
}

/// The compiler's message in the words of 5.1.
pub(crate) fn syntax(e: &Error) -> Vec<u8> {
    match e {
        Error::SyntaxError { message, .. } => {
            let mut text = message.replace("<eof>", "'<eof>'").replace("syntax error near", "'=' expected near");
            text = text.replace(": <name> expected", ": '<name>' expected");
            if let Some((before, rest)) = text.split_once(" (starting at line ")
                && let Some((_, after)) = rest.split_once(')')
            {
                text = format!("{before}{after}");
            }
            if let Some((before, _)) = text.split_once(": break outside loop at line") {
                text = format!("{before}: no loop to break near '<eof>'");
            }
            text.into_bytes()
        }
        other => other.to_string().into_bytes(),
    }
}

/// A message without the position, if that is in the prelude.
fn ours(message: &[u8]) -> Option<&[u8]> {
    let rest = message.strip_prefix(b"prelude:")?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    rest.get(digits..)?.strip_prefix(b": ")
}

/// A message that the prelude raised, with the position of the script's call; another one as it is.
pub(crate) fn placed(lua: &Lua, message: mlua::LuaString) -> mlua::Result<mlua::LuaString> {
    let text = {
        let bytes = message.as_bytes();
        // what was raised without a position lost it to a tail call
        let rest = if bytes.starts_with(b"bad argument #") { Some(bytes.as_ref()) } else { ours(&bytes) };
        let Some(rest) = rest else { return Ok(message.clone()) };
        let mut text = Vec::new();
        if let Some((source, n)) = place(lua) {
            text.extend_from_slice(format!("{}:{n}: ", source.trim_start_matches('@')).as_bytes());
        }
        text.extend_from_slice(reword(rest).as_deref().unwrap_or(rest));
        text
    };
    lua.create_string(text)
}

/// The handler around a whole script: a table with `err`, and where it happened.
pub(crate) fn handler(lua: &Lua, e: Value) -> mlua::Result<Table> {
    let t = lua.create_table()?;
    let mut line: Vec<u8>;
    match &e {
        Value::Error(error) => match cause(error) {
            Cause::Raised(r) if r.table => {
                line = r.line;
                if r.counted {
                    t.raw_set("ignore_error_stats_update", true)?;
                }
            }
            Cause::Raised(r) => {
                line = b"ERR ".to_vec();
                line.extend_from_slice(&r.line);
            }
            Cause::Killed => {
                t.raw_set("killed", true)?;
                line = b"ERR Script killed by user with SCRIPT KILL.".to_vec();
            }
            Cause::Other(s) => line = format!("ERR {s}").into_bytes(),
        },
        Value::Table(given) => {
            match given.raw_get("err")? {
                Value::String(s) => line = s.as_bytes().to_vec(),
                Value::Integer(n) => line = n.to_string().into_bytes(),
                _ => line = b"ERR unknown error".to_vec(),
            }
            if let Ok(true) = given.raw_get("ignore_error_stats_update") {
                t.raw_set("ignore_error_stats_update", true)?;
            }
        }
        Value::String(s) => {
            let s = s.as_bytes();
            line = b"ERR ".to_vec();
            match ours(&s) {
                // raised by what stands between the script and Lua's own function
                Some(rest) => {
                    if let Some((source, n)) = place(lua) {
                        line.extend_from_slice(format!("{}:{n}: ", source.trim_start_matches('@')).as_bytes());
                    }
                    line.extend_from_slice(reword(rest).as_deref().unwrap_or(rest));
                }
                None => line.extend_from_slice(reword(&s).as_deref().unwrap_or(&s)),
            }
        }
        other => {
            line = b"ERR ".to_vec();
            match other {
                Value::Number(_) | Value::Integer(_) => {
                    // to `error` numbers are strings
                    if let Some((source, n)) = place(lua) {
                        line.extend_from_slice(format!("{}:{n}: ", source.trim_start_matches('@')).as_bytes());
                    }
                    match other {
                        Value::Number(n) => line.extend_from_slice(crate::number::general(*n, 14).as_bytes()),
                        Value::Integer(n) => line.extend_from_slice(n.to_string().as_bytes()),
                        _ => {}
                    }
                }
                Value::Nil => line.extend_from_slice(b"nil"),
                Value::Boolean(b) => line.extend_from_slice(if *b { b"true" } else { b"false" }),
                _ => line.extend_from_slice(type_name(other).as_bytes()),
            }
        }
    }
    t.raw_set("err", lua.create_string(line)?)?;
    if let Some((source, n)) = place(lua) {
        t.raw_set("source", source)?;
        t.raw_set("line", n)?;
    }
    Ok(t)
}

impl Failure {
    /// From the handler's table.
    pub(crate) fn from_table(t: &Table) -> mlua::Result<Failure> {
        let line = match t.raw_get("err")? {
            Value::String(s) => s.as_bytes().to_vec(),
            _ => b"ERR unknown error".to_vec(),
        };
        let place = match (t.raw_get::<Option<String>>("source")?, t.raw_get::<Option<i64>>("line")?) {
            (Some(s), Some(n)) => Some((s, n)),
            _ => None,
        };
        Ok(Failure {
            line,
            place,
            counted: t.raw_get::<Option<bool>>("ignore_error_stats_update")?.unwrap_or(false),
            killed: t.raw_get::<Option<bool>>("killed")?.unwrap_or(false),
        })
    }

    /// Of a run that failed.
    pub(crate) fn of(result: mlua::Result<(bool, Value)>) -> Failure {
        match result {
            Ok((_, Value::Table(t))) => Failure::from_table(&t).unwrap_or_else(|e| Failure::from_error(&e)),
            Ok((_, Value::Error(e))) => Failure::from_error(&e),
            Ok((_, Value::String(s))) => Failure::from_error(&Error::runtime(s.to_string_lossy())),
            Ok(_) => Failure::from_error(&Error::runtime("unknown error")),
            Err(e) => Failure::from_error(&e),
        }
    }

    /// Of an error that no handler saw (memory is gone, a bug).
    pub(crate) fn from_error(e: &Error) -> Failure {
        let (line, killed) = match cause(e) {
            Cause::Raised(r) if r.table => (r.line, false),
            Cause::Raised(r) => ([b"ERR ".as_slice(), &r.line].concat(), false),
            Cause::Killed => (b"ERR Script killed by user with SCRIPT KILL.".to_vec(), true),
            Cause::Other(s) => (format!("ERR {s}").into_bytes(), false),
        };
        Failure { line, place: None, counted: false, killed }
    }
}
