//! Starts the other two servers from beside this binary, starts them again when they die, and ends them with us.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::terminal;

/// How long a server may take to be ready.
const START: Duration = Duration::from_secs(20);
/// How long a server may take to end.
const END: Duration = Duration::from_secs(10);
/// The first pause before a dead server is started again, doubled each time up to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// A server that ran so long did not die of its start.
const SETTLED: Duration = Duration::from_secs(30);

/// One of the servers.
pub struct Program {
    name: &'static str,
    path: PathBuf,
    arguments: Vec<String>,
    token: Option<String>,
    ready_file: PathBuf,
    /// The flags whose port is whatever the first start found: flag and key in the ready file.
    ports: &'static [(&'static str, &'static str)],
}

impl Program {
    /// The program of that name beside this one, started with these flags; it writes its ports into a file in `folder`.
    pub fn beside_us(
        name: &'static str,
        arguments: Vec<String>,
        token: Option<String>,
        folder: &Path,
        ports: &'static [(&'static str, &'static str)],
    ) -> anyhow::Result<Self> {
        let us = std::env::current_exe().context("where is this binary?")?;
        let path = us.with_file_name(name);
        if !path.is_file() {
            bail!("{} is not there; build it, or start the servers yourself", path.display());
        }
        let ready_file = folder.join(format!("{name}.ready"));
        Ok(Self { name, path, arguments, token, ready_file, ports })
    }

    /// Starts it, waits until it is ready, and keeps it running until shutdown. Yields its ports.
    pub async fn supervise(mut self, tracker: &TaskTracker, shutdown: CancellationToken) -> anyhow::Result<Value> {
        let mut child = self.start()?;
        let ports = match timeout(START, self.ready(&mut child)).await {
            Ok(ports) => ports?,
            Err(_) => bail!("{} was not ready within {} s", self.name, START.as_secs()),
        };
        for (flag, key) in self.ports {
            let port = ports.get(key).map(Value::to_string).unwrap_or_default();
            if let Some(at) = self.arguments.iter().position(|argument| argument == flag) {
                self.arguments[at + 1] = port;
            }
        }
        tracker.spawn(async move { self.keep(child, shutdown).await });
        Ok(ports)
    }

    fn start(&self) -> anyhow::Result<Child> {
        match std::fs::remove_file(&self.ready_file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).context("cannot remove the ready file");
            }
            _ => {}
        }
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).arg("--ready-file").arg(&self.ready_file);
        if let Some(token) = &self.token {
            command.env("TOKEN", token);
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        // A terminal's interrupt goes to a whole process group; in one of their own, they end when we tell them to.
        command.process_group(0);
        command.spawn().with_context(|| format!("cannot start {}", self.path.display()))
    }

    /// Waits for the ready file. The file is looked for, as nothing announces it.
    async fn ready(&self, child: &mut Child) -> anyhow::Result<Value> {
        let mut look = interval(Duration::from_millis(20));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                status = child.wait() => bail!("{} ended at its start: {}", self.name, status?),
                _ = look.tick() => {}
            }
            if let Ok(text) = std::fs::read_to_string(&self.ready_file) {
                return serde_json::from_str(&text).with_context(|| format!("ready file of {}", self.name));
            }
        }
    }

    async fn keep(self, mut child: Child, shutdown: CancellationToken) {
        let mut pause = PAUSES.0;
        loop {
            let started = Instant::now();
            tokio::select! {
                status = child.wait() => {
                    let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    terminal::note(&format!("{} died ({how}) and is started again", self.name));
                }
                () = shutdown.cancelled() => return self.end(child).await,
            }
            if started.elapsed() > SETTLED {
                pause = PAUSES.0;
            }
            child = loop {
                tokio::select! {
                    () = tokio::time::sleep_until(Instant::now() + pause) => {}
                    () = shutdown.cancelled() => return,
                }
                pause = (pause * 2).min(PAUSES.1);
                match self.start() {
                    Ok(child) => break child,
                    Err(error) => tracing::error!(%error, "cannot start again"),
                }
            };
        }
    }

    async fn end(&self, mut child: Child) {
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid
            && let Err(error) = kill_process(pid, Signal::TERM)
        {
            tracing::warn!(%error, name = self.name, "cannot tell it to end");
        }
        if timeout(END, child.wait()).await.is_err() {
            tracing::warn!(name = self.name, "did not end in time and is killed");
            if let Err(error) = child.kill().await {
                tracing::error!(%error, name = self.name, "cannot be killed");
            }
        }
    }
}
