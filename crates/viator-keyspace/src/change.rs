//! Objects that are changed in place, and what follows when that is done: sizes are counted, the index of expiring
//! fields learns of it, and a small collection goes back into its entry.

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
        let changing = match self.changing {
            Some(c) if c.handle == handle => c,
            _ => self.begin_change(handle)?,
        };
        match changing.id {
            Some(id) => self.objects.get_mut(id),
            None => self.changed.as_mut(),
        }
    }

    fn begin_change(&mut self, handle: Handle) -> Option<Changing> {
        self.settle();
        self.before_change(handle);
        let changing = match entry::view(self.arena.bytes(handle)).value {
            Inline::Small(form, bytes) => {
                form.open(bytes, &mut self.changed);
                let size = (form.kind(), form.len(bytes));
                Changing { handle, size, time: form.first_expire(bytes), id: None }
            }
            Inline::Object(id) => {
                let (size, time) = measure(self.objects.get(id)?);
                Changing { handle, size, time, id: Some(id) }
            }
            Inline::Int(_) | Inline::Str { .. } | Inline::List(..) => return None,
        };
        self.changing = Some(changing);
        Some(changing)
    }

    /// Ends the change of an object.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if let Some(c) = self.changing.take() {
            self.end_change(c);
        }
    }

    /// The same, for one who has a handle: returns where that entry is now.
    #[inline]
    pub(crate) fn settled(&mut self, handle: Handle) -> Handle {
        match self.changing.take() {
            Some(c) if c.handle == handle => self.end_change(c),
            Some(c) => {
                self.end_change(c);
                handle
            }
            None => handle,
        }
    }

    fn end_change(&mut self, change: Changing) -> Handle {
        let Changing { handle, size, time, id } = change;
        let mut at = handle;
        let (new_size, new_time);
        match id {
            Some(id) => {
                let Some(object) = self.objects.get(id) else { return handle };
                (new_size, new_time) = measure(object);
                let enters = object.small(true).is_some() && entry::key(self.arena.bytes(handle)).len() <= MAX_KEY;
                if enters && let Some(object) = self.objects.remove(id) {
                    at = self.put_back(handle, *object);
                }
            }
            None => {
                let Some(object) = self.changed.take() else { return handle };
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
        at
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
