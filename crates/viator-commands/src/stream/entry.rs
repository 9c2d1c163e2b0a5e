//! How entries and ids are replied.

use viator_data::packed::Entry;
use viator_data::stream::{Item, StreamId};
use viator_resp::reply::Reply;

/// An id's text, without an allocation.
pub(super) struct IdText {
    bytes: [u8; 41],
    len: usize,
}

impl IdText {
    /// The text of `id`.
    pub(super) fn new(id: StreamId) -> IdText {
        let mut text = IdText { bytes: [0; 41], len: 0 };
        text.push(itoa::Buffer::new().format(id.ms).as_bytes());
        text.push(b"-");
        text.push(itoa::Buffer::new().format(id.seq).as_bytes());
        text
    }

    fn push(&mut self, bytes: &[u8]) {
        // twice twenty digits and a dash fit
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }
}

impl AsRef<[u8]> for IdText {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// An id.
pub(super) fn id(out: &mut Reply, id: StreamId) {
    out.bulk(IdText::new(id).as_ref());
}

fn word(out: &mut Reply, word: Entry<'_>) {
    match word {
        Entry::Int(n) => out.bulk_int(n),
        Entry::Str(bytes) => out.bulk(bytes),
    }
}

/// An entry's names and values.
fn fields(out: &mut Reply, item: Item<'_>) {
    out.array(item.fields.len() * 2);
    for (name, value) in item.fields {
        word(out, name);
        word(out, value);
    }
}

/// An entry: its id, its names and values.
pub(super) fn entry(out: &mut Reply, item: Item<'_>) {
    out.array(2);
    id(out, item.id);
    fields(out, item);
}

/// An entry with how long it was pending and how often it was delivered before.
pub(super) fn claimed(out: &mut Reply, item: Item<'_>, idle: u64, deliveries: u64) {
    out.array(4);
    id(out, item.id);
    fields(out, item);
    out.int(idle.cast_signed());
    out.int(deliveries.cast_signed());
}

/// Entries as an array.
pub(super) fn entries<'v>(out: &mut Reply, items: impl Iterator<Item = Item<'v>>) {
    let header = out.defer();
    let mut n = 0;
    for item in items {
        entry(out, item);
        n += 1;
    }
    out.finish(header, |out| out.array(n));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_id_fits() {
        assert_eq!(IdText::new(StreamId::MAX).as_ref(), StreamId::MAX.to_string().as_bytes());
        assert_eq!(IdText::new(StreamId::new(5, 0)).as_ref(), b"5-0");
    }
}
