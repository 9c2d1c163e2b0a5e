//! The way from Lua to the host: `redis.call` and its kin.
//!
//! The functions are made once per state. Which host they lead to is what [`with`] says, for the time of a run: a host is
//! borrowed, a state's functions live on.

use crate::convert::to_lua;
use crate::debugger;
use crate::direct::WRONG_ARGUMENTS;
use crate::errors;
use crate::number;
use crate::rewrite::{NAME, PROTECTED, UNUSED};
use crate::vm::{Host, Registration, kill};
use mlua::state::{GcIncParams, GcMode};
use mlua::{Lua, MultiValue, Table, Value};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use viator_resp::reply::Reply;
use viator_resp::request::OwnedArgs;

scoped_tls_hkt::scoped_thread_local!(static mut HOST: for<'a> &'a mut (dyn Host + 'a));

/// A state that holds more than this, bytes, has its garbage collected sooner.
const LARGE: usize = 4 << 20;

/// Never seen: nothing that a command does runs Lua.
const WITHIN: &str = "ERR a command is being called already";

/// Most names of commands that have numbers.
const MAX_NAMES: usize = 1024;

/// Does something while the functions lead to a host.
pub(crate) fn with<R>(host: &mut dyn Host, f: impl FnOnce() -> R) -> R {
    HOST.set(host, f)
}

pub(crate) fn host<R>(f: impl FnOnce(&mut dyn Host) -> mlua::Result<R>) -> mlua::Result<R> {
    if HOST.is_set() { HOST.with(|h| f(h)) } else { Err(errors::reply("ERR no script is running", false)) }
}

/// Whether the running script is to end.
pub(crate) fn tick() -> bool {
    HOST.is_set() && HOST.with(|h| h.tick())
}

/// What a state has for its calls.
pub(crate) struct Bridge {
    /// The script chose RESP3.
    resp3: Cell<bool>,
    /// A library is being loaded.
    loading: Cell<bool>,
    /// The state was large when it was last looked at: the collector is in a hurry.
    large: Cell<bool>,
    scratch: RefCell<(OwnedArgs, Reply)>,
    /// Most bytes of the state.
    memory: usize,
    names: RefCell<Names>,
}

#[derive(Default)]
struct Names {
    list: Vec<Box<[u8]>>,
    numbers: HashMap<Box<[u8]>, i64>,
}

/// While it lives, the state has a limit, or has none. Without one, whatever comes from Rust is cheaper by far: nothing
/// needs to be ready for an error of Lua's that jumps over it.
pub(crate) struct Limit<'l> {
    lua: &'l Lua,
    after: usize,
    any: bool,
}

impl<'l> Limit<'l> {
    fn set(lua: &'l Lua, now: usize, after: usize) -> Limit<'l> {
        let any = now != after;
        if any {
            drop(lua.set_memory_limit(now)); // the allocator is mlua's own
        }
        Limit { lua, after, any }
    }
}

impl Drop for Limit<'_> {
    fn drop(&mut self) {
        if self.any {
            drop(self.lua.set_memory_limit(self.after));
        }
    }
}

impl Bridge {
    pub(crate) fn new(memory: usize) -> Bridge {
        Bridge {
            resp3: Cell::new(false),
            loading: Cell::new(false),
            large: Cell::new(true),
            scratch: RefCell::default(),
            memory,
            names: RefCell::default(),
        }
    }

    /// Begins a run.
    pub(crate) fn begin(&self, loading: bool) {
        self.resp3.set(false);
        self.loading.set(loading);
    }

    /// Ends a run: what its last command replied is given back.
    pub(crate) fn end(&self, lua: &Lua) {
        if let Ok(mut scratch) = self.scratch.try_borrow_mut() {
            let (args, reply) = &mut *scratch;
            args.clear();
            reply.clear();
        }
        self.settle(lua);
    }

    /// Lends the memory for arguments and replies to a run that does without Lua.
    pub(crate) fn scratch<R>(&self, f: impl FnOnce(&mut (OwnedArgs, Reply)) -> R) -> R {
        let mut scratch = self.scratch.take();
        let result = f(&mut scratch);
        scratch.0.clear();
        scratch.1.clear();
        self.scratch.replace(scratch);
        result
    }

    /// Whether the script chose RESP3.
    pub(crate) fn resp3(&self) -> bool {
        self.resp3.get()
    }

    /// While Lua runs.
    pub(crate) fn limited<'l>(&self, lua: &'l Lua) -> Limit<'l> {
        Limit::set(lua, self.memory, 0)
    }

    /// While values are made for Lua that are bounded otherwise.
    fn unlimited<'l>(&self, lua: &'l Lua) -> Limit<'l> {
        Limit::set(lua, 0, self.memory)
    }

    /// Lets the collector work as fits the state's size: what is small is left alone for long, since each cycle looks at
    /// all that the prelude made.
    pub(crate) fn settle(&self, lua: &Lua) {
        let large = lua.used_memory() > LARGE;
        if self.large.replace(large) != large {
            let pause = if large { 200 } else { 1000 };
            lua.gc_set_mode(GcMode::Incremental(GcIncParams::default().pause(pause)));
        }
    }

    /// The number of a command's name, from 1 on; `None`: there are too many already.
    pub(crate) fn number(&self, name: &[u8]) -> Option<i64> {
        let mut names = self.names.borrow_mut();
        if let Some(n) = names.numbers.get(name) {
            return Some(*n);
        }
        if names.list.len() >= MAX_NAMES || name.len() > 64 {
            return None;
        }
        names.list.push(name.into());
        let n = names.list.len() as i64;
        names.numbers.insert(name.into(), n);
        Some(n)
    }

    /// `redis.call` and `redis.pcall` as rewritten scripts call them: a number comes first (see [`crate::rewrite`]).
    fn numbered<'v>(&self, lua: &Lua, code: i64, values: impl IntoIterator<Item = &'v Value>) -> mlua::Result<Value> {
        let protected = code & PROTECTED != 0;
        if self.loading.get() {
            let name = if protected { "pcall" } else { "call" };
            let text = format!("Script attempted to access nonexistent global variable '{name}'");
            return Err(errors::plain(lua, text));
        }
        let Ok(mut scratch) = self.scratch.try_borrow_mut() else { return fail(WITHIN) };
        let (args, reply) = &mut *scratch;
        args.clear();
        {
            let names = self.names.borrow();
            if let Some(name) = usize::try_from(code / NAME - 1).ok().and_then(|i| names.list.get(i)) {
                args.push(name);
            }
        }
        self.command(lua, values.into_iter(), args, reply, protected, code & UNUSED != 0)
    }

    /// `redis.call` and `redis.pcall`.
    fn plain(&self, lua: &Lua, values: &MultiValue, protected: bool) -> mlua::Result<Value> {
        let Ok(mut scratch) = self.scratch.try_borrow_mut() else { return fail(WITHIN) };
        let (args, reply) = &mut *scratch;
        args.clear();
        self.command(lua, values.iter(), args, reply, protected, false)
    }

    /// A command, its reply as a value. An error is raised, or becomes a table if that is wanted (`protected`).
    fn command<'v>(
        &self,
        lua: &Lua,
        values: impl Iterator<Item = &'v Value>,
        args: &mut OwnedArgs,
        reply: &mut Reply,
        protected: bool,
        unused: bool,
    ) -> mlua::Result<Value> {
        let failed = |line: &[u8], counted: bool| {
            if !protected {
                return Err(errors::reply(line, counted));
            }
            let t = lua.create_table_with_capacity(0, 2)?;
            if counted {
                t.raw_set("ignore_error_stats_update", true)?;
            }
            t.raw_set("err", lua.create_string(line)?)?;
            Ok(Value::Table(t))
        };
        let _unlimited = self.unlimited(lua);
        if let Err(line) = arguments(values, args) {
            return failed(line.as_bytes(), false);
        }
        reply.clear();
        reply.set_resp3(self.resp3.get());
        let end = host(|h| Ok(h.call(args.args(), reply)))?;
        if end {
            return Err(kill(lua));
        }
        match reply.parts().0.split_first() {
            Some((b'-', line)) => failed(line.strip_suffix(b"\r\n").unwrap_or(line), true),
            _ if unused => Ok(Value::Nil),
            _ => to_lua(lua, reply),
        }
    }

    fn log(&self, values: &MultiValue) -> mlua::Result<()> {
        if values.len() < 2 {
            return fail("ERR redis.log() requires two arguments or more.");
        }
        let not_a_number = || fail("ERR First argument must be a number (log level).");
        let level = match values.front() {
            Some(Value::Integer(i)) => *i,
            Some(Value::Number(f)) => *f as i64,
            Some(Value::String(s)) => match s.to_string_lossy().trim().parse::<i64>() {
                Ok(i) => i,
                Err(_) => return not_a_number(),
            },
            _ => return not_a_number(),
        };
        if !(0..=3).contains(&level) {
            return fail("ERR Invalid log level.");
        }
        let mut message = Vec::new();
        for (i, v) in values.iter().skip(1).enumerate() {
            if i > 0 {
                message.push(b' ');
            }
            match v {
                Value::String(s) => message.extend_from_slice(&s.as_bytes()),
                Value::Integer(i) => message.extend_from_slice(i.to_string().as_bytes()),
                Value::Number(f) => message.extend_from_slice(number::general(*f, 14).as_bytes()),
                _ => {}
            }
        }
        host(|h| {
            h.log(level, &message);
            Ok(())
        })
    }

    fn setresp(&self, values: &MultiValue) -> mlua::Result<()> {
        if values.len() != 1 {
            return fail("ERR redis.setresp() requires one argument.");
        }
        let version = match values.front() {
            Some(Value::String(s)) => s.to_string_lossy().trim().parse::<f64>().ok().map(|n| n as i64),
            v => integer(v),
        };
        match version {
            Some(2) => self.resp3.set(false),
            Some(3) => self.resp3.set(true),
            _ => return fail("ERR RESP version must be 2 or 3."),
        }
        Ok(())
    }

    /// `redis.breakpoint`: whether a debugger will stop there.
    fn breakpoint(&self) -> mlua::Result<bool> {
        host(|h| Ok(h.debugger().map(|d| d.call_breakpoint()).is_some()))
    }

    /// `redis.debug`.
    fn debug(&self, values: &MultiValue) -> mlua::Result<()> {
        host(|h| {
            if let Some(d) = h.debugger() {
                let texts: Vec<Vec<u8>> = values.iter().map(debugger::shown).collect();
                d.say(&texts.join(b", ".as_slice()));
            }
            Ok(())
        })
    }

    fn set_repl(&self, values: &MultiValue) -> mlua::Result<()> {
        if values.len() != 1 {
            return fail("ERR redis.set_repl() requires one argument.");
        }
        // what is no number is 0
        let flags = match values.front() {
            Some(Value::Number(n)) if n.is_nan() => -1,
            Some(Value::String(s)) => s.to_string_lossy().trim().parse::<f64>().map_or(0, |n| n as i64),
            v => integer(v).unwrap_or(0),
        };
        if flags & !3 != 0 {
            return fail("ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
        }
        host(|h| {
            h.set_repl(flags);
            Ok(())
        })
    }

    fn acl_check_cmd(&self, values: &MultiValue) -> mlua::Result<bool> {
        if values.is_empty() {
            return fail("ERR Please specify at least one argument for this redis lib call");
        }
        let mut args = OwnedArgs::default();
        if let Err(line) = arguments(values.iter(), &mut args) {
            return fail(line);
        }
        match host(|h| Ok(h.may_run(args.args())))? {
            Ok(b) => Ok(b),
            Err(line) => fail(line),
        }
    }
}

fn fail<T>(line: &str) -> mlua::Result<T> {
    Err(errors::reply(line, false))
}

fn integer(v: Option<&Value>) -> Option<i64> {
    match v {
        Some(Value::Integer(i)) => Some(*i),
        Some(Value::Number(f)) => Some(*f as i64),
        _ => None,
    }
}

/// Puts the functions that lead to the host into a table.
pub(crate) fn natives(lua: &Lua, t: &Table, bridge: &Rc<Bridge>) -> mlua::Result<()> {
    let b = bridge.clone();
    let numbered = move |lua: &Lua, (code, values): (i64, MultiValue)| b.numbered(lua, code, &values);
    t.raw_set("numbered", lua.create_function(numbered)?)?;
    let b = bridge.clone();
    let one = move |lua: &Lua, (code, x): (i64, Value)| b.numbered(lua, code, &[x]);
    t.raw_set("numbered1", lua.create_function(one)?)?;
    let b = bridge.clone();
    let two = move |lua: &Lua, (code, x, y): (i64, Value, Value)| b.numbered(lua, code, &[x, y]);
    t.raw_set("numbered2", lua.create_function(two)?)?;
    let b = bridge.clone();
    let three = move |lua: &Lua, (code, x, y, z): (i64, Value, Value, Value)| b.numbered(lua, code, &[x, y, z]);
    t.raw_set("numbered3", lua.create_function(three)?)?;
    let b = bridge.clone();
    t.raw_set("call", lua.create_function(move |lua, values: MultiValue| b.plain(lua, &values, false))?)?;
    let b = bridge.clone();
    t.raw_set("pcall", lua.create_function(move |lua, values: MultiValue| b.plain(lua, &values, true))?)?;
    let b = bridge.clone();
    t.raw_set("log", lua.create_function(move |_, values: MultiValue| b.log(&values))?)?;
    let b = bridge.clone();
    t.raw_set("setresp", lua.create_function(move |_, values: MultiValue| b.setresp(&values))?)?;
    let b = bridge.clone();
    t.raw_set("breakpoint", lua.create_function(move |_, ()| b.breakpoint())?)?;
    let b = bridge.clone();
    t.raw_set("debug", lua.create_function(move |_, values: MultiValue| b.debug(&values))?)?;
    let b = bridge.clone();
    t.raw_set("set_repl", lua.create_function(move |_, values: MultiValue| b.set_repl(&values))?)?;
    let b = bridge.clone();
    t.raw_set("acl_check_cmd", lua.create_function(move |_, values: MultiValue| b.acl_check_cmd(&values))?)?;
    t.raw_set("register_function", lua.create_function(|_, values: MultiValue| register(&values))?)
}

/// The arguments of a command as bytes, after those that are there already.
fn arguments<'v>(values: impl Iterator<Item = &'v Value>, args: &mut OwnedArgs) -> Result<(), &'static str> {
    for v in values {
        match v {
            Value::String(s) => args.push(&s.as_bytes()),
            Value::Integer(i) => args.push_int(*i),
            Value::Number(f) => {
                let mut text = Vec::with_capacity(24);
                number::shortest(*f, &mut text);
                args.push(&text);
            }
            _ => return Err(WRONG_ARGUMENTS),
        }
    }
    if args.args().len() == 0 {
        return Err("ERR Please specify at least one argument for this redis lib call");
    }
    Ok(())
}

fn register(values: &MultiValue) -> mlua::Result<()> {
    if !host(|h| Ok(h.loading()))? {
        return fail("ERR redis.register_function can only be called on FUNCTION LOAD command");
    }
    let values: Vec<&Value> = values.iter().collect();
    match registration(&values).and_then(|r| host(|h| Ok(h.register(r))).unwrap_or_else(|e| Err(e.to_string()))) {
        Ok(()) => Ok(()),
        Err(text) => Err(errors::reply(format!("ERR {text}"), false)),
    }
}

/// The arguments of `redis.register_function`: name and callback, or a table of named ones.
fn registration(values: &[&Value]) -> Result<Registration, String> {
    let bytes = |v: &Value| match v {
        Value::String(s) => Some(s.as_bytes().to_vec()),
        Value::Integer(i) => Some(i.to_string().into_bytes()),
        Value::Number(f) => Some(number::general(*f, 14).into_bytes()),
        _ => None,
    };
    match values {
        [Value::Table(t)] => named(t, bytes),
        [_] => Err("calling redis.register_function with a single argument is only applicable to Lua table \
                    (representing named arguments)."
            .into()),
        [name, callback] => {
            let Some(name) = bytes(name) else {
                return Err("first argument to redis.register_function must be a string".into());
            };
            let Value::Function(callback) = callback else {
                return Err("second argument to redis.register_function must be a function".into());
            };
            Ok(Registration { name, callback: callback.clone(), description: None, flags: Vec::new() })
        }
        _ => Err("wrong number of arguments to redis.register_function".into()),
    }
}

fn named(t: &Table, bytes: impl Fn(&Value) -> Option<Vec<u8>>) -> Result<Registration, String> {
    let (mut name, mut callback, mut description, mut flags) = (None, None, None, Vec::new());
    for pair in t.pairs::<Value, Value>() {
        let (k, v) = pair.map_err(|e| e.to_string())?;
        let k = match k {
            Value::String(k) => k.as_bytes().to_vec(),
            Value::Integer(_) | Value::Number(_) => Vec::new(),
            _ => return Err("named argument key given to redis.register_function is not a string".into()),
        };
        match k.as_slice() {
            b"function_name" => {
                name =
                    Some(bytes(&v).ok_or("function_name argument given to redis.register_function must be a string")?);
            }
            b"description" => {
                description =
                    Some(bytes(&v).ok_or("description argument given to redis.register_function must be a string")?);
            }
            b"callback" => match v {
                Value::Function(f) => callback = Some(f),
                _ => return Err("callback argument given to redis.register_function must be a function".into()),
            },
            b"flags" => {
                let Value::Table(list) = v else {
                    return Err(
                        "flags argument to redis.register_function must be a table representing function flags".into(),
                    );
                };
                for i in 1..=list.raw_len() {
                    match list.raw_get(i).unwrap_or(Value::Nil) {
                        Value::String(s) => flags.push(s.as_bytes().to_vec()),
                        _ => return Err("unknown flag given".into()),
                    }
                }
            }
            _ => return Err("unknown argument given to redis.register_function".into()),
        }
    }
    let name = name.ok_or("redis.register_function must get a function name argument")?;
    let callback = callback.ok_or("redis.register_function must get a callback argument")?;
    Ok(Registration { name, callback, description, flags })
}
