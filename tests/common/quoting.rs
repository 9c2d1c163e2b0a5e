//! Command lines as redis-cli reads them: words apart by blanks, "double quotes" with \n \r \t \a \b \\ \" and \xHH,
//! 'single quotes' with \'.

/// The words of a line, or what is wrong with it.
pub fn split(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let bytes = line.as_bytes();
    let (mut words, mut i) = (Vec::new(), 0);
    loop {
        while bytes.get(i).is_some_and(u8::is_ascii_whitespace) {
            i += 1;
        }
        let Some(_) = bytes.get(i) else { return Ok(words) };
        let mut word = Vec::new();
        while let Some(&b) = bytes.get(i).filter(|b| !b.is_ascii_whitespace()) {
            i += 1;
            if b != b'"' && b != b'\'' {
                word.push(b);
                continue;
            }
            loop {
                let Some(&c) = bytes.get(i) else { return Err(format!("unbalanced quotes: {line}")) };
                i += 1;
                match c {
                    c if c == b => break,
                    b'\\' if b == b'"' => {
                        let Some(&e) = bytes.get(i) else { return Err(format!("unbalanced quotes: {line}")) };
                        i += 1;
                        let hex = bytes.get(i..i + 2).and_then(|h| std::str::from_utf8(h).ok());
                        match (e, hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
                            (b'x', Some(v)) => {
                                i += 2;
                                word.push(v);
                            }
                            (b'n', _) => word.push(b'\n'),
                            (b'r', _) => word.push(b'\r'),
                            (b't', _) => word.push(b'\t'),
                            (b'a', _) => word.push(7),
                            (b'b', _) => word.push(8),
                            _ => word.push(e),
                        }
                    }
                    b'\\' if b == b'\'' && bytes.get(i) == Some(&b'\'') => {
                        i += 1;
                        word.push(b'\'');
                    }
                    c => word.push(c),
                }
            }
            if bytes.get(i).is_some_and(|b| !b.is_ascii_whitespace()) {
                return Err(format!("closing quote must be followed by a blank: {line}"));
            }
            break;
        }
        words.push(word);
    }
}

/// The line that [`split`] reads back as `words`; long words are shortened with their length, for reports.
pub fn line<A: AsRef<[u8]>>(words: &[A]) -> String {
    let mut out = String::new();
    for word in words {
        let word = word.as_ref();
        if !out.is_empty() {
            out.push(' ');
        }
        let plain = |b: &u8| b.is_ascii_graphic() && *b != b'"' && *b != b'\'' && *b != b'\\';
        if word.len() > 200 {
            out += &format!("\"{}…({} bytes)\"", word[..40].escape_ascii(), word.len());
        } else if !word.is_empty() && word.iter().all(plain) {
            out += &String::from_utf8_lossy(word);
        } else {
            out += &format!("\"{}\"", word.escape_ascii().to_string().replace("\\'", "'"));
        }
    }
    out
}
