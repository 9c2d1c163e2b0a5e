//! Glob patterns as Redis matches them (KEYS, SCAN MATCH, PSUBSCRIBE, CONFIG GET, ACL key patterns…).
//!
//! `*` matches any run of bytes, `?` one byte, `[a-c]`, `[abc]`, `[^a]` one byte of a class, `\x` the byte `x`.
//! What Redis leaves odd is kept: a class that is not closed ends at the end of the pattern, `[a-]` is a range up to
//! `]` and so not closed, the ends of a range are compared as *signed* bytes and may stand in either order.
//!
//! Matching needs no recursion: only the last `*` seen is ever retried, so the cost is at most
//! pattern length × text length.

/// What a pattern is, for callers that have a cheaper way than matching every candidate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `*`: matches everything (of [`matches()`], everything but the empty text).
    All,
    /// No special byte: matches exactly itself (when case matters).
    Literal,
    /// Anything else.
    Glob,
}

/// Classifies a pattern.
pub fn kind(pattern: &[u8]) -> Kind {
    if pattern == b"*" {
        Kind::All
    } else if pattern.iter().any(|b| matches!(b, b'*' | b'?' | b'[' | b'\\')) {
        Kind::Glob
    } else {
        Kind::Literal
    }
}

/// Whether the whole of `text` matches `pattern`, byte for byte.
///
/// As in Redis, the empty text matches the empty pattern only, not even `*` (KEYS and SCAN treat [`Kind::All`] apart).
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    run::<false>(pattern, text)
}

/// As [`matches()`], ASCII letters of either case being equal.
///
/// As in Redis, a byte escaped inside a class (`[\M]`) still matches its own case only.
pub fn matches_ignore_case(pattern: &[u8], text: &[u8]) -> bool {
    run::<true>(pattern, text)
}

/// The bytes every match starts with: the part of the pattern before the first special byte.
pub fn literal_prefix(pattern: &[u8]) -> &[u8] {
    let end = pattern.iter().position(|b| matches!(b, b'*' | b'?' | b'[' | b'\\')).unwrap_or(pattern.len());
    pattern.get(..end).unwrap_or_default()
}

/// Stars (runs of them) after which Redis gives up: such patterns match nothing.
const MAX_STARS: usize = 1000;

fn run<const NOCASE: bool>(pattern: &[u8], text: &[u8]) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t) = (pattern, text);
    // What follows the last `*`, and the text at which it is to be tried next.
    let mut retry: Option<(&[u8], &[u8])> = None;
    let mut stars = 0;
    loop {
        if let [b'*', rest @ ..] = p {
            p = rest;
            if p.is_empty() {
                return true;
            }
            stars += usize::from(p.first() != Some(&b'*'));
            if stars > MAX_STARS {
                return false;
            }
            retry = Some((p, t));
            continue;
        }
        let Some((&c, t_rest)) = t.split_first() else { return p.is_empty() };
        if let Some(p_rest) = step::<NOCASE>(p, c) {
            (p, t) = (p_rest, t_rest);
            continue;
        }
        let Some((after_star, from)) = retry else { return false };
        let Some(mut from) = from.get(1..) else { return false };
        if !NOCASE
            && let [first, ..] = after_star
            && !matches!(first, b'?' | b'[' | b'\\')
        {
            // A plain byte follows the star: no other position can match.
            let Some(at) = from.iter().position(|b| b == first) else { return false };
            from = from.get(at..).unwrap_or_default();
        }
        retry = Some((after_star, from));
        (p, t) = (after_star, from);
    }
}

/// Matches one byte with the pattern's first element (not `*`); returns the pattern after that element.
fn step<const NOCASE: bool>(pattern: &[u8], c: u8) -> Option<&[u8]> {
    let (matched, rest) = match pattern {
        [] => return None,
        [b'?', rest @ ..] => (true, rest),
        [b'[', b'^', rest @ ..] => {
            let (matched, rest) = class::<NOCASE>(rest, c);
            (!matched, rest)
        }
        [b'[', rest @ ..] => class::<NOCASE>(rest, c),
        [b'\\', x, rest @ ..] | [x, rest @ ..] => (fold::<NOCASE>(*x) == fold::<NOCASE>(c), rest),
    };
    matched.then_some(rest)
}

/// Whether `c` is in the class whose members `pattern` starts with, and the pattern after the class.
fn class<const NOCASE: bool>(mut pattern: &[u8], c: u8) -> (bool, &[u8]) {
    let folded = fold::<NOCASE>(c);
    let mut matched = false;
    loop {
        match pattern {
            [] => return (matched, pattern),
            [b'\\', x, rest @ ..] => {
                matched |= *x == c;
                pattern = rest;
            }
            [b']', rest @ ..] => return (matched, rest),
            [a, b'-', b, rest @ ..] => {
                let (a, b) = (*a as i8, *b as i8);
                let (low, high) = (fold::<NOCASE>(a.min(b) as u8) as i8, fold::<NOCASE>(a.max(b) as u8) as i8);
                matched |= (low..=high).contains(&(folded as i8));
                pattern = rest;
            }
            [x, rest @ ..] => {
                matched |= fold::<NOCASE>(*x) == folded;
                pattern = rest;
            }
        }
    }
}

fn fold<const NOCASE: bool>(b: u8) -> u8 {
    if NOCASE { b.to_ascii_lowercase() } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_of_too_many_stars_match_nothing() {
        let text = vec![b'a'; 5000];
        assert!(matches(&b"*?".repeat(1000), &text));
        assert!(!matches(&b"*?".repeat(1001), &text));
        assert!(matches(&b"*".repeat(5000), &text));
    }

    #[test]
    fn known_answers() {
        let yes: &[(&str, &str)] = &[
            ("", ""),
            ("*", "anything"),
            ("**", "x"),
            ("h?llo", "hello"),
            ("h*llo", "hllo"),
            ("h*llo", "heeeello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hbllo"),
            ("h[a-b]llo", "hbllo"),
            ("h[b-a]llo", "hallo"),
            ("a\\*b", "a*b"),
            ("a\\", "a\\"),
            ("[\\]]", "]"),
            ("[abc", "c"),
            ("[^", "x"),
            ("[a-]", "]"),
            ("*a*b*c", "xxaxxbxxcxxc"),
            ("*[0-9]", "abc5"),
        ];
        for (p, t) in yes {
            assert!(matches(p.as_bytes(), t.as_bytes()), "{p} {t}");
        }
        let no: &[(&str, &str)] = &[
            ("", "a"),
            ("?", ""),
            ("*", ""),
            ("**", ""),
            ("h?llo", "hllo"),
            ("h[^e]llo", "hello"),
            ("[]", "]"),
            ("[]a]", "a"),
            ("[", "["),
            ("a\\*b", "axb"),
            ("*a", "ab"),
            ("A", "a"),
        ];
        for (p, t) in no {
            assert!(!matches(p.as_bytes(), t.as_bytes()), "{p} {t}");
        }
    }

    #[test]
    fn ignoring_case() {
        for (p, t, want) in [
            ("MAXMEM?RY", "maxmemory", true),
            ("[L-N]x", "mx", true),
            ("[Z-a]x", "zx", false),
            ("[\\M]x", "mx", false),
            ("\\Mx", "mx", true),
            ("*Y", "maxmemory", true),
        ] {
            assert_eq!(matches_ignore_case(p.as_bytes(), t.as_bytes()), want, "{p} {t}");
        }
    }

    #[test]
    fn range_ends_are_signed() {
        assert!(matches(b"[\x7f-\x80]", b"a"));
        assert!(matches(b"[\xfe-\x01]", b"\xff"));
        assert!(!matches(b"[\xfe-\x01]", b"\x80"));
    }

    #[test]
    fn many_stars_stay_cheap() {
        let pattern = [b"*a".repeat(2000), b"*b".to_vec()].concat();
        assert!(!matches(&pattern, &vec![b'a'; 20_000]));
    }

    #[test]
    fn kinds() {
        assert_eq!(kind(b"*"), Kind::All);
        assert_eq!(kind(b"abc"), Kind::Literal);
        assert_eq!(kind(b""), Kind::Literal);
        assert_eq!(kind(b"**"), Kind::Glob);
        assert_eq!(kind(b"a\\b"), Kind::Glob);
        assert_eq!(literal_prefix(b"user:*:x"), b"user:");
        assert_eq!(literal_prefix(b"user"), b"user");
    }

    /// The definition, exponential and recursive.
    fn model(p: &[u8], t: &[u8]) -> bool {
        match p {
            [] => t.is_empty(),
            [b'*', rest @ ..] => (0..=t.len()).any(|i| model(rest, &t[i..])),
            _ => t.split_first().is_some_and(|(c, t)| step::<false>(p, *c).is_some_and(|p| model(p, t))),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_definition(p in "[ab?*\\[\\]^\\\\-]{0,8}", t in "[ab\\[\\]-]{0,8}") {
            let want = if t.is_empty() { p.is_empty() } else { model(p.as_bytes(), t.as_bytes()) };
            prop_assert_eq!(matches(p.as_bytes(), t.as_bytes()), want);
        }

        #[test]
        fn literals_and_prefixes(p in "[ab?*\\[\\]]{0,6}", t in "[ab]{0,6}") {
            let (p, t) = (p.as_bytes(), t.as_bytes());
            if kind(p) == Kind::Literal {
                prop_assert_eq!(matches(p, t), p == t);
            }
            if matches(p, t) {
                prop_assert!(t.starts_with(literal_prefix(p)));
            }
        }
    }
}
