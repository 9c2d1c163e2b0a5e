//! How a script calls commands.

use super::cache::ScriptFlags;
use super::running::Run;
use crate::args::OwnedArgs;
use crate::command::{Flags, Traits};
use crate::dispatch;
use crate::error::Error;
use crate::local::Local;
use crate::propagation::listener;
use crate::server::{Held, Server, gate as server_gate};
use crate::session::{ReplyMode, Session, gate};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use viator_resp::reply::Reply;
use viator_script::{Host, Registration};

/// The surroundings of a running script.
pub(super) struct Caller<'a, 's> {
    pub(super) local: &'a mut Local,
    pub(super) server: &'s Server,
    pub(super) session: &'a mut Session,
    pub(super) guards: &'a mut Held<'s>,
    pub(super) run: Arc<Run>,
    pub(super) flags: ScriptFlags,
    pub(super) read_only: bool,
    /// Memory was over the limit when the script began.
    pub(super) oom: bool,
    /// The script's reply has an error in it.
    pub(super) failed: bool,
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
        if self.oom
            && entry.flags.has(Flags::DENYOOM)
            && !self.flags.has(ScriptFlags::ALLOW_OOM)
            && !self.run.wrote.load(Relaxed)
        {
            return Some("OOM command not allowed when used memory > 'maxmemory'.");
        }
        None
    }

    fn refuse(&mut self, reply: &mut Reply, line: &str) {
        reply.error(line);
        self.local.stats.counters.errors.add(1);
        self.server.count_error(line);
    }
}

impl Host for Caller<'_, '_> {
    fn call(&mut self, args: &OwnedArgs, reply: &mut Reply) {
        let args = args.args();
        let server = self.server;
        let entry = match dispatch::lookup(server, self.session, args) {
            Ok(e) => e,
            Err(Error::Arity(name)) => {
                if let Some(e) = server.table.by_full_name(name.as_bytes())
                    && let Some(s) = self.local.stats.commands.get(e.id)
                {
                    s.rejected.add(1);
                }
                return self.refuse(reply, "ERR Wrong number of args calling Redis command from script");
            }
            Err(_) => return self.refuse(reply, "ERR Unknown Redis command called from script"),
        };
        if let Some(line) = self.refusal(entry) {
            if let Some(s) = self.local.stats.commands.get(entry.id) {
                s.rejected.add(1);
            }
            return self.refuse(reply, line);
        }
        if entry.flags.has(Flags::WRITE) {
            self.run.wrote.store(true, Relaxed);
        }
        let start = self.local.clock.read();
        dispatch::call_held(self.local, server, self.session, entry, args, reply, self.guards, start);
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

    fn may_run(&mut self, args: &OwnedArgs) -> Option<bool> {
        match self.server.table.lookup(args.args()) {
            crate::table::Lookup::Found(e) if e.arity_ok(args.args().len()) => Some(true),
            _ => None,
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

/// Whether memory is over the limit, under locks that are held.
pub(super) fn over_memory(local: &Local, server: &Server) -> bool {
    server.gate.load(Relaxed) & server_gate::MAXMEMORY != 0
        && local.cfg.maxmemory > 0
        && server.used_memory() > local.cfg.maxmemory
}
