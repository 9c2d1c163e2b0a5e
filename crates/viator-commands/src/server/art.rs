//! LOLWUT's picture.

/// From sparse to dense.
const SHADES: [char; 6] = [' ', '\u{b7}', '\u{2591}', '\u{2592}', '\u{2593}', '\u{2588}'];

/// Rings of three drops on water, where they meet, of so many characters; another picture for each seed.
pub fn waves(columns: usize, rows: usize, seed: u64) -> String {
    // three drops at places, and with wave lengths, that the seed's bits choose
    let part = |n: u32| ((seed >> (n * 7)) & 127) as f64 / 127.0;
    let drops = [0, 3, 6].map(|n| (part(n) * columns as f64, part(n + 1) * rows as f64, 2.5 + 3.0 * part(n + 2)));
    let mut out = String::new();
    for y in 0..rows {
        for x in 0..columns {
            let height: f64 = drops
                .iter()
                .map(|(dx, dy, length)| {
                    // a character is about twice as high as it is wide
                    let distance = (x as f64 - dx).hypot(2.0 * (y as f64 - dy));
                    (distance / length).cos() / (1.0 + distance / (columns as f64))
                })
                .sum();
            let shade = ((height + 2.0) / 4.0 * SHADES.len() as f64).clamp(0.0, SHADES.len() as f64 - 1.0);
            out.push(SHADES.get(shade as usize).copied().unwrap_or(' '));
        }
        out.push('\n');
    }
    out.push_str("\nThree drops on still water. ");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_their_size_and_differ() {
        let picture = waves(40, 10, 12345);
        let lines: Vec<&str> = picture.lines().collect();
        assert!(lines[..10].iter().all(|l| l.chars().count() == 40));
        assert_ne!(picture, waves(40, 10, !12345));
    }
}
