//! COMMAND INFO: a command's declaration as an array of ten.

use viator_engine::command::{Acl, Begin, Command, Find, Flags, KeyFlags, KeySpec};
use viator_engine::table::{Entry, Table};
use viator_resp::reply::Reply;

/// Writes COMMAND INFO's array for a command.
pub fn write_info(out: &mut Reply, table: &Table, entry: &Entry) {
    let cmd = entry.cmd;
    let (first, last, step) = legacy_range(cmd);
    out.array(10);
    out.bulk(entry.name.as_bytes());
    out.int(i64::from(cmd.arity));
    names(out, Flags::ALL.iter().filter(|f| entry.flags.has(f.0)).map(|f| f.1), "");
    out.int(first);
    out.int(last);
    out.int(step);
    names(out, Acl::ALL.iter().filter(|c| entry.acl.has(c.0)).map(|c| c.1), "@");
    out.set(cmd.tips.len());
    for tip in cmd.tips {
        out.bulk(tip.as_bytes());
    }
    out.set(cmd.keys.len());
    for spec in cmd.keys {
        write_key_spec(out, spec);
    }
    let subcommands = subcommands(table, entry);
    if subcommands.is_empty() {
        out.set(0);
    } else {
        out.array(subcommands.len());
        for sub in subcommands {
            write_info(out, table, sub);
        }
    }
}

/// The subcommands of a container, in the order of their declaration.
pub fn subcommands<'t>(table: &'t Table, entry: &Entry) -> Vec<&'t Entry> {
    let id = |sub: &&Command| entry.subcommands.get(sub.name).copied();
    entry.cmd.subcommands.iter().filter_map(|sub| table.entries().get(id(sub)?)).collect()
}

/// A set of simple strings.
fn names<'n>(out: &mut Reply, names: impl Iterator<Item = &'n str> + Clone, prefix: &str) {
    out.set(names.clone().count());
    for name in names {
        out.simple(&format!("{prefix}{name}"));
    }
}

/// First key, last key and step, as clients knew them before there were key specs: the range specs that follow each
/// other without a gap. (0, 0, 0): no such keys.
fn legacy_range(cmd: &Command) -> (i64, i64, i64) {
    let range = |spec: &KeySpec| match (spec.begin, spec.find) {
        (Begin::Index(first), Find::Range { last, step, .. }) => {
            let first = i64::from(first);
            let last = if last >= 0 { first + i64::from(last) } else { i64::from(last) };
            Some((first, last, i64::from(step)))
        }
        _ => None,
    };
    if let [one] = cmd.keys {
        return range(one).unwrap_or_default();
    }
    let mut joined: Option<(i64, i64)> = None;
    for (first, last, _) in cmd.keys.iter().filter_map(range).filter(|r| r.2 == 1) {
        joined = match joined {
            None => Some((first, last)),
            // a negative end counts from the last argument: nothing follows it
            Some((start, end)) if end == first - 1 => Some((start, last)),
            Some(gap) => Some(gap),
        };
    }
    joined.map_or((0, 0, 0), |(first, last)| (first, last, 1))
}

fn write_key_spec(out: &mut Reply, spec: &KeySpec) {
    out.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        out.bulk(b"notes");
        out.bulk(spec.notes.as_bytes());
    }
    out.bulk(b"flags");
    names(out, KeyFlags::ALL.iter().filter(|f| spec.flags.has(f.0)).map(|f| f.1), "");
    out.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(i) => typed(out, "index", &[("index", Value::Int(i64::from(i)))]),
        Begin::Keyword { keyword, start_from } => typed(
            out,
            "keyword",
            &[("keyword", Value::Text(keyword)), ("startfrom", Value::Int(i64::from(start_from)))],
        ),
        Begin::Unknown => typed(out, "unknown", &[]),
    }
    out.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step, limit } => typed(
            out,
            "range",
            &[
                ("lastkey", Value::Int(i64::from(last))),
                ("keystep", Value::Int(i64::from(step))),
                ("limit", Value::Int(i64::from(limit))),
            ],
        ),
        Find::Keynum { count, first, step } => typed(
            out,
            "keynum",
            &[
                ("keynumidx", Value::Int(i64::from(count))),
                ("firstkey", Value::Int(i64::from(first))),
                ("keystep", Value::Int(i64::from(step))),
            ],
        ),
        Find::Rule(_) | Find::Unknown => typed(out, "unknown", &[]),
    }
}

/// A value in a spec's map.
enum Value {
    Int(i64),
    Text(&'static str),
}

/// `{type: …, spec: {…}}`.
fn typed(out: &mut Reply, kind: &str, spec: &[(&str, Value)]) {
    out.map(2);
    out.bulk(b"type");
    out.bulk(kind.as_bytes());
    out.bulk(b"spec");
    out.map(spec.len());
    for (name, value) in spec {
        out.bulk(name.as_bytes());
        match value {
            Value::Int(n) => out.int(*n),
            Value::Text(t) => out.bulk(t.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declare::{RO_ACCESS, RW_UPDATE, counted_keys, keys, one_key};

    #[test]
    fn ranges_join() {
        let range = |specs: &'static [KeySpec]| legacy_range(&Command { keys: specs, ..Command::BASE });
        assert_eq!(range(&[]), (0, 0, 0));
        assert_eq!(range(const { &[keys(1, -1, 2, RW_UPDATE)] }), (1, -1, 2));
        assert_eq!(range(const { &[one_key(1, RW_UPDATE), one_key(2, RO_ACCESS)] }), (1, 2, 1));
        assert_eq!(range(const { &[one_key(1, RW_UPDATE), keys(2, -1, 1, RO_ACCESS)] }), (1, -1, 1));
        assert_eq!(range(const { &[one_key(1, RW_UPDATE), one_key(3, RO_ACCESS)] }), (1, 1, 1));
        assert_eq!(range(const { &[one_key(1, RW_UPDATE), counted_keys(2, RO_ACCESS)] }), (1, 1, 1));
        assert_eq!(range(const { &[counted_keys(1, RO_ACCESS)] }), (0, 0, 0));
    }
}
