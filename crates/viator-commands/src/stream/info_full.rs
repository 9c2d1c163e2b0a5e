//! XINFO STREAM FULL: the entries, and the groups with their consumers and pending entries.

use viator_data::stream::{Group, Stream, StreamId};
use viator_resp::reply::Reply;

use super::entry;
use super::info::{number, position};

/// The fields that FULL has instead of a summary, `count` elements of each list at most.
pub(super) fn entries_and_groups(out: &mut Reply, stream: &Stream, count: usize) {
    out.bulk(b"entries");
    entry::entries(out, stream.log().range(StreamId::MIN, StreamId::MAX, false).take(count));
    out.bulk(b"groups");
    out.array(stream.group_count());
    for (name, group) in stream.groups() {
        out.map(7);
        out.bulk(b"name");
        out.bulk(name);
        position(out, stream, group);
        number(out, "pel-count", group.pending_len() as i64);
        out.bulk(b"pending");
        out.array(group.pending_len().min(count));
        for (id, p) in group.pending_range(StreamId::MIN, StreamId::MAX).take(count) {
            out.array(4);
            entry::id(out, id);
            out.bulk(&p.consumer);
            out.int(p.delivery_time.cast_signed());
            out.int(p.delivery_count.cast_signed());
        }
        consumers(out, group, count);
    }
}

fn consumers(out: &mut Reply, group: &Group, count: usize) {
    out.bulk(b"consumers");
    out.array(group.consumer_count());
    for (name, consumer) in group.consumers() {
        out.map(5);
        out.bulk(b"name");
        out.bulk(name);
        number(out, "seen-time", consumer.seen_time.cast_signed());
        number(out, "active-time", consumer.active_time.map_or(-1, u64::cast_signed));
        number(out, "pel-count", consumer.pending_len() as i64);
        out.bulk(b"pending");
        out.array(consumer.pending_len().min(count));
        for id in consumer.pending_from(StreamId::MIN).take(count) {
            let p = group.pending(id);
            out.array(3);
            entry::id(out, id);
            out.int(p.map_or(0, |p| p.delivery_time.cast_signed()));
            out.int(p.map_or(0, |p| p.delivery_count.cast_signed()));
        }
    }
}
