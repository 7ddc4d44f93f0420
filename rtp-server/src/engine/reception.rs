//! What one peer's stream looks like on arrival (RFC 3550 Appendix A.1, A.3, A.8): order, loss, jitter.
//!
//! A single wild sequence number is not believed; a second one that continues it is a restart. Packets that come out
//! of order are told apart from those that come twice or too late to be of use. It holds no audio.

use std::time::{Duration, Instant};

use api::channel::StreamStats;

/// A jump ahead by more than this is believed only when the next packet continues it.
const DROPOUT: u16 = 50;
/// A packet further behind than this is too late.
const MISORDER: u16 = 16;

/// Clock rate of every codec that we speak on the wire.
const TICKS_PER_MS: u128 = 8;

/// State of one inbound stream.
#[derive(Debug, Default)]
pub struct Reception {
    /// Where counting began: time base of the jitter.
    began: Option<Instant>,
    run: Option<Run>,
    /// Grows with each restart, so that senders know to find a new base.
    epoch: u32,
    packets: u64,
    bytes: u64,
    lost: u64,
    late: u64,
    dropped: u64,
    jitter: f64,
}

/// A stretch of packets from one source without a restart.
#[derive(Debug)]
struct Run {
    ssrc: u32,
    highest: u64,
    first: u64,
    received: u64,
    /// Which of the packets up to `highest` came, newest in bit 0.
    seen: u64,
    unbelieved: Option<u16>,
    transit: Option<i32>,
}

/// What is to be done with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is of use.
    Fresh,
    /// It came before.
    Duplicate,
    /// Its time is over.
    Late,
    /// Its sequence number is out of the blue.
    Wild,
}

impl Reception {
    /// Counts a packet from the peer and says whether it is of use.
    pub fn accept(&mut self, ssrc: u32, sequence_number: u16, payload_bytes: usize) -> Verdict {
        let verdict = match &mut self.run {
            Some(run) if run.ssrc == ssrc => run.place(sequence_number),
            _ => None,
        };
        let verdict = verdict.unwrap_or_else(|| {
            self.restart(ssrc, sequence_number);
            Verdict::Fresh
        });
        match verdict {
            Verdict::Fresh => {
                self.packets += 1;
                self.bytes += payload_bytes as u64;
            }
            Verdict::Late => {
                self.late += 1;
                self.dropped += 1;
            }
            Verdict::Duplicate | Verdict::Wild => self.dropped += 1,
        }
        verdict
    }

    /// Takes the arrival of an audio packet into the interarrival jitter.
    pub fn arrived(&mut self, now: Instant, timestamp: u32) {
        let began = *self.began.get_or_insert(now);
        let micros = now.saturating_duration_since(began).as_micros();
        let arrival = (micros * TICKS_PER_MS / 1000) as u32;
        let transit = arrival.wrapping_sub(timestamp) as i32;
        let Some(run) = &mut self.run else { return };
        if let Some(before) = run.transit.replace(transit) {
            let deviation = f64::from(transit.wrapping_sub(before).unsigned_abs());
            // A leap of the peer's clock is no jitter.
            if deviation < 8.0 * 2000.0 {
                self.jitter += (deviation - self.jitter) / 16.0;
            }
        }
    }

    /// Counts a datagram that was not used.
    pub fn drop_one(&mut self) {
        self.dropped += 1;
    }

    /// Grows with each restart of the stream.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The figures up to now.
    pub fn stats(&self) -> StreamStats {
        let lost = self.lost + self.run.as_ref().map_or(0, Run::lost);
        StreamStats {
            packets: self.packets,
            bytes: self.bytes,
            lost,
            late: self.late,
            dropped: self.dropped,
            jitterms: (self.jitter / 8.0 * 100.0).round() / 100.0,
            mos: mos(lost, self.packets, Duration::from_secs_f64(self.jitter / 8000.0)),
        }
    }

    fn restart(&mut self, ssrc: u32, sequence_number: u16) {
        self.lost += self.run.as_ref().map_or(0, Run::lost);
        self.epoch = self.epoch.wrapping_add(1);
        // Far enough from 0 that a packet from before the first one does not fall below it.
        let first = u64::from(sequence_number) + 0x1_0000;
        self.run = Some(Run { ssrc, highest: first, first, received: 1, seen: 1, unbelieved: None, transit: None });
    }
}

impl Run {
    /// Where a packet falls; nothing when the stream has restarted with it.
    fn place(&mut self, sequence_number: u16) -> Option<Verdict> {
        let ahead = sequence_number.wrapping_sub(self.highest as u16);
        let behind = ahead.wrapping_neg();
        if ahead != 0 && ahead <= DROPOUT {
            self.highest += u64::from(ahead);
            self.seen = self.seen << ahead | 1;
        } else if behind <= MISORDER {
            let bit = 1u64 << behind;
            if self.seen & bit != 0 {
                return Some(Verdict::Duplicate);
            }
            self.seen |= bit;
            self.first = self.first.min(self.highest - u64::from(behind));
        } else if self.unbelieved == Some(sequence_number) {
            return None;
        } else {
            self.unbelieved = Some(sequence_number.wrapping_add(1));
            return Some(if behind < 0x8000 { Verdict::Late } else { Verdict::Wild });
        }
        self.unbelieved = None;
        self.received += 1;
        Some(Verdict::Fresh)
    }

    fn lost(&self) -> u64 {
        (self.highest - self.first + 1).saturating_sub(self.received)
    }
}

/// Mean opinion score by the E-model (ITU-T G.107) with G.711 without concealment (G.113: Ie 0, Bpl 4.3).
fn mos(lost: u64, received: u64, jitter: Duration) -> f64 {
    if received == 0 {
        return 0.0;
    }
    let loss = lost as f64 / (lost + received) as f64 * 100.0;
    let delay = 20.0 + jitter.as_secs_f64() * 2000.0;
    let r = (93.2 - 0.024 * delay - 95.0 * loss / (loss + 4.3)).clamp(0.0, 100.0);
    let score: f64 = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
    (score.clamp(1.0, 4.5) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::start;

    fn verdicts(numbers: impl IntoIterator<Item = u16>) -> (Vec<Verdict>, Reception) {
        let mut reception = Reception::default();
        let verdicts = numbers.into_iter().map(|number| reception.accept(7, number, 160)).collect();
        (verdicts, reception)
    }

    #[test]
    fn tells_order_from_disorder() {
        use Verdict::{Duplicate, Fresh, Late, Wild};
        let (found, reception) = verdicts([65_530, 65_534, 2, 1, 1, 65_532, 65_000, 3, 900, 4, 65_400]);
        assert_eq!(found, [Fresh, Fresh, Fresh, Fresh, Duplicate, Fresh, Late, Fresh, Wild, Fresh, Late]);
        let stats = reception.stats();
        assert_eq!((stats.packets, stats.late, stats.dropped), (7, 2, 4));
        assert_eq!(stats.lost, 11 - 7);
    }

    #[test]
    fn a_second_packet_makes_a_restart() {
        let (found, reception) = verdicts([10, 11, 5000, 5001, 5002]);
        assert_eq!(found[2..], [Verdict::Wild, Verdict::Fresh, Verdict::Fresh]);
        assert_eq!((reception.epoch(), reception.stats().lost), (2, 0));
    }

    #[test]
    fn a_new_ssrc_is_a_restart_at_once() {
        let mut reception = Reception::default();
        assert_eq!(reception.accept(1, 10, 160), Verdict::Fresh);
        assert_eq!(reception.accept(2, 40_000, 160), Verdict::Fresh);
        assert_eq!(reception.epoch(), 2);
    }

    #[test]
    fn loss_shows_in_the_score() {
        let (_, clean) = verdicts(0..100);
        let (_, lossy) = verdicts((0..100).filter(|number| number % 3 != 1));
        assert!(clean.stats().mos > 4.2, "{}", clean.stats().mos);
        assert!(lossy.stats().mos < 2.0, "{}", lossy.stats().mos);
        assert_eq!(lossy.stats().lost, 33);
    }

    #[test]
    fn jitter_is_of_the_arrival() {
        let now = start();
        let mut steady = Reception::default();
        let mut wavering = Reception::default();
        for n in 0..200u32 {
            let even = now + Duration::from_millis(u64::from(n) * 20);
            steady.accept(1, n as u16, 160);
            steady.arrived(even, n * 160);
            wavering.accept(1, n as u16, 160);
            wavering.arrived(even + Duration::from_millis(u64::from(n % 2) * 10), n * 160);
        }
        assert!(steady.stats().jitterms < 0.01);
        assert!((wavering.stats().jitterms - 10.0).abs() < 0.5, "{}", wavering.stats().jitterms);
    }
}
