//! Tones through the filters, measured.

use super::*;

fn tone(hertz: f64, rate: u32, count: usize) -> Vec<i16> {
    (0..count).map(|n| (10_000.0 * (2.0 * PI * hertz * n as f64 / f64::from(rate)).sin()) as i16).collect()
}

/// Level at one frequency in dB below the tones above, over whole seconds.
fn level(samples: &[i16], hertz: f64, rate: u32) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let angle = 2.0 * PI * hertz * n as f64 / f64::from(rate);
        re += f64::from(sample) * angle.cos();
        im += f64::from(sample) * angle.sin();
    }
    let amplitude = 2.0 * f64::hypot(re, im) / samples.len() as f64;
    20.0 * (amplitude / 10_000.0 + 1e-9).log10()
}

fn down(samples: &[i16], frame: usize) -> Vec<i16> {
    let mut downsampler = Downsampler::default();
    let mut out = Vec::new();
    for frame in samples.chunks(frame) {
        downsampler.process(frame, &mut out);
    }
    out
}

fn up(samples: &[i16], frame: usize) -> Vec<i16> {
    let mut upsampler = Upsampler::default();
    let mut out = Vec::new();
    for frame in samples.chunks(frame) {
        upsampler.process(frame, &mut out);
    }
    out
}

#[test]
fn taps_are_those_of_the_formula() {
    let bessel = |x: f64| {
        let terms = (1..40).scan(1.0, |term, k| {
            *term *= (x / 2.0 / f64::from(k)).powi(2);
            Some(*term)
        });
        1.0 + terms.sum::<f64>()
    };
    for (tap, n) in TAPS.iter().zip((-31..=31).step_by(2).map(f64::from)) {
        let kaiser = bessel(6.5 * (1.0 - (n / 31.0).powi(2)).sqrt()) / bessel(6.5);
        let exact = 32_768.0 * 0.5 * sinc(n / 2.0) * kaiser;
        assert!((f64::from(*tap) - exact).abs() <= 1.0, "{n}: {tap} for {exact}");
    }
    assert_eq!(TAPS.iter().map(|&tap| i32::from(tap)).sum::<i32>(), 1 << 14);
}

#[test]
fn the_voice_band_passes_down_flat() {
    for hertz in [100.0, 1_000.0, 2_000.0, 3_000.0, 3_400.0] {
        let out = down(&tone(hertz, 16_000, 17_000), 320);
        assert_eq!(out.len(), 8_500);
        let gain = level(&out[500..], hertz, 8_000);
        assert!(gain.abs() < 0.1, "{hertz} Hz: {gain} dB");
    }
}

#[test]
fn what_would_alias_is_gone() {
    for hertz in [4_600.0, 5_000.0, 6_000.0, 7_000.0, 7_900.0] {
        let out = down(&tone(hertz, 16_000, 17_000), 320);
        let alias = level(&out[500..], 8_000.0 - hertz, 8_000);
        assert!(alias < -60.0, "{hertz} Hz: {alias} dB");
    }
}

#[test]
fn going_up_leaves_no_image() {
    for hertz in [100.0, 1_000.0, 3_000.0, 3_400.0] {
        let out = up(&tone(hertz, 8_000, 8_500), 160);
        assert_eq!(out.len(), 17_000);
        let gain = level(&out[1_000..], hertz, 16_000);
        let image = level(&out[1_000..], 8_000.0 - hertz, 16_000);
        assert!(gain.abs() < 0.1, "{hertz} Hz: {gain} dB");
        assert!(image < -60.0, "{hertz} Hz: image at {image} dB");
    }
}

#[test]
fn frames_of_any_size_give_the_same() {
    let narrow = tone(440.0, 8_000, 1_000);
    assert_eq!(up(&narrow, 160), up(&narrow, 7));
    let wide = tone(440.0, 16_000, 2_000);
    assert_eq!(down(&wide, 320), down(&wide, 7));
}

#[test]
fn extremes_saturate() {
    let square: Vec<i16> = (0..1_600).map(|n| if n / 8 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    assert!(up(&square, 160).contains(&i16::MAX));
    assert!(down(&square, 160).contains(&i16::MIN));
    assert!(convert(&square, 44_100, 8_000).contains(&i16::MAX));
}

#[test]
fn recordings_keep_pitch_and_length_at_any_rate() {
    for (from, to) in
        [(11_025, 8_000), (44_100, 8_000), (44_100, 16_000), (8_000, 16_000), (16_000, 8_000), (4_000, 8_000)]
    {
        let out = convert(&tone(1_000.0, from, 2 * from as usize), from, to);
        assert_eq!(out.len(), 2 * to as usize);
        let gain = level(&out[to as usize / 2..][..to as usize], 1_000.0, to);
        assert!(gain.abs() < 0.1, "{from} to {to}: {gain} dB");
    }
    let alias = convert(&tone(5_000.0, 44_100, 88_200), 44_100, 8_000);
    let alias = level(&alias[4_000..12_000], 3_000.0, 8_000);
    assert!(alias < -60.0, "{alias} dB");
}

#[test]
fn nothing_in_gives_nothing() {
    assert!(convert(&[], 44_100, 8_000).is_empty());
    assert!(convert(&[1], 0, 8_000).is_empty());
    assert_eq!(convert(&[1_000], 8_000, 8_000), [1_000]);
}
