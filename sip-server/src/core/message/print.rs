//! A message to bytes (RFC 3261 §7): the one serialiser, which cannot emit CR, LF or NUL inside a value.
//!
//! Content-Length is computed and stands where it stood, or last. Nothing else is added, reordered or reformatted.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Headers, Name};

/// Writes a message. CR, LF and NUL inside a value become spaces, whoever put them there.
pub(super) fn print(start_line: &str, headers: &Headers, body: &Bytes) -> Bytes {
    let lines: usize = headers.raw().map(|(name, value)| name.len() + value.len() + 4).sum();
    let mut out = BytesMut::with_capacity(start_line.len() + lines + body.len() + 32);
    put_clean(&mut out, start_line.as_bytes());
    out.put_slice(b"\r\n");
    let mut length = Some(body.len().to_string());
    for ((name, _), (text, value)) in headers.fields().zip(headers.raw()) {
        if name != Name::ContentLength {
            put_field(&mut out, text, value);
        } else if let Some(length) = length.take() {
            put_field(&mut out, text, length.as_bytes());
        }
    }
    if let Some(length) = length {
        put_field(&mut out, Name::ContentLength.as_str().as_bytes(), length.as_bytes());
    }
    out.put_slice(b"\r\n");
    out.put_slice(body);
    out.freeze()
}

fn put_field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    put_clean(out, name);
    out.put_slice(b": ");
    put_clean(out, value);
    out.put_slice(b"\r\n");
}

fn put_clean(out: &mut BytesMut, mut value: &[u8]) {
    while let Some(at) = memchr::memchr3(b'\r', b'\n', 0, value) {
        out.put_slice(&value[..at]);
        out.put_u8(b' ');
        value = &value[at + 1..];
    }
    out.put_slice(value);
}

#[cfg(test)]
mod tests {
    use crate::core::message::{Host, Message, Method, NameAddr, Params, Request, Response, Uri, parse_datagram};
    use crate::core::message::{Name, Via};
    use bytes::Bytes;

    const EVIL: &str = "x\r\nInjected: 1\r\n\r\nbody\0\n\r";

    /// Two blank lines, a third line end or a NUL would show that something got out of its value.
    fn assert_fields(bytes: &[u8], fields: usize) {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "");
        let lines: Vec<_> = head.split("\r\n").collect();
        assert_eq!(lines.len(), fields + 1, "{head}");
        assert!(lines.iter().all(|line| !line.contains(['\r', '\n', '\0']) && !line.starts_with("Injected")));
    }

    #[test]
    fn no_value_can_end_its_line() {
        let mut uri = Uri::sip(EVIL, Host::Name(EVIL.to_owned()), None);
        if let Uri::Sip { params, headers, .. } = &mut uri {
            params.insert(EVIL, Some(EVIL));
            EVIL.clone_into(headers);
        }
        let mut request = Request::new(Method::Other(EVIL.to_owned()), uri.clone());
        let mut address = NameAddr::new(uri).with_display_name(EVIL).with_tag(EVIL);
        request.headers.push(Name::From, &address.to_string());
        EVIL.clone_into(&mut address.display);
        request.headers.push(Name::To, &address.to_string());
        request.headers.push_text(EVIL, EVIL);
        let via = Via {
            transport: EVIL.to_owned(),
            host: Host::Name(EVIL.to_owned()),
            port: None,
            params: Params::parse(EVIL),
        };
        request.headers.push_front(Name::Via, "SIP/2.0/UDP h, x");
        request.headers.replace_via(&via);
        request.headers.replace(Name::Subject, EVIL);
        assert_fields(&request.to_bytes(), 6);
        let scheme = Uri::Other { scheme: EVIL.to_owned(), rest: EVIL.to_owned() };
        assert_fields(&Request::new(Method::Bye, scheme).to_bytes(), 1);
        let mut response = request.response(200, EVIL);
        response.headers.push(Name::Reason, EVIL);
        assert_fields(&response.to_bytes(), 5);
    }

    #[test]
    fn content_length_is_computed_where_it_stands() {
        let text = "SIP/2.0 200 OK\r\nl: 3\r\nVia: SIP/2.0/UDP h\r\nContent-Length:3\r\n\r\nabc";
        let Ok(Message::Response(mut response)) = parse_datagram(&Bytes::from_static(text.as_bytes())) else {
            panic!("not a response");
        };
        response.body = Bytes::from_static(b"\0\r\n\xff");
        let bytes = response.to_bytes();
        assert_eq!(&bytes[..], b"SIP/2.0 200 OK\r\nl: 4\r\nVia: SIP/2.0/UDP h\r\n\r\n\0\r\n\xff");
        let plain = Response { status: 100, reason: String::new(), headers: Default::default(), body: Bytes::new() };
        assert_eq!(&plain.to_bytes()[..], b"SIP/2.0 100 \r\nContent-Length: 0\r\n\r\n");
    }
}
