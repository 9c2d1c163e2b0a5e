//! A Lua state and what runs in it.

use crate::bridge::{self, Bridge};
use crate::convert::{Writer, sequence, to_reply};
use crate::debugger::Debugger;
use crate::direct::{self, Direct};
use crate::errors::{self, Failure, Killed};
use crate::rewrite::{self, MOST_COUNTED, Parameters};
use crate::{bit, cjson, cmsgpack, number, packing};
use mlua::chunk::ChunkMode;
use mlua::{Error, Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value, Variadic, VmState};
use sha1::{Digest, Sha1};
use std::cell::Cell;
use std::rc::Rc;
use viator_resp::reply::Reply;
use viator_resp::request::Args;

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
pub struct Chunk {
    pub(crate) function: Function,
    pub(crate) parameters: Parameters,
    /// It can do nothing twice, so that nothing needs to look at the clock meanwhile.
    pub(crate) straight: bool,
    /// The way to run it without Lua.
    pub(crate) direct: Option<Rc<Direct>>,
}

impl Chunk {
    /// A function that a library registered.
    pub fn new(callback: Function) -> Chunk {
        Chunk { function: callback, parameters: Parameters::Tables(true, true), straight: false, direct: None }
    }

    /// First and last line of a function of a library.
    pub(crate) fn lines(&self) -> Option<(usize, usize)> {
        let info = self.function.info();
        let ours = info.source.is_some_and(|s| s == Flavour::Function.chunk());
        Some((info.line_defined?, info.last_line_defined?)).filter(|_| ours)
    }

    /// Whether it runs without Lua: between the commands that it calls no time passes.
    pub fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// To be run by Lua.
    #[cfg(test)]
    pub(crate) fn for_lua(self) -> Chunk {
        Chunk { direct: None, ..self }
    }
}

/// What a running script asks of the server.
pub trait Host {
    /// Executes a command and writes its reply, which may be an error. `true`: the script is to end at once.
    fn call(&mut self, args: Args<'_>, reply: &mut Reply) -> bool;
    /// An element of the script's `KEYS`, from 0 on.
    fn key(&self, _n: usize) -> Option<&[u8]> {
        None
    }
    /// An element of the script's `ARGV`.
    fn arg(&self, _n: usize) -> Option<&[u8]> {
        None
    }
    /// Asked every now and then. `true`: the script is to end at once.
    fn tick(&mut self) -> bool;
    /// `redis.log`, of a valid level.
    fn log(&mut self, level: i64, message: &[u8]);
    /// `redis.set_repl`: 1 the append-only file, 2 the replicas.
    fn set_repl(&mut self, flags: i64);
    /// `redis.acl_check_cmd`: whether the user may run the command.
    ///
    /// # Errors
    /// The line: there is none like it.
    fn may_run(&mut self, args: Args<'_>) -> Result<bool, &'static str>;
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
    /// Whether the last command was refused before it was executed. Asked once for each command, or never.
    fn refused(&mut self) -> bool {
        false
    }
    /// The debugger that follows the script.
    fn debugger(&self) -> Option<&Rc<Debugger>> {
        None
    }
}

/// See the module.
pub struct Vm {
    pub(crate) lua: Lua,
    flavour: Flavour,
    /// The globals themselves.
    pub(crate) globals: Table,
    /// What scripts have for globals.
    pub(crate) env: Table,
    /// Lua's own.
    pub(crate) xpcall: Function,
    /// What makes of an error what a failure is read from.
    pub(crate) handler: Function,
    /// Switches between what libraries have for globals while they are loaded, and later.
    loading: Function,
    /// The upvalues of rewritten scripts: what makes text of a double before `..` does, and what calls commands, with any
    /// number of arguments, or 1, 2, 3.
    pub(crate) upvalues: [Function; 2 + MOST_COUNTED],
    pub(crate) bridge: Rc<Bridge>,
    /// A hook looks at the clock.
    watched: Cell<bool>,
}

impl Vm {
    /// A new state that never holds more than `memory` bytes (0: no limit), but for what a command replies. `version` is
    /// that of Redis, as text; `deprecated`: with what only `lua-enable-deprecated-api` gives.
    ///
    /// # Errors
    /// Only if the prelude itself fails.
    pub fn new(flavour: Flavour, version: &str, memory: usize, deprecated: bool) -> mlua::Result<Vm> {
        let libs = StdLib::STRING | StdLib::TABLE | StdLib::MATH | StdLib::COROUTINE | StdLib::OS;
        let lua = Lua::new_with(libs, LuaOptions::new())?;
        let bridge = Rc::new(Bridge::new(memory));
        let native = natives(&lua, &bridge)?;
        let handler = native.raw_get("handler")?;
        let call = native.raw_get("numbered")?;
        let counted: [Function; MOST_COUNTED] =
            [native.raw_get("numbered1")?, native.raw_get("numbered2")?, native.raw_get("numbered3")?];
        let (globals, env, xpcall, loading, concatenable): (Table, Table, Function, Function, Function) = lua
            .load(include_str!("prelude.lua"))
            .set_name("=prelude")
            .set_mode(ChunkMode::Text)
            .call((native, version, version_number(version), flavour == Flavour::Function, deprecated))?;
        let vm = Vm {
            lua,
            flavour,
            globals,
            env,
            xpcall,
            handler,
            loading,
            upvalues: {
                let [one, two, three] = counted;
                [concatenable, call, one, two, three]
            },
            bridge,
            watched: Cell::new(false),
        };
        vm.collect();
        Ok(vm)
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
        let _limited = self.bridge.limited(&self.lua);
        let plain = self.chunk(source).map_err(|e| errors::syntax(&e))?;
        let eval = self.flavour == Flavour::Eval;
        let plan = rewrite::plan(source, eval, &mut |site| self.bridge.number(site));
        let direct = if eval { direct::plan(source).map(Rc::new) } else { None };
        let mut chunk = Chunk { function: plain, parameters: Parameters::None, straight: plan.straight, direct };
        if let Some(text) = &plan.text {
            let upvalues: Variadic<&Function> = self.upvalues.iter().collect();
            // what cannot be rewritten (too many upvalues…) runs as it is
            if let Ok(function) = self.chunk(text).and_then(|f| f.call(upvalues)) {
                chunk.function = function;
                chunk.parameters = plan.parameters;
            }
        }
        Ok(chunk)
    }

    pub(crate) fn chunk(&self, source: &[u8]) -> mlua::Result<Function> {
        let chunk = self.lua.load(source).set_name(self.flavour.chunk()).set_mode(ChunkMode::Text);
        chunk.set_environment(self.env.clone()).into_function()
    }

    /// Runs a script or a function of a library and writes what it returns as a reply.
    ///
    /// # Errors
    /// How it failed. Nothing of the reply is to be kept then.
    pub fn run(
        &self,
        chunk: &Chunk,
        keys: Args<'_>,
        argv: Args<'_>,
        host: &mut dyn Host,
        out: &mut Reply,
    ) -> Result<(), Failure> {
        if let Some(direct) = &chunk.direct {
            return self.bridge.scratch(|scratch| direct.run(keys, argv, scratch, host, out));
        }
        self.watch(!chunk.straight);
        let list = |wanted: bool, items| if wanted { sequence(&self.lua, items).map(Some) } else { Ok(None) };
        let call = || -> mlua::Result<(bool, Value)> {
            let run = (&chunk.function, &self.handler);
            match chunk.parameters {
                Parameters::Elements(0, 0) => {
                    let _limited = self.bridge.limited(&self.lua);
                    self.xpcall.call(run)
                }
                Parameters::Elements(n, m) => {
                    let mut values = Vec::with_capacity(n + m);
                    for (args, n) in [(keys, n), (argv, m)] {
                        for i in 0..n {
                            values.push(args.get(i).map(|k| self.lua.create_string(k)).transpose()?);
                        }
                    }
                    let _limited = self.bridge.limited(&self.lua);
                    self.xpcall.call((run.0, run.1, Variadic::from(values)))
                }
                Parameters::Tables(uses_keys, uses_argv) => {
                    let (keys, argv) = (list(uses_keys, keys)?, list(uses_argv, argv)?);
                    let _limited = self.bridge.limited(&self.lua);
                    self.xpcall.call((run.0, run.1, keys.as_ref(), argv.as_ref()))
                }
                Parameters::None => {
                    self.globals.raw_set("KEYS", sequence(&self.lua, keys)?)?;
                    self.globals.raw_set("ARGV", sequence(&self.lua, argv)?)?;
                    let _limited = self.bridge.limited(&self.lua);
                    self.xpcall.call(run)
                }
            }
        };
        self.bridge.begin(false);
        let result = bridge::with(host, call);
        let result = match result {
            Ok((true, _)) if self.bridge.forward(host, out) => Ok(()),
            Ok((true, value)) => {
                let error = &mut |line: &[u8], counted| host.replied_error(line, counted);
                let mut w = Writer { out, resp3: self.bridge.resp3(), error };
                to_reply(&value, &mut w).map_err(|e| Failure::from_error(&e))
            }
            other => Err(Failure::of(other)),
        };
        self.bridge.end(&self.lua);
        result
    }

    /// Runs a library's code: it registers its functions.
    ///
    /// # Errors
    /// How it failed.
    pub fn load(&self, chunk: &Chunk, host: &mut dyn Host) -> Result<(), Failure> {
        self.watch(true);
        self.bridge.begin(true);
        let result = bridge::with(host, || -> mlua::Result<(bool, Value)> {
            self.loading.call::<()>(true)?;
            let result = {
                let _limited = self.bridge.limited(&self.lua);
                self.xpcall.call((&chunk.function, &self.handler))
            };
            self.loading.call::<()>(false)?;
            result
        });
        self.bridge.end(&self.lua);
        match result {
            Ok((true, _)) => Ok(()),
            other => Err(Failure::of(other)),
        }
    }

    /// Frees what nothing uses.
    pub fn collect(&self) {
        drop(self.lua.gc_collect()); // finalizers are ours alone and do not fail
        self.bridge.settle(&self.lua);
    }

    /// Lets a hook look at the clock, or not: it makes every instruction dearer.
    fn watch(&self, on: bool) {
        if self.watched.replace(on) == on {
            return;
        }
        if on {
            set_hook(&self.lua, TICK, Some(self.bridge.clone()));
        } else {
            self.lua.remove_global_hook();
            self.lua.remove_hook();
        }
    }

    /// Sets another hook in the place of the one that looks at the clock, until [`Vm::revive`].
    pub(crate) fn hook(
        &self,
        triggers: HookTriggers,
        hook: impl Fn(&Lua, &mlua::debug::Debug<'_>) -> mlua::Result<VmState> + 'static,
    ) {
        drop(self.lua.set_global_hook(triggers, hook)); // it cannot fail: no memory is asked for
        self.watched.set(true);
    }

    /// After a kill: the state runs scripts again.
    pub fn revive(&self) {
        self.watched.set(true);
        self.watch(false);
    }
}

fn version_number(version: &str) -> i64 {
    version.split('.').fold(0, |n, part| (n << 8) | part.parse::<i64>().unwrap_or(0))
}

/// Sets the hook: one that looks at the clock, or one that ends whatever comes.
fn set_hook(lua: &Lua, every: u32, bridge: Option<Rc<Bridge>>) {
    let triggers = HookTriggers::new().every_nth_instruction(every);
    let hook = move |lua: &Lua, _: &mlua::debug::Debug<'_>| {
        let Some(bridge) = &bridge else { return Err(Error::external(Killed)) };
        bridge.settle(lua);
        if bridge::tick() { Err(kill(lua)) } else { Ok(VmState::Continue) }
    };
    drop(lua.set_global_hook(triggers, hook)); // it cannot fail: no memory is asked for
}

/// The error that ends a script, at the next instruction again, and so on: whatever `pcall` is around it.
pub(crate) fn kill(lua: &Lua) -> Error {
    set_hook(lua, 1, None);
    Error::external(Killed)
}

/// The functions that the prelude builds on.
fn natives(lua: &Lua, bridge: &Rc<Bridge>) -> mlua::Result<Table> {
    let t = lua.create_table()?;
    t.raw_set("seen", lua.create_function(errors::seen)?)?;
    t.raw_set("described", lua.create_function(errors::described)?)?;
    t.raw_set(
        "reword",
        lua.create_function(|lua, s: mlua::LuaString| match errors::reword(&s.as_bytes()) {
            Some(text) => lua.create_string(text),
            None => Ok(s.clone()),
        })?,
    )?;
    t.raw_set("placed", lua.create_function(errors::placed)?)?;
    t.raw_set("handler", lua.create_function(errors::handler)?)?;
    t.raw_set("getfenv", lua.create_function(getfenv)?)?;
    t.raw_set("setfenv", lua.create_function(setfenv)?)?;
    bridge::natives(lua, &t, bridge)?;
    t.raw_set("sha1hex", lua.create_function(sha1hex)?)?;
    t.raw_set("frexp", lua.create_function(frexp)?)?;
    t.raw_set("ldexp", lua.create_function(|_, (m, e): (f64, i32)| Ok(ldexp(m, e)))?)?;
    t.raw_set("cjson", cjson::module(lua)?)?;
    t.raw_set("cmsgpack", cmsgpack::module(lua)?)?;
    t.raw_set("struct", packing::module(lua)?)?;
    t.raw_set("bit", bit::module(lua)?)?;
    Ok(t)
}

/// The function that a function or a level of the stack is, if it is a script's: nothing else has an environment that
/// scripts may see.
fn scripts_function(lua: &Lua, name: &str, which: &Value) -> mlua::Result<Function> {
    let level = match which {
        Value::Function(f) => {
            return if is_scripts(&f.info().source) { Ok(f.clone()) } else { Err(no_environment(lua)) };
        }
        Value::Nil => Some(1),
        Value::Integer(n) => usize::try_from(*n).ok(),
        Value::Number(n) => Some(*n as usize),
        other => return Err(errors::wrong_type(lua, 1, name, "number", Some(other))),
    };
    let found = level.filter(|n| *n > 0).and_then(|n| lua.inspect_stack(n, |d| d.function()));
    match found {
        Some(f) if is_scripts(&f.info().source) => Ok(f),
        Some(_) => Err(no_environment(lua)),
        None => Err(errors::argument(lua, 1, name, "invalid level")),
    }
}

fn is_scripts(source: &Option<String>) -> bool {
    source.as_ref().is_some_and(|s| s.starts_with("@user_"))
}

fn no_environment(lua: &Lua) -> Error {
    errors::plain(lua, "'setfenv' cannot change environment of given object")
}

fn getfenv(lua: &Lua, which: Value) -> mlua::Result<Value> {
    let f = scripts_function(lua, "getfenv", &which)?;
    Ok(f.environment().map_or(Value::Nil, Value::Table))
}

fn setfenv(lua: &Lua, (which, env): (Value, Value)) -> mlua::Result<Function> {
    let Value::Table(env) = env else { return Err(errors::wrong_type(lua, 2, "setfenv", "table", Some(&env))) };
    let f = scripts_function(lua, "setfenv", &which)?;
    f.set_environment(env)?; // one that uses no globals has none
    Ok(f)
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
