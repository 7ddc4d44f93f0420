//! The reference vectors, and a chirp of our own whose outcome is pinned.

use super::*;
use crate::engine::codec::vectors::{chirp, fnv1a, le_words, vector};

fn encoded(samples: &[i16], frame: usize) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let mut codes = Vec::new();
    for frame in samples.chunks(frame) {
        encoder.encode(frame, &mut codes);
    }
    codes
}

fn decoded(codes: &[u8], mode: Mode) -> Vec<i16> {
    let mut decoder = Decoder::new(mode);
    let mut samples = Vec::new();
    for frame in codes.chunks(160) {
        decoder.decode(frame, &mut samples);
    }
    samples
}

fn digest(samples: &[i16]) -> u64 {
    fnv1a(samples.iter().flat_map(|sample| sample.to_le_bytes()))
}

#[test]
fn matches_the_itu_vectors() {
    let Some(input) = vector("g722/inpsp.bin") else {
        return;
    };
    let words = |name: &str| le_words(&vector(name).expect("the vectors come together"));
    let codes: Vec<u8> = words("g722/codspw.cod").iter().map(|&word| word as u8).collect();
    assert!(encoded(&le_words(&input), 320) == codes, "codes differ");
    for (mode, name) in [(Mode::M1, "outsp1"), (Mode::M2, "outsp2"), (Mode::M3, "outsp3")] {
        let reference = words(&format!("g722/{name}.bin"));
        let ours = decoded(&codes, mode);
        let differing = ours.iter().zip(&reference).filter(|(a, b)| a != b).count();
        assert_eq!((ours.len(), differing), (reference.len(), 0), "{name}");
    }
}

#[test]
fn our_chirp_has_its_pinned_outcome() {
    let codes = encoded(&chirp(), 320);
    assert_eq!(codes.len(), 16_000);
    assert_eq!(fnv1a(codes.iter().copied()), 0x079b_31af_be25_33c9);
    assert_eq!(digest(&decoded(&codes, Mode::M1)), 0x19f4_cd42_5fda_a096);
    assert_eq!(digest(&decoded(&codes, Mode::M2)), 0x1a24_bb8f_e252_794d);
    assert_eq!(digest(&decoded(&codes, Mode::M3)), 0x4704_1704_8874_8e8a);
}

#[test]
fn frames_of_any_size_give_the_same() {
    let chirp = chirp();
    assert!(encoded(&chirp, 320) == encoded(&chirp, 7));
}

#[test]
fn noise_of_any_kind_decodes() {
    let mut state = 1u32;
    let codes: Vec<u8> = (0..100_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    for mode in [Mode::M1, Mode::M2, Mode::M3] {
        assert_eq!(decoded(&codes, mode).len(), 200_000);
    }
    let square: Vec<i16> = (0..100_000).map(|n| if n / 37 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    assert_eq!(encoded(&square, 320).len(), 50_000);
}
