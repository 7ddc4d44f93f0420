//! The three real servers on free ports of 127.0.0.1, as a test or bench needs them.
//!
//! They are found beside the program that asks (`target/debug` for tests, `target/release` for the bench), tell their
//! ports by ready-file, write their logs into a scratch folder, and die with this value.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use api::http::{Client, Failure};
use hyper::Method;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::scratch::{Scratch, eventually, free_ports};

/// The secret of every user of the demo domain.
pub const SECRET: &str = "harness-secret";

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);
/// How long a finished call may take to leave every table: Timer J and its like last 32 s, but hold no dialog.
const IDLE: Duration = Duration::from_secs(10);

/// What differs from the usual world.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many channels the rtp-server has; each takes two ports.
    pub channels: u16,
    /// Further arguments of the sip-server.
    pub sip: Vec<String>,
    /// Further arguments of the rtp-server.
    pub rtp: Vec<String>,
    /// Further arguments of the control-server.
    pub control: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { channels: 100, sip: Vec::new(), rtp: Vec::new(), control: Vec::new() }
    }
}

/// One running server.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
    ports: Value,
}

/// The three servers, with the domain `demo` in the directory.
#[derive(Debug)]
pub struct World {
    /// Carries signalling.
    pub sip: Server,
    /// Carries media.
    pub rtp: Server,
    /// Decides.
    pub control: Server,
    client: Client,
    options: Options,
    scratch: Scratch,
}

impl Server {
    /// Starts `name` and waits for its ready-file.
    async fn start(name: &'static str, scratch: &Path, arguments: &[String]) -> anyhow::Result<Self> {
        let ready = scratch.join(format!("{name}.ready"));
        let _ = std::fs::remove_file(&ready);
        let log = scratch.join(format!("{name}.log"));
        let output = std::fs::File::options().create(true).append(true).open(&log)?;
        let binary = beside_us(name)?;
        let child = Command::new(&binary)
            .args(arguments)
            .arg("--ready-file")
            .arg(&ready)
            .current_dir(scratch)
            .env("DEMO_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut server = Self { name, child, log, ports: Value::Null };
        server.ports = server.wait_ready(&ready).await?;
        Ok(server)
    }

    async fn wait_ready(&mut self, ready: &Path) -> anyhow::Result<Value> {
        let what = format!("{} to be ready", self.name);
        let found = eventually(START, &what, async || {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(Err(anyhow::anyhow!("{} ended: {status}", self.name)));
            }
            serde_json::from_slice(&std::fs::read(ready).ok()?).ok().map(Ok)
        });
        found.await.flatten().with_context(|| format!("log of {}:\n{}", self.name, tail(&self.log)))
    }

    /// A port that it has told, `sip` or `http`.
    pub fn port(&self, key: &str) -> u16 {
        self.ports[key].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0)
    }

    /// Base of its REST interface.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port("http"))
    }

    /// Process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once, as a crash would.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

impl World {
    /// Starts the three servers as they usually are.
    pub async fn start() -> anyhow::Result<Self> {
        Self::with(Options::default()).await
    }

    /// Starts the three servers.
    pub async fn with(options: Options) -> anyhow::Result<Self> {
        let scratch = Scratch::new("world")?;
        let sip = start_sip(&scratch, &options).await?;
        let rtp = start_rtp(&scratch, &options, 0).await?;
        let control = start_control(&scratch, &options, 0, &sip, &rtp).await?;
        let world = Self { sip, rtp, control, client: Client::new(None), options, scratch };
        world.wait_for_directory().await?;
        Ok(world)
    }

    /// Starts the control-server again, on the port that the others know.
    pub async fn restart_control(&mut self) -> anyhow::Result<()> {
        self.control.kill().await.ok();
        let port = self.control.port("http");
        self.control = start_control(&self.scratch, &self.options, port, &self.sip, &self.rtp).await?;
        self.wait_for_directory().await
    }

    /// Starts the rtp-server again, on the HTTP port that control knows.
    pub async fn restart_rtp(&mut self) -> anyhow::Result<()> {
        self.rtp.kill().await.ok();
        let port = self.rtp.port("http");
        self.rtp = start_rtp(&self.scratch, &self.options, port).await?;
        Ok(())
    }

    /// Where the sip-server listens.
    pub fn sip_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.sip.port("sip")).into()
    }

    /// A folder for a test's own files.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// `GET` as JSON.
    pub async fn fetch(&self, url: &str) -> anyhow::Result<Value> {
        Ok(self.client.send(Method::GET, url, None::<&Value>).await?)
    }

    /// Any other request, with a JSON body unless that is null.
    pub async fn send(&self, method: Method, url: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self.request(method, url, body).await?)
    }

    /// As [`World::send`], for a test that looks at the refusal.
    pub async fn request(&self, method: Method, url: &str, body: &Value) -> Result<Value, Failure> {
        let body = (!body.is_null()).then_some(body);
        self.client.send(method, url, body).await
    }

    /// Live dialogs and open channels.
    pub async fn counts(&self) -> anyhow::Result<(u64, u64)> {
        let dialogs = self.fetch(&format!("{}/dialog", self.sip.url())).await?;
        let channels = self.fetch(&format!("{}/channel", self.rtp.url())).await?;
        let dialogs = dialogs["count"].as_u64().context("no count in GET /dialog")?;
        let channels = channels["channels"]["active"].as_u64().context("no channels.active in GET /channel")?;
        Ok((dialogs, channels))
    }

    /// Waits until there are so many dialogs and channels.
    pub async fn wait_counts(&self, dialogs: u64, channels: u64) -> anyhow::Result<()> {
        self.wait_counts_within(IDLE, dialogs, channels).await
    }

    async fn wait_counts_within(&self, limit: Duration, dialogs: u64, channels: u64) -> anyhow::Result<()> {
        let mut last = None;
        let what = format!("{dialogs} dialogs and {channels} channels");
        let found = eventually(limit, &what, async || {
            last = self.counts().await.ok();
            (last == Some((dialogs, channels))).then_some(())
        });
        found.await.with_context(|| format!("last seen: {last:?} dialogs and channels"))
    }

    /// Users of `demo` with a live binding.
    pub async fn registered(&self) -> anyhow::Result<u64> {
        let domain = self.fetch(&format!("{}/reg/demo", self.sip.url())).await?;
        domain["registered"].as_u64().context("no registered in GET /reg/demo")
    }

    /// Fails unless every dialog and channel is gone soon, and all servers still run.
    pub async fn assert_idle(&mut self) -> anyhow::Result<()> {
        self.assert_idle_within(IDLE).await
    }

    /// As [`World::assert_idle`], for calls that end by a timer.
    pub async fn assert_idle_within(&mut self, limit: Duration) -> anyhow::Result<()> {
        let gone = self.wait_counts_within(limit, 0, 0).await;
        for server in [&mut self.sip, &mut self.rtp, &mut self.control] {
            ensure!(server.alive(), "{} has ended", server.name);
            ensure!(!server.log().contains("panicked at"), "{} panicked", server.name);
        }
        gone.context("something was left behind")
    }

    async fn wait_for_directory(&self) -> anyhow::Result<()> {
        let url = format!("{}/dir/demo", self.sip.url());
        eventually(START, "control to push the directory", async || self.fetch(&url).await.ok()).await.map(drop)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for server in [&self.sip, &self.rtp, &self.control] {
                eprintln!("──── {} ────\n{}", server.name, tail(&server.log));
            }
        }
    }
}

async fn start_sip(scratch: &Scratch, options: &Options) -> anyhow::Result<Server> {
    let mut arguments = words("--sip-port 0 --http-port 0 --bind 127.0.0.1 --public-address 127.0.0.1");
    arguments.extend_from_slice(&options.sip);
    Server::start("sip-server", scratch.path(), &arguments).await
}

async fn start_rtp(scratch: &Scratch, options: &Options, port: u16) -> anyhow::Result<Server> {
    let span = options.channels * 2;
    let first = free_ports(span)?;
    let mut arguments = words(&format!("--http-port {port} --bind 127.0.0.1 --public-address 127.0.0.1"));
    arguments.extend(["--rtp-ports".to_owned(), format!("{first}-{}", first + span - 1)]);
    arguments.extend(["--sounds".to_owned(), sounds(scratch)]);
    arguments.extend_from_slice(&options.rtp);
    Server::start("rtp-server", scratch.path(), &arguments).await
}

/// The folder that control-server writes its prompts into, and rtp-server plays them from.
fn sounds(scratch: &Scratch) -> String {
    scratch.path().join("sounds").display().to_string()
}

async fn start_control(
    scratch: &Scratch,
    options: &Options,
    port: u16,
    sip: &Server,
    rtp: &Server,
) -> anyhow::Result<Server> {
    let mut arguments = words(&format!("--http-port {port} --sip {} --rtp {}", sip.url(), rtp.url()));
    arguments.extend(["--sounds".to_owned(), sounds(scratch)]);
    arguments.extend_from_slice(&options.control);
    Server::start("control-server", scratch.path(), &arguments).await
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// A program of the workspace: tests lie in `target/PROFILE/deps`, binaries in `target/PROFILE`.
fn beside_us(name: &str) -> anyhow::Result<PathBuf> {
    let us = std::env::current_exe()?;
    for folder in us.ancestors().skip(1).take(2) {
        let path = folder.join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!("no {name} beside {}: run `cargo build --workspace` first", us.display())
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(120)..].join("\n")
}
