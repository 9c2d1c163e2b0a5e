//! What the commands of sets, sorted sets and hashes share: replies of members, and the iterations SSCAN, ZSCAN, HSCAN.

use viator_data::packed::{Entry, IntBuf};
use viator_data::{glob, num};
use viator_engine::args::{self, Args};
use viator_engine::client::flag;
use viator_engine::ctx::ReadCtx;
use viator_engine::error::Error;
use viator_resp::reply::Reply;

/// Writes a member as a bulk string.
#[inline]
pub(crate) fn reply_entry(out: &mut Reply, entry: Entry<'_>) {
    match entry {
        Entry::Int(n) => out.bulk_int(n),
        Entry::Str(bytes) => out.bulk(bytes),
    }
}

/// A score as replies have it.
#[inline]
pub(crate) fn score_text<R>(score: f64, write: impl FnOnce(&str) -> R) -> R {
    // most scores are whole and small; -0 is not among them
    const SMALL: f64 = 1e15;
    if (-SMALL..SMALL).contains(&score) && score as i64 as f64 == score && !(score == 0.0 && score.is_sign_negative()) {
        return write(itoa::Buffer::new().format(score as i64));
    }
    let mut text = Vec::with_capacity(24);
    num::format_f64(score, &mut text);
    write(std::str::from_utf8(&text).unwrap_or_default())
}

/// Writes a score: a double in RESP3, a bulk string in RESP2.
#[inline]
pub(crate) fn reply_score(out: &mut Reply, score: f64) {
    score_text(score, |text| out.double(text));
}

/// The cursor of an iteration.
///
/// # Errors
/// `invalid cursor`.
pub(crate) fn cursor(arg: &[u8]) -> Result<u64, Error> {
    // the reference reads it as the C library does: after blanks
    num::parse_u64(arg.trim_ascii_start()).ok_or(Error::Static("ERR invalid cursor"))
}

/// The options of an iteration over a value.
pub(crate) struct ScanOptions<'a> {
    /// Without a pattern, or with `*`, everything matches.
    pattern: Option<&'a [u8]>,
    /// How many elements to look at, about.
    pub(crate) count: usize,
    /// NOVALUES.
    pub(crate) novalues: bool,
}

impl<'a> ScanOptions<'a> {
    /// Reads the options after the cursor; only HSCAN has NOVALUES.
    ///
    /// # Errors
    /// [`Error::Syntax`], [`Error::NotInteger`], or NOVALUES where it does not belong.
    pub(crate) fn parse(options: Args<'a>, of_hash: bool) -> Result<Self, Error> {
        let mut parsed = ScanOptions { pattern: None, count: 10, novalues: false };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            if args::is(option, "NOVALUES") {
                if !of_hash {
                    return Err(Error::Static("ERR NOVALUES option can only be used in HSCAN"));
                }
                parsed.novalues = true;
                continue;
            }
            let value = options.next().ok_or(Error::Syntax)?;
            if args::is(option, "COUNT") {
                let count = args::int(value)?;
                if count < 1 {
                    return Err(Error::Syntax);
                }
                parsed.count = usize::try_from(count).unwrap_or(usize::MAX);
            } else if args::is(option, "MATCH") {
                parsed.pattern = (glob::kind(value) != glob::Kind::All).then_some(value);
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(parsed)
    }

    /// Whether an element is to be reported.
    pub(crate) fn matches(&self, element: Entry<'_>) -> bool {
        self.pattern.is_none_or(|p| glob::matches(p, element.bytes(&mut IntBuf::new())))
    }
}

/// Writes the reply of an iteration: the next cursor, and what `write` writes, which returns how many elements.
pub(crate) fn reply_scan(out: &mut Reply, write: impl FnOnce(&mut Reply) -> (u64, usize)) {
    let whole = out.defer();
    let elements = out.defer();
    let (next, n) = write(out);
    out.finish(elements, |out| out.array(n));
    out.finish(whole, |out| {
        out.array(2);
        out.bulk(itoa::Buffer::new().format(next).as_bytes());
    });
}

/// Writes the reply of an iteration over a key that is not there.
pub(crate) fn reply_scan_nothing(out: &mut Reply) {
    reply_scan(out, |_| (0, 0));
}

/// Members that a reply with repetitions has at most: more would be memory without end for one short request.
const MAX_REPETITIONS: u64 = 1 << 26;

/// A count of SRANDMEMBER and its kin, where a negative one asks for as many members with repetitions. `most`: see
/// [`most_output`].
///
/// # Errors
/// [`Error::NotInteger`], or that it is out of range.
pub(crate) fn random_count(arg: &[u8], most: Option<usize>) -> Result<(usize, bool), Error> {
    let count = args::symmetric(arg)?;
    if count < 0 && count.unsigned_abs() > MAX_REPETITIONS && most.is_none() {
        return Err(Error::Static("ERR value is out of range"));
    }
    Ok((count.unsigned_abs() as usize, count < 0))
}

/// Bytes of output with which the client will be closed, so that nothing more need be written.
pub(crate) fn most_output(ctx: &ReadCtx<'_, '_>) -> Option<usize> {
    let limits = &ctx.keys.cfg().client_output_buffer_limit;
    let class = if ctx.session.shared.has_flag(flag::PUBSUB) { &limits.pubsub } else { &limits.normal };
    usize::try_from(class.hard).ok().filter(|most| *most > 0 && !ctx.session.in_script)
}

/// Whether nothing more need be written.
pub(crate) fn is_full(out: &Reply, most: Option<usize>) -> bool {
    most.is_some_and(|most| out.len() >= most)
}
