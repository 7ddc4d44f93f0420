//! Via (RFC 3261 §20.42) with `rport` and `received` (RFC 3581).

use std::fmt;

use super::uri::split_port;
use super::{Host, Params};

/// One Via element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The transport as written, known or not.
    pub transport: String,
    /// sent-by host.
    pub host: Host,
    /// sent-by port, when given.
    pub port: Option<u16>,
    /// Parameters.
    pub params: Params,
}

impl Via {
    /// Reads one element.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '/');
        let (name, version, rest) = (parts.next()?.trim(), parts.next()?.trim(), parts.next()?.trim());
        if !name.eq_ignore_ascii_case("SIP") || version != "2.0" {
            return None;
        }
        let (transport, rest) = rest.split_once(|c: char| c.is_ascii_whitespace())?;
        let (sent_by, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = split_port(sent_by.trim())?;
        Some(Self { transport: transport.to_owned(), host: Host::parse(host)?, port, params: Params::parse(params) })
    }

    /// The branch parameter.
    pub fn branch(&self) -> Option<&str> {
        self.params.value("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch, when it begins with the magic cookie of RFC 3261 §8.1.1.7.
    pub fn rfc3261_branch(&self) -> Option<&str> {
        self.branch().filter(|branch| branch.len() > 7 && branch[..7].eq_ignore_ascii_case("z9hG4bK"))
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}
