//! G.722 at 64 kbit/s (ITU-T G.722, RFC 3551 §4.5.2): 16 kHz audio in two bands, 6 bits a sample for the lower one and
//! 2 for the upper one. Bit for bit that of the Recommendation; blocks carry its names.
//!
//! ```text
//! 16 kHz ─ transmit QMF ─┬ xL ─ QUANTL ─ ILR ─┐        ┌─ ILR ─ INVQBL ─┬ rL ─ receive QMF ─ 16 kHz
//!                        └ xH ─ QUANTH ─ IH  ─┴ 8 bits ┴─ IH  ─ INVQAH ─┘ rH
//! ```
//!
//! The decoder also has the modes that take bits of the lower band for an auxiliary channel. RTP's clock for it runs
//! at 8 kHz, which is not the concern of this file.

mod band;
mod qmf;
mod tables;

use band::{Band, multiply};
use qmf::{Receive, Transmit};
use tables::{QM2, QM4, QM5, QM6};

/// How many bits of the lower band are audio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// 64 kbit/s: all six.
    #[default]
    M1,
    /// 56 kbit/s: five.
    M2,
    /// 48 kbit/s: four.
    M3,
}

/// Codes 16 kHz audio.
#[derive(Debug, Clone, Default)]
pub struct Encoder {
    qmf: Transmit,
    lower: Lower,
    higher: Higher,
}

impl Encoder {
    /// Appends one code to `out` for every two of `samples16k`; an odd one waits for the next call.
    pub fn encode(&mut self, samples16k: &[i16], out: &mut Vec<u8>) {
        let Self { qmf, lower, higher } = self;
        qmf.split(samples16k, |xl, xh| {
            let (il, ih) = (lower.quantize(xl), higher.quantize(xh));
            lower.adapt(il);
            higher.adapt(ih);
            out.push(ih << 6 | il);
        });
    }
}

/// Decodes to 16 kHz audio.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    mode: Mode,
    qmf: Receive,
    lower: Lower,
    higher: Higher,
}

impl Decoder {
    /// A decoder in its state of reset.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// Appends two samples to `out` for each of `codes`.
    pub fn decode(&mut self, codes: &[u8], out: &mut Vec<i16>) {
        let Self { mode, qmf, lower, higher } = self;
        for &code in codes {
            let (ilr, ih) = (code & 0x3F, code >> 6);
            let (rl, rh) = (lower.reconstruct(ilr, *mode), higher.reconstruct(ih));
            lower.adapt(ilr);
            higher.adapt(ih);
            out.extend_from_slice(&qmf.join(rl, rh));
        }
    }
}

/// The lower sub-band's ADPCM, alike in the encoder and the decoder.
#[derive(Debug, Clone)]
struct Lower(Band);

impl Default for Lower {
    fn default() -> Self {
        Self(Band::new(32))
    }
}

impl Lower {
    fn quantize(&self, xl: i16) -> u8 {
        let el = xl.saturating_sub(self.0.estimate()); // SUBTRA
        band::quantl(el, self.0.scale())
    }

    fn reconstruct(&self, ilr: u8, mode: Mode) -> i16 {
        // INVQBL: the output takes as many bits as the mode leaves.
        let level = match mode {
            Mode::M1 => QM6[usize::from(ilr)],
            Mode::M2 => QM5[usize::from(ilr >> 1)],
            Mode::M3 => QM4[usize::from(ilr >> 2)],
        };
        let yl = self.0.estimate().saturating_add(multiply(self.0.scale(), level)); // RECONS
        band::limit(yl)
    }

    /// The predictor and the scale factor follow the upper four bits alone, whatever the mode.
    fn adapt(&mut self, il: u8) {
        let ril = usize::from(il >> 2);
        let dlt = multiply(self.0.scale(), QM4[ril]); // INVQAL
        self.0.adapt_lower_scale(ril);
        self.0.predict(dlt);
    }
}

/// The higher sub-band's ADPCM, alike in the encoder and the decoder.
#[derive(Debug, Clone)]
struct Higher(Band);

impl Default for Higher {
    fn default() -> Self {
        Self(Band::new(8))
    }
}

impl Higher {
    fn quantize(&self, xh: i16) -> u8 {
        let eh = xh.saturating_sub(self.0.estimate()); // SUBTRA
        band::quanth(eh, self.0.scale())
    }

    fn reconstruct(&self, ih: u8) -> i16 {
        let dh = multiply(self.0.scale(), QM2[usize::from(ih)]); // INVQAH
        band::limit(self.0.estimate().saturating_add(dh)) // RECONS
    }

    fn adapt(&mut self, ih: u8) {
        let dh = multiply(self.0.scale(), QM2[usize::from(ih)]);
        self.0.adapt_higher_scale(usize::from(ih));
        self.0.predict(dh);
    }
}

#[cfg(test)]
mod tests;
