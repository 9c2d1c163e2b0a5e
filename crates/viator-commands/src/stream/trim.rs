//! Cutting a stream at its front: XTRIM, and the options that it shares with XADD.

use viator_data::stream::{RefPolicy, Stream, StreamId, TrimTo};
use viator_engine::args::{self, Args, OwnedArgs};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::{Config, NotifyFlags};
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;

use super::entry::IdText;
use super::id;
use crate::declare::{KEY, RW_DELETE, one_key};

/// KEEPREF, DELREF or ACKED.
pub(super) fn policy(option: &[u8]) -> Option<RefPolicy> {
    let is = |name| args::is(option, name);
    match () {
        () if is("KEEPREF") => Some(RefPolicy::Keep),
        () if is("DELREF") => Some(RefPolicy::Delete),
        () if is("ACKED") => Some(RefPolicy::Acked),
        () => None,
    }
}

/// The options about trimming.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trim {
    /// How far.
    pub(super) to: Option<TrimTo>,
    policy: Option<RefPolicy>,
    approx: bool,
    limit: Option<usize>,
    /// Where the threshold stands among the arguments.
    at: usize,
    limit_at: usize,
}

impl Trim {
    /// Reads the option at `i`, if it is one about trimming; the index of its last argument.
    pub(super) fn option(&mut self, args: Args<'_>, i: usize) -> Result<Option<usize>, Error> {
        let option = args.at(i);
        let more = args.len() - 1 - i;
        let (by_len, by_id) = (args::is(option, "MAXLEN"), args::is(option, "MINID"));
        if (by_len || by_id) && more > 0 {
            if self.to.is_some() {
                return Err(Error::Static(
                    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                ));
            }
            let operator = more >= 2 && matches!(args.at(i + 1), b"~" | b"=");
            self.approx = operator && args.at(i + 1) == b"~";
            self.at = i + 1 + usize::from(operator);
            let threshold = args.at(self.at);
            self.to = Some(if by_len {
                let len = args::int(threshold)?;
                TrimTo::MaxLen(
                    usize::try_from(len).map_err(|_| Error::Static("ERR The MAXLEN argument must be >= 0."))?,
                )
            } else {
                TrimTo::MinId(id::exact(threshold)?)
            });
            Ok(Some(self.at))
        } else if args::is(option, "LIMIT") && more > 0 {
            let limit = args::int(args.at(i + 1))?;
            let limit = usize::try_from(limit).map_err(|_| Error::Static("ERR The LIMIT argument must be >= 0."))?;
            self.limit = Some(limit);
            self.limit_at = i;
            Ok(Some(i + 1))
        } else if let Some(policy) = policy(option)
            && self.policy.is_none()
        {
            self.policy = Some(policy);
            Ok(Some(i))
        } else {
            Ok(None)
        }
    }

    /// Checks the options together; `required`: one must say how far.
    pub(super) fn check(&self, required: bool, replaying: bool) -> Result<(), Error> {
        if self.limit.is_some_and(|n| n > 0) && self.to.is_none() {
            return Err(Error::Static("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"));
        }
        if required && self.to.is_none() {
            return Err(Error::Static("ERR syntax error, XTRIM must be called with a trimming strategy"));
        }
        // Redis's own log has the exact form of what was trimmed, with the LIMIT of the approximate one
        if self.limit.is_some() && !self.approx && !replaying {
            return Err(Error::Static("ERR syntax error, LIMIT cannot be used without the special ~ option"));
        }
        Ok(())
    }

    /// Most entries to remove; 0: no limit.
    pub(super) fn limit(&self, cfg: &Config) -> usize {
        match self.limit {
            Some(limit) => limit,
            // as much as a hundred nodes
            None if self.approx => {
                match usize::try_from(cfg.stream_node_max_entries).unwrap_or(0).saturating_mul(100) {
                    0 => 10_000,
                    n => n.min(1_000_000),
                }
            }
            None => 0,
        }
    }

    /// Cuts, up to `limit` entries; how many entries that removed.
    pub(super) fn run(&self, stream: &mut Stream, limit: usize) -> usize {
        let Some(to) = self.to else { return 0 };
        stream.trim(to, self.approx, limit, self.policy.unwrap_or_default())
    }

    /// Whether what it removes depends on how the stream is cut into nodes.
    pub(super) fn is_approximate(&self) -> bool {
        self.to.is_some() && self.approx
    }

    /// The command with the exact threshold that leaves the same entries; `change` may replace other arguments.
    pub(super) fn exact(&self, args: Args<'_>, left: Left, change: impl Fn(usize) -> Option<IdText>) -> OwnedArgs {
        let mut owned = OwnedArgs::default();
        for (i, arg) in args.iter().enumerate() {
            if let Some(changed) = change(i) {
                owned.push(changed.as_ref());
            } else if !self.is_approximate() {
                owned.push(arg);
            } else if i + 1 == self.at {
                owned.push(b"=");
            } else if i == self.at {
                match self.to {
                    Some(TrimTo::MinId(_)) => owned.push(IdText::new(left.first).as_ref()),
                    _ => owned.push(itoa::Buffer::new().format(left.len).as_bytes()),
                }
            } else if self.limit.is_none() || (i != self.limit_at && i != self.limit_at + 1) {
                owned.push(arg);
            }
        }
        owned
    }
}

/// What is left in a stream after trimming.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    len: usize,
    /// The first id; the greatest of all if there is none.
    first: StreamId,
}

impl Left {
    /// Of this stream.
    pub(super) fn of(stream: &Stream) -> Left {
        let first = if stream.is_empty() { StreamId::MAX } else { stream.log().first_id() };
        Left { len: stream.len(), first }
    }
}

/// XTRIM.
pub static XTRIM: Command = Command {
    name: "xtrim",
    arity: -4,
    flags: Flags::WRITE,
    acl: Acl::STREAM,
    keys: &[one_key(1, RW_DELETE)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Deletes messages from the beginning of a stream.",
    complexity: "O(N), with N being the number of evicted entries. Constant times are very small however, since \
        entries are organized in macro nodes containing multiple entries that can be released with a \
        single deallocation.",
    history: &[
        ("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option."),
        ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options."),
    ],
    args: &[
        KEY,
        ArgSpec::block(
            "trim",
            &[
                ArgSpec::oneof(
                    "strategy",
                    &[ArgSpec::token("maxlen", "MAXLEN"), ArgSpec::token("minid", "MINID").since("6.2.0")],
                ),
                ArgSpec::oneof("operator", &[ArgSpec::token("equal", "="), ArgSpec::token("approximately", "~")]).opt(),
                ArgSpec::string("threshold"),
                ArgSpec::integer("count").after("LIMIT").since("6.2.0").opt(),
                ArgSpec::oneof(
                    "condition",
                    &[
                        ArgSpec::token("keepref", "KEEPREF"),
                        ArgSpec::token("delref", "DELREF"),
                        ArgSpec::token("acked", "ACKED"),
                    ],
                )
                .opt(),
            ],
        ),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "XADD stream 1-1 a 1",
        "XADD stream 2-1 a 2",
        "XADD stream 3-1 a 3",
        "XTRIM stream MAXLEN ~ 1",
        "XTRIM stream MAXLEN 2",
        "XRANGE stream - +",
        "XTRIM stream MINID 3",
        "XRANGE stream - +",
        "XTRIM stream MAXLEN = 0 DELREF",
        "XTRIM missing MAXLEN 1",
        "XTRIM stream MAXLEN 1 LIMIT 2",
    ],
    handler: Handler::Write(xtrim),
    ..Command::BASE
};

fn xtrim(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let mut trim = Trim::default();
    let mut i = 2;
    while i < ctx.args.len() {
        i = trim.option(ctx.args, i)?.ok_or(Error::Syntax)? + 1;
    }
    trim.check(true, ctx.keys.local.replaying)?;
    let limit = trim.limit(ctx.keys.cfg());
    let Some(stream) = ctx.keys.write::<Stream>(key)? else {
        ctx.out.int(0);
        return Ok(());
    };
    let removed = trim.run(stream, limit);
    let left = Left::of(stream);
    if removed > 0 {
        ctx.keys.changed(NotifyFlags::STREAM, "xtrim", key, removed as u64);
        if trim.is_approximate() {
            let args = ctx.args;
            ctx.keys.propagate_as(|| trim.exact(args, left, |_| None));
        }
    }
    ctx.out.int(removed as i64);
    Ok(())
}
