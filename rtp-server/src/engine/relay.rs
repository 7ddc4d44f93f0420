//! From one channel's peer to another's, packet by packet: what A says is sent on to B the moment that it comes.
//!
//! A payload of B's own codec is not opened. Any other is decoded and encoded once, with the state of that direction. A
//! telephone-event keeps its payload and changes its number. Comfort noise is not passed on: B's phone has its own.

use std::time::Instant;

use super::channel::Channel;
use super::codec::{Codec, Meaning};
use super::dtmf::{self, Press};
use super::output::Output;
use super::packet::Packet;
use super::sender::Source;
use super::transcoder::translate;
use super::{Engine, Key, Scratch};

/// How often the end of an event is said (RFC 4733 §2.5.1.4).
const ENDS: u64 = 3;

impl Engine {
    /// What becomes of a packet that was let in.
    pub(super) fn handle_packet(
        &mut self,
        now: Instant,
        key: Key,
        (packet, meaning): (&Packet, Meaning),
        out: &mut Output,
    ) {
        let Some(channel) = self.channel(key) else { return };
        if !channel.may_hear() {
            return;
        }
        let event = match meaning {
            Meaning::Event => dtmf::Event::parse(packet.payload),
            Meaning::Audio(_) | Meaning::Noise => None,
        };
        if let Some(event) = event {
            let press = channel.hear_event(packet.timestamp, event, out);
            if press == Press::Stale {
                return;
            }
        }
        let source = channel.source();
        let to = match &channel.member {
            Some(member) => member.key,
            None if channel.echo => key,
            None => return,
        };
        match (meaning, event) {
            (Meaning::Audio(codec), _) => self.forward_audio(now, (key, to, source), (packet, codec), out),
            (_, Some(event)) => self.forward_event(now, (to, source), (packet, event), out),
            (_, None) => self.withhold(to, source, packet),
        }
    }

    fn forward_audio(
        &mut self,
        now: Instant,
        (from, to, source): (Key, Key, Source),
        (packet, codec): (&Packet, Codec),
        out: &mut Output,
    ) {
        let Some(listener) = self.channels.get_mut(to.index()).and_then(Option::as_deref_mut) else { return };
        if !listener.is_listening() || packet.payload.is_empty() {
            return listener.sender.skip(source, packet.sequence_number);
        }
        let Some(destination) = listener.destination() else { return };
        let samples = packet.payload.len() as u32;
        let relayed = listener.sender.relay(now, source, packet, samples);
        let Some(mut stamp) = relayed else { return };
        stamp.marker |= packet.marker;
        let (wanted, payload_type) = (listener.format.codec, listener.format.payload_type);
        let is_opened = wanted != codec;
        if is_opened {
            self.transcode((from, to), (codec, wanted), packet.payload);
        }
        let payload = if is_opened { &self.scratch.payload } else { packet.payload };
        out.transmit(to, destination, &stamp.packet(payload_type, payload));
        if let Some(listener) = self.channels.get_mut(to.index()).and_then(Option::as_deref_mut) {
            listener.sender.count(payload.len());
            self.counters.sent += 1;
        }
    }

    /// Leaves the payload in the listener's codec in the scratch.
    fn transcode(&mut self, (from, to): (Key, Key), (codec, wanted): (Codec, Codec), payload: &[u8]) {
        let Scratch { samples, payload: coded } = &mut self.scratch;
        samples.clear();
        coded.clear();
        if translate(codec, wanted, payload, coded) {
            return;
        }
        if let Some(speaker) = self.channels.get_mut(from.index()).and_then(Option::as_deref_mut) {
            speaker.decoder.decode(codec, payload, samples);
        }
        if let Some(listener) = self.channels.get_mut(to.index()).and_then(Option::as_deref_mut) {
            listener.encoder.encode(wanted, samples, codec.rate(), coded);
        }
    }

    fn forward_event(
        &mut self,
        now: Instant,
        (to, source): (Key, Source),
        (packet, event): (&Packet, dtmf::Event),
        out: &mut Output,
    ) {
        let Some(listener) = self.channels.get_mut(to.index()).and_then(Option::as_deref_mut) else { return };
        let (Some(payload_type), true) = (listener.format.event, listener.is_listening()) else {
            return listener.sender.skip(source, packet.sequence_number);
        };
        let Some(destination) = listener.destination() else { return };
        let began = listener.sender.timestamp_for(source, packet.timestamp);
        if began.is_none_or(|timestamp| listener.relayed.is_other(timestamp)) {
            self.counters.sent += listener.end_press(to, out);
        }
        let relayed = listener.sender.relay(now, source, packet, 0);
        let Some(mut stamp) = relayed else { return };
        stamp.marker |= packet.marker;
        listener.relayed.sent(now, stamp.timestamp, event);
        let payload = event.to_bytes();
        listener.sender.count(payload.len());
        out.transmit(to, destination, &stamp.packet(payload_type, &payload));
        self.counters.sent += 1;
        if !event.end {
            self.rouse(now, to);
        }
    }

    fn withhold(&mut self, to: Key, source: Source, packet: &Packet) {
        if let Some(listener) = self.channel(to) {
            listener.sender.skip(source, packet.sequence_number);
        }
    }
}

impl Channel {
    /// Takes a packet of a press; the first one of each is a digit.
    fn hear_event(&mut self, timestamp: u32, event: dtmf::Event, out: &mut Output) -> Press {
        let press = self.presses.handle(timestamp, event);
        if let (Press::New, Some(digit)) = (press, event.digit()) {
            if self.playing.as_ref().is_some_and(|playing| playing.interrupt) {
                self.cease("interrupted", out);
            }
            self.press(digit, out);
        }
        press
    }

    /// Its peer is to get what the mix sends.
    fn is_listening(&self) -> bool {
        self.may_send() && self.playing.is_none()
    }

    /// Ends the press that is on its way to the peer; how many packets that took.
    pub(super) fn end_press(&mut self, key: Key, out: &mut Output) -> u64 {
        let Some((timestamp, event)) = self.relayed.finish() else { return 0 };
        let (Some(payload_type), Some(to), true) = (self.format.event, self.destination(), self.may_send()) else {
            return 0;
        };
        let payload = event.to_bytes();
        for _ in 0..ENDS {
            let stamp = self.sender.insert(timestamp);
            self.sender.count(payload.len());
            out.transmit(key, to, &stamp.packet(payload_type, &payload));
        }
        ENDS
    }
}
