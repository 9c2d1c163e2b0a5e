//! What the checkers found, as JSON.

use serde_json::{Map, Value, json};
use viator_persist::check::{Found, text};
use viator_persist::types;

/// What was found in an RDB file.
pub fn of_rdb(found: &Found) -> Map<String, Value> {
    let databases: Map<String, Value> = found.databases.iter().map(|(n, keys)| (n.to_string(), json!(keys))).collect();
    let types: Map<String, Value> = found
        .types
        .iter()
        .map(|(kind, t)| {
            let told = json!({
                "type": kind, "keys": t.keys, "elements": t.elements, "bytes": t.bytes, "largest_bytes": t.largest,
                "largest_key": text(&t.largest_key),
            });
            (types::name(*kind).to_owned(), told)
        })
        .collect();
    let pairs = [
        ("version", json!(found.version)),
        ("keys", json!(found.keys)),
        ("expires", json!(found.expires)),
        ("expired", json!(found.expired)),
        ("subexpires", json!(found.subexpires)),
        ("functions", json!(found.functions)),
        ("databases", Value::Object(databases)),
        ("types", Value::Object(types)),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
