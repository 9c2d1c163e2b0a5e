//! HyperLogLog, in the very bytes of Redis's strings: what GET returns after PFADD is the same on both.
//!
//! A string has a header of 16 bytes (`HYLL`, the encoding, three bytes unused, the last cardinality as a
//! little-endian `u64` whose top bit means that it is out of date) and 16384 registers of 6 bits. Dense, they are
//! packed from the lowest bit on; sparse, they are runs. The functions take the raw string;
//! [`check`] comes first.

mod sparse;

use sparse::Run;

/// Number of registers.
pub const REGISTERS: usize = 16384;
/// Length of a dense string.
pub const DENSE_LEN: usize = HEADER + REGISTERS * 6 / 8;
const HEADER: usize = 16;
/// Bits of a hash that select the register.
const INDEX_BITS: u32 = 14;
/// Bits that are left to count zeros in; a register is at most one more.
const COUNT_BITS: u32 = 64 - INDEX_BITS;

/// Registers unpacked, one a byte: what unions are made in.
pub type Registers = [u8; REGISTERS];

/// The two encodings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Six bits for every register.
    Dense,
    /// Runs of equal registers.
    Sparse,
}

/// What is wrong with a string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HllError {
    /// No HyperLogLog at all; Redis answers WRONGTYPE.
    NotHll,
    /// The header is right, the runs are not; Redis answers INVALIDOBJ.
    Corrupt,
}

impl std::fmt::Display for HllError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            HllError::NotHll => "Key is not a valid HyperLogLog string value.",
            HllError::Corrupt => "Corrupted HLL object detected",
        })
    }
}

impl std::error::Error for HllError {}

/// An empty sparse string, its cardinality 0 being up to date.
pub fn empty() -> Vec<u8> {
    let mut hll = vec![0; HEADER];
    put_header(&mut hll, Encoding::Sparse);
    Run { value: 0, len: REGISTERS }.write(&mut hll);
    hll
}

fn put_header(hll: &mut [u8], encoding: Encoding) {
    let tag = match encoding {
        Encoding::Dense => 0,
        Encoding::Sparse => 1,
    };
    for (b, v) in hll.iter_mut().zip([b'H', b'Y', b'L', b'L', tag]) {
        *b = v;
    }
}

/// Whether a string is a HyperLogLog as far as its header and a dense one's length tell; its encoding.
///
/// # Errors
/// [`HllError::NotHll`].
pub fn check(hll: &[u8]) -> Result<Encoding, HllError> {
    match hll.get(..HEADER) {
        Some([b'H', b'Y', b'L', b'L', 0, ..]) if hll.len() == DENSE_LEN => Ok(Encoding::Dense),
        Some([b'H', b'Y', b'L', b'L', 1, ..]) => Ok(Encoding::Sparse),
        _ => Err(HllError::NotHll),
    }
}

/// The cardinality kept in the header, if it is up to date.
pub fn cached(hll: &[u8]) -> Option<u64> {
    let count = u64::from_le_bytes(*hll.get(8..HEADER)?.first_chunk()?);
    (count >> 63 == 0).then_some(count)
}

/// Keeps the cardinality in the header.
pub fn set_cached(hll: &mut [u8], count: u64) {
    if let Some(field) = hll.get_mut(8..HEADER) {
        field.copy_from_slice(&count.to_le_bytes());
    }
}

/// Marks the cardinality in the header as out of date: after a change, and after creation by PFADD or PFMERGE.
pub fn invalidate_cached(hll: &mut [u8]) {
    if let Some(top) = hll.get_mut(HEADER - 1) {
        *top |= 0x80;
    }
}

/// Adds an element; whether a register changed (the cardinality in the header is then out of date).
///
/// A sparse string that would get longer than `sparse_max_bytes` (`hll-sparse-max-bytes`, header included) becomes
/// dense.
///
/// # Errors
/// [`HllError::NotHll`]; [`HllError::Corrupt`] when the runs do not reach the register.
pub fn add(hll: &mut Vec<u8>, element: &[u8], sparse_max_bytes: usize) -> Result<bool, HllError> {
    let (index, count) = position(element);
    raise(hll, index, count, sparse_max_bytes)
}

/// Whether a dense string would not change by an element. Of a sparse one it is not told: `false`.
pub fn dense_has(hll: &[u8], element: &[u8]) -> bool {
    let (index, count) = position(element);
    matches!(check(hll), Ok(Encoding::Dense)) && dense_register(hll, index) >= count
}

/// The register of an element, and what it counts for there: 1 to 51.
fn position(element: &[u8]) -> (usize, u8) {
    let hash = murmur64a(element);
    let index = (hash % REGISTERS as u64) as usize;
    let rest = (hash >> INDEX_BITS) | 1 << COUNT_BITS;
    (index, rest.trailing_zeros() as u8 + 1)
}

/// MurmurHash64A with the seed of Redis.
fn murmur64a(bytes: &[u8]) -> u64 {
    const SEED: u64 = 0xadc8_3b19;
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(M);
    for word in words {
        let k = u64::from_le_bytes(*word).wrapping_mul(M);
        hash = (hash ^ (k ^ (k >> 47)).wrapping_mul(M)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, b| tail << 8 | u64::from(*b));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 47)).wrapping_mul(M);
    hash ^ (hash >> 47)
}

/// Raises a register to at least `count`; whether it was less.
fn raise(hll: &mut Vec<u8>, index: usize, count: u8, sparse_max_bytes: usize) -> Result<bool, HllError> {
    let changed = match check(hll)? {
        Encoding::Dense => raise_dense(hll, index, count),
        Encoding::Sparse => match sparse::raise(hll, index, count, sparse_max_bytes)? {
            Some(changed) => changed,
            None => {
                to_dense(hll)?;
                raise_dense(hll, index, count)
            }
        },
    };
    if changed {
        invalidate_cached(hll);
    }
    Ok(changed)
}

/// A register's byte and the shift within the 16 bits from there on.
fn dense_place(index: usize) -> (usize, u32) {
    (HEADER + index * 6 / 8, (index * 6 % 8) as u32)
}

/// The 16 bits from a register's byte on.
fn dense_window(hll: &[u8], at: usize) -> u16 {
    // The last register ends with the last byte.
    let mut window = [0u8; 2];
    for (w, b) in window.iter_mut().zip(hll.get(at..).unwrap_or_default()) {
        *w = *b;
    }
    u16::from_le_bytes(window)
}

fn dense_register(hll: &[u8], index: usize) -> u8 {
    let (at, shift) = dense_place(index);
    (dense_window(hll, at) >> shift & 0x3f) as u8
}

fn raise_dense(hll: &mut [u8], index: usize, count: u8) -> bool {
    if dense_register(hll, index) >= count {
        return false;
    }
    let (at, shift) = dense_place(index);
    let word = dense_window(hll, at);
    let Some(place) = hll.get_mut(at..) else { return false };
    let word = (word & !(0x3f << shift)) | u16::from(count) << shift;
    for (b, w) in place.iter_mut().zip(word.to_le_bytes()) {
        *b = w;
    }
    true
}

/// Four registers in three bytes.
fn unpack([a, b, c]: [u8; 3]) -> [u8; 4] {
    [a & 0x3f, a >> 6 | (b & 0xf) << 2, b >> 4 | (c & 3) << 4, c >> 2]
}

fn pack([a, b, c, d]: [u8; 4]) -> [u8; 3] {
    [a | b << 6, b >> 2 | c << 4, c >> 4 | d << 2]
}

/// Raises every one of `union`'s registers to at least what the string has.
///
/// # Errors
/// [`HllError::NotHll`]; [`HllError::Corrupt`] when the runs are not of exactly [`REGISTERS`] registers.
pub fn merge_into(union: &mut Registers, hll: &[u8]) -> Result<(), HllError> {
    let encoding = check(hll)?;
    let body = hll.get(HEADER..).unwrap_or_default();
    match encoding {
        Encoding::Dense => {
            for (four, packed) in union.as_chunks_mut::<4>().0.iter_mut().zip(body.as_chunks::<3>().0) {
                for (u, r) in four.iter_mut().zip(unpack(*packed)) {
                    *u = r.max(*u);
                }
            }
        }
        Encoding::Sparse => {
            sparse::validate(body)?;
            let mut rest = union.as_mut_slice();
            for run in sparse::runs(body) {
                let Some((here, after)) = rest.split_at_mut_checked(run.len) else { return Err(HllError::Corrupt) };
                if run.value != 0 {
                    here.iter_mut().for_each(|u| *u = run.value.max(*u));
                }
                rest = after;
            }
        }
    }
    Ok(())
}

/// The registers of a string.
///
/// # Errors
/// As [`merge_into`].
pub fn registers(hll: &[u8]) -> Result<Box<Registers>, HllError> {
    let mut registers = Box::new([0; REGISTERS]);
    merge_into(&mut registers, hll)?;
    Ok(registers)
}

/// Raises a string's registers to at least `union`'s, in PFMERGE's way: the string becomes dense first if `dense`
/// (some source is).
///
/// # Errors
/// As [`add`].
pub fn store(hll: &mut Vec<u8>, union: &Registers, dense: bool, sparse_max_bytes: usize) -> Result<(), HllError> {
    if dense {
        to_dense(hll)?;
    }
    for (index, count) in union.iter().enumerate().filter(|(_, c)| **c != 0) {
        raise(hll, index, *count, sparse_max_bytes)?;
    }
    invalidate_cached(hll);
    Ok(())
}

/// Makes a string dense; whether it was sparse. The header's cardinality stays.
///
/// # Errors
/// As [`merge_into`].
pub fn to_dense(hll: &mut Vec<u8>) -> Result<bool, HllError> {
    if check(hll)? == Encoding::Dense {
        return Ok(false);
    }
    let registers = registers(hll)?;
    let mut dense = Vec::with_capacity(DENSE_LEN);
    dense.extend_from_slice(hll.get(..HEADER).unwrap_or_default());
    put_header(&mut dense, Encoding::Dense);
    for four in registers.as_chunks::<4>().0 {
        dense.extend(pack(*four));
    }
    *hll = dense;
    Ok(true)
}

/// The runs of a sparse string as PFDEBUG DECODE shows them: `z:` a short run of zeros, `Z:` one of two bytes,
/// `v:value,length`.
///
/// # Errors
/// As [`merge_into`]; also [`HllError::NotHll`] for a dense one.
pub fn decode_sparse(hll: &[u8]) -> Result<String, HllError> {
    if check(hll)? == Encoding::Dense {
        return Err(HllError::NotHll);
    }
    let body = hll.get(HEADER..).unwrap_or_default();
    sparse::validate(body)?;
    Ok(sparse::describe(body))
}

/// The cardinality of a string, estimated anew.
///
/// # Errors
/// As [`merge_into`].
pub fn count(hll: &[u8]) -> Result<u64, HllError> {
    let encoding = check(hll)?;
    let body = hll.get(HEADER..).unwrap_or_default();
    let mut histogram = [0u32; 64];
    let mut tally = |value: u8, n: usize| {
        if let Some(slot) = histogram.get_mut(usize::from(value & 63)) {
            *slot += n as u32;
        }
    };
    match encoding {
        Encoding::Dense => {
            body.as_chunks::<3>().0.iter().flat_map(|packed| unpack(*packed)).for_each(|r| tally(r, 1));
        }
        Encoding::Sparse => {
            sparse::validate(body)?;
            sparse::runs(body).for_each(|run| tally(run.value, run.len));
        }
    }
    Ok(estimate(&histogram))
}

/// The cardinality of a union.
pub fn count_registers(union: &Registers) -> u64 {
    let mut histogram = [0u32; 64];
    for r in union {
        if let Some(slot) = histogram.get_mut(usize::from(r & 63)) {
            *slot += 1;
        }
    }
    estimate(&histogram)
}

/// Checks both encodings and the estimator on elements that begin with a number (PFSELFTEST).
///
/// # Errors
/// What is wrong.
pub fn self_test(seed: u64) -> Result<(), String> {
    const ELEMENTS: u64 = 100_000;
    // six times the standard error of 16384 registers
    const TOLERANCE: f64 = 6.0 * 1.04 / 128.0;
    let broken = |e: HllError| e.to_string();
    let (mut sparse, mut dense) = (empty(), empty());
    to_dense(&mut dense).map_err(broken)?;
    let mut checkpoint = 1;
    for n in 1..=ELEMENTS {
        let element = seed.wrapping_add(n).to_le_bytes();
        let changed = add(&mut dense, &element, 0).map_err(broken)?;
        if add(&mut sparse, &element, 3000).map_err(broken)? != changed {
            return Err(format!("sparse and dense encodings differ at element {n}"));
        }
        if n < checkpoint {
            continue;
        }
        if registers(&sparse).map_err(broken)? != registers(&dense).map_err(broken)? {
            return Err(format!("sparse and dense registers differ after {n} elements"));
        }
        let count = count(&sparse).map_err(broken)?;
        let error = count.abs_diff(n) as f64;
        if error > (n as f64 * TOLERANCE).max(1.0) {
            return Err(format!("{n} elements are counted as {count}"));
        }
        checkpoint *= 10;
    }
    Ok(())
}

/// The improved raw estimator of O. Ertl ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), of
/// the numbers of registers with each value. The order of the operations is that of Redis: the result is the same to
/// the last unit.
fn estimate(histogram: &[u32; 64]) -> u64 {
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let m = REGISTERS as f64;
    let of = |value: u32| histogram.get(value as usize).copied().map_or(0.0, f64::from);
    let mut z = m * tau((m - of(COUNT_BITS + 1)) / m);
    for value in (1..=COUNT_BITS).rev() {
        z = (z + of(value)) * 0.5;
    }
    z += m * sigma(of(0) / m);
    (ALPHA * m * m / z).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with(elements: impl IntoIterator<Item = String>, max: usize) -> Vec<u8> {
        let mut hll = empty();
        for e in elements {
            add(&mut hll, e.as_bytes(), max).unwrap();
        }
        hll
    }

    #[test]
    fn bytes_of_the_reference() {
        let hll = with((0..6).map(|i| format!("a{i}")), 3000);
        let want: &[u8] = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80D\xef\x80CM\x84T\xd4\x80E\xf1\x80Q\xea\x84Gg\x84C\xa1";
        assert_eq!(hll, want);
        let text = "Z:1264 v:1,1 Z:846 v:2,1 Z:5333 v:1,1 Z:1522 v:1,1 Z:4587 v:2,1 Z:1896 v:2,1 Z:930";
        assert_eq!(decode_sparse(&hll).unwrap(), text);
        assert_eq!(count(&hll), Ok(6));
        assert_eq!(empty(), b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
    }

    #[test]
    fn a_dense_one_tells_what_would_change_it() {
        let mut hll = with((0..2000).map(|i| format!("a{i}")), 0);
        assert_eq!(check(&hll), Ok(Encoding::Dense));
        let mut had = 0;
        for i in 0..4000 {
            let element = format!("b{i}");
            let has = dense_has(&hll, element.as_bytes());
            assert_eq!(add(&mut hll, element.as_bytes(), 0), Ok(!has), "{element}");
            had += i32::from(has);
        }
        assert!((500..3500).contains(&had), "{had}");
        assert!(!dense_has(&with(["a".into()], 3000), b"a"), "a sparse one does not tell");
    }

    #[test]
    fn cache() {
        let mut hll = with(["a".into()], 3000);
        assert_eq!(cached(&hll), None);
        set_cached(&mut hll, 1);
        assert_eq!(cached(&hll), Some(1));
        assert_eq!(add(&mut hll, b"a", 3000), Ok(false));
        assert_eq!(cached(&hll), Some(1));
        assert_eq!(add(&mut hll, b"b", 3000), Ok(true));
        assert_eq!(cached(&hll), None);
    }

    #[test]
    fn validity() {
        assert_eq!(check(&empty()), Ok(Encoding::Sparse));
        assert_eq!(check(b""), Err(HllError::NotHll));
        assert_eq!(check(b"HYLL\0\0\0\0\0\0\0\0\0\0\0\0"), Err(HllError::NotHll));
        assert_eq!(check(b"HYLL\x02\0\0\0\0\0\0\0\0\0\0\0"), Err(HllError::NotHll));
        assert_eq!(check(b"HYLX\x01\0\0\0\0\0\0\0\0\0\0\0"), Err(HllError::NotHll));
        for body in [&b""[..], b"\x7f", b"\x7f\xff\x00", b"\x7f\xfe", b"\x80\x80", b"\x7f\xff\x7f"] {
            let hll = [b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0", body].concat();
            assert_eq!(count(&hll), Err(HllError::Corrupt), "{body:?}");
            assert_eq!(registers(&hll).err(), Some(HllError::Corrupt));
            assert_eq!(to_dense(&mut hll.clone()), Err(HllError::Corrupt));
        }
        let short = [&b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0"[..], b"\x80"].concat();
        assert_eq!(add(&mut short.clone(), b"hello", 3000), Err(HllError::Corrupt));
    }

    #[test]
    fn estimates() {
        for n in [100u64, 1000, 20_000, 200_000] {
            let hll = with((0..n).map(|i| i.to_string()), 3000);
            let error = (count(&hll).unwrap() as f64 - n as f64).abs() / n as f64;
            assert!(error < 0.03, "{n}: {error}");
        }
        let full = [51; REGISTERS];
        assert!(count_registers(&full) > 1 << 60);
        assert_eq!(count_registers(&[0; REGISTERS]), 0);
    }

    #[test]
    fn the_self_test_passes() {
        for seed in [0, 1, u64::MAX - 5] {
            assert_eq!(self_test(seed), Ok(()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn encodings_agree(elements in proptest::collection::vec(0u32..5000, 0..900), max in 16usize..2000) {
            let mut dense = empty();
            to_dense(&mut dense).unwrap();
            prop_assert_eq!(dense.len(), DENSE_LEN);
            let mut sparse = empty();
            let mut model = [0u8; REGISTERS];
            for e in &elements {
                let e = e.to_string();
                let (index, n) = position(e.as_bytes());
                let changed = n > model[index];
                model[index] = model[index].max(n);
                prop_assert_eq!(add(&mut dense, e.as_bytes(), max), Ok(changed));
                prop_assert_eq!(add(&mut sparse, e.as_bytes(), max), Ok(changed));
                prop_assert!(check(&sparse) == Ok(Encoding::Dense) || sparse.len() <= max.max(18));
            }
            prop_assert_eq!(&*registers(&dense).unwrap(), &model);
            prop_assert_eq!(&*registers(&sparse).unwrap(), &model);
            prop_assert_eq!(count(&sparse).unwrap(), count_registers(&model));
            prop_assert_eq!(count(&dense).unwrap(), count_registers(&model));
            let mut stored = empty();
            store(&mut stored, &model, false, max).unwrap();
            prop_assert_eq!(&*registers(&stored).unwrap(), &model);
            to_dense(&mut sparse).unwrap();
            prop_assert_eq!(&sparse[HEADER..], &dense[HEADER..]);
        }

        #[test]
        fn junk_does_no_harm(body in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x7f), Just(0x84)], 0..300), element: Vec<u8>) {
            let mut hll = [&b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0"[..], &body].concat();
            let _ = (count(&hll), registers(&hll).is_ok(), decode_sparse(&hll));
            let _ = (add(&mut hll, &element, 100), to_dense(&mut hll));
        }
    }
}
