//! When two URIs mean the same (RFC 3261 §19.1.4), as the registrar needs it to find a binding.
//!
//! Nothing is resolved: a URI without port is not the one with the default port.

use std::collections::BTreeMap;

use super::uri::escaped;
use super::{Params, Uri};

/// Parameters that must stand in both or in neither.
const DECISIVE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

pub(super) fn matches(one: &Uri, other: &Uri) -> bool {
    match (one, other) {
        (
            Uri::Sip { secure, user, host, port, params, headers },
            Uri::Sip { secure: secure_2, user: user_2, port: port_2, params: params_2, headers: headers_2, .. },
        ) => {
            secure == secure_2
                && normal(user) == normal(user_2)
                && host.to_string().eq_ignore_ascii_case(&other.domain())
                && port == port_2
                && params_match(params, params_2)
                && sorted_headers(headers) == sorted_headers(headers_2)
        }
        (Uri::Other { scheme, rest }, Uri::Other { scheme: scheme_2, rest: rest_2 }) => {
            scheme.eq_ignore_ascii_case(scheme_2) && rest == rest_2
        }
        _ => false,
    }
}

fn params_match(one: &Params, other: &Params) -> bool {
    let (one, other) = (by_name(one), by_name(other));
    let agrees = |mine: &BTreeMap<String, String>, theirs: &BTreeMap<String, String>| {
        mine.iter().all(|(name, value)| match theirs.get(name) {
            Some(found) => found == value,
            None => !DECISIVE.contains(&name.as_str()),
        })
    };
    agrees(&one, &other) && agrees(&other, &one)
}

/// Names and values without case; of a repeated name, the first.
fn by_name(params: &Params) -> BTreeMap<String, String> {
    let lower = |text: &str| normal(text).to_ascii_lowercase();
    let mut all = BTreeMap::new();
    for (name, value) in params.iter() {
        all.entry(lower(name)).or_insert_with(|| lower(value.unwrap_or_default()));
    }
    all
}

fn sorted_headers(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut all: Vec<_> = pairs.map(|(name, value)| (normal(name).to_ascii_lowercase(), normal(value))).collect();
    all.sort();
    all
}

/// The text without needless escapes (RFC 3261 §19.1.4), and those left in upper case.
fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let found = escaped(rest.as_bytes());
        let (taken, behind) = rest.split_at(if found.is_some() { 3 } else { character.len_utf8() });
        match found {
            Some(byte) if is_unreserved(byte) => out.push(char::from(byte)),
            Some(_) => out.push_str(&taken.to_ascii_uppercase()),
            None => out.push(character),
        }
        rest = behind;
    }
    out
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(one: &str, other: &str) -> bool {
        let (one, other) = (Uri::parse(one).unwrap(), Uri::parse(other).unwrap());
        assert_eq!(one.matches(&other), other.matches(&one));
        one.matches(&other)
    }

    #[test]
    fn these_mean_the_same() {
        for (one, other) in [
            ("sip:%61lice@atlanta.example;transport=TCP", "SIP:alice@AtLanTa.example;Transport=tcp"),
            ("sip:carol@chicago.example", "sip:carol@chicago.example;newparam=5"),
            ("sip:carol@chicago.example;a=on", "sip:carol@chicago.example;b=off"),
            ("sip:h.example;transport=tcp?to=a%40b&from=c", "sip:h.example;transport=tcp?FROM=c&to=a%40b"),
            ("sip:a%3bb@h", "sip:a%3Bb@h"),
            ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8:0::1]"),
            ("TEL:+1", "tel:+1"),
        ] {
            assert!(both(one, other), "{one} {other}");
        }
    }

    #[test]
    fn these_do_not() {
        for (one, other) in [
            ("sip:ALICE@h", "sip:alice@h"),
            ("sip:bob@h", "sip:bob@h:5060"),
            ("sip:bob@h", "sip:bob@h;transport=udp"),
            ("sip:bob@h;maddr=a", "sip:bob@h"),
            ("sip:bob@h;x=1", "sip:bob@h;x=2"),
            ("sip:bob@h", "sip:bob@h?Subject=x"),
            ("sip:bob@h", "sip:bob:pw@h"),
            ("sip:bob@h", "sip:h"),
            ("sip:a%3Bb@h", "sip:a;b@h"),
            ("sip:bob@h", "sips:bob@h"),
            ("sip:h", "tel:+1"),
            ("tel:+1", "tel:+2"),
        ] {
            assert!(!both(one, other), "{one} {other}");
        }
    }
}
