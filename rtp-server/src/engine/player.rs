//! Plays a sound soup: recordings one after the other, each as often as it says, the whole list as often as it says.
//! Joints are seamless, also in the middle of a frame. All segments are at one rate: whoever builds the soup sees to that.

use std::ops::Range;

use super::wav::Sound;

/// One recording of a soup, or a part of it.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The recording.
    pub sound: Sound,
    /// Where to begin, in milliseconds.
    pub start_ms: Option<u64>,
    /// Where to end, in milliseconds; a place beyond the end is the end.
    pub stop_ms: Option<u64>,
    /// Plays after the first; for ever when absent.
    pub extra_plays: Option<u32>,
}

impl Segment {
    fn range(&self) -> Range<usize> {
        let length = self.sound.samples.len();
        let sample = |ms: u64| {
            let sample = u128::from(ms) * u128::from(self.sound.rate) / 1_000;
            usize::try_from(sample).unwrap_or(length).min(length)
        };
        let stop = self.stop_ms.map_or(length, sample);
        self.start_ms.map_or(0, sample).min(stop)..stop
    }
}

/// A segment that is not empty.
#[derive(Debug, Clone)]
struct Part {
    sound: Sound,
    range: Range<usize>,
    extra_plays: Option<u32>,
}

/// A soup that is being played.
#[derive(Debug, Clone)]
pub struct Player {
    parts: Vec<Part>,
    /// Index of the part that sounds; beyond the last one all is over.
    current: usize,
    position: usize,
    /// Plays of the current part after this one.
    plays_left: Option<u32>,
    /// Rounds of the list after this one.
    rounds_left: Option<u32>,
}

impl Player {
    /// From the first sample of the first segment; `extra_rounds` are the rounds after the first, for ever when absent.
    #[must_use]
    pub fn new(segments: Vec<Segment>, extra_rounds: Option<u32>) -> Self {
        // Empty ones make no sound; left out, they cannot make a loop that never ends.
        let parts = segments.into_iter().filter_map(|segment| {
            let range = segment.range();
            (!range.is_empty()).then_some(Part { sound: segment.sound, range, extra_plays: segment.extra_plays })
        });
        let mut player =
            Self { parts: parts.collect(), current: 0, position: 0, plays_left: Some(0), rounds_left: extra_rounds };
        player.begin(0);
        player
    }

    /// Fills one frame, with silence after the end. False when all was over already.
    pub fn fill(&mut self, out: &mut [i16]) -> bool {
        let was_playing = !self.is_finished();
        let mut filled = 0;
        while filled < out.len() {
            let Some(part) = self.parts.get(self.current) else {
                break;
            };
            let rest = &part.sound.samples[self.position..part.range.end];
            let count = rest.len().min(out.len() - filled);
            out[filled..filled + count].copy_from_slice(&rest[..count]);
            filled += count;
            self.position += count;
            if count == rest.len() {
                self.advance();
            }
        }
        out[filled..].fill(0);
        was_playing
    }

    /// The last sample has been played.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.current >= self.parts.len()
    }

    fn advance(&mut self) {
        if another(&mut self.plays_left) {
            self.position = self.parts[self.current].range.start;
        } else if self.current + 1 < self.parts.len() {
            self.begin(self.current + 1);
        } else if another(&mut self.rounds_left) {
            self.begin(0);
        } else {
            self.current = self.parts.len();
        }
    }

    fn begin(&mut self, index: usize) {
        self.current = index;
        if let Some(part) = self.parts.get(index) {
            self.position = part.range.start;
            self.plays_left = part.extra_plays;
        }
    }
}

/// Takes one of what is left, where there is a limit.
fn another(left: &mut Option<u32>) -> bool {
    match left {
        None => true,
        Some(0) => false,
        Some(count) => {
            *count -= 1;
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(value: i16, milliseconds: usize) -> Segment {
        let samples = vec![value; milliseconds * 8];
        Segment {
            sound: Sound { rate: 8_000, samples: samples.into() },
            start_ms: None,
            stop_ms: None,
            extra_plays: Some(0),
        }
    }

    /// Plays frames of 20 ms until the end, or `limit` of them.
    fn play(player: &mut Player, limit: usize) -> Vec<i16> {
        let mut all = Vec::new();
        let mut frame = [-1; 160];
        for _ in 0..limit {
            if !player.fill(&mut frame) {
                assert_eq!(frame, [0; 160]);
                break;
            }
            all.extend_from_slice(&frame);
        }
        all
    }

    /// Value and length of each run.
    fn runs(samples: &[i16]) -> Vec<(i16, usize)> {
        samples.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect()
    }

    #[test]
    fn joints_lie_within_a_frame() {
        let mut player = Player::new(vec![segment(1, 30), segment(2, 15)], Some(0));
        let samples = play(&mut player, 10);
        assert_eq!(runs(&samples), [(1, 240), (2, 120), (0, 120)]);
        assert!(player.is_finished());
    }

    #[test]
    fn a_whole_frame_at_the_end_needs_no_silence() {
        let samples = play(&mut Player::new(vec![segment(1, 40)], Some(0)), 10);
        assert_eq!(runs(&samples), [(1, 320)]);
    }

    #[test]
    fn loops_of_files_and_of_the_list() {
        let twice = Segment { extra_plays: Some(1), ..segment(1, 10) };
        let part = Segment { start_ms: Some(40), stop_ms: Some(100), ..segment(3, 500) };
        let mut player = Player::new(vec![twice, segment(2, 20), part], Some(1));
        let samples = play(&mut player, 100);
        assert_eq!(runs(&samples), [(1, 160), (2, 160), (3, 480)].repeat(2));
    }

    #[test]
    fn for_ever_goes_on() {
        let endless = Segment { extra_plays: None, ..segment(1, 7) };
        assert_eq!(runs(&play(&mut Player::new(vec![endless, segment(2, 7)], Some(0)), 50)), [(1, 8_000)]);
        let mut round = Player::new(vec![segment(1, 20), segment(2, 20)], None);
        assert_eq!(runs(&play(&mut round, 50)).len(), 50);
    }

    #[test]
    fn empty_segments_make_no_endless_loop() {
        let backwards = Segment { start_ms: Some(10), stop_ms: Some(5), extra_plays: None, ..segment(1, 20) };
        let beyond = Segment { start_ms: Some(u64::MAX), ..segment(1, 20) };
        let mut player = Player::new(vec![segment(1, 0), backwards, beyond], None);
        assert!(!player.fill(&mut [0; 160]));
        assert!(!Player::new(Vec::new(), None).fill(&mut [0; 160]));
    }

    #[test]
    fn segments_are_cut_in_milliseconds() {
        let sound = Sound { rate: 8_000, samples: (0..800).collect() };
        let part = Segment { sound, start_ms: Some(30), stop_ms: Some(50), extra_plays: Some(0) };
        assert_eq!(play(&mut Player::new(vec![part], Some(0)), 9), (240..400).collect::<Vec<_>>());
    }
}
