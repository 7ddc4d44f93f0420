//! The messages of `testfiles/torture` (after RFC 4475 and RFC 5118, and our own), each with its verdict in
//! `index.txt`: name, class, and the status with which it is refused.
//!
//! `ok` and `app` are well-formed; `app` may still be refused for what it asks. `bad` is refused; `drop` is a response
//! that is dropped, for responses are not answered.

use std::path::Path;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::core::message::{Headers, Malformed, Message, Name, NameAddr, Via, frame_length, parse_datagram};

struct Case {
    name: String,
    class: String,
    refusal: String,
    bytes: Bytes,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testfiles/torture");
    let index = std::fs::read_to_string(folder.join("index.txt")).unwrap();
    let read = |line: &str| {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let [name, class, refusal] = words.try_into().unwrap();
        let bytes = std::fs::read(folder.join(format!("{name}.dat"))).unwrap().into();
        Case { name, class, refusal, bytes }
    };
    index.lines().map(read).collect()
}

/// How the bytes are received: `-` when they are acted upon.
fn verdict(bytes: &Bytes) -> String {
    let refused = |malformed: Malformed| match malformed.request {
        Some(_) => malformed.status.to_string(),
        None => format!("{}, unanswerable", malformed.status),
    };
    match parse_datagram(bytes) {
        Ok(Message::Request(request)) => match request.validate() {
            Ok(()) => "-".to_owned(),
            Err(malformed) => malformed.status.to_string(),
        },
        Ok(Message::Response(response)) if response.validate() => "-".to_owned(),
        Ok(Message::Response(_)) => "drop".to_owned(),
        Err(_) if bytes.starts_with(b"SIP/") => "drop".to_owned(),
        Err(malformed) => refused(malformed),
    }
}

#[test]
fn each_message_gets_its_verdict() {
    for case in cases() {
        assert_eq!(verdict(&case.bytes), case.refusal, "{}", case.name);
        assert!(case.class != "ok" || case.refusal == "-", "{}", case.name);
        assert!(case.class != "bad" || case.refusal != "-", "{}", case.name);
    }
}

/// Everything that a typed view can say about a message, read without a thought for its verdict.
fn read_all(headers: &Headers) -> usize {
    let addresses = [Name::Contact, Name::Route, Name::RecordRoute, Name::ReferTo, Name::PAssertedIdentity];
    let found: usize = addresses.into_iter().map(|name| headers.name_addrs(name).len()).sum();
    let vias = headers.list(Name::Via).iter().filter_map(|via| Via::parse(via)).count();
    let all = [headers.from(), headers.to()];
    let texts: usize =
        all.iter().flatten().map(|address| address.display_name().len() + address.uri.user().len()).sum();
    let numbers = [Name::Expires, Name::MaxForwards, Name::RSeq].map(|name| headers.number(name));
    found + vias + texts + numbers.iter().flatten().count() + headers.cseq().map_or(0, |cseq| cseq.number as usize)
}

#[test]
fn well_formed_messages_survive_being_read_and_written() {
    let well_formed = cases().into_iter().filter(|case| case.refusal == "-");
    for Case { name, bytes, .. } in well_formed {
        let message = parse_datagram(&bytes).unwrap();
        let written = message.to_bytes();
        let again = parse_datagram(&written).unwrap_or_else(|bad| panic!("{name}: {bad:?}"));
        assert_eq!(again.to_bytes(), written, "{name}");
        assert_eq!(body(&again), body(&message), "{name}");
        let clean = |value: &[u8]| String::from_utf8_lossy(value).replace(['\0', '\r', '\n'], " ");
        for ((text, value), (text_again, value_again)) in message.headers().raw().zip(again.headers().raw()) {
            assert_eq!(text, text_again, "{name}");
            assert_eq!(clean(value), clean(value_again), "{name}");
        }
        let headers = message.headers();
        assert!(headers.via().is_some() && headers.from().is_some() && headers.to().is_some(), "{name}");
        assert!(headers.cseq().is_some() && headers.call_id().is_some(), "{name}");
        for field in [Name::Contact, Name::Route, Name::RecordRoute] {
            let readable = headers.name_addrs(field).len();
            let star = usize::from(headers.list(field) == ["*"]);
            assert_eq!(readable + star, headers.list(field).len(), "{name}");
        }
        assert!(read_all(headers) > 0, "{name}");
    }
}

fn body(message: &Message) -> &Bytes {
    match message {
        Message::Request(request) => &request.body,
        Message::Response(response) => &response.body,
    }
}

/// The request of that name.
fn headers_of(name: &str) -> Headers {
    let case = cases().into_iter().find(|case| case.name == name).unwrap();
    parse_datagram(&case.bytes).unwrap().headers().clone()
}

#[test]
fn a_folded_and_spaced_message_is_read_to_the_letter() {
    let headers = headers_of("wsinv");
    assert_eq!(headers.to().unwrap().tag(), Some("1918181833n"));
    assert_eq!(headers.from().unwrap().display_name(), r#"J Rosenberg \""#);
    assert_eq!((headers.number(Name::MaxForwards), headers.cseq().unwrap().number), (Some(68), 9));
    let vias: Vec<_> = headers.list(Name::Via).iter().map(|via| Via::parse(via).unwrap().to_string()).collect();
    assert_eq!(
        vias,
        [
            "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
            "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
            "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
        ]
    );
    let contact = &headers.name_addrs(Name::Contact)[0];
    assert_eq!(contact.params.to_string(), ";newparam=newvalue;secondparam;q=0.33");
    assert_eq!(contact.display_name(), r#"Quoted string """#);
    assert_eq!(headers.text(Name::Subject).as_deref(), Some(""));
    assert_eq!(headers.other("newfangledheader").as_deref(), Some("newfangled value continued newfangled value"));
}

#[test]
fn what_is_not_text_is_kept_as_bytes() {
    let (_, value) = headers_of("x_latin1")
        .raw()
        .find(|(name, _)| name == b"Subject")
        .map(|(n, v)| (n.to_vec(), v.to_vec()))
        .unwrap();
    assert_eq!(value, b"caf\xe9");
    let mime = cases().into_iter().find(|case| case.name == "mpart01").unwrap();
    let message = parse_datagram(&mime.bytes).unwrap();
    assert_eq!(body(&message).len(), 226);
    assert!(mime.bytes.ends_with(body(&message)));
}

#[test]
fn addresses_hold_what_they_held() {
    let refer = headers_of("x_refer").name_addrs(Name::ReferTo).remove(0);
    assert_eq!(refer.uri.header("Replaces").as_deref(), Some("12345@host;to-tag=1;from-tag=2"));
    let routes: Vec<_> = headers_of("x_commas").name_addrs(Name::Route).iter().map(NameAddr::to_string).collect();
    assert_eq!(routes, ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>", "<sip:p3,comma@example.com;lr>"]);
    let via = headers_of("x_ipv6").via().unwrap();
    assert_eq!((via.received(), via.rport()), ("2001:db8::9".parse().ok(), Some(Some(5061))));
}

#[test]
fn framing_in_a_stream_agrees_with_the_datagram() {
    for Case { name, bytes, refusal, .. } in cases() {
        let stream = [b"\r\n\r\n", &bytes[..], b"\r\nnext"].concat();
        match frame_length(&stream) {
            Ok(Some(length)) if refusal == "-" => {
                let frame = Bytes::copy_from_slice(&stream[..length]);
                assert_eq!(parse_datagram(&frame), parse_datagram(&bytes), "{name}");
                assert_eq!(frame_length(&stream[..4 + 20]), Ok(None), "{name}");
            }
            Ok(framed) => assert!(framed.is_none_or(|length| length <= 64 * 1024 + 4), "{name}"),
            Err(malformed) => {
                let unframed = refusal != "-" || malformed.reason == "Missing Content-Length";
                assert!(unframed, "{name}: {malformed:?}");
            }
        }
    }
}

const DELIMITERS: &[u8] = b"\r\n\0 \t:;,<>\"\\@%/=?[]&\xff\xe9";

/// Flips, removes, doubles or cuts a few bytes.
fn mutate(bytes: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..out.len().max(1)).min(out.len().saturating_sub(1));
        if out.is_empty() {
            return out;
        }
        match rng.random_range(0..6) {
            0 => out[at] ^= 1 << rng.random_range(0..8),
            1 => out[at] = DELIMITERS[rng.random_range(0..DELIMITERS.len())],
            2 => drop(out.remove(at)),
            3 => out.insert(at, out[at]),
            4 => out.truncate(at),
            _ => {
                let end = (at + rng.random_range(0..40)).min(out.len());
                out.extend_from_within(at..end);
            }
        }
    }
    out
}

/// Something in it is not written as it was read.
fn is_cleaned(message: &Message) -> bool {
    let reason = match message {
        Message::Request(_) => "",
        Message::Response(response) => &response.reason,
    };
    let unclean = |text: &[u8]| memchr::memchr2(0, b'\r', text).is_some();
    unclean(reason.as_bytes()) || message.headers().raw().any(|(_, value)| unclean(value))
}

#[test]
fn no_mutation_of_any_of_them_does_harm() {
    let mut rng = StdRng::seed_from_u64(4475);
    let mut survivors = 0;
    for case in cases() {
        for _ in 0..2000 {
            let bytes = Bytes::from(mutate(&case.bytes, &mut rng));
            let _ = frame_length(&bytes);
            match parse_datagram(&bytes) {
                Ok(message) => {
                    survivors += 1;
                    read_all(message.headers());
                    let _ = match &message {
                        Message::Request(request) => request.validate().is_ok(),
                        Message::Response(response) => response.validate(),
                    };
                    let written = message.to_bytes();
                    let again = parse_datagram(&written).unwrap_or_else(|bad| panic!("{bad:?}: {message:?}"));
                    assert!(is_cleaned(&message) || again.to_bytes() == written, "{message:?}");
                }
                Err(Malformed { request: Some(request), status, reason }) => {
                    read_all(&request.headers);
                    let answer = request.response(status, reason).to_bytes();
                    assert!(matches!(parse_datagram(&answer), Ok(Message::Response(_))));
                }
                Err(_) => {}
            }
        }
    }
    assert!(survivors > 10_000, "{survivors}");
}
