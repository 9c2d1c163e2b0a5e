//! The way from Lua to the host: `redis.call` and its kin.
//!
//! The functions are made once per state. Which host they lead to is what [`with`] says, for the time of a run: a host is
//! borrowed, a state's functions live on.

use crate::convert::{forward, to_lua};
use crate::debugger;
use crate::direct::WRONG_ARGUMENTS;
use crate::errors;
use crate::number;
use crate::rewrite::{PROTECTED, Part, RETURNED, SITE, Site, UNUSED};
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

/// Most sites that have numbers.
const MAX_SITES: usize = 4096;

/// Does something while the functions lead to a host.
pub(crate) fn with<R>(host: &mut dyn Host, f: impl FnOnce() -> R) -> R {
    HOST.set(host, f)
}

/// What `f` does with the host; `None`: there is none.
fn host<R>(f: impl FnOnce(&mut dyn Host) -> R) -> Option<R> {
    HOST.is_set().then(|| HOST.with(|h| f(h)))
}

/// Never seen: functions of a state are called only while something runs in it.
const NO_SCRIPT: &str = "ERR no script is running";

/// As [`host`], where it is an error that there is none.
pub(crate) fn of_host<R>(f: impl FnOnce(&mut dyn Host) -> R) -> mlua::Result<R> {
    host(f).ok_or_else(|| errors::reply(NO_SCRIPT, false))
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
    /// What the script returns is the reply of its last command.
    returned: Cell<bool>,
    sites: RefCell<Sites>,
}

#[derive(Default)]
struct Sites {
    list: Vec<Site>,
    numbers: HashMap<Site, i64>,
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
            returned: Cell::new(false),
            sites: RefCell::default(),
        }
    }

    /// Begins a run.
    pub(crate) fn begin(&self, loading: bool) {
        self.resp3.set(false);
        self.loading.set(loading);
        self.returned.set(false);
    }

    /// Writes what the script returns, if that is the reply of its last command, as it is.
    pub(crate) fn forward(&self, host: &mut dyn Host, out: &mut Reply) -> bool {
        if !self.returned.get() {
            return false;
        }
        forward(&self.scratch.borrow().1, out, &mut |line| host.replied_error(line, true));
        true
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
        let Ok(mut scratch) = self.scratch.try_borrow_mut() else { return f(&mut Default::default()) };
        let result = f(&mut scratch);
        scratch.0.clear();
        scratch.1.clear();
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

    /// The number of a site, from 1 on; `None`: there are too many already.
    pub(crate) fn number(&self, site: Site) -> Option<i64> {
        let mut sites = self.sites.borrow_mut();
        if let Some(n) = sites.numbers.get(&site) {
            return Some(*n);
        }
        if sites.list.len() >= MAX_SITES {
            return None;
        }
        sites.list.push(site.clone());
        let n = sites.list.len() as i64;
        sites.numbers.insert(site, n);
        Some(n)
    }

    /// `redis.call` and `redis.pcall` as rewritten scripts call them: a number comes first (see [`crate::rewrite`]).
    fn numbered<'v>(&self, lua: &Lua, code: i64, values: impl IntoIterator<Item = &'v Value>) -> mlua::Result<Value> {
        if self.loading.get() {
            let name = if code & PROTECTED != 0 { "pcall" } else { "call" };
            let text = format!("Script attempted to access nonexistent global variable '{name}'");
            return Err(errors::plain(lua, text));
        }
        let sites = self.sites.borrow();
        let site = usize::try_from(code / SITE - 1).ok().and_then(|i| sites.list.get(i));
        self.command(lua, site.map(Vec::as_slice).unwrap_or_default(), values.into_iter(), code)
    }

    /// `redis.call` and `redis.pcall`.
    fn plain(&self, lua: &Lua, values: &MultiValue, protected: bool) -> mlua::Result<Value> {
        self.command(lua, &[], values.iter(), if protected { PROTECTED } else { 0 })
    }

    /// A command, its reply as a value. An error is raised, or becomes a table if that is wanted.
    fn command<'v>(
        &self,
        lua: &Lua,
        site: &[Part],
        mut values: impl Iterator<Item = &'v Value>,
        code: i64,
    ) -> mlua::Result<Value> {
        let protected = code & PROTECTED != 0;
        let Ok(mut scratch) = self.scratch.try_borrow_mut() else { return fail(WITHIN) };
        let (args, reply) = &mut *scratch;
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
        args.clear();
        reply.clear();
        reply.set_resp3(self.resp3.get());
        let end: Option<Result<bool, &str>> = host(|h| {
            for part in site {
                match part {
                    Part::Text(text) => args.push(text),
                    Part::Value => arguments(values.next().into_iter(), args)?,
                    Part::Key(n) => args.push(h.key(*n).ok_or(WRONG_ARGUMENTS)?),
                    Part::Arg(n) => args.push(h.arg(*n).ok_or(WRONG_ARGUMENTS)?),
                }
            }
            arguments(values, args)?;
            Ok(h.call(args.args(), reply))
        });
        match end {
            Some(Ok(false)) => {}
            Some(Ok(true)) => return Err(kill(lua)),
            Some(Err(line)) => return failed(line.as_bytes(), false),
            None => return fail(NO_SCRIPT),
        }
        match reply.parts().0.split_first() {
            Some((b'-', line)) => failed(line.strip_suffix(b"\r\n").unwrap_or(line), true),
            _ if code & UNUSED != 0 => Ok(Value::Nil),
            _ if code & RETURNED != 0 && !reply.resp3() => {
                self.returned.set(true);
                Ok(Value::Nil)
            }
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
        of_host(|h| h.log(level, &message))
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
        of_host(|h| h.debugger().map(|d| d.call_breakpoint()).is_some())
    }

    /// `redis.debug`.
    fn debug(&self, values: &MultiValue) -> mlua::Result<()> {
        of_host(|h| {
            if let Some(d) = h.debugger() {
                let texts: Vec<Vec<u8>> = values.iter().map(debugger::shown).collect();
                d.say(&texts.join(b", ".as_slice()));
            }
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
        of_host(|h| h.set_repl(flags))
    }

    fn acl_check_cmd(&self, values: &MultiValue) -> mlua::Result<bool> {
        if values.is_empty() {
            return fail("ERR Please specify at least one argument for this redis lib call");
        }
        let mut args = OwnedArgs::default();
        if let Err(line) = arguments(values.iter(), &mut args) {
            return fail(line);
        }
        match of_host(|h| h.may_run(args.args()))? {
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

/// The arguments of a command as bytes, after those that are there already, of which there must be one in the end.
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
    if !of_host(|h| h.loading())? {
        return fail("ERR redis.register_function can only be called on FUNCTION LOAD command");
    }
    let values: Vec<&Value> = values.iter().collect();
    match registration(&values).and_then(|r| host(|h| h.register(r)).unwrap_or_else(|| Err(NO_SCRIPT.into()))) {
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
