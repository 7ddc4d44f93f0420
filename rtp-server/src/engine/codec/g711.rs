//! G.711: µ-law and A-law companding (ITU-T G.711, RFC 3551 §4.5.14), and the direct conversion between the two laws
//! (tables 3 and 4 of G.711), which is transparent when it is undone. No appendices: no concealment, no comfort noise.

use audio_codec_algorithms as laws;

/// Appends the µ-law codes of `samples` to `out`.
pub fn encode_ulaw(samples: &[i16], out: &mut Vec<u8>) {
    out.extend(samples.iter().map(|&sample| laws::encode_ulaw(sample)));
}

/// Appends the A-law codes of `samples` to `out`.
pub fn encode_alaw(samples: &[i16], out: &mut Vec<u8>) {
    out.extend(samples.iter().map(|&sample| laws::encode_alaw(sample)));
}

/// Appends the linear samples of the µ-law `codes` to `out`.
pub fn decode_ulaw(codes: &[u8], out: &mut Vec<i16>) {
    out.extend(codes.iter().map(|&code| laws::decode_ulaw(code)));
}

/// Appends the linear samples of the A-law `codes` to `out`.
pub fn decode_alaw(codes: &[u8], out: &mut Vec<i16>) {
    out.extend(codes.iter().map(|&code| laws::decode_alaw(code)));
}

/// The A-law code of each µ-law code (G.711 table 3).
pub const ULAW_TO_ALAW: [u8; 256] = both_signs(&[
    42, 43, 40, 41, 46, 47, 44, 45, 34, 35, 32, 33, 38, 39, 36, 37, //
    58, 59, 56, 57, 62, 63, 60, 61, 50, 51, 48, 49, 54, 55, 52, 53, //
    10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, //
    27, 24, 25, 30, 31, 28, 29, 18, 19, 16, 17, 22, 23, 20, 21, 106, //
    104, 105, 110, 111, 108, 109, 98, 99, 96, 97, 102, 103, 100, 101, 122, 120, //
    126, 127, 124, 125, 114, 115, 112, 113, 118, 119, 116, 117, 75, 73, 79, 77, //
    66, 67, 64, 65, 70, 71, 68, 69, 90, 91, 88, 89, 94, 95, 92, 93, //
    82, 82, 83, 83, 80, 80, 81, 81, 86, 86, 87, 87, 84, 84, 85, 85, //
]);

/// The µ-law code of each A-law code (G.711 table 4).
pub const ALAW_TO_ULAW: [u8; 256] = both_signs(&[
    42, 43, 40, 41, 46, 47, 44, 45, 34, 35, 32, 33, 38, 39, 36, 37, //
    57, 58, 55, 56, 61, 62, 59, 60, 49, 50, 48, 48, 53, 54, 51, 52, //
    10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, //
    26, 27, 24, 25, 30, 31, 28, 29, 18, 19, 16, 17, 22, 23, 20, 21, //
    98, 99, 96, 97, 102, 103, 100, 101, 93, 93, 92, 92, 95, 95, 94, 94, //
    116, 118, 112, 114, 124, 126, 120, 122, 106, 107, 104, 105, 110, 111, 108, 109, //
    72, 73, 70, 71, 76, 77, 74, 75, 64, 65, 63, 63, 68, 69, 66, 67, //
    86, 87, 84, 85, 90, 91, 88, 89, 79, 79, 78, 78, 82, 83, 80, 81, //
]);

/// Both laws keep the sign in the top bit and treat the signs alike, so half a table says it all.
const fn both_signs(magnitudes: &[u8; 128]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 128 {
        table[code] = magnitudes[code];
        table[code + 128] = magnitudes[code] | 0x80;
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::codec::vectors::{fnv1a, le_words, vector};

    fn every_sample() -> Vec<i16> {
        (i16::MIN..=i16::MAX).collect()
    }

    fn every_code() -> Vec<u8> {
        (0..=u8::MAX).collect()
    }

    fn encoded(encode: fn(&[i16], &mut Vec<u8>), samples: &[i16]) -> Vec<u8> {
        let mut codes = Vec::new();
        encode(samples, &mut codes);
        codes
    }

    fn decoded(decode: fn(&[u8], &mut Vec<i16>), codes: &[u8]) -> Vec<i16> {
        let mut samples = Vec::new();
        decode(codes, &mut samples);
        samples
    }

    fn digest(samples: &[i16]) -> u64 {
        fnv1a(samples.iter().flat_map(|sample| sample.to_le_bytes()))
    }

    #[test]
    fn every_input_has_its_pinned_output() {
        assert_eq!(fnv1a(encoded(encode_ulaw, &every_sample())), 0x04ec_1f08_3fd7_8c2d);
        assert_eq!(fnv1a(encoded(encode_alaw, &every_sample())), 0xf030_666e_b780_cf25);
        assert_eq!(digest(&decoded(decode_ulaw, &every_code())), 0xb91e_65d6_8481_a1a8);
        assert_eq!(digest(&decoded(decode_alaw, &every_code())), 0x693a_40ca_62a3_d2a5);
    }

    #[test]
    fn matches_the_itu_sweeps() {
        let Some(source) = vector("g711/sweep.src") else {
            return;
        };
        let source = le_words(&source);
        let sweep = |name: &str| le_words(&vector(name).expect("the sweeps come together"));
        let words = |codes: &[u8]| codes.iter().map(|&code| i16::from(code)).collect::<Vec<_>>();
        let ulaw = encoded(encode_ulaw, &source);
        let alaw = encoded(encode_alaw, &source);
        assert_eq!(words(&ulaw), sweep("g711/sweep-r.u"));
        assert_eq!(words(&alaw), sweep("g711/sweep-r.a"));
        assert_eq!(decoded(decode_ulaw, &ulaw), sweep("g711/sweep-r.reu"));
        assert_eq!(decoded(decode_alaw, &alaw), sweep("g711/sweep-r.rea"));
    }

    #[test]
    fn a_tandem_of_one_law_loses_nothing() {
        let once = decoded(decode_alaw, &every_code());
        assert_eq!(encoded(encode_alaw, &once), every_code());
        let once = decoded(decode_ulaw, &every_code());
        let again = decoded(decode_ulaw, &encoded(encode_ulaw, &once));
        assert_eq!(again, once);
    }

    #[test]
    fn conversion_between_the_laws_stays_near() {
        for code in every_code() {
            assert_eq!(ULAW_TO_ALAW[usize::from(code)], laws::convert_ulaw_to_alaw(code));
            assert_eq!(ALAW_TO_ULAW[usize::from(code)], laws::convert_alaw_to_ulaw(code));
            let from = i32::from(laws::decode_ulaw(code));
            let to = i32::from(laws::decode_alaw(ULAW_TO_ALAW[usize::from(code)]));
            assert!((from - to).abs() <= from.abs() / 20 + 16, "{code}: {from} became {to}");
        }
    }
}
