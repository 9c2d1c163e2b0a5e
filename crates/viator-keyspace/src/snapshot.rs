//! What a snapshot sees of a database's shard: every entry as it was when the snapshot began.
//!
//! Each entry has a mark. While there is no snapshot, all entries of a shard have the same one. A snapshot begins by
//! changing what the marks mean, so that no entry has the right one; it walks the slots, takes every entry that does not
//! have it, and marks it. Whoever is about to change an entry without it hands that entry to the snapshot first. Entries
//! that are new get the right mark at once. So every entry is taken exactly once, as it was, wherever the tables move it.

use crate::SLOTS_PER_SHARD;
use crate::arena::Handle;
use crate::db::{DbShard, EntryRef};
use crate::entry::{self, MARK};
use crate::object::Object;
use std::sync::Arc;

/// Who gets the entries that are about to change.
pub trait Saver: Send + Sync {
    /// Takes an entry of a database. May wait, though its shard is locked.
    fn save(&self, db: usize, entry: Captured<'_>);
    /// Takes what is left to save of a database that is emptied.
    fn adopt(&self, part: Box<DbShard>);
}

/// An entry to be saved.
pub struct Captured<'a> {
    /// The entry. Its value is not to be looked at if there is a `copy`.
    pub entry: EntryRef<'a>,
    /// The value, if it is large: a copy that shares memory with it, to be encoded without the lock.
    pub copy: Option<Box<Object>>,
}

pub(crate) struct Saving {
    /// Number that the database had when the snapshot began.
    db: usize,
    /// The slot that is walked now.
    slot: usize,
    to: Arc<dyn Saver>,
}

impl DbShard {
    /// Begins a snapshot of this shard. An earlier one must have ended.
    pub fn begin_saving(&mut self, db: usize, to: &Arc<dyn Saver>) {
        debug_assert!(self.saving.is_none(), "one snapshot at a time");
        self.settle();
        self.mark ^= MARK;
        self.saving = Some(Box::new(Saving { db, slot: 0, to: to.clone() }));
    }

    /// The number that the database had when the snapshot began that still walks this shard.
    pub fn saving_db(&self) -> Option<usize> {
        self.saving.as_ref().map(|s| s.db)
    }

    /// Hands entries that the snapshot does not have to `save`, which tells how much each was, until that comes to
    /// `budget`. Returns whether all were handed over: then the snapshot of this shard has ended.
    pub fn save_some(&mut self, budget: usize, mut save: impl FnMut(usize, Captured<'_>) -> usize) -> bool {
        const AHEAD: usize = 8;
        let Some(Saving { db, slot, .. }) = self.saving.as_deref() else { return true };
        let (db, mut slot) = (*db, *slot);
        let mut left = budget;
        while slot < SLOTS_PER_SHARD {
            let handles = self.slot_handles(slot);
            for &h in handles.iter().take(AHEAD) {
                self.prefetch(Handle(h));
            }
            for (i, &h) in handles.iter().enumerate() {
                if let Some(&later) = handles.get(i + AHEAD) {
                    self.prefetch(Handle(later));
                }
                if let Some(captured) = self.capture(Handle(h)) {
                    left = left.saturating_sub(save(db, captured).max(1));
                    self.set_mark(Handle(h));
                    if left == 0 {
                        if let Some(s) = &mut self.saving {
                            s.slot = slot;
                        }
                        return false;
                    }
                }
            }
            slot += 1;
        }
        self.saving = None;
        true
    }

    /// An entry that the snapshot does not have.
    fn capture(&mut self, handle: Handle) -> Option<Captured<'_>> {
        if entry::mark(self.entry_bytes(handle)) == self.mark {
            return None;
        }
        let large = self.object(handle).is_some_and(Object::is_large);
        let copy = if large { self.share_object(handle).map(Box::new) } else { None };
        Some(Captured { entry: self.get(handle), copy })
    }

    #[cold]
    pub(crate) fn save_before_change(&mut self, handle: Handle) {
        let Some(s) = &self.saving else { return };
        let (db, to) = (s.db, s.to.clone());
        if let Some(captured) = self.capture(handle) {
            to.save(db, captured);
            self.set_mark(handle);
        }
    }

    /// Gives a shard whose database is emptied to the snapshot that still walks it, or back if there is none.
    ///
    /// # Errors
    /// The shard.
    pub fn leave_to_snapshot(mut self: Box<Self>) -> Result<(), Box<DbShard>> {
        self.settle();
        match self.saving.as_ref().map(|s| s.to.clone()) {
            Some(to) => {
                to.adopt(self);
                Ok(())
            }
            None => Err(self),
        }
    }
}
