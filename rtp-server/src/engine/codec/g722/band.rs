//! What both sub-bands of G.722 share: quantizers, scale factor adaptation (BLOCK 3) and the adaptive predictor (BLOCK 4,
//! §6.2.1.4 and §6.2.2.4). Arithmetic is that of the Recommendation: 16 bits, saturating, shifts towards minus infinity.

use super::tables::{ILB, ILN, ILP, Q2, Q6, WH, WL};

/// Poles and zeros of the predictor, with the signals that it works on, and the scale factor of the quantizer.
#[derive(Debug, Clone, Default)]
pub(super) struct Band {
    /// SL or SH: the predictor's estimate of the next sample.
    estimate: i16,
    /// DETL or DETH.
    scale: i16,
    /// NBL or NBH: logarithm of the scale.
    log_scale: i16,
    /// SZL or SZH: the zeros' part of the estimate.
    zeros_estimate: i16,
    /// AL1, AL2.
    poles: [i16; 2],
    /// BL1 to BL6.
    zeros: [i16; 6],
    /// DLT1 to DLT6: quantized differences, newest first.
    differences: [i16; 6],
    /// RLT1: the last reconstructed signal.
    reconstructed: i16,
    /// PLT1, PLT2: the last partly reconstructed signals, newest first.
    partly: [i16; 2],
}

impl Band {
    /// The state of reset with the smallest scale factor.
    pub(super) fn new(scale: i16) -> Self {
        Self { scale, ..Self::default() }
    }

    pub(super) fn estimate(&self) -> i16 {
        self.estimate
    }

    pub(super) fn scale(&self) -> i16 {
        self.scale
    }

    /// LOGSCL and SCALEL.
    pub(super) fn adapt_lower_scale(&mut self, ril: usize) {
        self.log_scale = (multiply(self.log_scale, 32_512) + WL[ril]).clamp(0, 18_432);
        self.scale = linear(self.log_scale, 8);
    }

    /// LOGSCH and SCALEH.
    pub(super) fn adapt_higher_scale(&mut self, ih: usize) {
        self.log_scale = (multiply(self.log_scale, 32_512) + WH[ih]).clamp(0, 22_528);
        self.scale = linear(self.log_scale, 10);
    }

    /// BLOCK 4: learns from the quantized difference and estimates the next sample.
    pub(super) fn predict(&mut self, difference: i16) {
        let reconstructed = self.estimate.saturating_add(difference); // RECONS
        let partly = self.zeros_estimate.saturating_add(difference); // PARREC
        self.adapt_poles(partly);
        self.adapt_zeros(difference);
        let poles = self.filter_poles(reconstructed);
        self.zeros_estimate = self.filter_zeros();
        self.estimate = poles.saturating_add(self.zeros_estimate); // PREDIC
        self.reconstructed = reconstructed;
        self.partly = [partly, self.partly[0]];
    }

    /// UPPOL2 and UPPOL1.
    fn adapt_poles(&mut self, partly: i16) {
        let [a1, a2] = self.poles;
        let same = self.partly.map(|before| (before ^ partly) >= 0);
        let gain = a1.saturating_mul(4);
        let gain = if same[0] { 0i16.saturating_sub(gain) } else { gain } >> 7;
        let step = if same[1] { 128 } else { -128 };
        let second = (gain + step).saturating_add(multiply(a2, 32_512)).clamp(-12_288, 12_288);
        let step = if same[0] { 192 } else { -192 };
        let bound = 15_360 - second;
        let first = multiply(a1, 32_640).saturating_add(step).clamp(-bound, bound);
        self.poles = [first, second];
    }

    /// UPZERO, and DELAYA for the differences.
    fn adapt_zeros(&mut self, difference: i16) {
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, &before) in self.zeros.iter_mut().zip(&self.differences) {
            let step = if (before ^ difference) >= 0 { step } else { -step };
            *zero = multiply(*zero, 32_640).saturating_add(step);
        }
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
    }

    /// FILTEP.
    fn filter_poles(&self, reconstructed: i16) -> i16 {
        let first = multiply(self.poles[0], reconstructed.saturating_mul(2));
        let second = multiply(self.poles[1], self.reconstructed.saturating_mul(2));
        first.saturating_add(second)
    }

    /// FILTEZ, which adds up from the oldest.
    fn filter_zeros(&self) -> i16 {
        let pairs = self.zeros.iter().zip(&self.differences).rev();
        pairs.fold(0, |sum: i16, (&zero, difference)| sum.saturating_add(multiply(zero, difference.saturating_mul(2))))
    }
}

/// The product of two fractions in Q15. Saturation is not needed: no factor of ours meets −1 × −1.
pub(super) fn multiply(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 15) as i16
}

/// The scale factor from its logarithm: a table within the octave, a shift for the octaves.
fn linear(log_scale: i16, octaves: i16) -> i16 {
    let mantissa = ILB[usize::from(log_scale as u16 >> 6 & 31)];
    let down = octaves - (log_scale >> 11);
    let shifted = if down < 0 { mantissa << -down } else { mantissa >> down };
    shifted << 2
}

/// QUANTL.
pub(super) fn quantl(el: i16, detl: i16) -> u8 {
    let magnitude = if el < 0 { !el } else { el };
    let interval = Q6.partition_point(|&level| magnitude >= threshold(level, detl));
    if el < 0 { ILN[interval] } else { ILP[interval] }
}

/// QUANTH.
pub(super) fn quanth(eh: i16, deth: i16) -> u8 {
    let magnitude = if eh < 0 { !eh } else { eh };
    let far = magnitude >= threshold(Q2, deth);
    match (eh < 0, far) {
        (true, true) => 0,
        (true, false) => 1,
        (false, true) => 2,
        (false, false) => 3,
    }
}

fn threshold(level: i16, scale: i16) -> i16 {
    multiply(level << 3, scale)
}

/// LIMIT, to 15 bits.
pub(super) fn limit(sample: i16) -> i16 {
    sample.clamp(-16_384, 16_383)
}
