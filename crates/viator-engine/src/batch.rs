//! A pipeline's commands, taken together: all are parsed and their keys located first, then the memory they will touch
//! begins to load, and only then are they executed, one after the other.
//!
//! With a million keys a lookup waits for two dependent cache misses. In a batch these waits overlap: what a command
//! costs then is its instructions.

use crate::args::Args;
use crate::dispatch;
use crate::server::Server;
use crate::session::Session;
use crate::table::Entry;
use smallvec::SmallVec;
use viator_keyspace::Loc;
use viator_resp::request::{Limits, Parser};

/// Most commands of a batch.
pub const MAX_COMMANDS: usize = 32;
/// Most keys whose memory is loaded ahead.
const MAX_AHEAD: usize = 256;
/// Most elements of a collection whose memory is loaded ahead.
const MAX_ELEMENTS: usize = 64;

/// A key among a command's arguments, located.
#[derive(Clone, Copy, Debug)]
pub struct Located {
    /// Address of the argument: tells keys of the arguments from other bytes.
    address: usize,
    len: usize,
    /// Where the key lives.
    pub loc: Loc,
}

impl Located {
    /// Locates a key.
    #[inline]
    pub fn new(server: &Server, key: &[u8]) -> Located {
        Located { address: key.as_ptr() as usize, len: key.len(), loc: server.keyspace.locate(key) }
    }

    /// Whether this is the very argument.
    #[inline]
    pub fn is(&self, key: &[u8]) -> bool {
        self.address == key.as_ptr() as usize && self.len == key.len()
    }
}

/// A command of a batch: ranges of the batch's lists.
#[derive(Clone, Copy)]
struct Slot {
    start: usize,
    end: usize,
    args: (usize, usize),
    keys: (usize, usize),
    entry: Option<usize>,
}

/// Arguments for which a batch keeps the memory: 32 commands seldom have more.
const KEPT: usize = 2048;

/// See the module.
#[derive(Default)]
pub struct Batch {
    commands: Vec<Slot>,
    ranges: Vec<(u32, u32)>,
    keys: Vec<Located>,
    /// Commands that look for elements in a collection.
    searching: usize,
}

/// A command of a batch, ready to be executed.
#[derive(Clone, Copy)]
pub struct Prepared<'b, 's> {
    /// The command, if there is such a one and its arity fits.
    pub entry: Option<&'s Entry>,
    /// Its keys.
    pub keys: &'b [Located],
}

impl Batch {
    /// Begins anew.
    #[inline]
    pub fn clear(&mut self) {
        self.commands.clear();
        self.ranges.clear();
        self.keys.clear();
        self.searching = 0;
        if self.ranges.capacity() > KEPT {
            self.ranges.shrink_to(KEPT);
            self.keys.shrink_to(KEPT);
        }
    }

    /// Number of commands.
    #[inline]
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Adds the command at the beginning of `rest`, which is the input from `at` on, if it can be taken whole; returns its
    /// length.
    #[inline]
    pub fn take(
        &mut self,
        parser: &Parser,
        limits: Limits,
        server: &Server,
        session: &mut Session,
        rest: &[u8],
        at: usize,
    ) -> Option<usize> {
        let first = self.ranges.len();
        let n = parser.parse_whole(rest, limits, &mut self.ranges)?;
        self.add(server, session, rest, first, at, at + n);
        Some(n)
    }

    /// Adds the command whose bytes are at `start..end` of the input, which from there on is `rest`; its arguments are
    /// these ranges of it.
    pub fn push(
        &mut self,
        server: &Server,
        session: &mut Session,
        rest: &[u8],
        ranges: &[(u32, u32)],
        start: usize,
        end: usize,
    ) {
        let first = self.ranges.len();
        self.ranges.extend_from_slice(ranges);
        self.add(server, session, rest, first, start, end);
    }

    /// Adds the command whose arguments are the ranges from `first` on.
    #[inline]
    fn add(&mut self, server: &Server, session: &mut Session, rest: &[u8], first: usize, start: usize, end: usize) {
        let args = Args::new(rest, self.ranges.get(first..).unwrap_or_default());
        let first_key = self.keys.len();
        let entry = dispatch::lookup(server, session, args).ok();
        if let Some(e) = entry
            && e.names_keys()
        {
            e.each_key(args, |i| self.keys.push(Located::new(server, args.at(i))));
            self.searching += usize::from(e.names_elements());
        }
        self.commands.push(Slot {
            start,
            end,
            args: (first, self.ranges.len()),
            keys: (first_key, self.keys.len()),
            entry: entry.map(|e| e.id),
        });
    }

    /// Begins to load what the keys' lookups will touch, and then what commands look for in the keys' collections.
    #[inline]
    pub fn load_ahead(&self, server: &Server, db: usize, input: &[u8]) {
        let Some((first, others)) = self.keys.split_first().filter(|(_, others)| !others.is_empty()) else { return };
        // one key is soon in the cache
        if others.iter().any(|k| k.loc != first.loc) {
            let ahead = self.keys.get(..MAX_AHEAD).unwrap_or(&self.keys);
            server.keyspace.load_ahead(db, ahead.iter().map(|k| k.loc));
        }
        if self.searching > 1 {
            self.load_elements(server, db, input);
        }
    }

    /// Begins to load what commands look for in collections: those of one key that follow each other together.
    fn load_elements(&self, server: &Server, db: usize, input: &[u8]) {
        let mut run: Option<(&[u8], Loc)> = None;
        let mut elements: SmallVec<[&[u8]; MAX_ELEMENTS]> = SmallVec::new();
        let load = |run: Option<(&[u8], Loc)>, elements: &mut SmallVec<[&[u8]; MAX_ELEMENTS]>| {
            if let Some((key, loc)) = run
                && elements.len() > 1
                // a shard that is busy is left alone: this only saves time
                && let Some(mut guards) = server.keyspace.try_lock_one(loc.shard())
                && let Some(part) = guards.shard(loc.shard()).db(db)
                && let Some(handle) = part.find(loc, key)
                && let Some(object) = part.object(handle)
            {
                object.load_ahead(elements);
            }
            elements.clear();
        };
        for i in 0..self.commands.len() {
            let Some((args, Prepared { entry: Some(entry), keys: [key] }, _)) = self.get(i, input, server) else {
                continue;
            };
            if !entry.names_elements() {
                continue;
            }
            if run.is_none_or(|(_, loc)| loc != key.loc) {
                load(run, &mut elements);
                run = Some((args.at(1), key.loc));
            }
            entry.each_element(args, |i| {
                if elements.len() < MAX_ELEMENTS {
                    elements.push(args.at(i));
                }
            });
        }
        load(run, &mut elements);
    }

    /// The command at `i`: its arguments, what is known of it, and where its bytes begin and end.
    #[inline]
    pub fn get<'b, 's>(
        &'b self,
        i: usize,
        input: &'b [u8],
        server: &'s Server,
    ) -> Option<(Args<'b>, Prepared<'b, 's>, usize)> {
        let c = self.commands.get(i)?;
        let args = Args::new(input.get(c.start..c.end)?, self.ranges.get(c.args.0..c.args.1)?);
        let entry = c.entry.and_then(|id| server.table.entries().get(id));
        let keys = self.keys.get(c.keys.0..c.keys.1)?;
        Some((args, Prepared { entry, keys }, c.end))
    }
}
