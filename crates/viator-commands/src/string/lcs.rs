//! LCS: the longest common subsequence of two strings.

use viator_data::lcs;
use viator_engine::args::{int, is};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;
use viator_engine::error::Error;
use viator_resp::reply::Reply;

use crate::declare::{RO_ACCESS, keys};

/// LCS.
pub static LCS: Command = Command {
    name: "lcs",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::STRING,
    keys: &[keys(1, 1, 1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::String,
    since: "7.0.0",
    summary: "Finds the longest common substring.",
    complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
    args: &[
        ArgSpec::key("key1", 0),
        ArgSpec::key("key2", 0),
        ArgSpec::token("len", "LEN").opt(),
        ArgSpec::token("idx", "IDX").opt(),
        ArgSpec::integer("min-match-len").after("MINMATCHLEN").opt(),
        ArgSpec::token("withmatchlen", "WITHMATCHLEN").opt(),
    ],
    examples: &[
        "MSET a ohmytext b mynewtext",
        "LCS a b",
        "LCS a b LEN",
        "LCS a b IDX",
        "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
        "LCS a missing",
        "LCS a b LEN IDX",
    ],
    handler: Handler::Read(lcs_command),
    ..Command::BASE
};

fn lcs_command(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let mut string = |key| match ctx.keys.lookup(key) {
        Some(e) => super::hold(e.value).map(Some),
        None => Ok(None),
    };
    // both are looked at before either's type is judged
    let (a, b) = (string(ctx.args.at(1)), string(ctx.args.at(2)));
    let (Ok(a), Ok(b)) = (a, b) else {
        return Err(Error::Static("ERR The specified keys must contain string values"));
    };
    let (a, b) = (a.as_deref().unwrap_or_default(), b.as_deref().unwrap_or_default());

    let (mut len, mut idx, mut min, mut with_len) = (false, false, 0, false);
    let mut words = ctx.args.from(3).iter();
    while let Some(word) = words.next() {
        match () {
            _ if is(word, "LEN") => len = true,
            _ if is(word, "IDX") => idx = true,
            _ if is(word, "WITHMATCHLEN") => with_len = true,
            _ if is(word, "MINMATCHLEN") => {
                min = usize::try_from(int(words.next().ok_or(Error::Syntax)?)?).unwrap_or(0);
            }
            _ => return Err(Error::Syntax),
        }
    }
    if len && idx {
        return Err(Error::Static("ERR If you want both the length and indexes, please just use IDX."));
    }
    let cells = lcs::cells(a.len(), b.len()).ok_or(Error::Static("ERR String too long for LCS"))?;
    if cells as u64 > super::max_len(ctx.keys.cfg()) / 4 {
        return Err(Error::Static("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"));
    }
    if len {
        ctx.out.int(lcs::length(a, b) as i64);
        return Ok(());
    }
    let found = lcs::lcs(a, b);
    if !idx {
        ctx.out.bulk(&found.sequence);
        return Ok(());
    }
    ctx.out.map(2);
    ctx.out.bulk(b"matches");
    let shown = || found.matches.iter().filter(|m| m.a.len() >= min);
    ctx.out.array(shown().count());
    for m in shown() {
        ctx.out.array(if with_len { 3 } else { 2 });
        reply_run(ctx.out, &m.a);
        reply_run(ctx.out, &m.b);
        if with_len {
            ctx.out.int(m.a.len() as i64);
        }
    }
    ctx.out.bulk(b"len");
    ctx.out.int(found.sequence.len() as i64);
    Ok(())
}

/// First and last index of a run, which is not empty.
fn reply_run(out: &mut Reply, run: &std::ops::Range<usize>) {
    out.array(2);
    out.int(run.start as i64);
    out.int(run.end as i64 - 1);
}
