//! How small buffers grow: to the allocator's next size class, where the memory is lost otherwise anyway.

/// The capacity that holds `n` bytes without wasting what the allocator rounds up to: four size classes per doubling.
pub const fn good_size(n: usize) -> usize {
    let step = if n <= 128 { 16 } else { n.next_power_of_two() / 8 };
    n.next_multiple_of(step)
}

/// Makes room for `extra` more bytes. Steps are an eighth to a quarter of the size: amortized O(1), little waste.
pub(crate) fn reserve(buf: &mut Vec<u8>, extra: usize) {
    if buf.capacity() - buf.len() < extra {
        let want = good_size(buf.len() + extra);
        buf.reserve_exact(want - buf.len());
    }
}

/// As [`reserve`], but some 12 to 25 % more: for what grows again soon, and where moving costs more than the memory.
pub(crate) fn reserve_ahead(buf: &mut Vec<u8>, extra: usize) {
    if buf.capacity() - buf.len() < extra {
        let want = good_size(buf.len() + extra);
        let want = good_size(want + want / 8);
        buf.reserve_exact(want - buf.len());
    }
}

/// Gives memory back once more than half is unused.
pub(crate) fn give_back(buf: &mut Vec<u8>) {
    if buf.capacity() > 64 && buf.len() < buf.capacity() / 2 {
        buf.shrink_to(good_size(buf.len()));
    }
}

/// A copy with the same room, so that what is counted as held stays true when a part of a structure is copied.
pub(crate) fn copy(buf: &Vec<u8>) -> Vec<u8> {
    let mut new = Vec::with_capacity(buf.capacity());
    new.extend_from_slice(buf);
    new
}
