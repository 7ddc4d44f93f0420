//! URIs (RFC 3261 §19.1): SIP ones by their parts, as written; any other scheme verbatim.
//!
//! A user part may hold `;`, `?` and `:` as they are; `@` only as `%40`, so the first `@` ends it. Equality by the
//! rules of §19.1.4 is [`Uri::matches`]; `==` compares what was written.

use std::fmt;
use std::net::IpAddr;

use super::Params;
use super::syntax::number;

/// A host: an address, or a name to look up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// IPv4 or IPv6; the latter stands in brackets on the wire.
    Ip(IpAddr),
    /// A name, as written.
    Name(String),
}

impl Host {
    /// Reads a host without port.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        if let Some(inner) = bare {
            return inner.parse().ok().map(|ip| Self::Ip(IpAddr::V6(ip)));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Self::Ip(ip));
        }
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        (!text.is_empty() && text.chars().all(valid)).then(|| Self::Name(text.to_owned()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip {
        /// `sips`.
        secure: bool,
        /// User part as written, escapes and password included; empty for none.
        user: String,
        /// Host.
        host: Host,
        /// Port, when given.
        port: Option<u16>,
        /// URI parameters.
        params: Params,
        /// What follows `?`, as written; empty for none.
        headers: String,
    },
    /// Any other scheme.
    Other {
        /// The scheme as written.
        scheme: String,
        /// All behind the colon.
        rest: String,
    },
}

impl Uri {
    /// A `sip:` URI of these parts. The user is taken as written.
    pub fn sip(user: &str, host: Host, port: Option<u16>) -> Self {
        Self::Sip {
            secure: false,
            user: user.to_owned(),
            host,
            port,
            params: Params::default(),
            headers: String::new(),
        }
    }

    /// Reads a URI without angle brackets or white space around it; `None` when it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        if rest.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"')) {
            return None;
        }
        let secure = scheme.eq_ignore_ascii_case("sips");
        if !secure && !scheme.eq_ignore_ascii_case("sip") {
            let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
            let ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(valid);
            return ok.then(|| Self::Other { scheme: scheme.to_owned(), rest: rest.to_owned() });
        }
        let (user, rest) = rest.split_once('@').unwrap_or(("", rest));
        let (rest, headers) = rest.split_once('?').unwrap_or((rest, ""));
        let (host_port, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = split_port(host_port)?;
        Some(Self::Sip {
            secure,
            user: user.to_owned(),
            host: Host::parse(host)?,
            port,
            params: Params::parse(params),
            headers: headers.to_owned(),
        })
    }

    /// The scheme, as written for schemes other than `sip` and `sips`.
    pub fn scheme(&self) -> &str {
        match self {
            Self::Sip { secure: false, .. } => "sip",
            Self::Sip { secure: true, .. } => "sips",
            Self::Other { scheme, .. } => scheme,
        }
    }

    /// The value of a header behind `?`, unescaped, as in `?Replaces=…`.
    pub fn header(&self, name: &str) -> Option<String> {
        let Self::Sip { headers, .. } = self else {
            return None;
        };
        let mut pairs = headers.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(known, _)| unescape(known).eq_ignore_ascii_case(name)).map(|(_, value)| unescape(value))
    }

    /// Both mean the same (RFC 3261 §19.1.4). Schemes other than `sip` and `sips` compare as written.
    pub fn matches(&self, other: &Self) -> bool {
        super::uri_match::matches(self, other)
    }

    /// The user part without password, unescaped; empty for none. For `tel:`, the number.
    pub fn user(&self) -> String {
        match self {
            Self::Sip { user, .. } => unescape(user.split(':').next().unwrap_or_default()),
            Self::Other { scheme, rest } if scheme.eq_ignore_ascii_case("tel") => {
                rest.split(';').next().unwrap_or_default().to_owned()
            }
            Self::Other { .. } => String::new(),
        }
    }

    /// The host of a SIP URI.
    pub fn host(&self) -> Option<&Host> {
        match self {
            Self::Sip { host, .. } => Some(host),
            Self::Other { .. } => None,
        }
    }

    /// The host as text, lower case, for look-ups; empty for other schemes.
    pub fn domain(&self) -> String {
        self.host().map(|host| host.to_string().to_ascii_lowercase()).unwrap_or_default()
    }

    /// The port, when given.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Sip { port, .. } => *port,
            Self::Other { .. } => None,
        }
    }

    /// A URI parameter of a SIP URI.
    pub fn param(&self, name: &str) -> Option<&str> {
        match self {
            Self::Sip { params, .. } => params.value(name),
            Self::Other { .. } => None,
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other { scheme, rest } => write!(f, "{scheme}:{rest}"),
            Self::Sip { secure, user, host, port, params, headers } => {
                f.write_str(if *secure { "sips:" } else { "sip:" })?;
                if !user.is_empty() {
                    write!(f, "{user}@")?;
                }
                write!(f, "{host}")?;
                if let Some(port) = port {
                    write!(f, ":{port}")?;
                }
                write!(f, "{params}")?;
                if !headers.is_empty() {
                    write!(f, "?{headers}")?;
                }
                Ok(())
            }
        }
    }
}

/// Splits `host[:port]`, where the host may be an IPv6 literal in brackets.
pub(super) fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let after_host = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, rest) = text.split_at(after_host);
    let rest = rest.trim_start();
    match rest.strip_prefix(':') {
        Some(port) => Some((host.trim_end(), Some(number(port.trim())?))),
        None if rest.is_empty() => Some((host.trim_end(), None)),
        None => None,
    }
}

fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        let found = escaped(bytes);
        out.push(found.unwrap_or(*first));
        bytes = if found.is_some() { &bytes[3..] } else { rest };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The byte that stands escaped as `%` and two digits at the start of this text.
pub(super) fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Uri {
        Uri::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn parts_are_read_and_written_as_they_stand() {
        for text in [
            "sip:example.com",
            "sips:alice:pa:ss;word@h.example:5061;transport=tcp;lr?Subject=a%20b&Priority=urgent",
            "sip:user;par=u%40example.net@example.com",
            "sip:sips%3Auser%40example.com@example.net",
            "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
            "sip:alice@[2001:db8::1]:5070;maddr=[::1]",
            "sip:[::1]",
            "sip:%00@host5.example.com;%6C%72;n%61me=v%61lue%25%34%31",
            "tel:+1-201-555-0123;phone-context=example.com",
            "urn:service:sos",
            "soap.beep://192.0.2.103:3002",
        ] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn users_are_unescaped_without_their_password() {
        assert_eq!(parse("sip:sips%3Auser%40example.com:secret@example.net").user(), "sips:user@example.com");
        assert_eq!(parse("sip:a?b;c@h").user(), "a?b;c");
        assert_eq!(parse("sip:100%@h").user(), "100%");
        assert_eq!(parse("sip:%4@h").user(), "%4");
        assert_eq!(parse("tel:+1-201;x=y").user(), "+1-201");
        assert_eq!(parse("sip:h").user(), "");
    }

    #[test]
    fn headers_are_read_unescaped() {
        let uri = parse("sip:carol@example.com?Replaces=12345%40host%3Bto-tag%3D1&subject=x");
        assert_eq!(uri.header("replaces").as_deref(), Some("12345@host;to-tag=1"));
        assert_eq!((uri.header("Subject").as_deref(), uri.header("To")), (Some("x"), None));
    }

    #[test]
    fn malformed_ones_are_refused() {
        for bad in [
            "",
            "sip",
            "sip:",
            ":x",
            "<sip:a@b>",
            " sip:a@b",
            "sip:a@b ",
            "sip:a@b; lr",
            "sip:a@b:",
            "sip:a@b:65536",
            "sip:a@b:-1",
            "sip:a@b@c",
            "sip:a@[::1",
            "sip:a@[zz]",
            "sip:a@2001:db8::1",
            "sip:a@h\r\nTo: x",
            "sip:a@h\0",
            "sip:a\"@h",
            "1x:y",
            "s p:y",
            "x:\ty",
        ] {
            assert_eq!(Uri::parse(bad), None, "{bad}");
        }
    }
}
