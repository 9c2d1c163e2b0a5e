//! Differences from the reference that are meant; each is described in `known-differences.md` under its name.

use viator_client::value::Value;

use crate::compare;

/// A difference that is meant.
pub struct Known {
    /// Its heading in `known-differences.md`.
    pub name: &'static str,
    /// Whether a reply of ours and one of theirs to this command line differ by it and nothing else.
    pub is: fn(args: &[Vec<u8>], ours: &Value, theirs: &Value) -> bool,
}

/// All of them.
pub const KNOWN: &[Known] = &[Known {
    name: "newer-than-8.4",
    is: |args, ours, theirs| {
        if compare::name(args) == "XINFO STREAM" {
            return compare::same(compare::default_mode(args), ours, &without_newer_fields(theirs));
        }
        // COMMAND COUNT counts the reference's newer commands too.
        let counts = compare::name(args) == "COMMAND COUNT" && ours.kind() == "integer" && theirs.kind() == "integer";
        let policies = match (ours, theirs) {
            (Value::Error(a), Value::Error(b)) => {
                String::from_utf8_lossy(b).replace(" volatile-lrm,", "").replace(" allkeys-lrm,", "").as_bytes() == a
            }
            _ => false,
        };
        counts || policies
    },
}];

/// What XINFO STREAM answers, without the fields that came after 8.4.
pub fn without_newer_fields(reply: &Value) -> Value {
    const NEWER: &[&[u8]] =
        &[b"idmp-duration", b"idmp-maxsize", b"pids-tracked", b"iids-tracked", b"iids-added", b"iids-duplicates"];
    let newer = |name: &Value| name.as_bytes().is_some_and(|n| NEWER.contains(&n));
    match reply {
        Value::Map(pairs) => Value::Map(pairs.iter().filter(|(k, _)| !newer(k)).cloned().collect()),
        Value::Array(items) => {
            Value::Array(items.chunks(2).filter(|c| !newer(&c[0])).flat_map(|c| c.iter().cloned()).collect())
        }
        other => other.clone(),
    }
}

/// Whether a difference is meant.
pub fn is_known(args: &[Vec<u8>], ours: &Value, theirs: &Value) -> bool {
    KNOWN.iter().any(|k| (k.is)(args, ours, theirs))
}

#[test]
fn every_known_difference_is_described() {
    let text = include_str!("known-differences.md");
    let headings: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("## ")).collect();
    for known in KNOWN {
        assert!(headings.contains(&known.name), "{} is not described in known-differences.md", known.name);
    }
    for heading in headings {
        let matched = KNOWN.iter().any(|k| k.name == heading) || heading.starts_with("(not compared) ");
        assert!(matched, "known-differences.md describes {heading}, which known.rs does not have");
    }
}
