//! Values that do not fit into an entry.

use std::sync::Arc;

/// A value with memory of its own.
#[derive(Debug, Clone)]
pub enum Object {
    /// A long string. Shared with replies that are still being sent; a writer copies it only then.
    Str(Arc<Vec<u8>>),
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

#[allow(irrefutable_let_patterns, reason = "there will be other types of objects")]
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
        }
    }

    /// Its size as INFO's keysizes counts it: a string's bytes, another value's elements.
    pub fn len(&self) -> usize {
        match self {
            Object::Str(s) => s.len(),
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
        }
    }

    /// Bytes on the heap, the object itself included.
    pub fn memory(&self) -> usize {
        size_of::<Object>()
            + match self {
                Object::Str(s) => 40 + s.capacity(),
            }
    }

    /// How many allocations freeing it touches, roughly: above 64, freeing goes to the background.
    pub fn free_effort(&self) -> usize {
        match self {
            // one allocation, but unmapping a long one takes as long as touching many
            Object::Str(s) => 1 + (s.capacity() >> 20),
        }
    }
}

/// Objects of a database shard, by number.
#[derive(Default)]
pub(crate) struct Objects {
    slots: Vec<Option<Box<Object>>>,
    free: Vec<u32>,
}

impl Objects {
    pub(crate) fn insert(&mut self, object: Box<Object>) -> u32 {
        match self.free.pop() {
            Some(id) => {
                if let Some(slot) = self.slots.get_mut(id as usize) {
                    *slot = Some(object);
                }
                id
            }
            None => {
                self.slots.push(Some(object));
                (self.slots.len() - 1) as u32
            }
        }
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Box<Object>> {
        let object = self.slots.get_mut(id as usize)?.take();
        if object.is_some() {
            self.free.push(id);
        }
        object
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Object> {
        self.slots.get(id as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Object> {
        self.slots.get_mut(id as usize)?.as_deref_mut()
    }
}
