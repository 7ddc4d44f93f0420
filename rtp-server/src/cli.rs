//! The command line. Every flag can be given as an environment variable of the same name in upper case; the ancestor's
//! flags are aliases.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use api::program::Common;

use crate::ports::Range;

/// Media server for voice
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Options {
    /// What every program takes.
    #[command(flatten)]
    pub common: Common,
    /// Port of the REST interface; 0 for any
    #[arg(long, visible_alias = "port", env = "HTTP_PORT", default_value_t = 9002)]
    pub http_port: u16,
    /// Address that peers are told to send RTP to
    #[arg(long, visible_alias = "pa", env = "PUBLIC_ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub public_address: IpAddr,
    /// Address that RTP listens on
    #[arg(long, env = "BIND", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub bind: IpAddr,
    /// First and last RTP port
    #[arg(long, env = "RTP_PORTS", value_name = "A-B", default_value = "10000-19999")]
    pub rtp_ports: Range,
    /// Media threads [default: one a core]
    #[arg(long, visible_alias = "maxworker", env = "WORKERS", value_name = "N")]
    pub workers: Option<usize>,
    /// Folder of the sounds to play
    #[arg(long, visible_alias = "chroot", env = "SOUNDS", value_name = "DIR", default_value = "./sounds")]
    pub sounds: PathBuf,
    /// Folder of the recordings
    #[arg(long, env = "RECORDINGS", value_name = "DIR", default_value = "./recordings")]
    pub recordings: PathBuf,
    /// Seconds without RTP after which control is asked whether a channel is still wanted
    #[arg(long, env = "IDLE_TIMEOUT", value_name = "SECONDS", default_value_t = 300)]
    pub idle_timeout: u64,
    /// Write a tone to a WAV file, and end
    #[arg(long, num_args = 2, value_names = ["SPEC", "FILE"])]
    pub tone: Option<Vec<String>>,
    /// Describe a WAV file, and end
    #[arg(long, value_name = "FILE")]
    pub wavinfo: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn the_ancestors_flags_are_understood() {
        Options::command().debug_assert();
        let line = "rtp-server --fg --port 0 --pa 10.0.0.1 --maxworker 3 --chroot /tmp --rtp-ports 20000-20009";
        let options = Options::parse_from(line.split(' '));
        assert_eq!((options.http_port, options.workers), (0, Some(3)));
        assert_eq!(options.public_address.to_string(), "10.0.0.1");
        assert!(Options::try_parse_from(["rtp-server", "--rtp-ports", "7"]).is_err());
    }
}
