//! Legs with RTP at 50 packets a second each way, paced by a generator of our own, and channels that nobody talks on.
//!
//! RFC 3550 §5.1 as far as a sender needs it. What comes back is counted, not listened to.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, ensure};
use hyper::Method;
use serde_json::{Value, json};
use sipp::World;
use tokio::time::{Instant, interval};

use crate::process::{cpu_seconds, resident_kib};
use crate::{Figure, ROUNDS};

/// Payload types (RFC 3551 §6).
pub const PCMU: u8 = 0;
pub const PCMA: u8 = 8;
pub const G722: u8 = 9;

const PAIRS: u16 = 100;
const IDLE: u32 = 1_000;
const BEAT: Duration = Duration::from_millis(20);
/// Five seconds of beats, after one second to warm up.
const BEATS: u32 = 250;
const WARM: u32 = 50;

/// The far end of one channel.
struct Leg {
    socket: UdpSocket,
    uuid: String,
    port: u16,
    packet: [u8; 172],
    sequence_number: u16,
    received: u64,
}

impl Leg {
    async fn open(world: &World, uuid: String, payload_type: u8) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let remote =
            json!({"ip": "127.0.0.1", "port": socket.local_addr()?.port(), "audio": {"payloads": [payload_type]}});
        let open = json!({"uuid": uuid, "remote": remote});
        let channel = world.send(Method::POST, &format!("{}/channel", world.rtp.url()), &open).await?;
        let port = channel["port"].as_u64().and_then(|port| u16::try_from(port).ok()).context("no port")?;
        let mut packet = [0xd5; 172];
        packet[..2].copy_from_slice(&[0x80, payload_type]);
        packet[8..12].copy_from_slice(&u32::from(port).to_be_bytes());
        Ok(Self { socket, uuid, port, packet, sequence_number: 0, received: 0 })
    }

    /// Sends a packet and counts what has come.
    fn beat(&mut self) -> anyhow::Result<()> {
        self.sequence_number = self.sequence_number.wrapping_add(1);
        self.packet[2..4].copy_from_slice(&self.sequence_number.to_be_bytes());
        self.packet[4..8].copy_from_slice(&(u32::from(self.sequence_number) * 160).to_be_bytes());
        // Audio that changes, so that no codec gets away with silence.
        let fill = self.sequence_number.to_le_bytes()[0];
        self.packet[12..].iter_mut().enumerate().for_each(|(at, byte)| *byte = fill.wrapping_mul(at.to_le_bytes()[0]));
        self.socket.send_to(&self.packet, (Ipv4Addr::LOCALHOST, self.port))?;
        let mut buffer = [0; 2_048];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(_) => self.received += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Pairs of channels that are mixed, each sending and hearing; CPU for one leg, and what was lost.
pub async fn legs(world: &World, name: &str, codecs: [u8; 2]) -> anyhow::Result<Vec<Figure>> {
    let mut cpu = Figure::new(format!("{name}, CPU of one core"), "% per leg");
    let mut lost = Figure::new("  packets lost", "%");
    for _ in 0..ROUNDS {
        let mut legs = Vec::new();
        for pair in 0..PAIRS {
            for (side, codec) in codecs.into_iter().enumerate() {
                legs.push(Leg::open(world, format!("bench-{pair}-{side}"), codec).await?);
            }
            let mix = format!("{}/channel/bench-{pair}-0/mix/bench-{pair}-1", world.rtp.url());
            world.send(Method::PUT, &mix, &Value::Null).await?;
        }
        beats(&mut legs, WARM).await?;
        legs.iter_mut().for_each(|leg| leg.received = 0);
        let begun = (Instant::now(), cpu_seconds(&world.rtp)?);
        beats(&mut legs, BEATS).await?;
        let seconds = begun.0.elapsed().as_secs_f64();
        cpu.rounds.push((cpu_seconds(&world.rtp)? - begun.1) / seconds / legs.len() as f64 * 100.0);
        let sent = u64::from(BEATS) * legs.len() as u64;
        let received: u64 = legs.iter().map(|leg| leg.received).sum();
        lost.rounds.push((1.0 - received as f64 / sent as f64).max(0.0) * 100.0);
        for leg in &legs {
            close(world, &leg.uuid).await?;
        }
    }
    Ok(vec![cpu, lost])
}

async fn beats(legs: &mut [Leg], count: u32) -> anyhow::Result<()> {
    let mut beat = interval(BEAT);
    for _ in 0..count {
        beat.tick().await;
        for leg in legs.iter_mut() {
            leg.beat()?;
        }
    }
    Ok(())
}

/// Memory of channels on which nothing comes.
pub async fn idle_channels(world: &World) -> anyhow::Result<Figure> {
    let mut memory = Figure::new("rtp-server, memory per 1,000 idle channels", "MiB");
    let before = resident_kib(&world.rtp)?;
    for n in 0..IDLE {
        let open = json!({"uuid": format!("idle-{n}")});
        world.send(Method::POST, &format!("{}/channel", world.rtp.url()), &open).await?;
    }
    memory.rounds.push((resident_kib(&world.rtp)? - before) / 1_024.0);
    for n in 0..IDLE {
        close(world, &format!("idle-{n}")).await?;
    }
    ensure!(world.counts().await?.1 == 0, "channels are left");
    Ok(memory)
}

async fn close(world: &World, uuid: &str) -> anyhow::Result<()> {
    world.send(Method::DELETE, &format!("{}/channel/{uuid}", world.rtp.url()), &Value::Null).await.map(drop)
}
