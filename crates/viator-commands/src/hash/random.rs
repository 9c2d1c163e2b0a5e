//! HRANDFIELD.

use std::collections::HashSet;

use viator_data::hash::{Field, Hash};
use viator_data::hashing::{below, mix};
use viator_engine::args::{self, is};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;
use viator_engine::error::Error;
use viator_resp::reply::Reply;

use crate::collection::{is_full, most_output, random_count, reply_entry};
use crate::declare::{KEY, RO_ACCESS, one_key};

/// HRANDFIELD.
pub static HRANDFIELD: Command = Command {
    name: "hrandfield",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::HASH,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "6.2.0",
    summary: "Returns one or more random fields from a hash.",
    complexity: "O(N) where N is the number of fields returned",
    args: &[
        KEY,
        ArgSpec::block("options", &[ArgSpec::integer("count"), ArgSpec::token("withvalues", "WITHVALUES").opt()]).opt(),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "HSET hash field value",
        "HRANDFIELD hash",
        "HRANDFIELD hash 3",
        "HRANDFIELD hash -3 WITHVALUES",
        "HRANDFIELD hash 1 WITHVALUES",
        "HRANDFIELD missing",
        "HRANDFIELD missing 2",
        "HRANDFIELD hash x",
    ],
    handler: Handler::Read(hrandfield),
    ..Command::BASE
};

fn hrandfield(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let Some(count) = ctx.args.get(2) else {
        ctx.keys.expire_all_fields(key);
        let random = ctx.keys.random();
        match ctx.keys.read::<Hash>(key)?.and_then(|h| h.random(random)) {
            Some(f) => reply_entry(ctx.out, f.name),
            None => ctx.out.null(),
        }
        return Ok(());
    };
    let symmetric = args::symmetric(count)?;
    let values = match (ctx.args.get(3), ctx.args.len()) {
        (None, _) => false,
        (Some(word), 4) if is(word, "WITHVALUES") => true,
        _ => return Err(Error::Syntax),
    };
    if values && symmetric.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(Error::Static("ERR value is out of range"));
    }
    ctx.keys.expire_all_fields(key);
    let mut seed = ctx.keys.random();
    let most = most_output(ctx);
    let Some(hash) = ctx.keys.read::<Hash>(key)?.filter(|_| symmetric != 0) else {
        ctx.out.array(0);
        return Ok(());
    };
    let (n, repeated) = random_count(count, most)?;
    // a walk over the numbers, each spread: a structure that draws again from its number must not come upon the next
    let mut random = || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(seed)
    };
    if !repeated {
        let fields = distinct(hash, n, random);
        header(ctx.out, fields.len(), values);
        fields.into_iter().for_each(|f| reply(ctx.out, f, values));
    } else {
        header(ctx.out, n, values);
        for _ in 0..n {
            if is_full(ctx.out, most) {
                break;
            }
            hash.random(random()).into_iter().for_each(|f| reply(ctx.out, f, values));
        }
    }
    Ok(())
}

/// `n` different fields, or all if there are not so many.
fn distinct(hash: &Hash, n: usize, mut random: impl FnMut() -> u64) -> Vec<Field<'_>> {
    if n >= hash.len() {
        return hash.iter().collect();
    }
    if hash.as_packed().is_some() || n > hash.len() / 3 {
        let mut fields: Vec<_> = hash.iter().collect();
        for i in 0..n {
            let j = i + below(random(), fields.len() - i);
            fields.swap(i, j);
        }
        fields.truncate(n);
        return fields;
    }
    // few of many: those drawn twice are seldom
    let mut drawn = HashSet::with_capacity(n);
    let mut fields = Vec::with_capacity(n);
    while fields.len() < n {
        match hash.random(random()) {
            Some(f) if drawn.insert(f.name) => fields.push(f),
            Some(_) => {}
            None => break,
        }
    }
    fields
}

/// The head of a reply of `n` fields: RESP2 has names and values in one flat array, RESP3 in pairs.
fn header(out: &mut Reply, n: usize, values: bool) {
    out.array(if values && !out.resp3() { n * 2 } else { n });
}

fn reply(out: &mut Reply, field: Field<'_>, values: bool) {
    if values && out.resp3() {
        out.array(2);
    }
    reply_entry(out, field.name);
    if values {
        reply_entry(out, field.value);
    }
}
