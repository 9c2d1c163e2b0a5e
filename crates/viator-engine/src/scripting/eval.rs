//! EVAL and its kin.

use super::cache::{Script, ScriptFlags, flags_of, sha_of, sha_of_arg};
use super::caller::{Caller, FIRST_KEY, Saved};
use super::running::Kind;
use super::{Compiled, LocalScripting};
use crate::args::{self, Args};
use crate::command::Outcome;
use crate::ctx::AdminCtx;
use crate::error::Error;
use crate::evict;
use crate::propagation;
use crate::server::Server;
use crate::session::gate;
use crate::transaction;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use viator_keyspace::Footprint;
use viator_script::{Chunk, Debugger, Failure, Flavour, Vm};

/// SCRIPT DEBUG YES: a copy of the process would debug the script there, and its changes would go with it.
pub const NO_COPY: Error = Error::Static("ERR SCRIPT DEBUG YES needs a fork of the server, use SCRIPT DEBUG SYNC");

const NO_SCRIPT: Error = Error::Static("NOSCRIPT No matching script. Please use EVAL.");

/// EVAL and EVAL_RO.
///
/// # Errors
/// What keeps the script from running, and what it fails with.
pub fn eval(ctx: &mut AdminCtx<'_, '_>, read_only: bool) -> Outcome {
    crate::monitor::feed_script(ctx);
    if ctx.session.gate & gate::NO_COPY != 0 {
        return Err(NO_COPY);
    }
    if ctx.session.gate & gate::DEBUGGER != 0
        && let Some(console) = ctx.session.console.take()
    {
        let debugger = Debugger::new(console, ctx.args.at(1));
        let outcome = eval_with(ctx, read_only, Some(&debugger));
        debugger.end();
        // the connection's end shows the client that the reply was the last one
        ctx.session.close_after_reply = true;
        return outcome;
    }
    eval_with(ctx, read_only, None)
}

fn eval_with(ctx: &mut AdminCtx<'_, '_>, read_only: bool, debugger: Option<&Rc<Debugger>>) -> Outcome {
    let keys = count_keys(ctx.args)?;
    with_local(ctx, |ctx, scripts| {
        let sha = sha_of(ctx.args.at(1));
        let shared = &ctx.server.scripting;
        scripts.refresh(shared);
        if scripts.get(&sha).is_some() {
            shared.scripts.lock().used(&sha);
        } else {
            let script = add(ctx.server, scripts, ctx.args.at(1))?;
            debug_assert!(script.sha == sha);
        }
        run_script(ctx, scripts, scripts.get(&sha).ok_or(NO_SCRIPT)?, keys, read_only, debugger)
    })
}

/// EVALSHA and EVALSHA_RO.
///
/// # Errors
/// As [`eval`]; the script is not there.
pub fn evalsha(ctx: &mut AdminCtx<'_, '_>, read_only: bool) -> Outcome {
    crate::monitor::feed_script(ctx);
    let sha = sha_of_arg(ctx.args.at(1));
    let keys = count_keys(ctx.args)?;
    let Some(sha) = sha else { return Err(NO_SCRIPT) };
    if ctx.session.gate & (gate::DEBUGGER | gate::NO_COPY) != 0 {
        return Err(Error::Static("ERR Please use EVAL instead of EVALSHA for debugging"));
    }
    with_local(ctx, |ctx, scripts| {
        let shared = &ctx.server.scripting;
        scripts.refresh(shared);
        if let Some(compiled) = scripts.get(&sha) {
            compiled.script.touch(shared.clock.load(Relaxed));
            return run_script(ctx, scripts, compiled, keys, read_only, None);
        }
        let script = shared.scripts.lock().get(&sha).cloned().ok_or(NO_SCRIPT)?;
        script.touch(shared.clock.load(Relaxed));
        compile(ctx.server, scripts, script)?;
        run_script(ctx, scripts, scripts.get(&sha).ok_or(NO_SCRIPT)?, keys, read_only, None)
    })
}

/// SCRIPT LOAD: compiles a script and puts it into the cache. Returns its digest.
///
/// # Errors
/// It cannot be compiled.
pub fn load_script(ctx: &mut AdminCtx<'_, '_>, body: &[u8]) -> Result<String, Error> {
    with_local(ctx, |ctx, scripts| {
        scripts.refresh(&ctx.server.scripting);
        let script = Arc::new(Script::new(body)?);
        // it is kept as text: who runs it, on whatever thread, compiles it there
        if !ctx.server.scripting.has(&script.sha) {
            compiled(scripts, &script)?;
        }
        ctx.server.scripting.scripts.lock().add(script.clone(), true);
        Ok(script.name().to_owned())
    })
}

/// Lends the worker's states to `f`: what runs in them uses the rest of the worker's own.
pub(super) fn with_local<'s, R>(
    ctx: &mut AdminCtx<'_, 's>,
    f: impl FnOnce(&mut AdminCtx<'_, 's>, &mut LocalScripting) -> Result<R, Error>,
) -> Result<R, Error> {
    let mut scripts = ctx.local.scripting.take().unwrap_or_default();
    scripts.deprecated_api = ctx.local.cfg.lua_enable_deprecated_api;
    let result = f(ctx, &mut scripts);
    scripts.publish(&ctx.server.scripting);
    ctx.local.scripting = Some(scripts);
    result
}

/// Whether a script given to EVAL is flagged `no-writes`.
pub fn eval_only_reads(_: &Server, args: Args<'_>) -> bool {
    flags_of(args.at(1)).is_ok_and(|f| f.has(ScriptFlags::NO_WRITES))
}

/// Whether a script of the cache is flagged `no-writes`.
pub fn evalsha_only_reads(server: &Server, args: Args<'_>) -> bool {
    sha_of_arg(args.at(1)).is_some_and(|sha| {
        server.scripting.scripts.lock().get(&sha).is_some_and(|s| s.flags.has(ScriptFlags::NO_WRITES))
    })
}

/// Compiles a script of EVAL and puts it into the cache.
fn add(server: &Server, scripts: &mut LocalScripting, body: &[u8]) -> Result<Arc<Script>, Error> {
    let script = Arc::new(Script::new(body)?);
    if scripts.get(&script.sha).is_none() {
        let known = server.scripting.scripts.lock().get(&script.sha).cloned();
        compile(server, scripts, known.unwrap_or_else(|| script.clone()))?;
    }
    server.scripting.scripts.lock().add(script.clone(), false);
    Ok(script)
}

fn compiled(scripts: &mut LocalScripting, script: &Script) -> Result<Chunk, Error> {
    scripts.vm(Flavour::Eval)?.compile(script.source()).map_err(|e| {
        Error::text(format!("ERR Error compiling script (new function): {}", viator_resp::reply::shown_all(&e)))
    })
}

fn compile(server: &Server, scripts: &mut LocalScripting, script: Arc<Script>) -> Result<(), Error> {
    let function = compiled(scripts, &script)?;
    let only_declared = super::declared::only_declared(&server.table, script.source());
    let cached = server.scripting.cached();
    scripts.insert(Compiled { script, function, only_declared }, cached);
    Ok(())
}

/// How many of the arguments are keys.
pub(super) fn count_keys(args: Args<'_>) -> Result<usize, Error> {
    let n = args::int(args.at(2))?;
    if n > args.len() as i64 - 3 {
        return Err(Error::Static("ERR Number of keys can't be greater than number of args"));
    }
    usize::try_from(n).map_err(|_| Error::Static("ERR Number of keys can't be negative"))
}

/// The locks of a script or function with so many keys.
pub(super) fn footprint(ctx: &AdminCtx<'_, '_>, keys: usize, only_declared: bool) -> Footprint {
    if !only_declared || ctx.located.len() != keys {
        return Footprint::ALL;
    }
    ctx.located.iter().fold(Footprint::NONE, |f, k| f.with(k.loc.shard()))
}

fn run_script(
    ctx: &mut AdminCtx<'_, '_>,
    scripts: &LocalScripting,
    compiled: &Compiled,
    keys: usize,
    read_only: bool,
    debugger: Option<&Rc<Debugger>>,
) -> Outcome {
    let Compiled { script, function, only_declared } = compiled;
    // what a debugger's client asks for, no text tells
    let footprint = footprint(ctx, keys, *only_declared && debugger.is_none());
    let job = Job {
        kind: Kind::Script,
        name: script.name(),
        flags: script.flags,
        chunk: function,
        keys,
        read_only,
        footprint,
        debugged: debugger.map(|d| (d, script.source())),
    };
    let vm = scripts.eval.as_ref().ok_or(NO_SCRIPT)?;
    run(ctx, scripts, vm, &job)
}

/// What is to run.
pub(super) struct Job<'j> {
    pub(super) kind: Kind,
    pub(super) name: &'j str,
    pub(super) flags: ScriptFlags,
    pub(super) chunk: &'j Chunk,
    /// Number of keys among the arguments, from the fourth on.
    pub(super) keys: usize,
    /// The command allows no writes.
    pub(super) read_only: bool,
    pub(super) footprint: Footprint,
    /// Who debugs it, and its text.
    pub(super) debugged: Option<(&'j Rc<Debugger>, &'j [u8])>,
}

/// Runs a script or function under the locks of its footprint.
pub(super) fn run(ctx: &mut AdminCtx<'_, '_>, scripts: &LocalScripting, vm: &Vm, job: &Job<'_>) -> Outcome {
    let server = ctx.server;
    if ctx.local.pumped {
        return Err(server.scripting.running.busy_error());
    }
    let flags = job.flags;
    let no_writes = flags.has(ScriptFlags::NO_WRITES);
    if job.read_only && !flags.has(ScriptFlags::COMPAT) && !no_writes {
        return Err(Error::Static("ERR Can not execute a script with write flag using *_ro command."));
    }
    let oom = evict::is_over(ctx.local, server);
    if oom && !flags.has(ScriptFlags::COMPAT) && !flags.has(ScriptFlags::ALLOW_OOM) && !no_writes {
        return Err(Error::Static(
            "OOM allow-oom flag is not set on the script, can't run it when used memory > 'maxmemory'",
        ));
    }
    let mut own = None;
    let guards = match ctx.held.as_deref_mut() {
        Some(g) => g,
        None => {
            let guards = server.lock(job.footprint)?;
            crate::dispatch::loads_not(ctx.local, server)?;
            own.insert(guards)
        }
    };
    let saved = Saved::take(ctx.local, ctx.session);
    let started = ctx.local.clock.last();
    let threshold = u64::try_from(ctx.local.cfg.busy_reply_threshold).ok().filter(|t| *t > 0);
    let mut caller = Caller {
        local: ctx.local,
        server,
        session: ctx.session,
        guards,
        kind: job.kind,
        name: job.name,
        command: ctx.args,
        keys: job.keys,
        flags,
        read_only: job.read_only || no_writes,
        oom,
        watch: &scripts.watch,
        started,
        direct: job.chunk.is_direct(),
        slow_from: threshold.map_or(u64::MAX, |ms| started.saturating_add(ms.saturating_mul(1_000_000))),
        wrote: false,
        run: None,
        failed: false,
        refused: false,
    };
    propagation::begin(caller.local);
    let mark = ctx.out.mark();
    let args = ctx.args.from(FIRST_KEY);
    let (keys, argv) = (args.first(job.keys), args.from(job.keys));
    let result = match job.debugged {
        None => vm.run(job.chunk, keys, argv, &mut caller, ctx.out),
        Some((debugger, source)) => vm.debug(debugger, source, keys, argv, &mut caller, ctx.out),
    };
    let replied_error = caller.failed;
    let slow = caller.run.take();
    if slow.as_ref().is_some_and(|r| r.is_doomed()) {
        propagation::forget(ctx.local);
    }
    propagation::end(ctx.local, server);
    saved.restore(ctx.local, ctx.session);
    if let Some(run) = slow {
        server.scripting.running.end_slow(&run);
        transaction::after_slow(server, guards);
        if own.take().is_some_and(|g| g.held() != Footprint::ALL) {
            transaction::catch_up(server);
        }
        server.host.wake_all();
    }
    match result {
        Ok(()) if replied_error => Err(Error::RepliedCounted),
        Ok(()) => Ok(()),
        Err(failure) => {
            ctx.out.truncate(mark);
            if failure.killed {
                vm.revive();
            }
            Err(failed(ctx, &failure, job))
        }
    }
}

/// A script's failure as an error reply.
fn failed(ctx: &mut AdminCtx<'_, '_>, failure: &Failure, job: &Job<'_>) -> Error {
    let mut line = failure.line.clone();
    let name = job.name;
    if failure.killed && job.kind == Kind::Function {
        line = b"ERR Script killed by user with FUNCTION KILL.".to_vec();
    }
    if let Some((source, n)) = &failure.place {
        line.extend_from_slice(format!(" script: {name}, on {source}:{n}.").as_bytes());
    }
    let text = viator_resp::reply::shown_all(&line);
    if failure.counted {
        ctx.out.error(&text);
        return Error::RepliedCounted;
    }
    Error::text(text)
}
