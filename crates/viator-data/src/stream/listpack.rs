//! A node of a stream as Redis keeps and dumps it: entries whose ids share a master id, in one listpack.
//!
//! First the master entry: live entries, deleted entries, number of fields, the field names, 0. Then the entries: flags,
//! the id's milliseconds and sequence as differences from the master id, then either the number of fields, and names
//! and values in turns, or (with the flag for it) only the values for the master entry's names; last, the number of
//! listpack elements since and including the flags, so that entries can be read backwards.

use super::StreamId;
use super::node::{Node, Pairs};
use crate::packed::{Entry, Iter, Malformed, Packed};

/// Flag of an entry that was deleted.
const DELETED: i64 = 1;
/// Flag of an entry whose names are those of the master entry.
const SAME_FIELDS: i64 = 2;

struct Raw<'a> {
    id: StreamId,
    fields: Pairs<Iter<'a>>,
    flags: i64,
}

/// Reads a node's entries from either end.
#[derive(Clone)]
struct Walker<'a> {
    node: &'a Packed,
    master: StreamId,
    names: Iter<'a>,
    width: usize,
    entries: Iter<'a>,
}

fn int(e: Option<Entry<'_>>) -> Option<i64> {
    match e? {
        Entry::Int(i) => Some(i),
        Entry::Str(_) => None,
    }
}

fn skip(entries: &mut Iter<'_>, n: usize) -> Option<()> {
    if n > 0 {
        entries.nth(n - 1)?;
    }
    Some(())
}

impl<'a> Walker<'a> {
    fn new(master: StreamId, node: &'a Packed) -> Option<Self> {
        let mut entries = node.iter();
        let width = usize::try_from(int(entries.nth(2))?).ok()?;
        let names = entries.clone();
        skip(&mut entries, width)?;
        // The 0 that ends the master entry.
        entries.next()?;
        Some(Walker { node, master, names, width, entries })
    }

    /// Reads the entry at the front of `at`, which then is behind it.
    fn read(&self, at: &mut Iter<'a>) -> Option<Raw<'a>> {
        at.pos()?;
        let flags = int(at.next())?;
        let ms = self.master.ms.wrapping_add_signed(int(at.next())?);
        let seq = self.master.seq.wrapping_add_signed(int(at.next())?);
        let (names, left) = if flags & SAME_FIELDS != 0 {
            (Some(self.names.clone()), self.width)
        } else {
            (None, usize::try_from(int(at.next())?).ok()?)
        };
        let fields = Pairs { names, rest: at.clone(), left };
        skip(at, if flags & SAME_FIELDS != 0 { left } else { left.checked_mul(2)? })?;
        int(at.next())?;
        Some(Raw { id: StreamId { ms, seq }, fields, flags })
    }

    fn next(&mut self) -> Option<Raw<'a>> {
        let mut at = self.entries.clone();
        let raw = self.read(&mut at)?;
        self.entries = at;
        Some(raw)
    }

    fn next_back(&mut self) -> Option<Raw<'a>> {
        let elements = usize::try_from(int(self.entries.next_back())?).ok()?;
        self.entries.nth_back(elements.checked_sub(1)?)?;
        self.read(&mut self.node.iter_from(self.entries.back_pos()))
    }
}

/// A node in Redis's form.
pub(super) fn write(node: &Node) -> Packed {
    let mut packed = Packed::with_capacity(node.packed_len());
    packed.extend(|to| {
        to.push_int(node.live() as i64);
        to.push_int(node.deleted() as i64);
        to.push_int(node.width() as i64);
        node.names().for_each(|name| to.push_entry(name));
        to.push_int(0);
        let mut entries = node.walk();
        while let Some(raw) = entries.next() {
            to.push_int(if raw.same { SAME_FIELDS } else { 0 } | if raw.deleted { DELETED } else { 0 });
            to.push_int(raw.id.ms.wrapping_sub(node.master().ms).cast_signed());
            to.push_int(raw.id.seq.wrapping_sub(node.master().seq).cast_signed());
            let width = raw.fields.len();
            if !raw.same {
                to.push_int(width as i64);
            }
            for (name, value) in raw.fields {
                if !raw.same {
                    to.push_entry(name);
                }
                to.push_entry(value);
            }
            to.push_int((if raw.same { width + 3 } else { width * 2 + 4 }) as i64);
        }
    });
    debug_assert_eq!(packed.byte_len(), node.packed_len());
    packed
}

/// The node of a listpack from outside, which is checked.
pub(super) fn read(master: StreamId, packed: &Packed) -> Result<Node, Malformed> {
    validate(master, packed)?;
    let mut w = Walker::new(master, packed).ok_or(Malformed)?;
    let names: Vec<Entry<'_>> = w.names.clone().take(w.width).collect();
    let mut node = Node::new(master, names.into_iter());
    while let Some(raw) = w.next() {
        node.append_raw(raw.id, raw.flags & SAME_FIELDS != 0, raw.flags & DELETED != 0, raw.fields);
    }
    node.shrink_to_fit();
    Ok(node)
}

/// Checks a node from outside: the master entry, every entry, and the counts.
fn validate(master: StreamId, node: &Packed) -> Result<(), Malformed> {
    let check = || -> Option<()> {
        let mut head = node.iter();
        let live = usize::try_from(int(head.next())?).ok()?;
        let deleted = usize::try_from(int(head.next())?).ok()?;
        let mut w = Walker::new(master, node)?;
        let (mut seen, mut seen_deleted) = (0usize, 0usize);
        let mut back = w.clone();
        while w.entries.pos().is_some() {
            let raw = w.next()?;
            // The element count in front of the next entry leads back to the flags.
            let fields = raw.fields.left;
            let same = raw.flags & SAME_FIELDS != 0;
            let elements = if same { fields.checked_add(3)? } else { fields.checked_mul(2)?.checked_add(4)? };
            let behind = match w.entries.pos() {
                Some(next) => node.prev(next)?,
                None => node.last()?,
            };
            if !(0..4).contains(&raw.flags) || int(node.get(behind)) != i64::try_from(elements).ok() {
                return None;
            }
            seen += 1;
            seen_deleted += usize::from(raw.flags & DELETED != 0);
        }
        let mut backwards = 0usize;
        while back.next_back().is_some() {
            backwards += 1;
        }
        (seen == backwards && seen_deleted == deleted && seen - seen_deleted == live).then_some(())
    };
    check().ok_or(Malformed)
}
