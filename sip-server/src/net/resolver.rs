//! Addresses of a host name: A and AAAA from the system's name servers and hosts file, within 3 s.
//!
//! Names are the only thing looked up; SRV and NAPTR (RFC 3263) are not.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use tokio::time::timeout;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Looks up names. Clones share the cache.
#[derive(Clone)]
pub struct Resolver {
    system: Option<TokioResolver>,
}

impl Resolver {
    /// A resolver as the system is configured. Without a readable configuration it knows addresses only.
    pub fn from_system() -> Self {
        let system = TokioResolver::builder_tokio().and_then(|mut builder| {
            builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            builder.build()
        });
        let system = system.inspect_err(|error| tracing::warn!(%error, "names will not be resolved")).ok();
        Self { system }
    }

    /// The addresses of a host, IPv4 first; none when it is unknown or the answer is late. An address, in brackets or
    /// not, is its own.
    pub async fn lookup(&self, host: String) -> Vec<IpAddr> {
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return vec![address];
        }
        let Some(system) = self.system.as_ref().filter(|_| !host.is_empty()) else { return Vec::new() };
        match timeout(TIMEOUT, system.lookup_ip(host.as_str())).await {
            Ok(Ok(addresses)) => addresses.iter().collect(),
            Ok(Err(error)) => {
                tracing::debug!(host, %error, "a name cannot be resolved");
                Vec::new()
            }
            Err(_) => {
                tracing::debug!(host, "a name was not resolved in time");
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_its_own() {
        let resolver = Resolver { system: None };
        for (host, address) in [("192.0.2.1", "192.0.2.1"), ("[2001:db8::1]", "2001:db8::1"), ("::1", "::1")] {
            assert_eq!(resolver.lookup(host.to_owned()).await, [address.parse::<IpAddr>().unwrap()]);
        }
        assert!(resolver.lookup("pbx.example".to_owned()).await.is_empty());
    }

    #[tokio::test]
    async fn the_system_knows_localhost() {
        let addresses = Resolver::from_system().lookup("localhost".to_owned()).await;
        assert!(addresses.contains(&IpAddr::from([127, 0, 0, 1])), "{addresses:?}");
    }

    #[tokio::test]
    async fn what_is_no_name_has_no_address() {
        let resolver = Resolver::from_system();
        for host in [String::new(), "..".to_owned(), "a".repeat(300)] {
            assert!(resolver.lookup(host.clone()).await.is_empty(), "{host:?}");
        }
    }
}
