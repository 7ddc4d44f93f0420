//! The channel: a media leg, as rtp-server reports it and as control commands it.
//!
//! `POST /channel` takes an [`Open`], `PUT /channel/{uuid}` a [`Remote`], `…/play` a [`Soup`], `…/echo` an [`Echo`];
//! each is answered with a [`Channel`], which also is the body of `PUT {control}/channel/{uuid}`.

use serde::{Deserialize, Serialize};

use crate::sdp::{Direction, number};

/// The full state of one channel. Sent whole at each change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Channel {
    /// Its name.
    pub uuid: String,
    /// Local RTP port; RTCP is the one above.
    pub port: u16,
    /// Local address, as peers are told it.
    pub ip: String,
    /// Grows by one with each change.
    pub seq: u64,
    /// What changed last.
    pub event: Event,
    /// Where RTP is sent, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<Address>,
    /// Name of the codec that is sent.
    pub codec: String,
    /// Which way media flows, seen from us.
    pub direction: Direction,
    /// The other members of its mix.
    pub mix: Vec<String>,
    /// Digits received; only grows.
    pub digits: String,
    /// What became of the last `play`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub play: Option<Play>,
    /// What became of the last `record`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<serde_json::Value>,
    /// It sends back what it hears.
    pub echo: bool,
    /// Why it closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Figures of both directions.
    pub stats: Stats,
}

/// What changed last in a [`Channel`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Opened.
    #[default]
    Open,
    /// A digit came in.
    Dtmf,
    /// Playing began or ended.
    Play,
    /// Recording began or ended.
    Record,
    /// Joined a mix.
    Mix,
    /// Left a mix.
    Unmix,
    /// The remote side was set, or its source was found.
    Remote,
    /// Echo was switched.
    Echo,
    /// No RTP for a while.
    Timeout,
    /// Closed.
    Close,
}

/// An address and port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// IP address.
    pub ip: String,
    /// Port.
    #[serde(deserialize_with = "port")]
    pub port: u16,
}

/// Body of `POST /channel`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Open {
    /// Name to use; a repeated request with the same one returns the same channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Callback base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// A channel that this one will mix with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near: Option<String>,
    /// The remote side, when it is known already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
}

/// Reply to `POST /channel`: the document with how busy the server is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Opened {
    /// The document.
    #[serde(flatten)]
    pub channel: Channel,
    /// How many are open and free.
    pub channels: Channels,
    /// Share of the busiest worker's time that is used, 0…1.
    pub load: f64,
}

/// How many channels there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// Open now.
    pub active: usize,
    /// Still free.
    pub available: usize,
}

/// Reply to `DELETE /channel/{uuid}`: the final document with the counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Closed {
    /// The document.
    #[serde(flatten)]
    pub channel: Channel,
    /// How many are open and free.
    pub channels: Channels,
}

/// Reply to `GET /channel`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct List {
    /// How many are open and free.
    pub channels: Channels,
    /// Share of the busiest worker's time that is used, 0…1.
    pub load: f64,
    /// Names; whole [`Channel`]s with `?full=1`.
    pub list: Vec<serde_json::Value>,
}

/// Body of `PUT /channel/{uuid}`: where RTP goes and how it is coded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Remote {
    /// IP address.
    pub ip: String,
    /// Port.
    #[serde(deserialize_with = "port")]
    pub port: u16,
    /// Codecs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Audio>,
    /// Which way media flows, seen from us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// The negotiated audio of a [`Remote`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Audio {
    /// Payload types in order of preference; the first one with a codec is sent.
    pub payloads: Vec<u8>,
    /// What dynamic payload types mean.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codecs: Vec<Codec>,
    /// Payload type of telephone-event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtmf: Option<u8>,
    /// Milliseconds of audio in a packet; 20 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ptime: Option<u16>,
}

/// What a payload type means.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    /// Payload type.
    pub payload: u8,
    /// Name on our wire: `pcmu pcma 722 ilbc opus 2833`.
    pub name: String,
    /// Clock rate in Hz.
    pub clock: u32,
    /// Channels, when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// Format parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fmtp: Option<String>,
}

/// Body of `PUT /channel/{uuid}/echo`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// Send back what is heard.
    pub on: bool,
}

/// A sound soup: what to play.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Soup {
    /// Played in order.
    pub files: Vec<SoupFile>,
    /// More rounds of the whole list.
    #[serde(default, rename = "loop", skip_serializing_if = "Option::is_none")]
    pub rounds: Option<Loop>,
    /// Stop at the first digit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupt: Option<bool>,
}

/// One recording of a [`Soup`], in one or more encodings; the one nearest to the codec sent is taken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SoupFile {
    /// A file in whatever encoding its header says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wav: Option<String>,
    /// µ-law.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcmu: Option<String>,
    /// A-law.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcma: Option<String>,
    /// Linear at 8 kHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l168k: Option<String>,
    /// Linear at 16 kHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l1616k: Option<String>,
    /// iLBC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ilbc: Option<String>,
    /// G.722.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub g722: Option<String>,
    /// More plays of this file.
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub rounds: Option<Loop>,
    /// Begin of the segment in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// End of the segment in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<u64>,
}

/// How often something is repeated after its first play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Loop {
    /// `true`: until stopped; `false`: not at all.
    Forever(bool),
    /// So many times more.
    Times(u32),
}

/// What became of a `play`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Play {
    /// `playing`, `finished`, `stopped`, `replaced`, `interrupted`.
    pub state: String,
    /// How many soups this channel was given.
    pub count: u64,
}

/// Figures of both directions of a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// From the peer.
    #[serde(rename = "in")]
    pub inbound: StreamStats,
    /// To the peer.
    #[serde(rename = "out")]
    pub outbound: StreamStats,
}

/// Figures of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamStats {
    /// RTP packets.
    pub packets: u64,
    /// RTP payload bytes.
    pub bytes: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came too late.
    pub late: u64,
    /// Packets dropped: malformed, foreign or unexpected.
    pub dropped: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) in milliseconds.
    pub jitterms: f64,
    /// Mean opinion score estimated from the loss, 1…4.5.
    pub mos: f64,
}

fn port<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let value = number(deserializer).map_err(|error| serde::de::Error::custom(format!("`port`: {error}")))?;
    u16::try_from(value).map_err(|_| serde::de::Error::custom("`port` must be 0 to 65535"))
}
