//! From payload to linear samples and from samples to payload, with the state that each direction carries along.
//!
//! A channel owns one [`Decoder`] for what it hears and one [`Encoder`] for what it says. Resampling between 8 and
//! 16 kHz is the encoder's job. Concealment of lost packets is not done here.

use super::codec::{Codec, g711, g722};
use super::resample::{Downsampler, Upsampler};

/// Hears: payload to linear samples.
#[derive(Debug, Default)]
pub struct Decoder {
    g722: Option<Box<g722::Decoder>>,
}

impl Decoder {
    /// Appends the samples, at the rate of the codec.
    pub fn decode(&mut self, codec: Codec, payload: &[u8], samples: &mut Vec<i16>) {
        match codec {
            Codec::Pcmu => g711::decode_ulaw(payload, samples),
            Codec::Pcma => g711::decode_alaw(payload, samples),
            Codec::G722 => {
                let decoder = self.g722.get_or_insert_with(|| Box::new(g722::Decoder::new(g722::Mode::M1)));
                decoder.decode(payload, samples);
            }
        }
    }
}

/// Speaks: linear samples to payload.
#[derive(Debug, Default)]
pub struct Encoder {
    g722: Option<Box<g722::Encoder>>,
    up: Option<Box<Upsampler>>,
    down: Option<Box<Downsampler>>,
    resampled: Vec<i16>,
}

impl Encoder {
    /// Appends the payload of samples at 8 or 16 kHz.
    pub fn encode(&mut self, codec: Codec, samples: &[i16], rate: u32, payload: &mut Vec<u8>) {
        self.resampled.clear();
        let samples = match (rate, codec.rate()) {
            (8000, 16_000) => {
                self.up.get_or_insert_default().process(samples, &mut self.resampled);
                &self.resampled
            }
            (16_000, 8000) => {
                self.down.get_or_insert_default().process(samples, &mut self.resampled);
                &self.resampled
            }
            _ => samples,
        };
        match codec {
            Codec::Pcmu => g711::encode_ulaw(samples, payload),
            Codec::Pcma => g711::encode_alaw(samples, payload),
            Codec::G722 => self.g722.get_or_insert_default().encode(samples, payload),
        }
    }
}

/// From µ-law to A-law or back without a detour; false when the pair is another.
pub fn translate(from: Codec, to: Codec, payload: &[u8], out: &mut Vec<u8>) -> bool {
    let table = match (from, to) {
        (Codec::Pcmu, Codec::Pcma) => &g711::ULAW_TO_ALAW,
        (Codec::Pcma, Codec::Pcmu) => &g711::ALAW_TO_ULAW,
        _ => return false,
    };
    out.extend(payload.iter().map(|&code| table[usize::from(code)]));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_keeps_the_length() {
        let codecs = [Codec::Pcmu, Codec::Pcma, Codec::G722];
        for from in codecs {
            for to in codecs {
                let (mut decoder, mut encoder) = (Decoder::default(), Encoder::default());
                for payload in [&[0x55; 160][..], &[0xd5; 80], &[1; 480], &[]] {
                    let (mut samples, mut out) = (Vec::new(), Vec::new());
                    decoder.decode(from, payload, &mut samples);
                    encoder.encode(to, &samples, from.rate(), &mut out);
                    assert_eq!(out.len(), payload.len(), "{from:?} to {to:?}");
                }
            }
        }
    }
}
