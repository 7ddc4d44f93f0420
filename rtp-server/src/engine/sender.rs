//! The stream to one peer (RFC 3550 §5.1): one SSRC, with sequence numbers and timestamps that go on without a break
//! whatever feeds it.
//!
//! While it relays, the numbers are the source's own, moved by an offset, so that the peer still sees what was lost or
//! came in disorder. When the feed changes, the next packet follows the last one, its timestamp moved by the time that
//! went by, and carries the marker.

use std::time::{Duration, Instant};

use api::channel::StreamStats;
use rand::{Rng, RngExt};

use super::packet::Packet;

/// What feeds the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A channel's inbound stream since its last restart.
    Relay {
        /// The channel.
        channel: u64,
        /// Its restarts so far.
        epoch: u32,
    },
    /// Our player.
    Play,
}

/// State of one outbound stream.
#[derive(Debug)]
pub struct Sender {
    ssrc: u32,
    /// One above the newest.
    next_sequence: u16,
    /// Where the newest audio ends.
    next_timestamp: u32,
    /// Samples of the newest audio.
    samples: u32,
    last_sent: Option<Instant>,
    source: Option<Source>,
    sequence_offset: u16,
    timestamp_offset: u32,
    /// The source's sequence number from which the offset holds.
    offset_since: u16,
    packets: u64,
    bytes: u64,
}

/// The numbers of a packet that goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// First of a talkspurt.
    pub marker: bool,
    /// Sequence number.
    pub sequence_number: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Our SSRC.
    pub ssrc: u32,
}

impl Stamp {
    /// The packet of these numbers.
    pub fn packet(self, payload_type: u8, payload: &[u8]) -> Packet<'_> {
        let Self { marker, sequence_number, timestamp, ssrc } = self;
        Packet { marker, payload_type, sequence_number, timestamp, ssrc, payload }
    }
}

impl Sender {
    /// A stream that has sent nothing.
    pub fn new(rng: &mut impl Rng) -> Self {
        Self {
            ssrc: rng.random(),
            next_sequence: rng.random(),
            next_timestamp: rng.random(),
            samples: 0,
            last_sent: None,
            source: None,
            sequence_offset: 0,
            timestamp_offset: 0,
            offset_since: 0,
            packets: 0,
            bytes: 0,
        }
    }

    /// Numbers for a source's packet; nothing when it is from before a change and its number is taken.
    pub fn relay(&mut self, now: Instant, source: Source, packet: &Packet, samples: u32) -> Option<Stamp> {
        let (sequence, timestamp) = (packet.sequence_number, packet.timestamp);
        let marker = self.source != Some(source) || (samples > 0 && self.leaps(now, sequence, timestamp));
        if marker {
            self.follow(now, source, sequence, timestamp);
        } else if before(sequence, self.offset_since) {
            return None;
        }
        let sequence_number = sequence.wrapping_add(self.sequence_offset);
        let timestamp = timestamp.wrapping_add(self.timestamp_offset);
        if !before(sequence_number, self.next_sequence) {
            self.next_sequence = sequence_number.wrapping_add(1);
        }
        self.advance(timestamp, samples);
        self.last_sent = Some(now);
        Some(Stamp { marker, sequence_number, timestamp, ssrc: self.ssrc })
    }

    /// Numbers for the next packet of our own audio.
    pub fn play(&mut self, now: Instant, samples: u32) -> Stamp {
        let marker = self.source != Some(Source::Play);
        if marker {
            self.next_timestamp = self.next_timestamp.wrapping_add(self.silence(now));
            self.source = Some(Source::Play);
        }
        let stamp = self.stamp(marker, self.next_timestamp);
        self.advance(stamp.timestamp, samples);
        self.last_sent = Some(now);
        stamp
    }

    /// Numbers for a packet of ours between the source's, at a timestamp of our stream.
    pub fn insert(&mut self, timestamp: u32) -> Stamp {
        let stamp = self.stamp(false, timestamp);
        self.sequence_offset = self.sequence_offset.wrapping_add(1);
        self.offset_since = self.next_sequence.wrapping_sub(self.sequence_offset);
        stamp
    }

    /// A source's packet will not be sent: the next one takes its number.
    pub fn skip(&mut self, source: Source, sequence: u16) {
        if self.source == Some(source) && sequence.wrapping_add(self.sequence_offset) == self.next_sequence {
            self.sequence_offset = self.sequence_offset.wrapping_sub(1);
            self.offset_since = sequence.wrapping_add(1);
        }
    }

    /// Where a timestamp of the source falls in this stream, while the source feeds it.
    pub fn timestamp_for(&self, source: Source, timestamp: u32) -> Option<u32> {
        (self.source == Some(source)).then(|| timestamp.wrapping_add(self.timestamp_offset))
    }

    /// Nothing feeds the stream any more.
    pub fn detach(&mut self) {
        self.source = None;
    }

    /// Counts what was sent.
    pub fn count(&mut self, payload_bytes: usize) {
        self.packets += 1;
        self.bytes += payload_bytes as u64;
    }

    /// The figures up to now. What the peer lost is not known without its reports.
    pub fn stats(&self) -> StreamStats {
        StreamStats { packets: self.packets, bytes: self.bytes, ..StreamStats::default() }
    }

    fn stamp(&mut self, marker: bool, timestamp: u32) -> Stamp {
        let sequence_number = self.next_sequence;
        self.next_sequence = sequence_number.wrapping_add(1);
        Stamp { marker, sequence_number, timestamp, ssrc: self.ssrc }
    }

    fn follow(&mut self, now: Instant, source: Source, sequence: u16, timestamp: u32) {
        let start = self.next_timestamp.wrapping_add(self.silence(now));
        self.timestamp_offset = start.wrapping_sub(timestamp);
        self.sequence_offset = self.next_sequence.wrapping_sub(sequence);
        self.offset_since = sequence;
        self.source = Some(source);
    }

    /// Samples between the end of the newest audio and now; none while that is still playing out.
    fn silence(&self, now: Instant) -> u32 {
        let Some(last) = self.last_sent else { return 0 };
        let elapsed = samples_in(now.saturating_duration_since(last));
        if elapsed > self.samples.saturating_mul(2).max(320) { elapsed - self.samples } else { 0 }
    }

    /// The peer's timestamps have jumped away from the time that went by.
    fn leaps(&self, now: Instant, sequence: u16, timestamp: u32) -> bool {
        if before(sequence.wrapping_add(self.sequence_offset), self.next_sequence) {
            return false;
        }
        let ahead = timestamp.wrapping_add(self.timestamp_offset).wrapping_sub(self.next_timestamp) as i32;
        let elapsed = self.last_sent.map_or(0, |last| samples_in(now.saturating_duration_since(last)));
        i64::from(ahead) < -16_000 || i64::from(ahead) > i64::from(elapsed) + 16_000
    }

    fn advance(&mut self, timestamp: u32, samples: u32) {
        let end = timestamp.wrapping_add(samples);
        if samples > 0 && (end.wrapping_sub(self.next_timestamp) as i32) > 0 {
            self.next_timestamp = end;
            self.samples = samples;
        }
    }
}

fn before(a: u16, b: u16) -> bool {
    (a.wrapping_sub(b) as i16) < 0
}

fn samples_in(time: Duration) -> u32 {
    u32::try_from(time.as_micros() * 8 / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::engine::tests::start;

    const A: Source = Source::Relay { channel: 1, epoch: 1 };
    const B: Source = Source::Relay { channel: 2, epoch: 1 };

    fn packet(sequence_number: u16, timestamp: u32) -> Packet<'static> {
        Packet { marker: false, payload_type: 0, sequence_number, timestamp, ssrc: 1, payload: &[] }
    }

    fn sender() -> Sender {
        let mut sender = Sender::new(&mut StdRng::seed_from_u64(1));
        (sender.next_sequence, sender.next_timestamp) = (65_535, u32::MAX - 159);
        sender
    }

    fn numbers(stamp: Option<Stamp>) -> (bool, u16, u32) {
        let stamp = stamp.expect("sent");
        (stamp.marker, stamp.sequence_number, stamp.timestamp)
    }

    #[test]
    fn goes_on_whatever_feeds_it() {
        let mut sender = sender();
        let now = start();
        let at = |ms| now + Duration::from_millis(ms);
        let first = u32::MAX - 159;
        assert_eq!(numbers(sender.relay(at(0), A, &packet(100, 5000), 160)), (true, 65_535, first));
        assert_eq!(numbers(sender.relay(at(20), A, &packet(101, 5160), 160)), (false, 0, 0));
        assert_eq!(numbers(sender.relay(at(40), B, &packet(7, 90), 160)), (true, 1, 160));
        assert_eq!(numbers(sender.relay(at(60), B, &packet(9, 410), 160)), (false, 3, 480), "a loss stays visible");
        assert_eq!(numbers(sender.relay(at(61), B, &packet(8, 250), 160)), (false, 2, 320), "and may be mended");
        assert_eq!(numbers(Some(sender.play(at(80), 160))), (true, 4, 640));
        assert_eq!(numbers(Some(sender.play(at(100), 160))), (false, 5, 800));
        assert_eq!(numbers(sender.relay(at(1120), B, &packet(70, 9999), 160)), (true, 6, 960 + 8000));
        assert_eq!(sender.relay(at(1121), B, &packet(69, 9839), 160), None, "its number is taken");
    }

    #[test]
    fn inserts_and_skips_without_a_hole() {
        let mut sender = sender();
        let now = start();
        assert_eq!(numbers(sender.relay(now, A, &packet(10, 0), 160)).1, 65_535);
        sender.skip(A, 11);
        assert_eq!(numbers(sender.relay(now, A, &packet(12, 160), 160)).1, 0);
        assert_eq!(sender.insert(0).sequence_number, 1);
        assert_eq!(numbers(sender.relay(now, A, &packet(13, 320), 160)).1, 2);
        assert_eq!(sender.relay(now, A, &packet(11, 0), 160), None);
    }

    #[test]
    fn a_leaping_clock_is_smoothed() {
        let mut sender = sender();
        let now = start();
        sender.relay(now, A, &packet(10, 0), 160);
        let (marker, sequence, timestamp) = numbers(sender.relay(now, A, &packet(11, 1 << 30), 160));
        assert_eq!((marker, sequence, timestamp), (true, 0, 0));
    }
}
