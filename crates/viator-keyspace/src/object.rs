//! Values that do not fit into an entry.

use std::sync::Arc;
use viator_data::hash::Hash;
use viator_data::list::List;
use viator_data::room::good_size;
use viator_data::set::Set;
use viator_data::stream::Stream;
use viator_data::zset::ZSet;

/// Strings over this many bytes are large.
const LARGE_STRING: usize = 16 << 10;
/// Collections over this many elements are large.
const LARGE_COLLECTION: usize = 1000;

/// A value with memory of its own.
#[derive(Debug, Clone)]
pub enum Object {
    /// A long string. Shared with replies that are still being sent; a writer copies it only then.
    Str(Arc<Vec<u8>>),
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A sorted set.
    Zset(ZSet),
    /// A hash.
    Hash(Hash),
    /// A stream. Boxed, since it is larger than the others.
    Stream(Box<Stream>),
}

/// A structure that is a value's content, for code that works on values of one type.
pub trait Content: Sized {
    /// The type of such values.
    const TYPE: Type;
    /// The content of an object of this type.
    fn of(object: &Object) -> Option<&Self>;
    /// The content of an object of this type, for changing it.
    fn of_mut(object: &mut Object) -> Option<&mut Self>;
    /// The object with this content.
    fn into_object(self) -> Object;
}

macro_rules! content {
    ($($variant:ident: $ty:ty;)*) => {$(
        impl Content for $ty {
            const TYPE: Type = Type::$variant;
            fn of(object: &Object) -> Option<&Self> {
                if let Object::$variant(c) = object { Some(c) } else { None }
            }
            fn of_mut(object: &mut Object) -> Option<&mut Self> {
                if let Object::$variant(c) = object { Some(c) } else { None }
            }
            fn into_object(self) -> Object {
                Object::$variant(self.into())
            }
        }
    )*};
}

content! {
    List: List;
    Set: Set;
    Zset: ZSet;
    Hash: Hash;
    Stream: Stream;
}

/// The types of values, as TYPE names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[expect(missing_docs, reason = "the names are TYPE's own")]
pub enum Type {
    String,
    List,
    Set,
    Zset,
    Hash,
    Stream,
}

impl Type {
    /// Every type.
    pub const ALL: [Type; 6] = [Type::String, Type::List, Type::Set, Type::Zset, Type::Hash, Type::Stream];

    /// What TYPE answers.
    pub const fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::Zset => "zset",
            Type::Hash => "hash",
            Type::Stream => "stream",
        }
    }
}

impl Object {
    /// The string, if it is one.
    #[inline]
    pub fn as_str(&self) -> Option<&Arc<Vec<u8>>> {
        if let Object::Str(s) = self { Some(s) } else { None }
    }

    /// The string, if it is one, for changing it.
    #[inline]
    pub fn as_str_mut(&mut self) -> Option<&mut Arc<Vec<u8>>> {
        if let Object::Str(s) = self { Some(s) } else { None }
    }

    /// Its type.
    pub fn kind(&self) -> Type {
        match self {
            Object::Str(_) => Type::String,
            Object::List(_) => Type::List,
            Object::Set(_) => Type::Set,
            Object::Zset(_) => Type::Zset,
            Object::Hash(_) => Type::Hash,
            Object::Stream(_) => Type::Stream,
        }
    }

    /// Its size as INFO's keysizes counts it: a string's bytes, another value's elements.
    pub fn len(&self) -> usize {
        match self {
            Object::Str(s) => s.len(),
            Object::List(l) => l.len(),
            Object::Set(s) => s.len(),
            Object::Zset(z) => z.len(),
            Object::Hash(h) => h.len(),
            Object::Stream(s) => s.len(),
        }
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(&self) -> &'static str {
        match self {
            Object::Str(_) => "raw",
            Object::List(l) => l.encoding().name(),
            Object::Set(s) => s.encoding().name(),
            Object::Zset(z) => z.encoding().name(),
            Object::Hash(h) => h.encoding().name(),
            Object::Stream(_) => "stream",
        }
    }

    /// Bytes on the heap, the object itself included.
    pub fn memory(&self) -> usize {
        size_of::<Object>()
            + match self {
                Object::Str(s) => 40 + s.capacity(),
                Object::List(l) => l.memory_usage(),
                Object::Set(s) => s.memory_usage(),
                Object::Zset(z) => z.memory_usage(),
                Object::Hash(h) => h.memory_usage(),
                Object::Stream(s) => size_of::<Stream>() + s.memory_usage(),
            }
    }

    /// Whether encoding it takes longer than anybody should wait for: snapshots then take a copy that shares its memory
    /// with it.
    pub fn is_large(&self) -> bool {
        match self {
            Object::Str(s) => s.len() > LARGE_STRING,
            o => o.len() > LARGE_COLLECTION,
        }
    }

    /// Begins to load what looking for these members or fields will touch.
    pub fn load_ahead(&self, elements: &[&[u8]]) {
        match self {
            Object::Set(s) => s.load_ahead(elements),
            Object::Hash(h) => h.load_ahead(elements),
            Object::Str(_) | Object::List(_) | Object::Zset(_) | Object::Stream(_) => {}
        }
    }

    /// A copy, to be encoded and dropped, that shares memory with it: what is changed afterwards is copied then, a page
    /// or a few nodes at a time.
    pub fn share(&mut self) -> Object {
        match self {
            Object::Str(s) => Object::Str(s.clone()),
            Object::List(l) => Object::List(l.share()),
            Object::Set(s) => Object::Set(s.share()),
            Object::Zset(z) => Object::Zset(z.share()),
            Object::Hash(h) => Object::Hash(h.share()),
            Object::Stream(s) => Object::Stream(Box::new(s.share())),
        }
    }

    /// How many allocations freeing it touches, roughly: above 64, freeing goes to the background.
    pub fn free_effort(&self) -> usize {
        match self {
            // one allocation, but unmapping a long one takes as long as touching many
            Object::Str(s) => 1 + (s.capacity() >> 20),
            Object::List(l) => l.node_count(),
            Object::Set(s) if s.encoding() == viator_data::set::Encoding::Hashtable => s.len(),
            Object::Zset(z) if z.encoding() == viator_data::zset::Encoding::Skiplist => z.len(),
            Object::Hash(h) if h.encoding() == viator_data::hash::Encoding::Hashtable => h.len(),
            Object::Set(_) | Object::Zset(_) | Object::Hash(_) => 1,
            Object::Stream(s) => {
                s.log().node_count() + s.groups().map(|(_, g)| g.pending_len() + g.consumer_count()).sum::<usize>()
            }
        }
    }
}

/// Objects of a database shard, by number: in pages, which cost no allocation and no pointer for each, never move, and go
/// when the last of their objects does.
#[derive(Default)]
pub(crate) struct Objects {
    pages: Vec<Page>,
    /// Pages with room, and some that had it.
    open: Vec<u32>,
}

/// Objects of a page.
const PAGE: usize = 512;

#[derive(Default)]
struct Page {
    slots: Vec<Option<Object>>,
    free: Vec<u16>,
    /// Whether it is among the open ones.
    listed: bool,
}

impl Page {
    /// Stores an object, unless the page is full: then it comes back.
    fn insert(&mut self, object: Object) -> Result<usize, Object> {
        if let Some(at) = self.free.pop() {
            let at = usize::from(at);
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = Some(object);
            }
            return Ok(at);
        }
        let at = self.slots.len();
        if at == PAGE {
            return Err(object);
        }
        if at == self.slots.capacity() {
            let bytes = good_size((at + at / 8 + 1) * size_of::<Option<Object>>());
            self.slots.reserve_exact((bytes / size_of::<Option<Object>>()).min(PAGE) - at);
        }
        self.slots.push(Some(object));
        Ok(at)
    }

    fn remove(&mut self, at: usize) -> Option<Object> {
        let object = self.slots.get_mut(at)?.take()?;
        self.free.push(at as u16);
        if self.free.len() == self.slots.len() {
            (self.slots, self.free) = (Vec::new(), Vec::new());
        }
        Some(object)
    }
}

impl Objects {
    pub(crate) fn insert(&mut self, mut object: Object) -> u32 {
        loop {
            let number = match self.open.last() {
                Some(&number) => number,
                None => {
                    if self.pages.len() == self.pages.capacity() {
                        self.pages.reserve_exact(self.pages.len() / 8 + 1);
                    }
                    self.pages.push(Page { listed: true, ..Page::default() });
                    self.open.push((self.pages.len() - 1) as u32);
                    continue;
                }
            };
            let Some(page) = self.pages.get_mut(number as usize) else {
                self.open.pop();
                continue;
            };
            match page.insert(object) {
                Ok(at) => return number * PAGE as u32 + at as u32,
                Err(back) => {
                    object = back;
                    page.listed = false;
                    self.open.pop();
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Box<Object>> {
        let number = id / PAGE as u32;
        let page = self.pages.get_mut(number as usize)?;
        let object = page.remove(id as usize % PAGE)?;
        if !std::mem::replace(&mut page.listed, true) {
            self.open.push(number);
        }
        Some(Box::new(object))
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&Object> {
        self.pages.get(id as usize / PAGE)?.slots.get(id as usize % PAGE)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Object> {
        self.pages.get_mut(id as usize / PAGE)?.slots.get_mut(id as usize % PAGE)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_small() {
        assert!(size_of::<Option<Object>>() <= 32, "{}", size_of::<Object>());
    }

    fn string(n: u32) -> Object {
        Object::Str(Arc::new(n.to_le_bytes().to_vec()))
    }

    /// Objects come and go; each keeps its number, and numbers are used again.
    #[test]
    fn objects_by_number() {
        let mut objects = Objects::default();
        let mut there = std::collections::BTreeMap::new();
        let mut random = 1u64;
        for n in 0..20_000u32 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // more come at first, more go later
            if (random >> 33) % 10 < if n < 10_000 { 7 } else { 3 } {
                let id = objects.insert(string(n));
                assert_eq!(there.insert(id, n), None);
            } else if let Some((&id, _)) = there.range((random >> 40) as u32 % 3000..).next() {
                let n = there.remove(&id).unwrap();
                assert_eq!(objects.remove(id).unwrap().as_str().unwrap()[..], n.to_le_bytes());
                assert!(objects.remove(id).is_none());
            }
        }
        for (&id, n) in &there {
            assert_eq!(objects.get(id).unwrap().as_str().unwrap()[..], n.to_le_bytes());
            assert!(objects.get_mut(id).is_some());
        }
        assert!(objects.pages.len() < 12, "{}", objects.pages.len());
        for id in there.into_keys() {
            objects.remove(id).unwrap();
        }
        assert!(objects.pages.iter().all(|p| p.slots.capacity() == 0 && p.free.capacity() == 0));
    }
}
