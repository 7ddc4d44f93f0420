//! The command line of sip-server.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use api::program::Common;
use clap::Parser;
use ipnet::IpNet;

use crate::core::digest::Offer;
use crate::core::registrar::RegistrarConfig;
use crate::core::switch::Config;

/// SIP registrar and B2BUA edge: phones register here, and control is told of every dialog and registration.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub struct Options {
    /// Flags that all servers share.
    #[command(flatten)]
    pub common: Common,
    /// SIP port, UDP and TCP; 0 for any free one.
    #[arg(long, alias = "sp", env = "SIP_PORT", default_value_t = 5060)]
    pub sip_port: u16,
    /// REST port; 0 for any free one.
    #[arg(long, alias = "cp", env = "HTTP_PORT", default_value_t = 9000)]
    pub http_port: u16,
    /// Address that SIP listens on.
    #[arg(long, env = "BIND", default_value = "0.0.0.0")]
    pub bind: IpAddr,
    /// Address that peers are told; the first that is not loopback when absent.
    #[arg(long, alias = "pa", env = "PUBLIC_ADDRESS")]
    pub public_address: Option<IpAddr>,
    /// Shortest registration that is accepted, in seconds.
    #[arg(long, env = "MIN_EXPIRES", default_value_t = 60)]
    pub min_expires: u32,
    /// Seconds between the OPTIONS to each registered phone.
    #[arg(long, env = "PING_INTERVAL", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub ping_interval: u64,
    /// Network whose calls are not challenged; may be repeated.
    #[arg(long, env = "TRUST", value_delimiter = ',')]
    pub trust: Vec<IpNet>,
    /// Digest algorithms offered in a challenge. Debian's sipp and baresip give up when they see SHA-256.
    #[arg(long, env = "DIGEST", value_enum, default_value_t = Digest::Md5)]
    pub digest: Digest,
}

/// What `--digest` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Digest {
    /// MD5 alone.
    Md5,
    /// SHA-256, then MD5 (RFC 8760).
    Sha256,
}

impl Options {
    /// What the switch is told, once the SIP port is known.
    pub fn config(&self, port: u16) -> Config {
        let mut config = Config::new(SocketAddr::new(self.public_ip(), port));
        config.registrar = RegistrarConfig {
            min_expires: self.min_expires,
            ping_interval: Duration::from_secs(self.ping_interval),
            ..RegistrarConfig::default()
        };
        config.trust.clone_from(&self.trust);
        config.digest = match self.digest {
            Digest::Md5 => Offer::Md5,
            Digest::Sha256 => Offer::Sha256First,
        };
        config
    }

    fn public_ip(&self) -> IpAddr {
        let bound = Some(self.bind).filter(|bind| !bind.is_unspecified());
        self.public_address.or(bound).or_else(outward_address).unwrap_or(IpAddr::from([127, 0, 0, 1]))
    }
}

/// The address that this machine would send from to the world. Nothing is sent.
fn outward_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}
