//! Bytes to message (RFC 3261 §7, §18.3), in one pass and in linear time.
//!
//! Framing and syntax only; whether a message makes sense is `validate`'s to say. A bare LF ends a line as CRLF does.
//! What is malformed is read as far as possible, so that a request can be answered.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

use super::syntax::{is_token, number};
use super::{Headers, Message, Method, Name, Request, Response, Uri};

/// Most bytes in a message.
const MAX_LENGTH: usize = 64 * 1024;
/// Most header fields in a message.
const MAX_HEADERS: usize = 512;

/// Why bytes are not a SIP message, or a message is not one to act upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The status to answer with: 400, 416, 505 or 513.
    pub status: u16,
    /// What is wrong, fit for a reason phrase.
    pub reason: &'static str,
    /// The request as far as it could be read, when it can be answered: it is no ACK and has Via, From, To, Call-ID
    /// and CSeq. A Request-URI that could not be read is `Other` with an empty scheme.
    pub request: Option<Box<Request>>,
}

impl Malformed {
    /// Without a request.
    pub(super) const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason, request: None }
    }
}

/// Reads one datagram; without Content-Length the body goes to its end.
pub fn parse_datagram(bytes: &Bytes) -> Result<Message, Malformed> {
    if bytes.len() > MAX_LENGTH {
        return Err(Malformed::new(513, "Message Too Large"));
    }
    let mut lines = Lines { bytes, at: line_ends(bytes) };
    let first = lines.physical().ok_or(Malformed::new(400, "Empty message"))?;
    let (start, start_fault) = read_start_line(&first);
    let (headers, header_fault) = read_headers(&mut lines);
    let (body, body_fault) = read_body(&headers, &bytes.slice(lines.at..));
    let fault = start_fault.or(header_fault).or(body_fault);
    match (start, fault) {
        (Start::Request { method, uri }, None) => Ok(Message::Request(Request { method, uri, headers, body })),
        (Start::Response { status, reason }, None) => Ok(Message::Response(Response { status, reason, headers, body })),
        (Start::Request { method, uri }, Some(fault)) if is_answerable(&method, &headers) => {
            Err(Malformed { request: Some(Box::new(Request { method, uri, headers, body })), ..fault })
        }
        (_, Some(fault)) => Err(fault),
    }
}

/// The length of the message at the start of a stream, line ends before it included; `None` until its header fields
/// are complete. The message is complete when that many bytes are there. After an error the stream is
/// out of step; [`parse_datagram`] of the same bytes then gives the request to answer, if there is one.
pub fn frame_length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let start = line_ends(bytes);
    let Some(end) = head_end(&bytes[start..]).map(|end| start + end) else {
        return if bytes.len() > MAX_LENGTH { Err(Malformed::new(513, "Message Too Large")) } else { Ok(None) };
    };
    let head = Bytes::copy_from_slice(&bytes[start..end]);
    let mut lines = Lines { bytes: &head, at: 0 };
    lines.physical();
    let (headers, header_fault) = read_headers(&mut lines);
    header_fault.map_or(Ok(()), Err)?;
    let length = content_length(&headers)?.ok_or(Malformed::new(400, "Missing Content-Length"))?;
    match end.checked_add(length) {
        Some(total) if total - start <= MAX_LENGTH => Ok(Some(total)),
        _ => Err(Malformed::new(513, "Message Too Large")),
    }
}

/// How many line ends stand before a message (RFC 3261 §7.5).
fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// Where the blank line behind the header fields ends.
fn head_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|at| match &bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

enum Start {
    Request { method: Method, uri: Uri },
    Response { status: u16, reason: String },
}

fn read_start_line(line: &Bytes) -> (Start, Option<Malformed>) {
    let text = String::from_utf8_lossy(line);
    if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
        return read_status_line(&text);
    }
    let mut words = text.split(' ');
    let (method, target, version, more) = (words.next(), words.next(), words.next(), words.next());
    let fault = match (version, more) {
        _ if matches!(text, Cow::Owned(_)) => Some(Malformed::new(400, "Bad request line")),
        (Some(version), None) => check_version(version),
        _ => Some(Malformed::new(400, "Bad request line")),
    };
    let method = method.unwrap_or_default();
    let fault = fault.or((!is_token(method.as_bytes())).then_some(Malformed::new(400, "Bad method")));
    let target = target.unwrap_or_default();
    let (uri, fault) = match Uri::parse(target) {
        Some(uri) => (uri, fault),
        None => {
            let unreadable = Uri::Other { scheme: String::new(), rest: target.to_owned() };
            (unreadable, fault.or(Some(Malformed::new(400, "Bad Request-URI"))))
        }
    };
    (Start::Request { method: Method::from(method), uri }, fault)
}

fn read_status_line(text: &str) -> (Start, Option<Malformed>) {
    let (version, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = number(code).filter(|status| code.len() == 3 && (100..700).contains(status));
    let bad_status = status.is_none().then_some(Malformed::new(400, "Bad status code"));
    let start = Start::Response { status: status.unwrap_or_default(), reason: reason.to_owned() };
    (start, check_version(version).or(bad_status))
}

fn check_version(text: &str) -> Option<Malformed> {
    if text.eq_ignore_ascii_case("SIP/2.0") {
        return None;
    }
    let is_version = |(major, minor): (&str, &str)| number::<u32>(major).is_some() && number::<u32>(minor).is_some();
    let named = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/"));
    let other = named && text[4..].split_once('.').is_some_and(is_version);
    Some(if other { Malformed::new(505, "Version Not Supported") } else { Malformed::new(400, "Bad request line") })
}

/// All header fields that can be read, and what was wrong with the first that cannot.
fn read_headers(lines: &mut Lines<'_>) -> (Headers, Option<Malformed>) {
    let mut headers = Headers::default();
    let mut first_fault = None;
    while let Some(line) = lines.logical() {
        if line.is_empty() {
            return (headers, first_fault);
        }
        if headers.len() == MAX_HEADERS {
            return (headers, first_fault.or(Some(Malformed::new(513, "Too many header fields"))));
        }
        match read_field(&line) {
            Some((name, value)) => headers.push_raw(name, value),
            None => first_fault = first_fault.or(Some(Malformed::new(400, "Bad header field"))),
        }
    }
    let cut = lines.bytes.last() != Some(&b'\n');
    (headers, first_fault.or(cut.then_some(Malformed::new(400, "Message is cut off"))))
}

fn read_field(line: &Bytes) -> Option<(Bytes, Bytes)> {
    let colon = memchr::memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    is_token(name).then(|| (line.slice_ref(name), line.slice_ref(line[colon + 1..].trim_ascii())))
}

fn read_body(headers: &Headers, rest: &Bytes) -> (Bytes, Option<Malformed>) {
    match content_length(headers) {
        Ok(None) => (rest.clone(), None),
        Ok(Some(length)) if length <= rest.len() => (rest.slice(..length), None),
        Ok(Some(_)) => (rest.clone(), Some(Malformed::new(400, "Content-Length beyond the message"))),
        Err(fault) => (rest.clone(), Some(fault)),
    }
}

fn content_length(headers: &Headers) -> Result<Option<usize>, Malformed> {
    let mut all = headers.all(Name::ContentLength).map(|length| number::<usize>(length.trim()));
    let Some(first) = all.next() else {
        return Ok(None);
    };
    if all.any(|other| other != first) {
        return Err(Malformed::new(400, "Repeated Content-Length"));
    }
    first.map(Some).ok_or(Malformed::new(400, "Bad Content-Length"))
}

/// A response to it could be built and would be allowed (RFC 3261 §17.1.1.3: none to ACK).
fn is_answerable(method: &Method, headers: &Headers) -> bool {
    let present = |name| headers.text(name).is_some_and(|value| !value.is_empty());
    let to_ack = *method == Method::Ack || headers.cseq().is_some_and(|cseq| cseq.method == Method::Ack);
    !to_ack && [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq].into_iter().all(present)
}

/// Lines of a message: physical ones, or logical ones that go on where the next begins with white space.
struct Lines<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Lines<'_> {
    fn logical(&mut self) -> Option<Bytes> {
        let line = self.physical()?;
        if line.is_empty() || !self.continues() {
            return Some(line);
        }
        let mut folded = BytesMut::from(line.trim_ascii_end());
        while self.continues() {
            let more = self.physical()?;
            folded.put_u8(b' ');
            folded.put_slice(more.trim_ascii());
        }
        Some(folded.freeze())
    }

    fn continues(&self) -> bool {
        matches!(self.bytes.get(self.at), Some(b' ' | b'\t'))
    }

    fn physical(&mut self) -> Option<Bytes> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        self.at = (self.at + end + 1).min(self.bytes.len());
        Some(self.bytes.slice_ref(line))
    }
}
