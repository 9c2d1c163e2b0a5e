//! A Lua state and what runs in it.

use crate::convert::{Writer, to_lua, to_reply};
use crate::errors::{self, Failure, Killed};
use crate::{bit, cjson, cmsgpack, concat, number, packing};
use mlua::chunk::ChunkMode;
use mlua::{Error, Function, HookTriggers, LightUserData, Lua, LuaOptions, MultiValue, StdLib, Table, Value, VmState};
use sha1::{Digest, Sha1};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use viator_resp::reply::Reply;
use viator_resp::request::OwnedArgs;

/// Instructions between two looks at the clock.
const TICK: u32 = 10_000;

/// What scripts are: they differ in their names for error messages and in what `redis` offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flavour {
    /// EVAL and its kin.
    Eval,
    /// Function libraries.
    Function,
}

impl Flavour {
    /// Name of the chunk, for positions in messages.
    fn chunk(self) -> &'static str {
        match self {
            Flavour::Eval => "@user_script",
            Flavour::Function => "@user_function",
        }
    }
}

/// Asked every now and then while a script runs. `true`: the script is to end at once.
pub type Tick = Rc<dyn Fn() -> bool>;

/// A function that a library registers.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Its name.
    pub name: Vec<u8>,
    /// The function.
    pub callback: Function,
    /// Its description.
    pub description: Option<Vec<u8>>,
    /// Its flags, as the script named them.
    pub flags: Vec<Vec<u8>>,
}

/// A compiled script, or a function of a library.
#[derive(Clone, Debug)]
pub struct Chunk(Function);

impl Chunk {
    /// A function that a library registered.
    pub fn new(callback: Function) -> Chunk {
        Chunk(callback)
    }
}

/// What a running script asks of the server.
pub trait Host {
    /// Executes a command and writes its reply, which may be an error.
    fn call(&mut self, args: &OwnedArgs, reply: &mut Reply);
    /// `redis.log`, of a valid level.
    fn log(&mut self, level: i64, message: &[u8]);
    /// `redis.set_repl`: 1 the append-only file, 2 the replicas.
    fn set_repl(&mut self, flags: i64);
    /// `redis.acl_check_cmd`: whether the user may run the command; `None`: there is none like it.
    fn may_run(&mut self, args: &OwnedArgs) -> Option<bool>;
    /// `redis.register_function`.
    ///
    /// # Errors
    /// The message.
    fn register(&mut self, r: Registration) -> Result<(), String>;
    /// The script's value has an error in it, which may have been counted when the script got it.
    fn replied_error(&mut self, _line: &[u8], _counted: bool) {}
    /// The library is being loaded: there are no commands to call, but functions to register.
    fn loading(&self) -> bool {
        false
    }
}

/// See the module.
pub struct Vm {
    lua: Lua,
    flavour: Flavour,
    /// The globals themselves.
    globals: Table,
    /// What scripts have for globals.
    env: Table,
    /// The `redis` table itself.
    redis: Table,
    /// Where the prelude finds the function that leads to the host.
    inner: Table,
    run: Function,
    /// Switches between what libraries have for globals while they are loaded, and later.
    loading: Function,
    /// Makes text of a double before `..` does.
    concatenable: Function,
    scratch: RefCell<Option<(OwnedArgs, Reply)>>,
}

impl Vm {
    /// A new state that never holds more than `memory` bytes (0: no limit). `version` is that of Redis, as text.
    ///
    /// # Errors
    /// Only if the prelude itself fails.
    pub fn new(flavour: Flavour, version: &str, memory: usize, tick: Tick) -> mlua::Result<Vm> {
        let libs = StdLib::STRING | StdLib::TABLE | StdLib::MATH | StdLib::COROUTINE | StdLib::OS;
        let lua = Lua::new_with(libs, LuaOptions::new().catch_rust_panics(false))?;
        if memory > 0 {
            lua.set_memory_limit(memory)?;
        }
        let inner = lua.create_table()?;
        let native = natives(&lua, &inner)?;
        native.raw_set("inner", inner.clone())?;
        let (globals, env, redis, run, loading, concatenable): (Table, Table, Table, Function, Function, Function) =
            lua.load(include_str!("prelude.lua")).set_name("=prelude").set_mode(ChunkMode::Text).call((
                native,
                version,
                version_number(version),
                flavour == Flavour::Function,
            ))?;
        set_hook(&lua, TICK, tick)?;
        Ok(Vm { lua, flavour, globals, env, redis, inner, run, loading, concatenable, scratch: RefCell::new(None) })
    }

    /// Bytes that the state holds.
    pub fn used_memory(&self) -> usize {
        self.lua.used_memory()
    }

    /// Compiles a script.
    ///
    /// # Errors
    /// The compiler's message.
    pub fn compile(&self, source: &[u8]) -> Result<Chunk, Vec<u8>> {
        let plain = self.chunk(source).map_err(|e| match e {
            // in the words of 5.1
            Error::SyntaxError { message, .. } => {
                message.replace("<eof>", "'<eof>'").replace("syntax error near", "'=' expected near").into_bytes()
            }
            other => other.to_string().into_bytes(),
        })?;
        let Some(rewritten) = concat::rewrite(source) else { return Ok(Chunk(plain)) };
        let head = format!("local {} = ... return function(...) ", concat::TEXT);
        let whole = [head.as_bytes(), &rewritten, b"\nend"].concat();
        // what cannot be rewritten (too many upvalues…) runs as it is
        let function = self.chunk(&whole).and_then(|f| f.call::<Function>(&self.concatenable));
        Ok(Chunk(function.unwrap_or(plain)))
    }

    fn chunk(&self, source: &[u8]) -> mlua::Result<Function> {
        let chunk = self.lua.load(source).set_name(self.flavour.chunk()).set_mode(ChunkMode::Text);
        chunk.set_environment(self.env.clone()).into_function()
    }

    /// Runs a script or a function of a library and writes what it returns as a reply.
    ///
    /// # Errors
    /// How it failed. Nothing of the reply is to be kept then.
    pub fn run<'k>(
        &self,
        chunk: &Chunk,
        keys: impl Iterator<Item = &'k [u8]>,
        argv: impl Iterator<Item = &'k [u8]>,
        host: &mut dyn Host,
        out: &mut Reply,
    ) -> Result<(), Failure> {
        let resp3 = Cell::new(false);
        let result = self.within(host, &resp3, |vm| {
            let keys = vm.list(keys)?;
            let argv = vm.list(argv)?;
            match vm.flavour {
                Flavour::Eval => {
                    vm.globals.raw_set("KEYS", keys)?;
                    vm.globals.raw_set("ARGV", argv)?;
                    vm.run.call::<(bool, Value)>(&chunk.0)
                }
                Flavour::Function => vm.run.call::<(bool, Value)>((&chunk.0, keys, argv)),
            }
        });
        match result {
            Ok((true, value)) => {
                let error = &mut |line: &[u8], counted| host.replied_error(line, counted);
                let mut w = Writer { out, resp3: resp3.get(), error };
                to_reply(&value, &mut w).map_err(|e| Failure::from_error(&e))
            }
            Ok((false, Value::Table(t))) => Err(Failure::from_table(&t).unwrap_or_else(|e| Failure::from_error(&e))),
            Ok((false, Value::Error(e))) => Err(Failure::from_error(&e)),
            Ok((false, Value::String(s))) => Err(Failure::from_error(&Error::runtime(s.to_string_lossy()))),
            Ok((false, _)) => Err(Failure::from_error(&Error::runtime("unknown error"))),
            Err(e) => Err(Failure::from_error(&e)),
        }
    }

    /// Runs a library's code: it registers its functions.
    ///
    /// # Errors
    /// How it failed.
    pub fn load(&self, chunk: &Chunk, host: &mut dyn Host) -> Result<(), Failure> {
        let resp3 = Cell::new(false);
        match self.within(host, &resp3, |vm| vm.run.call::<(bool, Value)>(&chunk.0)) {
            Ok((true, _)) => Ok(()),
            Ok((false, Value::Table(t))) => Err(Failure::from_table(&t).unwrap_or_else(|e| Failure::from_error(&e))),
            Ok((false, _)) => Err(Failure::from_error(&Error::runtime("unknown error"))),
            Err(e) => Err(Failure::from_error(&e)),
        }
    }

    /// Frees what nothing uses.
    pub fn collect(&self) {
        drop(self.lua.gc_collect()); // finalizers are ours alone and do not fail
    }

    fn list<'k>(&self, items: impl Iterator<Item = &'k [u8]>) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(items.size_hint().0, 0)?;
        for (i, item) in items.enumerate() {
            table.raw_seti(i + 1, self.lua.create_string(item)?)?;
        }
        Ok(table)
    }

    /// Does something while `redis.call` and its kin lead to the host.
    fn within<R>(
        &self,
        host: &mut dyn Host,
        resp3: &Cell<bool>,
        f: impl FnOnce(&Vm) -> mlua::Result<R>,
    ) -> mlua::Result<R> {
        let loading = host.loading();
        let (mut args, mut reply) = self.scratch.borrow_mut().take().unwrap_or_default();
        let result = self.lua.scope(|scope| {
            let call = scope.create_function_mut(|lua: &Lua, values: MultiValue| {
                if let Some(Value::LightUserData(_)) = values.front() {
                    return other(lua, host, resp3, &values, &mut args, &mut reply);
                }
                command(lua, host, resp3.get(), values.iter(), &mut args, &mut reply, true)
            })?;
            if loading {
                self.loading.call::<()>(true)?;
            } else {
                self.redis.raw_set("call", &call)?;
            }
            self.inner.raw_set("host", call)?;
            f(self)
        });
        if loading {
            self.loading.call::<()>(false)?;
        }
        reply.clear();
        *self.scratch.borrow_mut() = Some((args, reply));
        result
    }
}

fn version_number(version: &str) -> i64 {
    version.split('.').fold(0, |n, part| (n << 8) | part.parse::<i64>().unwrap_or(0))
}

fn set_hook(lua: &Lua, every: u32, tick: Tick) -> mlua::Result<()> {
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(every), move |lua, _| {
        if tick() {
            if every != 1 {
                // the next instruction, too, and so on: whatever `pcall` is around it
                set_hook(lua, 1, Rc::new(|| true))?;
            }
            return Err(Error::external(Killed));
        }
        Ok(VmState::Continue)
    })
}

impl Vm {
    /// After a kill: the state runs scripts again.
    pub fn revive(&self, tick: Tick) {
        drop(set_hook(&self.lua, TICK, tick)); // it cannot fail: no memory is asked for
    }
}

/// A command, its reply as a value. An error is raised, or (`pcall`) becomes a table.
fn command<'v>(
    lua: &Lua,
    host: &mut dyn Host,
    resp3: bool,
    values: impl Iterator<Item = &'v Value>,
    args: &mut OwnedArgs,
    reply: &mut Reply,
    raise: bool,
) -> mlua::Result<Value> {
    let failed = |line: &[u8], counted: bool| {
        if raise {
            return Err(errors::reply(line, counted));
        }
        let t = lua.create_table_with_capacity(0, 2)?;
        if counted {
            t.raw_set("ignore_error_stats_update", true)?;
        }
        t.raw_set("err", lua.create_string(line)?)?;
        Ok(Value::Table(t))
    };
    if let Err(line) = arguments(values, args) {
        return failed(line.as_bytes(), false);
    }
    reply.clear();
    reply.set_resp3(resp3);
    host.call(args, reply);
    match reply.parts().0.split_first() {
        Some((b'-', line)) => failed(line.strip_suffix(b"\r\n").unwrap_or(line), true),
        _ => to_lua(lua, reply),
    }
}

/// The arguments of a command as bytes.
fn arguments<'v>(values: impl Iterator<Item = &'v Value>, args: &mut OwnedArgs) -> Result<(), &'static str> {
    args.clear();
    let mut n = 0;
    for v in values {
        n += 1;
        match v {
            Value::String(s) => args.push(&s.as_bytes()),
            Value::Integer(i) => args.push_int(*i),
            Value::Number(f) => {
                let mut text = Vec::with_capacity(24);
                number::shortest(*f, &mut text);
                args.push(&text);
            }
            _ => return Err("ERR Lua redis lib command arguments must be strings or integers"),
        }
    }
    if n == 0 {
        return Err("ERR Please specify at least one argument for this redis lib call");
    }
    Ok(())
}

/// What the prelude's functions ask for: the marker, the name, the arguments.
fn other(
    lua: &Lua,
    host: &mut dyn Host,
    resp3: &Cell<bool>,
    values: &MultiValue,
    args: &mut OwnedArgs,
    reply: &mut Reply,
) -> mlua::Result<Value> {
    let name = match values.get(1) {
        Some(Value::String(s)) => s.as_bytes().to_vec(),
        _ => Vec::new(),
    };
    let rest = || values.iter().skip(2);
    let n = values.len().saturating_sub(2);
    let fail = |line: &str| Err(errors::reply(line, false));
    match name.as_slice() {
        b"pcall" => command(lua, host, resp3.get(), rest(), args, reply, false),
        b"log" => {
            if n < 2 {
                return fail("ERR redis.log() requires two arguments or more.");
            }
            let level = match values.get(2) {
                Some(Value::Integer(i)) => *i,
                Some(Value::Number(f)) => *f as i64,
                Some(Value::String(s)) => match s.to_string_lossy().trim().parse::<i64>() {
                    Ok(i) => i,
                    Err(_) => return fail("ERR First argument must be a number (log level)."),
                },
                _ => return fail("ERR First argument must be a number (log level)."),
            };
            if !(0..=3).contains(&level) {
                return fail("ERR Invalid log level.");
            }
            let mut message = Vec::new();
            for (i, v) in rest().skip(1).enumerate() {
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
            host.log(level, &message);
            Ok(Value::Nil)
        }
        b"setresp" => {
            if n != 1 {
                return fail("ERR redis.setresp() requires one argument.");
            }
            match values.get(2) {
                Some(Value::Integer(2)) => resp3.set(false),
                Some(Value::Integer(3)) => resp3.set(true),
                Some(Value::Number(f)) if *f as i64 == 2 => resp3.set(false),
                Some(Value::Number(f)) if *f as i64 == 3 => resp3.set(true),
                _ => return fail("ERR RESP version must be 2 or 3."),
            }
            Ok(Value::Nil)
        }
        b"set_repl" => {
            if n != 1 {
                return fail("ERR redis.set_repl() requires one argument.");
            }
            let flags = match values.get(2) {
                Some(Value::Integer(i)) => *i,
                Some(Value::Number(f)) => *f as i64,
                _ => -1,
            };
            if flags & !3 != 0 {
                return fail("ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
            }
            host.set_repl(flags);
            Ok(Value::Nil)
        }
        b"acl_check_cmd" => {
            if n == 0 {
                return fail("ERR Please specify at least one argument for this redis lib call");
            }
            if arguments(rest(), args).is_err() {
                return fail("ERR redis.acl_check_cmd() require all arguments to be strings or integers");
            }
            match host.may_run(args) {
                Some(b) => Ok(Value::Boolean(b)),
                None => fail("ERR Invalid command passed to redis.acl_check_cmd()"),
            }
        }
        b"register_function" => {
            if !host.loading() {
                return fail("ERR redis.register_function can only be called on FUNCTION LOAD command");
            }
            let values: Vec<&Value> = rest().collect();
            match registration(&values).and_then(|r| host.register(r)) {
                Ok(()) => Ok(Value::Nil),
                Err(text) => Err(errors::reply(format!("ERR {text}"), false)),
            }
        }
        _ => fail("ERR not a function of this library"),
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

/// The functions that the prelude builds on.
fn natives(lua: &Lua, inner: &Table) -> mlua::Result<Table> {
    let t = lua.create_table()?;
    t.raw_set("marker", Value::LightUserData(LightUserData(std::ptr::null_mut())))?;
    t.raw_set("seen", lua.create_function(errors::seen)?)?;
    t.raw_set("described", lua.create_function(errors::described)?)?;
    t.raw_set(
        "reword",
        lua.create_function(|lua, s: mlua::LuaString| match errors::reword(&s.as_bytes()) {
            Some(text) => lua.create_string(text),
            None => Ok(s.clone()),
        })?,
    )?;
    t.raw_set("handler", lua.create_function(errors::handler)?)?;
    let inner = inner.clone();
    let forward = lua.create_function(move |lua, (marker, name): (Value, Value)| {
        let inner = inner.clone();
        lua.create_function(move |_, mut values: MultiValue| {
            values.push_front(name.clone());
            values.push_front(marker.clone());
            let host: Function = inner.raw_get("host")?;
            host.call::<Value>(values)
        })
    })?;
    t.raw_set("forward", forward)?;
    t.raw_set("sha1hex", lua.create_function(sha1hex)?)?;
    t.raw_set("frexp", lua.create_function(frexp)?)?;
    t.raw_set("ldexp", lua.create_function(|_, (m, e): (f64, i32)| Ok(ldexp(m, e)))?)?;
    t.raw_set("cjson", cjson::module(lua)?)?;
    t.raw_set("cmsgpack", cmsgpack::module(lua)?)?;
    t.raw_set("struct", packing::module(lua)?)?;
    t.raw_set("bit", bit::module(lua)?)?;
    Ok(t)
}

fn sha1hex(lua: &Lua, values: MultiValue) -> mlua::Result<Value> {
    let mut text = Vec::new();
    match (values.len(), values.front()) {
        (1, Some(Value::String(s))) => text.extend_from_slice(&s.as_bytes()),
        (1, Some(Value::Integer(i))) => text.extend_from_slice(i.to_string().as_bytes()),
        (1, Some(Value::Number(f))) => text.extend_from_slice(number::general(*f, 14).as_bytes()),
        (1, _) => {}
        _ => return Err(errors::reply("ERR wrong number of arguments", false)),
    }
    Ok(Value::String(lua.create_string(sha1_hex(&text))?))
}

fn sha1_hex(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn frexp(_: &Lua, x: f64) -> mlua::Result<(f64, i64)> {
    if x == 0.0 || !x.is_finite() {
        return Ok((x, 0));
    }
    // subnormal numbers are made normal first
    let (x, shift) = if x.abs() < f64::MIN_POSITIVE { (x * 2f64.powi(64), 64) } else { (x, 0) };
    let exponent = ((x.to_bits() >> 52) & 0x7ff) as i64 - 1022;
    let mantissa = f64::from_bits((x.to_bits() & !(0x7ff << 52)) | (1022 << 52));
    Ok((mantissa, exponent - shift))
}

fn ldexp(m: f64, e: i32) -> f64 {
    let e = e.clamp(-2200, 2200);
    // in steps, so that no intermediate power overflows
    let step = e / 3;
    m * 2f64.powi(step) * 2f64.powi(step) * 2f64.powi(e - 2 * step)
}
