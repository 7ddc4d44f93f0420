//! Session descriptions (RFC 8866) between their text and the document on the REST wire.
//!
//! Reading is tolerant: a line that cannot be understood is dropped or kept as an attribute, bytes that are not UTF-8
//! are Latin-1, and line order does not matter within the session or a media. Writing is strict: RFC order, CRLF, never
//! truncated, and no value can end its line. Negotiation (RFC 3264) is not done here.

mod parse;
mod print;
#[cfg(test)]
mod tests;

use api::Sdp;
use api::sdp::{Connection, Direction, Media};

pub use parse::parse;
pub use print::print;

/// Keys of the document that an attribute of the same name must not shadow.
const FIELDS: &[&str] = &[
    "media",
    "port",
    "numports",
    "proto",
    "payloads",
    "formats",
    "i",
    "c",
    "b",
    "direction",
    "rtpmap",
    "fmtp",
    "ptime",
    "maxptime",
];

/// What stands before the name of an attribute that is named like a field.
const ESCAPE: &str = "a=";

/// The far end wants no audio from us: an audio media is inactive or sendonly, or its address is null (RFC 3264 §8.4).
pub fn is_hold(sdp: &Sdp) -> bool {
    let mut audio =
        sdp.m.iter().filter(|media| media.media.eq_ignore_ascii_case("audio") && media.port != 0).peekable();
    let null_origin = sdp.o.as_ref().is_some_and(|origin| origin.address == "0.0.0.0");
    (audio.peek().is_some() && null_origin) || audio.any(|media| holds(sdp, media))
}

fn holds(sdp: &Sdp, media: &Media) -> bool {
    let session = sdp.a.as_ref().and_then(|attributes| attributes.direction);
    let direction = media.a.direction.or(session).unwrap_or_default();
    let null = |connection: &Connection| connection.address.split('/').next() == Some("0.0.0.0");
    matches!(direction, Direction::Inactive | Direction::SendOnly)
        || media.c.first().or(sdp.c.first()).is_some_and(null)
}
