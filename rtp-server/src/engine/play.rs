//! The beat: every 20 ms the players speak, and presses that were left hanging are ended.
//!
//! A player's frame is encoded in the codec of its channel. What it says goes to that channel's peer alone; what the mix
//! would send there waits meanwhile.

use std::time::{Duration, Instant};

use api::channel::{Event, Play};

use super::channel::Channel;
use super::output::Output;
use super::player::Player;
use super::{Engine, Key, Scratch};

/// Time between two beats.
pub const BEAT: Duration = Duration::from_millis(20);
/// Beats that are made up for after a stall; what is beyond is left out.
const BACKLOG: Duration = Duration::from_millis(200);

/// A player at work.
#[derive(Debug)]
pub(super) struct Playing {
    pub player: Player,
    /// Samples a second of what it plays.
    pub rate: u32,
    /// The first digit stops it.
    pub interrupt: bool,
    /// Milliseconds that are due.
    pub due: u16,
}

impl Engine {
    /// Sees to it that the channel is visited at each beat.
    pub(super) fn rouse(&mut self, now: Instant, key: Key) {
        if !self.beating.contains(&key) {
            self.beating.push(key);
        }
        self.next_beat.get_or_insert(now + BEAT);
    }

    pub(super) fn handle_beat(&mut self, now: Instant, out: &mut Output) {
        while let Some(beat) = self.next_beat.filter(|beat| *beat <= now) {
            let mut beating = std::mem::take(&mut self.beating);
            beating.retain(|key| self.beat(now, *key, out));
            self.beating = beating;
            let late = now.saturating_duration_since(beat);
            let next = if late > BACKLOG { now + BEAT } else { beat + BEAT };
            self.next_beat = (!self.beating.is_empty()).then_some(next);
        }
    }

    /// One channel's beat; false when it needs no further one.
    fn beat(&mut self, now: Instant, key: Key, out: &mut Output) -> bool {
        let Some(channel) = self.channels.get_mut(key.index()).and_then(Option::as_deref_mut) else { return false };
        if channel.relayed.is_silent(now) {
            self.counters.sent += channel.end_press(key, out);
        }
        if channel.playing.is_some() {
            self.counters.sent += channel.speak(now, key, &mut self.scratch, out);
        }
        channel.playing.is_some() || channel.relayed.is_open()
    }
}

impl Channel {
    /// Begins to play; what was played before is replaced.
    pub(super) fn begin(&mut self, playing: Playing, out: &mut Output) {
        self.cease("replaced", out);
        let count = self.play.as_ref().map_or(0, |play| play.count) + 1;
        self.playing = Some(playing);
        self.play = Some(Play { state: "playing".to_owned(), count });
        self.changed(Event::Play, out);
    }

    /// Ends playing, when there is any.
    pub(super) fn cease(&mut self, state: &str, out: &mut Output) {
        if self.playing.take().is_some() {
            if let Some(play) = &mut self.play {
                state.clone_into(&mut play.state);
            }
            self.changed(Event::Play, out);
        }
    }

    /// Says what is due; how many packets that was. While there is nobody to say it to, the player waits.
    fn speak(&mut self, now: Instant, key: Key, scratch: &mut Scratch, out: &mut Output) -> u64 {
        let Some(to) = self.destination() else { return 0 };
        let may_send = self.may_send();
        let Some(playing) = &mut self.playing else { return 0 };
        let ptime = self.format.ptime;
        let mut packets = 0;
        playing.due += BEAT.as_millis() as u16;
        while playing.due >= ptime && !playing.player.is_finished() {
            playing.due -= ptime;
            scratch.samples.resize(playing.rate as usize * usize::from(ptime) / 1000, 0);
            playing.player.fill(&mut scratch.samples);
            if !may_send {
                continue;
            }
            scratch.payload.clear();
            self.encoder.encode(self.format.codec, &scratch.samples, playing.rate, &mut scratch.payload);
            let stamp = self.sender.play(now, scratch.payload.len() as u32);
            self.sender.count(scratch.payload.len());
            out.transmit(key, to, &stamp.packet(self.format.payload_type, &scratch.payload));
            packets += 1;
        }
        if playing.player.is_finished() {
            self.cease("finished", out);
        }
        packets
    }
}
