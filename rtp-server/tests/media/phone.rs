//! A phone: a UDP socket that speaks RTP, and an ear that measures tones.

use std::f64::consts::TAU;
use std::net::SocketAddr;

use rtp_server::engine::codec::Codec;
use rtp_server::engine::packet::Packet;
use rtp_server::engine::transcoder::{Decoder, Encoder};
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::rig::{PATIENCE, Rig};

pub struct Phone {
    pub uuid: String,
    pub codec: Codec,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub event: u8,
    socket: UdpSocket,
    server: SocketAddr,
    encoder: Encoder,
    decoder: Decoder,
    samples: u32,
}

/// A packet that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

impl Phone {
    /// A phone with a channel that knows it.
    pub async fn call(rig: &Rig, codec: Codec, event: u8, control: Option<&str>) -> Self {
        let mut phone = Self::connect(rig, codec, json!({ "control": control })).await;
        phone.event = event;
        let remote = phone.remote();
        rig.put(&phone.uuid, remote).await.unwrap();
        phone
    }

    /// A phone whose channel was opened with this body and does not know it yet.
    pub async fn connect(rig: &Rig, codec: Codec, body: Value) -> Self {
        let opened = rig.open(body).await.channel;
        Self {
            uuid: opened.uuid,
            codec,
            sequence: 65_530,
            timestamp: 1000,
            ssrc: u32::from(opened.port),
            event: 101,
            socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            server: format!("{}:{}", opened.ip, opened.port).parse().unwrap(),
            encoder: Encoder::default(),
            decoder: Decoder::default(),
            samples: 0,
        }
    }

    /// What control would signal of this phone.
    pub fn remote(&self) -> Value {
        let payloads = [self.codec.payload_type(), self.event];
        let audio = json!({ "payloads": payloads, "dtmf": self.event });
        json!({ "ip": "127.0.0.1", "port": self.socket.local_addr().unwrap().port(), "audio": audio })
    }

    /// Sends to another one's channel from now on.
    pub fn aim_at(&mut self, other: &Self) {
        self.server = other.server;
    }

    pub async fn send_raw(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.server).await.unwrap();
    }

    pub async fn send(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) {
        let mut bytes = Vec::new();
        let (sequence_number, ssrc) = (self.sequence, self.ssrc);
        Packet { marker: false, payload_type, sequence_number, timestamp, ssrc, payload }.write(&mut bytes);
        self.sequence = self.sequence.wrapping_add(1);
        self.send_raw(&bytes).await;
    }

    /// Speaks 20 ms of code words.
    pub async fn speak(&mut self, payload: &[u8]) {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(payload.len() as u32);
        self.send(self.codec.payload_type(), timestamp, payload).await;
    }

    /// Speaks 20 ms of a tone.
    pub async fn hum(&mut self, frequency: f64) {
        let rate = self.codec.rate();
        let sample = |n: u32| ((TAU * frequency * f64::from(n) / f64::from(rate)).sin() * 8000.0) as i16;
        let samples: Vec<i16> = (self.samples..self.samples + rate / 50).map(sample).collect();
        self.samples += rate / 50;
        let mut payload = Vec::new();
        self.encoder.encode(self.codec, &samples, rate, &mut payload);
        self.speak(&payload).await;
    }

    pub async fn hear(&self) -> Heard {
        let mut bytes = [0; 2048];
        let (length, from) =
            timeout(PATIENCE, self.socket.recv_from(&mut bytes)).await.expect("a packet comes").unwrap();
        assert_eq!(from, self.server);
        let packet = Packet::parse(&bytes[..length]).unwrap();
        Heard {
            payload_type: packet.payload_type,
            sequence: packet.sequence_number,
            timestamp: packet.timestamp,
            payload: packet.payload.to_vec(),
        }
    }

    /// Has nothing waiting.
    pub fn heard_nothing(&self) -> bool {
        self.socket.try_recv(&mut [0; 2048]).is_err()
    }

    pub fn decode(&mut self, heard: &[Heard]) -> Vec<i16> {
        let mut samples = Vec::new();
        for packet in heard {
            self.decoder.decode(self.codec, &packet.payload, &mut samples);
        }
        samples
    }
}

/// Share of the power that lies at a frequency (Goertzel), 0…1.
pub fn share_at(frequency: f64, rate: u32, samples: &[i16]) -> f64 {
    let coefficient = 2.0 * (TAU * frequency / f64::from(rate)).cos();
    let (mut before, mut last, mut power) = (0.0, 0.0, 0.0);
    for sample in samples {
        let sample = f64::from(*sample);
        (before, last) = (last, sample + coefficient * last - before);
        power += sample * sample;
    }
    let at = before * before + last * last - coefficient * before * last;
    2.0 * at / (power.max(1.0) * samples.len() as f64)
}

pub fn assert_contiguous(heard: &[Heard]) {
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160));
    }
}
