//! Streams cut into messages, however they arrive in pieces.

use super::*;

#[derive(Debug, Default, PartialEq, Eq)]
struct Cut {
    messages: Vec<String>,
    error: Option<FramingError>,
    pings: usize,
}

fn drain(framer: &mut Framer, cut: &mut Cut) {
    while cut.error.is_none() {
        match framer.next_message() {
            Some(Ok(message)) => cut.messages.push(String::from_utf8(message.to_vec()).unwrap()),
            Some(Err(error)) => cut.error = Some(error),
            None => break,
        }
    }
    cut.pings += framer.take_pings();
}

fn cut<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Cut {
    let (mut framer, mut cut) = (Framer::default(), Cut::default());
    for piece in pieces {
        framer.push(piece);
        drain(&mut framer, &mut cut);
    }
    cut
}

/// The stream whole, byte by byte, and split in two at every byte.
fn every_way(stream: &str) -> Cut {
    let stream = stream.as_bytes();
    let whole = cut([stream]);
    assert_eq!(cut(stream.chunks(1)), whole, "byte by byte");
    for at in 0..stream.len() {
        assert_eq!(cut([&stream[..at], &stream[at..]]), whole, "split at {at}");
    }
    whole
}

#[test]
fn content_length_cuts_the_stream() {
    for (stream, messages) in [
        ("A\r\nContent-Length: 0\r\n\r\n", vec!["A\r\nContent-Length: 0\r\n\r\n"]),
        ("A\r\nl:3\r\n\r\nabcB\r\nL : 1\r\n\r\nx", vec!["A\r\nl:3\r\n\r\nabc", "B\r\nL : 1\r\n\r\nx"]),
        ("A\r\nCONTENT-length:\r\n 2\r\nX: y\r\n\r\n\r\n", vec!["A\r\nCONTENT-length:\r\n 2\r\nX: y\r\n\r\n\r\n"]),
        ("A\nl: 4\n\nabcdB", vec!["A\nl: 4\n\nabcd"]),
        ("A\r\nl: 007\r\nl: 7\r\n\r\n1234567", vec!["A\r\nl: 007\r\nl: 7\r\n\r\n1234567"]),
        ("A\r\nX: Content-Length: 9\r\nl: 1\r\n\r\nz", vec!["A\r\nX: Content-Length: 9\r\nl: 1\r\n\r\nz"]),
        ("A\r\nl: 5\r\n\r\nfour", vec![]),
        ("A\r\nl: 5\r\n", vec![]),
        ("", vec![]),
    ] {
        let cut = every_way(stream);
        assert_eq!((cut.messages, cut.error), (messages.iter().map(ToString::to_string).collect(), None), "{stream:?}");
    }
}

#[test]
fn line_ends_between_messages_are_skipped_and_pings_counted() {
    for (stream, messages, pings) in [
        ("\r\n\r\n", 0, 1),
        ("\r\n\r\n\r\n\r\n", 0, 2),
        ("\r\nA\r\nl:0\r\n\r\n", 1, 0),
        ("\r\n\r\n\r\nA\r\nl:0\r\n\r\n", 1, 1),
        ("A\r\nl:0\r\n\r\n\r\n\r\nB\r\nl:0\r\n\r\n", 2, 1),
        ("\n\0\rA\r\nl:0\r\n\r\n", 1, 0),
        ("A\r\nl:4\r\n\r\n\r\n\r\n", 1, 0),
    ] {
        let cut = every_way(stream);
        assert_eq!((cut.messages.len(), cut.pings, cut.error), (messages, pings, None), "{stream:?}");
    }
}

#[test]
fn half_a_ping_is_no_message() {
    for (stream, is_within) in
        [("", false), ("\r\n", false), ("\r\n\r\n\r", false), ("\r\nA", true), ("A\r\nl:1\r\n\r\n", true)]
    {
        let mut framer = Framer::default();
        framer.push(stream.as_bytes());
        assert_eq!(framer.next_message(), None);
        assert_eq!(framer.is_within_message(), is_within, "{stream:?}");
    }
}

#[test]
fn a_length_that_cannot_be_trusted_ends_the_stream_after_the_head() {
    for (stream, error) in [
        ("A\r\nX: y\r\n\r\nbody", FramingError::NoContentLength),
        ("A\r\nl: x\r\n\r\nbody", FramingError::BadContentLength),
        ("A\r\nl: -1\r\n\r\nbody", FramingError::BadContentLength),
        ("A\r\nl: +1\r\n\r\nbody", FramingError::BadContentLength),
        ("A\r\nl:\r\n\r\nbody", FramingError::BadContentLength),
        ("A\r\nl: 1, 1\r\n\r\nbody", FramingError::BadContentLength),
        ("A\r\nl: 1\r\nl: 2\r\n\r\nbody", FramingError::BadContentLength),
        ("A\r\nl: 65537\r\n\r\nbody", FramingError::BodyTooLong),
        ("A\r\nl: 99999999999999999999999\r\n\r\nbody", FramingError::BodyTooLong),
    ] {
        let cut = every_way(stream);
        let head = stream.strip_suffix("body").unwrap().to_owned();
        assert_eq!((cut.messages, cut.error), (vec![head], Some(error)), "{stream:?}");
    }
}

#[test]
fn a_head_has_a_limit() {
    let longest = format!("A\r\nl: 0\r\nX: {}\r\n\r\n", "x".repeat(HEAD_BYTES - 16));
    assert_eq!(longest.len(), HEAD_BYTES);
    assert_eq!(cut([longest.as_bytes()]).messages, std::slice::from_ref(&longest));
    assert_eq!(cut(longest.as_bytes().chunks(1000)).messages, std::slice::from_ref(&longest));
    let longer = longest.replace("X:", "X: ");
    let expected = Cut { error: Some(FramingError::HeadTooLong), ..Cut::default() };
    assert_eq!(cut([longer.as_bytes()]), expected);
    assert_eq!(cut([[b'x'; HEAD_BYTES + 1].as_slice(), b"\r\n\r\n"]), expected);
}

#[test]
fn the_longest_body_passes() {
    let stream = format!("A\r\nl: {BODY_BYTES}\r\n\r\n{}", "b".repeat(BODY_BYTES));
    assert_eq!(cut(stream.as_bytes().chunks(4096)).messages, [stream]);
}

proptest::proptest! {
    #[test]
    fn no_stream_panics_and_pieces_do_not_matter(words in proptest::collection::vec(0..10_usize, 0..30), at: usize) {
        const WORDS: [&str; 10] = ["\r\n", "\r", "\n", "l:", "2", "9", "Content-Length: 1", "A", " ", "\0"];
        let stream: String = words.iter().map(|&word| WORDS[word]).collect();
        let at = at % (stream.len() + 1);
        let (one, two) = stream.as_bytes().split_at(at);
        proptest::prop_assert_eq!(cut([one, two]), cut([stream.as_bytes()]));
    }
}
