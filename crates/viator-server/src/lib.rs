//! Listeners, connections, event loops, timers, shutdown.

mod aof;
mod apply;
mod conn;
mod host;
mod log;
mod memory;
mod net;
mod peers;
mod procfs;
mod pump;
mod start;
mod wire;
mod worker;

pub use start::version_line;

use host::{Control, Process};
use parking_lot::Mutex;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use viator_engine::REDIS_VERSION;
use viator_engine::aof::State;
use viator_engine::config::{Config, Loaded};
use viator_engine::local::Local;
use viator_engine::server::{Garbage, Held, Parts, Server, ShutdownRequest, gate};
use viator_engine::table::Table;
use viator_keyspace::{Footprint, SHARDS};
use worker::{Message, Worker};

/// Stack of a worker, bytes: a script may have deeply nested tables turned into JSON.
const STACK: usize = 16 << 20;

/// Runs a server until it is shut down. `input` is what came on standard input: a daemon's process gets it again.
pub fn serve(mut loaded: Loaded, input: &[u8]) -> ExitCode {
    if loaded.config.daemonize
        && let Some(code) = start::daemonize(input)
    {
        return code;
    }
    if let Err(e) = start::enter_dir(&mut loaded) {
        eprint!("{e}");
        return ExitCode::FAILURE;
    }
    let table = match table(&loaded.config) {
        Ok(t) => t,
        Err(e) => {
            eprint!("{e}");
            return ExitCode::FAILURE;
        }
    };
    let config_file = loaded.provenance.config_file.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
    let mut cfg = loaded.config;
    let log = Arc::new(log::Log::new());
    log.configure(&cfg.logfile, log::level(cfg.loglevel));
    if cfg.syslog_enabled {
        log.use_syslog(&cfg.syslog_ident, start::facility(&cfg));
    }
    if tracing::subscriber::set_global_default(log::SharedLog(log.clone())).is_err() {
        eprintln!("a log is set up already");
        return ExitCode::FAILURE;
    }
    if cfg.io_threads == 0 {
        cfg.io_threads = thread::available_parallelism().map_or(1, |n| n.get() as i64);
    }
    tracing::info!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    tracing::info!(
        "Redis version={REDIS_VERSION}, bits=64, commit=00000000, modified=0, pid={}, just started",
        std::process::id()
    );
    if config_file.is_empty() {
        tracing::warn!(
            "Warning: no config file specified, using the default config. In order to specify a config file use viator \
             /path/to/redis.conf"
        );
    } else {
        tracing::info!("Configuration loaded");
    }
    if let Err(e) = start::refuse_missing(&cfg) {
        tracing::warn!("{e}");
        return ExitCode::FAILURE;
    }
    if let Err(got) = apply::raise_file_limit(cfg.maxclients) {
        tracing::warn!("The open file limit allows {got} clients only: maxclients has been reduced.");
        cfg.maxclients = got.max(1);
    }
    let port = cfg.port;
    let threads = cfg.io_threads.clamp(1, 128) as usize;
    let sockets = match apply::listeners(&cfg) {
        Ok(l) => l,
        Err((addr, e)) => {
            tracing::warn!("Warning: Could not create server TCP listening socket {addr}: bind: {e}");
            tracing::warn!("Failed listening on port {port} (tcp), aborting.");
            return ExitCode::FAILURE;
        }
    };
    tracing::info!("Running mode=standalone, port={port}.");
    tracing::info!("Viator {} on {threads} threads. PID: {}", env!("CARGO_PKG_VERSION"), std::process::id());
    let pidfile = start::write_pidfile(&cfg);

    let mut polls = Vec::new();
    let mut inboxes = Vec::new();
    for _ in 0..threads {
        match Worker::prepare() {
            Ok((p, i)) => {
                polls.push(p);
                inboxes.push(i);
            }
            Err(e) => {
                tracing::warn!("cannot wait for events: {e}");
                return ExitCode::FAILURE;
            }
        }
    }
    let Some(listeners) = polls.first().and_then(|p| worker::Listeners::new(p).ok()).map(Arc::new) else {
        tracing::warn!("cannot wait for connections");
        return ExitCode::FAILURE;
    };
    // freed pages go back to the system even while no thread allocates; without this they only go later
    let _ = tikv_jemalloc_ctl::background_thread::write(true);
    viator_data::hashing::init_seed([random(), random(), random(), random()]);
    let memory = Arc::new(memory::Memory::default());
    let main_memory = memory.this_thread();
    let (garbage_tx, garbage_rx) = mpsc::channel();
    let (control_tx, control_rx) = mpsc::channel();
    let pending = Arc::new(AtomicU64::new(0));
    let aof = aof::Aof::new(&cfg, memory.clone(), inboxes.clone());
    let process = Arc::new(Process {
        memory: memory.clone(),
        garbage: Mutex::new(garbage_tx),
        pending: pending.clone(),
        listeners: listeners.clone(),
        inboxes: inboxes.clone(),
        control: Mutex::new(control_tx.clone()),
        stopping: AtomicBool::new(false),
        loading: Mutex::new(Some(start::Leftovers { pidfile, socket: cfg.unixsocket.clone() })),
        oom_score: apply::OomScore::default(),
        log,
        server: OnceLock::new(),
        aof: aof.clone(),
        peers: peers::Peers::default(),
    });
    if let Err(e) = process.oom_score.adjust(&cfg) {
        tracing::warn!("Unable to write oom_score_adj: {e}");
    }
    let parts = Parts {
        config: cfg,
        table,
        host: process.clone(),
        config_file,
        executable: std::env::current_exe().map(|p| p.display().to_string()).unwrap_or_default(),
        seed: random(),
        now_ms: now_ms(),
        run_id: format!("{:016x}{:016x}{:08x}", random(), random(), random() as u32),
    };
    let server = Arc::new(Server::new(parts));
    server.port.store(u32::from(port), Relaxed);
    drop(process.server.set(Arc::downgrade(&server))); // the first time
    aof.attach(&server);
    let appendonly = server.config.load().appendonly;
    server.set_gate(gate::LOADING, true);

    signals(control_tx, process.clone());
    free_thread(garbage_rx, pending, memory.clone(), server.clone());
    memory.publish(&main_memory);
    memory.calibrate();
    server.startup_memory.store(server.used_memory(), Relaxed);
    listeners.set(sockets);
    let workers: Vec<_> = polls
        .into_iter()
        .zip(inboxes.iter().cloned())
        .enumerate()
        .map(|(i, (poll, inbox))| {
            let (server, memory, inboxes) = (server.clone(), memory.clone(), inboxes.clone());
            let (listeners, aof) = (listeners.clone(), aof.clone());
            let name = format!("io_thd_{i}");
            let run = move || match Worker::new(i, poll, server, memory, inbox, inboxes, listeners, aof) {
                Ok(w) => w.run(),
                Err(e) => {
                    tracing::warn!("Fatal: cannot wait for events: {e}");
                    std::process::exit(1);
                }
            };
            essential(thread::Builder::new().stack_size(STACK), &name, run)
        })
        .collect();
    tracing::info!("Server initialized");
    let loaded = if appendonly {
        aof.load_at_start(&server, &mut Local::new(&server)).map_err(|e| e.to_string())
    } else {
        aof.read_manifest().and_then(|()| start::load(&server))
    };
    if let Err(e) = loaded {
        tracing::warn!("{e}");
        std::process::exit(1);
    }
    // if the server has not ended meanwhile
    let leftovers = process.loading.lock().take();
    memory.publish(&main_memory);
    server.set_gate(gate::LOADING, false);
    aof.after_loading(&server);
    cron_thread(server.clone(), memory.clone(), process.clone());
    if port != 0 {
        tracing::info!("Ready to accept connections tcp");
    }
    if !server.config.load().unixsocket.is_empty() {
        tracing::info!("Ready to accept connections unix");
    }
    start::notify_supervisor(&server.config.load(), "STATUS=Ready to accept connections\nREADY=1\n");
    let mut held = control(&control_rx, &server, &process);
    start::notify_supervisor(&server.config.load(), "STOPPING=1\n");
    if held.is_none() && server.aof.state() != State::Off {
        // what is acknowledged from now on would not be logged
        held = Some(server.keyspace.lock(Footprint::ALL));
    }
    aof.shut_down(&server);
    // who sees its connection end gets no new one
    listeners.set(Vec::new());
    if held.is_none() {
        for i in &inboxes {
            i.send(Message::Stop);
        }
        for w in workers {
            if w.join().is_err() {
                tracing::warn!("a worker ended badly");
            }
        }
    }
    if let Some(leftovers) = leftovers {
        leftovers.remove();
    }
    tracing::warn!("Redis is now ready to exit, bye bye...");
    if held.is_some() {
        // nobody may change what was saved: the process ends with its locks held
        std::process::exit(0);
    }
    ExitCode::SUCCESS
}

/// The table of commands, renamed as the configuration says.
fn table(cfg: &Config) -> Result<Table, String> {
    let mut renames = Vec::new();
    for r in &cfg.rename_commands {
        if let [from, to] = r.args.as_slice() {
            renames.push((from.clone(), to.clone()));
            Table::new(viator_commands::all(), &renames).map_err(|e| r.error(e).to_string())?;
        }
    }
    Table::new(viator_commands::all(), &renames)
}

/// Waits for what ends the server. If it saved the dataset, the locks under which it did, so that nothing changes after.
fn control<'s>(rx: &Receiver<Control>, server: &'s Server, process: &Process) -> Option<Held<'s>> {
    loop {
        let request = match rx.recv() {
            Ok(Control::Signal(s)) => {
                let (name, action) = match s {
                    signal_hook::consts::SIGINT => ("SIGINT", server.config.load().shutdown_on_sigint),
                    _ => ("SIGTERM", server.config.load().shutdown_on_sigterm),
                };
                tracing::warn!("Received {name} scheduling shutdown...");
                process.stopping.store(true, Relaxed);
                // as in Redis, it is the timer that comes upon it: SHUTDOWN ABORT may come first
                while server.cron_paused.load(Relaxed) && process.stopping.load(Relaxed) {
                    thread::sleep(Duration::from_millis(10));
                }
                if !process.stopping.load(Relaxed) {
                    continue;
                }
                start::shutdown_by(action)
            }
            Ok(Control::Shutdown(r)) => r,
            Err(_) => return None,
        };
        tracing::warn!("User requested shutdown...");
        let mut waiting = Vec::from_iter(request.client);
        // not if it was aborted before it began
        if process.stopping.load(Relaxed)
            && let Some(held) = end(rx, server, process, &request, &mut waiting)
        {
            return held;
        }
        process.stopping.store(false, Relaxed);
        for c in waiting.into_iter().filter_map(|id| server.clients.get(id)) {
            c.wake();
        }
    }
}

/// Saves what is to be saved. `None`: that failed, and the server goes on; else the locks that are to stay held, if any.
/// `waiting`: gets the clients that asked for the same meanwhile.
#[expect(clippy::option_option, reason = "whether it ends, and how")]
fn end<'s>(
    rx: &Receiver<Control>,
    server: &'s Server,
    process: &Process,
    request: &ShutdownRequest,
    waiting: &mut Vec<u64>,
) -> Option<Option<Held<'s>>> {
    if server.persistence.abandon() {
        tracing::warn!("There is a child saving an .rdb. Killing it!");
    }
    if server.aof.state() == State::WaitRewrite {
        if !request.force {
            tracing::warn!("Writing initial AOF, can't exit.");
            return None;
        }
        tracing::warn!("Writing initial AOF. Exiting anyway.");
    }
    let save = request.save.unwrap_or(!server.config.load().save.is_empty());
    if !save || server.gate.load(Relaxed) & gate::LOADING != 0 {
        return Some(None);
    }
    tracing::info!("Saving the final RDB snapshot before exiting.");
    let mut guards = match all_locks(rx, server, process, waiting) {
        Ok(g) => g,
        Err(ends) => return ends.then_some(None),
    };
    match viator_engine::persistence::save_held(server, &mut guards, now_ms()) {
        Ok(()) => Some(Some(guards)),
        Err(_) if request.force => {
            tracing::warn!("Error trying to save the DB, but force exiting.");
            Some(None)
        }
        Err(_) => {
            tracing::warn!("Error trying to save the DB, can't exit.");
            None
        }
    }
}

/// All locks, under which the dataset is saved. A script that takes long is waited for, as in Redis, unless SHUTDOWN NOSAVE
/// comes: then the server ends (`Err(true)`); or SHUTDOWN ABORT: then it goes on.
fn all_locks<'s>(
    rx: &Receiver<Control>,
    server: &'s Server,
    process: &Process,
    waiting: &mut Vec<u64>,
) -> Result<Held<'s>, bool> {
    loop {
        let guards = server.lock(Footprint::ALL);
        let wait = if guards.is_ok() { Duration::ZERO } else { Duration::from_millis(10) };
        if let Ok(Control::Shutdown(r)) = rx.recv_timeout(wait) {
            waiting.extend(r.client);
            if r.save == Some(false) {
                return Err(true);
            }
        }
        if !process.stopping.load(Relaxed) {
            return Err(false);
        }
        if let Ok(g) = guards {
            return Ok(g);
        }
    }
}

fn signals(tx: mpsc::Sender<Control>, process: Arc<Process>) {
    let r = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT]);
    match r {
        Ok(mut signals) => {
            essential(thread::Builder::new(), "signals", move || {
                for s in signals.forever() {
                    if s == signal_hook::consts::SIGINT && process.stopping.load(Relaxed) {
                        tracing::warn!("You insist... exiting now.");
                        viator_engine::persistence::remove_temporary();
                        std::process::exit(1);
                    }
                    if process.loading.lock().is_some() {
                        tracing::warn!("Received shutdown signal during loading, scheduling shutdown.");
                        process.end_load();
                    }
                    if tx.send(Control::Signal(s)).is_err() {
                        return;
                    }
                }
            });
        }
        Err(e) => tracing::warn!("signals are not watched: {e}"),
    }
}

/// Starts a thread without which the server is none: if it cannot be had the process ends.
pub(crate) fn essential(thread: thread::Builder, name: &str, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    thread.name(name.to_owned()).spawn(run).unwrap_or_else(|e| {
        tracing::warn!("Fatal: can't start the thread {name}: {e}");
        std::process::exit(1)
    })
}

/// Frees values that take long.
fn free_thread(rx: Receiver<Garbage>, pending: Arc<AtomicU64>, memory: Arc<memory::Memory>, server: Arc<Server>) {
    essential(thread::Builder::new(), "bio_lazy_free", move || {
        let counted = memory.this_thread();
        for g in rx {
            let objects = g.objects();
            match g {
                Garbage::Object(o) => drop(o),
                Garbage::Db(d) => drop(d),
                Garbage::Wake(client) => client.wake(),
            }
            memory.publish(&counted);
            pending.fetch_sub(objects, Relaxed);
            server.totals.lazyfreed.add_shared(objects);
        }
    });
}

/// Timers: expiry, compaction, rates, peaks.
fn cron_thread(server: Arc<Server>, memory: Arc<memory::Memory>, process: Arc<Process>) {
    essential(thread::Builder::new(), "cron", move || {
        let counted = memory.this_thread();
        let mut local = Local::new(&server);
        let (mut expire_at, mut last) = (0usize, now_ms());
        loop {
            let hz = local.cfg.hz.clamp(1, 500) as u64;
            thread::sleep(Duration::from_millis(1000 / hz));
            let began = local.begin_batch(&server);
            // nothing expires while the log is loaded
            if !server.cron_paused.load(Relaxed) && server.gate.load(Relaxed) & gate::LOADING == 0 {
                viator_engine::expire::cycle(&mut local, &server, hz, &mut expire_at);
                viator_engine::evict::continue_later(&mut local, &server, 250_000_000 / hz);
                viator_engine::blocking::serve_rest(&mut local, &server);
                compact(&mut local, &server);
                viator_engine::tracking::limit(&mut local, &server);
                viator_engine::tracking::flush(&mut local, &server);
            }
            process.aof.tick(&server, &local.cfg);
            process.peers.tick();
            viator_engine::persistence::cron(&server, now_ms());
            let now = now_ms();
            if now - last >= 100 {
                let mut rates = server.rates.lock();
                let ms = (now - last) as u64;
                rates.ops.sample(server.sum(|c| &c.commands), ms);
                rates.net_in.sample(server.sum(|c| &c.net_in), ms);
                rates.net_out.sample(server.sum(|c| &c.net_out), ms);
                rates.loops.sample(server.sum(|c| &c.loops), ms);
                rates.loop_ns.sample(server.sum(|c| &c.loop_ns), ms);
                last = now;
            }
            memory.publish(&counted);
            let used = server.used_memory();
            if used > server.peak_memory.load(Relaxed) {
                server.peak_memory.store(used, Relaxed);
                server.peak_time.store(now / 1000, Relaxed);
            }
            let spent = local.clock.read().saturating_sub(began);
            local.stats.counters.timer_ns.add(spent);
        }
    });
}

/// Returns the memory of sparse arena pages: a few pages of one shard at a time.
fn compact(local: &mut Local, server: &Server) {
    // only when a good part of all arenas is empty
    let free = server.keyspace.free_bytes();
    if free < 16 << 20 || free * 8 < server.host.used_memory() {
        return;
    }
    let start = local.clock.read();
    while local.clock.read() - start < 1_000_000 {
        let shard = local.random() as usize % SHARDS;
        let mut guards = server.keyspace.lock(Footprint::NONE.with(shard));
        let s = guards.shard(shard);
        for db in 0..server.keyspace.databases() {
            let r = local.random();
            if let Some(d) = s.db_mut(db) {
                d.compact(r);
            }
        }
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// A random number from the system's source, through the standard library's hash keys.
fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}
