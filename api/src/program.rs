//! What the command lines and lives of all our programs share: where HTTP binds, the token, logs, readiness, signals.
//!
//! Every flag can be given as an environment variable of the same name in upper case.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::EnvFilter;

/// Flags that every program takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// Address that HTTP listens on
    #[arg(long, env = "HTTP_BIND", value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub http_bind: IpAddr,
    /// Bearer token that requests must carry; needed for an address that others can reach
    #[arg(long, env = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Shape of the log lines on standard error
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Stay in the foreground, which these programs always do
    #[arg(long, env = "FG")]
    pub fg: bool,
    /// File to write the bound ports to, once ready
    #[arg(long, env = "READY_FILE", value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
}

/// Shape of the log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Common {
    /// Starts logging to standard error, at `info` or as `RUST_LOG` says. A second call does nothing.
    pub fn start_logging(&self) {
        let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
        let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        let _ = match self.log_format {
            LogFormat::Text => lines.try_init(),
            LogFormat::Json => lines.json().try_init(),
        };
    }

    /// Fails when others could reach HTTP without a token.
    pub fn refuse_exposure(&self) -> anyhow::Result<()> {
        let token = self.token.as_deref().unwrap_or("");
        anyhow::ensure!(
            token.bytes().all(|byte| byte.is_ascii_graphic()),
            "--token holds a character that no Authorization header can carry"
        );
        anyhow::ensure!(
            self.http_bind.to_canonical().is_loopback() || !token.is_empty(),
            "--http-bind {} can be reached by others: give a --token, or bind a loopback address",
            self.http_bind
        );
        Ok(())
    }

    /// Says that all listeners are bound: one log line, and the ready file when one is wanted.
    pub fn write_ready(&self, ports: &serde_json::Value) -> anyhow::Result<()> {
        tracing::info!(%ports, "ready");
        match &self.ready_file {
            Some(path) => replace(path, &ports.to_string()).with_context(|| format!("--ready-file {}", path.display())),
            None => Ok(()),
        }
    }
}

/// Whoever waits for the file never reads half of it.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    std::fs::write(&unfinished, text)?;
    std::fs::rename(&unfinished, path)
}

/// A token that SIGINT and SIGTERM cancel. Must be called inside a runtime.
pub fn shutdown_on_signal(tracker: &TaskTracker) -> CancellationToken {
    let shutdown = CancellationToken::new();
    let interrupt = listen(SignalKind::interrupt());
    let terminate = listen(SignalKind::terminate());
    let token = shutdown.clone();
    tracker.spawn(async move {
        tokio::select! {
            () = received(interrupt) => tracing::info!("interrupted, shutting down"),
            () = received(terminate) => tracing::info!("told to terminate, shutting down"),
            () = token.cancelled() => {}
        }
        token.cancel();
    });
    shutdown
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind).inspect_err(|error| tracing::error!(%error, ?kind, "cannot listen for the signal")).ok()
}

async fn received(signal: Option<Signal>) {
    match signal {
        Some(mut signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        common: Common,
    }

    fn common(flags: &[&str]) -> Common {
        Line::parse_from([&["program"], flags].concat()).common
    }

    #[test]
    fn an_address_that_others_reach_needs_a_token() {
        for (flags, allowed) in [
            (&[][..], true),
            (&["--http-bind", "127.0.0.9"], true),
            (&["--http-bind", "::1"], true),
            (&["--http-bind", "0.0.0.0"], false),
            (&["--http-bind", "0.0.0.0", "--token", ""], false),
            (&["--http-bind", "::", "--token", "secret"], true),
            (&["--token", "two words"], false),
        ] {
            assert_eq!(common(flags).refuse_exposure().is_ok(), allowed, "{flags:?}");
        }
    }

    #[test]
    fn the_ready_file_holds_the_ports() {
        let path = std::env::temp_dir().join(format!("ready-{}", std::process::id()));
        let ports = serde_json::json!({"sip": 5060, "http": 9000});
        common(&["--ready-file", path.to_str().unwrap()]).write_ready(&ports).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(written, ports);
    }
}
