//! COMMAND DOCS: a command's declaration as a map.

use super::command_info::subcommands;
use viator_engine::command::{ArgKind, ArgSpec};
use viator_engine::table::{Entry, Table};
use viator_resp::reply::Reply;

/// Writes COMMAND DOCS's map for a command.
pub fn write_docs(out: &mut Reply, table: &Table, entry: &Entry) {
    let cmd = entry.cmd;
    let map = out.defer();
    let mut pairs = 0;
    let mut key = |out: &mut Reply, name: &str| {
        pairs += 1;
        out.bulk(name.as_bytes());
    };
    let mut text = |out: &mut Reply, name: &str, value: &str| {
        if !value.is_empty() {
            key(out, name);
            out.bulk(value.as_bytes());
        }
    };
    text(out, "summary", cmd.summary);
    text(out, "since", cmd.since);
    text(out, "group", cmd.group.name());
    text(out, "complexity", cmd.complexity);
    let flags: Vec<&str> = [(cmd.deprecated.is_some(), "deprecated"), (cmd.syscmd, "syscmd")]
        .into_iter()
        .filter_map(|(on, name)| on.then_some(name))
        .collect();
    if !flags.is_empty() {
        key(out, "doc_flags");
        out.set(flags.len());
        for flag in flags {
            out.simple(flag);
        }
    }
    if let Some((since, replaced_by)) = cmd.deprecated {
        key(out, "deprecated_since");
        out.bulk(since.as_bytes());
        if !replaced_by.is_empty() {
            key(out, "replaced_by");
            out.bulk(replaced_by.as_bytes());
        }
    }
    if !cmd.history.is_empty() {
        key(out, "history");
        out.set(cmd.history.len());
        for (version, change) in cmd.history {
            out.array(2);
            out.bulk(version.as_bytes());
            out.bulk(change.as_bytes());
        }
    }
    if !cmd.args.is_empty() {
        key(out, "arguments");
        write_args(out, cmd.args);
    }
    let subcommands = subcommands(table, entry);
    if !subcommands.is_empty() {
        key(out, "subcommands");
        out.map(subcommands.len());
        for sub in subcommands {
            out.bulk(sub.name.as_bytes()); // the full name
            write_docs(out, table, sub);
        }
    }
    out.finish(map, |r| r.map(pairs));
}

fn write_args(out: &mut Reply, args: &[ArgSpec]) {
    out.array(args.len());
    for arg in args {
        write_arg(out, arg);
    }
}

fn write_arg(out: &mut Reply, arg: &ArgSpec) {
    let group = matches!(arg.kind, ArgKind::Oneof | ArgKind::Block);
    let flags: Vec<&str> =
        [(arg.optional, "optional"), (arg.multiple, "multiple"), (arg.multiple_token, "multiple_token")]
            .into_iter()
            .filter_map(|(on, name)| on.then_some(name))
            .collect();
    let texts = [
        ("name", arg.name),
        ("type", arg.kind.name()),
        ("display_text", if group { "" } else { Some(arg.display).filter(|d| !d.is_empty()).unwrap_or(arg.name) }),
    ];
    let more = [("token", arg.token), ("since", arg.since), ("deprecated_since", arg.deprecated_since)];
    // a token may be the empty string
    let shown = |t: &&(&str, &str)| !t.1.is_empty() || (t.0 == "token" && matches!(arg.kind, ArgKind::PureToken));
    let present = |list: &[(&str, &str)]| list.iter().filter(shown).count();
    let write = |out: &mut Reply, list: &[(&str, &str)]| {
        for (name, value) in list.iter().filter(shown) {
            out.bulk(name.as_bytes());
            out.bulk(value.as_bytes());
        }
    };
    let pairs = present(&texts)
        + present(&more)
        + usize::from(arg.key_spec >= 0)
        + usize::from(!flags.is_empty())
        + usize::from(!arg.sub.is_empty());
    out.map(pairs);
    write(out, &texts);
    if arg.key_spec >= 0 {
        out.bulk(b"key_spec_index");
        out.int(i64::from(arg.key_spec));
    }
    write(out, &more);
    if !flags.is_empty() {
        out.bulk(b"flags");
        out.set(flags.len());
        for flag in flags {
            out.simple(flag);
        }
    }
    if !arg.sub.is_empty() {
        out.bulk(b"arguments");
        write_args(out, arg.sub);
    }
}
