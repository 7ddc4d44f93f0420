//! Messages out of a stream of bytes (RFC 3261 §18.3), by Content-Length.
//!
//! Line ends before a message are skipped, and a double one counts as a ping (RFC 5626 §3.5.1). Lines may end in a bare
//! LF, as the parser reads them. A head whose length of body is missing, wrong or too large comes out without its body,
//! so that it can be answered, and nothing after it: where the next message begins is unknown.

use bytes::{Buf, Bytes, BytesMut};

/// Longest head, from the start line to the blank line.
pub const HEAD_BYTES: usize = 64 << 10;
/// Longest body.
pub const BODY_BYTES: usize = 64 << 10;

const PING: &[u8] = b"\r\n\r\n";

/// Cuts a stream into messages.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// So much of the buffer holds no end of the head.
    scanned: usize,
    /// Length of the message at the front, once its head is complete.
    whole: Option<usize>,
    pings: usize,
    broken: Option<FramingError>,
}

/// Why nothing more can be read from a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// There is no Content-Length, which a stream needs.
    #[error("no Content-Length")]
    NoContentLength,
    /// Content-Length is not a number, or several disagree.
    #[error("Content-Length cannot be read")]
    BadContentLength,
    /// The head has no end within the limit.
    #[error("the head of the message is too long")]
    HeadTooLong,
    /// The announced body is over the limit.
    #[error("the body of the message is too long")]
    BodyTooLong,
}

impl Framer {
    /// Takes up bytes that were received. Empty [`Self::next_message`] before the next call, or memory grows.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole message. After an error there is no other outcome than that error.
    pub fn next_message(&mut self) -> Option<Result<Bytes, FramingError>> {
        if let Some(error) = self.broken {
            return Some(Err(error));
        }
        let whole = match self.whole {
            Some(whole) => whole,
            None => {
                self.skip_line_ends();
                let head = match self.find_end_of_head() {
                    Some(head) if head <= HEAD_BYTES => head,
                    None if self.buffer.len() <= HEAD_BYTES => return None,
                    _ => return self.break_off(FramingError::HeadTooLong),
                };
                match body_length(&self.buffer[..head]) {
                    Ok(length) => head + length,
                    Err(error) => {
                        self.broken = Some(error);
                        return Some(Ok(self.cut(head)));
                    }
                }
            }
        };
        self.whole = Some(whole);
        (self.buffer.len() >= whole).then(|| Ok(self.cut(whole)))
    }

    /// A message has begun and is not whole.
    pub fn is_within_message(&self) -> bool {
        !PING.starts_with(&self.buffer)
    }

    /// How many pings came since this was last asked; each wants a single CRLF.
    pub fn take_pings(&mut self) -> usize {
        std::mem::take(&mut self.pings)
    }

    fn skip_line_ends(&mut self) {
        loop {
            if self.buffer.starts_with(PING) {
                self.buffer.advance(PING.len());
                self.pings += 1;
            } else if PING.starts_with(&self.buffer) || !matches!(self.buffer.first(), Some(b'\r' | b'\n' | 0)) {
                return;
            } else {
                self.buffer.advance(1);
            }
            self.scanned = 0;
        }
    }

    fn find_end_of_head(&mut self) -> Option<usize> {
        for line_end in memchr::memchr_iter(b'\n', &self.buffer[self.scanned..]) {
            let next = self.scanned + line_end + 1;
            match self.buffer[next..] {
                [b'\n', ..] => return Some(next + 1),
                [b'\r', b'\n', ..] => return Some(next + 2),
                _ => {}
            }
        }
        // The last three bytes may be the begin of the end.
        self.scanned = self.scanned.max(self.buffer.len().saturating_sub(3));
        None
    }

    /// A copy, so that whoever keeps a part of the message does not keep the buffer of the connection.
    fn cut(&mut self, length: usize) -> Bytes {
        let message = Bytes::copy_from_slice(&self.buffer[..length]);
        self.buffer.advance(length);
        self.scanned = 0;
        self.whole = None;
        message
    }

    fn break_off(&mut self, error: FramingError) -> Option<Result<Bytes, FramingError>> {
        self.broken = Some(error);
        self.buffer.clear();
        Some(Err(error))
    }
}

fn body_length(head: &[u8]) -> Result<usize, FramingError> {
    let mut length = None;
    let mut lines = head.split_inclusive(|&byte| byte == b'\n').skip(1).peekable();
    while let Some(line) = lines.next() {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        if !is_content_length(line[..colon].trim_ascii_end()) {
            continue;
        }
        let mut value = line[colon + 1..].to_vec();
        while let Some(folded) = lines.next_if(|line| matches!(line.first(), Some(b' ' | b'\t'))) {
            value.extend_from_slice(folded);
        }
        let value = number(value.trim_ascii()).ok_or(FramingError::BadContentLength)?;
        if length.replace(value).is_some_and(|earlier| earlier != value) {
            return Err(FramingError::BadContentLength);
        }
    }
    match length {
        None => Err(FramingError::NoContentLength),
        Some(length) if length > BODY_BYTES => Err(FramingError::BodyTooLong),
        Some(length) => Ok(length),
    }
}

fn is_content_length(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"Content-Length") || name.eq_ignore_ascii_case(b"l")
}

/// A number of any length; one that does not fit is as good as the largest.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let append = |sum: usize, digit: &u8| sum.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
    Some(digits.iter().fold(0, append))
}

#[cfg(test)]
mod tests;
