//! What both sub-bands of G.722 share: quantizers, scale factor adaptation (BLOCK 3) and the adaptive predictor (BLOCK 4,
//! §6.2.1.4 and §6.2.2.4). Arithmetic is that of the Recommendation: 16 bits, saturating, shifts towards minus infinity.
//! The predictor holds its 16 bits in wider words and saturates where a value can leave them.

use super::tables::{IL, ILB, Q2, Q6, WH, WL};

/// Poles and zeros of the predictor, with the signals that it works on, and the scale factor of the quantizer.
#[derive(Debug, Clone, Default)]
pub(super) struct Band {
    /// SL or SH: the predictor's estimate of the next sample.
    estimate: i32,
    /// DETL or DETH.
    scale: i16,
    /// NBL or NBH: logarithm of the scale.
    log_scale: i16,
    /// SZL or SZH: the zeros' part of the estimate.
    zeros_estimate: i32,
    /// AL1, AL2 or AH1, AH2.
    poles: Pair,
    /// BL1 to BL6 or BH1 to BH6.
    zeros: [i32; 6],
    /// DLT1 to DLT6 or DH1 to DH6, doubled: quantized differences, newest first.
    differences: [i32; 6],
    /// RLT1 or RH1, doubled: the last reconstructed signal.
    reconstructed: i32,
    /// PLT1, PLT2 or PH1, PH2: the last partly reconstructed signals.
    partly: Pair,
}

/// What belongs to the last sample and the one before.
#[derive(Debug, Clone, Default)]
struct Pair {
    last: i32,
    before: i32,
}

impl Band {
    /// The state of reset with the smallest scale factor.
    pub(super) fn new(scale: i16) -> Self {
        Self { scale, ..Self::default() }
    }

    pub(super) fn estimate(&self) -> i16 {
        self.estimate as i16
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
        let difference = i32::from(difference);
        let reconstructed = saturate(self.estimate + difference); // RECONS
        let partly = saturate(self.zeros_estimate + difference); // PARREC
        self.adapt_poles(partly);
        self.adapt_zeros(difference);
        let poles = self.filter_poles(saturate(2 * reconstructed));
        self.zeros_estimate = self.filter_zeros();
        self.estimate = saturate(poles + self.zeros_estimate); // PREDIC
    }

    /// UPPOL2 and UPPOL1, and DELAYA for the partly reconstructed signals.
    fn adapt_poles(&mut self, partly: i32) {
        let last = self.partly.last ^ partly;
        let before = self.partly.before ^ partly;
        let gain = (-signed(saturate(4 * self.poles.last), last)).min(32_767) >> 7;
        let second = gain + signed(128, before) + product(self.poles.before, 32_512);
        let second = second.clamp(-12_288, 12_288);
        let bound = 15_360 - second;
        let first = signed(192, last) + product(self.poles.last, 32_640);
        self.poles.last = first.clamp(-bound, bound);
        self.poles.before = second;
        self.partly.before = self.partly.last;
        self.partly.last = partly;
    }

    /// UPZERO, and DELAYA for the differences. No zero can leave 16 bits, since it leaks as much as it steps.
    fn adapt_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        let [d1, d2, d3, d4, d5, _] = self.differences;
        for (zero, before) in self.zeros.iter_mut().zip(self.differences) {
            *zero = product(*zero, 32_640) + signed(step, before ^ difference);
        }
        self.differences = [saturate(2 * difference), d1, d2, d3, d4, d5];
    }

    /// FILTEP, and DELAYA for the reconstructed signal; it comes doubled.
    fn filter_poles(&mut self, reconstructed: i32) -> i32 {
        let first = product(self.poles.last, reconstructed);
        let second = product(self.poles.before, self.reconstructed);
        self.reconstructed = reconstructed;
        saturate(first + second)
    }

    /// FILTEZ, which adds up from the oldest.
    fn filter_zeros(&self) -> i32 {
        let part = |i: usize| product(self.zeros[i], self.differences[i]);
        let (mut sum, mut outside) = (0, 0);
        for i in (0..6).rev() {
            sum += part(i);
            outside |= (sum + 32_768) & !0xFFFF;
        }
        if outside == 0 {
            return sum;
        }
        // Rare: some sum on the way had to saturate.
        (0..6).rev().fold(0, |sum, i| saturate(sum + part(i)))
    }
}

/// `value` with the sign of `sign`, which is a product or an exclusive or of two signs. Free of branches: signs are noise.
fn signed(value: i32, sign: i32) -> i32 {
    let mask = sign >> 31;
    (value ^ mask) - mask
}

fn saturate(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}

/// The product of two fractions in Q15. Saturation is not needed: no factors of ours are −1 and −1.
fn product(a: i32, b: i32) -> i32 {
    (a * b) >> 15
}

/// The same in 16 bits.
pub(super) fn multiply(a: i16, b: i16) -> i16 {
    product(a.into(), b.into()) as i16
}

/// The scale factor from its logarithm: a table within the octave, a shift for the octaves.
fn linear(log_scale: i16, octaves: i16) -> i16 {
    let mantissa = ILB[usize::from(log_scale as u16 >> 6 & 31)];
    let down = octaves - (log_scale >> 11);
    let shifted = if down < 0 { mantissa << -down } else { mantissa >> down };
    shifted << 2
}

/// QUANTL. Counting all levels that are reached beats searching for the highest: it does without branches.
pub(super) fn quantl(el: i16, detl: i16) -> u8 {
    let magnitude = magnitude(el);
    let reached = Q6.map(|level| u16::from(magnitude >= threshold(level, detl)));
    let interval: u16 = reached.iter().sum();
    IL[usize::from(el < 0)][usize::from(interval)]
}

/// QUANTH.
pub(super) fn quanth(eh: i16, deth: i16) -> u8 {
    let far = magnitude(eh) >= threshold(Q2, deth);
    3 - 2 * u8::from(eh < 0) - u8::from(far)
}

/// One's complement, so that −1 is as small as 0.
fn magnitude(difference: i16) -> i16 {
    difference ^ (difference >> 15)
}

/// A decision level, of Q12, times the scale factor.
fn threshold(level: u16, scale: i16) -> i16 {
    ((u32::from(level << 4) * u32::from(scale as u16)) >> 16) as i16
}

/// LIMIT, to 15 bits.
pub(super) fn limit(sample: i16) -> i16 {
    sample.clamp(-16_384, 16_383)
}
