//! BITFIELD: integers of any width at any bit of a string.

/// What happens when a value does not fit its field.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overflow {
    /// The low bits are kept.
    #[default]
    Wrap,
    /// The nearest value that fits.
    Saturate,
    /// Nothing is written.
    Fail,
}

/// The type of a field: `i1` to `i64`, `u1` to `u63`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    signed: bool,
    bits: u32,
}

impl Field {
    /// A type of that many bits: 1 to 64, unsigned 1 to 63.
    pub fn new(signed: bool, bits: u32) -> Option<Field> {
        (1..=if signed { 64 } else { 63 }).contains(&bits).then_some(Field { signed, bits })
    }

    /// Reads a type as BITFIELD has it: `i16`, `u8`.
    pub fn parse(text: &[u8]) -> Option<Field> {
        let (signed, bits) = match text {
            [b'i', bits @ ..] => (true, bits),
            [b'u', bits @ ..] => (false, bits),
            _ => return None,
        };
        Field::new(signed, u32::try_from(crate::num::parse_i64(bits)?).ok()?)
    }

    /// Width in bits.
    pub fn bits(self) -> u32 {
        self.bits
    }

    fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    fn range(self) -> (i128, i128) {
        if self.signed {
            let half = 1i128 << (self.bits - 1);
            (-half, half - 1)
        } else {
            (0, i128::from(self.mask()))
        }
    }

    /// The value that the field's bits mean.
    fn decode(self, raw: u64) -> i64 {
        let unused = 64 - self.bits;
        let raw = raw << unused;
        if self.signed { (raw as i64) >> unused } else { (raw >> unused) as i64 }
    }

    /// The value at bit `offset`; bits past the end are 0.
    pub fn get(self, bytes: &[u8], offset: u64) -> i64 {
        let Ok(start) = usize::try_from(offset / 8) else { return 0 };
        let mut window = [0u8; 16];
        for (slot, b) in window.iter_mut().zip(bytes.get(start..).unwrap_or_default()).take(9) {
            *slot = *b;
        }
        let above = (offset % 8) as u32;
        self.decode((u128::from_be_bytes(window) << above >> (128 - self.bits)) as u64)
    }

    /// Writes the low bits of `value` at bit `offset`. What is past the end is dropped: the caller has extended the
    /// string to [`Field::bytes_needed`].
    pub fn set(self, bytes: &mut [u8], offset: u64, value: i64) {
        let Ok(start) = usize::try_from(offset / 8) else { return };
        let shift = 128 - self.bits - (offset % 8) as u32;
        let mask = (u128::from(self.mask()) << shift).to_be_bytes();
        let value = (u128::from(value as u64 & self.mask()) << shift).to_be_bytes();
        let target = bytes.get_mut(start..).unwrap_or_default();
        for ((b, m), v) in target.iter_mut().zip(mask).zip(value) {
            *b = (*b & !m) | v;
        }
    }

    /// The least length in bytes of a string that holds the field at bit `offset`; `None` when that is no `u64`.
    pub fn bytes_needed(self, offset: u64) -> Option<u64> {
        Some(offset.checked_add(u64::from(self.bits))?.div_ceil(8))
    }

    /// What SET writes for `value`. As in Redis, a negative value for an unsigned field is a very great one.
    pub fn fit(self, value: i64, overflow: Overflow) -> Option<i64> {
        self.bound(if self.signed { i128::from(value) } else { i128::from(value as u64) }, overflow)
    }

    /// What INCRBY makes of the field's `value`; `None` with [`Overflow::Fail`] when the sum does not fit.
    pub fn add(self, value: i64, by: i64, overflow: Overflow) -> Option<i64> {
        self.bound(i128::from(value) + i128::from(by), overflow)
    }

    fn bound(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = self.range();
        let value = if (min..=max).contains(&value) {
            value
        } else {
            match overflow {
                Overflow::Wrap => return Some(self.decode(value as u64)),
                Overflow::Saturate => value.clamp(min, max),
                Overflow::Fail => return None,
            }
        };
        Some(value as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::get_bit;
    use proptest::prelude::*;

    fn field() -> impl Strategy<Value = Field> {
        (any::<bool>(), 1u32..=64).prop_filter_map("no u64", |(signed, bits)| Field::new(signed, bits))
    }

    #[test]
    fn types() {
        assert_eq!(Field::parse(b"i64"), Field::new(true, 64));
        assert_eq!(Field::parse(b"u63"), Field::new(false, 63));
        for bad in ["u64", "i65", "u0", "i0", "i-1", "i01", "x8", "i", "", "8", "I8"] {
            assert_eq!(Field::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn overflow() {
        let u2 = Field::new(false, 2).unwrap();
        let i8 = Field::new(true, 8).unwrap();
        let i64 = Field::new(true, 64).unwrap();
        assert_eq!(u2.add(3, 1, Overflow::Wrap), Some(0));
        assert_eq!(u2.add(3, 1, Overflow::Saturate), Some(3));
        assert_eq!(u2.add(3, 1, Overflow::Fail), None);
        assert_eq!(u2.add(1, -2, Overflow::Saturate), Some(0));
        assert_eq!(u2.fit(-1, Overflow::Saturate), Some(3));
        assert_eq!(u2.fit(-1, Overflow::Wrap), Some(3));
        assert_eq!(i8.add(127, 1, Overflow::Wrap), Some(-128));
        assert_eq!(i8.add(-100, -100, Overflow::Saturate), Some(-128));
        assert_eq!(i8.fit(200, Overflow::Wrap), Some(-56));
        assert_eq!(i64.add(i64::MAX, 1, Overflow::Wrap), Some(i64::MIN));
        assert_eq!(i64.add(i64::MIN, -1, Overflow::Saturate), Some(i64::MIN));
        assert_eq!(i64.add(i64::MAX, i64::MIN, Overflow::Fail), Some(-1));
    }

    proptest! {
        #[test]
        fn set_and_get(mut bytes in proptest::collection::vec(any::<u8>(), 20), field in field(), offset in 0u64..96, value: i64) {
            let before = bytes.clone();
            field.set(&mut bytes, offset, value);
            let wrapped = field.add(value, 0, Overflow::Wrap).unwrap();
            prop_assert_eq!(field.get(&bytes, offset), wrapped);
            for bit in 0..160 {
                if !(offset..offset + u64::from(field.bits)).contains(&bit) {
                    prop_assert_eq!(get_bit(&bytes, bit), get_bit(&before, bit));
                }
            }
            // Past the end: nothing is read, nothing breaks.
            let needed = field.bytes_needed(offset).unwrap() as usize;
            prop_assert_eq!(field.get(&bytes[..needed], offset), wrapped);
            field.set(&mut bytes[..needed - 1], offset, value);
            prop_assert_eq!(field.get(&[], offset), 0);
            prop_assert_eq!(field.get(&bytes, u64::MAX), 0);
        }
    }
}
