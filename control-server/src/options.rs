//! The command line of control-server.

use std::net::IpAddr;
use std::path::PathBuf;

use api::program::Common;
use clap::{Args, Parser, Subcommand};

/// Decides what callers hear. Without a configuration file it serves a demo domain.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub struct Options {
    /// Flags that all servers share.
    #[command(flatten)]
    pub common: Common,
    /// Port that callbacks and REST come to; 0 for any free one.
    #[arg(long, env = "HTTP_PORT", default_value_t = 9001)]
    pub http_port: u16,
    /// URL of sip-server.
    #[arg(long, env = "SIP", default_value = "http://127.0.0.1:9000")]
    pub sip: String,
    /// URL of an rtp-server; may be repeated.
    #[arg(long, env = "RTP", value_delimiter = ',', default_value = "http://127.0.0.1:9002")]
    pub rtp: Vec<String>,
    /// Configuration file, JSON.
    #[arg(long, env = "CONFIG")]
    pub config: Option<PathBuf>,
    /// URL under which the other servers reach this one; made of its address when absent.
    #[arg(long, env = "PUBLIC_URL")]
    pub public_url: Option<String>,
    /// The one secret of all demo users; random ones when absent.
    #[arg(long, env = "DEMO_SECRET", hide_env_values = true)]
    pub demo_secret: Option<String>,
    /// Sounds folder of rtp-server, into which the prompts of the default plan are written; `up` uses a temporary one
    /// when absent.
    #[arg(long, env = "SOUNDS")]
    pub sounds: Option<PathBuf>,
    /// What to do besides.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Sub-commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Also start and supervise sip-server and rtp-server from beside this binary.
    Up(Up),
}

/// How the other two are started.
#[derive(Debug, Clone, Args)]
pub struct Up {
    /// SIP port.
    #[arg(long, default_value_t = 5060)]
    pub sip_port: u16,
    /// REST port of sip-server.
    #[arg(long, default_value_t = 9000)]
    pub sip_http_port: u16,
    /// REST port of rtp-server.
    #[arg(long, default_value_t = 9002)]
    pub rtp_http_port: u16,
    /// RTP ports, first to last.
    #[arg(long, default_value = "10000-19999")]
    pub rtp_ports: String,
    /// Address that SIP and RTP listen on.
    #[arg(long, default_value = "0.0.0.0")]
    pub bind: IpAddr,
    /// Address that phones are told; the first that is not loopback when absent.
    #[arg(long)]
    pub public_address: Option<IpAddr>,
}
