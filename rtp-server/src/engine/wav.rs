//! WAV files (RIFF WAVE, RFC 2361 for the format tags): reading what telephony leaves behind, and writing 16-bit mono.
//!
//! Reads linear PCM of 8 to 32 bits, A-law, µ-law and G.722 at 4 to 96 kHz, any number of channels (folded to one), chunks
//! in any order; tolerates a wrong data length and the header of 40 bytes that ends before the data length.
//! Does not read floating point, iLBC or RF64, and opens no file.

use std::sync::Arc;

use thiserror::Error;

use super::codec::g711;
use super::codec::g722::{Decoder, Mode};
use super::resample;

/// One channel of linear audio in memory; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Samples in a second.
    pub rate: u32,
    /// The samples.
    pub samples: Arc<[i16]>,
}

impl Sound {
    /// The same sound at another rate.
    #[must_use]
    pub fn at(&self, rate: u32) -> Self {
        if rate == self.rate {
            return self.clone();
        }
        Self { rate, samples: resample::convert(&self.samples, self.rate, rate).into() }
    }
}

/// Why bytes are not a sound.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WavError {
    /// They do not begin with RIFF.
    #[error("Bad riff")]
    Riff,
    /// Some other RIFF file.
    #[error("Bad wav")]
    Wave,
    /// There is no format chunk, or it is too short.
    #[error("Bad format")]
    Format,
    /// There is no data chunk.
    #[error("Bad data header")]
    DataHeader,
    /// An encoding that is not known here.
    #[error("Bad format: encoding {tag:#06x} with {bits} bits is not supported")]
    Encoding {
        /// Format tag.
        tag: u16,
        /// Bits in a sample.
        bits: u16,
    },
    /// A rate outside 4 to 96 kHz.
    #[error("Bad format: {0} Hz is not supported")]
    Rate(u32),
    /// No channels.
    #[error("Bad format: no channels")]
    Channels,
}

/// What the format chunk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Encoding; that of the sub-format where the chunk is extensible.
    pub tag: u16,
    /// Channels.
    pub channels: u16,
    /// Samples in a second.
    pub rate: u32,
    /// Bytes in a second.
    pub byte_rate: u32,
    /// Bytes in a sample of all channels.
    pub alignment: u16,
    /// Bits in a sample.
    pub bits: u16,
}

impl Format {
    /// Linear PCM.
    pub const PCM: u16 = 0x0001;
    const ALAW: u16 = 0x0006;
    const ULAW: u16 = 0x0007;
    const G722: [u16; 2] = [0xA112, 0x028F];
    const EXTENSIBLE: u16 = 0xFFFE;

    fn parse(chunk: &[u8]) -> Option<Self> {
        let plain = Self {
            tag: u16_at(chunk, 0)?,
            channels: u16_at(chunk, 2)?,
            rate: u32_at(chunk, 4)?,
            byte_rate: u32_at(chunk, 8)?,
            alignment: u16_at(chunk, 12)?,
            bits: u16_at(chunk, 14)?,
        };
        if plain.tag != Self::EXTENSIBLE {
            return Some(plain);
        }
        // The sub-format is a GUID that begins with the tag.
        Some(Self { tag: u16_at(chunk, 24)?, ..plain })
    }
}

/// Bytes of the header that [`write`] makes.
const HEADER: usize = 44;

/// Where the samples begin in the old form, which has no data length.
const LEGACY_HEADER: usize = 40;

/// Finds the format and the data.
pub fn inspect(bytes: &[u8]) -> Result<(Format, &[u8]), WavError> {
    if !bytes.starts_with(b"RIFF") {
        return Err(WavError::Riff);
    }
    if bytes.get(8..12) != Some(b"WAVE") {
        return Err(WavError::Wave);
    }
    let (mut format, mut data) = (None, None);
    let mut at = 12;
    while let (Some(id), Some(length)) = (bytes.get(at..at + 4), u32_at(bytes, at + 4)) {
        let body = bytes.get(at + 8..).unwrap_or_default();
        match id {
            b"fmt " => format = format.or(Format::parse(clamped(body, length))),
            b"data" if data.is_none() => data = Some(data_chunk(bytes, at, length)),
            _ => {}
        }
        if format.is_some() && data.is_some() {
            break;
        }
        let padded = length as usize + (length as usize & 1);
        at = at.saturating_add(8).saturating_add(padded);
    }
    let format = format.ok_or(WavError::Format)?;
    Ok((format, data.ok_or(WavError::DataHeader)?))
}

/// Writers that stream leave a length of 0 or of all ones: the data then reaches to the end of the file.
fn data_chunk(bytes: &[u8], at: usize, length: u32) -> &[u8] {
    let body = bytes.get(at + 8..).unwrap_or_default();
    if is_legacy(bytes, at, length) {
        return bytes.get(LEGACY_HEADER..).unwrap_or_default();
    }
    if length == 0 { body } else { clamped(body, length) }
}

/// The old form gives away itself by its RIFF size, which counts the samples alone.
fn is_legacy(bytes: &[u8], at: usize, length: u32) -> bool {
    let riff_size = u32_at(bytes, 4).unwrap_or_default() as usize;
    at + 4 == LEGACY_HEADER && riff_size + LEGACY_HEADER == bytes.len() && length as usize + HEADER != bytes.len()
}

fn clamped(body: &[u8], length: u32) -> &[u8] {
    &body[..body.len().min(length as usize)]
}

/// Reads a whole file.
pub fn parse(bytes: &[u8]) -> Result<Sound, WavError> {
    let (format, data) = inspect(bytes)?;
    if format.channels == 0 {
        return Err(WavError::Channels);
    }
    if !(4_000..=96_000).contains(&format.rate) {
        return Err(WavError::Rate(format.rate));
    }
    let interleaved = linear(&format, data)?;
    Ok(Sound {
        rate: if Format::G722.contains(&format.tag) { 16_000 } else { format.rate },
        samples: fold(interleaved, format.channels.into()).into(),
    })
}

fn linear(format: &Format, data: &[u8]) -> Result<Vec<i16>, WavError> {
    let mut samples = Vec::new();
    match (format.tag, format.bits) {
        (Format::PCM, 8) => samples.extend(data.iter().map(|&byte| (i16::from(byte) - 128) << 8)),
        (Format::PCM, 16) => samples.extend(top_words::<2>(data)),
        (Format::PCM, 24) => samples.extend(top_words::<3>(data)),
        (Format::PCM, 32) => samples.extend(top_words::<4>(data)),
        (Format::ALAW, _) => g711::decode_alaw(data, &mut samples),
        (Format::ULAW, _) => g711::decode_ulaw(data, &mut samples),
        (tag, _) if Format::G722.contains(&tag) => Decoder::new(Mode::M1).decode(data, &mut samples),
        (tag, bits) => return Err(WavError::Encoding { tag, bits }),
    }
    Ok(samples)
}

/// The upper 16 bits of little-endian words of `N` bytes.
fn top_words<const N: usize>(data: &[u8]) -> impl Iterator<Item = i16> {
    let (words, _) = data.as_chunks::<N>();
    words.iter().map(|word| i16::from_le_bytes([word[N - 2], word[N - 1]]))
}

fn fold(interleaved: Vec<i16>, channels: usize) -> Vec<i16> {
    if channels == 1 {
        return interleaved;
    }
    let frames = interleaved.chunks_exact(channels);
    frames
        .map(|frame| {
            let sum: i64 = frame.iter().map(|&sample| i64::from(sample)).sum();
            (sum / channels as i64) as i16
        })
        .collect()
}

/// A file of 16-bit mono with a header of 44 bytes.
#[must_use]
pub fn write(samples: &[i16], rate: u32) -> Vec<u8> {
    let length = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + samples.len() * 2);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&length.saturating_add(HEADER as u32 - 8).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend_from_slice(&16u32.to_le_bytes());
    bytes.extend_from_slice(&Format::PCM.to_le_bytes());
    bytes.extend_from_slice(&1u16.to_le_bytes());
    bytes.extend_from_slice(&rate.to_le_bytes());
    bytes.extend_from_slice(&rate.saturating_mul(2).to_le_bytes());
    bytes.extend_from_slice(&2u16.to_le_bytes());
    bytes.extend_from_slice(&16u16.to_le_bytes());
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
