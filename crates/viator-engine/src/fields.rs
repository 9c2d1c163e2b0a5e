//! Fields of hashes that expire: removal when somebody comes upon them. The active cycle is in [`crate::expire`].

use crate::config::NotifyFlags;
use crate::keys::ReadKeys;
use crate::propagation;
use viator_data::hash::Hash;
use viator_keyspace::{Content, Handle, Loc};

impl ReadKeys<'_, '_> {
    /// Removes those of the fields that have expired, as [`ReadKeys::expire_now`] removes keys.
    pub fn expire_fields(&mut self, key: &[u8], names: &[&[u8]]) {
        self.expire_fields_only(key, names);
        let db = self.db;
        if !names.is_empty()
            && let Some((loc, handle)) = self.find_in(db, key)
        {
            self.remove_hash_if_empty(db, loc, handle, key);
        }
    }

    /// As [`ReadKeys::expire_fields`], but the hash stays even if it has become empty: the caller adds fields, or removes
    /// it.
    pub fn expire_fields_only(&mut self, key: &[u8], names: &[&[u8]]) {
        if names.is_empty() || self.leaves_expired() {
            return;
        }
        let (db, now) = (self.db, self.expiry_now().max(0).unsigned_abs());
        let Some((loc, handle)) = self.find_in(db, key) else { return };
        let Some(hash) = self.hash_mut(db, loc, handle) else { return };
        let expired = |name: &&[u8]| hash.get(name).is_some_and(|f| !f.is_live(now)) && hash.remove(name);
        let gone: Vec<&[u8]> = names.iter().copied().filter(expired).collect();
        self.fields_gone(db, loc, key, gone.len(), &gone, false);
    }

    /// Removes expired fields of a key of any database, at most `limit`, the earliest first, if it holds a hash. Returns
    /// how many. `apart`: nothing has them go together, and each is a unit of its own in the log.
    pub(crate) fn expire_fields_of(&mut self, db: usize, key: &[u8], limit: usize, apart: bool) -> usize {
        let Some((loc, handle)) = self.find_in(db, key) else { return 0 };
        let now = self.expiry_now().max(0).unsigned_abs();
        let hash = self.object_in(db, loc, handle).and_then(Hash::of);
        if hash.and_then(Hash::min_expire).is_none_or(|at| at >= now) || self.leaves_expired() {
            return 0;
        }
        let listening = self.server.propagation.listening();
        let Some(hash) = self.hash_mut(db, loc, handle) else { return 0 };
        let mut names = Vec::new();
        let gone = hash.take_expired(now, limit, |name| {
            if listening {
                names.push(name.to_vec());
            }
        });
        self.fields_gone(db, loc, key, gone, &names, apart);
        self.remove_hash_if_empty(db, loc, handle, key);
        gone
    }

    /// Puts a hash that the index of expiring fields gave, and that has not lost all of them, back into it.
    pub(crate) fn reindex_fields(&mut self, db: usize, key: &[u8]) {
        if let Some((loc, handle)) = self.find_in(db, key) {
            self.part(db, loc).reindex_fields(handle);
        }
    }

    /// Removes every expired field of a key of the selected database, if it holds a hash.
    pub fn expire_all_fields(&mut self, key: &[u8]) {
        let db = self.db;
        self.expire_fields_of(db, key, usize::MAX, false);
    }

    fn hash_mut(&mut self, db: usize, loc: Loc, handle: Handle) -> Option<&mut Hash> {
        self.part(db, loc).object_mut(handle).and_then(Hash::of_mut)
    }

    /// Tells that fields have expired: how many, and to the log which.
    fn fields_gone(&mut self, db: usize, loc: Loc, key: &[u8], gone: usize, names: &[impl AsRef<[u8]>], apart: bool) {
        if gone == 0 {
            return;
        }
        for name in names {
            propagation::removed_field(self.local, self.server, db, key, name.as_ref());
            if apart {
                propagation::flush(self.local, self.server);
            }
        }
        self.local.stats.counters.expired_fields.add(gone as u64);
        self.event(NotifyFlags::HASH, "hexpired", db, key);
        self.touched_by_expiry(db, loc, key);
    }

    /// A hash that has lost its last field goes.
    fn remove_hash_if_empty(&mut self, db: usize, loc: Loc, handle: Handle, key: &[u8]) {
        if self.object_in(db, loc, handle).is_some_and(|o| o.is_empty()) {
            let lazy = self.cfg().lazyfree_lazy_expire;
            self.take(db, loc, handle, lazy);
            self.event(NotifyFlags::GENERIC, "del", db, key);
        }
    }
}
