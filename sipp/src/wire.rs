//! Raw datagrams to a SIP server: what no well-behaved peer would send, and an OPTIONS to learn whether it survived.
//!
//! RFC 3261 §11. Neither parses nor builds SIP beyond that.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// A UDP socket that talks to one server.
#[derive(Debug)]
pub struct Wire {
    socket: UdpSocket,
    asked: u32,
}

impl Wire {
    /// Binds a free port of 127.0.0.1 and aims it at the server.
    pub async fn to(server: SocketAddr) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(server).await?;
        Ok(Self { socket, asked: 0 })
    }

    /// Sends one datagram as it stands.
    pub async fn send(&self, datagram: &[u8]) -> anyhow::Result<()> {
        // Too long for UDP, or refused because the server is gone: the OPTIONS that follows will tell.
        let _ = self.socket.send(datagram).await;
        Ok(())
    }

    /// Sends an OPTIONS until it is answered; fails when the server stays silent.
    pub async fn options(&mut self) -> anyhow::Result<()> {
        for _ in 0..10 {
            self.asked += 1;
            let call_id = format!("alive-{}", self.asked);
            self.socket.send(options(self.local()?, &call_id).as_bytes()).await.context("the server is gone")?;
            if timeout(Duration::from_millis(500), self.response(&call_id)).await.is_ok() {
                return Ok(());
            }
        }
        bail!("no answer to OPTIONS")
    }

    /// The next datagram from the server, as text.
    pub async fn receive(&self, within: Duration) -> Option<String> {
        let mut buffer = vec![0; 65_536];
        let length = timeout(within, self.socket.recv(&mut buffer)).await.ok()?.ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// The address that it sends from.
    pub fn local(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    async fn response(&self, call_id: &str) {
        let mut buffer = vec![0; 65_536];
        loop {
            let Ok(length) = self.socket.recv(&mut buffer).await else { continue };
            let text = String::from_utf8_lossy(&buffer[..length]);
            if text.starts_with("SIP/2.0 ") && text.contains(call_id) {
                return;
            }
        }
    }
}

fn options(local: SocketAddr, call_id: &str) -> String {
    format!(
        "OPTIONS sip:ping@demo SIP/2.0\r\n\
         Via: SIP/2.0/UDP {local};branch=z9hG4bK{call_id};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:harness@demo>;tag=1\r\n\
         To: <sip:ping@demo>\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}
