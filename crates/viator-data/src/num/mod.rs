//! Numbers as text, read and written as Redis does: integers, doubles, x87 long doubles, memory sizes.

mod big;
mod double;
mod grisu;
mod longdouble;

pub use double::{format_digits, format_f64, format_g17, parse_f64, parse_f64_loose};
pub use longdouble::LongDouble;

/// Reads a signed integer as Redis's commands do: an optional `-`, no leading zeros, nothing else; `-0` is refused.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    // At most 19 digits: the sum stays below 2^64.
    let mut value = 0u64;
    for d in digits {
        if !d.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(d - b'0');
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// Reads an unsigned integer where Redis takes 64 unsigned bits (stream ids, SCAN cursors).
///
/// What [`parse_i64`] takes has to be ≥ 0; anything else follows C's `strtoull`, so that leading white space, leading
/// zeros, `+`, and even `-` (which wraps) are taken, and the text ends at its first NUL.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    let text = text.split(|b| *b == 0).next()?;
    if let Some(value) = parse_i64(text) {
        return u64::try_from(value).ok();
    }
    let start = text.iter().position(|b| !is_space(*b))?;
    let (negative, digits) = match text.get(start..)? {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let value = decimal_u64(digits)?;
    Some(if negative { value.wrapping_neg() } else { value })
}

/// One or more digits, nothing else; `None` above `u64::MAX`.
fn decimal_u64(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, d| {
        let d = d.is_ascii_digit().then(|| u64::from(d - b'0'))?;
        value.checked_mul(10)?.checked_add(d)
    })
}

/// C's `isspace` in the C locale.
pub fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t'..=b'\r')
}

/// Reads a memory size as configuration values have it: digits and then nothing, `b`, `k`, `kb`, `m`, `mb`, `g` or
/// `gb` in any case (`k` is 1000, `kb` 1024).
///
/// As in Redis, no digits mean 0, more than 64 bits of digits mean `u64::MAX` and the product with the unit wraps;
/// more than 127 digits are refused.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let unit = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1u64 << 30,
        _ => return None,
    };
    if digits.len() > 127 {
        return None;
    }
    let value = if digits.is_empty() { 0 } else { decimal_u64(digits).unwrap_or(u64::MAX) };
    Some(value.wrapping_mul(unit))
}

/// A number of bytes as the `*_human` fields of INFO show it: `512B`, `1.00K`, `2.34M`, …, `P`; from 1024 P on in
/// bytes again.
pub fn human_bytes(bytes: u64) -> String {
    let unit = match bytes {
        0..1024 => return format!("{bytes}B"),
        0x400..0x10_0000 => (10, 'K'),
        0x10_0000..0x4000_0000 => (20, 'M'),
        0x4000_0000..0x100_0000_0000 => (30, 'G'),
        0x100_0000_0000..0x4_0000_0000_0000 => (40, 'T'),
        0x4_0000_0000_0000..0x1000_0000_0000_0000 => (50, 'P'),
        _ => return format!("{bytes}B"),
    };
    format!("{:.2}{}", bytes as f64 / (1u64 << unit.0) as f64, unit.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers() {
        for (text, want) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("99999999999999999999", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("00", None),
            ("01", None),
            ("-01", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("1\0", None),
            ("1e3", None),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), want, "{text:?}");
        }
    }

    #[test]
    fn unsigned_integers() {
        for (text, want) in [
            ("0", Some(0)),
            ("00", Some(0)),
            ("+5", Some(5)),
            (" 1", Some(1)),
            ("-0", Some(0)),
            ("-1", None),
            ("-1\0", None),
            ("-9223372036854775809", Some(9223372036854775807)),
            ("-18446744073709551615", Some(1)),
            ("18446744073709551615", Some(u64::MAX)),
            ("018446744073709551615", Some(u64::MAX)),
            ("18446744073709551615\0x", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            (" ", None),
            ("+", None),
            ("1 ", None),
            ("0x10", None),
        ] {
            assert_eq!(parse_u64(text.as_bytes()), want, "{text:?}");
        }
    }

    #[test]
    fn memory_sizes() {
        for (text, want) in [
            ("1gb", Some(1 << 30)),
            ("1Gb", Some(1 << 30)),
            ("10k", Some(10_000)),
            ("10KB", Some(10_240)),
            ("1b", Some(1)),
            ("1g", Some(1_000_000_000)),
            ("2m", Some(2_000_000)),
            ("2mb", Some(2 << 20)),
            ("777", Some(777)),
            ("", Some(0)),
            ("kb", Some(0)),
            ("17179869184gb", Some(0)),
            ("17179869183gb", Some(18446744072635809792)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("1t", None),
            ("1tb", None),
            ("-1", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("1.5gb", None),
            ("0x10", None),
        ] {
            assert_eq!(parse_memory(text.as_bytes()), want, "{text:?}");
        }
        let zeros = "0".repeat(126) + "1";
        assert_eq!(parse_memory(zeros.as_bytes()), Some(1));
        assert_eq!(parse_memory(format!("0{zeros}").as_bytes()), None);
    }

    #[test]
    fn human_sizes() {
        for (bytes, want) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1047, "1.02K"),
            (1048575, "1024.00K"),
            (2453667, "2.34M"),
            (1 << 30, "1.00G"),
            (1 << 40, "1.00T"),
            ((1 << 50) - 1, "1024.00T"),
            ((1 << 60) - 1, "1024.00P"),
            (1 << 60, "1152921504606846976B"),
            (u64::MAX, "18446744073709551615B"),
        ] {
            assert_eq!(human_bytes(bytes), want);
        }
    }

    proptest! {
        #[test]
        fn integers_agree_with_their_text(text in "-?[0-9]{1,21}", n: i64) {
            let strict = text.parse::<i64>().ok().filter(|n| n.to_string() == text);
            prop_assert_eq!(parse_i64(text.as_bytes()), strict);
            prop_assert_eq!(parse_i64(n.to_string().as_bytes()), Some(n));
            prop_assert_eq!(parse_u64((n as u64).to_string().as_bytes()), Some(n as u64));
        }

        #[test]
        fn junk_is_refused(text: Vec<u8>) {
            let strict = std::str::from_utf8(&text).ok().and_then(|t| t.parse::<i64>().ok().filter(|n| n.to_string() == t));
            prop_assert_eq!(parse_i64(&text), strict);
            let _ = (parse_u64(&text), parse_memory(&text));
        }
    }
}
