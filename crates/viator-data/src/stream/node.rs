//! A node of a stream: entries whose ids share a master id, in one listpack of Redis's format.
//!
//! First the master entry: live entries, deleted entries, number of fields, the field names, 0. Then the entries: flags,
//! the id's milliseconds and sequence as differences from the master id, then either the number of fields, and names
//! and values in turns, or (with the flag for it) only the values for the master entry's names; last, the number of
//! listpack elements since and including the flags, so that entries can be read backwards.

use super::StreamId;
use crate::packed::{Entry, Iter, Malformed, Packed, Pos};

/// Flag of an entry that was deleted.
const DELETED: i64 = 1;
/// Flag of an entry whose names are those of the master entry.
const SAME_FIELDS: i64 = 2;

/// Names and values of an entry.
#[derive(Clone)]
pub struct Fields<'a> {
    /// The master entry's names, when they are the entry's too.
    names: Option<Iter<'a>>,
    rest: Iter<'a>,
    left: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Entry<'a>, Entry<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = match &mut self.names {
            Some(names) => names.next()?,
            None => self.rest.next()?,
        };
        Some((name, self.rest.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// An entry of a node, deleted or not.
pub(super) struct Raw<'a> {
    pub(super) id: StreamId,
    pub(super) fields: Fields<'a>,
    pub(super) deleted: bool,
    /// Where its flags are.
    pub(super) pos: Pos,
    flags: i64,
}

/// Reads a node's entries from either end.
#[derive(Clone)]
pub(super) struct Walker<'a> {
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
    pub(super) fn new(master: StreamId, node: &'a Packed) -> Option<Self> {
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
        let pos = at.pos()?;
        let flags = int(at.next())?;
        let ms = self.master.ms.wrapping_add_signed(int(at.next())?);
        let seq = self.master.seq.wrapping_add_signed(int(at.next())?);
        let (names, left) = if flags & SAME_FIELDS != 0 {
            (Some(self.names.clone()), self.width)
        } else {
            (None, usize::try_from(int(at.next())?).ok()?)
        };
        let fields = Fields { names, rest: at.clone(), left };
        skip(at, if flags & SAME_FIELDS != 0 { left } else { left.checked_mul(2)? })?;
        int(at.next())?;
        Some(Raw { id: StreamId { ms, seq }, fields, deleted: flags & DELETED != 0, pos, flags })
    }

    pub(super) fn next(&mut self) -> Option<Raw<'a>> {
        let mut at = self.entries.clone();
        let raw = self.read(&mut at)?;
        self.entries = at;
        Some(raw)
    }

    pub(super) fn next_back(&mut self) -> Option<Raw<'a>> {
        let elements = usize::try_from(int(self.entries.next_back())?).ok()?;
        self.entries.nth_back(elements.checked_sub(1)?)?;
        self.read(&mut self.node.iter_from(self.entries.back_pos()))
    }
}

/// Live and deleted entries.
pub(super) fn counts(node: &Packed) -> (usize, usize) {
    let mut entries = node.iter();
    let mut read = || int(entries.next()).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    (read(), read())
}

fn set_counts(node: &mut Packed, live: usize, deleted: usize) {
    if let Some(first) = node.first() {
        node.replace_int(first, live as i64);
        if let Some(second) = node.next(first) {
            node.replace_int(second, deleted as i64);
        }
    }
}

/// A node for this entry, which becomes its first.
pub(super) fn create<V: AsRef<[u8]>>(fields: &[V]) -> Packed {
    let mut node = Packed::new();
    node.extend(|to| {
        to.push_int(0);
        to.push_int(0);
        to.push_int((fields.len() / 2) as i64);
        fields.iter().step_by(2).for_each(|name| to.push(name.as_ref()));
        to.push_int(0);
    });
    node
}

/// Appends an entry of names and values in turns.
pub(super) fn append<V: AsRef<[u8]>>(node: &mut Packed, master: StreamId, id: StreamId, fields: &[V]) {
    let width = fields.len() / 2;
    let same = Walker::new(master, node).is_some_and(|w| {
        w.width == width && fields.iter().step_by(2).zip(w.names).all(|(f, name)| name.eq_bytes(f.as_ref()))
    });
    let (live, deleted) = counts(node);
    set_counts(node, live + 1, deleted);
    node.extend(|to| {
        to.push_int(if same { SAME_FIELDS } else { 0 });
        to.push_int(id.ms.wrapping_sub(master.ms) as i64);
        to.push_int(id.seq.wrapping_sub(master.seq) as i64);
        let elements = if same {
            fields.iter().skip(1).step_by(2).for_each(|value| to.push(value.as_ref()));
            width + 3
        } else {
            to.push_int(width as i64);
            fields.iter().for_each(|v| to.push(v.as_ref()));
            width * 2 + 4
        };
        to.push_int(elements as i64);
    });
}

/// Deletes live entries that satisfy a condition, until it says stop; returns how many.
pub(super) fn delete(node: &mut Packed, master: StreamId, mut which: impl FnMut(StreamId) -> Which) -> usize {
    let mut marks = Vec::new();
    if let Some(mut w) = Walker::new(master, node) {
        while let Some(raw) = w.next() {
            if raw.deleted {
                continue;
            }
            match which(raw.id) {
                Which::Delete => marks.push((raw.pos, raw.flags | DELETED)),
                Which::DeleteLast => {
                    marks.push((raw.pos, raw.flags | DELETED));
                    break;
                }
                Which::Keep => {}
                Which::Stop => break,
            }
        }
    }
    // From the last: flags from outside may be in a wider encoding than ours, which moves what follows.
    for &(pos, flags) in marks.iter().rev() {
        node.replace_int(pos, flags);
    }
    let (live, deleted) = counts(node);
    set_counts(node, live.saturating_sub(marks.len()), deleted + marks.len());
    marks.len()
}

/// What [`delete`] does with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Delete,
    /// Delete this one and stop.
    DeleteLast,
    Keep,
    Stop,
}

/// Checks a node from outside: the master entry, every entry, and the counts.
pub(super) fn validate(master: StreamId, node: &Packed) -> Result<(), Malformed> {
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
            seen_deleted += usize::from(raw.deleted);
        }
        let mut backwards = 0usize;
        while back.next_back().is_some() {
            backwards += 1;
        }
        (seen == backwards && seen_deleted == deleted && seen - seen_deleted == live).then_some(())
    };
    check().ok_or(Malformed)
}
