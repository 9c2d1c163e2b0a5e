//! The list: one [`Pack`] while it is small, a row of them when it is not: what Redis calls listpack and quicklist.
//!
//! A pack knows how long the listpack with its elements would be, and that size decides as it does in Redis.
//! `list-max-listpack-size` bounds a listpack by bytes (negative: 4, 8, 16, 32 or 64 KiB) or by elements; elements over
//! the bound have a node of their own. `list-compress-depth` asks for the nodes further than that from either end to be
//! compressed with LZF. A list over one listpack's bound becomes a quicklist, and goes back when it has shrunk to half.
//!
//! Because elements may be compressed, they are read through closures; nothing is copied that does not have to be.

mod node;
mod pack;
mod quick;
mod spine;
#[cfg(test)]
mod tests;

use crate::packed::{Entry, Packed};
use node::Node;
pub use pack::{Pack, small_len};
use quick::Quick;

/// Node sizes of `list-max-listpack-size` -1 to -5.
const SIZES: [usize; 5] = [4096, 8192, 16384, 32768, 65536];
/// Most bytes of a node that is bounded by its elements.
const SAFE_SIZE: usize = 8192;

/// The configuration of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `list-max-listpack-size`.
    pub fill: i32,
    /// `list-compress-depth`.
    pub compress_depth: usize,
}

impl Default for Limits {
    /// Redis's defaults.
    fn default() -> Self {
        Limits { fill: -2, compress_depth: 0 }
    }
}

impl Limits {
    /// The bound in bytes, or else in elements.
    fn bound(&self) -> Result<usize, usize> {
        match usize::try_from(self.fill) {
            Ok(count) => Err(count.max(1)),
            Err(_) => {
                let class = (self.fill.unsigned_abs() as usize).min(SIZES.len()) - 1;
                Ok(SIZES.get(class).copied().unwrap_or(SAFE_SIZE))
            }
        }
    }

    fn exceeded(&self, bytes: usize, count: usize) -> bool {
        match self.bound() {
            Ok(size) => bytes > size,
            Err(most) => bytes > SAFE_SIZE || count > most,
        }
    }

    fn fits_half(&self, bytes: usize, count: usize) -> bool {
        match self.bound() {
            Ok(size) => bytes <= size / 2,
            Err(most) => count <= most / 2,
        }
    }

    /// Whether an element of this size gets a node of its own.
    fn is_large(&self, len: usize) -> bool {
        len > self.bound().unwrap_or(SAFE_SIZE)
    }
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The left one, index 0.
    Front,
    /// The right one, index -1.
    Back,
}

/// How a list is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One listpack.
    Listpack,
    /// Several nodes.
    Quicklist,
}

impl Encoding {
    /// The name OBJECT ENCODING gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Listpack => "listpack",
            Encoding::Quicklist => "quicklist",
        }
    }
}

/// A node of a list, for those who write it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeView<'a> {
    /// Several elements.
    Packed(&'a Pack),
    /// One large element.
    Plain(&'a [u8]),
    /// LZF data.
    Compressed {
        /// The compressed bytes, of a listpack if not `plain`.
        data: &'a [u8],
        /// Size before compression.
        size: usize,
        /// Whether it is one large element rather than a listpack.
        plain: bool,
    },
}

impl NodeView<'_> {
    /// Bytes without compression, of several elements as a listpack.
    pub fn plain_len(&self) -> usize {
        match self {
            NodeView::Packed(p) => p.packed_len(),
            NodeView::Plain(b) => b.len(),
            NodeView::Compressed { size, .. } => *size,
        }
    }
}

/// A list of byte strings.
#[derive(Clone, Debug)]
pub struct List {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    Packed(Box<Pack>),
    Quick(Box<Quick>),
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    /// An empty list, small.
    pub fn new() -> Self {
        List { repr: Repr::Packed(Box::default()) }
    }

    /// A list of a listpack's elements; [`List::fit`] makes a quicklist of it if it is too large for one.
    pub fn from_packed(elements: &Packed) -> Self {
        List { repr: Repr::Packed(Box::new(elements.into())) }
    }

    /// Appends a whole node, for a list that is being loaded: a listpack (an empty one is ignored). The list becomes a
    /// quicklist; call [`List::fit`] after the last node.
    pub fn push_packed_node(&mut self, elements: &Packed) {
        if !elements.is_empty() {
            self.push_node(Node::Packed(elements.into()));
        }
    }

    /// Appends a whole node, for a list that is being loaded: one large element.
    pub fn push_plain_node(&mut self, element: Vec<u8>) {
        self.push_node(Node::Plain(element.into()));
    }

    /// A list of these elements, in the encoding that fits its size when it is complete, as SORT makes its result.
    pub fn of<V: AsRef<[u8]>>(values: &[V], limits: &Limits) -> List {
        let mut list = List::new();
        list.make_quick();
        if let Repr::Quick(q) = &mut list.repr {
            values.iter().for_each(|v| q.push(End::Back, v.as_ref(), limits));
        }
        list.fit(limits);
        list
    }

    /// Chooses the encoding that fits the size, and compresses, after a list was loaded.
    pub fn fit(&mut self, limits: &Limits) {
        match &mut self.repr {
            Repr::Packed(p) => {
                if limits.exceeded(p.packed_len(), p.len()) {
                    self.make_quick();
                }
            }
            Repr::Quick(q) => {
                let only = q.spine.first().filter(|_| q.spine.nodes() == 1);
                let fits = |n: &Node| matches!(n, Node::Packed(p) if !limits.exceeded(p.packed_len(), p.len()));
                let only = only.filter(|&at| q.spine.get(at).is_some_and(fits));
                match only.and_then(|at| q.spine.remove(at)) {
                    Some(Node::Packed(p)) => self.repr = Repr::Packed(p.into()),
                    _ => q.settle_all(limits),
                }
            }
        }
    }

    fn make_quick(&mut self) {
        if let Repr::Packed(p) = &mut self.repr {
            self.repr = Repr::Quick(Box::new(Quick::of(core::mem::take(p))));
        }
    }

    fn push_node(&mut self, node: Node) {
        self.make_quick();
        if let Repr::Quick(q) = &mut self.repr {
            q.spine.push_back(node);
        }
    }

    /// Makes room for elements of so many bytes in all: becomes a quicklist if they are too much for a listpack.
    pub fn make_room(&mut self, count: usize, bytes: usize, limits: &Limits) {
        if let Repr::Packed(p) = &self.repr
            && limits.exceeded(p.packed_len().saturating_add(bytes), p.len().saturating_add(count))
        {
            self.make_quick();
        }
    }

    /// Becomes a listpack again if it has shrunk enough.
    fn shrink(&mut self, limits: &Limits) {
        if let Repr::Quick(q) = &mut self.repr
            && let Some(p) = q.take_small(limits)
        {
            self.repr = Repr::Packed(p.into());
        }
    }

    /// A copy that shares memory with this one, until either is changed.
    pub fn share(&mut self) -> List {
        match &mut self.repr {
            Repr::Quick(q) => List { repr: Repr::Quick(Box::new(q.share())) },
            Repr::Packed(_) => self.clone(),
        }
    }

    /// The encoding.
    pub fn encoding(&self) -> Encoding {
        match &self.repr {
            Repr::Packed(_) => Encoding::Listpack,
            Repr::Quick(_) => Encoding::Quicklist,
        }
    }

    /// The elements, in the encoding listpack.
    pub fn as_pack(&self) -> Option<&Pack> {
        match &self.repr {
            Repr::Packed(p) => Some(p),
            Repr::Quick(_) => None,
        }
    }

    /// The same, for [`Pack::reload`].
    pub fn pack_mut(&mut self) -> Option<&mut Pack> {
        match &mut self.repr {
            Repr::Packed(p) => Some(p),
            Repr::Quick(_) => None,
        }
    }

    /// The nodes in order; a small list is one node.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView<'_>> {
        let (only, quick) = match &self.repr {
            Repr::Packed(p) => (Some(NodeView::Packed(p)), None),
            Repr::Quick(q) => (None, Some(q)),
        };
        only.into_iter().chain(quick.into_iter().flat_map(|q| q.spine.iter()).map(|n| match n {
            Node::Packed(p) => NodeView::Packed(p),
            Node::Plain(b) => NodeView::Plain(b),
            Node::Lzf(c) => NodeView::Compressed { data: &c.data, size: c.size, plain: c.plain },
        }))
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        match &self.repr {
            Repr::Packed(_) => 1,
            Repr::Quick(q) => q.nodes(),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Packed(p) => p.len(),
            Repr::Quick(q) => q.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes held.
    pub fn memory_usage(&self) -> usize {
        match &self.repr {
            Repr::Packed(p) => size_of::<Pack>() + p.memory_usage(),
            Repr::Quick(q) => size_of::<Quick>() + q.spine.memory_usage(),
        }
    }

    /// The index that a command's argument means: negative ones count from the end. `None` out of range.
    pub fn resolve(&self, index: i64) -> Option<usize> {
        let len = self.len();
        let index = match usize::try_from(index) {
            Ok(i) => i,
            Err(_) => len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
        };
        (index < len).then_some(index)
    }

    /// Pushes values one after the other at an end. All of them count when the encoding is chosen, as in Redis.
    pub fn push<V: AsRef<[u8]>>(&mut self, end: End, values: &[V], limits: &Limits) {
        self.make_room(values.len(), values.iter().map(|v| v.as_ref().len()).sum(), limits);
        for value in values {
            let value = value.as_ref();
            match &mut self.repr {
                Repr::Packed(p) => p.push(end, value, false),
                Repr::Quick(q) => q.push(end, value, limits),
            }
        }
    }

    /// Takes the element at an end; what `take` makes of it is returned.
    pub fn pop<R>(&mut self, end: End, limits: &Limits, take: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        match &mut self.repr {
            Repr::Packed(p) => p.pop(end, take),
            Repr::Quick(q) => {
                let taken = q.pop(end, limits, take);
                self.shrink(limits);
                taken
            }
        }
    }

    /// Takes the element at one end and pushes it at another (or the same); the encoding is chosen when all is done.
    /// Returns the element.
    pub fn rotate(&mut self, from: End, to: End, limits: &Limits) -> Option<Vec<u8>> {
        let value = match &mut self.repr {
            Repr::Packed(_) => self.pop(from, limits, |e| e.to_vec()),
            Repr::Quick(q) => q.pop(from, limits, |e| e.to_vec()),
        }?;
        self.push(to, &[&value], limits);
        self.shrink(limits);
        Some(value)
    }

    /// Reads the element of this index.
    pub fn get<R>(&self, index: usize, read: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        match &self.repr {
            Repr::Packed(p) => p.get(index).map(read),
            Repr::Quick(q) => q.get(index, read),
        }
    }

    /// Visits elements from this index on, towards the back or (`reverse`) the front, until `visit` returns false.
    pub fn visit(&self, index: usize, reverse: bool, mut visit: impl FnMut(Entry<'_>) -> bool) {
        match &self.repr {
            Repr::Packed(p) => {
                p.visit(index, reverse, visit);
            }
            Repr::Quick(q) => q.visit(index, reverse, &mut visit),
        }
    }

    /// Visits all elements in order.
    pub fn for_each(&self, mut visit: impl FnMut(Entry<'_>)) {
        self.visit(0, false, |e| {
            visit(e);
            true
        });
    }

    /// Visits `count` elements from `start` on in order, as LRANGE returns them.
    pub fn for_range(&self, start: usize, count: usize, mut each: impl FnMut(Entry<'_>)) {
        let mut left = count;
        if left > 0 {
            self.visit(start, false, |e| {
                each(e);
                left -= 1;
                left > 0
            });
        }
    }

    /// Indexes of elements equal to `value`, as LPOS finds them: after `skip` others that are equal, up to `count` (0:
    /// all), looking at `max_len` elements (0: all), from the back if `reverse`.
    pub fn positions(
        &self,
        value: &[u8],
        skip: usize,
        count: usize,
        max_len: usize,
        reverse: bool,
        mut found: impl FnMut(usize),
    ) {
        let Some(last) = self.len().checked_sub(1) else { return };
        let (mut skip, mut seen, mut hits) = (skip, 0, 0);
        self.visit(if reverse { last } else { 0 }, reverse, |e| {
            if e.eq_bytes(value) {
                if skip > 0 {
                    skip -= 1;
                } else {
                    found(if reverse { last - seen } else { seen });
                    hits += 1;
                }
            }
            seen += 1;
            (count == 0 || hits < count) && (max_len == 0 || seen < max_len)
        });
    }

    /// The index of the first element equal to `value`.
    pub fn position(&self, value: &[u8]) -> Option<usize> {
        let mut at = None;
        self.positions(value, 0, 1, 0, false, |i| at = Some(i));
        at
    }

    /// Replaces the element of this index; whether there is one.
    pub fn set(&mut self, index: usize, value: &[u8], limits: &Limits) -> bool {
        if index >= self.len() {
            return false;
        }
        self.make_room(1, value.len(), limits);
        match &mut self.repr {
            Repr::Packed(p) => p.replace(index, value),
            Repr::Quick(q) => {
                q.set(index, value, limits);
            }
        }
        self.shrink(limits);
        true
    }

    /// Inserts a value before the element of this index; at the end if there is none.
    pub fn insert(&mut self, index: usize, value: &[u8], limits: &Limits) {
        self.make_room(1, value.len(), limits);
        match &mut self.repr {
            Repr::Packed(p) => p.insert(index, value),
            Repr::Quick(q) => q.insert(index, false, value, limits),
        }
    }

    /// Inserts a value before or after the first element equal to `pivot`; whether there is one.
    pub fn insert_by(&mut self, pivot: &[u8], after: bool, value: &[u8], limits: &Limits) -> bool {
        let Some(at) = self.position(pivot) else { return false };
        self.make_room(1, value.len(), limits);
        match &mut self.repr {
            Repr::Packed(p) => p.insert(at + usize::from(after), value),
            Repr::Quick(q) => q.insert(at, after, value, limits),
        }
        true
    }

    /// Removes elements equal to `value`: the first `count`, the last `-count`, or with 0 all. Returns how many.
    pub fn remove_value(&mut self, value: &[u8], count: i64, limits: &Limits) -> usize {
        let limit = match usize::try_from(count.unsigned_abs()) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(n) => n,
        };
        let removed = match &mut self.repr {
            Repr::Packed(p) => p.remove_value(value, limit, count < 0),
            Repr::Quick(q) => q.remove_value(value, limit, count < 0, limits),
        };
        if removed > 0 {
            self.shrink(limits);
        }
        removed
    }

    /// Removes `count` elements from `start` on.
    pub fn remove_range(&mut self, start: usize, count: usize, limits: &Limits) {
        match &mut self.repr {
            Repr::Packed(p) => p.remove_range(start, count),
            Repr::Quick(q) => q.remove_range(start, count, limits),
        }
        self.shrink(limits);
    }

    /// Keeps only the `count` elements from `start` on.
    pub fn trim(&mut self, start: usize, count: usize, limits: &Limits) {
        let end = start.saturating_add(count).min(self.len());
        self.remove_range(end, usize::MAX, limits);
        self.remove_range(0, start, limits);
    }

    /// Frees part of a list that is to be thrown away, up to `n` nodes; whether nothing is left.
    pub fn drop_some(&mut self, n: usize) -> bool {
        match &mut self.repr {
            Repr::Packed(_) => true,
            Repr::Quick(q) => q.drop_some(n),
        }
    }
}
