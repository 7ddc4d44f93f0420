//! `name-addr` and `addr-spec` with parameters (RFC 3261 §20.10), as in From, To, Contact and Route.
//!
//! Wrong quoting, stray brackets and white space within them are refused (RFC 4475 §3.1.2); display names that are
//! not quite tokens are not, for phones send them.

use std::fmt;

use super::syntax::{find_outside, is_quoted_string, quote, unquote};
use super::{Params, Uri};

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

    /// Reads either form. Parameters behind an address without angle brackets are the field's (RFC 3261 §20.10), so
    /// such an address can hold no comma and no question mark.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(open) = find_outside(text.as_bytes(), b'<') {
            let (display, rest) = (text[..open].trim(), &text[open + 1..]);
            let (uri, params) = rest.split_once('>')?;
            let params = params.trim_start();
            let ends = params.is_empty() || params.starts_with(';');
            return (ends && is_display_name(display)).then_some(Self {
                display: display.to_owned(),
                uri: Uri::parse(uri)?,
                params: Params::parse(params),
            });
        }
        let (uri, params) = text.split_once(';').unwrap_or((text, ""));
        if uri.contains(['?', ',']) {
            return None;
        }
        Some(Self { display: String::new(), uri: Uri::parse(uri.trim_end())?, params: Params::parse(params) })
    }

    /// The display name without quotes and escapes; empty for none.
    pub fn display_name(&self) -> String {
        unquote(&self.display).into_owned()
    }

    /// The same with that display name, quoted; none if it is empty.
    #[must_use]
    pub fn with_display_name(mut self, name: &str) -> Self {
        self.display = if name.is_empty() { String::new() } else { quote(name) };
        self
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

/// Nothing, a quoted string, or words without the characters that would make the field ambiguous.
fn is_display_name(text: &str) -> bool {
    if text.starts_with('"') {
        return is_quoted_string(text);
    }
    !text.contains([',', ';', '"', '<', '>'])
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.display.is_empty() {
            write!(f, "{} ", self.display)?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> NameAddr {
        NameAddr::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn both_forms_are_read() {
        let bare = parse("sip:+19725552222@gw1.example.net;unknownparam");
        assert_eq!(
            (bare.uri.to_string().as_str(), bare.params.contains("unknownparam")),
            ("sip:+19725552222@gw1.example.net", true)
        );
        let angle = parse("<sip:+19725552222@gw1.example.net;unknownparam>");
        assert!(angle.params.is_empty() && angle.uri.param("unknownparam").is_some());
        assert_eq!(parse("caller<sip:c@h>;tag=323").display, "caller");
        assert_eq!(parse("<sip:c@h> ; tag = 3").tag(), Some("3"));
        assert_eq!(parse("sip:c@h ; tag = 3").tag(), Some("3"));
    }

    #[test]
    fn display_names_keep_what_their_quotes_hold() {
        let address = parse(r#""Bob, the \"Builder\" <x>" <sip:bob@example.com>;tag=a1"#);
        assert_eq!(address.display_name(), r#"Bob, the "Builder" <x>"#);
        assert_eq!(address.to_string(), r#""Bob, the \"Builder\" <x>" <sip:bob@example.com>;tag=a1"#);
        let named = NameAddr::new(address.uri).with_display_name("a\"\r\nVia: b");
        assert_eq!(named.to_string(), r#""a\"  Via: b" <sip:bob@example.com>"#);
        assert_eq!(parse("token1 ~' Иван (office) <sip:a@b>").display_name(), "token1 ~' Иван (office)");
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for bad in [
            "",
            "*",
            "\"Mr. J. User <sip:j.user@example.com>",
            "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
            "\"W\" < sip:t.watson@example.org >",
            "\"A\" \"B\" <sip:a@b>",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "<sip:a@b",
            "<sip:a@b> x",
            "<sip:a@b><sip:c@d>",
            "<>",
        ] {
            assert_eq!(NameAddr::parse(bad), None, "{bad}");
        }
    }
}
