//! Small collections within their entries: what an entry holds of one are the bytes of its listpack, intset or, of a
//! list, its pack.
//!
//! Nobody works on these bytes. Whoever reads such a value gets an [`Object`] with a copy of them; what was changed is
//! written back ([`crate::DbShard`] does both, and keeps the memory of the copy for the next one). That costs less than
//! the two cache misses to an object with a buffer of its own, and saves both with what the allocator adds to them.

use crate::entry::Inline;
use crate::object::{Object, Type};
use viator_data::hash::{self, Hash};
use viator_data::intset::IntSet;
use viator_data::list::{self, List, Pack};
use viator_data::packed::{self, Packed};
use viator_data::set::Set;
use viator_data::zset::ZSet;

/// Longest listpack, intset or pack kept inside its entry, bytes.
pub(crate) const MAX_SMALL: usize = 2560;
/// One that was longer comes into the entry again when it has so many: not at every turn of one that grows and shrinks.
const AGAIN: usize = MAX_SMALL / 4 * 3;

/// Longest key of an entry that holds a small collection, bytes: entries beyond the arena's classes are costly to move.
pub(crate) const MAX_KEY: usize = 256;

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A hash's listpack.
    Hash,
    /// A listpack of a hash whose fields expire.
    HashEx,
    /// A list's pack.
    List,
    /// A set's listpack.
    Set,
    /// A set's intset.
    Intset,
    /// A sorted set's listpack.
    Zset,
}

impl Form {
    pub(crate) const ALL: [Form; 6] = [Form::Hash, Form::HashEx, Form::List, Form::Set, Form::Intset, Form::Zset];

    pub(crate) fn kind(self) -> Type {
        match self {
            Form::Hash | Form::HashEx => Type::Hash,
            Form::List => Type::List,
            Form::Set | Form::Intset => Type::Set,
            Form::Zset => Type::Zset,
        }
    }

    /// Elements of a collection with these bytes.
    pub(crate) fn len(self, bytes: &[u8]) -> usize {
        match self {
            Form::Hash | Form::Zset => packed::count(bytes) / 2,
            Form::HashEx => packed::count(bytes) / 3,
            Form::List => list::small_len(bytes),
            Form::Set => packed::count(bytes),
            Form::Intset => match bytes.first_chunk::<8>() {
                Some(&[.., a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) as usize,
                None => 0,
            },
        }
    }

    /// When the first field of a hash with these bytes expires.
    #[inline]
    pub(crate) fn first_expire(self, bytes: &[u8]) -> Option<u64> {
        if self == Form::HashEx { hash::first_expire(bytes) } else { None }
    }

    pub(crate) fn object(self, bytes: Vec<u8>) -> Object {
        match self {
            Form::Hash => Object::Hash(Hash::from_packed(Packed::from_own(bytes))),
            Form::HashEx => Object::Hash(Hash::from_packed_ex(Packed::from_own(bytes))),
            Form::List => {
                let mut list = List::new();
                list.pack_mut().into_iter().for_each(|p| p.reload(&bytes));
                Object::List(list)
            }
            Form::Set => Object::Set(Set::from_packed(Packed::from_own(bytes))),
            Form::Intset => Object::Set(Set::from_intset(IntSet::from_own(bytes))),
            Form::Zset => Object::Zset(ZSet::from_packed(Packed::from_own(bytes))),
        }
    }

    /// The same, in the memory of one that was made before.
    #[inline]
    pub(crate) fn open<'r>(self, bytes: &[u8], room: &'r mut Option<Object>) -> &'r mut Object {
        let packed = match (room.as_mut(), self) {
            (Some(Object::Hash(h)), Form::Hash) => h.packed_mut(hash::Encoding::Listpack),
            (Some(Object::Hash(h)), Form::HashEx) => h.packed_mut(hash::Encoding::ListpackEx),
            (Some(Object::List(l)), Form::List) => {
                if let Some(p) = l.pack_mut() {
                    p.reload(bytes);
                    return room.get_or_insert_with(|| self.object(bytes.to_vec()));
                }
                None
            }
            (Some(Object::Set(s)), Form::Set) => s.packed_mut(),
            (Some(Object::Zset(z)), Form::Zset) => z.packed_mut(),
            (Some(Object::Set(s)), Form::Intset) => {
                if let Some(s) = s.intset_mut() {
                    s.reload(bytes);
                    return room.get_or_insert_with(|| self.object(bytes.to_vec()));
                }
                None
            }
            _ => None,
        };
        match packed {
            Some(p) => p.reload(bytes),
            None => *room = None,
        }
        room.get_or_insert_with(|| self.object(bytes.to_vec()))
    }
}

impl Object {
    /// What an entry holds of it, if it is small enough; `apart`: it has memory of its own now.
    #[inline]
    pub(crate) fn small(&self, apart: bool) -> Option<Inline<'_>> {
        let most = if apart { AGAIN } else { MAX_SMALL };
        let (form, bytes) = match self {
            Object::Hash(h) => {
                let form = if h.encoding() == hash::Encoding::Listpack { Form::Hash } else { Form::HashEx };
                (form, h.as_packed()?.as_bytes())
            }
            Object::List(l) => {
                let pack = l.as_pack()?;
                return (pack.small_size()? <= most).then_some(Inline::List(pack));
            }
            Object::Set(s) => match s.as_intset() {
                Some(s) => (Form::Intset, s.as_bytes()),
                None => (Form::Set, s.as_packed()?.as_bytes()),
            },
            Object::Zset(z) => (Form::Zset, z.as_packed()?.as_bytes()),
            Object::Str(_) | Object::Stream(_) => return None,
        };
        (bytes.len() <= most).then_some(Inline::Small(form, bytes))
    }

    /// Gives back what its listpack, intset or pack has in reserve.
    pub(crate) fn shrink_to_fit(&mut self) {
        let packed = match self {
            Object::Hash(h) => {
                let encoding = h.encoding();
                h.packed_mut(encoding)
            }
            Object::List(l) => {
                l.pack_mut().into_iter().for_each(Pack::shrink_to_fit);
                None
            }
            Object::Set(s) => {
                if let Some(s) = s.intset_mut() {
                    s.shrink_to_fit();
                }
                s.packed_mut()
            }
            Object::Zset(z) => z.packed_mut(),
            Object::Str(_) | Object::Stream(_) => None,
        };
        if let Some(p) = packed {
            p.shrink_to_fit();
        }
    }
}
