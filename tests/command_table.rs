//! The commands that Viator declares, against the snapshot of Redis 8.4's (`fixtures/commands-8.4.json`) and against the
//! running reference: COMMAND INFO and COMMAND DOCS of each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;

use common::{Launch, missing_commands, ok};
use serde_json::{Map, Value as Json, json};
use viator_client::{Client, value::Value};

/// What COMMAND and COMMAND DOCS say of every command and subcommand, by name ("CONFIG GET").
type Table = BTreeMap<String, Json>;

/// A reply as JSON: sets sorted, so that their order does not matter.
fn json(value: &Value) -> Json {
    match value {
        Value::Integer(n) => json!(n),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Set(items) => {
            let mut items: Vec<Json> = items.iter().map(json).collect();
            // The order of words says nothing; that of key specifications numbers them.
            items.sort_by_key(|i| i.as_str().map(str::to_owned));
            Json::Array(items)
        }
        Value::Map(pairs) => {
            Json::Object(pairs.iter().map(|(k, v)| (k.as_text().unwrap(), json(v))).collect::<Map<_, _>>())
        }
        other if other.is_null() => Json::Null,
        other => json!(other.as_text().unwrap()),
    }
}

fn name(wire: &str) -> String {
    wire.to_uppercase().replace('|', " ")
}

/// The table of a server: an object for each command with the fields of the snapshot, and the rest of COMMAND DOCS.
fn table(client: &mut Client) -> Table {
    fn info(entry: &Json, table: &mut Table) {
        let field = |i: usize| entry[i].clone();
        let specs = field(8).as_array().unwrap().iter().map(spec).collect::<Vec<_>>();
        table.insert(
            name(entry[0].as_str().unwrap()),
            json!({
                "arity": field(1), "flags": field(2), "keys": [field(3), field(4), field(5)], "acl": field(6),
                "tips": field(7), "key_specs": specs,
            }),
        );
        for sub in entry[9].as_array().unwrap() {
            info(sub, table);
        }
    }
    /// The snapshot says begin and find where the wire says begin_search and find_keys; notes are compared apart.
    fn spec(wire: &Json) -> Json {
        json!({"flags": wire["flags"], "begin": wire["begin_search"], "find": wire["find_keys"]})
    }
    fn docs(wire: &str, entry: &Json, table: &mut Table) {
        let Some(row) = table.get_mut(&name(wire)).and_then(Json::as_object_mut) else { return };
        for (field, value) in entry.as_object().unwrap() {
            if field == "subcommands" {
                continue;
            }
            row.insert(field.clone(), value.clone());
        }
        for (sub, entry) in entry.get("subcommands").and_then(Json::as_object).into_iter().flatten() {
            docs(sub, entry, table);
        }
    }
    let mut all = Table::new();
    for entry in json(&ok(client, &["COMMAND"])).as_array().unwrap() {
        info(entry, &mut all);
    }
    for (wire, entry) in json(&ok(client, &["COMMAND", "DOCS"])).as_object().unwrap() {
        docs(wire, entry, &mut all);
    }
    all
}

fn snapshot() -> Table {
    let mut all: Table = serde_json::from_str(include_str!("fixtures/commands-8.4.json")).unwrap();
    for row in all.values_mut() {
        for (field, empty) in [("tips", json!([])), ("key_specs", json!([]))] {
            row.as_object_mut().unwrap().entry(field).or_insert(empty);
        }
        for spec in row["key_specs"].as_array_mut().unwrap() {
            sort(&mut spec["flags"]);
        }
        sort(&mut row["flags"]);
        sort(&mut row["acl"]);
        sort(&mut row["tips"]);
    }
    all
}

fn sort(list: &mut Json) {
    list.as_array_mut().unwrap().sort_by_key(ToString::to_string);
}

/// Whether a version is after 8.4.
fn newer(version: &str) -> bool {
    let mut parts = version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) > (8, 4)
}

/// An argument list without what the other side does not have: display texts, and arguments that came after 8.4.
fn arguments(list: &Json, keep_display: bool) -> Json {
    let Some(list) = list.as_array() else { return json!([]) };
    let mut out = Vec::new();
    for argument in list {
        // XADD's idmp came with 8.6, though it does not say so.
        if argument["since"].as_str().is_some_and(newer) || argument["name"] == "idmp" {
            continue;
        }
        let mut argument = argument.clone();
        let fields = argument.as_object_mut().unwrap();
        if !keep_display {
            fields.remove("display_text");
        }
        if let Some(flags) = fields.get_mut("flags") {
            sort(flags);
        }
        if let Some(inner) = fields.get("arguments").map(|a| arguments(a, keep_display)) {
            fields.insert("arguments".to_owned(), inner);
        }
        out.push(argument);
    }
    json!(out)
}

/// The lines that say in which fields two rows differ.
fn differences(command: &str, ours: &Json, theirs: &Json, fields: &[&str], keep_display: bool) -> Vec<String> {
    let mut out = Vec::new();
    for &field in fields {
        let (a, b) = if field == "arguments" {
            (arguments(&ours[field], keep_display), arguments(&theirs[field], keep_display))
        } else {
            (ours[field].clone(), theirs[field].clone())
        };
        if a != b {
            out.push(format!("{command}: {field}\n    ours:      {a}\n    reference: {b}"));
        }
    }
    out
}

fn report(what: &str, lines: &[String]) {
    let shown: Vec<&str> = lines.iter().take(80).map(String::as_str).collect();
    assert!(lines.is_empty(), "{what}: {} differences (the first {}):\n{}", lines.len(), shown.len(), shown.join("\n"));
}

/// Modules' commands have no ACL categories or arity in the snapshot.
fn of_module(row: &Json) -> bool {
    row["since"].as_str().is_some_and(|s| s.starts_with("module "))
}

#[test]
fn as_the_snapshot_says() {
    let server = Launch::viator().start();
    let ours = table(&mut server.client_resp(3));
    let mut lines = Vec::new();
    for (command, theirs) in snapshot() {
        let Some(ours) = ours.get(&command) else { continue };
        let fields: &[&str] = if of_module(&theirs) {
            &["keys", "group"]
        } else {
            &[
                "arity",
                "flags",
                "keys",
                "acl",
                "tips",
                "key_specs",
                "since",
                "group",
                "complexity",
                "deprecated_since",
                "replaced_by",
                "arguments",
            ]
        };
        lines.extend(differences(&command, ours, &theirs, fields, false));
    }
    report("COMMAND INFO and DOCS against 8.4's snapshot", &lines);
}

#[test]
fn the_list_of_missing_commands_is_true() {
    let server = Launch::viator().start();
    let ours = table(&mut server.client_resp(3));
    let snapshot = snapshot();
    let within = |list: &[String], c: &str| list.iter().any(|m| c.split_once(' ').is_some_and(|(first, _)| m == first));
    if std::env::var_os("VIATOR_BLESS").is_some() {
        let all: Vec<String> = snapshot.keys().filter(|c| !ours.contains_key(*c)).cloned().collect();
        let listed: Vec<&str> = all.iter().filter(|c| !within(&all, c)).map(String::as_str).collect();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/missing-commands.txt");
        let head = "# Commands of Redis 8.4 that Viator does not have yet; tests/command_table.rs keeps this list true\n\
                    # (VIATOR_BLESS=1 cargo test --test command_table writes it anew).\n";
        std::fs::write(file, format!("{head}{}\n", listed.join("\n"))).unwrap();
    }
    let missing = missing_commands();
    let is_listed = |c: &String| missing.contains(c) || within(&missing, c);
    let lacking: Vec<&String> = snapshot.keys().filter(|c| !ours.contains_key(*c) && !is_listed(c)).collect();
    let there: Vec<&String> = missing.iter().filter(|c| ours.contains_key(*c)).collect();
    let unknown: Vec<&String> = missing.iter().filter(|c| !snapshot.contains_key(*c)).collect();
    let extra: Vec<&String> = ours.keys().filter(|c| !snapshot.contains_key(*c)).collect();
    let text = |v: &[&String]| v.iter().map(|s| format!("\n{s}")).collect::<String>();
    assert!(
        lacking.is_empty() && there.is_empty() && unknown.is_empty() && extra.is_empty(),
        "tests/fixtures/missing-commands.txt is to be corrected.\nnot there and not listed:{}\nlisted but there:{}\nlisted, \
         but no command of 8.4:{}\nthere, but no command of 8.4:{}",
        text(&lacking),
        text(&there),
        text(&unknown),
        text(&extra)
    );
}

#[test]
fn as_the_running_reference_says() {
    let Some(reference) = Launch::reference() else { return };
    let (server, reference) = (Launch::viator().start(), reference.start());
    let ours = table(&mut server.client_resp(3));
    let theirs = table(&mut reference.client_resp(3));
    let fields = [
        "arity",
        "flags",
        "keys",
        "acl",
        "tips",
        "key_specs",
        "summary",
        "since",
        "group",
        "complexity",
        "doc_flags",
        "deprecated_since",
        "replaced_by",
        "arguments",
    ];
    let mut lines = Vec::new();
    for (command, ours) in &ours {
        let Some(theirs) = theirs.get(command) else { continue };
        lines.extend(differences(command, ours, theirs, &fields, true));
        // What changed in a command after 8.4 is not ours to tell.
        let history = |row: &Json| -> Vec<Json> {
            let list = row["history"].as_array().cloned().unwrap_or_default();
            list.into_iter().filter(|change| !change[0].as_str().is_some_and(newer)).collect()
        };
        if history(ours) != history(theirs) {
            let (a, b) = (json!(history(ours)), json!(history(theirs)));
            lines.push(format!("{command}: history\n    ours:      {a}\n    reference: {b}"));
        }
    }
    report("COMMAND INFO and DOCS against the running reference", &lines);
}

#[test]
fn rows_that_differ_are_found() {
    let row = json!({"arity": 2, "arguments": [{"name": "a", "display_text": "x", "flags": ["b", "a"]}]});
    let same = json!({"arity": 2, "arguments": [{"name": "a", "flags": ["a", "b"]}, {"name": "n", "since": "8.6.0"}]});
    assert!(differences("C", &row, &same, &["arity", "arguments"], false).is_empty());
    assert_eq!(differences("C", &row, &same, &["arity", "arguments"], true).len(), 1);
    assert_eq!(differences("C", &row, &json!({"arity": 3}), &["arity", "arguments"], false).len(), 2);
}
