//! Digest authentication (RFC 7616, RFC 8760 for SIP; RFC 2617 and RFC 2069 responses are understood).
//!
//! MD5 and SHA-256, plain and `-sess`, with `qop=auth` or none. Not done: `auth-int`, `userhash`, SHA-512-256.

mod client;
mod server;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use md5::Md5;
use sha2::Sha256;
use sha2::digest::Digest;

pub use client::{Credentials, answer};
pub use server::{DigestServer, Offer, Verdict};

/// A hash algorithm of the registry of RFC 7616 §6.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Md5,
    Sha256,
}

/// The value of the `algorithm` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Algorithm {
    hash: Hash,
    /// `-sess`: nonce and cnonce are part of HA1.
    session: bool,
}

impl Algorithm {
    /// No parameter means MD5 (RFC 7616 §3.3).
    fn of(parameter: Option<&str>) -> Option<Self> {
        let name = parameter.unwrap_or("MD5").to_ascii_lowercase();
        let (name, session) = name.strip_suffix("-sess").map_or((name.as_str(), false), |name| (name, true));
        let hash = match name {
            "md5" => Hash::Md5,
            "sha-256" => Hash::Sha256,
            _ => return None,
        };
        Some(Self { hash, session })
    }
}

impl Hash {
    /// The digits of the hash of these parts with a colon between each two.
    fn of(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// What a response is computed from, the secret apart (RFC 7616 §3.4.1).
struct Question<'a> {
    algorithm: Algorithm,
    nonce: &'a str,
    /// `nc` and `cnonce` as on the wire, when `qop=auth`.
    counted: Option<(&'a str, &'a str)>,
    /// `cnonce`, which `-sess` needs with or without qop.
    cnonce: &'a str,
    method: &'a str,
    uri: &'a str,
}

impl Question<'_> {
    /// The response of whoever has this HA1.
    fn response(&self, ha1: &str) -> String {
        let hash = self.algorithm.hash;
        let ha1 = if self.algorithm.session { hash.of(&[ha1, self.nonce, self.cnonce]) } else { ha1.to_owned() };
        let ha2 = hash.of(&[self.method, self.uri]);
        match self.counted {
            Some((nc, cnonce)) => hash.of(&[&ha1, self.nonce, nc, cnonce, "auth", &ha2]),
            None => hash.of(&[&ha1, self.nonce, &ha2]),
        }
    }
}

/// One challenge or one set of credentials: a scheme with its parameters, unquoted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fields {
    scheme: String,
    params: Vec<(String, String)>,
}

impl Fields {
    fn value(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// Reads a header value; a word that no `=` follows begins the next one.
    fn parse_all(text: &str) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
            let Some(first) = rest.chars().next() else { return found };
            let end =
                rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, ',' | '=' | '"')).unwrap_or(rest.len());
            if end == 0 {
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let (word, tail) = rest.split_at(end);
            rest = tail.trim_start();
            match (rest.strip_prefix('='), found.last_mut()) {
                (Some(tail), Some(fields)) => {
                    let (value, tail) = parameter_value(tail.trim_start());
                    fields.params.push((word.to_owned(), value));
                    rest = tail;
                }
                _ => found.push(Self { scheme: word.to_owned(), params: Vec::new() }),
            }
        }
    }
}

/// A token or a quoted string, and what follows it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
        return (value.trim_end().to_owned(), rest);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            '"' if !escaped => return (value, &quoted[at + 1..]),
            '\\' if !escaped => escaped = true,
            c => {
                value.push(c);
                escaped = false;
            }
        }
    }
    (value, "")
}

/// A quoted string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
