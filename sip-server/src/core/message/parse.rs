//! Bytes to message and back (RFC 3261 §7, §18.3).

use bytes::{BufMut, Bytes, BytesMut};

use super::{Headers, Message, Method, Name, Request, Response, Uri};

/// Most header fields in a message.
const MAX_HEADERS: usize = 512;

/// Why bytes are not a SIP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong, fit for a reason phrase.
    pub reason: &'static str,
    /// The request as far as it could be read, when a 400 can be sent to it.
    pub request: Option<Box<Request>>,
}

/// Reads one datagram; without Content-Length the body goes to its end.
pub fn parse_datagram(bytes: &Bytes) -> Result<Message, Malformed> {
    let start = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let mut lines = Lines { bytes: bytes.slice(start..), at: 0 };
    let first = lines.next_line().ok_or(malformed("Empty message"))?;
    let mut headers = Headers::default();
    while let Some(line) = lines.next_line().filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(malformed("Header without colon"))?;
        let name = line.slice(..colon);
        let name = name.slice_ref(name.trim_ascii());
        let value = line.slice(colon + 1..);
        headers.push_raw(name, value.slice_ref(value.trim_ascii()));
        if headers.len() > MAX_HEADERS {
            return Err(malformed("Too many headers"));
        }
    }
    let rest = lines.bytes.slice(lines.at..);
    let body = match headers.text(Name::ContentLength) {
        None => rest,
        Some(length) => {
            let length: usize = length.trim().parse().map_err(|_| malformed("Bad Content-Length"))?;
            if length > rest.len() {
                return Err(malformed("Content-Length beyond the datagram"));
            }
            rest.slice(..length)
        }
    };
    start_line(&first, headers, body)
}

fn start_line(line: &Bytes, headers: Headers, body: Bytes) -> Result<Message, Malformed> {
    let line = std::str::from_utf8(line).map_err(|_| malformed("Bad start line"))?;
    if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
        let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let status =
            status.parse().ok().filter(|code| (100..700).contains(code)).ok_or(malformed("Bad status code"))?;
        return Ok(Message::Response(Response { status, reason: reason.to_owned(), headers, body }));
    }
    let mut parts = line.split(' ');
    let (Some(method), Some(uri), Some("SIP/2.0"), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed("Bad request line"));
    };
    let uri = Uri::parse(uri).ok_or(malformed("Bad Request-URI"))?;
    Ok(Message::Request(Request { method: Method::from(method), uri, headers, body }))
}

fn malformed(reason: &'static str) -> Malformed {
    Malformed { reason, request: None }
}

/// Logical lines: a line that begins with white space continues the one before it.
struct Lines {
    bytes: Bytes,
    at: usize,
}

impl Lines {
    fn next_line(&mut self) -> Option<Bytes> {
        let line = self.physical()?;
        if line.is_empty() || !self.continues() {
            return Some(line);
        }
        let mut folded = BytesMut::from(&line[..]);
        while self.continues() {
            let more = self.physical()?;
            folded.put_u8(b' ');
            folded.extend_from_slice(more.trim_ascii());
        }
        Some(folded.freeze())
    }

    fn continues(&self) -> bool {
        matches!(self.bytes.get(self.at), Some(b' ' | b'\t'))
    }

    fn physical(&mut self) -> Option<Bytes> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let rest = &self.bytes[self.at..];
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let line = self.bytes.slice_ref(line);
        self.at = (self.at + end + 1).min(self.bytes.len());
        Some(line)
    }
}

/// Writes a message. CR, LF and NUL inside a value become spaces, whoever put them there.
pub(super) fn print(start_line: &str, headers: &Headers, body: &Bytes) -> Bytes {
    let mut out = BytesMut::with_capacity(512 + body.len());
    put_clean(&mut out, start_line.as_bytes());
    out.extend_from_slice(b"\r\n");
    let length = Name::ContentLength.as_str().as_bytes();
    for (name, value) in headers.raw() {
        if name.eq_ignore_ascii_case(length) || name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        put_clean(&mut out, name);
        out.extend_from_slice(b": ");
        put_clean(&mut out, value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    out.extend_from_slice(body);
    out.freeze()
}

fn put_clean(out: &mut BytesMut, value: &[u8]) {
    out.extend(value.iter().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte }));
}
