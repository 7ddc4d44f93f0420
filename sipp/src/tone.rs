//! Tones: writes them as WAV for a phone to play, and measures them in what another phone has recorded.
//!
//! The measure is Goertzel's: the share of a recording's energy that lies at one frequency. No other analysis.

use std::f64::consts::TAU;
use std::path::Path;

use anyhow::Context;

/// Writes `seconds` of a sine at `hertz`, mono, 16 bit, half of full scale, with `rate` samples a second.
pub fn write(path: &Path, rate: u32, hertz: f64, seconds: u32) -> anyhow::Result<()> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut file = hound::WavWriter::create(path, spec)?;
    for n in 0..rate * seconds {
        let sample = (TAU * hertz * f64::from(n) / f64::from(rate)).sin() * 16_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "within ±16000")]
        file.write_sample(sample as i16)?;
    }
    file.finalize()?;
    Ok(())
}

/// Samples of a mono recording of 16 bit and its rate, also while it is still being written.
pub fn read(path: &Path) -> anyhow::Result<(Vec<f64>, u32)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (rate, data) = unfinished(&bytes).with_context(|| format!("no WAV: {}", path.display()))?;
    let sample = |pair: &[u8; 2]| f64::from(i16::from_le_bytes(*pair));
    Ok((data.as_chunks().0.iter().map(sample).collect(), rate))
}

/// Rate and audio of a WAV file whose header may not know yet how long it is.
fn unfinished(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut rest = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
    let mut rate = 0;
    loop {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (length, body) = after.split_first_chunk::<4>()?;
        if name == b"data" {
            return Some((rate, body));
        }
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if name == b"fmt " {
            rate = u32::from_le_bytes(*body.get(4..)?.first_chunk()?);
        }
        rest = body.get(length + length % 2..)?;
    }
}

/// Share (0…1) of the energy of `samples` that lies at `hertz`.
pub fn share(samples: &[f64], rate: u32, hertz: f64) -> f64 {
    // Blocks of 50 ms: a jump in phase, as after a lost packet, costs one block only.
    let block = (rate / 20) as usize;
    let (mut there, mut all) = (0.0, 0.0);
    for chunk in samples.chunks_exact(block.max(1)) {
        let energy: f64 = chunk.iter().map(|s| s * s).sum();
        all += energy;
        there += (goertzel(chunk, rate, hertz) * 2.0 / chunk.len() as f64).min(energy);
    }
    if all == 0.0 { 0.0 } else { there / all }
}

/// Root mean square of `samples`.
pub fn loudness(samples: &[f64]) -> f64 {
    (samples.iter().map(|s| s * s).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

fn goertzel(samples: &[f64], rate: u32, hertz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hertz / f64::from(rate)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        (last, before) = (sample + coefficient * last - before, last);
    }
    last * last + before * before - coefficient * last * before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_tone_is_found_at_its_own_frequency_alone() {
        let scratch = Scratch::new("tone").unwrap();
        let path = scratch.join("tone.wav");
        write(&path, 8_000, 440.0, 1).unwrap();
        let (samples, rate) = read(&path).unwrap();
        assert_eq!(samples.len(), 8_000);
        assert!(share(&samples, rate, 440.0) > 0.99);
        assert!(share(&samples, rate, 880.0) < 0.01);
        assert!((loudness(&samples) - 16_000.0 / 2_f64.sqrt()).abs() < 10.0);
    }

    #[test]
    fn silence_holds_no_tone() {
        assert_eq!(share(&[0.0; 800], 8_000, 440.0), 0.0);
    }
}
