//! One channel: its peer's address and format, what it has heard and said, and its document.
//!
//! The peer is where its first valid packet came from (symmetric RTP, RFC 4961); from then on nobody else is heard, but
//! for the address that was signalled, which wins over an earlier stranger.
//!
//! ```text
//! open ──first valid packet──► latched ──packet from the signalled address──► locked
//!   ▲                             │
//!   └──── another address signalled
//! ```

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use api::channel::{Address, Event, Play, Remote, Stats};
use api::sdp::Direction;
use rand::{Rng, RngExt};

use super::Key;
use super::codec::{Format, Meaning};
use super::counters::Drop;
use super::dtmf;
use super::output::{Document, Output};
use super::packet::Packet;
use super::play::Playing;
use super::reception::{Reception, Verdict};
use super::sender::{Sender, Source};
use super::transcoder::{Decoder, Encoder};

/// Digits that a document holds at most.
const DIGITS: usize = 1024;

/// What a channel is opened with.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// Its name.
    pub uuid: String,
    /// Callback base.
    pub control: Option<String>,
    /// Local address, as peers are told it.
    pub ip: IpAddr,
    /// Local RTP port.
    pub port: u16,
    /// The remote side, when it is known already.
    pub remote: Option<Destination>,
}

/// The remote side, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Where RTP goes until it is known where it comes from.
    pub address: SocketAddr,
    /// What was negotiated; absent: as before.
    pub format: Option<Format>,
    /// Which way media flows, seen from us; absent: as before.
    pub direction: Option<Direction>,
}

impl Destination {
    /// Checks what came over the wire.
    ///
    /// # Errors
    /// The field at fault, in words.
    pub fn checked(remote: &Remote) -> Result<Self, String> {
        let ip: IpAddr = remote.ip.parse().map_err(|_| format!("ip: {:?} is no IP address", remote.ip))?;
        if remote.port == 0 {
            return Err("port: 0 is no port to send to".to_owned());
        }
        let format = remote.audio.as_ref().map(Format::negotiated).transpose()?;
        Ok(Self { address: SocketAddr::new(ip, remote.port), format, direction: remote.direction })
    }
}

/// Another member of a mix.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub key: Key,
    pub uuid: Arc<str>,
}

/// State of one channel. Moves between engines as it is.
#[derive(Debug)]
pub struct Channel {
    pub(super) uuid: Arc<str>,
    /// Tells its stream from that of any other channel.
    pub(super) serial: u64,
    pub(super) format: Format,
    pub(super) reception: Reception,
    pub(super) sender: Sender,
    pub(super) decoder: Decoder,
    pub(super) encoder: Encoder,
    pub(super) presses: dtmf::Receiver,
    pub(super) relayed: dtmf::Relay,
    pub(super) member: Option<Member>,
    pub(super) echo: bool,
    pub(super) playing: Option<Playing>,
    pub(super) play: Option<Play>,
    pub(super) heard: Instant,
    pub(super) is_idle: bool,
    control: Option<String>,
    local: SocketAddr,
    direction: Direction,
    signalled: Option<SocketAddr>,
    latched: Option<SocketAddr>,
    epoch: u32,
    digits: String,
    seq: u64,
    event: Event,
    reason: Option<String>,
}

impl Channel {
    /// A channel that has heard nothing yet.
    pub fn new(now: Instant, opening: Opening, rng: &mut impl Rng) -> Self {
        let mut channel = Self {
            uuid: opening.uuid.into(),
            serial: rng.random(),
            format: Format::default(),
            reception: Reception::default(),
            sender: Sender::new(rng),
            decoder: Decoder::default(),
            encoder: Encoder::default(),
            presses: dtmf::Receiver::default(),
            relayed: dtmf::Relay::default(),
            member: None,
            echo: false,
            playing: None,
            play: None,
            heard: now,
            is_idle: false,
            control: opening.control,
            local: SocketAddr::new(opening.ip, opening.port),
            direction: Direction::SendRecv,
            signalled: None,
            latched: None,
            epoch: 0,
            digits: String::new(),
            seq: 1,
            event: Event::Open,
            reason: None,
        };
        if let Some(remote) = opening.remote {
            channel.accept(remote);
        }
        channel
    }

    /// Takes what was signalled about the peer.
    pub(super) fn direct(&mut self, now: Instant, remote: Destination, out: &mut Output) {
        self.heard = now;
        self.is_idle = false;
        self.accept(remote);
        self.changed(Event::Remote, out);
    }

    fn accept(&mut self, remote: Destination) {
        if self.signalled.is_some_and(|before| before != remote.address) {
            self.latched = None;
        }
        self.signalled = Some(remote.address);
        if let Some(format) = remote.format {
            self.format = format;
        }
        self.direction = remote.direction.unwrap_or(self.direction);
        if !self.may_send() {
            self.sender.detach();
        }
    }

    /// Lets a packet in: what its payload is, or why it is dropped.
    pub(super) fn admit(&mut self, now: Instant, source: SocketAddr, packet: &Packet) -> Result<Meaning, Drop> {
        let meaning = self.format.meaning(packet.payload_type).ok_or(Drop::Payload)?;
        self.latch(source)?;
        let verdict = self.reception.accept(packet.ssrc, packet.sequence_number, packet.payload.len());
        self.heard = now;
        self.is_idle = false;
        match verdict {
            Verdict::Fresh => {}
            Verdict::Duplicate => return Err(Drop::Duplicate),
            Verdict::Late => return Err(Drop::Late),
            Verdict::Wild => return Err(Drop::Wild),
        }
        if self.epoch != self.reception.epoch() {
            self.epoch = self.reception.epoch();
            self.presses.restart();
        }
        if meaning != Meaning::Event {
            self.reception.arrived(now, packet.timestamp);
        }
        Ok(meaning)
    }

    fn latch(&mut self, source: SocketAddr) -> Result<(), Drop> {
        if self.latched == Some(source) {
            return Ok(());
        }
        let is_signalled = self.signalled == Some(source);
        if source.port() == 0 || (self.latched.is_some() && !is_signalled) {
            return Err(Drop::Foreign);
        }
        self.latched = Some(source);
        if !is_signalled {
            self.seq += 1;
            self.event = Event::Remote;
        }
        Ok(())
    }

    /// Where RTP goes, when any may go.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        let to = self.latched.or(self.signalled)?;
        (!to.ip().is_unspecified()).then_some(to)
    }

    /// We may send, by the direction.
    pub(super) fn may_send(&self) -> bool {
        matches!(self.direction, Direction::SendRecv | Direction::SendOnly)
    }

    /// We want to hear, by the direction.
    pub(super) fn may_hear(&self) -> bool {
        matches!(self.direction, Direction::SendRecv | Direction::RecvOnly)
    }

    /// Its inbound stream, as those see it that it feeds.
    pub(super) fn source(&self) -> Source {
        Source::Relay { channel: self.serial, epoch: self.epoch }
    }

    /// A digit was pressed.
    pub(super) fn press(&mut self, digit: char, out: &mut Output) {
        if self.digits.len() < DIGITS {
            self.digits.push(digit);
        }
        self.changed(Event::Dtmf, out);
    }

    /// Closes it: the last change.
    pub(super) fn close(&mut self, reason: &str, out: &mut Output) {
        self.reason = Some(reason.to_owned());
        self.member = None;
        self.changed(Event::Close, out);
    }

    /// Something changed. Control hears of it unless it caused it and nothing else is concerned.
    pub(super) fn changed(&mut self, event: Event, out: &mut Output) {
        self.seq += 1;
        self.event = event;
        if !matches!(event, Event::Open | Event::Remote | Event::Echo) {
            out.documents.push(Document { control: self.control.clone(), channel: self.document() });
        }
    }

    /// Nobody asked to hear of this channel.
    pub(super) fn is_unowned(&self) -> bool {
        self.control.is_none()
    }

    /// The document.
    pub fn document(&self) -> api::Channel {
        let remote = self.latched.or(self.signalled);
        api::Channel {
            uuid: self.uuid.to_string(),
            port: self.local.port(),
            ip: self.local.ip().to_string(),
            seq: self.seq,
            event: self.event,
            remote: remote.map(|remote| Address { ip: remote.ip().to_string(), port: remote.port() }),
            codec: self.format.codec.name().to_owned(),
            direction: self.direction,
            mix: self.member.iter().map(|member| member.uuid.to_string()).collect(),
            digits: self.digits.clone(),
            play: self.play.clone(),
            record: None,
            echo: self.echo,
            reason: self.reason.clone(),
            stats: Stats { inbound: self.reception.stats(), outbound: self.sender.stats() },
        }
    }
}
