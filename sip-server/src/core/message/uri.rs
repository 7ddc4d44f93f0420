//! URIs (RFC 3261 §19.1): SIP ones by their parts, as written; any other scheme verbatim.

use std::fmt;
use std::net::IpAddr;

use super::Params;

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

    /// Reads a URI without angle brackets; `None` when it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(':')?;
        let secure = scheme.eq_ignore_ascii_case("sips");
        if !secure && !scheme.eq_ignore_ascii_case("sip") {
            let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
            let ok = !scheme.is_empty() && scheme.chars().all(valid) && !rest.contains(char::is_whitespace);
            return ok.then(|| Self::Other { scheme: scheme.to_owned(), rest: rest.to_owned() });
        }
        if rest.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>')) {
            return None;
        }
        let (user, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
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
    match rest.strip_prefix(':') {
        Some(port) => Some((host.trim(), Some(port.trim().parse().ok()?))),
        None if rest.trim().is_empty() => Some((host.trim(), None)),
        None => None,
    }
}

fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let hex = (byte == b'%').then(|| bytes.as_slice_hex()).flatten();
        out.push(hex.unwrap_or(byte));
    }
    String::from_utf8_lossy(&out).into_owned()
}

trait HexPair {
    /// Takes the next two hexadecimal digits as a byte; takes nothing when they are none.
    fn as_slice_hex(&mut self) -> Option<u8>;
}

impl HexPair for std::str::Bytes<'_> {
    fn as_slice_hex(&mut self) -> Option<u8> {
        let mut ahead = self.clone();
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let value = digit(ahead.next())? * 16 + digit(ahead.next())?;
        *self = ahead;
        u8::try_from(value).ok()
    }
}
