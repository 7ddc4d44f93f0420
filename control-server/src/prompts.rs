//! The prompts of the default plan: one spoken, one computed.

use std::f64::consts::TAU;
use std::path::Path;

use anyhow::Context;

/// File name of the welcome.
pub const WELCOME: &str = "welcome.wav";
/// File name of the tone.
pub const MILLIWATT: &str = "milliwatt.wav";

/// Hz of the tone: 1004, so that no sample repeats too soon (ITU-T O.6 asks for 1004 to 1020).
const TONE_HZ: u32 = 1004;
/// Peak of 0 dBm0 in 16-bit samples of G.711: full scale is +3.14 dBm0.
const PEAK: f64 = 32_124.0 * 0.696_6;
const RATE: u32 = 8000;

/// Writes the prompts into the sounds folder of rtp-server.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let welcome = folder.join(WELCOME);
    std::fs::write(&welcome, include_bytes!("../sounds/welcome.wav"))
        .with_context(|| format!("cannot write {}", welcome.display()))?;
    write_tone(&folder.join(MILLIWATT))
}

/// A second of tone holds whole periods, so it can be played round and round.
fn write_tone(path: &Path) -> anyhow::Result<()> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer =
        hound::WavWriter::create(path, spec).with_context(|| format!("cannot write {}", path.display()))?;
    for n in 0..RATE {
        let phase = TAU * f64::from(TONE_HZ) * f64::from(n) / f64::from(RATE);
        #[expect(clippy::cast_possible_truncation, reason = "the peak is below 2¹⁵")]
        writer.write_sample((PEAK * phase.sin()).round() as i16)?;
    }
    writer.finalize().context("cannot finish the tone")
}
