//! How messages that cannot be read are refused: with which status, and with how much of the request.

use bytes::Bytes;

use crate::core::message::{Malformed, Message, Method, Name, Request, Uri, frame_length, parse_datagram};

const HEADERS: &str =
    "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:a@h>;tag=1\r\nt: <sip:b@h>\r\ni: x\r\nCSeq: 1 INVITE\r\n";

fn parse(text: &str) -> Result<Message, Malformed> {
    parse_datagram(&Bytes::copy_from_slice(text.as_bytes()))
}

fn refused(first_line: &str, more: &str) -> Malformed {
    parse(&format!("{first_line}\r\n{HEADERS}{more}\r\nbody")).expect_err(first_line)
}

fn request(text: &str) -> Request {
    match parse(text) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn start_lines_are_exact() {
    for (line, status) in [
        ("INVITE  sip:b@h SIP/2.0", 400),
        ("INVITE sip:b@h  SIP/2.0", 400),
        ("INVITE sip:b@h SIP/2.0 ", 400),
        (" INVITE sip:b@h SIP/2.0", 400),
        ("INVITE\tsip:b@h SIP/2.0", 400),
        ("INVITE \tsip:b@h SIP/2.0", 400),
        ("INVITE sip:b@h SIP/2.0\t", 400),
        ("INVITE sip:b@h SIP / 2.0", 400),
        ("INVITE sip:b@h", 400),
        ("INVITE", 400),
        ("INVITE sip:b@h HTTP/1.1", 400),
        ("INVITE sip:b@h SIP/x.y", 400),
        ("INVITE sip:b@h SIP/7.0", 505),
        ("INVITE sip:b@h SIP/2.00", 505),
        ("INVITE <sip:b@h> SIP/2.0", 400),
        ("INVITE sip:b@h\0 SIP/2.0", 400),
        ("INV,ITE sip:b@h SIP/2.0", 400),
    ] {
        let malformed = refused(line, "");
        assert_eq!(malformed.status, status, "{line}");
        let request = malformed.request.expect(line);
        let answer = String::from_utf8(request.response(status, "x").to_bytes().to_vec()).unwrap();
        assert!(answer.ends_with(&format!("{HEADERS}Content-Length: 0\r\n\r\n")), "{answer}");
    }
    assert_eq!(request(&format!("INVITE sip:b@h sip/2.0\r\n{HEADERS}\r\n")).method, Method::Invite);
    let folded = parse(&format!("INVITE sip:b@h\r\n SIP/2.0\r\n{HEADERS}\r\n"));
    assert_eq!(folded.map_err(|malformed| malformed.status), Err(400));
}

#[test]
fn status_lines_are_exact() {
    for line in [
        "SIP/2.0",
        "SIP/2.0 ",
        "SIP/2.0 99 x",
        "SIP/2.0 700 x",
        "SIP/2.0 +20 x",
        "SIP/2.0 0200 x",
        "SIP/2.0  200 x",
        "SIP/3.0 200 x",
        "SIP/2.0\t200 x",
    ] {
        assert_eq!(refused(line, "").request, None, "{line}");
    }
    for line in ["SIP/2.0 200", "SIP/2.0 200 ", "sip/2.0 200 OK  so\tfar"] {
        assert!(parse(&format!("{line}\r\n\r\n")).is_ok(), "{line}");
    }
    let latin = parse_datagram(&Bytes::from_static(b"SIP/2.0 200 caf\xe9\r\n\r\n"));
    assert!(matches!(latin, Ok(Message::Response(response)) if response.reason == "caf\u{fffd}"));
}

#[test]
fn lengths_are_exact() {
    for length in ["-1", "+4", "5", "4 4", "", "x", "4,4", "99999999999999999999999999", "0x4"] {
        let malformed = refused("INVITE sip:b@h SIP/2.0", &format!("Content-Length: {length}\r\n"));
        assert!(malformed.status == 400 && malformed.request.is_some(), "{length}: {malformed:?}");
    }
    assert_eq!(refused("INVITE sip:b@h SIP/2.0", "l: 4\r\nContent-Length: 3\r\n").reason, "Repeated Content-Length");
    let body = |more: &str| request(&format!("INVITE sip:b@h SIP/2.0\r\n{HEADERS}{more}\r\nbody")).body;
    for (more, expected) in [
        ("", "body"),
        ("l: 4\r\n", "body"),
        ("L :\r\n  03 \r\n", "bod"),
        ("l: 0\r\nl: 0\r\n", ""),
        ("l: 4\r\nl: 04\r\n", "body"),
    ] {
        assert_eq!(body(more), expected, "{more}");
    }
}

#[test]
fn header_lines_have_a_name_and_a_colon() {
    for line in ["nonsense", ": value", "a b: value", "a\0: value", " : value"] {
        let text = format!("INVITE sip:b@h SIP/2.0\r\n{line}\r\n\r\n");
        assert_eq!(parse(&text).map_err(|malformed| malformed.status), Err(400), "{line}");
        if !line.starts_with(' ') {
            let malformed = refused("INVITE sip:b@h SIP/2.0", &format!("{line}\r\n"));
            assert_eq!(malformed.request.map(|request| request.headers.len()), Some(5), "{line}");
        }
    }
}

#[test]
fn nobody_answers_an_ack_or_a_stranger() {
    assert_eq!(refused("ACK  sip:b@h SIP/2.0", "").request, None);
    for (from, to) in [("1 INVITE", "1 ACK"), ("Via", "X"), ("f:", "x:"), ("t:", "x:"), ("i: x", "i:"), ("CSeq", "X")] {
        let text = format!("INVITE  sip:b@h SIP/2.0\r\n{HEADERS}\r\n").replace(from, to);
        assert_eq!(parse(&text).unwrap_err().request, None, "{to}");
    }
    let unreadable = *refused("INVITE nonsense SIP/2.0", "").request.unwrap();
    assert_eq!(unreadable.uri, Uri::Other { scheme: String::new(), rest: "nonsense".to_owned() });
}

#[test]
fn what_is_cut_off_is_refused() {
    let whole = format!("INVITE sip:b@h SIP/2.0\r\n{HEADERS}l: 0");
    assert_eq!(parse(&whole).unwrap_err().reason, "Message is cut off");
    assert!(parse(&format!("{whole}\n")).is_ok());
    for empty in ["", "\r\n", "\r\n\r\n", "\n\n\n"] {
        assert_eq!(parse(empty).unwrap_err().reason, "Empty message");
    }
}

#[test]
fn limits_hold() {
    let many = |count: usize| format!("INVITE sip:b@h SIP/2.0\r\n{HEADERS}{}\r\n", "X: y\r\n".repeat(count));
    assert_eq!(request(&many(507)).headers.len(), 512);
    let malformed = parse(&many(508)).unwrap_err();
    assert!(malformed.status == 513 && malformed.request.is_some_and(|request| request.headers.len() == 512));
    let large = format!("INVITE sip:b@h SIP/2.0\r\n{HEADERS}\r\n{}", "x".repeat(65_536));
    assert_eq!(parse(&large).unwrap_err().status, 513);
    let folded = format!("INVITE sip:b@h SIP/2.0\r\n{HEADERS}X: y\r\n{}\r\n", " \r\n".repeat(20_000));
    assert_eq!(request(&folded).headers.len(), 6);
}

#[test]
fn answers_repeat_no_ambiguity() {
    let doubled =
        format!("INVITE  sip:b@h SIP/2.0\r\n{HEADERS}v: SIP/2.0/UDP g\r\nf: <sip:c@h>\r\ni: y\r\nSubject: x\r\n\r\n");
    let request = parse(&doubled).unwrap_err().request.unwrap();
    let response = request.response(400, "Bad request line");
    let names: Vec<_> = response.headers.iter().map(|(name, _)| Name::of(&name)).collect();
    assert_eq!(names, [Name::Via, Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq]);
}

#[test]
fn streams_are_framed_by_content_length() {
    let message = format!("INVITE sip:b@h SIP/2.0\r\n{HEADERS}l: 4\r\n\r\nbody");
    let stream = format!("\r\n\r\n{message}{message}");
    let head = 4 + message.len() - 4;
    for cut in 0..head {
        assert_eq!(frame_length(&stream.as_bytes()[..cut]), Ok(None), "{cut}");
    }
    for cut in head..stream.len() {
        assert_eq!(frame_length(&stream.as_bytes()[..cut]), Ok(Some(4 + message.len())), "{cut}");
    }
    assert_eq!(frame_length(b"INVITE sip:b@h SIP/2.0\n\n").unwrap_err().reason, "Missing Content-Length");
    assert_eq!(frame_length(b"X\nl: 65537\n\n").unwrap_err().status, 513);
    assert_eq!(frame_length(b"X\nl: 18446744073709551615\n\n").unwrap_err().status, 513);
    assert_eq!(frame_length(&[b'x'; 65_537]).unwrap_err().status, 513);
}
