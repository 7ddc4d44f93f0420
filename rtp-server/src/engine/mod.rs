//! The pure half of the media server: what becomes of samples and packets, without clock, socket, thread or lock.
//!
//! An [`Engine`] is a value that one worker owns. Datagrams, commands and the passing of time go in through its
//! `handle_…` functions; what is to be sent and told comes out through [`Output`]. A mix has two members; both are of
//! the same engine. Nothing is allocated for a packet once a channel is warm.

pub mod channel;
pub mod codec;
pub mod counters;
pub mod dtmf;
pub mod output;
pub mod packet;
pub mod play;
pub mod player;
pub mod reception;
mod relay;
pub mod resample;
pub mod sender;
pub mod tone;
pub mod transcoder;
pub mod wav;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::channel::Event;
use rand::rngs::StdRng;

pub use channel::{Channel, Destination, Opening};
pub use counters::Counters;
pub use output::{Document, Output, Transmit};

use channel::Member;
use counters::Drop;
use packet::{Malformed, Packet};
use play::Playing;
use player::Player;

/// Time between two looks for channels that have fallen silent.
const SWEEP: Duration = Duration::from_secs(1);

/// A channel's place in its engine. Used again when the channel is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub u32);

impl Key {
    /// For tables that stand beside the engine's.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What came in on a channel's socket.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// All of it.
    pub bytes: &'a [u8],
}

/// What a channel is told to do.
#[derive(Debug)]
pub enum Command {
    /// Nothing: its document is wanted.
    Show,
    /// The peer was signalled.
    Remote(Destination),
    /// Join with another channel of the same engine.
    Mix(String),
    /// Leave the mix.
    Unmix,
    /// Play; the sound is at this rate.
    Play {
        /// What.
        player: Player,
        /// Samples a second.
        rate: u32,
        /// The first digit stops it.
        interrupt: bool,
    },
    /// Stop playing.
    Stop,
    /// Send back what is heard, or no longer.
    Echo(bool),
    /// Close.
    Close,
    /// Control does not answer: close, if the peer is silent too.
    Abandon,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No channel of that name is here.
    #[error("no such channel")]
    Unknown,
    /// The state does not allow it.
    #[error("{0}")]
    Conflict(&'static str),
}

/// Buffers that every packet uses in turn.
#[derive(Debug, Default)]
struct Scratch {
    samples: Vec<i16>,
    payload: Vec<u8>,
}

/// All channels of one worker.
#[derive(Debug)]
pub struct Engine {
    channels: Vec<Option<Box<Channel>>>,
    free: Vec<Key>,
    names: HashMap<Arc<str>, Key>,
    /// Channels with something to do at each beat.
    beating: Vec<Key>,
    next_beat: Option<Instant>,
    next_sweep: Option<Instant>,
    idle_timeout: Duration,
    scratch: Scratch,
    counters: Counters,
    rng: StdRng,
}

impl Engine {
    /// An engine without channels.
    pub fn new(rng: StdRng, idle_timeout: Duration) -> Self {
        Self {
            channels: Vec::new(),
            free: Vec::new(),
            names: HashMap::new(),
            beating: Vec::new(),
            next_beat: None,
            next_sweep: None,
            idle_timeout,
            scratch: Scratch::default(),
            counters: Counters::default(),
            rng,
        }
    }

    /// Opens a channel.
    pub fn open(&mut self, now: Instant, opening: Opening) -> (Key, api::Channel) {
        let channel = Box::new(Channel::new(now, opening, &mut self.rng));
        let document = channel.document();
        (self.adopt(now, channel), document)
    }

    /// Takes a channel that another engine gave away.
    pub fn adopt(&mut self, now: Instant, channel: Box<Channel>) -> Key {
        let key = self.free.pop().unwrap_or_else(|| {
            self.channels.push(None);
            Key(self.channels.len() as u32 - 1)
        });
        self.names.insert(channel.uuid.clone(), key);
        if channel.playing.is_some() {
            self.rouse(now, key);
        }
        self.channels[key.index()] = Some(channel);
        self.next_sweep.get_or_insert(now + SWEEP);
        key
    }

    /// Gives a channel away, so that it can mix with one of another engine.
    ///
    /// # Errors
    /// When it is unknown, or in a mix here.
    pub fn release(&mut self, uuid: &str) -> Result<(Key, Box<Channel>), Refusal> {
        let key = *self.names.get(uuid).ok_or(Refusal::Unknown)?;
        if self.channel(key).is_some_and(|channel| channel.member.is_some()) {
            return Err(Refusal::Conflict("the channel is in a mix with another one"));
        }
        self.remove(key).map(|channel| (key, channel)).ok_or(Refusal::Unknown)
    }

    /// A datagram came in on a channel's socket.
    pub fn handle_datagram(&mut self, now: Instant, key: Key, datagram: Datagram, out: &mut Output) {
        self.counters.received += 1;
        let Some(channel) = self.channels.get_mut(key.index()).and_then(Option::as_deref_mut) else {
            return self.counters.drop_one(Drop::Closed);
        };
        let packet = Packet::parse(datagram.bytes).map_err(|malformed| match malformed {
            Malformed::Header => Drop::Malformed,
            Malformed::Rtcp => Drop::Rtcp,
        });
        let admitted = packet.and_then(|packet| Ok((packet, channel.admit(now, datagram.source, &packet)?)));
        match admitted {
            Ok((packet, meaning)) => self.handle_packet(now, key, (&packet, meaning), out),
            Err(reason) => {
                // What the stream itself made of it is counted there already.
                if !matches!(reason, Drop::Duplicate | Drop::Late | Drop::Wild) {
                    channel.reception.drop_one();
                }
                self.counters.drop_one(reason);
            }
        }
    }

    /// Closes a channel whose state cannot be trusted any more.
    pub fn discard(&mut self, key: Key, out: &mut Output) {
        self.close(key, "a defect of the media server", out);
    }

    /// A channel is told to do something; its document comes back.
    ///
    /// # Errors
    /// When there is no such channel, or it cannot do that now. Nothing has changed then.
    pub fn handle_command(
        &mut self,
        now: Instant,
        uuid: &str,
        command: Command,
        out: &mut Output,
    ) -> Result<api::Channel, Refusal> {
        let key = *self.names.get(uuid).ok_or(Refusal::Unknown)?;
        let channel = self.channel(key).ok_or(Refusal::Unknown)?;
        match command {
            Command::Show => {}
            Command::Remote(remote) => channel.direct(now, remote, out),
            Command::Mix(other) => self.mix(key, &other, out)?,
            Command::Unmix => self.unmix(key, out),
            Command::Play { player, rate, interrupt } => {
                channel.begin(Playing { player, rate, interrupt, due: 0 }, out);
                self.rouse(now, key);
            }
            Command::Stop => channel.cease("stopped", out),
            Command::Echo(on) => channel.turn_echo(on, out)?,
            Command::Close => return self.close(key, "requested", out).ok_or(Refusal::Unknown),
            Command::Abandon if channel.is_idle => {
                return self.close(key, "idle: no RTP, and control does not answer", out).ok_or(Refusal::Unknown);
            }
            Command::Abandon => {}
        }
        self.channel(key).map(|channel| channel.document()).ok_or(Refusal::Unknown)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Output) {
        self.handle_beat(now, out);
        if self.next_sweep.is_some_and(|sweep| sweep <= now) {
            self.sweep(now, out);
            self.next_sweep = (!self.names.is_empty()).then_some(now + SWEEP);
        }
    }

    /// When time will have to pass.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.next_beat, self.next_sweep].into_iter().flatten().min()
    }

    /// How many channels there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// There are no channels.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// All documents, in no order.
    pub fn documents(&self) -> Vec<api::Channel> {
        self.channels.iter().flatten().map(|channel| channel.document()).collect()
    }

    /// What was counted since the engine began.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn channel(&mut self, key: Key) -> Option<&mut Channel> {
        self.channels.get_mut(key.index()).and_then(Option::as_deref_mut)
    }

    fn mix(&mut self, key: Key, other: &str, out: &mut Output) -> Result<(), Refusal> {
        let other = *self.names.get(other).ok_or(Refusal::Unknown)?;
        if key == other {
            return Err(Refusal::Conflict("a channel cannot mix with itself"));
        }
        let (Some(this), Some(that)) = (self.member(key), self.member(other)) else { return Err(Refusal::Unknown) };
        let joined = |channel: Option<&mut Channel>| channel.and_then(|channel| Some(channel.member.as_ref()?.key));
        match (joined(self.channel(key)), joined(self.channel(other))) {
            (None, None) => {}
            (Some(member), _) if member == other => return Ok(()),
            _ => return Err(Refusal::Conflict("a mix has two members: unmix first")),
        }
        for (key, member) in [(key, that), (other, this)] {
            if let Some(channel) = self.channel(key) {
                channel.echo = false;
                channel.member = Some(member);
                channel.changed(Event::Mix, out);
            }
        }
        Ok(())
    }

    fn member(&mut self, key: Key) -> Option<Member> {
        self.channel(key).map(|channel| Member { key, uuid: channel.uuid.clone() })
    }

    fn unmix(&mut self, key: Key, out: &mut Output) {
        let Some(member) = self.channel(key).and_then(|channel| channel.member.take()) else { return };
        for key in [key, member.key] {
            let Some(channel) = self.channel(key) else { continue };
            channel.member = None;
            let packets = channel.end_press(key, out);
            channel.sender.detach();
            channel.changed(Event::Unmix, out);
            self.counters.sent += packets;
        }
    }

    fn close(&mut self, key: Key, reason: &str, out: &mut Output) -> Option<api::Channel> {
        self.unmix(key, out);
        let mut channel = self.remove(key)?;
        channel.cease("stopped", out);
        channel.close(reason, out);
        out.closed.push(key);
        Some(channel.document())
    }

    fn remove(&mut self, key: Key) -> Option<Box<Channel>> {
        let channel = self.channels.get_mut(key.index())?.take()?;
        self.names.remove(&channel.uuid);
        self.beating.retain(|beating| *beating != key);
        self.free.push(key);
        Some(channel)
    }

    /// Asks about each channel that has been silent for too long; closes it when there is nobody to ask.
    fn sweep(&mut self, now: Instant, out: &mut Output) {
        for index in 0..self.channels.len() {
            let key = Key(index as u32);
            let idle_timeout = self.idle_timeout;
            let Some(channel) = self.channel(key) else { continue };
            if now.saturating_duration_since(channel.heard) < idle_timeout {
                continue;
            }
            channel.heard = now;
            channel.is_idle = true;
            channel.changed(Event::Timeout, out);
            if channel.is_unowned() {
                self.close(key, "idle: no RTP", out);
            }
        }
    }
}

impl Channel {
    fn turn_echo(&mut self, on: bool, out: &mut Output) -> Result<(), Refusal> {
        if on && self.member.is_some() {
            return Err(Refusal::Conflict("the channel is in a mix: unmix first"));
        }
        if self.echo != on {
            self.echo = on;
            self.sender.detach();
            self.changed(Event::Echo, out);
        }
        Ok(())
    }
}
