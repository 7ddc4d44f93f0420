//! Digits as telephone-events (RFC 4733 §2.3, §2.5): what a press is, and what becomes of it on the way to a peer.
//!
//! A press is told by its timestamp, so it counts once however many of its packets come, be it only one of its ends. On
//! the other side it keeps its pace, under that peer's payload type and timestamps; when the ends were lost on the way,
//! three are made up. Tones in the audio are not looked for.

use std::time::{Duration, Instant};

/// A press without news for so long is over.
const SILENCE: Duration = Duration::from_millis(200);

/// One telephone-event payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// 0–9, 10 `*`, 11 `#`, 12–15 A–D; others are no digits.
    pub code: u8,
    /// The E bit.
    pub end: bool,
    /// Power of the tone in -dBm0.
    pub volume: u8,
    /// Timestamp units so far.
    pub duration: u16,
}

impl Event {
    /// The first event of a payload.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let [code, flags, high, low] = *payload.first_chunk::<4>()?;
        let duration = u16::from_be_bytes([high, low]);
        Some(Self { code, end: flags & 0x80 != 0, volume: flags & 0x3f, duration })
    }

    /// The payload of it.
    pub fn to_bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, u8::from(self.end) << 7 | self.volume & 0x3f, high, low]
    }

    /// The digit, where it is one.
    pub fn digit(self) -> Option<char> {
        "0123456789*#ABCD".chars().nth(usize::from(self.code))
    }
}

/// Tells presses apart on one inbound stream.
#[derive(Debug, Default)]
pub struct Receiver {
    last: Option<(u32, Event)>,
}

/// What a packet says about the presses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// A new one.
    New,
    /// More about the newest.
    Same,
    /// It is about one that is over.
    Stale,
}

impl Receiver {
    /// Takes one packet.
    pub fn handle(&mut self, timestamp: u32, event: Event) -> Press {
        let press = match self.last {
            None => Press::New,
            Some((last, _)) if last == timestamp => Press::Same,
            Some((last, newest)) if continues(last, newest, timestamp, event) => Press::Same,
            Some((last, _)) if (timestamp.wrapping_sub(last) as i32) < 0 => Press::Stale,
            Some(_) => Press::New,
        };
        if press != Press::Stale {
            self.last = Some((timestamp, event));
        }
        press
    }

    /// The stream starts anew: its timestamps say nothing about the ones before.
    pub fn restart(&mut self) {
        self.last = None;
    }
}

/// A press of over 8 s goes on in a new segment (RFC 4733 §2.5.1.3).
fn continues(last: u32, newest: Event, timestamp: u32, event: Event) -> bool {
    newest.code == event.code
        && !newest.end
        && newest.duration >= 0xff00
        && timestamp.wrapping_sub(last) == u32::from(newest.duration)
}

/// The press that is on its way to a peer.
#[derive(Debug, Default)]
pub struct Relay {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    timestamp: u32,
    event: Event,
    heard: Instant,
}

impl Relay {
    /// Notes what was sent; the timestamp is that of the peer's stream.
    pub fn sent(&mut self, now: Instant, timestamp: u32, event: Event) {
        self.open = if event.end { None } else { Some(Open { timestamp, event, heard: now }) };
    }

    /// There is a press without an end.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// It is another press than the one of this timestamp.
    pub fn is_other(&self, timestamp: u32) -> bool {
        self.open.as_ref().is_some_and(|open| open.timestamp != timestamp)
    }

    /// Nothing was heard of the press for a while.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.open.as_ref().is_some_and(|open| now.saturating_duration_since(open.heard) >= SILENCE)
    }

    /// Ends the press: its timestamp and the end to send three times.
    pub fn finish(&mut self) -> Option<(u32, Event)> {
        self.open.take().map(|open| (open.timestamp, Event { end: true, ..open.event }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::start;

    fn event(code: u8, end: bool, duration: u16) -> Event {
        Event { code, end, volume: 10, duration }
    }

    #[test]
    fn reads_what_it_writes_and_refuses_what_is_short() {
        let sample = event(11, true, 1600);
        assert_eq!(Event::parse(&sample.to_bytes()), Some(sample));
        assert_eq!(sample.digit(), Some('#'));
        assert_eq!(event(16, false, 0).digit(), None);
        assert_eq!(Event::parse(&[1, 2, 3]), None);
    }

    #[test]
    fn a_press_counts_once() {
        use Press::{New, Same, Stale};
        let mut receiver = Receiver::default();
        for (timestamp, what, expected) in [
            (1000, event(1, false, 160), New),
            (1000, event(1, false, 320), Same),
            (3000, event(1, false, 160), New), // the ends of the first were lost
            (1000, event(1, true, 800), Stale),
            (3000, event(1, true, 800), Same),
            (3000, event(1, true, 800), Same),
            (9000, event(2, true, 800), New), // all but an end was lost
            (20_000, event(3, false, 0xffff), New),
            (20_000 + 0xffff, event(3, false, 160), Same), // next segment
        ] {
            assert_eq!(receiver.handle(timestamp, what), expected, "{timestamp}");
        }
        receiver.restart();
        assert_eq!(receiver.handle(5, event(3, false, 0)), New);
    }

    #[test]
    fn a_press_without_an_end_is_ended() {
        let now = start();
        let mut relay = Relay::default();
        relay.sent(now, 500, event(5, false, 160));
        assert!(relay.is_other(600) && !relay.is_other(500));
        assert!(!relay.is_silent(now + Duration::from_millis(199)) && relay.is_silent(now + SILENCE));
        assert_eq!(relay.finish(), Some((500, event(5, true, 160))));
        relay.sent(now, 900, event(6, true, 160));
        assert_eq!(relay.finish(), None);
    }
}
