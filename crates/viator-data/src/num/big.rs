//! Just enough arbitrary-precision arithmetic to convert between decimal text and binary floating point exactly, and
//! the one place where a too long mantissa is rounded.

use std::cmp::Ordering;

/// The greatest power of ten in a `u64`.
const TEN_19: u64 = 10_000_000_000_000_000_000;

/// An unsigned integer, little-endian limbs, no zero limb at the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Big(Vec<u64>);

impl Big {
    pub(super) fn from_u64(value: u64) -> Big {
        Big(if value == 0 { Vec::new() } else { vec![value] })
    }

    /// Of ASCII digits.
    pub(super) fn from_decimal<'a>(digits: impl Iterator<Item = &'a u8>) -> Big {
        let mut big = Big(Vec::new());
        let (mut chunk, mut scale) = (0u64, 1u64);
        for d in digits {
            chunk = chunk * 10 + u64::from(d.wrapping_sub(b'0') % 10);
            scale *= 10;
            if scale == TEN_19 {
                big.mul_add(scale, chunk);
                (chunk, scale) = (0, 1);
            }
        }
        big.mul_add(scale, chunk);
        big
    }

    fn mul_add(&mut self, factor: u64, addend: u64) {
        let mut carry = u128::from(addend);
        for limb in &mut self.0 {
            carry += u128::from(*limb) * u128::from(factor);
            *limb = carry as u64;
            carry >>= 64;
        }
        if carry != 0 {
            self.0.push(carry as u64);
        }
    }

    /// Multiplies by 10^`exponent`.
    pub(super) fn mul_pow10(&mut self, mut exponent: u32) {
        while exponent >= 19 {
            self.mul_add(TEN_19, 0);
            exponent -= 19;
        }
        self.mul_add(10u64.pow(exponent), 0);
    }

    /// Number of bits without leading zeros.
    pub(super) fn bits(&self) -> u32 {
        self.0.last().map_or(0, |top| self.0.len() as u32 * 64 - top.leading_zeros())
    }

    pub(super) fn shl(&mut self, n: u32) {
        if self.0.is_empty() {
            return;
        }
        self.mul_add(1 << (n % 64), 0);
        self.0.splice(0..0, std::iter::repeat_n(0, (n / 64) as usize));
    }

    fn halve(&mut self) {
        let mut carry = 0;
        for limb in self.0.iter_mut().rev() {
            let low = *limb & 1;
            *limb = (*limb >> 1) | (carry << 63);
            carry = low;
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn cmp(&self, other: &Big) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// `self -= other`, which must not be greater.
    fn sub(&mut self, other: &Big) {
        let mut borrow = false;
        for (i, limb) in self.0.iter_mut().enumerate() {
            let (a, under_a) = limb.overflowing_sub(other.0.get(i).copied().unwrap_or(0));
            let (b, under_b) = a.overflowing_sub(u64::from(borrow));
            *limb = b;
            borrow = under_a | under_b;
        }
        self.trim();
    }

    /// The top 128 bits (fewer when there are fewer), the exponent that belongs to them, whether any lower bit is set.
    pub(super) fn top(&self) -> (u128, i64, bool) {
        let mut value = 0u128;
        let mut limbs = self.0.iter().rev();
        for limb in limbs.by_ref().take(2) {
            value = (value << 64) | u128::from(*limb);
        }
        let exponent = self.0.len().saturating_sub(2) as i64 * 64;
        (value, exponent, limbs.any(|l| *l != 0))
    }

    /// `self / divisor` to at least 66 bits: quotient, its exponent, whether a remainder is left. Neither may be 0.
    pub(super) fn divide(mut self, mut divisor: Big) -> (u128, i64, bool) {
        const BITS: u32 = 66;
        // Bring the quotient between 2^65 and 2^67.
        let shift = i64::from(divisor.bits()) + i64::from(BITS) - i64::from(self.bits());
        if shift > 0 {
            self.shl(shift as u32);
        } else {
            divisor.shl((-shift) as u32);
        }
        divisor.shl(BITS);
        let mut quotient = 0u128;
        for bit in (0..=BITS).rev() {
            if self.cmp(&divisor) != Ordering::Less {
                self.sub(&divisor);
                quotient |= 1 << bit;
            }
            divisor.halve();
        }
        (quotient, -shift, !self.0.is_empty())
    }

    /// Appends the decimal digits.
    pub(super) fn write_decimal(mut self, out: &mut Vec<u8>) {
        let mut chunks = Vec::new();
        while !self.0.is_empty() {
            let mut rem = 0u128;
            for limb in self.0.iter_mut().rev() {
                let n = (rem << 64) | u128::from(*limb);
                *limb = (n / u128::from(TEN_19)) as u64;
                rem = n % u128::from(TEN_19);
            }
            self.trim();
            chunks.push(rem as u64);
        }
        let mut chunks = chunks.iter().rev();
        let first = chunks.next().copied().unwrap_or(0);
        out.extend_from_slice(itoa::Buffer::new().format(first).as_bytes());
        for chunk in chunks {
            out.extend_from_slice(format!("{chunk:019}").as_bytes());
        }
    }
}

/// Rounds `mantissa` × 2^`exponent` (plus something less than one unit when `sticky`) to nearest, ties to even,
/// keeping at most `precision` bits (≤ 64) and none below 2^`min_exponent`.
///
/// `sticky` needs a mantissa of more than `precision` bits, or it is lost.
///
/// A normal result has exactly `precision` bits; one with fewer has the exponent `min_exponent`. Zero is (0,
/// `min_exponent`).
pub(super) fn round(mantissa: u128, exponent: i64, sticky: bool, precision: u32, min_exponent: i32) -> (u64, i64) {
    let min_exponent = i64::from(min_exponent);
    if mantissa == 0 {
        return (0, min_exponent);
    }
    let bits = i64::from(128 - mantissa.leading_zeros());
    let drop = (bits - i64::from(precision)).max(min_exponent - exponent);
    if drop <= 0 {
        // Exact; widen to full precision as far as the smallest exponent allows.
        return ((mantissa << -drop) as u64, exponent + drop);
    }
    if drop > 128 {
        return (0, min_exponent);
    }
    let kept = mantissa.checked_shr(drop as u32).unwrap_or(0);
    let half = 1u128 << (drop - 1);
    let rest = mantissa & (half | (half - 1));
    let up = rest > half || (rest == half && (sticky || kept & 1 == 1));
    let kept = kept + u128::from(up);
    if kept >> precision != 0 { ((kept >> 1) as u64, exponent + drop + 1) } else { (kept as u64, exponent + drop) }
}

/// A finite hexadecimal number's text after the sign, `0x1.8p3`: mantissa, exponent, sticky. `None` when malformed.
pub(super) fn parse_hex(text: &[u8]) -> Option<(u128, i64, bool)> {
    let [b'0', b'x' | b'X', rest @ ..] = text else { return None };
    let (number, exponent) = match rest.iter().position(|b| matches!(b, b'p' | b'P')) {
        Some(at) => (rest.get(..at)?, parse_exponent(rest.get(at + 1..)?)?),
        None => (rest, 0),
    };
    let (mut mantissa, mut scale, mut sticky) = (0u128, 0i64, false);
    let (mut digits, mut point) = (0usize, false);
    for b in number {
        if *b == b'.' {
            if point {
                return None;
            }
            point = true;
            continue;
        }
        let digit = char::from(*b).to_digit(16)?;
        digits += 1;
        if mantissa >> 120 == 0 {
            mantissa = (mantissa << 4) | u128::from(digit);
            scale -= if point { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            scale += if point { 0 } else { 4 };
        }
    }
    (digits > 0).then_some((mantissa, scale.saturating_add(exponent), sticky))
}

/// A decimal number's text after the sign, split into its digits (without those that do not count at both ends) and
/// the exponent of the last. `None` when malformed.
pub(super) fn parse_decimal(text: &[u8]) -> Option<(Vec<u8>, i64)> {
    let (number, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (text.get(..at)?, parse_exponent(text.get(at + 1..)?)?),
        None => (text, 0),
    };
    let mut digits = Vec::with_capacity(number.len());
    let (mut scale, mut seen, mut point) = (0i64, false, false);
    for b in number {
        match b {
            b'0'..=b'9' => {
                seen = true;
                scale -= i64::from(point);
                if !digits.is_empty() || *b != b'0' {
                    digits.push(*b);
                }
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    while digits.last() == Some(&b'0') {
        digits.pop();
        scale += 1;
    }
    seen.then_some((digits, scale.saturating_add(exponent)))
}

/// An exponent: optional sign and digits; saturates far outside of every float's range.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |v, d| (v * 10 + i64::from(d - b'0')).min(1 << 40));
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(big: Big) -> String {
        let mut out = Vec::new();
        big.write_decimal(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn decimal_round_trip(text in "[1-9][0-9]{0,120}") {
            let big = Big::from_decimal(text.as_bytes().iter());
            prop_assert_eq!(decimal(big.clone()), text.clone());
            let mut scaled = big;
            scaled.mul_pow10(41);
            prop_assert_eq!(decimal(scaled), text + &"0".repeat(41));
        }

        #[test]
        fn division(a in 1u64.., b in 1u64..) {
            let (q, e, rem) = Big::from_u64(a).divide(Big::from_u64(b));
            prop_assert!(q >> 65 != 0 && q >> 67 == 0);
            // a * 2^-e = q * b + something < b
            let mut left = Big::from_u64(a);
            left.shl((-e) as u32);
            let mut right = Big(vec![q as u64, (q >> 64) as u64]);
            right.mul_add(b, 0);
            right.trim();
            prop_assert!(right.cmp(&left) != Ordering::Greater);
            left.sub(&right);
            prop_assert!(left.cmp(&Big::from_u64(b)) == Ordering::Less);
            prop_assert_eq!(rem, !left.0.is_empty());
        }

        #[test]
        fn rounding_is_the_processors(m in 1u128.., e in -1300i64..1100) {
            // Two steps of the processor are exact enough to compare: convert to 53 bits, then scale by a power of two.
            let (kept, exponent) = round(m, e, false, 53, -1074);
            if (-900..800).contains(&e) {
                let want = (m as f64) * 2f64.powi(e as i32);
                prop_assert_eq!(kept as f64 * 2f64.powi(exponent as i32), want);
                prop_assert!(kept >> 52 == 1);
            }
            prop_assert!(exponent >= -1074);
        }
    }

    #[test]
    fn rounding_edges() {
        assert_eq!(round(0b1011, 0, false, 3, -100), (0b110, 1));
        assert_eq!(round(0b1001, 0, false, 3, -100), (0b100, 1));
        assert_eq!(round(0b1001, 0, true, 3, -100), (0b101, 1));
        assert_eq!(round(0b1111, 0, false, 3, -100), (0b100, 2));
        assert_eq!(round(1, -3, false, 3, -2), (0, -2));
        assert_eq!(round(3, -3, false, 3, -2), (2, -2));
        assert_eq!(round(3, -5, true, 3, -2), (0, -2));
        assert_eq!(round(u128::MAX, -200, false, 64, 0), (0, 0));
        assert_eq!(round(u128::MAX, -128, false, 64, 0), (1, 0));
        assert_eq!(round(1, 5, false, 64, 0), (32, 0));
    }
}
