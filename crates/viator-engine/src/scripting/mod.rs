//! Scripts and functions: the cache of scripts, the libraries of functions, and how they run.
//!
//! Every worker has Lua states of its own, one for EVAL and one for functions, and compiles what it needs of the cache
//! and the libraries, which all workers share. A script runs where its client is served, with all locks of its footprint
//! held (those of its keys, if its text proves that it needs no others), and calls commands through the dispatch that
//! clients use.

mod cache;
mod caller;
mod declared;
mod eval;
mod functions;
mod running;

pub use cache::{Script, ScriptFlags, Sha};
pub use eval::{NO_COPY, eval, eval_only_reads, evalsha, evalsha_only_reads, load_script};
pub use functions::{Function, Library, Policy, fcall, fcall_only_reads, load_library, restore};
pub use running::{Kind, Run};
pub use viator_script::{Console, Heard};

use crate::server::Held;
use cache::Scripts;
use functions::{Instance, Known, Libraries};
use parking_lot::Mutex;
use running::{Running, Watch};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, Release},
};
use viator_keyspace::Footprint;
use viator_script::{Flavour, Vm};

/// Most memory of a Lua state, bytes.
const MAX_MEMORY: usize = 1 << 30;

/// Bytes that a state's memory may differ by from what is published of it.
const PUBLISHED: u64 = 16 << 10;

/// What all workers share.
#[derive(Default)]
pub struct Scripting {
    scripts: Mutex<Scripts>,
    /// The time of the cache of scripts.
    clock: Arc<AtomicU64>,
    /// How often the cache was emptied, and how often all libraries went: what workers have of them is stale then.
    flushed: [AtomicU64; 2],
    libraries: Mutex<Libraries>,
    /// How often they changed.
    library_changes: AtomicU64,
    /// What runs now.
    pub running: Running,
    /// Bytes of the Lua states of all workers: of EVAL, and of functions.
    pub memory: [AtomicU64; 2],
}

impl Scripting {
    /// Nothing yet. `gate` is the server's.
    pub(crate) fn new(gate: Arc<std::sync::atomic::AtomicU32>) -> Scripting {
        let scripts = Scripts::default();
        Scripting {
            running: Running::new(gate),
            clock: scripts.clock(),
            scripts: Mutex::new(scripts),
            ..Scripting::default()
        }
    }

    /// Scripts in the cache.
    pub fn cached(&self) -> usize {
        self.scripts.lock().len()
    }

    /// Bytes of the cached scripts.
    pub fn cached_bytes(&self) -> u64 {
        self.scripts.lock().bytes()
    }

    /// Scripts that left the cache to make room.
    pub fn evicted(&self) -> u64 {
        self.scripts.lock().evicted
    }

    /// CONFIG RESETSTAT.
    pub(crate) fn reset_stats(&self) {
        self.scripts.lock().evicted = 0;
    }

    /// Whether a script is in the cache.
    pub fn has(&self, sha: &[u8]) -> bool {
        cache::sha_of_arg(sha).is_some_and(|s| self.scripts.lock().get(&s).is_some())
    }

    /// Empties the cache.
    fn flush(&self) {
        self.scripts.lock().flush();
        let [scripts, _] = &self.flushed;
        scripts.fetch_add(1, Relaxed);
    }

    /// The libraries, by name.
    pub fn libraries(&self) -> Vec<Arc<Library>> {
        self.libraries.lock().all()
    }

    /// How many libraries and functions there are.
    pub fn counts(&self) -> (usize, usize) {
        self.libraries.lock().counts()
    }

    /// Bytes of the libraries' code and what is known of them.
    pub fn library_bytes(&self) -> u64 {
        self.libraries.lock().all().iter().map(|l| l.code.len() as u64 + 256 + 128 * l.functions.len() as u64).sum()
    }

    /// Removes a library. Returns whether there was one.
    pub fn delete_library(&self, name: &[u8]) -> bool {
        let found = self.libraries.lock().delete(name);
        self.library_changes.fetch_add(1, Release);
        found
    }

    /// Removes all libraries.
    fn flush_libraries(&self) {
        self.libraries.lock().flush();
        self.library_changes.fetch_add(1, Release);
        let [_, libraries] = &self.flushed;
        libraries.fetch_add(1, Relaxed);
    }
}

/// SCRIPT FLUSH: empties the cache, and gives back what this worker's state holds; the others follow when they next run a
/// script.
pub fn flush_scripts(ctx: &mut crate::ctx::AdminCtx<'_, '_>) {
    ctx.server.scripting.flush();
    follow(ctx);
}

/// FUNCTION FLUSH, in the same way.
pub fn flush_libraries(ctx: &mut crate::ctx::AdminCtx<'_, '_>) {
    ctx.server.scripting.flush_libraries();
    follow(ctx);
}

fn follow(ctx: &mut crate::ctx::AdminCtx<'_, '_>) {
    let shared = &ctx.server.scripting;
    if let Some(scripts) = &mut ctx.local.scripting {
        scripts.refresh(shared);
        scripts.publish(shared);
    }
}

/// A compiled script.
struct Compiled {
    script: Arc<Script>,
    function: viator_script::Chunk,
    /// It is proven to touch no other keys than its caller declares.
    only_declared: bool,
}

/// What a worker has for itself.
#[derive(Default)]
pub struct LocalScripting {
    eval: Option<Vm>,
    functions: Option<Vm>,
    compiled: HashMap<Sha, Compiled, cache::ByDigest>,
    flushed: [u64; 2],
    instances: HashMap<Vec<u8>, Instance, ahash::RandomState>,
    known: Known,
    watch: Watch,
    /// `lua-enable-deprecated-api`.
    deprecated_api: bool,
    /// What was published of the states' memory.
    published: [u64; 2],
}

impl LocalScripting {
    /// The state of a flavour, made when first needed.
    fn vm(&mut self, flavour: Flavour) -> Result<&Vm, crate::error::Error> {
        let slot = match flavour {
            Flavour::Eval => &mut self.eval,
            Flavour::Function => &mut self.functions,
        };
        if slot.is_none() {
            let vm = Vm::new(flavour, crate::REDIS_VERSION, MAX_MEMORY, self.deprecated_api)
                .map_err(|e| crate::error::Error::text(format!("ERR cannot make a Lua state: {e}")))?;
            *slot = Some(vm);
        }
        slot.as_ref().ok_or(crate::error::Error::Static("ERR no Lua state"))
    }

    /// Follows what was flushed: a state is made anew.
    fn refresh(&mut self, server: &Scripting) {
        let [scripts, libraries] = server.flushed.each_ref().map(|n| n.load(Relaxed));
        let [mine, mine_of_libraries] = &mut self.flushed;
        if std::mem::replace(mine, scripts) != scripts {
            self.compiled.clear();
            self.eval = None;
        }
        if std::mem::replace(mine_of_libraries, libraries) != libraries {
            self.instances.clear();
            self.functions = None;
        }
    }

    /// The script of a digest, if this worker has compiled it and it is still in the cache.
    fn get(&self, sha: &Sha) -> Option<&Compiled> {
        self.compiled.get(sha).filter(|c| !c.script.evicted.load(Relaxed))
    }

    /// Notes a compiled script. Those that left the cache are forgotten now and then.
    fn insert(&mut self, compiled: Compiled, cached: usize) {
        if self.compiled.len() > 2 * cached + 100 {
            self.compiled.retain(|_, c| !c.script.evicted.load(Relaxed));
        }
        self.compiled.insert(compiled.script.sha, compiled);
    }

    /// Publishes how much memory the states hold, as exactly as matters: all workers add to the same number.
    fn publish(&mut self, server: &Scripting) {
        for (i, vm) in [&self.eval, &self.functions].into_iter().enumerate() {
            let now = vm.as_ref().map_or(0, |v| v.used_memory() as u64);
            if let (Some(before), Some(total)) = (self.published.get_mut(i), server.memory.get(i))
                && now.abs_diff(*before) > PUBLISHED
            {
                total.fetch_add(now.wrapping_sub(*before), Relaxed);
                *before = now;
            }
        }
    }
}

/// Takes the locks of a footprint for a command that cannot be refused any more. While a script that takes long holds
/// them, the worker's other connections are served.
pub(crate) fn lock<'s>(
    local: &crate::local::Local,
    server: &'s crate::server::Server,
    footprint: Footprint,
) -> Held<'s> {
    loop {
        if let Some(guards) = server.keyspace.lock_unless(footprint, || server.is_busy()) {
            return guards;
        }
        if let Some(scripts) = &local.scripting {
            scripts.watch.pump();
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Gives the worker's states a way to serve other clients while a script takes long.
pub fn set_pump(local: &mut crate::local::Local, pump: Rc<dyn Fn()>) {
    let scripts = local.scripting.get_or_insert_with(Box::default);
    scripts.watch.set_pump(pump);
}
