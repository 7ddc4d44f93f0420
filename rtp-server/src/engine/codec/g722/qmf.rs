//! The quadrature mirror filters of G.722 §3.1 and §4.4: 24 taps that part 16 kHz audio into two bands at 8 kHz each,
//! and put them together again.

/// Even taps of the filter (table 11); read backwards they are the odd ones.
const TAPS: [i16; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

const ODD_TAPS: [i16; 12] = {
    let mut taps = TAPS;
    let mut i = 0;
    while i < taps.len() {
        taps[i] = TAPS[TAPS.len() - 1 - i];
        i += 1;
    }
    taps
};

/// The transmit filter as both bands see it: sum and difference of the even and odd taps' products.
const LOW: [i16; 24] = interleaved(1);
const HIGH: [i16; 24] = interleaved(-1);

const fn interleaved(sign_of_even: i16) -> [i16; 24] {
    let mut taps = [0; 24];
    let mut i = 0;
    while i < 12 {
        taps[2 * i] = sign_of_even * TAPS[i];
        taps[2 * i + 1] = ODD_TAPS[i];
        i += 1;
    }
    taps
}

/// Samples that the filter remembers between two pairs.
const HISTORY: usize = LOW.len() - 2;

/// The transmit QMF.
#[derive(Debug, Clone)]
pub(super) struct Transmit {
    line: Vec<i16>,
}

impl Default for Transmit {
    fn default() -> Self {
        Self { line: vec![0; HISTORY] }
    }
}

impl Transmit {
    /// Calls `each` with one sample of both bands, of 15 bits, for every two samples.
    pub(super) fn split(&mut self, samples: &[i16], mut each: impl FnMut(i16, i16)) {
        self.line.extend_from_slice(samples);
        for window in self.line.array_windows::<{ LOW.len() }>().step_by(2) {
            each(limit(products(window, &LOW) >> 14), limit(products(window, &HIGH) >> 14));
        }
        let consumed = (self.line.len() - HISTORY) / 2 * 2;
        self.line.drain(..consumed);
    }
}

/// The receive QMF, its two delay lines with the newest sample last.
#[derive(Debug, Clone, Default)]
pub(super) struct Receive {
    differences: [i16; 12],
    sums: [i16; 12],
}

impl Receive {
    /// Two samples from one of each band; both are of 15 bits.
    pub(super) fn join(&mut self, rl: i16, rh: i16) -> [i16; 2] {
        shift(&mut self.differences, rl.saturating_sub(rh));
        shift(&mut self.sums, rl.saturating_add(rh));
        let first = products(&self.differences, &ODD_TAPS) >> 11;
        let second = products(&self.sums, &TAPS) >> 11;
        [saturate(first), saturate(second)]
    }
}

fn saturate(sample: i32) -> i16 {
    sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

fn shift(line: &mut [i16; 12], newest: i16) {
    line.copy_within(1.., 0);
    line[11] = newest;
}

/// The taps' magnitudes add up to 12 964, so the sum stays far under 2³¹.
fn products<const N: usize>(samples: &[i16; N], taps: &[i16; N]) -> i32 {
    let pairs = samples.iter().zip(taps);
    pairs.map(|(&sample, &tap)| i32::from(sample) * i32::from(tap)).sum()
}

/// LOWT and HIGHT keep to 15 bits.
fn limit(sample: i32) -> i16 {
    sample.clamp(-16_384, 16_383) as i16
}
