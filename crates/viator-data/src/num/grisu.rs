//! Decimal digits of doubles by Grisu2 (F. Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with
//! Integers", 2010).
//!
//! Redis prints doubles with it. Its digits always read back to the same number, but about one double in 500 gets a
//! digit more than needed or not the nearest ones. Clients see them and they are compared byte for byte, so a printer
//! with better digits would be a difference: -59.52901107912 is `-59.529011079119996`.

/// Least binary exponent of the scaled number.
const ALPHA: i32 = -60;
/// Greatest.
const GAMMA: i32 = -32;
/// Power of ten of the first of [`POWERS`].
const FIRST_POWER: i32 = -348;
/// Distance between them.
const POWER_STEP: i32 = 8;

/// 64-bit mantissas, top bit set, of 10^-348, 10^-340, … 10^340, rounded to nearest.
#[rustfmt::skip]
const POWERS: [u64; 87] = [
    0xfa8fd5a0081c0288, 0xbaaee17fa23ebf76, 0x8b16fb203055ac76, 0xcf42894a5dce35ea,
    0x9a6bb0aa55653b2d, 0xe61acf033d1a45df, 0xab70fe17c79ac6ca, 0xff77b1fcbebcdc4f,
    0xbe5691ef416bd60c, 0x8dd01fad907ffc3c, 0xd3515c2831559a83, 0x9d71ac8fada6c9b5,
    0xea9c227723ee8bcb, 0xaecc49914078536d, 0x823c12795db6ce57, 0xc21094364dfb5637,
    0x9096ea6f3848984f, 0xd77485cb25823ac7, 0xa086cfcd97bf97f4, 0xef340a98172aace5,
    0xb23867fb2a35b28e, 0x84c8d4dfd2c63f3b, 0xc5dd44271ad3cdba, 0x936b9fcebb25c996,
    0xdbac6c247d62a584, 0xa3ab66580d5fdaf6, 0xf3e2f893dec3f126, 0xb5b5ada8aaff80b8,
    0x87625f056c7c4a8b, 0xc9bcff6034c13053, 0x964e858c91ba2655, 0xdff9772470297ebd,
    0xa6dfbd9fb8e5b88f, 0xf8a95fcf88747d94, 0xb94470938fa89bcf, 0x8a08f0f8bf0f156b,
    0xcdb02555653131b6, 0x993fe2c6d07b7fac, 0xe45c10c42a2b3b06, 0xaa242499697392d3,
    0xfd87b5f28300ca0e, 0xbce5086492111aeb, 0x8cbccc096f5088cc, 0xd1b71758e219652c,
    0x9c40000000000000, 0xe8d4a51000000000, 0xad78ebc5ac620000, 0x813f3978f8940984,
    0xc097ce7bc90715b3, 0x8f7e32ce7bea5c70, 0xd5d238a4abe98068, 0x9f4f2726179a2245,
    0xed63a231d4c4fb27, 0xb0de65388cc8ada8, 0x83c7088e1aab65db, 0xc45d1df942711d9a,
    0x924d692ca61be758, 0xda01ee641a708dea, 0xa26da3999aef774a, 0xf209787bb47d6b85,
    0xb454e4a179dd1877, 0x865b86925b9bc5c2, 0xc83553c5c8965d3d, 0x952ab45cfa97a0b3,
    0xde469fbd99a05fe3, 0xa59bc234db398c25, 0xf6c69a72a3989f5c, 0xb7dcbf5354e9bece,
    0x88fcf317f22241e2, 0xcc20ce9bd35c78a5, 0x98165af37b2153df, 0xe2a0b5dc971f303a,
    0xa8d9d1535ce3b396, 0xfb9b7cd9a4a7443c, 0xbb764c4ca7a44410, 0x8bab8eefb6409c1a,
    0xd01fef10a657842c, 0x9b10a4e5e9913129, 0xe7109bfba19c0c9d, 0xac2820d9623bf429,
    0x80444b5e7aa7cf85, 0xbf21e44003acdd2d, 0x8e679c2f5e44ff8f, 0xd433179d9c8cb841,
    0x9e19db92b4e31ba9, 0xeb96bf6ebadf77d9, 0xaf87023b9bf0ee6b,
];

/// `mantissa` × 2^`exponent`.
#[derive(Clone, Copy)]
struct Float {
    mantissa: u64,
    exponent: i32,
}

impl Float {
    /// The product's upper 64 bits, rounded.
    fn scale(self, power: Float) -> Float {
        let product = u128::from(self.mantissa) * u128::from(power.mantissa);
        Float { mantissa: ((product + (1 << 63)) >> 64) as u64, exponent: self.exponent + power.exponent + 64 }
    }

    fn normalized(self) -> Float {
        let shift = self.mantissa.leading_zeros();
        Float { mantissa: self.mantissa << shift, exponent: self.exponent - shift as i32 }
    }
}

/// The power of ten that brings a number with this exponent between [`ALPHA`] and [`GAMMA`], and its decimal exponent.
fn cached_power(exponent: i32) -> (Float, i32) {
    // More than one may fit, and which one is taken shows in the digits: start from the estimate that the reference
    // starts from. 2^-1137 to 2^960 are the exponents of doubles with 64-bit mantissas, so the index stays within the
    // table.
    let estimate = (f64::from(-(exponent + 87)) * std::f64::consts::LOG10_2) as i32;
    let mut index = (estimate - FIRST_POWER) / POWER_STEP;
    loop {
        let decimal = FIRST_POWER + index * POWER_STEP;
        // floor(decimal × log2(10)), less 63.
        let binary = ((decimal * 217_706) >> 16) - 63;
        let scaled = exponent + binary + 64;
        if scaled < ALPHA {
            index += 1;
        } else if scaled > GAMMA {
            index -= 1;
        } else {
            let mantissa = usize::try_from(index).ok().and_then(|i| POWERS.get(i)).copied().unwrap_or(0);
            return (Float { mantissa, exponent: binary }, decimal);
        }
    }
}

/// Digits of a number: ASCII, how many, and the power of ten of the last.
pub(super) struct Digits {
    buffer: [u8; 20],
    len: usize,
    pub(super) last: i32,
}

impl Digits {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, digit: u64) {
        if (digit != 0 || self.len != 0)
            && let Some(slot) = self.buffer.get_mut(self.len)
        {
            *slot = b'0' + digit as u8;
            self.len += 1;
        }
    }

    /// Lowers the last digit while that brings the digits nearer to the number. All in the same unit: the number is
    /// `target` below the upper bound, the digits `rest` below; `width` is the interval, `step` what one of the last
    /// digit is worth.
    fn approach(&mut self, width: u64, mut rest: u64, step: u64, target: u64) {
        let Some(last) = self.len.checked_sub(1).and_then(|i| self.buffer.get_mut(i)) else { return };
        while rest < target && width - rest >= step && (rest + step < target || target - rest > rest + step - target) {
            *last -= 1;
            rest += step;
        }
    }
}

/// The digits of a finite number > 0.
pub(super) fn digits(value: f64) -> Digits {
    let bits = value.to_bits();
    let (fraction, biased) = (bits & ((1 << 52) - 1), (bits >> 52) as i32 & 0x7ff);
    let exact = match biased {
        0 => Float { mantissa: fraction, exponent: -1074 },
        _ => Float { mantissa: fraction | 1 << 52, exponent: biased - 1075 },
    };
    // The neighbours' midpoints; below a power of two the lower one is nearer. The reference takes the hidden bit
    // alone as the sign of one, so the smallest normal number counts as well.
    let upper = Float { mantissa: (exact.mantissa << 1) + 1, exponent: exact.exponent - 1 }.normalized();
    let nearer = if exact.mantissa == 1 << 52 { 2 } else { 1 };
    let lower = Float { mantissa: (exact.mantissa << nearer) - 1, exponent: exact.exponent - nearer };
    let lower = Float { mantissa: lower.mantissa << (lower.exponent - upper.exponent), exponent: upper.exponent };
    let (power, decimal) = cached_power(upper.exponent);
    let number = exact.normalized().scale(power).mantissa;
    let upper = upper.scale(power);
    // One unit inside on both sides: what rounding may have moved.
    let (high, low) = (upper.mantissa - 1, lower.scale(power).mantissa + 1);
    let mut target = high - number;
    let mut width = high - low;

    let shift = upper.exponent.unsigned_abs();
    let one = 1u64 << shift;
    let (mut whole, mut fraction) = (high >> shift, high & (one - 1));
    let mut out = Digits { buffer: [0; 20], len: 0, last: -decimal };
    // The whole part has at most 32 bits, ten digits.
    let mut unit = 1_000_000_000u64;
    for place in (0..10).rev() {
        out.push(whole / unit);
        whole %= unit;
        let rest = (whole << shift) + fraction;
        if rest <= width {
            out.last += place;
            out.approach(width, rest, unit << shift, target);
            return out;
        }
        unit /= 10;
    }
    loop {
        fraction *= 10;
        width *= 10;
        target = target.wrapping_mul(10);
        out.last -= 1;
        out.push(fraction >> shift);
        fraction &= one - 1;
        if fraction < width {
            out.approach(width, fraction, one, target);
            return out;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::big::{Big, round};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn powers_are_the_nearest() {
        for (i, got) in POWERS.iter().enumerate() {
            let power = FIRST_POWER + i as i32 * POWER_STEP;
            let mut ten = Big::from_u64(1);
            ten.mul_pow10(power.unsigned_abs());
            let (mantissa, exponent, sticky) = if power >= 0 { ten.top() } else { Big::from_u64(1).divide(ten) };
            let (mantissa, exponent) = round(mantissa, exponent, sticky, 64, i32::MIN);
            assert_eq!((mantissa, exponent), (*got, i64::from(((power * 217_706) >> 16) - 63)), "10^{power}");
        }
    }

    proptest! {
        #[test]
        fn digits_read_back(bits in 1u64..0x7ff0_0000_0000_0000) {
            let value = f64::from_bits(bits);
            let digits = digits(value);
            let text = format!("{}e{}", std::str::from_utf8(digits.as_bytes()).unwrap(), digits.last);
            prop_assert_eq!(text.parse::<f64>().unwrap(), value);
            prop_assert!(digits.as_bytes().len() <= 17);
        }
    }
}
