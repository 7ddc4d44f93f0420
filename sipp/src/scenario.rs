//! Runs a scenario of `scenarios/` with the program sipp, and says how it went.
//!
//! The outcome comes from sipp's statistics and its exit code; what a scenario logs with `<log>` can be asked for, too.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::process::{Child, Command};

use crate::scratch::{Scratch, eventually, free_ports, is_bound};
use crate::world::SECRET;

/// A run of sipp that has not begun.
#[derive(Debug, Clone)]
pub struct Sipp {
    scenario: PathBuf,
    server: SocketAddr,
    port: u16,
    media_port: u16,
    user: String,
    dial: String,
    password: String,
    calls: u32,
    rate: u32,
    limit: Duration,
    pause: Duration,
    tcp: bool,
    further: Vec<String>,
}

/// A run of sipp under way.
#[derive(Debug)]
pub struct Running {
    child: Child,
    scratch: Scratch,
    name: String,
    port: u16,
    limit: Duration,
}

/// How a run went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Exit code: 0 when all calls went as the scenario says.
    pub code: Option<i32>,
    /// Calls that went as the scenario says.
    pub successful: u32,
    /// Calls that did not.
    pub failed: u32,
    /// Lines that the scenario logged.
    pub logged: String,
    /// What sipp complained about.
    pub errors: String,
    /// Everything sent and received.
    pub messages: String,
}

impl Sipp {
    /// One call of `scenarios/{name}.xml` to a server, as user 1000 of `demo`, with ports of its own.
    pub fn new(name: &str, server: SocketAddr) -> anyhow::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let own = folder.join("scenarios").join(format!("{name}.xml"));
        let shared = folder.join("../testfiles").join(format!("{name}.xml"));
        let scenario = if own.is_file() { own } else { shared };
        ensure!(scenario.is_file(), "no scenario {name}");
        Ok(Self {
            scenario,
            server,
            port: free_ports(1)?,
            media_port: free_ports(4)?,
            user: "1000".to_owned(),
            dial: "1001".to_owned(),
            password: SECRET.to_owned(),
            calls: 1,
            rate: 10,
            limit: Duration::from_secs(30),
            pause: Duration::from_millis(300),
            tcp: false,
            further: Vec::new(),
        })
    }

    /// Who registers or calls.
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// Who is called.
    pub fn dial(mut self, number: &str) -> Self {
        number.clone_into(&mut self.dial);
        self
    }

    /// The password that a challenge is answered with.
    pub fn password(mut self, password: &str) -> Self {
        password.clone_into(&mut self.password);
        self
    }

    /// The port to send from and listen on.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// How many calls, and how many of them a second.
    pub fn calls(mut self, calls: u32, rate: u32) -> Self {
        (self.calls, self.rate) = (calls, rate);
        self
    }

    /// When to give up.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// How long a `<pause/>` without a length lasts.
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// How many calls at the same time: the next one waits.
    pub fn at_once(self, calls: u32) -> Self {
        self.argument("-l").argument(&calls.to_string())
    }

    /// Over one TCP connection.
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// A further argument for sipp.
    pub fn argument(mut self, argument: &str) -> Self {
        self.further.push(argument.to_owned());
        self
    }

    /// Runs to the end.
    pub async fn run(self) -> anyhow::Result<Outcome> {
        self.start()?.outcome().await
    }

    /// Runs to the end and fails unless every call went as the scenario says.
    pub async fn succeed(self) -> anyhow::Result<Outcome> {
        self.start()?.succeed().await
    }

    /// Starts to listen for a call, and returns once the port is bound.
    pub async fn listen(self) -> anyhow::Result<Running> {
        let (port, transport) = (self.port, if self.tcp { "tcp" } else { "udp" });
        let mut running = self.start()?;
        let what = format!("{} to listen on {port}", running.name);
        let bound = eventually(Duration::from_secs(5), &what, async || {
            let ended = matches!(running.child.try_wait(), Ok(Some(_)));
            (ended || is_bound(port, transport)).then_some(ended)
        });
        if bound.await? {
            bail!("{} ended at once: {:?}", running.name.clone(), running.outcome().await?);
        }
        Ok(running)
    }

    /// Starts.
    pub fn start(self) -> anyhow::Result<Running> {
        let name = self.scenario.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let scratch = Scratch::new(&name)?;
        // For `uac_media`: two seconds of A-law, any pattern will do.
        std::fs::write(scratch.join("tone.alaw"), [0xd5, 0x34, 0x85, 0x34, 0xd5, 0xb4, 0x05, 0xb4].repeat(2_000))?;
        let output = std::fs::File::create(scratch.join("screen"))?;
        let child = Command::new("sipp")
            .args(self.arguments(&scratch))
            .current_dir(scratch.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start sipp: is the Debian package sip-tester installed?")?;
        Ok(Running { child, scratch, name, port: self.port, limit: self.limit + Duration::from_secs(5) })
    }

    fn arguments(&self, scratch: &Scratch) -> Vec<String> {
        let path = |name: &str| scratch.join(name).to_string_lossy().into_owned();
        let pairs = [
            ("-sf", self.scenario.to_string_lossy().into_owned()),
            ("-i", "127.0.0.1".to_owned()),
            ("-p", self.port.to_string()),
            ("-mp", self.media_port.to_string()),
            ("-s", self.dial.clone()),
            ("-au", self.user.clone()),
            ("-ap", self.password.clone()),
            ("-m", self.calls.to_string()),
            ("-r", self.rate.to_string()),
            ("-t", if self.tcp { "t1" } else { "u1" }.to_owned()),
            ("-timeout", format!("{}s", self.limit.as_secs())),
            ("-d", self.pause.as_millis().to_string()),
            ("-stf", path("statistics")),
            ("-error_file", path("errors")),
            ("-log_file", path("log")),
            ("-message_file", path("messages")),
        ];
        let mut all: Vec<String> = pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
        all.extend(["-key".to_owned(), "user".to_owned(), self.user.clone()]);
        let flags = ["-timeout_error", "-trace_stat", "-trace_err", "-trace_logs", "-nostdin"];
        all.extend(flags.map(str::to_owned));
        if self.calls < 20 {
            all.push("-trace_msg".to_owned());
        }
        all.extend(self.further.iter().cloned());
        all.push(self.server.to_string());
        all
    }
}

impl Running {
    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for its end.
    pub async fn outcome(mut self) -> anyhow::Result<Outcome> {
        let status = tokio::time::timeout(self.limit, self.child.wait()).await;
        let Ok(status) = status else {
            self.child.kill().await?;
            bail!("{} did not end within {:?}\n{}", self.name, self.limit, self.read("messages"));
        };
        let statistics = self.read("statistics");
        Ok(Outcome {
            code: status?.code(),
            successful: total(&statistics, "SuccessfulCall(C)"),
            failed: total(&statistics, "FailedCall(C)"),
            logged: self.read("log"),
            errors: format!("{}{}", self.read("errors"), complaint(&self.read("screen"))),
            messages: self.read("messages"),
        })
    }

    /// Waits for its end and fails unless every call went as the scenario says.
    pub async fn succeed(self) -> anyhow::Result<Outcome> {
        let name = self.name.clone();
        let outcome = self.outcome().await?;
        let fine = outcome.code == Some(0) && outcome.failed == 0;
        ensure!(fine, "{name} failed: {:?}\n{}\n{}", outcome.code, outcome.errors, outcome.messages);
        Ok(outcome)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.scratch.join(name)).unwrap_or_default()
    }
}

/// The last value of a column of sipp's statistics.
fn total(statistics: &str, column: &str) -> u32 {
    let mut lines = statistics.lines();
    let index = lines.next().and_then(|header| header.split(';').position(|name| name == column));
    let last = lines.next_back().unwrap_or_default();
    index.and_then(|index| last.split(';').nth(index)).and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// What sipp says on its screen when it cannot even begin.
fn complaint(screen: &str) -> String {
    let lines = screen.lines().filter(|line| line.contains("rror") && !line.contains('|'));
    lines.take(5).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_the_statistics_counts() {
        let statistics = "Time;SuccessfulCall(P);SuccessfulCall(C);FailedCall(C);\n1;0;1;0;\n2;1;7;2;\n";
        assert_eq!(total(statistics, "SuccessfulCall(C)"), 7);
        assert_eq!(total(statistics, "FailedCall(C)"), 2);
        assert_eq!(total("", "FailedCall(C)"), 0);
    }
}
