//! Objects that are changed in place, and what follows when that is done: sizes are counted, the index of expiring
//! fields learns of it, and a small collection goes back into its entry.

use crate::Loc;
use crate::arena::{self, Handle};
use crate::db::DbShard;
use crate::entry::{self, Inline};
use crate::object::{Object, Type};
use crate::small::MAX_KEY;

/// An entry whose object somebody may have changed since it was counted.
#[derive(Clone, Copy)]
pub(crate) struct Changing {
    pub(crate) handle: Handle,
    /// What it counts as in `sizes`.
    size: (Type, usize),
    /// When its first field expires as `fields` has it.
    time: Option<u64>,
    /// The number of the object, if the entry holds one; else it is `changed`.
    id: Option<u32>,
}

impl DbShard {
    /// The object of an entry, for changing it in place. The entry may move when the next one is looked at.
    #[inline]
    pub fn object_mut(&mut self, handle: Handle) -> Option<&mut Object> {
        if self.changing.as_ref().is_none_or(|c| c.handle != handle) {
            self.begin_change(handle)?;
        }
        match self.changing.as_ref()?.id {
            Some(id) => self.objects.get_mut(id),
            None => self.changed.as_mut(),
        }
    }

    /// Adds a key that is known to be absent, with an object that [`DbShard::object_mut`] then gives.
    pub fn insert_changing(&mut self, loc: Loc, key: &[u8], object: Object, lru: u32) -> Handle {
        self.settle();
        let (size, time) = measure(&object);
        let (handle, id) = match object.small(false).filter(|_| key.len() <= MAX_KEY) {
            Some(small) => {
                let handle = self.insert_inline(loc, key, small, None, lru);
                self.changed = Some(object);
                (handle, None)
            }
            None => {
                let id = self.objects.insert(object);
                (self.insert_inline(loc, key, Inline::Object(id), None, lru), Some(id))
            }
        };
        self.changing = Some(Changing { handle, size, time, id });
        handle
    }

    fn begin_change(&mut self, handle: Handle) -> Option<()> {
        self.settle();
        self.before_change(handle);
        let slot = self.arena.bytes(handle);
        self.changing = if let Some(id) = entry::object(slot) {
            let (size, time) = measure(self.objects.get(id)?);
            Some(Changing { handle, size, time, id: Some(id) })
        } else if let Inline::Small(form, bytes) = entry::view(slot).value {
            form.open(bytes, &mut self.changed);
            let size = (form.kind(), form.len(bytes));
            Some(Changing { handle, size, time: form.first_expire(bytes), id: None })
        } else {
            return None;
        };
        Some(())
    }

    /// Ends the change of an object.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if self.changing.is_some() {
            self.end_change();
        }
    }

    /// The same, for one who has a handle: returns where that entry is now.
    #[inline]
    pub(crate) fn settled(&mut self, handle: Handle) -> Handle {
        match &self.changing {
            Some(c) if c.handle == handle => self.end_change().unwrap_or(handle),
            Some(_) => {
                self.end_change();
                handle
            }
            None => handle,
        }
    }

    /// Returns where the entry is now.
    fn end_change(&mut self) -> Option<Handle> {
        let Changing { handle, size, time, id } = self.changing.take()?;
        let mut at = handle;
        let (new_size, new_time);
        match id {
            Some(id) => {
                let object = self.objects.get(id)?;
                (new_size, new_time) = measure(object);
                let enters = object.small(true).is_some() && entry::key(self.arena.bytes(handle)).len() <= MAX_KEY;
                if enters && let Some(object) = self.objects.remove(id) {
                    at = self.put_back(handle, *object);
                }
            }
            None => {
                let object = self.changed.take()?;
                (new_size, new_time) = measure(&object);
                at = self.put_back(handle, object);
            }
        }
        self.sizes.replace(size, new_size);
        if at == handle {
            self.fields_changed(handle, time, new_time);
        } else {
            self.fields_changed(handle, time, None);
            self.fields_changed(at, None, new_time);
        }
        Some(at)
    }

    /// Has an entry hold a collection, as its bytes if it is small. Keeps the memory of such a one for the next.
    fn put_back(&mut self, handle: Handle, mut object: Object) -> Handle {
        if let Some(small) = object.small(false) {
            let at = self.set_value(handle, small);
            self.changed = Some(object);
            return at;
        }
        object.shrink_to_fit();
        let id = self.objects.insert(object);
        self.set_value(handle, Inline::Object(id))
    }

    /// Overwrites the value of an entry by a collection. Returns where the entry is now.
    fn set_value(&mut self, handle: Handle, value: Inline<'_>) -> Handle {
        let slot = self.arena.bytes(handle);
        let head = entry::value_at(slot);
        let need = head + entry::value_len(value);
        if arena::slot_bytes(need) == arena::slot_bytes(entry::len(slot)) {
            entry::set_value(self.arena.bytes_mut(handle), value);
            return handle;
        }
        let at = self.arena.alloc(need);
        self.arena.copy(handle, at, head);
        self.arena.free(handle);
        let slot = self.arena.bytes_mut(at);
        entry::set_value(slot, value);
        let expire = entry::expire(slot);
        let loc = self.seed.locate(entry::key(slot));
        self.redirect(loc, handle, at);
        if let Some(when) = expire {
            self.index_expiry(loc, at, when, false);
        }
        self.report();
        at
    }
}

/// What an object counts as, and when its first field expires.
#[inline]
fn measure(object: &Object) -> ((Type, usize), Option<u64>) {
    let time = if let Object::Hash(hash) = object { hash.min_expire() } else { None };
    ((object.kind(), object.len()), time)
}
