//! XADD.

use viator_data::stream::{Stream, StreamId};
use viator_engine::args::{self, Args};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_engine::typed::stream_limits;

use super::entry::IdText;
use super::id::{self, NewId};
use super::trim::{Left, Trim};
use crate::declare::{KEY, RW_UPDATE, one_key};

/// Largest entry, bytes: a node is a listpack, which has a 32-bit length.
const MAX_ENTRY: usize = 1 << 30;

/// XADD.
pub static XADD: Command = Command {
    name: "xadd",
    arity: -5,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::STREAM,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Stream,
    since: "5.0.0",
    summary: "Appends a new message to a stream. Creates the key if it doesn't exist.",
    complexity: "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
    history: &[
        ("6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."),
        ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
        ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options."),
    ],
    args: &[
        KEY,
        ArgSpec::token("nomkstream", "NOMKSTREAM").since("6.2.0").opt(),
        ArgSpec::oneof(
            "condition",
            &[
                ArgSpec::token("keepref", "KEEPREF"),
                ArgSpec::token("delref", "DELREF"),
                ArgSpec::token("acked", "ACKED"),
            ],
        )
        .opt(),
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
            ],
        )
        .opt(),
        ArgSpec::oneof("id-selector", &[ArgSpec::token("auto-id", "*"), ArgSpec::string("id")]),
        ArgSpec::block("data", &[ArgSpec::string("field"), ArgSpec::string("value")]).multi(),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "XADD stream 1-1 name Sara surname OConnor",
        "XADD stream 1-* field value",
        "XADD stream 1-2 field again",
        "XADD stream 0-0 field value",
        "XADD stream MAXLEN 2 5 a 1",
        "XRANGE stream - +",
        "XADD stream MAXLEN ~ 2 6 a 1",
        "XADD stream MINID = 6 7 a 1",
        "XADD stream NOMKSTREAM 8 a 1",
        "XADD missing NOMKSTREAM 8 a 1",
        "XADD stream 9 a",
        "XADD stream DELREF MAXLEN 1 9 a 1",
        "XLEN stream",
    ],
    handler: Handler::Write(xadd),
    ..Command::BASE
};

/// The options in front of the fields.
struct Options {
    no_mkstream: bool,
    trim: Trim,
    id: NewId,
    /// Where the id stands.
    id_at: usize,
}

impl Options {
    fn parse(args: Args<'_>, replaying: bool) -> Result<Options, Error> {
        let mut o = Options { no_mkstream: false, trim: Trim::default(), id: NewId::Auto, id_at: args.len() };
        let mut i = 2;
        while i < args.len() {
            let option = args.at(i);
            if option == b"*" {
                o.id_at = i;
                break;
            }
            if args::is(option, "NOMKSTREAM") {
                o.no_mkstream = true;
            } else if let Some(last) = o.trim.option(args, i)? {
                i = last;
            } else {
                o.id = id::of_new(option)?;
                o.id_at = i;
                break;
            }
            i += 1;
        }
        o.trim.check(false, replaying)?;
        Ok(o)
    }
}

/// The id of an entry that comes after `last`.
fn new_id(wanted: NewId, last: StreamId, now: u64) -> Result<StreamId, Error> {
    const TOO_SMALL: Error =
        Error::Static("ERR The ID specified in XADD is equal or smaller than the target stream top item");
    if last == StreamId::MAX {
        return Err(Error::Static("ERR The stream has exhausted the last possible ID, unable to add more items"));
    }
    let id = match wanted {
        NewId::Auto if now > last.ms => StreamId::new(now, 0),
        NewId::Auto => last.next().ok_or(TOO_SMALL)?,
        NewId::Seq(ms) if ms == last.ms => StreamId::new(ms, last.seq.checked_add(1).ok_or(TOO_SMALL)?),
        NewId::Seq(ms) => StreamId::new(ms, 0),
        NewId::Exact(id) => id,
    };
    if id > last { Ok(id) } else { Err(TOO_SMALL) }
}

fn xadd(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let (args, key) = (ctx.args, ctx.args.at(1));
    let Options { no_mkstream, trim, id, id_at } = Options::parse(args, ctx.keys.local.replaying)?;
    let fields = args.from(id_at + 1);
    if fields.len() < 2 || fields.len() % 2 == 1 {
        return Err(Error::Arity(ctx.entry.name.clone()));
    }
    if id == NewId::Exact(StreamId::MIN) {
        return Err(Error::Static("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let too_large = fields.bytes() > MAX_ENTRY;
    if (no_mkstream || too_large) && ctx.keys.write::<Stream>(key)?.is_none() {
        if !no_mkstream {
            return Err(Error::Static("ERR Elements are too large to be stored"));
        }
        ctx.out.null();
        return Ok(());
    }
    let (now, limits) = (ctx.keys.now().cast_unsigned(), stream_limits(ctx.keys.cfg()));
    let trim_limit = trim.limit(ctx.keys.cfg());
    let stream = ctx.keys.write_or_new::<Stream>(key, |_| Stream::new())?;
    let added = new_id(id, stream.log().last_id(), now)?;
    if too_large {
        return Err(Error::Static("ERR Elements are too large to be stored"));
    }
    let fields: Vec<&[u8]> = fields.iter().collect();
    stream.append(added, &fields, &limits).map_err(|e| Error::text(format!("ERR {e}")))?;
    let trimmed = trim.run(stream, trim_limit);
    let left = Left::of(stream);
    let text = IdText::new(added);
    ctx.out.bulk(text.as_ref());
    ctx.keys.changed(NotifyFlags::STREAM, "xadd", key, 1);
    if trimmed > 0 {
        ctx.keys.notify(NotifyFlags::STREAM, "xtrim", key);
    }
    if trim.is_approximate() || !matches!(id, NewId::Exact(_)) {
        ctx.keys.propagate_as(|| trim.exact(args, left, |i| (i == id_at).then(|| IdText::new(added))));
    }
    Ok(())
}
