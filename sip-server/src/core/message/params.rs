//! Parameters of header fields and URIs (RFC 3261 §7.3.1, §19.1.1), in order and as written.
//!
//! Names are found in any case. What a parameter means is left to whoever asks for it.

use std::borrow::Cow;
use std::fmt;

use super::syntax::{bare, split_outside, unquote};

/// Parameters in order, each with its value as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Reads `;name=value;flag`, with or without the first semicolon. Empty parts are left out.
    pub fn parse(text: &str) -> Self {
        Self(
            split_outside(text, b';')
                .filter(|part| !part.is_empty())
                .map(|part| match part.split_once('=') {
                    Some((name, value)) => (name.trim_end().to_owned(), Some(value.trim_start().to_owned())),
                    None => (part.to_owned(), None),
                })
                .collect(),
        )
    }

    /// The value of a parameter without the quotes around it; empty for a flag. See [`Params::unquoted`] for values
    /// that may hold quoted-pairs.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.written(name).map(bare)
    }

    /// The value of a parameter with its quotes and quoted-pairs resolved; empty for a flag.
    pub fn unquoted(&self, name: &str) -> Option<Cow<'_, str>> {
        self.written(name).map(unquote)
    }

    /// The parameter is there.
    pub fn contains(&self, name: &str) -> bool {
        self.written(name).is_some()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a parameter, in place if it is there already. The value is taken as written: see [`super::quote`].
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

    fn written(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value.as_deref().unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_keep_order_and_what_is_quoted() {
        let params = Params::parse(r#" ; Tag = a ;flag;; q="x;y=\"z\"" ;empty=;u=a=b"#);
        let all: Vec<_> = params.iter().collect();
        let quoted = r#""x;y=\"z\"""#;
        let expected =
            [("Tag", Some("a")), ("flag", None), ("q", Some(quoted)), ("empty", Some("")), ("u", Some("a=b"))];
        assert_eq!(all, expected);
        assert_eq!((params.value("tAG"), params.value("FLAG"), params.value("no")), (Some("a"), Some(""), None));
        assert_eq!(params.value("q"), Some(r#"x;y=\"z\""#));
        assert_eq!(params.unquoted("q").as_deref(), Some(r#"x;y="z""#));
        assert_eq!(params.to_string(), r#";Tag=a;flag;q="x;y=\"z\"";empty=;u=a=b"#);
    }

    #[test]
    fn an_address_in_quotes_is_one_value() {
        let params = Params::parse(r#";reg-id=1;+sip.instance="<urn:uuid:1;2>";expires=600"#);
        assert_eq!(params.value("+SIP.instance"), Some("<urn:uuid:1;2>"));
        assert_eq!(params.value("expires"), Some("600"));
    }
}
