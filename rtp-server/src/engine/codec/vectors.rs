//! What the codecs' tests share: the reference vectors, which are there or not, and the digest that pins our own.

use std::path::Path;

/// Reads a reference vector, when this checkout has them.
pub(crate) fn vector(name: &str) -> Option<Vec<u8>> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    ["shared", "../shared", "../../shared"]
        .iter()
        .find_map(|place| std::fs::read(checkout.join(place).join("vectors").join(name)).ok())
}

/// 16-bit little-endian words.
pub(crate) fn le_words(bytes: &[u8]) -> Vec<i16> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().map(|&pair| i16::from_le_bytes(pair)).collect()
}

/// FNV-1a, 64 bits.
pub(crate) fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Two seconds that climb from 100 Hz to 7 kHz, made of integers alone so that every machine makes the same.
pub(crate) fn chirp() -> Vec<i16> {
    let mut phase: u32 = 0;
    (0..32_000u32)
        .map(|n| {
            let hertz = 100 + n * 6_900 / 32_000;
            phase = phase.wrapping_add(hertz * 268_435); // 2^32 / 16 000
            parabola(phase)
        })
        .collect()
}

/// A sine's shape from two parabolas.
fn parabola(phase: u32) -> i16 {
    let x = i64::from(phase as i32) >> 16;
    let y = x * (32_768 - x.abs()) * 4 / 32_768;
    (y * 3 / 4).clamp(-32_768, 32_767) as i16
}
