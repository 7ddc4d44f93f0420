//! Text to document (RFC 8866 §5), whatever the text is.

use std::borrow::Cow;
use std::collections::HashSet;

use api::Sdp;
use api::sdp::{Attributes, Bandwidth, Connection, Direction, Key, Media, Origin, Repeat, Rtpmap, Time};
use serde_json::Value;

use super::{ESCAPE, FIELDS};

/// Reads a session description; `None` when no line of it is a `v=` or an `m=`.
pub fn parse(body: &[u8]) -> Option<Sdp> {
    let mut sdp = Sdp::default();
    let mut recognised = false;
    for line in body.split(|byte| matches!(byte, b'\r' | b'\n')) {
        let line = text(line);
        let Some((kind, value)) = line.trim_start_matches(' ').split_once('=') else { continue };
        recognised |= matches!(kind, "v" | "m");
        match (kind, sdp.m.last_mut()) {
            ("m", _) => sdp.m.push(media(value)),
            (_, Some(media)) => media_line(media, kind, value),
            (_, None) => session_line(&mut sdp, kind, value),
        }
    }
    gather_connections(&mut sdp);
    recognised.then_some(sdp)
}

/// A line as text, without NUL and without white space at its end.
fn text(line: &[u8]) -> Cow<'_, str> {
    let text = match std::str::from_utf8(line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(line.iter().copied().map(char::from).collect()),
    };
    let text = if text.contains('\0') { Cow::Owned(text.replace('\0', " ")) } else { text };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches([' ', '\t'])),
        Cow::Owned(text) => Cow::Owned(text.trim_end_matches([' ', '\t']).to_owned()),
    }
}

fn session_line(sdp: &mut Sdp, kind: &str, value: &str) {
    let owned = || Some(value.to_owned());
    match kind {
        "v" => sdp.v = value.trim().parse().unwrap_or(0),
        "o" => sdp.o = origin(value).or(sdp.o.take()),
        "s" => sdp.s = Some(if value.is_empty() { "-".to_owned() } else { value.to_owned() }),
        "i" => sdp.i = owned(),
        "u" => sdp.u = owned(),
        "e" => sdp.e = owned(),
        "p" => sdp.p = owned(),
        "c" => sdp.c.extend(connection(value)),
        "b" => sdp.b = bandwidth(value).or(sdp.b.take()),
        "t" => sdp.t = sdp.t.or(time(value)),
        "r" => sdp.r = repeat(value).or(sdp.r.take()),
        "k" => sdp.k = Some(key(value)),
        "a" => attribute(sdp.a.get_or_insert_default(), value),
        _ => {}
    }
}

fn media_line(media: &mut Media, kind: &str, value: &str) {
    match kind {
        "i" => media.i = Some(value.to_owned()),
        "c" => media.c.extend(connection(value)),
        "b" => media.b = bandwidth(value).or(media.b.take()),
        "a" => attribute(&mut media.a, value),
        _ => {}
    }
}

/// Session connections first, then those of the media, each once.
fn gather_connections(sdp: &mut Sdp) {
    let mut seen = HashSet::new();
    let all = std::mem::take(&mut sdp.c);
    let of_media = sdp.m.iter().flat_map(|media| media.c.iter().cloned());
    sdp.c = all.into_iter().chain(of_media).filter(|connection| seen.insert(connection.clone())).collect();
}

/// Read from its end, for there are phones that put spaces into the user name or leave a number out.
fn origin(value: &str) -> Option<Origin> {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    let (front, [nettype, family, address]) = words.split_last_chunk::<3>()?;
    let (name, numbers) = front.split_at(front.len().saturating_sub(2).max(1).min(front.len()));
    let number = |at: usize| numbers.get(at).map_or(0, |digits| session_number(digits));
    Some(Origin {
        username: if name.is_empty() { "-".to_owned() } else { name.join("_") },
        sessionid: number(0),
        sessionversion: number(1),
        nettype: (*nettype).to_owned(),
        ipver: ip_version(family),
        address: (*address).to_owned(),
    })
}

fn session_number(digits: &str) -> u64 {
    let beyond = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().unwrap_or(if beyond { u64::MAX } else { 0 })
}

fn ip_version(family: &str) -> u8 {
    if family.ends_with('6') { 6 } else { 4 }
}

fn connection(value: &str) -> Option<Connection> {
    let mut words = value.split_ascii_whitespace();
    let (nettype, family, address) = (words.next()?, words.next()?, words.next()?);
    Some(Connection { nettype: nettype.to_owned(), ipver: ip_version(family), address: address.to_owned() })
}

/// A limit without number says nothing, and none may be made up for it.
fn bandwidth(value: &str) -> Option<Bandwidth> {
    let (bwtype, bandwidth) = value.split_once(':')?;
    Some(Bandwidth { bwtype: word(bwtype)?, bandwidth: bandwidth.trim().parse().ok()? })
}

fn word(text: &str) -> Option<String> {
    text.split_ascii_whitespace().next().map(str::to_owned)
}

fn time(value: &str) -> Option<Time> {
    let mut words = value.split_ascii_whitespace();
    Some(Time { start: words.next()?.parse().ok()?, stop: words.next()?.parse().ok()? })
}

fn repeat(value: &str) -> Option<Repeat> {
    let mut words = value.split_ascii_whitespace().map(seconds);
    Some(Repeat { interval: words.next()??, duration: words.next()??, offsets: words.map_while(|word| word).collect() })
}

/// `7d` is 604800.
fn seconds(text: &str) -> Option<u64> {
    let unit = |suffix| match suffix {
        'd' => Some(86_400),
        'h' => Some(3_600),
        'm' => Some(60),
        's' => Some(1),
        _ => None,
    };
    match text.chars().next_back().and_then(unit) {
        Some(unit) => text[..text.len() - 1].parse::<u64>().ok()?.checked_mul(unit),
        None => text.parse().ok(),
    }
}

fn key(value: &str) -> Key {
    let (method, key) = value.split_once(':').map_or((value, None), |(method, key)| (method, Some(key)));
    Key { method: method.to_owned(), key: key.map(str::to_owned) }
}

/// An m-line is never dropped, or an answer would be one short (RFC 3264 §6); one that is not whole is refused media.
fn media(value: &str) -> Media {
    let mut words = value.split_ascii_whitespace();
    let media = words.next().unwrap_or("-").to_owned();
    let ports = words.next().unwrap_or_default();
    let (port, numports) = ports.split_once('/').map_or((ports, None), |(port, number)| (port, number.parse().ok()));
    let proto = words.next().unwrap_or("RTP/AVP").to_owned();
    let formats: Vec<&str> = words.collect();
    if formats.is_empty() {
        return Media { media, numports, proto, payloads: vec![0], ..Media::default() };
    }
    let payloads: Vec<u32> = formats.iter().map(|format| format.parse().unwrap_or(0)).collect();
    let plain = formats.iter().zip(&payloads).all(|(format, payload)| *format == payload.to_string());
    let verbatim = formats.iter().filter(|_| !plain).map(|format| (*format).to_owned()).collect();
    let port = port.parse::<u16>().unwrap_or(0).into();
    Media { media, port, numports, proto, payloads, formats: verbatim, ..Media::default() }
}

fn attribute(attributes: &mut Attributes, line: &str) {
    let (name, value) = line.split_once(':').map_or((line, None), |(name, value)| (name, Some(value)));
    let name = name.trim_matches([' ', '\t']);
    if name.is_empty() || typed(attributes, name, value).is_some() {
        return;
    }
    let name = if FIELDS.contains(&name) { format!("{ESCAPE}{name}") } else { name.to_owned() };
    let value = value.map_or(Value::Bool(true), |value| plain(&name, value));
    match attributes.other.get_mut(&name) {
        None => {
            attributes.other.insert(name, value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(Value::Bool(true)) if value == Value::Bool(true) => {}
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

/// Puts an attribute into its field; `None` when it has none, or does not fit.
fn typed(attributes: &mut Attributes, name: &str, value: Option<&str>) -> Option<()> {
    if value.is_none() {
        attributes.direction = Some(direction(name)?);
        return Some(());
    }
    let value = value?;
    match name {
        "ptime" => attributes.ptime = Some(value.trim().parse().ok()?),
        "maxptime" => attributes.maxptime = Some(value.trim().parse().ok()?),
        "rtpmap" => {
            let (payload, encoding) = value.trim_start().split_once([' ', '\t'])?;
            attributes.rtpmap.insert(word(payload)?, rtpmap(encoding)?);
        }
        "fmtp" => {
            let value = value.trim_start();
            let (payload, parameters) = value.split_once([' ', '\t']).unwrap_or((value, ""));
            attributes.fmtp.insert(word(payload)?, parameters.trim_start_matches([' ', '\t']).to_owned());
        }
        _ => return None,
    }
    Some(())
}

fn direction(name: &str) -> Option<Direction> {
    Some(match name {
        "sendrecv" => Direction::SendRecv,
        "recvonly" => Direction::RecvOnly,
        "sendonly" => Direction::SendOnly,
        "inactive" => Direction::Inactive,
        _ => return None,
    })
}

fn rtpmap(value: &str) -> Option<Rtpmap> {
    let mut parts = value.split_ascii_whitespace().next()?.split('/');
    let encoding = parts.next().filter(|encoding| !encoding.is_empty())?.to_owned();
    let clock = parts.next()?.parse().ok()?;
    Some(Rtpmap { encoding, clock, channels: parts.next().and_then(|channels| channels.parse().ok()) })
}

/// The ancestor showed two attributes as numbers.
fn plain(name: &str, value: &str) -> Value {
    let number = match name {
        "quality" => value.trim().parse::<u64>().ok().map(Value::from),
        "framerate" => value.trim().parse::<f64>().ok().filter(|rate| rate.is_finite()).map(Value::from),
        _ => None,
    };
    number.unwrap_or_else(|| Value::from(value))
}
