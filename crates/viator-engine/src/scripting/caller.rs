//! How a script calls commands.

use super::cache::ScriptFlags;
use super::running::{Kind, Run, Watch};
use crate::args::Args;
use crate::command::{Flags, Traits};
use crate::dispatch;
use crate::error::Error;
use crate::local::Local;
use crate::propagation::listener;
use crate::server::{Held, Server};
use crate::session::{ReplyMode, Session, gate};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use viator_resp::reply::Reply;
use viator_script::{Host, Registration};

/// The argument of a command that calls a script at which its keys begin.
pub(super) const FIRST_KEY: usize = 3;

/// The surroundings of a running script.
pub(super) struct Caller<'a, 's> {
    pub(super) local: &'a mut Local,
    pub(super) server: &'s Server,
    pub(super) session: &'a mut Session,
    pub(super) guards: &'a mut Held<'s>,
    pub(super) kind: Kind,
    pub(super) name: &'a str,
    /// The command that called it.
    pub(super) command: Args<'a>,
    /// How many keys it declared.
    pub(super) keys: usize,
    pub(super) flags: ScriptFlags,
    pub(super) read_only: bool,
    /// Memory was over the limit when the script began.
    pub(super) oom: bool,
    pub(super) watch: &'a Watch,
    /// The clock's reading when it began.
    pub(super) started: u64,
    /// No time passes between its commands.
    pub(super) direct: bool,
    /// From when on others are told that the server is busy.
    pub(super) slow_from: u64,
    /// It has written.
    pub(super) wrote: bool,
    /// What others see of it, once it takes long.
    pub(super) run: Option<Arc<Run>>,
    /// The script's reply has an error in it.
    pub(super) failed: bool,
    /// A command was refused before it was executed.
    pub(super) refused: bool,
}

impl Caller<'_, '_> {
    /// Why a command may not run, if it may not.
    fn refusal(&self, entry: &crate::table::Entry) -> Option<&'static str> {
        if entry.flags.has(Flags::NOSCRIPT) && !self.server.debug.disable_deny_scripts.load(Relaxed) {
            return Some("ERR This Redis command is not allowed from script");
        }
        if self.read_only && (entry.flags.has(Flags::WRITE) || entry.is(Traits::MAY_REPLICATE)) {
            return Some("ERR Write commands are not allowed from read-only scripts.");
        }
        if self.oom && entry.flags.has(Flags::DENYOOM) && !self.flags.has(ScriptFlags::ALLOW_OOM) && !self.wrote {
            return Some("OOM command not allowed when used memory > 'maxmemory'.");
        }
        None
    }

    /// Whether it is to end, at a time when it has been running for long.
    #[cold]
    fn look(&mut self, now: u64) -> bool {
        let run = self.run.get_or_insert_with(|| {
            let ago = Duration::from_nanos(now.saturating_sub(self.started));
            let command = self.command.first(8).iter().map(<[u8]>::to_vec).collect();
            let run = Arc::new(Run::new(self.kind, self.name, command, ago, self.wrote));
            self.server.scripting.running.begin_slow(&run);
            tracing::warn!(
                "Slow script detected: still in execution after {} milliseconds. You can try killing the script using \
                 the {} command. Script name is: {}.",
                ago.as_millis(),
                if self.kind == Kind::Script { "SCRIPT KILL" } else { "FUNCTION KILL" },
                self.name
            );
            run
        });
        self.watch.pump_again();
        run.is_killed()
    }

    #[cold]
    fn refuse(&mut self, entry: Option<&crate::table::Entry>, reply: &mut Reply, line: &str, start: u64) -> u64 {
        self.refused = true;
        dispatch::refuse(self.local, self.server, entry, reply, line);
        start
    }

    /// Executes a command. Returns the clock's reading at its end.
    fn execute(&mut self, args: Args<'_>, reply: &mut Reply, start: u64) -> u64 {
        let server = self.server;
        let entry = match dispatch::lookup(server, self.session, args) {
            Ok(e) => e,
            Err(Error::Arity(name)) => {
                let entry = server.table.by_full_name(name.as_bytes());
                let line = "ERR Wrong number of args calling Redis command from script";
                return self.refuse(entry, reply, line, start);
            }
            Err(_) => {
                return self.refuse(None, reply, "ERR Unknown Redis command called from script", start);
            }
        };
        if let Some(line) = self.refusal(entry) {
            return self.refuse(Some(entry), reply, line, start);
        }
        if entry.flags.has(Flags::WRITE) && !self.wrote {
            self.wrote = true;
            if let Some(run) = &self.run {
                run.wrote.store(true, Relaxed);
            }
        }
        dispatch::call_held(self.local, server, self.session, entry, args, reply, self.guards, start)
    }
}

impl Host for Caller<'_, '_> {
    fn call(&mut self, args: Args<'_>, reply: &mut Reply) -> bool {
        let start = if self.direct { self.local.clock.last() } else { self.local.clock.read() };
        let end = self.execute(args, reply, start);
        end >= self.slow_from && self.look(end)
    }

    fn key(&self, n: usize) -> Option<&[u8]> {
        if n < self.keys { self.command.get(FIRST_KEY + n) } else { None }
    }

    fn arg(&self, n: usize) -> Option<&[u8]> {
        self.command.get(FIRST_KEY + self.keys + n)
    }

    fn tick(&mut self) -> bool {
        let now = self.local.clock.read();
        now >= self.slow_from && self.look(now)
    }

    fn refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    fn replied_error(&mut self, line: &[u8], counted: bool) {
        self.failed = true;
        if !counted {
            self.local.stats.counters.errors.add(1);
            self.server.count_error(&viator_resp::reply::shown_all(line));
        }
    }

    fn log(&mut self, level: i64, message: &[u8]) {
        let text = String::from_utf8_lossy(message);
        match level {
            0 => tracing::trace!("{text}"),
            1 => tracing::debug!("{text}"),
            2 => tracing::info!("{text}"),
            _ => tracing::warn!("{text}"),
        }
    }

    fn set_repl(&mut self, flags: i64) {
        // 1 the append-only file, 2 the replicas
        let withheld = if flags & 1 == 0 { listener::AOF } else { 0 };
        self.local.unit.withhold(withheld);
    }

    fn may_run(&mut self, args: Args<'_>) -> Result<bool, &'static str> {
        match self.server.table.lookup(args) {
            crate::table::Lookup::Found(e) if e.arity_ok(args.len()) => Ok(true),
            crate::table::Lookup::Found(_) => Err("ERR Wrong number of args for redis.acl_check_cmd()"),
            _ => Err("ERR Invalid command passed to redis.acl_check_cmd()"),
        }
    }

    fn register(&mut self, _: Registration) -> Result<(), String> {
        Err("redis.register_function can only be called on FUNCTION LOAD command".into())
    }
}

/// What a script may change of its client's session, to be put back at its end.
pub(super) struct Saved {
    db: usize,
    resp3: bool,
    in_exec: bool,
    reply_mode: ReplyMode,
    reply_gate: bool,
    withheld: u32,
}

impl Saved {
    pub(super) fn take(local: &mut Local, session: &mut Session) -> Saved {
        let saved = Saved {
            db: session.db,
            resp3: session.resp3,
            in_exec: session.in_exec,
            reply_mode: session.reply_mode,
            reply_gate: session.gate & gate::REPLY != 0,
            withheld: local.unit.withhold(0),
        };
        session.resp3 = false;
        session.in_exec = true;
        session.in_script = true;
        session.script_us = local.clock.now_us();
        saved
    }

    pub(super) fn restore(self, local: &mut Local, session: &mut Session) {
        session.select(self.db);
        session.resp3 = self.resp3;
        session.in_exec = self.in_exec;
        session.in_script = false;
        session.reply_mode = self.reply_mode;
        session.set_gate(gate::REPLY, self.reply_gate);
        local.unit.withhold(self.withheld);
    }
}
