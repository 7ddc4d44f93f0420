//! `name-addr` and `addr-spec` with parameters (RFC 3261 §20.10), and the splitting of lists.

use std::fmt;

use super::Uri;

/// Parameters in order, each with its value as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Reads `;name=value;flag`, with or without the first semicolon.
    pub fn parse(text: &str) -> Self {
        Self(
            split_outside(text, b';')
                .filter(|part| !part.is_empty())
                .map(|part| match part.split_once('=') {
                    Some((name, value)) => (name.trim().to_owned(), Some(value.trim().to_owned())),
                    None => (part.to_owned(), None),
                })
                .collect(),
        )
    }

    /// The value of a parameter, unquoted; empty for a flag.
    pub fn value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value.as_deref().map_or("", |value| value.trim_matches('"')))
    }

    /// The parameter is there.
    pub fn contains(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Sets a parameter, in place if it is there already.
    pub fn insert(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some(slot) => slot.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Removes a parameter.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| match value {
            Some(value) => write!(f, ";{name}={value}"),
            None => write!(f, ";{name}"),
        })
    }
}

/// An address with an optional display name and parameters, as in From, To, Contact, Route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// Display name as written, quotes included; empty for none.
    pub display: String,
    /// The address.
    pub uri: Uri,
    /// Parameters of the field, not of the URI.
    pub params: Params,
}

impl NameAddr {
    /// An address with nothing around it.
    pub fn new(uri: Uri) -> Self {
        Self { display: String::new(), uri, params: Params::default() }
    }

    /// Reads either form. Parameters behind an address without angle brackets are the field's (RFC 3261 §20.10).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(open) = find_outside(text, b'<') {
            let close = open + text[open..].find('>')?;
            return Some(Self {
                display: text[..open].trim().to_owned(),
                uri: Uri::parse(&text[open + 1..close])?,
                params: Params::parse(&text[close + 1..]),
            });
        }
        let end = text.find(';').unwrap_or(text.len());
        Some(Self { display: String::new(), uri: Uri::parse(&text[..end])?, params: Params::parse(&text[end..]) })
    }

    /// The tag parameter.
    pub fn tag(&self) -> Option<&str> {
        self.params.value("tag").filter(|tag| !tag.is_empty())
    }

    /// The same with that tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.insert("tag", Some(tag));
        self
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.display.is_empty() {
            write!(f, "{} ", self.display)?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// The elements of a comma-separated list, trimmed; commas in quotes and angle brackets do not count.
pub(super) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    split_outside(text, b',')
}

fn split_outside(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let (part, tail) = match find_outside(current, separator) {
            Some(at) => (&current[..at], Some(&current[at + 1..])),
            None => (current, None),
        };
        rest = tail;
        Some(part.trim())
    })
}

/// The first place of an ASCII byte outside quotes and angle brackets.
fn find_outside(text: &str, wanted: u8) -> Option<usize> {
    let (mut quoted, mut escaped, mut angle) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if quoted {
            escaped = byte == b'\\';
            quoted = byte != b'"';
        } else if byte == wanted && !angle {
            return Some(at);
        } else {
            match byte {
                b'"' => quoted = true,
                b'<' => angle = true,
                b'>' => angle = false,
                _ => {}
            }
        }
    }
    None
}
