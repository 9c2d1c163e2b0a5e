//! With `appendfsync always`: what goes to the increments goes to the journal first ([`viator_persist::aof::journal`]), which
//! comes and goes with that policy.

use super::{Aof, Files, plain};
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use viator_engine::aof::{AofStatus, State};
use viator_engine::server::Server;
use viator_persist::aof::journal::{self, Appended, Journal};

/// After this the increments are synced although the journal has room. So the journal can forget what it has: the longer it
/// knows more than the increments, the more there is that somebody else could do to them meanwhile.
const SETTLE_EVERY: Duration = Duration::from_secs(2);

impl Aof {
    /// What goes to the increment, up to `until`, goes to the journal first, where there is one.
    pub(super) fn write_ahead(&self, f: &mut Files, until: usize, status: &AofStatus) -> io::Result<()> {
        let (end, settled) = (f.end, f.settled);
        let bytes = f.buf.get(f.done..until).unwrap_or_default();
        let part = f.out.as_ref().and_then(|o| Some((o.seq?, o.len)));
        let mut appended = Appended::No;
        if let (Some(journal), Some((seq, len))) = (&mut f.journal, part)
            && status.always.load(Relaxed)
        {
            appended = journal.append(seq, len, bytes, end, settled, crate::now_ms())?;
        }
        match appended {
            Appended::Yes => {}
            Appended::Turned => {
                self.sync.lock().settle = true;
                self.sync_wake.notify_one();
            }
            Appended::No => f.direct = end,
        }
        Ok(())
    }

    /// Whether there is to be a journal, and is none.
    fn lacks_journal(server: &Server, f: &Files) -> bool {
        let none = f.journal.is_none() && f.retired.is_none() && !f.journal_failed;
        none && server.aof.always.load(Relaxed) && server.aof.state() == State::On
    }

    /// Makes a journal if there is to be one and is none; without one every fsync is the increment's.
    pub(super) fn open_journal(&self, server: &Server) {
        let _one = self.making.lock();
        let (dir, base) = {
            let f = self.files.lock();
            if !Aof::lacks_journal(server, &f) {
                return;
            }
            (f.dir.clone(), f.base.clone())
        };
        let prepared = Journal::prepare(&dir, &base, journal::HALF);
        let mut f = self.files.lock();
        let made = match prepared {
            // all may have changed meanwhile
            Ok(journal) if !Aof::lacks_journal(server, &f) => return drop(journal.remove()), // it would be in nobody's way
            Ok(mut journal) => journal.put_in_place().map(|()| journal),
            Err(e) => Err(e),
        };
        match made {
            Ok(made) => {
                // what was written before it
                f.direct = f.end;
                f.journal = Some(made);
            }
            Err(e) => {
                f.journal_failed = true;
                tracing::warn!("the AOF journal cannot be made: {}", plain(&e));
            }
        }
    }

    /// Nothing goes to the journal any more; the thread syncs the increments and deletes it.
    pub(super) fn retire_journal(&self) {
        let mut f = self.files.lock();
        if let Some(journal) = f.journal.take() {
            f.direct = f.end;
            f.retired = Some(journal);
            self.sync.lock().settle = true;
            self.sync_wake.notify_one();
        }
    }

    /// Whether the journal has had for long what the increments may not have.
    pub(super) fn settling_is_due(&self) -> bool {
        if self.sync.lock().settled.is_some_and(|t| t.elapsed() < SETTLE_EVERY) {
            return false;
        }
        let f = self.files.lock();
        f.retired.is_some() || f.journal.as_ref().is_some_and(|j| j.end() > f.settled)
    }
}

/// Deletes a journal that nothing is written to any more, if all that it has is durable in the increments.
pub(super) fn delete_journal(journal: Journal, settled: &io::Result<()>) {
    let deleted = settled.as_ref().map_err(plain).and_then(|()| journal.remove().map_err(|e| plain(&e)));
    if let Err(e) = deleted {
        tracing::warn!("the AOF journal stays: {e}");
    }
}
