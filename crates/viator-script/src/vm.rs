//! A Lua state and what runs in it.

use crate::bridge::{self, Bridge};
use crate::convert::{sequence, to_reply};
use crate::errors::{self, Failure, Killed};
use crate::{bit, cjson, cmsgpack, number, packing, rewrite};
use mlua::chunk::ChunkMode;
use mlua::state::{GcIncParams, GcMode};
use mlua::{Error, Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value, VmState};
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
    function: Function,
    /// KEYS and ARGV are its parameters, not globals.
    parameters: bool,
    /// It uses KEYS.
    keys: bool,
    /// It uses ARGV.
    argv: bool,
    /// It can do nothing twice, so that nothing needs to look at the clock meanwhile.
    straight: bool,
}

impl Chunk {
    /// A function that a library registered.
    pub fn new(callback: Function) -> Chunk {
        Chunk { function: callback, parameters: true, keys: true, argv: true, straight: false }
    }
}

/// What a running script asks of the server.
pub trait Host {
    /// Executes a command and writes its reply, which may be an error. `true`: the script is to end at once.
    fn call(&mut self, args: Args<'_>, reply: &mut Reply) -> bool;
    /// Asked every now and then. `true`: the script is to end at once.
    fn tick(&mut self) -> bool;
    /// `redis.log`, of a valid level.
    fn log(&mut self, level: i64, message: &[u8]);
    /// `redis.set_repl`: 1 the append-only file, 2 the replicas.
    fn set_repl(&mut self, flags: i64);
    /// `redis.acl_check_cmd`: whether the user may run the command; `None`: there is none like it.
    fn may_run(&mut self, args: Args<'_>) -> Option<bool>;
    /// `redis.register_function`.
    ///
    /// # Errors
    /// The message.
    fn register(&mut self, r: Registration) -> Result<(), String>;
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
    run: Function,
    /// Switches between what libraries have for globals while they are loaded, and later.
    loading: Function,
    /// The upvalues of rewritten scripts: what makes text of a double before `..` does, and what calls commands.
    upvalues: (Function, Function),
    bridge: Rc<Bridge>,
    /// A hook looks at the clock.
    watched: Cell<bool>,
    /// The state was large: the collector is in a hurry.
    large: Cell<bool>,
}

/// A state that holds more than this, bytes, has its garbage collected sooner.
const LARGE: usize = 8 << 20;

impl Vm {
    /// A new state that never holds more than `memory` bytes (0: no limit), but for what a command replies. `version` is
    /// that of Redis, as text.
    ///
    /// # Errors
    /// Only if the prelude itself fails.
    pub fn new(flavour: Flavour, version: &str, memory: usize) -> mlua::Result<Vm> {
        let libs = StdLib::STRING | StdLib::TABLE | StdLib::MATH | StdLib::COROUTINE | StdLib::OS;
        let lua = Lua::new_with(libs, LuaOptions::new())?;
        let bridge = Rc::new(Bridge::new(memory));
        let native = natives(&lua, &bridge)?;
        let call: Function = native.raw_get("numbered")?;
        let (globals, env, run, loading, concatenable): (Table, Table, Function, Function, Function) =
            lua.load(include_str!("prelude.lua")).set_name("=prelude").set_mode(ChunkMode::Text).call((
                native,
                version,
                version_number(version),
                flavour == Flavour::Function,
            ))?;
        let vm = Vm {
            lua,
            flavour,
            globals,
            env,
            run,
            loading,
            upvalues: (concatenable, call),
            bridge,
            watched: Cell::new(false),
            large: Cell::new(true),
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
        let plain = self.chunk(source).map_err(|e| match e {
            // in the words of 5.1
            Error::SyntaxError { message, .. } => {
                message.replace("<eof>", "'<eof>'").replace("syntax error near", "'=' expected near").into_bytes()
            }
            other => other.to_string().into_bytes(),
        })?;
        let eval = self.flavour == Flavour::Eval;
        let plan = rewrite::plan(source, eval, &mut |name| self.bridge.number(name));
        let mut chunk = Chunk {
            function: plain,
            parameters: plan.parameters,
            keys: plan.keys || !plan.parameters,
            argv: plan.argv || !plan.parameters,
            straight: plan.straight,
        };
        if let Some(text) = &plan.text {
            match self.chunk(text).and_then(|f| f.call::<Function>((&self.upvalues.0, &self.upvalues.1))) {
                Ok(function) => chunk.function = function,
                // what cannot be rewritten (too many upvalues…) runs as it is
                Err(_) => (chunk.parameters, chunk.keys, chunk.argv) = (false, true, true),
            }
        }
        Ok(chunk)
    }

    fn chunk(&self, source: &[u8]) -> mlua::Result<Function> {
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
        self.watch(!chunk.straight);
        let list = |wanted: bool, items| if wanted { sequence(&self.lua, items).map(Some) } else { Ok(None) };
        let call = || -> mlua::Result<(bool, Value)> {
            let keys = list(chunk.keys, keys)?;
            let argv = list(chunk.argv, argv)?;
            let (keys, argv) = (keys.as_ref(), argv.as_ref());
            if chunk.parameters {
                let _limited = self.bridge.limited(&self.lua);
                return self.run.call((&chunk.function, keys, argv));
            }
            self.globals.raw_set("KEYS", keys)?;
            self.globals.raw_set("ARGV", argv)?;
            let _limited = self.bridge.limited(&self.lua);
            self.run.call(&chunk.function)
        };
        self.bridge.begin();
        let result = bridge::with(host, call);
        let result = match result {
            Ok((true, value)) => to_reply(&value, self.bridge.resp3(), out).map_err(|e| Failure::from_error(&e)),
            other => Err(failure(other)),
        };
        self.settle();
        result
    }

    /// Runs a library's code: it registers its functions.
    ///
    /// # Errors
    /// How it failed.
    pub fn load(&self, chunk: &Chunk, host: &mut dyn Host) -> Result<(), Failure> {
        self.watch(true);
        self.bridge.begin();
        let result = bridge::with(host, || -> mlua::Result<(bool, Value)> {
            self.loading.call::<()>(true)?;
            let result = {
                let _limited = self.bridge.limited(&self.lua);
                self.run.call(&chunk.function)
            };
            self.loading.call::<()>(false)?;
            result
        });
        match result {
            Ok((true, _)) => Ok(()),
            other => Err(failure(other)),
        }
    }

    /// Frees what nothing uses.
    pub fn collect(&self) {
        drop(self.lua.gc_collect()); // finalizers are ours alone and do not fail
        self.settle();
    }

    /// Lets the collector work as fits the state's size: what is small is left alone for long, since each cycle looks at
    /// all that the prelude made.
    fn settle(&self) {
        let large = self.used_memory() > LARGE;
        if self.large.replace(large) != large {
            let pause = if large { 200 } else { 1000 };
            self.lua.gc_set_mode(GcMode::Incremental(GcIncParams::default().pause(pause)));
        }
    }

    /// Lets a hook look at the clock, or not: it makes every instruction dearer.
    fn watch(&self, on: bool) {
        if self.watched.replace(on) == on {
            return;
        }
        if on {
            set_hook(&self.lua, TICK);
        } else {
            self.lua.remove_global_hook();
            self.lua.remove_hook();
        }
    }

    /// After a kill: the state runs scripts again.
    pub fn revive(&self) {
        self.watched.set(true);
        self.watch(false);
    }
}

/// How a run failed that did.
fn failure(result: mlua::Result<(bool, Value)>) -> Failure {
    match result {
        Ok((_, Value::Table(t))) => Failure::from_table(&t).unwrap_or_else(|e| Failure::from_error(&e)),
        Ok((_, Value::Error(e))) => Failure::from_error(&e),
        Ok((_, Value::String(s))) => Failure::from_error(&Error::runtime(s.to_string_lossy())),
        Ok(_) => Failure::from_error(&Error::runtime("unknown error")),
        Err(e) => Failure::from_error(&e),
    }
}

fn version_number(version: &str) -> i64 {
    version.split('.').fold(0, |n, part| (n << 8) | part.parse::<i64>().unwrap_or(0))
}

fn set_hook(lua: &Lua, every: u32) {
    let triggers = HookTriggers::new().every_nth_instruction(every);
    let hook = move |lua: &Lua, _: &mlua::debug::Debug<'_>| {
        if every == 1 || bridge::tick() {
            return Err(kill(lua));
        }
        Ok(VmState::Continue)
    };
    drop(lua.set_global_hook(triggers, hook)); // it cannot fail: no memory is asked for
}

/// The error that ends a script, at the next instruction again, and so on: whatever `pcall` is around it.
pub(crate) fn kill(lua: &Lua) -> Error {
    set_hook(lua, 1);
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
    t.raw_set("handler", lua.create_function(errors::handler)?)?;
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
