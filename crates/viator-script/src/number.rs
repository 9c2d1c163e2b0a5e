//! Numbers as text.

/// What C's `%.{precision}g` prints.
pub fn general(n: f64, precision: usize) -> String {
    if n.is_nan() {
        return if n.is_sign_negative() { "-nan".into() } else { "nan".into() };
    }
    if n.is_infinite() {
        return if n < 0.0 { "-inf".into() } else { "inf".into() };
    }
    let precision = precision.max(1);
    let text = format!("{n:.*e}", precision - 1);
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= precision as i32 {
        let mantissa = trim(mantissa);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let decimals = usize::try_from(precision as i32 - 1 - exponent).unwrap_or(0);
    trim(&format!("{n:.decimals$}")).to_owned()
}

/// Without the zeros after the point that say nothing.
fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// A double that is a whole number, as such.
pub fn whole(n: f64) -> Option<i64> {
    (n.trunc() == n && n.abs() < 9_223_372_036_854_775_808.0).then_some(n as i64)
}

/// A double as the shortest text that reads as the same, as arguments of commands are written.
pub fn shortest(n: f64, out: &mut Vec<u8>) {
    if let Some(i) = whole(n).filter(|_| n.abs() < 4_611_686_018_427_387_904.0) {
        out.extend_from_slice(i.to_string().as_bytes());
    } else if n.is_nan() {
        out.extend_from_slice(if n.is_sign_negative() { b"-nan" } else { b"nan" });
    } else {
        viator_data::num::format_f64(n, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_c_prints_them() {
        for (n, p, text) in [
            (0.0, 14, "0"),
            (3.0, 14, "3"),
            (1e15, 14, "1e+15"),
            (1e14, 14, "1e+14"),
            (99999999999999.0, 14, "99999999999999"),
            (1.0 / 3.0, 14, "0.33333333333333"),
            (1e-5, 14, "1e-05"),
            (0.0001, 14, "0.0001"),
            (-2.5, 14, "-2.5"),
            (123456.0, 3, "1.23e+05"),
            (9007199254740992.0, 14, "9.007199254741e+15"),
        ] {
            assert_eq!(general(n, p), text);
        }
    }
}
