//! A node of a long list: several elements, one large element, or either of them compressed.

use super::End;
use super::pack::Pack;
use crate::lzf::{self, Compressor};
use crate::packed::{Entry, Packed};
use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    /// The compressor's table: scratch space that is too large to set up for every node.
    static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new());
}

/// Smaller nodes are not worth compressing.
const MIN_COMPRESS: usize = 48;
/// What compression has to save at least.
const MIN_SAVED: usize = 8;

#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Several elements.
    Packed(Pack),
    /// One large element; like what is compressed it is replaced, never changed, so copies of the node share it.
    Plain(Arc<[u8]>),
    /// Either of the above, compressed: as a listpack, which is what is written down.
    Lzf(Arc<Compressed>),
}

#[derive(Clone, Debug)]
pub(super) struct Compressed {
    pub(super) data: Box<[u8]>,
    /// Size before compression.
    pub(super) size: usize,
    count: usize,
    pub(super) plain: bool,
}

impl Node {
    pub(super) fn of(value: &[u8], plain: bool) -> Node {
        if plain {
            return Node::Plain(value.into());
        }
        let mut p = Pack::new();
        p.push(End::Back, value, true);
        Node::Packed(p)
    }

    /// Elements.
    #[inline]
    pub(super) fn count(&self) -> usize {
        match self {
            Node::Packed(p) => p.len(),
            Node::Plain(_) => 1,
            Node::Lzf(c) => c.count,
        }
    }

    /// Heap bytes held.
    pub(super) fn heap(&self) -> usize {
        match self {
            Node::Packed(p) => p.memory_usage(),
            Node::Plain(b) => b.len(),
            Node::Lzf(c) => size_of::<Compressed>() + c.data.len(),
        }
    }

    /// Gives memory reserved for growth back.
    pub(super) fn shrink_to_fit(&mut self) {
        if let Node::Packed(p) = self {
            p.shrink_to_fit();
        }
    }

    /// Bytes without compression, as a listpack.
    pub(super) fn packed_size(&self) -> usize {
        match self {
            Node::Packed(p) => p.packed_len(),
            Node::Plain(b) => b.len(),
            Node::Lzf(c) => c.size,
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        match self {
            Node::Packed(_) => false,
            Node::Plain(_) => true,
            Node::Lzf(c) => c.plain,
        }
    }

    /// The node without compression: itself, or a copy in `room`.
    pub(super) fn raw<'a>(&'a self, room: &'a mut Option<Node>) -> &'a Node {
        match self {
            Node::Lzf(c) => room.insert(c.decompress()),
            _ => self,
        }
    }

    pub(super) fn decompress(&mut self) {
        if let Node::Lzf(c) = self {
            *self = c.decompress();
        }
    }

    /// Compresses the node if that saves something.
    pub(super) fn compress(&mut self) {
        if matches!(self, Node::Lzf(_)) || self.packed_size() < MIN_COMPRESS {
            return;
        }
        let packed;
        let (bytes, plain) = match &*self {
            Node::Packed(p) => {
                packed = p.to_packed();
                (packed.as_bytes(), false)
            }
            Node::Plain(b) => (&**b, true),
            Node::Lzf(_) => return,
        };
        let mut data = Vec::new();
        if !COMPRESSOR.with_borrow_mut(|c| c.compress(bytes, bytes.len() - MIN_SAVED, &mut data)) {
            return;
        }
        let c = Compressed { data: data.into(), size: bytes.len(), count: self.count(), plain };
        *self = Node::Lzf(Arc::new(c));
    }

    /// The elements from this index on, forwards or backwards, of a node that is not compressed, until `visit` returns
    /// false; whether it never did.
    pub(super) fn visit(&self, from: usize, reverse: bool, mut visit: impl FnMut(Entry<'_>) -> bool) -> bool {
        match self {
            Node::Packed(p) => p.visit(from, reverse, visit),
            Node::Plain(b) => visit(Entry::Str(b)),
            Node::Lzf(_) => true,
        }
    }
}

impl Compressed {
    fn decompress(&self) -> Node {
        // We compressed these bytes ourselves: they decompress to what they were.
        let bytes = lzf::decompress(&self.data, self.size).unwrap_or_default();
        if self.plain { Node::Plain(bytes.into()) } else { Node::Packed((&Packed::from_own(bytes)).into()) }
    }
}
