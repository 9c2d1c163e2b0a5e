//! Doubles: what ZADD, GEOADD, SORT… read and what replies contain.

use super::{big, grisu};

/// Reads a double where Redis takes a number as argument or as a stored value (ZADD, ZINCRBY, GEOADD…): decimal
/// or hexadecimal, `inf`, `infinity`, any case, optional sign.
///
/// Refused: white space, NaN, the empty text, and numbers out of range at either end (`1e400`, `1e-400`); subnormal
/// results are taken.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if let [b'0', b'x' | b'X', ..] = unsigned {
        let (mantissa, exponent, sticky) = big::parse_hex(unsigned)?;
        let (kept, exponent) = big::round(mantissa, exponent, sticky, 53, -1074);
        if (kept == 0 && mantissa != 0) || exponent > 1023 - 52 {
            return None;
        }
        let magnitude = compose(kept, exponent);
        return Some(if text.starts_with(b"-") { -magnitude } else { magnitude });
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let out_of_range = if value.is_infinite() {
        // Spelled out, an infinity starts with a letter; a digit or point means that the number was too great.
        !unsigned.first().is_some_and(u8::is_ascii_alphabetic)
    } else {
        value == 0.0 && has_nonzero_digit(unsigned)
    };
    (!value.is_nan() && !out_of_range).then_some(value)
}

/// Reads a double where Redis is lenient: the bounds of ZRANGEBYSCORE and its kin (after `(`), SORT's weights.
///
/// The text ends at its first NUL, and the empty text is 0; numbers out of range become infinite or 0. Refused are
/// hexadecimal numbers, white space and NaN.
pub fn parse_f64_loose(text: &[u8]) -> Option<f64> {
    let text = text.split(|b| *b == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    std::str::from_utf8(text).ok()?.parse().ok().filter(|v: &f64| !v.is_nan())
}

/// Whether the part before the exponent has a digit other than 0.
fn has_nonzero_digit(unsigned: &[u8]) -> bool {
    unsigned.iter().take_while(|b| !matches!(b, b'e' | b'E')).any(|b| matches!(b, b'1'..=b'9'))
}

/// `mantissa` (≤ 53 bits) × 2^`exponent` (from -1074 to 971), exactly.
fn compose(mantissa: u64, exponent: i64) -> f64 {
    let biased = if mantissa >> 52 == 0 { 0 } else { (exponent + 1075) as u64 };
    f64::from_bits((biased << 52) | (mantissa & ((1 << 52) - 1)))
}

/// Appends a double as Redis's replies have it: `3`, `3.1`, `1e+20`, `1.5e-7`, `-0`, `inf`, `-inf`, `nan`.
///
/// Whole numbers up to 2^62 are written in full, others with (nearly always the fewest) digits that read back to the
/// same number.
pub fn format_f64(value: f64, out: &mut Vec<u8>) {
    const EXACT_INTEGERS: f64 = 4611686018427387904.0;
    if value.is_nan() {
        return out.extend_from_slice(b"nan");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    }
    if value == 0.0 && value.is_sign_negative() {
        return out.extend_from_slice(b"-0");
    }
    if value.abs() <= EXACT_INTEGERS && value == value.trunc() {
        return out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    }
    format_digits(value, out);
}

/// As [`format_f64`], but whole numbers are written like all others: `1e+16` (DEBUG DIGEST).
pub fn format_digits(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() || value == 0.0 {
        return format_f64(value, out);
    }
    if value < 0.0 {
        out.push(b'-');
    }
    let digits = grisu::digits(value.abs());
    let (digits, last) = (digits.as_bytes(), digits.last);
    let count = digits.len() as i32;
    // The exponent when written with one digit before the point.
    let exponent = last + count - 1;
    if (0..8).contains(&last) {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', last as usize));
    } else if last < 0 && (last > -7 || exponent.abs() < 4) {
        match digits.split_at_checked((count + last).max(0) as usize) {
            Some((whole, fraction)) if !whole.is_empty() => {
                out.extend_from_slice(whole);
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
            _ => {
                out.extend_from_slice(b"0.");
                out.extend(std::iter::repeat_n(b'0', (-last - count) as usize));
                out.extend_from_slice(digits);
            }
        }
    } else if let Some((first, rest)) = digits.split_first() {
        out.push(*first);
        if !rest.is_empty() {
            out.push(b'.');
            out.extend_from_slice(rest);
        }
        out.push(b'e');
        out.push(if exponent < 0 { b'-' } else { b'+' });
        out.extend_from_slice(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
    }
}

/// Appends a double with up to 17 significant digits, as C's `%.17g`: what ZSCAN gives of large sorted sets.
pub fn format_g17(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() || value == 0.0 {
        return format_f64(value, out);
    }
    let text = format!("{value:.16e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |d| ("-", d));
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    let (first, rest) = digits.split_at(1.min(digits.len()));
    let text = if !(-4..17).contains(&exponent) {
        let point = if rest.is_empty() { "" } else { "." };
        let side = if exponent < 0 { '-' } else { '+' };
        format!("{sign}{first}{point}{rest}e{side}{:02}", exponent.abs())
    } else if exponent < 0 {
        format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1))
    } else {
        let whole = exponent as usize + 1;
        match digits.split_at_checked(whole) {
            Some((whole, "")) => format!("{sign}{whole}"),
            Some((whole, part)) => format!("{sign}{whole}.{part}"),
            None => format!("{sign}{digits:0<whole$}"),
        }
    };
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seventeen_digits() {
        for (value, text) in [
            (6.34, "6.3399999999999999"),
            (-0.5, "-0.5"),
            (3.0, "3"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (123456789.125, "123456789.125"),
            (f64::NEG_INFINITY, "-inf"),
            (-0.0, "-0"),
        ] {
            let mut out = Vec::new();
            format_g17(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        format_f64(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn formatting() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-3.1, "-3.1"),
            (1e15, "1000000000000000"),
            (1e18, "1000000000000000000"),
            (1e19, "1e+19"),
            (123456789012345678901234.0, "123456789012345690000000"),
            (4611686018427387904.0, "4611686018427387904"),
            (4611686018427388928.0, "4611686018427389000"),
            (-9223372036854775808.0, "-9223372036854776000"),
            (0.00001, "0.00001"),
            (0.000001, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-10, "1.5e-10"),
            (0.0005, "0.0005"),
            (1.9999999999999998, "1.9999999999999998"),
            (-59.52901107912, "-59.529011079119996"),
            (-5.28e23, "-527999999999999970000000"),
            (633515706396019.7, "633515706396019.7"),
            (5878452002008811e98, "5.8784520020088113e+113"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(text(value), want);
        }
    }

    #[test]
    fn parsing() {
        for (text, want) in [
            ("3", Some(3.0)),
            ("+3", Some(3.0)),
            ("3.0", Some(3.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("-.5e+1", Some(-5.0)),
            ("00012", Some(12.0)),
            ("inf", Some(f64::INFINITY)),
            ("+iNf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("0x10", Some(16.0)),
            ("-0x10", Some(-16.0)),
            ("0x1.8p-3", Some(0.1875)),
            ("0X.8", Some(0.5)),
            ("0x1.", Some(1.0)),
            ("0x1.fffffffffffff8p0", Some(2.0)),
            ("0x1.fffffffffffff7p0", Some(1.9999999999999998)),
            ("0x1p-1074", Some(5e-324)),
            ("0x1.8p-1075", Some(5e-324)),
            ("0x0p99999999999999999999", Some(0.0)),
            ("0e99999999999999999999", Some(0.0)),
            ("1e-320", Some(1e-320)),
            ("1.7976931348623157e+308", Some(f64::MAX)),
            ("0x1.fffffffffffffp1023", Some(f64::MAX)),
            ("0x1.fffffffffffff8p1023", None),
            ("0x1p1024", None),
            ("0x1p-1075", None),
            ("0x1p99999999999999999999", None),
            ("1e400", None),
            ("-1e400", None),
            ("1e-400", None),
            ("1.7976931348623159e308", None),
            ("2e-324", None),
            ("", None),
            ("+", None),
            (".", None),
            ("nan", None),
            ("-nan", None),
            ("nan(1)", None),
            (" 3", None),
            ("3 ", None),
            ("3\0", None),
            ("1e", None),
            ("1_0", None),
            ("0x", None),
            ("0x.p1", None),
            ("0x1p", None),
            ("0x1p+", None),
            ("infinit", None),
            ("infx", None),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), want, "{text:?}");
        }
    }

    #[test]
    fn loose_parsing() {
        for (text, want) in [
            ("", Some(0.0)),
            ("1\0x", Some(1.0)),
            ("1e400", Some(f64::INFINITY)),
            ("-1e400", Some(f64::NEG_INFINITY)),
            ("1e-400", Some(0.0)),
            ("+1.5", Some(1.5)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("0x10", None),
            ("nan", None),
            (" 1", None),
            ("1 ", None),
            ("-", None),
            ("1e", None),
        ] {
            assert_eq!(parse_f64_loose(text.as_bytes()), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn text_reads_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(parse_f64(text(value).as_bytes()).map(f64::to_bits), Some(bits));
        }

        #[test]
        fn hexadecimal_is_exact(bits in 0u64..0x7ff0_0000_0000_0000) {
            let value = f64::from_bits(bits);
            let (mantissa, biased) = (bits & ((1 << 52) - 1), bits >> 52);
            let hex = if biased == 0 { format!("0x0.{mantissa:013x}p-1022") } else { format!("0x1.{mantissa:013x}p{}", biased as i64 - 1023) };
            prop_assert_eq!(parse_f64(hex.as_bytes()), Some(value));
        }

        #[test]
        fn junk_does_no_harm(bytes in proptest::collection::vec(prop_oneof![Just(b'0'), Just(b'x'), Just(b'.'), Just(b'p'), Just(b'e'), Just(b'-'), any::<u8>()], 0..20)) {
            let _ = (parse_f64(&bytes), parse_f64_loose(&bytes));
        }
    }
}
