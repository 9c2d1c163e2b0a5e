//! Libraries of functions.

use super::LocalScripting;
use super::cache::ScriptFlags;
use super::declared;
use super::eval::{Job, count_keys, footprint, run, with_local};
use super::running::Kind;
use crate::args::Args;
use crate::command::Outcome;
use crate::ctx::AdminCtx;
use crate::error::Error;
use crate::server::Server;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};
use viator_resp::reply::{Reply, shown};
use viator_script::{Chunk, Flavour, Host, Registration, Vm};

/// How long loading a library may take.
const LOAD_TIME: Duration = Duration::from_millis(500);

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: Vec<u8>,
    /// Its description.
    pub description: Option<Vec<u8>>,
    /// Its flags.
    pub flags: ScriptFlags,
}

/// A library.
#[derive(Debug)]
pub struct Library {
    /// Its name.
    pub name: Vec<u8>,
    /// Its code, first line included.
    pub code: Vec<u8>,
    /// Its functions.
    pub functions: Vec<Function>,
}

/// A library as a worker has loaded it.
pub(super) struct Instance {
    library: Arc<Library>,
    /// In the library's order, which need not be that of their registration here.
    functions: Vec<Option<Loaded>>,
}

impl Instance {
    fn new(library: Arc<Library>, described: Vec<Function>, loaded: Vec<Loaded>) -> Instance {
        let mut by_name: HashMap<Vec<u8>, Loaded> = described.into_iter().map(|f| f.name).zip(loaded).collect();
        let functions = library.functions.iter().map(|f| by_name.remove(&f.name)).collect();
        Instance { library, functions }
    }
}

/// Most names of functions that a worker keeps in mind.
const MAX_KNOWN: usize = 4096;

/// What functions there are, as a worker has last heard: so that it need not ask what all share.
#[derive(Default)]
pub(super) struct Known {
    /// The number of changes of the libraries by then.
    changes: u64,
    /// By the names that callers use.
    functions: HashMap<Vec<u8>, (Arc<Library>, usize), ahash::RandomState>,
}

impl Known {
    /// The function of a name.
    fn find(&mut self, server: &Server, name: &[u8]) -> Option<(Arc<Library>, usize)> {
        let changes = server.scripting.library_changes.load(Acquire);
        if std::mem::replace(&mut self.changes, changes) != changes || self.functions.len() >= MAX_KNOWN {
            self.functions.clear();
        }
        if let Some(found) = self.functions.get(name) {
            return Some(found.clone());
        }
        let found = server.scripting.libraries.lock().functions.get(&name.to_ascii_lowercase()).cloned()?;
        self.functions.insert(name.to_vec(), found.clone());
        Some(found)
    }
}

/// A function in a worker's state.
struct Loaded {
    chunk: Chunk,
    /// It is proven to touch no other keys than its caller declares.
    only_declared: bool,
}

/// What becomes of libraries that are there when others are restored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// They go.
    Flush,
    /// They stay; the same name is an error.
    Append,
    /// They stay but for those of the same name.
    Replace,
}

/// All libraries.
#[derive(Default, Clone)]
pub(super) struct Libraries {
    by_name: BTreeMap<Vec<u8>, Arc<Library>>,
    /// The library of each function, by the function's name in lower case.
    functions: HashMap<Vec<u8>, (Arc<Library>, usize)>,
}

impl Libraries {
    pub(super) fn all(&self) -> Vec<Arc<Library>> {
        self.by_name.values().cloned().collect()
    }

    pub(super) fn counts(&self) -> (usize, usize) {
        (self.by_name.len(), self.functions.len())
    }

    pub(super) fn delete(&mut self, name: &[u8]) -> bool {
        match self.by_name.remove(name) {
            Some(library) => {
                self.functions.retain(|_, (l, _)| !Arc::ptr_eq(l, &library));
                true
            }
            None => false,
        }
    }

    pub(super) fn flush(&mut self) {
        *self = Libraries::default();
    }

    /// Adds a library; one of the same name goes if `replace`.
    fn add(&mut self, library: Arc<Library>, replace: bool) -> Result<(), Error> {
        if self.by_name.contains_key(&library.name) && !replace {
            return Err(Error::text(format!("ERR Library {} already exists", shown(&library.name))));
        }
        for f in &library.functions {
            if let Some((other, _)) = self.functions.get(&f.name.to_ascii_lowercase())
                && other.name != library.name
            {
                return Err(Error::text(format!("ERR Function {} already exists", shown(&f.name))));
            }
        }
        self.delete(&library.name);
        for (i, f) in library.functions.iter().enumerate() {
            self.functions.insert(f.name.to_ascii_lowercase(), (library.clone(), i));
        }
        self.by_name.insert(library.name.clone(), library);
        Ok(())
    }
}

/// Takes what a library registers.
struct Loader {
    functions: Vec<(Function, Chunk)>,
    /// When it must be done.
    deadline: Instant,
}

impl Host for Loader {
    fn call(&mut self, _: Args<'_>, reply: &mut Reply) -> bool {
        reply.error("ERR no commands while a library is being loaded");
        false
    }

    fn tick(&mut self) -> bool {
        Instant::now() > self.deadline
    }

    fn log(&mut self, level: i64, message: &[u8]) {
        let text = String::from_utf8_lossy(message);
        if level >= 3 {
            tracing::warn!("{text}");
        } else {
            tracing::debug!("{text}");
        }
    }

    fn set_repl(&mut self, _: i64) {}

    fn may_run(&mut self, _: Args<'_>) -> Result<bool, &'static str> {
        Err("ERR Invalid command passed to redis.acl_check_cmd()")
    }

    fn loading(&self) -> bool {
        true
    }

    fn register(&mut self, r: Registration) -> Result<(), String> {
        if !is_name(&r.name) {
            return Err("Library names can only contain letters, numbers, or underscores(_) and must be at least one \
                        character long"
                .into());
        }
        if self.functions.iter().any(|(f, _)| f.name.eq_ignore_ascii_case(&r.name)) {
            return Err("Function already exists in the library".into());
        }
        let mut flags = ScriptFlags::default();
        for f in &r.flags {
            flags = flags.with(ScriptFlags::named(f).ok_or("unknown flag given")?);
        }
        let function = Function { name: r.name, description: r.description, flags };
        self.functions.push((function, Chunk::new(r.callback)));
        Ok(())
    }
}

/// Whether this can be the name of a library or function.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// The name in a library's first line, and where its code begins.
fn header(code: &[u8]) -> Result<(Vec<u8>, usize), Error> {
    if !code.starts_with(b"#!") {
        return Err(Error::Static("ERR Missing library metadata"));
    }
    let Some(end) = code.iter().position(|b| *b == b'\n') else {
        return Err(Error::Static("ERR Invalid library metadata"));
    };
    let line = code.get(2..end).unwrap_or_default();
    let parts = viator_data::args::split_args(line).map_err(|_| Error::Static("ERR Invalid library metadata"))?;
    // the name of the engine begins at once
    let mut parts = parts.iter();
    let engine = match line.first() {
        None | Some(b' ') => b"",
        Some(_) => parts.next().map(Vec::as_slice).unwrap_or_default(),
    };
    let mut name: Option<Vec<u8>> = None;
    for part in parts {
        match part.get(..5).filter(|p| p.eq_ignore_ascii_case(b"name=")) {
            Some(_) if name.is_some() => {
                return Err(Error::Static("ERR Invalid metadata value, name argument was given multiple times"));
            }
            Some(_) => name = Some(part.get(5..).unwrap_or_default().to_vec()),
            None => return Err(Error::text(format!("ERR Invalid metadata value given: {}", shown(part)))),
        }
    }
    let Some(name) = name else { return Err(Error::Static("ERR Library name was not given")) };
    if !is_name(&name) {
        return Err(Error::Static(
            "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character \
             long",
        ));
    }
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(Error::text(format!("ERR Engine '{}' not found", shown(engine))));
    }
    Ok((name, end))
}

/// Runs a library's code in this worker's state.
fn instantiate(
    server: &Server,
    scripts: &mut LocalScripting,
    code: &[u8],
) -> Result<(Vec<Function>, Vec<Loaded>), Error> {
    let (_, start) = header(code)?;
    let source = code.get(start..).unwrap_or_default();
    let vm = scripts.vm(Flavour::Function)?;
    let chunk = vm
        .compile(source)
        .map_err(|e| Error::text(format!("ERR Error compiling function: {}", viator_resp::reply::shown_all(&e))))?;
    let mut loader = Loader { functions: Vec::new(), deadline: Instant::now() + LOAD_TIME };
    let result = vm.load(&chunk, &mut loader);
    if let Err(failure) = result {
        if failure.killed {
            vm.revive();
            return Err(Error::Static("ERR Error registering functions: FUNCTION LOAD timeout"));
        }
        let line = viator_resp::reply::shown_all(&failure.line);
        return Err(Error::text(format!("ERR Error registering functions: {line}")));
    }
    if loader.functions.is_empty() {
        return Err(Error::Static("ERR No functions registered"));
    }
    let text = viator_script::Library::read(source);
    let loaded = |mut chunk: Chunk| {
        let only_declared = text.as_ref().is_some_and(|text| {
            text.plan(&mut chunk);
            declared::function_only_declared(&server.table, text, &chunk)
        });
        Loaded { chunk, only_declared }
    };
    Ok(loader.functions.into_iter().map(|(f, chunk)| (f, loaded(chunk))).unzip())
}

fn library(server: &Server, scripts: &mut LocalScripting, code: &[u8]) -> Result<Arc<Library>, Error> {
    let (name, _) = header(code)?;
    let (described, functions) = instantiate(server, scripts, code)?;
    let library = Arc::new(Library { name: name.clone(), code: code.to_vec(), functions: described.clone() });
    scripts.instances.insert(name, Instance::new(library.clone(), described, functions));
    Ok(library)
}

/// FUNCTION LOAD. Returns the library's name.
///
/// # Errors
/// The code is no library, or names are taken.
pub fn load_library(ctx: &mut AdminCtx<'_, '_>, code: &[u8], replace: bool) -> Result<Vec<u8>, Error> {
    let (name, _) = header(code)?;
    if !replace && ctx.server.scripting.libraries.lock().by_name.contains_key(&name) {
        return Err(Error::text(format!("ERR Library '{}' already exists", shown(&name))));
    }
    with_local(ctx, |ctx, scripts| {
        scripts.refresh(&ctx.server.scripting);
        let library = library(ctx.server, scripts, code)?;
        let mut libraries = ctx.server.scripting.libraries.lock();
        let added = libraries.add(library, replace);
        ctx.server.scripting.library_changes.fetch_add(1, Release);
        // now and then what was deleted, replaced or not taken is given back: looking at all of them each time would make
        // loading many take time in proportion to their square
        if scripts.instances.len() > 2 * libraries.by_name.len() + 16 {
            scripts.instances.retain(|n, i| libraries.by_name.get(n).is_some_and(|l| Arc::ptr_eq(l, &i.library)));
        }
        added?;
        Ok(name)
    })
}

/// FUNCTION RESTORE: all of these libraries, or none.
///
/// # Errors
/// As [`load_library`].
pub fn restore(ctx: &mut AdminCtx<'_, '_>, codes: &[Vec<u8>], policy: Policy) -> Result<(), Error> {
    with_local(ctx, |ctx, scripts| {
        scripts.refresh(&ctx.server.scripting);
        let mut all = match policy {
            Policy::Flush => Libraries::default(),
            _ => ctx.server.scripting.libraries.lock().clone(),
        };
        for code in codes {
            all.add(library(ctx.server, scripts, code)?, policy == Policy::Replace)?;
        }
        *ctx.server.scripting.libraries.lock() = all;
        ctx.server.scripting.library_changes.fetch_add(1, Release);
        Ok(())
    })
}

/// Whether a function is flagged `no-writes`.
pub fn fcall_only_reads(server: &Server, args: Args<'_>) -> bool {
    let libraries = server.scripting.libraries.lock();
    let found = libraries.functions.get(&args.at(1).to_ascii_lowercase());
    let function = found.and_then(|(library, index)| library.functions.get(*index));
    function.is_some_and(|f| f.flags.has(ScriptFlags::NO_WRITES))
}

/// FCALL and FCALL_RO.
///
/// # Errors
/// What keeps the function from running, and what it fails with.
pub fn fcall(ctx: &mut AdminCtx<'_, '_>, read_only: bool) -> Outcome {
    crate::monitor::feed_script(ctx);
    let mut scripts = ctx.local.scripting.take().unwrap_or_default();
    let found = scripts.known.find(ctx.server, ctx.args.at(1));
    ctx.local.scripting = Some(scripts);
    let Some((library, index)) = found else { return Err(Error::Static("ERR Function not found")) };
    let keys = count_keys(ctx.args).map_err(|e| match e {
        Error::NotInteger => Error::Static("ERR Bad number of keys provided"),
        other => other,
    })?;
    with_local(ctx, |ctx, scripts| {
        scripts.refresh(&ctx.server.scripting);
        if !scripts.instances.get(&library.name).is_some_and(|i| Arc::ptr_eq(&i.library, &library)) {
            let (described, functions) = instantiate(ctx.server, scripts, &library.code)?;
            let instance = Instance::new(library.clone(), described, functions);
            scripts.instances.insert(library.name.clone(), instance);
        }
        let missing = Error::Static("ERR Function not found");
        let function = library.functions.get(index).ok_or(missing.clone())?;
        let instance = scripts.instances.get(&library.name).ok_or(missing.clone())?;
        let Some(Some(Loaded { chunk, only_declared })) = instance.functions.get(index) else { return Err(missing) };
        let job = Job {
            kind: Kind::Function,
            name: &String::from_utf8_lossy(&function.name),
            flags: function.flags,
            chunk,
            keys,
            read_only,
            footprint: footprint(ctx, keys, *only_declared),
            debugged: None,
        };
        let vm: &Vm = scripts.functions.as_ref().ok_or(missing)?;
        run(ctx, scripts, vm, &job)
    })
}
