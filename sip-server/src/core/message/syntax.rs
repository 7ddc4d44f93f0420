//! The small grammar that all header fields share (RFC 3261 §25.1): tokens, numbers, quoted strings, lists.
//!
//! Everything here looks at each byte once. Nothing here knows a header by name.

use std::borrow::Cow;

/// Text of one or more token characters.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| TOKEN[usize::from(*byte)])
}

/// Which bytes may stand in a token.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let mark = matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        table[byte as usize] = mark || byte.is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

/// A number of nothing but digits; `None` when it does not fit.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Text as a quoted string that any value may hold: escaped, and without control characters.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// The text of a quoted string with its quoted-pairs resolved; anything else as it is, trimmed.
pub fn unquote(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let inside = bare(text);
    if inside.len() == text.len() || !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut out = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        let resolved = if character == '\\' { characters.next() } else { Some(character) };
        out.extend(resolved);
    }
    Cow::Owned(out)
}

/// What stands between the quotes, as written; text without quotes as it is.
pub(super) fn bare(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// The whole text is one quoted string.
pub(super) fn is_quoted_string(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('"') else {
        return false;
    };
    let mut escaped = false;
    let close = inside.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    close.is_some_and(|at| at + 1 == inside.len())
}

/// The elements of a comma-separated list, trimmed; commas in quotes and angle brackets do not count.
pub(super) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    split_outside(text, b',')
}

/// Parts between separators outside quotes and angle brackets, trimmed.
pub(super) fn split_outside(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let (part, tail) = match find_outside(current.as_bytes(), separator) {
            Some(at) => (&current[..at], Some(&current[at + 1..])),
            None => (current, None),
        };
        rest = tail;
        Some(part.trim())
    })
}

/// The first place of an ASCII byte outside quotes and angle brackets. Quotes mean nothing within angle brackets.
pub(super) fn find_outside(text: &[u8], wanted: u8) -> Option<usize> {
    let (mut quoted, mut escaped, mut angle) = (false, false, false);
    for (at, byte) in text.iter().copied().enumerate() {
        if escaped {
            escaped = false;
        } else if quoted {
            escaped = byte == b'\\';
            quoted = byte != b'"';
        } else if byte == wanted && !angle {
            return Some(at);
        } else {
            match byte {
                b'"' if !angle => quoted = true,
                b'<' => angle = true,
                b'>' => angle = false,
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_outside_quotes_and_angle_brackets() {
        let text = r#""A, \"B, " <sip:a,"b@h>;x=1 , <sip:c@h>,, *"#;
        assert_eq!(split_list(text).collect::<Vec<_>>(), [r#""A, \"B, " <sip:a,"b@h>;x=1"#, "<sip:c@h>", "", "*"]);
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(number::<u16>("0068"), Some(68));
        for bad in ["", "+1", "-1", "1 ", "65536", "9999999999999999999999999", "١"] {
            assert_eq!(number::<u16>(bad), None, "{bad}");
        }
    }

    #[test]
    fn quoting_is_undone_by_unquoting() {
        for text in ["", "Bob", r#"a "quoted" \ name"#, "тест", r"\", r#"""#] {
            let quoted = quote(text);
            assert!(is_quoted_string(&quoted), "{quoted}");
            assert_eq!(unquote(&quoted), text);
        }
        assert_eq!(quote("a\r\nTo: b\0"), "\"a  To: b \"");
        assert_eq!(
            (unquote(" plain\\x "), unquote(r#""\""#), unquote("\"")),
            ("plain\\x".into(), "".into(), "\"".into())
        );
    }

    #[test]
    fn quoted_strings_end_where_the_text_ends() {
        for bad in ["", "\"", "a", r#""a\""#, r#""a" b"#, r#""a""b""#] {
            assert!(!is_quoted_string(bad), "{bad}");
        }
    }
}
