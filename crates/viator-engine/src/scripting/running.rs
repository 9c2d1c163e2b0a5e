//! What runs now, how long it has been running, and how it is ended.

use crate::error::Error;
use crate::server::gate;
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Time between two looks at other clients while a script takes long.
const PUMP_EVERY: Duration = Duration::from_millis(5);

/// What runs: which of SCRIPT KILL and FUNCTION KILL ends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A script of EVAL.
    Script,
    /// A function.
    Function,
}

/// A script or function that takes longer than `busy-reply-threshold`.
#[derive(Debug)]
pub struct Run {
    /// Which.
    pub kind: Kind,
    /// Digest, or name of the function.
    pub name: String,
    /// The command that called it.
    pub command: Vec<Vec<u8>>,
    /// Since when.
    pub started: Instant,
    /// It has written.
    pub wrote: AtomicBool,
    /// It is to end.
    kill: AtomicBool,
    /// And so is the server, which keeps nothing of it.
    doomed: AtomicBool,
}

impl Run {
    /// Whether what it did counts for nothing.
    pub fn is_doomed(&self) -> bool {
        self.doomed.load(Relaxed)
    }

    /// One that began some time ago.
    pub(super) fn new(kind: Kind, name: &str, command: Vec<Vec<u8>>, ago: Duration, wrote: bool) -> Run {
        let now = Instant::now();
        Run {
            kind,
            name: name.to_owned(),
            command,
            started: now.checked_sub(ago).unwrap_or(now),
            wrote: AtomicBool::new(wrote),
            kill: AtomicBool::new(false),
            doomed: AtomicBool::new(false),
        }
    }

    /// Whether somebody wants it to end.
    pub(super) fn is_killed(&self) -> bool {
        self.kill.load(Relaxed)
    }
}

/// All that takes long now. Others are not listed: nobody could ask.
#[derive(Default)]
pub struct Running {
    slow: Mutex<Vec<Arc<Run>>>,
    /// The server's reasons against the fast path.
    gate: Arc<AtomicU32>,
}

impl Running {
    /// Nothing runs.
    pub(super) fn new(gate: Arc<AtomicU32>) -> Running {
        Running { gate, slow: Mutex::default() }
    }

    /// Ends what takes long and has written nothing.
    ///
    /// # Errors
    /// Nothing of that kind takes long, or all of it has written.
    pub fn kill(&self, kind: Kind) -> Result<(), Error> {
        let slow = self.slow.lock();
        let mut found = false;
        let mut killed = false;
        for run in slow.iter().filter(|r| r.kind == kind) {
            found = true;
            if !run.wrote.load(Relaxed) {
                run.kill.store(true, Relaxed);
                killed = true;
            }
        }
        match (found, killed) {
            (_, true) => Ok(()),
            (true, false) => Err(Error::Static(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You \
                                  can either wait the script termination or kill the server in a hard way using the \
                                  SHUTDOWN NOSAVE command.",
            )),
            (false, false) if !slow.is_empty() => Err(busy(slow.first())),
            (false, false) => Err(Error::Static("NOTBUSY No scripts in execution right now.")),
        }
    }

    /// Ends all, whatever they have written: the server ends, and what they did is not logged.
    pub fn kill_all(&self) {
        for run in self.slow.lock().iter() {
            run.doomed.store(true, Relaxed);
            run.kill.store(true, Relaxed);
        }
    }

    /// What others are told while something takes long.
    pub fn busy_error(&self) -> Error {
        busy(self.slow.lock().first())
    }

    /// What has been taking long for the longest time.
    pub fn longest(&self) -> Option<Arc<Run>> {
        self.slow.lock().first().cloned()
    }

    pub(super) fn begin_slow(&self, run: &Arc<Run>) {
        self.slow.lock().push(run.clone());
        self.gate.fetch_or(gate::BUSY, Relaxed);
    }

    pub(super) fn end_slow(&self, run: &Arc<Run>) {
        let mut slow = self.slow.lock();
        slow.retain(|r| !Arc::ptr_eq(r, run));
        if slow.is_empty() {
            self.gate.fetch_and(!gate::BUSY, Relaxed);
        }
    }
}

fn busy(first: Option<&Arc<Run>>) -> Error {
    Error::Static(match first.map(|r| r.kind) {
        Some(Kind::Function) => {
            "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
        }
        _ => "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    })
}

/// A worker's way to serve its other connections while a script takes long.
#[derive(Default)]
pub(super) struct Watch {
    pump: RefCell<Option<Rc<dyn Fn()>>>,
    next_pump: Cell<Option<Instant>>,
}

impl Watch {
    pub(super) fn set_pump(&self, pump: Rc<dyn Fn()>) {
        *self.pump.borrow_mut() = Some(pump);
    }

    /// Serves the worker's other connections.
    pub(super) fn pump(&self) {
        let pump = self.pump.borrow().clone();
        if let Some(pump) = pump {
            pump();
        }
    }

    /// As [`Watch::pump`], if that was some time ago.
    pub(super) fn pump_again(&self) {
        let now = Instant::now();
        if self.next_pump.get().is_none_or(|t| now >= t) {
            self.pump();
            // looking takes no more than a part of the time
            self.next_pump.set(Some(Instant::now() + PUMP_EVERY.max(4 * now.elapsed())));
        }
    }
}
