//! A real softphone without a screen: baresip, which plays a tone and records what it hears.
//!
//! Driven over its control socket (netstrings of JSON). The recording is made after its decoder, so it holds what a
//! person would hear. One call at a time.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::scratch::{Scratch, eventually, free_ports};
use crate::tone;
use crate::world::SECRET;

const PATIENCE: Duration = Duration::from_secs(10);

/// A running baresip with one account.
#[derive(Debug)]
pub struct Phone {
    user: String,
    port: u16,
    control: TcpStream,
    received: Vec<u8>,
    scratch: Scratch,
    // Dropped last, so that its log is whole.
    child: Child,
}

/// Whom a phone registers with.
#[derive(Debug, Clone, Copy)]
pub enum Account<'a> {
    /// A user of `demo` at this server.
    At(SocketAddr, &'a str),
    /// Nobody: it is called by address.
    Alone(&'a str),
}

impl Phone {
    /// Starts a phone that plays `hertz` in every call and, when asked to, answers by itself.
    pub async fn start(account: Account<'_>, hertz: f64, answers: bool) -> anyhow::Result<Self> {
        Self::with_codecs(account, hertz, answers, &["g711.so"]).await
    }

    /// As [`Phone::start`], with modules for other codecs than G.711.
    pub async fn with_codecs(account: Account<'_>, hertz: f64, answers: bool, codecs: &[&str]) -> anyhow::Result<Self> {
        let scratch = Scratch::new("phone")?;
        // SIP, its TLS neighbour, the control socket, and RTP with RTCP.
        let port = free_ports(24)?;
        // baresip plays a file only at the rate of the codec.
        let rate = if codecs.contains(&"g722.so") { 16_000 } else { 8_000 };
        tone::write(&scratch.join("tone.wav"), rate, hertz, 120)?;
        std::fs::create_dir(scratch.join("recorded"))?;
        std::fs::write(scratch.join("config"), config(&scratch, port, codecs))?;
        std::fs::write(scratch.join("contacts"), "")?;
        let (user, line) = account.line(port, answers);
        std::fs::write(scratch.join("accounts"), line)?;
        let output = std::fs::File::create(scratch.join("log"))?;
        let child = Command::new("baresip")
            .arg("-f")
            .arg(scratch.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start baresip: is the Debian package baresip-core installed?")?;
        let address = (Ipv4Addr::LOCALHOST, port + 2);
        let control = eventually(PATIENCE, "baresip to listen", async || TcpStream::connect(address).await.ok()).await;
        let control = control.with_context(|| std::fs::read_to_string(scratch.join("log")).unwrap_or_default())?;
        Ok(Self { user, port, control, received: Vec::new(), scratch, child })
    }

    /// Its address for a call without a server.
    pub fn uri(&self) -> String {
        format!("sip:{}@127.0.0.1:{}", self.user, self.port)
    }

    /// Process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it without a word to anybody, as a flat battery would.
    pub async fn vanish(&mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Calls a number or URI.
    pub async fn dial(&mut self, target: &str) -> anyhow::Result<()> {
        self.command("dial", target).await
    }

    /// Ends the call.
    pub async fn hang_up(&mut self) -> anyhow::Result<()> {
        self.command("hangup", "").await
    }

    /// Puts the peer on hold.
    pub async fn hold(&mut self) -> anyhow::Result<()> {
        self.command("hold", "").await
    }

    /// Takes the peer back.
    pub async fn resume(&mut self) -> anyhow::Result<()> {
        self.command("resume", "").await
    }

    /// Waits until its registration was accepted.
    pub async fn registered(&mut self) -> anyhow::Result<()> {
        eventually(PATIENCE, "registration", async || self.log().contains(" 200 OK (").then_some(())).await
    }

    /// Waits until a call is up.
    pub async fn established(&mut self) -> anyhow::Result<()> {
        self.event("CALL_ESTABLISHED", PATIENCE).await.map(drop)
    }

    /// Waits until the call has ended, and tells why.
    pub async fn closed(&mut self) -> anyhow::Result<String> {
        self.closed_within(PATIENCE).await
    }

    /// As [`Phone::closed`], for ends that take a while.
    pub async fn closed_within(&mut self, limit: Duration) -> anyhow::Result<String> {
        let event = self.event("CALL_CLOSED", limit).await?;
        Ok(event["param"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until so much sound was heard, and returns the last of it with its rate.
    pub async fn heard(&self, length: Duration) -> anyhow::Result<(Vec<f64>, u32)> {
        let enough = |path: PathBuf| {
            let (samples, rate) = tone::read(&path).ok()?;
            let wanted = (f64::from(rate) * length.as_secs_f64()) as usize;
            (samples.len() >= wanted).then(|| (samples[samples.len() - wanted..].to_vec(), rate))
        };
        let what = format!("{} to hear {length:?}", self.user);
        eventually(length + PATIENCE, &what, async || self.recordings().into_iter().find_map(enough)).await
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.scratch.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn recordings(&self) -> Vec<PathBuf> {
        let Ok(folder) = std::fs::read_dir(self.scratch.join("recorded")) else {
            return Vec::new();
        };
        let decoded = |path: &PathBuf| path.to_string_lossy().ends_with("-dec.wav");
        folder.filter_map(|entry| Some(entry.ok()?.path())).filter(decoded).collect()
    }

    async fn command(&mut self, command: &str, parameters: &str) -> anyhow::Result<()> {
        let text = json!({"command": command, "params": parameters}).to_string();
        let framed = format!("{}:{text},", text.len());
        Ok(self.control.write_all(framed.as_bytes()).await?)
    }

    /// Waits for an event and drops those before it.
    async fn event(&mut self, kind: &str, limit: Duration) -> anyhow::Result<Value> {
        let found = tokio::time::timeout(limit, async {
            loop {
                let message = self.message().await?;
                if message["type"] == kind {
                    return anyhow::Ok(message);
                }
                if message["type"] == "REGISTER_FAIL" {
                    bail!("registration failed: {}", message["param"]);
                }
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => bail!("{} saw no {kind} within {limit:?}\n{}", self.user, self.log()),
        }
    }

    async fn message(&mut self) -> anyhow::Result<Value> {
        loop {
            if let Some((message, rest)) = netstring(&self.received)? {
                self.received.drain(..rest);
                return Ok(message);
            }
            if self.control.read_buf(&mut self.received).await? == 0 {
                bail!("{} has ended\n{}", self.user, self.log());
            }
        }
    }
}

impl Account<'_> {
    fn line(self, port: u16, answers: bool) -> (String, String) {
        let mode = if answers { "auto" } else { "manual" };
        match self {
            Self::At(server, user) => {
                let line = format!(
                    "<sip:{user}@demo;transport=udp>;auth_pass={SECRET};outbound=\"sip:{server}\";regint=60;answermode={mode}\n"
                );
                (user.to_owned(), line)
            }
            Self::Alone(user) => {
                (user.to_owned(), format!("<sip:{user}@127.0.0.1:{port};transport=udp>;regint=0;answermode={mode}\n"))
            }
        }
    }
}

/// The first message of a netstring stream and how many bytes it took.
fn netstring(bytes: &[u8]) -> anyhow::Result<Option<(Value, usize)>> {
    let Some(colon) = bytes.iter().position(|byte| *byte == b':') else {
        return Ok(None);
    };
    let length: usize = std::str::from_utf8(&bytes[..colon])?.parse()?;
    let end = colon + 1 + length;
    // The closing comma, too.
    if bytes.len() <= end {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&bytes[colon + 1..end])?, end + 1)))
}

fn config(scratch: &Scratch, port: u16, codecs: &[&str]) -> String {
    let folder = scratch.path().display();
    let codecs: String = codecs.iter().map(|codec| format!("module {codec}\n")).collect();
    format!(
        "poll_method epoll\n\
         sip_listen 127.0.0.1:{port}\n\
         net_interface 127.0.0.1\n\
         audio_player aubridge,heard{port}\n\
         audio_source aufile,{folder}/tone.wav\n\
         audio_alert aubridge,alert{port}\n\
         rtp_ports {first}-{last}\n\
         module_path /usr/lib/baresip/modules\n\
         {codecs}\
         module aufile.so\n\
         module aubridge.so\n\
         module sndfile.so\n\
         snd_path {folder}/recorded\n\
         module_tmp account.so\n\
         module_app menu.so\n\
         module_app ctrl_tcp.so\n\
         ctrl_tcp_listen 127.0.0.1:{control}\n",
        first = port + 4,
        last = port + 23,
        control = port + 2,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netstrings_are_cut_at_their_length() {
        let bytes = b"11:{\"a\":\"x,:\"},7:{\"b\":1";
        let (first, rest) = netstring(bytes).unwrap().unwrap();
        assert_eq!(first, json!({"a": "x,:"}));
        assert!(netstring(&bytes[rest..]).unwrap().is_none());
        assert!(netstring(b"x:").is_err());
    }

    #[tokio::test]
    async fn two_phones_hear_each_other_without_a_server() {
        let mut caller = Phone::start(Account::Alone("1000"), 440.0, false).await.unwrap();
        let mut callee = Phone::start(Account::Alone("1001"), 880.0, true).await.unwrap();
        caller.dial(&callee.uri()).await.unwrap();
        caller.established().await.unwrap();
        callee.established().await.unwrap();
        let second = Duration::from_secs(1);
        let (heard, rate) = caller.heard(second).await.unwrap();
        assert!(tone::share(&heard, rate, 880.0) > 0.9);
        let (heard, rate) = callee.heard(second).await.unwrap();
        assert!(tone::share(&heard, rate, 440.0) > 0.9);
        caller.hang_up().await.unwrap();
        callee.closed().await.unwrap();
    }
}
