//! What every test needs of the machine: a folder of its own, free ports, and waiting for something to become true.
//!
//! Ports are found by binding them, so two harnesses at the same time seldom meet; a port is free again when it is
//! handed out, which is a small race that the harness accepts.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// A folder that goes away with this value, unless a panic is under way: then it stays for whoever looks.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes a folder of its own.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let count = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sipp-{}-{count}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file or folder in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Left-overs in the temporary folder harm nobody.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Calls `probe` until it yields something, or fails with what was waited for once `within` has passed.
pub async fn eventually<T, F>(within: Duration, what: &str, mut probe: F) -> anyhow::Result<T>
where
    F: AsyncFnMut() -> Option<T>,
{
    let mut beat = interval(Duration::from_millis(20));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let found = timeout(within, async {
        loop {
            beat.tick().await;
            if let Some(value) = probe().await {
                return value;
            }
        }
    });
    found.await.map_err(|_| anyhow::anyhow!("waited {within:?} in vain: {what}"))
}

/// A port that is free for UDP and TCP on 127.0.0.1, with `span` − 1 free ones above it.
pub fn free_ports(span: u16) -> anyhow::Result<u16> {
    // Below the range that the kernel gives to others; each process starts elsewhere.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97) + NEXT.fetch_add(u32::from(span) + 3, Ordering::Relaxed);
    for attempt in 0..2_000_u32 {
        let offset = start.wrapping_add(attempt * 2) % 15_000;
        let first = 16_000 + (u16::try_from(offset).unwrap_or(0) & !1);
        if (first..first + span).all(is_free) {
            return Ok(first);
        }
    }
    bail!("no {span} free ports in a row")
}

fn is_free(port: u16) -> bool {
    let here = (Ipv4Addr::LOCALHOST, port);
    let anywhere = (Ipv4Addr::UNSPECIFIED, port);
    UdpSocket::bind(here).is_ok() && UdpSocket::bind(anywhere).is_ok() && TcpListener::bind(here).is_ok()
}

/// Whether some process listens on this port, as the kernel's tables tell.
pub fn is_bound(port: u16, transport: &str) -> bool {
    let Ok(table) = std::fs::read_to_string(format!("/proc/net/{transport}")) else {
        return false;
    };
    let needle = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let local = columns.next().unwrap_or_default();
        let state = columns.nth(1).unwrap_or_default();
        // 07: an unconnected UDP socket; 0A: a TCP listener.
        local.ends_with(&needle) && (state == "07" || state == "0A")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_port_is_seen_and_not_handed_out() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(is_bound(port, "udp"));
        assert!(!is_free(port));
    }

    #[test]
    fn ports_come_in_a_row_and_begin_even() {
        let first = free_ports(8).unwrap();
        assert_eq!(first % 2, 0);
        assert_ne!(first, free_ports(8).unwrap());
    }

    #[tokio::test]
    async fn waiting_in_vain_says_for_what() {
        let error = eventually(Duration::from_millis(50), "the moon", async || None::<()>).await.unwrap_err();
        assert!(error.to_string().contains("the moon"));
    }
}
