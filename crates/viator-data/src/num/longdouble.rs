//! The 80-bit extended precision of x87, in integers: what INCRBYFLOAT and HINCRBYFLOAT calculate with, so that
//! results are those of Redis on x86-64 on every machine.

use super::big::{self, Big};

/// Bits of the mantissa.
const PRECISION: u32 = 64;
/// Exponent of a subnormal's lowest bit.
const MIN_EXPONENT: i32 = -16445;
/// Exponent of the greatest numbers' lowest bit.
const MAX_EXPONENT: i64 = 16383 - 63;
/// Redis reads at most this many bytes.
const MAX_TEXT: usize = 5 * 1024 - 1;

/// A `long double`.
#[derive(Clone, Copy, Debug)]
pub struct LongDouble {
    negative: bool,
    class: Class,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Nan,
    Infinite,
    /// `mantissa` × 2^`exponent`: the top bit is set unless `exponent` is [`MIN_EXPONENT`]; zero is 0 ×
    /// 2^`MIN_EXPONENT`.
    Finite {
        mantissa: u64,
        exponent: i32,
    },
}

impl LongDouble {
    /// Positive zero.
    pub const ZERO: LongDouble =
        LongDouble { negative: false, class: Class::Finite { mantissa: 0, exponent: MIN_EXPONENT } };

    fn rounded(negative: bool, mantissa: u128, exponent: i64, sticky: bool) -> LongDouble {
        let (mantissa, exponent) = big::round(mantissa, exponent, sticky, PRECISION, MIN_EXPONENT);
        let class = if exponent > MAX_EXPONENT {
            Class::Infinite
        } else {
            // Between MIN_EXPONENT and MAX_EXPONENT.
            Class::Finite { mantissa, exponent: exponent as i32 }
        };
        LongDouble { negative, class }
    }

    /// Reads a number as INCRBYFLOAT and HINCRBYFLOAT do: decimal or hexadecimal, correctly rounded; `inf` and
    /// `infinity`.
    ///
    /// Refused: white space, NaN, the empty text, more than 5119 bytes, numbers out of range at either end.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
            return Some(LongDouble { negative, class: Class::Infinite });
        }
        let (mantissa, exponent, sticky) = match text {
            [b'0', b'x' | b'X', ..] => big::parse_hex(text)?,
            _ => decimal(text)?,
        };
        let value = LongDouble::rounded(negative, mantissa, exponent, sticky);
        let underflow = value.is_zero() && mantissa != 0;
        (!underflow && value.is_finite()).then_some(value)
    }

    /// Whether it is not a number.
    pub fn is_nan(self) -> bool {
        self.class == Class::Nan
    }

    /// Whether it is infinite.
    pub fn is_infinite(self) -> bool {
        self.class == Class::Infinite
    }

    /// Whether it is neither infinite nor NaN.
    pub fn is_finite(self) -> bool {
        matches!(self.class, Class::Finite { .. })
    }

    /// Whether it is 0 or -0.
    pub fn is_zero(self) -> bool {
        matches!(self.class, Class::Finite { mantissa: 0, .. })
    }

    /// Whether its sign is set.
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// The sum, rounded to nearest, ties to even.
    pub fn sum(self, other: LongDouble) -> LongDouble {
        let ((a, a_exp), (b, b_exp)) = match (self.class, other.class) {
            (Class::Finite { mantissa: a, exponent: a_exp }, Class::Finite { mantissa: b, exponent: b_exp }) => {
                ((a, a_exp), (b, b_exp))
            }
            (Class::Infinite, Class::Infinite) if self.negative != other.negative => {
                return LongDouble { negative: true, class: Class::Nan };
            }
            (Class::Nan | Class::Infinite, Class::Finite { .. })
            | (Class::Nan, _)
            | (Class::Infinite, Class::Infinite) => {
                return self;
            }
            (_, Class::Nan | Class::Infinite) => return other,
        };
        // The greater exponent first; its mantissa gets 62 bits below for the other to be shifted into.
        let (a, a_exp, a_neg, b, b_exp, b_neg) = if a_exp >= b_exp {
            (a, a_exp, self.negative, b, b_exp, other.negative)
        } else {
            (b, b_exp, other.negative, a, a_exp, self.negative)
        };
        let a = u128::from(a) << 62;
        let b = u128::from(b) << 62;
        let shift = (a_exp - b_exp).unsigned_abs();
        let shifted = b.checked_shr(shift).unwrap_or(0);
        // What is shifted out survives as one lowest bit: below the rounding position, it only breaks ties.
        let lost = shifted.checked_shl(shift).unwrap_or(0) != b;
        let b = shifted | u128::from(lost);
        let exponent = i64::from(a_exp) - 62;
        if a_neg == b_neg {
            LongDouble::rounded(a_neg, a + b, exponent, false)
        } else if a == b {
            LongDouble::ZERO
        } else if a > b {
            LongDouble::rounded(a_neg, a - b, exponent, false)
        } else {
            LongDouble::rounded(b_neg, b - a, exponent, false)
        }
    }

    /// The product, rounded to nearest, ties to even.
    pub fn product(self, other: LongDouble) -> LongDouble {
        let negative = self.negative != other.negative;
        match (self.class, other.class) {
            (Class::Finite { mantissa: a, exponent: a_exp }, Class::Finite { mantissa: b, exponent: b_exp }) => {
                LongDouble::rounded(negative, u128::from(a) * u128::from(b), i64::from(a_exp) + i64::from(b_exp), false)
            }
            (Class::Nan, _) => self,
            (_, Class::Nan) => other,
            _ if self.is_zero() || other.is_zero() => LongDouble { negative: true, class: Class::Nan },
            _ => LongDouble { negative, class: Class::Infinite },
        }
    }

    /// The least integer that is not less; `None` when that is no `i64` or this is infinite or NaN.
    pub fn ceil_i64(self) -> Option<i64> {
        let Class::Finite { mantissa, exponent } = self.class else { return None };
        let magnitude = if exponent >= 0 {
            // The mantissa of such a number has 64 bits.
            u128::from(mantissa).checked_shl(u32::try_from(exponent).ok().filter(|e| *e < 64)?)?
        } else {
            let drop = exponent.unsigned_abs();
            let whole = mantissa.checked_shr(drop).unwrap_or(0);
            let fraction = whole.checked_shl(drop).unwrap_or(0) != mantissa;
            u128::from(whole) + u128::from(fraction && !self.negative)
        };
        let magnitude = i128::try_from(magnitude).ok()?;
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }

    /// Appends the number as Redis writes it for people: up to 17 digits after the point, no zeros at the end, no
    /// exponent ever (so up to 4933 digits); `inf`, `-inf`, `nan`.
    pub fn write(self, out: &mut Vec<u8>) {
        const UNIT: u128 = 100_000_000_000_000_000;
        let (mantissa, exponent) = match self.class {
            Class::Finite { mantissa, exponent } => (mantissa, exponent),
            Class::Infinite => return out.extend_from_slice(if self.negative { b"-inf" } else { b"inf" }),
            Class::Nan => return out.extend_from_slice(b"nan"),
        };
        if exponent >= 0 {
            if self.negative {
                out.push(b'-');
            }
            if exponent <= 64 {
                out.extend_from_slice(itoa::Buffer::new().format(u128::from(mantissa) << exponent).as_bytes());
            } else {
                let mut big = Big::from_u64(mantissa);
                big.shl(exponent.unsigned_abs());
                big.write_decimal(out);
            }
            return;
        }
        // Below 2^64 * 2^57, so it fits; rounding half to even as the C library does.
        let scaled = u128::from(mantissa) * UNIT;
        let drop = exponent.unsigned_abs();
        let mut units = scaled.checked_shr(drop).unwrap_or(0);
        if let Some(half) = 1u128.checked_shl(drop - 1) {
            let rest = scaled & (half | (half - 1));
            if rest > half || (rest == half && units & 1 == 1) {
                units += 1;
            }
        }
        if self.negative && units != 0 {
            out.push(b'-');
        }
        out.extend_from_slice(itoa::Buffer::new().format(units / UNIT).as_bytes());
        let mut fraction = (units % UNIT) as u64;
        if fraction != 0 {
            let mut width = 17;
            while fraction.is_multiple_of(10) {
                fraction /= 10;
                width -= 1;
            }
            out.extend_from_slice(format!(".{fraction:0width$}").as_bytes());
        }
    }
}

impl From<f64> for LongDouble {
    /// Exact.
    fn from(value: f64) -> LongDouble {
        let negative = value.is_sign_negative();
        if value.is_nan() {
            return LongDouble { negative, class: Class::Nan };
        }
        if value.is_infinite() {
            return LongDouble { negative, class: Class::Infinite };
        }
        let bits = value.to_bits();
        let (fraction, biased) = (bits & ((1 << 52) - 1), (bits >> 52) & 0x7ff);
        if biased == 0 {
            LongDouble::rounded(negative, u128::from(fraction), -1074, false)
        } else {
            LongDouble::rounded(negative, u128::from(fraction | 1 << 52), biased as i64 - 1075, false)
        }
    }
}

impl From<i64> for LongDouble {
    /// Exact.
    fn from(value: i64) -> LongDouble {
        LongDouble::rounded(value < 0, u128::from(value.unsigned_abs()), 0, false)
    }
}

/// A decimal number after its sign, as at least 66 bits, exponent and sticky.
fn decimal(text: &[u8]) -> Option<(u128, i64, bool)> {
    let (digits, exponent) = big::parse_decimal(text)?;
    if digits.is_empty() {
        return Some((0, 0, false));
    }
    // The power of ten of the first digit decides what is far out of range; the rest is bounded by the text's length.
    let first = exponent.saturating_add(digits.len() as i64 - 1);
    if first > 4932 {
        return Some((1, 1 << 20, false));
    }
    if first < -4952 {
        return Some((1, -(1 << 20), false));
    }
    if digits.len() <= 19
        && exponent.abs() <= 18
        && let Some(value) = super::decimal_u64(&digits)
    {
        let ten = 10u64.pow(exponent.unsigned_abs() as u32);
        if exponent >= 0 {
            return Some((u128::from(value) * u128::from(ten), 0, false));
        }
        // 2^127 / 10^18: the quotient has at least 68 bits, the remainder is the rest.
        let shift = 64 + value.leading_zeros();
        let wide = u128::from(value) << shift;
        return Some((wide / u128::from(ten), -i64::from(shift), wide % u128::from(ten) != 0));
    }
    Some(exact(&digits, exponent))
}

/// As [`decimal`], of any number in range that is not zero.
fn exact(digits: &[u8], exponent: i64) -> (u128, i64, bool) {
    let power = exponent.unsigned_abs() as u32;
    let mut value = Big::from_decimal(digits.iter());
    if exponent >= 0 {
        value.mul_pow10(power);
        return value.top();
    }
    let mut ten = Big::from_u64(1);
    ten.mul_pow10(power);
    value.divide(ten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> LongDouble {
        LongDouble::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    fn text(value: LongDouble) -> String {
        let mut out = Vec::new();
        value.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_answers() {
        for (input, want) in [
            ("0", "0"),
            ("-0", "0"),
            ("-1e-18", "0"),
            ("3.0e3", "3000"),
            ("10.50", "10.5"),
            ("0x1p-3", "0.125"),
            ("0x1.ffffffffffffffffp0", "2"),
            ("0.1", "0.1"),
            ("1e-17", "0.00000000000000001"),
            ("5e-18", "0"),
            ("1.5e-17", "0.00000000000000002"),
            ("2.5e-17", "0.00000000000000002"),
            ("1e17", "100000000000000000"),
            ("123456789012345678901234567890", "123456789012345678899921813504"),
            ("18446744073709551617", "18446744073709551616"),
            ("0x.8p-16444", "0"),
        ] {
            assert_eq!(text(parse(input)), want, "{input}");
        }
        assert_eq!(text(parse("1e4932")).len(), 4933);
        assert!(text(parse("1e4932")).starts_with("100000000000000000000601894938796389132383777425453311477378"));
        assert!(parse("inf").is_infinite() && parse("-Infinity").is_negative());
        assert_eq!(text(parse("inf")), "inf");
    }

    #[test]
    fn refused() {
        for input in [
            "",
            " 1",
            "1 ",
            "1\0",
            "nan",
            "nan(12)",
            "1e",
            ".",
            "0x",
            "1e4933",
            "1.2e4932",
            "1e-4951",
            "1e-5000",
            "1e9999999999999999999999",
            "0x1p16384",
            "0x1.ffffffffffffffffffp16383",
        ] {
            assert!(LongDouble::parse(input.as_bytes()).is_none(), "{input}");
        }
        assert!(LongDouble::parse(&b"1".repeat(5119)).is_none());
        assert!(LongDouble::parse(&[b"0.".to_vec(), b"1".repeat(5117)].concat()).is_some());
        assert!(LongDouble::parse(&[b"0.".to_vec(), b"1".repeat(5118)].concat()).is_none());
    }

    #[test]
    fn sums() {
        for (a, b, want) in [
            ("0.1", "0.2", "0.3"),
            ("10.5", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("1", "-1", "0"),
            ("1e18", "0.00000000001", "1000000000000000000"),
            ("18446744073709551615", "0.5", "18446744073709551616"),
            ("18446744073709551615", "-0.5", "18446744073709551614"),
            ("18446744073709551613", "0.5", "18446744073709551614"),
        ] {
            assert_eq!(text(parse(a).sum(parse(b))), want, "{a} {b}");
            assert_eq!(text(parse(b).sum(parse(a))), want, "{b} {a}");
        }
        assert!(parse("1.18e4932").sum(parse("1.18e4932")).is_infinite());
        assert!(parse("inf").sum(parse("-inf")).is_nan());
        assert!(parse("inf").sum(parse("-1")).is_infinite());
    }

    #[test]
    fn ceilings() {
        let thousand = LongDouble::from(1000);
        for (seconds, want) in [
            ("0", Some(0)),
            ("0.001", Some(1)),
            ("0.0010001", Some(2)),
            ("1.5", Some(1500)),
            ("-1.0005", Some(-1000)),
            ("9223372036854775.807", Some(i64::MAX)),
            ("1e17", None),
            ("1e4000", None),
        ] {
            assert_eq!(parse(seconds).product(thousand).ceil_i64(), want, "{seconds}");
        }
    }

    proptest! {
        #[test]
        fn doubles_convert_exactly(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite() && value.abs() > 1e-3);
            // Both print the exact number rounded to 17 places.
            let want = format!("{value:.17}");
            let want = if want.contains('.') { want.trim_end_matches('0').trim_end_matches('.') } else { &want };
            prop_assert_eq!(text(LongDouble::from(value)), want);
        }

        #[test]
        fn integers_add_exactly(a in -(1i64 << 62)..1 << 62, b in -(1i64 << 62)..1 << 62) {
            prop_assert_eq!(text(LongDouble::from(a).sum(LongDouble::from(b))), (a + b).to_string());
        }

        #[test]
        fn short_and_long_paths_agree(n in 1u64..10_000_000_000_000_000_000, power in -19i64..=19) {
            let n = n.to_string();
            let short = parse(&format!("{n}e{power}"));
            let (mantissa, exponent, sticky) = exact(n.as_bytes(), power);
            prop_assert_eq!(short.class, LongDouble::rounded(false, mantissa, exponent, sticky).class);
        }

        #[test]
        fn products_of_integers(a in -(1i64 << 31)..1 << 31, b in -(1i64 << 31)..1 << 31) {
            prop_assert_eq!(LongDouble::from(a).product(LongDouble::from(b)).ceil_i64(), Some(a * b));
        }

        #[test]
        fn junk_does_no_harm(bytes in proptest::collection::vec(prop_oneof![Just(b'9'), Just(b'x'), Just(b'.'), Just(b'p'), Just(b'e'), Just(b'-'), any::<u8>()], 0..30)) {
            if let Some(value) = LongDouble::parse(&bytes) {
                let _ = text(value.sum(value));
            }
        }
    }
}
