//! The log, in Redis's format: `pid:role dd Mon yyyy hh:mm:ss.mmm level message`.

use jiff::Zoned;
use parking_lot::Mutex;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The number of a level.
pub fn level(l: viator_engine::config::LogLevel) -> u8 {
    use viator_engine::config::LogLevel;
    match l {
        LogLevel::Debug => 0,
        LogLevel::Verbose => 1,
        LogLevel::Notice => 2,
        LogLevel::Warning => 3,
        LogLevel::Nothing => 4,
    }
}

/// Writes events of `tracing` to the log: TRACE is Redis's debug, DEBUG its verbose, INFO its notice, WARN its warning.
pub struct Log {
    file: Mutex<String>,
    syslog: Mutex<Option<std::os::unix::net::UnixDatagram>>,
    ident: Mutex<String>,
    /// 0 debug … 4 nothing.
    level: AtomicU8,
    spans: AtomicU64,
}

impl Log {
    /// A log on standard output.
    pub fn new() -> Log {
        Log {
            file: Mutex::default(),
            syslog: Mutex::new(None),
            ident: Mutex::default(),
            level: AtomicU8::new(2),
            spans: AtomicU64::new(1),
        }
    }

    /// Chooses the file ("": standard output) and the least level (0 debug, 1 verbose, 2 notice, 3 warning, 4 nothing).
    pub fn configure(&self, file: &str, level: u8) {
        *self.file.lock() = file.to_owned();
        self.level.store(level, Relaxed);
    }

    /// Sends messages to syslog, too.
    pub fn use_syslog(&self, ident: &str, facility: u8) {
        let socket = std::os::unix::net::UnixDatagram::unbound().ok();
        let connected = socket.and_then(|s| s.connect("/dev/log").ok().map(|()| s));
        *self.syslog.lock() = connected;
        *self.ident.lock() = format!("{facility}:{ident}");
    }

    fn write(&self, level: u8, message: &str) {
        let mark = [".", "-", "*", "#"].get(level as usize).copied().unwrap_or("#");
        let now = Zoned::now();
        let line = format!("{}:M {} {mark} {message}\n", std::process::id(), now.strftime("%d %b %Y %H:%M:%S.%3f"));
        let file = self.file.lock();
        // Redis opens the file for each line, so that it can be rotated away at any time
        let written = if file.is_empty() {
            std::io::stdout().lock().write_all(line.as_bytes())
        } else {
            OpenOptions::new().create(true).append(true).open(&*file).and_then(|mut f| f.write_all(line.as_bytes()))
        };
        drop(written); // there is nowhere to report that the log cannot be written
        if let Some(s) = &*self.syslog.lock() {
            let ident = self.ident.lock();
            let (facility, name) = ident.split_once(':').unwrap_or(("16", "redis"));
            let severity = [7, 6, 5, 4].get(level as usize).copied().unwrap_or(4);
            let priority = facility.parse::<u8>().unwrap_or(16) * 8 + severity;
            drop(s.send(format!("<{priority}>{name}[{}]: {message}", std::process::id()).as_bytes()));
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log::new()
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let r = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
        debug_assert!(r.is_ok(), "writing to a String does not fail");
    }
}

fn number(level: &Level) -> u8 {
    match *level {
        Level::TRACE => 0,
        Level::DEBUG => 1,
        Level::INFO => 2,
        _ => 3,
    }
}

/// The process's log, as a subscriber that can be configured later.
#[derive(Clone)]
pub struct SharedLog(pub std::sync::Arc<Log>);

impl Subscriber for SharedLog {
    fn enabled(&self, m: &Metadata<'_>) -> bool {
        m.is_event() && m.target().starts_with("viator") && number(m.level()) >= self.0.level.load(Relaxed)
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.0.spans.fetch_add(1, Relaxed).max(1))
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut m = Message(String::new());
        event.record(&mut m);
        self.0.write(number(event.metadata().level()), &m.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
