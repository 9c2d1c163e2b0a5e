//! Values as Redis 8.4 writes them.

use crate::types;
use crate::writer::Writer;
use viator_data::hash::{self, Hash};
use viator_data::list::{List, NodeView};
use viator_data::packed::IntBuf;
use viator_data::set::{self, Set};
use viator_data::zset::{self, ZSet};
use viator_keyspace::{Object, ValueRef};

/// A node of a list is one element.
pub(crate) const PLAIN: u64 = 1;
/// A node of a list is a listpack.
pub(crate) const PACKED: u64 = 2;

impl Writer<'_> {
    /// Type byte and content of a value.
    pub fn value(&mut self, value: ValueRef<'_>) {
        self.kind(value);
        self.content(value);
    }

    /// A value's type byte.
    pub fn kind(&mut self, value: ValueRef<'_>) {
        let kind = match value {
            ValueRef::Int(_) | ValueRef::Str { .. } => types::STRING,
            ValueRef::Object(o) => kind(o),
        };
        self.byte(kind);
    }

    /// A value's content.
    pub fn content(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Int(n) => self.int(n),
            ValueRef::Str { bytes, .. } => self.string(bytes),
            ValueRef::Object(o) => match o {
                Object::Str(bytes) => self.string(bytes),
                Object::List(l) => self.list(l),
                Object::Set(s) => self.set(s),
                Object::Zset(z) => self.zset(z),
                Object::Hash(h) => self.hash(h),
                Object::Stream(s) => self.stream(s),
            },
        }
    }

    fn list(&mut self, list: &List) {
        self.length(list.node_count() as u64);
        for node in list.nodes() {
            match node {
                NodeView::Packed(elements) => {
                    self.length(PACKED);
                    self.string(elements.to_packed().as_bytes());
                }
                NodeView::Plain(bytes) => {
                    self.length(PLAIN);
                    self.string(bytes);
                }
                NodeView::Compressed { data, size, plain } => {
                    self.length(if plain { PLAIN } else { PACKED });
                    self.lzf(data, size);
                }
            }
        }
    }

    fn set(&mut self, set: &Set) {
        if let Some(ints) = set.as_intset() {
            return self.string(ints.as_bytes());
        }
        if let Some(p) = set.as_packed() {
            return self.string(p.as_bytes());
        }
        self.length(set.len() as u64);
        let mut buf = IntBuf::new();
        for member in set.iter() {
            self.string(member.bytes(&mut buf));
        }
    }

    fn zset(&mut self, zset: &ZSet) {
        if let Some(p) = zset.as_packed() {
            return self.string(p.as_bytes());
        }
        if let Some((len, members)) = zset.shared_members() {
            self.length(len as u64);
            for (member, score) in members {
                self.string(member);
                self.raw(&score.to_le_bytes());
            }
            return;
        }
        self.length(zset.len() as u64);
        let mut buf = IntBuf::new();
        // the highest first, as those who load expect
        for (member, score) in zset.range(0..zset.len(), true) {
            self.string(member.bytes(&mut buf));
            self.raw(&score.to_le_bytes());
        }
    }

    fn hash(&mut self, hash: &Hash) {
        let min = hash.min_expire();
        if let Some(p) = hash.as_packed() {
            if hash.encoding() == hash::Encoding::ListpackEx {
                self.millis(min.unwrap_or(0));
            }
            return self.string(p.as_bytes());
        }
        if let Some(min) = min {
            self.millis(min);
        }
        self.length(hash.len() as u64);
        let mut buf = IntBuf::new();
        for f in hash.iter() {
            if let Some(min) = min {
                self.length(f.expire.map_or(0, |at| (at - min.min(at)).saturating_add(1)));
            }
            self.string(f.name.bytes(&mut buf));
            self.string(f.value.bytes(&mut buf));
        }
    }
}

/// The type byte of an object.
fn kind(object: &Object) -> u8 {
    match object {
        Object::Str(_) => types::STRING,
        Object::List(_) => types::LIST_QUICKLIST_2,
        Object::Set(s) => match s.encoding() {
            set::Encoding::Intset => types::SET_INTSET,
            set::Encoding::Listpack => types::SET_LISTPACK,
            set::Encoding::Hashtable => types::SET,
        },
        Object::Zset(z) => match z.encoding() {
            zset::Encoding::Listpack => types::ZSET_LISTPACK,
            zset::Encoding::Skiplist => types::ZSET_2,
        },
        Object::Hash(h) => match h.encoding() {
            hash::Encoding::Listpack => types::HASH_LISTPACK,
            hash::Encoding::ListpackEx => types::HASH_LISTPACK_EX,
            hash::Encoding::Hashtable if h.min_expire().is_some() => types::HASH_METADATA,
            hash::Encoding::Hashtable => types::HASH,
        },
        Object::Stream(_) => types::STREAM_LISTPACKS_3,
    }
}
