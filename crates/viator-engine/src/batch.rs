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
use viator_keyspace::{Footprint, Loc};

/// Most commands of a batch.
pub const MAX_COMMANDS: usize = 32;
/// Most keys whose memory is loaded ahead.
const MAX_AHEAD: usize = 256;

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

/// See the module.
#[derive(Default)]
pub struct Batch {
    commands: Vec<Slot>,
    ranges: Vec<(u32, u32)>,
    keys: Vec<Located>,
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
        if self.ranges.capacity() > 64 * 1024 {
            self.ranges = Vec::new();
            self.keys = Vec::new();
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

    /// Adds the command whose bytes are at `start..end` of the input and whose arguments, ranges of these bytes, are given.
    #[inline]
    pub fn push(
        &mut self,
        server: &Server,
        session: &mut Session,
        args: Args<'_>,
        ranges: &[(u32, u32)],
        start: usize,
        end: usize,
    ) {
        let first_range = self.ranges.len();
        self.ranges.extend_from_slice(ranges);
        let first_key = self.keys.len();
        let entry = dispatch::lookup(server, session, args).ok();
        if let Some(e) = entry
            && e.names_keys()
        {
            e.each_key(args, |i| self.keys.push(Located::new(server, args.at(i))));
        }
        self.commands.push(Slot {
            start,
            end,
            args: (first_range, self.ranges.len()),
            keys: (first_key, self.keys.len()),
            entry: entry.map(|e| e.id),
        });
    }

    /// Begins to load what the keys' lookups will touch: their slots, then their buckets, then their entries.
    pub fn load_ahead(&self, server: &Server, db: usize) {
        if self.keys.len() < 2 {
            return;
        }
        let ahead = self.keys.get(..MAX_AHEAD).unwrap_or(&self.keys);
        for step in 0..3 {
            for k in ahead {
                // a shard that is busy is left alone: this only saves time
                let Some(mut guards) = server.keyspace.try_lock_one(k.loc.shard()) else { continue };
                debug_assert!(guards.held().covers(Footprint::NONE.with(k.loc.shard())));
                if let Some(part) = guards.shard(k.loc.shard()).db(db) {
                    match step {
                        0 => part.prefetch_slot(k.loc),
                        1 => part.prefetch_bucket(k.loc),
                        _ => part.prefetch_entry(k.loc),
                    }
                }
            }
        }
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
