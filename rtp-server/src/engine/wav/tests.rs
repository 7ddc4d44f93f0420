//! Headers good and bad.

use super::*;

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes.extend(std::iter::repeat_n(0, body.len() % 2));
    bytes
}

fn fmt(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let alignment = channels * bits / 8;
    let mut body = Vec::new();
    body.extend_from_slice(&tag.to_le_bytes());
    body.extend_from_slice(&channels.to_le_bytes());
    body.extend_from_slice(&rate.to_le_bytes());
    body.extend_from_slice(&(rate * u32::from(alignment)).to_le_bytes());
    body.extend_from_slice(&alignment.to_le_bytes());
    body.extend_from_slice(&bits.to_le_bytes());
    body
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"WAVE".to_vec(), chunks.concat()].concat();
    chunk(b"RIFF", &body)
}

fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    riff(&[chunk(b"fmt ", &fmt(tag, channels, rate, bits)), chunk(b"data", data)])
}

#[test]
fn what_is_written_reads_back() {
    let samples = [0, 1, -1, i16::MAX, i16::MIN];
    let bytes = write(&samples, 8_000);
    assert_eq!(bytes.len(), 44 + 10);
    assert_eq!(bytes, wav(Format::PCM, 1, 8_000, 16, &bytes[44..]));
    let sound = parse(&bytes).unwrap();
    assert_eq!(sound.rate, 8_000);
    assert_eq!(*sound.samples, samples);
}

#[test]
fn hound_reads_what_is_written() {
    let samples = [5, -5, 1_000];
    let bytes = write(&samples, 16_000);
    let mut reader = hound::WavReader::new(&bytes[..]).unwrap();
    assert_eq!(reader.spec().sample_rate, 16_000);
    let read: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    assert_eq!(read, samples);
}

#[test]
fn each_encoding_is_read() {
    let cases: [(u16, u16, &[u8], &[i16]); 6] = [
        (Format::PCM, 8, &[0, 128, 255], &[-32_768, 0, 32_512]),
        (Format::PCM, 16, &[1, 0, 0, 0x80], &[1, -32_768]),
        (Format::PCM, 24, &[9, 1, 0, 0, 0, 0x80], &[1, -32_768]),
        (Format::PCM, 32, &[9, 9, 1, 0, 0, 0, 0, 0x80], &[1, -32_768]),
        (Format::ALAW, 8, &[0xD5, 0x2A], &[8, -32_256]),
        (Format::ULAW, 8, &[0xFF, 0x00], &[0, -32_124]),
    ];
    for (tag, bits, data, samples) in cases {
        let sound = parse(&wav(tag, 1, 8_000, bits, data)).unwrap();
        assert_eq!(*sound.samples, *samples, "tag {tag} with {bits} bits");
    }
}

#[test]
fn g722_decodes_to_16_khz_whatever_the_header_says() {
    for tag in Format::G722 {
        let sound = parse(&wav(tag, 1, 8_000, 8, &[0xFA; 160])).unwrap();
        assert_eq!((sound.rate, sound.samples.len()), (16_000, 320));
    }
}

#[test]
fn an_extensible_format_is_what_its_guid_says() {
    let mut body = fmt(Format::EXTENSIBLE, 1, 8_000, 16);
    body.extend_from_slice(&[22, 0, 16, 0, 4, 0, 0, 0]);
    body.extend_from_slice(b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71");
    let bytes = riff(&[chunk(b"fmt ", &body), chunk(b"data", &[7, 0])]);
    assert_eq!(*parse(&bytes).unwrap().samples, [7]);
}

#[test]
fn stereo_is_folded() {
    let bytes = wav(Format::PCM, 2, 8_000, 16, &[100, 0, 50, 0, 0, 0x80, 0, 0x80]);
    assert_eq!(*parse(&bytes).unwrap().samples, [75, -32_768]);
}

#[test]
fn other_chunks_are_passed_over() {
    let list = chunk(b"LIST", b"INFOx");
    let format = chunk(b"fmt ", &fmt(Format::PCM, 1, 8_000, 16));
    let data = chunk(b"data", &[3, 0]);
    for order in [[&list, &format, &data], [&format, &list, &data], [&data, &list, &format]] {
        let bytes = riff(&order.map(Clone::clone));
        assert_eq!(*parse(&bytes).unwrap().samples, [3]);
    }
}

#[test]
fn a_wrong_length_ends_with_the_file() {
    for length in [0u32, 54, 1_000_000, u32::MAX] {
        let mut bytes = write(&[1, 2, 3, 4, 5], 8_000);
        bytes[40..44].copy_from_slice(&length.to_le_bytes());
        assert_eq!(*parse(&bytes).unwrap().samples, [1, 2, 3, 4, 5], "length {length}");
    }
}

#[test]
fn the_old_header_of_40_bytes_loses_no_sample() {
    let mut bytes = write(&[4, 0, 3, 4, 5], 8_000);
    bytes.drain(40..44);
    bytes[4..8].copy_from_slice(&10u32.to_le_bytes());
    assert_eq!(*parse(&bytes).unwrap().samples, [4, 0, 3, 4, 5]);
}

#[test]
fn what_cannot_be_played_is_refused() {
    let good = write(&[1], 8_000);
    assert_eq!(parse(b"").unwrap_err(), WavError::Riff);
    assert_eq!(parse(b"RIFFxxxxAVI ").unwrap_err(), WavError::Wave);
    assert_eq!(parse(&good[..30]).unwrap_err(), WavError::Format);
    assert_eq!(parse(&good[..36]).unwrap_err(), WavError::DataHeader);
    let refused = |tag, channels, rate, bits| parse(&wav(tag, channels, rate, bits, &[0; 8])).unwrap_err();
    assert_eq!(refused(3, 1, 8_000, 32), WavError::Encoding { tag: 3, bits: 32 });
    assert_eq!(refused(1, 1, 8_000, 12), WavError::Encoding { tag: 1, bits: 12 });
    assert_eq!(refused(1, 0, 8_000, 16), WavError::Channels);
    assert_eq!(refused(1, 1, 3_999, 16), WavError::Rate(3_999));
    assert_eq!(refused(1, 1, 96_001, 16), WavError::Rate(96_001));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(tail: Vec<u8>, cut in 0..60usize) {
        let mut bytes = write(&[1, 2, 3, 4, 5, 6, 7, 8], 8_000);
        bytes.truncate(cut);
        bytes.extend(tail);
        let _ = parse(&bytes);
    }
}
