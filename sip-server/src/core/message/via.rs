//! Via (RFC 3261 §20.42) with `rport` and `received` (RFC 3581).
//!
//! White space may stand around every separator; the transport may be any token. IPv6 addresses are read with and
//! without brackets, for both are found in the wild. Version 2.0 only.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::syntax::{is_token, number};
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
        let (name, rest) = text.split_once('/')?;
        let (version, rest) = rest.split_once('/')?;
        if !name.trim().eq_ignore_ascii_case("SIP") || version.trim() != "2.0" {
            return None;
        }
        let (transport, rest) = rest.trim_start().split_once(|c: char| c.is_ascii_whitespace())?;
        let (sent_by, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = sent_by_parts(sent_by.trim())?;
        is_token(transport.as_bytes()).then(|| Self {
            transport: transport.to_owned(),
            host,
            port,
            params: Params::parse(params),
        })
    }

    /// The branch parameter.
    pub fn branch(&self) -> Option<&str> {
        self.params.value("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch, when it begins with the magic cookie of RFC 3261 §8.1.1.7 and something follows it.
    pub fn rfc3261_branch(&self) -> Option<&str> {
        let cookie = "z9hG4bK";
        self.branch().filter(|branch| {
            branch.len() > cookie.len()
                && branch.get(..cookie.len()).is_some_and(|start| start.eq_ignore_ascii_case(cookie))
        })
    }

    /// The source address that the next hop saw, when it wrote one.
    pub fn received(&self) -> Option<IpAddr> {
        address(self.params.value("received")?)
    }

    /// The source port that the next hop saw: `None` without the parameter, `Some(None)` when it is only asked for.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.value("rport").map(|value| number(value).filter(|port| *port != 0))
    }

    /// The address or name to which responses shall be multicast or sent instead (RFC 3261 §18.2.2).
    pub fn maddr(&self) -> Option<Host> {
        Host::parse(self.params.value("maddr")?)
    }
}

fn sent_by_parts(text: &str) -> Option<(Host, Option<u16>)> {
    if let Ok(bare) = text.parse::<Ipv6Addr>() {
        return Some((Host::Ip(bare.into()), None));
    }
    let (host, port) = split_port(text)?;
    Some((Host::parse(host)?, port))
}

/// An address, in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    match Host::parse(text)? {
        Host::Ip(address) => Some(address),
        Host::Name(_) => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Via {
        Via::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn white_space_may_surround_every_separator() {
        let via = parse("SIP  /   2.0 /\tUDP   192.0.2.2 : 5061 ;  branch  =   z9hG4bK9  ; rport");
        assert_eq!(via.to_string(), "SIP/2.0/UDP 192.0.2.2:5061;branch=z9hG4bK9;rport");
        assert_eq!(via.rport(), Some(None));
        assert_eq!(parse("sip/2.0/UNKNOWN t4.example.com").to_string(), "SIP/2.0/UNKNOWN t4.example.com");
    }

    #[test]
    fn addresses_of_version_six_are_read_with_and_without_brackets() {
        let via = parse("SIP/2.0/TCP [2001:db8::9]:5060;received=2001:db8::9;rport=5061;maddr=[::1]");
        let address: IpAddr = "2001:db8::9".parse().unwrap();
        assert_eq!((via.host.clone(), via.port), (Host::Ip(address), Some(5060)));
        assert_eq!((via.received(), via.rport()), (Some(address), Some(Some(5061))));
        assert_eq!(via.maddr(), Host::parse("[::1]"));
        assert_eq!(parse("SIP/2.0/UDP x;received=[2001:db8::9]").received(), Some(address));
        assert_eq!(parse("SIP/2.0/UDP 2001:db8::9;branch=1").host, Host::Ip(address));
    }

    #[test]
    fn branches_are_told_from_those_of_rfc_2543() {
        assert_eq!(parse("SIP/2.0/UDP h;branch=z9hG4bK").rfc3261_branch(), None);
        assert_eq!(parse("SIP/2.0/UDP h;branch=Z9HG4BKx").rfc3261_branch(), Some("Z9HG4BKx"));
        assert_eq!(parse("SIP/2.0/UDP h;branch=1234é67").rfc3261_branch(), None);
        assert_eq!(parse("SIP/2.0/UDP h;branch=").branch(), None);
        assert_eq!(parse("SIP/2.0/UDP h").branch(), None);
    }

    #[test]
    fn broken_elements_are_refused() {
        for bad in [
            "",
            ";",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ;branch=x",
            "SIP/7.0/UDP h",
            "HTTP/2.0/UDP h",
            "SIP/2.0/U/P h",
            "SIP/2.0/UDP h:70000",
            "SIP/2.0/UDP h:+5",
            "SIP/2.0/UDP h x",
            "SIP/2.0/UDP [::1",
        ] {
            assert_eq!(Via::parse(bad), None, "{bad}");
        }
    }
}
