//! The slow log.

use crate::args::Args;
use std::collections::VecDeque;

/// Most arguments kept of a command; longer commands end with a note.
const MAX_ARGS: usize = 32;
/// Most bytes kept of an argument.
const MAX_ARG: usize = 128;

/// An entry of SLOWLOG GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowEntry {
    /// Number, ascending.
    pub id: i64,
    /// Unix seconds.
    pub time: i64,
    /// Microseconds that the command took.
    pub duration: i64,
    /// Arguments, shortened.
    pub args: Vec<Vec<u8>>,
    /// Peer address.
    pub addr: String,
    /// Client name.
    pub name: Vec<u8>,
}

/// The log, newest first.
#[derive(Default)]
pub struct Slowlog {
    entries: VecDeque<SlowEntry>,
    next: i64,
}

impl Slowlog {
    /// Adds a command, and forgets the oldest beyond `max`.
    pub fn add(&mut self, args: Args<'_>, time: i64, duration: i64, addr: &str, name: &[u8], max: usize) {
        if max == 0 {
            return; // switched off: not even a number is used up
        }
        let shown = if args.len() > MAX_ARGS { MAX_ARGS - 1 } else { args.len() };
        let mut kept: Vec<Vec<u8>> = args.iter().take(shown).map(shorten).collect();
        if args.len() > MAX_ARGS {
            kept.push(format!("... ({} more arguments)", args.len() - shown).into_bytes());
        }
        let id = self.next;
        self.next += 1;
        self.entries.push_front(SlowEntry {
            id,
            time,
            duration,
            args: kept,
            addr: addr.to_owned(),
            name: name.to_vec(),
        });
        self.entries.truncate(max);
    }

    /// The newest entries.
    pub fn newest(&self, count: usize) -> impl ExactSizeIterator<Item = &SlowEntry> {
        self.entries.iter().take(count)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets all; numbers go on.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
}

fn shorten(arg: &[u8]) -> Vec<u8> {
    match arg.get(..MAX_ARG) {
        Some(head) if arg.len() > MAX_ARG => {
            let mut v = head.to_vec();
            v.extend(format!("... ({} more bytes)", arg.len() - MAX_ARG).bytes());
            v
        }
        _ => arg.to_vec(),
    }
}
