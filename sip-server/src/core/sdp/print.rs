//! Document to text (RFC 8866 §5), whoever made the document.

use std::collections::HashMap;

use api::Sdp;
use api::sdp::{Attributes, Bandwidth, Connection, Direction, Media, Origin, Rtpmap, Time};
use bytes::Bytes;
use serde_json::Value;

use super::{ESCAPE, FIELDS};

/// Writes a session description. What must be there and is not gets a default; a value cannot end its line.
pub fn print(sdp: &Sdp) -> Bytes {
    let mut out = Lines(String::with_capacity(512));
    out.line('v', "0");
    out.line('o', &origin(sdp));
    out.line('s', sdp.s.as_deref().filter(|name| !name.is_empty()).unwrap_or("-"));
    for (kind, value) in [('i', &sdp.i), ('u', &sdp.u), ('e', &sdp.e), ('p', &sdp.p)] {
        value.iter().for_each(|value| out.line(kind, value));
    }
    session_connections(sdp).iter().for_each(|connection| out.connection(connection));
    sdp.b.iter().for_each(|limit| out.bandwidth(limit));
    let Time { start, stop } = sdp.t.unwrap_or_default();
    out.line('t', &format!("{start} {stop}"));
    if let Some(repeat) = &sdp.r {
        let offsets: String = repeat.offsets.iter().map(|offset| format!(" {offset}")).collect();
        out.line('r', &format!("{} {}{offsets}", repeat.interval, repeat.duration));
    }
    if let Some(key) = &sdp.k {
        let value = key.key.as_ref().map(|key| format!(":{key}")).unwrap_or_default();
        out.line('k', &format!("{}{value}", key.method));
    }
    sdp.a.iter().for_each(|attributes| out.attributes(attributes, &[]));
    sdp.m.iter().for_each(|media| out.media(media));
    Bytes::from(out.0)
}

fn origin(sdp: &Sdp) -> String {
    let Some(Origin { username, sessionid, sessionversion, nettype, ipver, address }) = &sdp.o else {
        // The null address would read as hold, so it is the last resort.
        let first = sdp.c.first().filter(|connection| !connection.address.is_empty());
        return first.map_or("- 0 0 IN IP4 0.0.0.0".to_owned(), |connection| {
            let address = connection.address.split('/').next().unwrap_or_default();
            format!("- 0 0 IN {} {}", family(connection.ipver), token(address, "0.0.0.0"))
        });
    };
    let (username, nettype) = (token(username, "-"), token(nettype, "IN"));
    format!("{username} {sessionid} {sessionversion} {nettype} {} {}", family(*ipver), token(address, "0.0.0.0"))
}

/// The shortest beginning of `c` that reads back as the whole: the rest of it stands in the media.
fn session_connections(sdp: &Sdp) -> &[Connection] {
    let mut places = HashMap::new();
    for connection in sdp.m.iter().flat_map(|media| &media.c) {
        let next = places.len();
        places.entry(connection).or_insert(next);
    }
    let shared = sdp.c.iter().filter(|connection| places.contains_key(connection)).count();
    if shared < places.len() {
        return &sdp.c;
    }
    let mut end = sdp.c.len();
    let mut bound = usize::MAX;
    for connection in sdp.c.iter().rev() {
        match places.get(connection) {
            Some(place) if *place < bound => bound = *place,
            _ => break,
        }
        end -= 1;
    }
    let needed = sdp.m.is_empty() || sdp.m.iter().any(|media| media.c.is_empty());
    &sdp.c[..end.max(usize::from(needed)).min(sdp.c.len())]
}

fn family(ipver: u8) -> &'static str {
    if ipver == 6 { "IP6" } else { "IP4" }
}

/// One word: white space inside would shift all that follow.
fn token(text: &str, default: &str) -> String {
    if text.is_empty() {
        return default.to_owned();
    }
    text.chars().map(|c| if c.is_ascii_whitespace() || c == '\0' { '_' } else { c }).collect()
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::RecvOnly => "recvonly",
        Direction::SendOnly => "sendonly",
        Direction::Inactive => "inactive",
    }
}

/// The text so far, always whole lines.
struct Lines(String);

impl Lines {
    fn line(&mut self, kind: char, value: &str) {
        self.0.push(kind);
        self.0.push('=');
        self.0.extend(value.chars().map(|c| if matches!(c, '\r' | '\n' | '\0') { ' ' } else { c }));
        self.0.push_str("\r\n");
    }

    fn connection(&mut self, Connection { nettype, ipver, address }: &Connection) {
        if !address.is_empty() {
            self.line('c', &format!("{} {} {}", token(nettype, "IN"), family(*ipver), token(address, "")));
        }
    }

    fn bandwidth(&mut self, limit: &Bandwidth) {
        self.line('b', &format!("{}:{}", token(&limit.bwtype, "AS"), limit.bandwidth));
    }

    fn media(&mut self, media: &Media) {
        let formats: Vec<String> = if !media.formats.is_empty() && media.formats.len() == media.payloads.len() {
            media.formats.iter().map(|format| token(format, "0")).collect()
        } else if media.payloads.is_empty() {
            vec!["0".to_owned()]
        } else {
            media.payloads.iter().map(u32::to_string).collect()
        };
        let numports = media.numports.map(|number| format!("/{number}")).unwrap_or_default();
        let (kind, proto) = (token(&media.media, "-"), token(&media.proto, "RTP/AVP"));
        self.line('m', &format!("{kind} {}{numports} {proto} {}", media.port, formats.join(" ")));
        media.i.iter().for_each(|title| self.line('i', title));
        media.c.iter().for_each(|connection| self.connection(connection));
        media.b.iter().for_each(|limit| self.bandwidth(limit));
        self.attributes(&media.a, &formats);
    }

    /// Formats come first, in the order of the m-line.
    fn attributes(&mut self, attributes: &Attributes, formats: &[String]) {
        let Attributes { rtpmap, fmtp, .. } = attributes;
        let mut written = std::collections::HashSet::new();
        let payloads = formats.iter().chain(rtpmap.keys()).chain(fmtp.keys());
        for payload in payloads.filter(|payload| written.insert(payload.as_str())) {
            rtpmap.get(payload).iter().for_each(|map| self.rtpmap(payload, map));
            fmtp.get(payload).iter().for_each(|parameters| {
                let separator = if parameters.is_empty() { "" } else { " " };
                self.line('a', &format!("fmtp:{}{separator}{parameters}", token(payload, "0")));
            });
        }
        let times = [("ptime", attributes.ptime), ("maxptime", attributes.maxptime)];
        for (name, milliseconds) in times {
            milliseconds.iter().for_each(|value| self.line('a', &format!("{name}:{value}")));
        }
        attributes.direction.iter().for_each(|way| self.line('a', direction(*way)));
        for (name, value) in &attributes.other {
            let plain = name.strip_prefix(ESCAPE).filter(|plain| FIELDS.contains(plain)).unwrap_or(name);
            self.other(plain, value);
        }
    }

    fn rtpmap(&mut self, payload: &str, map: &Rtpmap) {
        let channels = map.channels.map(|channels| format!("/{channels}")).unwrap_or_default();
        let encoding = token(&map.encoding, "-");
        self.line('a', &format!("rtpmap:{} {encoding}/{}{channels}", token(payload, "0"), map.clock));
    }

    fn other(&mut self, name: &str, value: &Value) {
        match value {
            Value::Bool(true) => self.line('a', name),
            Value::String(text) => self.line('a', &format!("{name}:{text}")),
            Value::Number(number) => self.line('a', &format!("{name}:{number}")),
            Value::Array(values) => values.iter().filter(|value| !value.is_array()).for_each(|v| self.other(name, v)),
            Value::Null | Value::Bool(false) | Value::Object(_) => {}
        }
    }
}
