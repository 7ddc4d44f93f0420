//! The codecs of the wire and what payload types mean (RFC 3551 §6; dynamic numbers by negotiation).
//!
//! All of them count time in ticks of 8 kHz, G.722 included (RFC 3551 §4.5.2), and take one octet a tick.

pub mod g711;
pub mod g722;

#[cfg(test)]
pub(crate) mod vectors;

use api::channel::Audio;

/// A codec that we speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law.
    #[default]
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
}

impl Codec {
    /// By its name on our wire.
    pub fn named(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("pcmu") {
            Some(Self::Pcmu)
        } else if is("pcma") {
            Some(Self::Pcma)
        } else if is("722") || is("g722") {
            Some(Self::G722)
        } else {
            None
        }
    }

    /// Its name on our wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
            Self::G722 => "722",
        }
    }

    /// Samples a second of the sound that it carries.
    pub fn rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
            Self::G722 => 16_000,
        }
    }

    /// The payload type that RFC 3551 gave it.
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
        }
    }
}

/// What a payload type means on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Sound.
    Audio(Codec),
    /// telephone-event (RFC 4733).
    Event,
    /// Comfort noise (RFC 3389).
    Noise,
}

/// The negotiated audio of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// What is sent.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// Payload type of telephone-event, when the peer understands it.
    pub event: Option<u8>,
    /// Milliseconds of audio in a packet that we make.
    pub ptime: u16,
    dynamic: Vec<(u8, Meaning)>,
}

impl Default for Format {
    fn default() -> Self {
        Self { codec: Codec::Pcmu, payload_type: 0, event: None, ptime: 20, dynamic: Vec::new() }
    }
}

impl Format {
    /// From what was negotiated.
    ///
    /// # Errors
    /// The field at fault, in words.
    pub fn negotiated(audio: &Audio) -> Result<Self, String> {
        let mut format = Self { ptime: audio.ptime.unwrap_or(20).clamp(10, 60) / 10 * 10, ..Self::default() };
        for codec in &audio.codecs {
            if codec.payload > 127 {
                return Err(format!("audio.codecs: {} is no payload type", codec.payload));
            }
            if matches!(codec.name.as_str(), "2833" | "telephone-event") {
                if codec.clock == 8000 {
                    format.event = Some(codec.payload);
                }
            } else if let Some(known) = Codec::named(&codec.name) {
                format.dynamic.push((codec.payload, Meaning::Audio(known)));
            }
        }
        format.event = audio.dtmf.or(format.event);
        if format.event.is_some_and(|payload_type| payload_type > 127) {
            return Err("audio.dtmf: no payload type".to_owned());
        }
        if let Some(payload_type) = format.event {
            format.dynamic.push((payload_type, Meaning::Event));
        }
        let audible = |payload_type: &u8| match format.meaning(*payload_type) {
            Some(Meaning::Audio(codec)) => Some((*payload_type, codec)),
            _ => None,
        };
        let Some((payload_type, codec)) = audio.payloads.iter().find_map(audible) else {
            return Err("audio.payloads: none of these is a codec of ours".to_owned());
        };
        (format.payload_type, format.codec) = (payload_type, codec);
        Ok(format)
    }

    /// What a payload type means: as negotiated, or else as RFC 3551 has it.
    pub fn meaning(&self, payload_type: u8) -> Option<Meaning> {
        if let Some((_, meaning)) = self.dynamic.iter().find(|(known, _)| *known == payload_type) {
            return Some(*meaning);
        }
        match payload_type {
            0 => Some(Meaning::Audio(Codec::Pcmu)),
            8 => Some(Meaning::Audio(Codec::Pcma)),
            9 => Some(Meaning::Audio(Codec::G722)),
            13 => Some(Meaning::Noise),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dynamic(payload: u8, name: &str) -> api::channel::Codec {
        api::channel::Codec { payload, name: name.to_owned(), clock: 8000, ..Default::default() }
    }

    #[test]
    fn the_first_with_a_codec_is_sent() {
        let audio = Audio {
            payloads: vec![101, 111, 118, 0],
            codecs: vec![dynamic(118, "pcma"), dynamic(111, "opus"), dynamic(101, "2833")],
            ..Audio::default()
        };
        let format = Format::negotiated(&audio).unwrap();
        assert_eq!((format.codec, format.payload_type, format.event), (Codec::Pcma, 118, Some(101)));
        assert_eq!(format.meaning(101), Some(Meaning::Event));
        assert_eq!(format.meaning(9), Some(Meaning::Audio(Codec::G722)));
        assert_eq!(format.meaning(111), None);
    }

    #[test]
    fn what_has_no_codec_is_refused_by_name() {
        let refusal = |payloads| Format::negotiated(&Audio { payloads, ..Audio::default() }).unwrap_err();
        assert!(refusal(vec![]).starts_with("audio.payloads"));
        assert!(refusal(vec![101]).starts_with("audio.payloads"));
        let wild = Audio { payloads: vec![0], dtmf: Some(200), ..Audio::default() };
        assert!(Format::negotiated(&wild).unwrap_err().starts_with("audio.dtmf"));
    }
}
