//! The large form of a hash: a table, and the order in which its fields expire.

use super::{Field, SetOutcome, Ttl, some};
use crate::hashing::hash;
use crate::packed::Entry;
use crate::ptable::{PackedTable, Record, Was};
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
pub(super) struct BigHash {
    pub(super) table: PackedTable,
    /// (time, hash of the name) of every field that expires.
    expiring: Option<Box<Expiring>>,
}

#[derive(Clone, Debug, Default)]
struct Expiring(BTreeSet<(u64, u64)>);

impl Default for BigHash {
    fn default() -> Self {
        BigHash { table: PackedTable::new(), expiring: None }
    }
}

fn field(r: Record<'_>) -> Field<'_> {
    Field { name: Entry::Str(r.key), value: Entry::Str(r.value), expire: some(r.expire) }
}

impl BigHash {
    pub(super) fn get(&self, name: &[u8]) -> Option<Field<'_>> {
        self.table.get(name).map(field)
    }

    fn reschedule(&mut self, name: &[u8], old: u64, new: u64) {
        if old == new {
            return;
        }
        let h = hash(name);
        if new != 0 {
            self.expiring.get_or_insert_default().0.insert((new, h));
        }
        if old != 0
            && let Some(e) = &mut self.expiring
        {
            e.0.remove(&(old, h));
            if e.0.is_empty() {
                self.expiring = None;
            }
        }
    }

    /// Sets value and expiration time (0: none).
    pub(super) fn set(&mut self, name: &[u8], value: &[u8], expire: u64) -> SetOutcome {
        let (created, old) = match self.table.set(name, value, expire) {
            Was::Absent => (true, 0),
            Was::Present(old) => (false, old),
        };
        self.reschedule(name, old, expire);
        SetOutcome { created, previous_expire: some(old) }
    }

    pub(super) fn set_with(&mut self, name: &[u8], value: &[u8], ttl: Ttl) -> SetOutcome {
        let expire = match ttl {
            Ttl::At(at) => at,
            Ttl::Clear => 0,
            // Without expiring fields there is nothing to look up.
            Ttl::Keep if self.expiring.is_none() => 0,
            Ttl::Keep => self.table.get(name).map_or(0, |r| r.expire),
        };
        self.set(name, value, expire)
    }

    pub(super) fn set_expire(&mut self, name: &[u8], at: u64) {
        let Some(value) = self.table.get(name).map(|r| r.value.to_vec()) else { return };
        self.set(name, &value, at);
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> bool {
        let Some(old) = self.table.remove(name) else { return false };
        self.reschedule(name, old, 0);
        true
    }

    /// A copy to read from that shares memory; of the times it knows the earliest only.
    pub(super) fn share(&mut self) -> BigHash {
        let first = self.expiring.as_ref().and_then(|e| e.0.first().copied());
        BigHash { table: self.table.share(), expiring: first.map(|f| Box::new(Expiring([f].into()))) }
    }

    pub(super) fn min_expire(&self) -> Option<u64> {
        self.expiring.as_ref()?.0.first().map(|e| e.0)
    }

    pub(super) fn expiring_len(&self) -> usize {
        self.expiring.as_ref().map_or(0, |e| e.0.len())
    }

    /// Removes the field that expires first, if that is before `now`.
    pub(super) fn take_expired(&mut self, now: u64) -> Option<Vec<u8>> {
        let &(at, h) = self.expiring.as_ref()?.0.first()?;
        if now <= at {
            return None;
        }
        let name = self.table.find_expiring(h, at)?.key.to_vec();
        self.remove(&name);
        Some(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        self.table.iter().map(field)
    }

    pub(super) fn random(&self, r: u64) -> Option<Field<'_>> {
        self.table.random(r).map(field)
    }

    pub(super) fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(Field<'a>)) -> u64 {
        self.table.scan_some(cursor, count, |r| visit(field(r)))
    }

    pub(super) fn memory_usage(&self) -> usize {
        // A B-tree's nodes hold eleven 16-byte keys each and are about three quarters full.
        size_of::<BigHash>() + self.table.memory_usage() + self.expiring_len() * 22
    }

    pub(super) fn drop_some(&mut self, n: usize) -> bool {
        if let Some(e) = &mut self.expiring {
            for _ in 0..n {
                e.0.pop_first();
            }
            if !e.0.is_empty() {
                return false;
            }
            self.expiring = None;
        }
        self.table.drop_some(n.div_ceil(8))
    }
}
