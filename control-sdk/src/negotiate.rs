//! Offer and answer (RFC 3264) over session descriptions (RFC 8866) as documents: pure functions.
//!
//! We have one audio stream. An offer is answered with what both sides have, in the offerer's order and under its
//! payload numbers; every other `m=` section is answered with port 0 in its place. Nothing here opens a port, and SRTP,
//! ICE and video are refused, not negotiated.

use std::net::IpAddr;

use api::channel::{Audio, Codec as Payload, Remote};
use api::sdp::{Attributes, Connection, Direction, Media, Origin, Rtpmap, Sdp, Time};

#[cfg(test)]
mod tests;

/// Our side of a session: where its audio is received and what it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Address that peers send RTP to.
    pub ip: String,
    /// Port that peers send RTP to.
    pub port: u16,
    /// `sess-id` of the origin.
    pub session: u64,
    /// `sess-version` of the origin; raised with each description that is sent.
    pub version: u64,
    /// What we can code, best first.
    pub codecs: Vec<Codec>,
    /// Which way we want media to flow.
    pub direction: Direction,
}

/// What we can code, by the names of the ancestor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// `pcma`, G.711 A-law.
    Pcma,
    /// `pcmu`, G.711 µ-law.
    Pcmu,
    /// `722`, G.722.
    G722,
    /// `2833`, telephone-event (RFC 4733).
    TelephoneEvent,
}

impl Codec {
    /// All of them in our order of preference.
    pub const ALL: [Codec; 4] = [Self::Pcma, Self::Pcmu, Self::G722, Self::TelephoneEvent];

    /// The name on our wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcma => "pcma",
            Self::Pcmu => "pcmu",
            Self::G722 => "722",
            Self::TelephoneEvent => "2833",
        }
    }

    fn encoding(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
            Self::G722 => "G722",
            Self::TelephoneEvent => "telephone-event",
        }
    }

    /// The number that we offer; static ones are those of RFC 3551 §6.
    fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::TelephoneEvent => 101,
        }
    }

    /// What a payload type of this section means, when we have it.
    fn of(payload_type: u8, section: &Media) -> Option<Self> {
        let Some(map) = section.a.rtpmap.get(&payload_type.to_string()) else {
            let fixed = [Self::Pcmu, Self::Pcma, Self::G722];
            return fixed.into_iter().find(|codec| codec.payload_type() == payload_type);
        };
        let codec = Self::ALL.into_iter().find(|codec| codec.encoding().eq_ignore_ascii_case(&map.encoding))?;
        (map.clock == 8000 && map.channels.unwrap_or(1) == 1).then_some(codec)
    }
}

/// Why there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No audio stream that both sides can code: 488.
    #[error("no audio codec in common")]
    NoCommonCodec,
    /// The audio stream has no IP address and port to send to: 488.
    #[error("the audio stream has no address")]
    NoAddress,
}

/// The offer of one audio stream with all that we have.
pub fn offer(ours: &Local) -> Sdp {
    let pairs: Vec<_> = ours.codecs.iter().map(|codec| (codec.payload_type(), *codec)).collect();
    describe(ours, vec![section(ours, "RTP/AVP", &pairs, ours.direction)])
}

/// Answers an offer: what we say, and what the channel is told.
pub fn answer(offer: &Sdp, ours: &Local) -> Result<(Sdp, Remote), Refusal> {
    let stream = Stream::find(offer, &ours.codecs)?;
    let remote = stream.remote(offer, ours.direction)?;
    let direction = remote.direction.unwrap_or_default();
    let sections = offer.m.iter().enumerate().map(|(index, theirs)| {
        if index == stream.index { section(ours, &theirs.proto, &stream.pairs, direction) } else { refused(theirs) }
    });
    Ok((describe(ours, sections.collect()), remote))
}

/// What the channel is told about the peer that made this offer or answer.
pub fn remote(theirs: &Sdp, codecs: &[Codec], wanted: Direction) -> Result<Remote, Refusal> {
    Stream::find(theirs, codecs)?.remote(theirs, wanted)
}

/// Takes the answer to our offer.
pub fn accept(answer: &Sdp, ours: &Local) -> Result<Remote, Refusal> {
    remote(answer, &ours.codecs, ours.direction)
}

/// The answer that takes none of the offered streams.
pub fn refuse(offer: &Sdp, ours: &Local) -> Sdp {
    describe(ours, offer.m.iter().map(refused).collect())
}

/// The stream of a peer's description that we take.
struct Stream {
    index: usize,
    /// Payload types in the peer's order, at most one telephone-event among them.
    pairs: Vec<(u8, Codec)>,
}

impl Stream {
    fn find(theirs: &Sdp, codecs: &[Codec]) -> Result<Self, Refusal> {
        let usable = |section: &Media| {
            section.media == "audio" && section.port != 0 && matches!(section.proto.as_str(), "RTP/AVP" | "RTP/AVPF")
        };
        let found = theirs.m.iter().enumerate().filter(|(_, section)| usable(section)).find_map(|(index, section)| {
            let pairs = common(section, codecs);
            pairs.iter().any(|(_, codec)| *codec != Codec::TelephoneEvent).then_some(Self { index, pairs })
        });
        found.ok_or(Refusal::NoCommonCodec)
    }

    fn remote(&self, theirs: &Sdp, wanted: Direction) -> Result<Remote, Refusal> {
        let section = theirs.m.get(self.index).ok_or(Refusal::NoCommonCodec)?;
        let connection = section.c.first().or(theirs.c.first()).ok_or(Refusal::NoAddress)?;
        let address = connection.address.split('/').next().unwrap_or_default();
        let ip: IpAddr = address.parse().map_err(|_| Refusal::NoAddress)?;
        let port = u16::try_from(section.port).map_err(|_| Refusal::NoAddress)?;
        let session_direction = theirs.a.as_ref().and_then(|attributes| attributes.direction);
        let stated = section.a.direction.or(session_direction).unwrap_or_default();
        // RFC 3264 §8.4: the address 0.0.0.0 says the same as "send me nothing".
        let stated = if ip.is_unspecified() { meet(stated, Direction::SendOnly) } else { stated };
        Ok(Remote {
            ip: ip.to_string(),
            port,
            audio: Some(self.audio(section)),
            direction: Some(meet(mirror(stated), wanted)),
        })
    }

    fn audio(&self, section: &Media) -> Audio {
        let codec = |(payload, codec): &(u8, Codec)| Payload {
            payload: *payload,
            name: codec.name().to_owned(),
            clock: 8000,
            channels: None,
            fmtp: None,
        };
        let event = |pair: &&(u8, Codec)| pair.1 == Codec::TelephoneEvent;
        Audio {
            payloads: self.pairs.iter().filter(|pair| !event(pair)).map(|pair| pair.0).collect(),
            codecs: self.pairs.iter().map(codec).collect(),
            dtmf: self.pairs.iter().find(event).map(|pair| pair.0),
            ptime: section.a.ptime.and_then(|ptime| u16::try_from(ptime).ok()).filter(|ptime| *ptime == 20),
        }
    }
}

/// What both have, in the order of the peer's section, each codec once.
fn common(section: &Media, codecs: &[Codec]) -> Vec<(u8, Codec)> {
    let mut pairs: Vec<(u8, Codec)> = Vec::new();
    for format in &section.payloads {
        let Some(payload_type) = u8::try_from(*format).ok().filter(|number| *number < 128) else { continue };
        let Some(codec) = Codec::of(payload_type, section).filter(|codec| codecs.contains(codec)) else { continue };
        if pairs.iter().all(|(number, known)| *number != payload_type && *known != codec) {
            pairs.push((payload_type, codec));
        }
    }
    pairs
}

/// What a direction of the peer is, seen from us.
pub fn mirror(direction: Direction) -> Direction {
    match direction {
        Direction::SendOnly => Direction::RecvOnly,
        Direction::RecvOnly => Direction::SendOnly,
        same => same,
    }
}

/// What two directions of one side leave.
fn meet(one: Direction, other: Direction) -> Direction {
    let sends = |direction| matches!(direction, Direction::SendRecv | Direction::SendOnly);
    let receives = |direction| matches!(direction, Direction::SendRecv | Direction::RecvOnly);
    match (sends(one) && sends(other), receives(one) && receives(other)) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    }
}

fn describe(ours: &Local, sections: Vec<Media>) -> Sdp {
    let ipver = if ours.ip.contains(':') { 6 } else { 4 };
    let connection = Connection { nettype: "IN".to_owned(), ipver, address: ours.ip.clone() };
    Sdp {
        o: Some(Origin {
            username: "-".to_owned(),
            sessionid: ours.session,
            sessionversion: ours.version,
            nettype: "IN".to_owned(),
            ipver,
            address: ours.ip.clone(),
        }),
        s: Some("-".to_owned()),
        c: vec![connection],
        t: Some(Time::default()),
        m: sections,
        ..Sdp::default()
    }
}

fn section(ours: &Local, proto: &str, pairs: &[(u8, Codec)], direction: Direction) -> Media {
    let rtpmap = |codec: Codec| Rtpmap { encoding: codec.encoding().to_owned(), clock: 8000, channels: None };
    let events = pairs.iter().filter(|pair| pair.1 == Codec::TelephoneEvent);
    Media {
        media: "audio".to_owned(),
        port: u64::from(ours.port),
        proto: proto.to_owned(),
        payloads: pairs.iter().map(|pair| u32::from(pair.0)).collect(),
        a: Attributes {
            direction: Some(direction),
            rtpmap: pairs.iter().map(|(number, codec)| (number.to_string(), rtpmap(*codec))).collect(),
            fmtp: events.map(|(number, _)| (number.to_string(), "0-15".to_owned())).collect(),
            ptime: Some(20),
            ..Attributes::default()
        },
        ..Media::default()
    }
}

/// RFC 3264 §6: a refused stream keeps its place and at least one format.
fn refused(theirs: &Media) -> Media {
    Media {
        media: theirs.media.clone(),
        port: 0,
        proto: theirs.proto.clone(),
        payloads: theirs.payloads.clone(),
        formats: theirs.formats.clone(),
        ..Media::default()
    }
}
