//! Access to values of one type: lists, sets, sorted sets, hashes, streams.
//!
//! A handler asks for the structure and gets it, nothing, or [`Error::WrongType`]. One that changes it says so by
//! [`WriteKeys::changed`], and lets a collection that has become empty go by [`WriteKeys::remove_if_empty`].

use crate::config::{Config, NotifyFlags};
use crate::error::Error;
use crate::keys::{ReadKeys, WriteKeys};
use viator_data::{hash, list, set, stream, zset};
use viator_keyspace::{Content, EntryRef, Expiry, Handle, Loc, NewValue, Object, ValueRef};

/// The content of an entry, if it is of this type.
///
/// # Errors
/// [`Error::WrongType`].
pub fn content<'v, T: Content>(entry: &EntryRef<'v>) -> Result<&'v T, Error> {
    match entry.value {
        ValueRef::Object(o) => T::of(o).ok_or(Error::WrongType),
        ValueRef::Int(_) | ValueRef::Str { .. } => Err(Error::WrongType),
    }
}

/// What is behind one of several keys.
enum Found {
    Nothing,
    /// A small collection, of which there is a copy.
    Copied(usize),
    Object(Loc, Handle),
}

impl ReadKeys<'_, '_> {
    /// Gives a sorted set its large form, as SORT does even where it only reads. The members stay what they are.
    pub fn enlarge_zset(&mut self, key: &[u8]) {
        let limits = zset_limits(self.cfg());
        let Some((loc, handle)) = self.find_in(self.db, key) else { return };
        if let Some(Object::Zset(z)) = self.part(self.db, loc).object_mut(handle) {
            z.expect_members(usize::MAX, 0, &limits);
        }
    }

    /// Reads a key that holds a `T`, as [`ReadKeys::lookup`] does.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn read<T: Content>(&mut self, key: &[u8]) -> Result<Option<&T>, Error> {
        self.lookup(key).map(|e| content(&e)).transpose()
    }

    /// Reads several keys at once, each as [`ReadKeys::lookup`] does, in their order.
    ///
    /// # Errors
    /// [`Error::WrongType`] at the first that holds something else; those after it are not looked up.
    pub fn read_many<'k, T: Content>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<&T>>, Error> {
        let found = self.read_objects(keys, |o| T::of(o).is_some())?;
        Ok(found.into_iter().map(|o| o.and_then(T::of)).collect())
    }

    /// As [`ReadKeys::read_many`], of objects that `accepts` takes.
    ///
    /// # Errors
    /// [`Error::WrongType`] at the first that it does not take.
    pub fn read_objects<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
        accepts: impl Fn(&Object) -> bool,
    ) -> Result<Vec<Option<&Object>>, Error> {
        let mut found = Vec::with_capacity(keys.size_hint().0);
        self.copies.clear();
        for key in keys {
            // only expired keys are removed, and those are not found: handles stay valid
            found.push(match self.lookup(key) {
                Some(EntryRef { value: ValueRef::Object(o), within, .. }) if accepts(o) => {
                    if within {
                        let copy = o.clone();
                        self.copies.push(copy);
                        Found::Copied(self.copies.len() - 1)
                    } else {
                        self.find_in(self.db, key).map_or(Found::Nothing, |(loc, handle)| Found::Object(loc, handle))
                    }
                }
                Some(_) => return Err(Error::WrongType),
                None => Found::Nothing,
            });
        }
        let object = |found| match found {
            Found::Nothing => None,
            Found::Copied(n) => self.copies.get(n),
            Found::Object(loc, handle) => self.object_ref(loc, handle),
        };
        Ok(found.into_iter().map(object).collect())
    }
}

impl WriteKeys<'_, '_> {
    /// Reads a key that holds a `T`, for changing it in place; counts neither hit nor miss, touches its LRU bits.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn write<T: Content>(&mut self, key: &[u8]) -> Result<Option<&mut T>, Error> {
        let spot = self.touched_spot(key);
        if !spot.is_occupied() {
            return Ok(None);
        }
        // strings within their entries are no objects
        self.object_mut_at(spot).and_then(T::of_mut).map(Some).ok_or(Error::WrongType)
    }

    /// As [`WriteKeys::write`]; a key that is not there gets what `make` makes of the configuration, and must not be left
    /// empty.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn write_or_new<T: Content>(&mut self, key: &[u8], make: impl FnOnce(&Config) -> T) -> Result<&mut T, Error> {
        let spot = self.touched_spot(key);
        if spot.is_occupied() {
            return self.object_mut_at(spot).and_then(T::of_mut).ok_or(Error::WrongType);
        }
        let value = make(self.cfg());
        self.add_object(spot, key, value.into_object()).and_then(T::of_mut).ok_or(Error::WrongType)
    }

    /// Stores a `T` under a key whatever was there, without an expiry, as [`WriteKeys::set`] does (SUNIONSTORE…).
    pub fn set_content<T: Content>(&mut self, key: &[u8], content: T) {
        self.set(key, NewValue::Object(Box::new(content.into_object())), Expiry::Clear);
    }

    /// Tells that a key of the selected database was changed: watchers, the keyspace event, `n` changes of the dataset.
    pub fn changed(&mut self, class: NotifyFlags, event: &'static str, key: &[u8], n: u64) {
        self.touched(key);
        self.notify(class, event, key);
        self.dirty(n);
    }

    /// Deletes a collection that has become empty, with its "del" event. Returns whether it did.
    pub fn remove_if_empty(&mut self, key: &[u8]) -> bool {
        let empty = self.peek(key).is_some_and(|e| matches!(e.value, ValueRef::Object(o) if o.is_empty()));
        if empty {
            self.delete(key, false);
            self.notify(NotifyFlags::GENERIC, "del", key);
        }
        empty
    }
}

fn at_least_0(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

/// When a hash leaves its listpack.
pub fn hash_limits(cfg: &Config) -> hash::Limits {
    hash::Limits {
        listpack_entries: at_least_0(cfg.hash_max_listpack_entries),
        listpack_value: cfg.hash_max_listpack_value as usize,
    }
}

/// When a set leaves its intset or listpack.
pub fn set_limits(cfg: &Config) -> set::Limits {
    set::Limits {
        intset_entries: at_least_0(cfg.set_max_intset_entries),
        listpack_entries: at_least_0(cfg.set_max_listpack_entries),
        listpack_value: at_least_0(cfg.set_max_listpack_value),
    }
}

/// When a sorted set leaves its listpack.
pub fn zset_limits(cfg: &Config) -> zset::Limits {
    zset::Limits {
        listpack_entries: at_least_0(cfg.zset_max_listpack_entries),
        listpack_value: cfg.zset_max_listpack_value as usize,
    }
}

/// How a list is cut into nodes.
pub fn list_limits(cfg: &Config) -> list::Limits {
    list::Limits {
        fill: cfg.list_max_listpack_size.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32,
        compress_depth: at_least_0(cfg.list_compress_depth),
    }
}

/// How a stream is cut into nodes.
pub fn stream_limits(cfg: &Config) -> stream::Limits {
    stream::Limits {
        node_bytes: cfg.stream_node_max_bytes as usize,
        node_entries: at_least_0(cfg.stream_node_max_entries),
    }
}

/// How values are built that come from a payload or a file.
pub fn rdb_limits(cfg: &Config, distinct: bool) -> viator_persist::Limits {
    viator_persist::Limits {
        hash: hash_limits(cfg),
        list: list_limits(cfg),
        set: set_limits(cfg),
        zset: zset_limits(cfg),
        distinct,
    }
}
