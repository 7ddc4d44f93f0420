//! The engine in virtual time: datagrams in, datagrams and documents out.

use std::net::{Ipv4Addr, SocketAddr};

use api::channel::{Audio, Remote};
use proptest::prelude::*;
use rand::SeedableRng;

use super::*;
use crate::engine::player::{Player, Segment};
use crate::engine::wav::Sound;

const IDLE: Duration = Duration::from_secs(20);

/// An engine, its clock, and what it sent.
struct World {
    engine: Engine,
    now: Instant,
    out: Output,
}

/// When virtual time begins.
#[expect(clippy::disallowed_methods, reason = "there is no other way to an Instant")]
pub(super) fn start() -> Instant {
    Instant::now()
}

/// One peer of a channel.
struct Phone {
    key: Key,
    from: SocketAddr,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

/// A packet that came out.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    to: SocketAddr,
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    payload: Vec<u8>,
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn destination(port: u16, payloads: &[u8], dtmf: Option<u8>) -> Destination {
    let audio = Audio { payloads: payloads.to_vec(), dtmf, ..Audio::default() };
    Destination::checked(&Remote { ip: "127.0.0.1".to_owned(), port, audio: Some(audio), direction: None }).unwrap()
}

impl World {
    fn new() -> Self {
        let engine = Engine::new(StdRng::seed_from_u64(1), IDLE);
        Self { engine, now: start(), out: Output::default() }
    }

    fn phone(&mut self, uuid: &str, payload_type: u8, dtmf: Option<u8>) -> Phone {
        let port = 5000 + self.engine.len() as u16 * 2;
        let opening = Opening {
            uuid: uuid.to_owned(),
            control: Some("http://control".to_owned()),
            ip: Ipv4Addr::LOCALHOST.into(),
            port: 10_000,
            remote: Some(destination(port, &[payload_type], dtmf)),
        };
        let (key, _) = self.engine.open(self.now, opening);
        Phone { key, from: address(port), payload_type, sequence: 65_500, timestamp: 77, ssrc: u32::from(port) }
    }

    fn pair(&mut self, a: u8, b: u8) -> (Phone, Phone) {
        let pair = (self.phone("a", a, Some(101)), self.phone("b", b, Some(96)));
        self.tell("a", Command::Mix("b".to_owned())).unwrap();
        self.documents();
        pair
    }

    fn tell(&mut self, uuid: &str, command: Command) -> Result<api::Channel, Refusal> {
        self.engine.handle_command(self.now, uuid, command, &mut self.out)
    }

    fn feed(&mut self, key: Key, from: SocketAddr, bytes: &[u8]) {
        self.engine.handle_datagram(self.now, key, Datagram { source: from, bytes }, &mut self.out);
    }

    /// Speaks 20 ms; what was sent because of it.
    fn say(&mut self, phone: &mut Phone, payload: &[u8]) -> Vec<Sent> {
        let (sequence, timestamp) = (phone.sequence, phone.timestamp);
        phone.sequence = sequence.wrapping_add(1);
        phone.timestamp = timestamp.wrapping_add(payload.len() as u32);
        self.now += Duration::from_millis(payload.len() as u64 / 8);
        self.say_as(phone, (sequence, timestamp, phone.payload_type), payload)
    }

    fn say_as(
        &mut self,
        phone: &Phone,
        (sequence, timestamp, payload_type): (u16, u32, u8),
        payload: &[u8],
    ) -> Vec<Sent> {
        let packet =
            Packet { marker: false, payload_type, sequence_number: sequence, timestamp, ssrc: phone.ssrc, payload };
        let mut bytes = Vec::new();
        packet.write(&mut bytes);
        self.feed(phone.key, phone.from, &bytes);
        self.sent()
    }

    fn event(&mut self, phone: &mut Phone, timestamp: u32, (code, duration, end): (u8, u16, bool)) -> Vec<Sent> {
        let payload = dtmf::Event { code, end, volume: 10, duration }.to_bytes();
        let sequence = phone.sequence;
        phone.sequence = sequence.wrapping_add(1);
        self.now += Duration::from_millis(20);
        self.say_as(phone, (sequence, timestamp, 101), &payload)
    }

    fn pass(&mut self, time: Duration) -> Vec<Sent> {
        let end = self.now + time;
        while let Some(deadline) = self.engine.poll_timeout().filter(|deadline| *deadline <= end) {
            self.now = deadline.max(self.now);
            self.engine.handle_timeout(self.now, &mut self.out);
        }
        self.now = end;
        self.sent()
    }

    fn sent(&mut self) -> Vec<Sent> {
        let read = |transmit: &Transmit| {
            let packet = Packet::parse(self.out.bytes(transmit)).expect("we send RTP");
            Sent {
                to: transmit.to,
                marker: packet.marker,
                payload_type: packet.payload_type,
                sequence: packet.sequence_number,
                timestamp: packet.timestamp,
                payload: packet.payload.to_vec(),
            }
        };
        let sent = self.out.transmits.iter().map(read).collect();
        self.out.transmits.clear();
        sent
    }

    fn documents(&mut self) -> Vec<api::Channel> {
        self.out.documents.drain(..).map(|document| document.channel).collect()
    }

    fn document(&mut self, uuid: &str) -> api::Channel {
        self.tell(uuid, Command::Show).unwrap()
    }
}

fn assert_contiguous(sent: &[Sent]) {
    for pair in sent.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160));
    }
}

fn player(value: i16, ms: usize) -> Player {
    let sound = Sound { rate: 8000, samples: vec![value; ms * 8].into() };
    Player::new(vec![Segment { sound, start_ms: None, stop_ms: None, extra_plays: Some(0) }], Some(0))
}

#[test]
fn echo_gives_back_what_came() {
    let mut world = World::new();
    let mut phone = world.phone("a", 0, None);
    world.tell("a", Command::Echo(true)).unwrap();
    let sent: Vec<_> = (0..50).flat_map(|n| world.say(&mut phone, &[n; 160])).collect();
    assert_eq!(sent.len(), 50);
    assert_contiguous(&sent);
    assert!(sent.iter().enumerate().all(|(n, sent)| sent.payload == [n as u8; 160] && sent.marker == (n == 0)));
    let stats = world.tell("a", Command::Close).unwrap().stats;
    assert_eq!((stats.inbound.packets, stats.outbound.packets, stats.inbound.dropped), (50, 50, 0));
    assert!(world.engine.is_empty());
}

#[test]
fn disorder_and_loss_are_passed_on_wild_numbers_are_not() {
    let mut world = World::new();
    let phone = world.phone("a", 0, None);
    world.tell("a", Command::Echo(true)).unwrap();
    let mut order: Vec<u16> = (0..50).collect();
    order.swap(12, 14);
    order.swap(24, 25);
    order[32..38].reverse();
    (order[8], order[20], order[42]) = (100, 400, 2);
    let mut sent = Vec::new();
    for number in order {
        world.now += Duration::from_millis(20);
        sent.extend(world.say_as(&phone, (number, u32::from(number) * 160, 0), &[number as u8; 160]));
    }
    let first = sent[0].sequence;
    sent.sort_by_key(|sent| sent.sequence.wrapping_sub(first));
    assert_eq!(sent.len(), 47);
    for packet in &sent {
        let number = packet.sequence.wrapping_sub(first);
        assert_eq!(packet.payload[0], number as u8);
        assert_eq!(packet.timestamp.wrapping_sub(sent[0].timestamp), u32::from(number) * 160);
    }
    assert_eq!(world.document("a").stats.inbound.dropped, 3);
}

#[test]
fn a_mix_translates_what_must_be_and_opens_nothing_else() {
    for (a, b) in [(0, 0), (0, 8), (8, 0), (0, 9), (9, 8), (8, 9), (9, 9)] {
        let mut world = World::new();
        let (mut one, mut two) = world.pair(a, b);
        let heard: Vec<_> = (0..20).flat_map(|_| world.say(&mut one, &[0x55; 160])).collect();
        assert_eq!(heard.len(), 20);
        assert_contiguous(&heard);
        assert!(heard.iter().all(|sent| sent.to == two.from && sent.payload_type == b && sent.payload.len() == 160));
        assert_eq!(a == b, heard.iter().all(|sent| sent.payload == [0x55; 160]));
        assert_eq!(world.say(&mut two, &[0x55; 80])[0].to, one.from, "any length goes through");
    }
}

#[test]
fn what_goes_out_goes_on_when_the_source_changes() {
    let mut world = World::new();
    let (mut one, _two) = world.pair(0, 0);
    let mut sent: Vec<_> = (0..5).flat_map(|_| world.say(&mut one, &[1; 160])).collect();
    one.ssrc = 99;
    (one.sequence, one.timestamp) = (7, 1 << 30);
    sent.extend((0..5).flat_map(|_| world.say(&mut one, &[1; 160])));
    assert_eq!(sent.len(), 10);
    assert_contiguous(&sent);
    assert!(sent[5].marker);
    world.tell("a", Command::Unmix).unwrap();
    assert_eq!(world.say(&mut one, &[1; 160]), []);
    world.tell("b", Command::Mix("a".to_owned())).unwrap();
    one.sequence = 30_000;
    let again: Vec<_> = (0..3).flat_map(|_| world.say(&mut one, &[1; 160])).collect();
    assert_eq!(again.last().unwrap().sequence, sent[9].sequence.wrapping_add(2), "one packet proves the restart");
}

#[test]
fn strangers_are_not_heard_but_the_signalled_address_is() {
    let mut world = World::new();
    let (mut one, _two) = world.pair(0, 0);
    let signalled = one.from;
    one.from = address(7000);
    assert_eq!(world.say(&mut one, &[1; 160]).len(), 1, "the first valid source is the peer");
    let mut stranger = Phone { from: address(6666), ..world_phone(&one) };
    assert_eq!(world.say(&mut stranger, &[2; 160]), []);
    world.feed(one.key, stranger.from, &[0x80]);
    let hostile = [0x8f, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
    world.feed(one.key, stranger.from, &hostile);
    world.feed(one.key, one.from, &hostile);
    assert_eq!(world.say(&mut one, &[3; 160]).len(), 1);
    let document = world.document("a");
    assert_eq!(document.remote.unwrap().port, 7000);
    assert_eq!((document.stats.inbound.packets, document.stats.inbound.dropped), (2, 4));
    one.from = signalled;
    assert_eq!(world.say(&mut one, &[4; 160]).len(), 1);
    assert_eq!(world.document("a").remote.unwrap().port, signalled.port());
}

fn world_phone(phone: &Phone) -> Phone {
    Phone { ssrc: 4711, ..*phone }
}

#[test]
fn a_payload_type_is_what_was_negotiated() {
    let mut world = World::new();
    let (mut one, _two) = world.pair(8, 8);
    one.payload_type = 96;
    assert_eq!(world.say(&mut one, &[1; 160]), [], "nobody said what 96 is");
    one.payload_type = 0;
    let heard = world.say(&mut one, &[0xff; 160]);
    assert_eq!((heard[0].payload_type, &heard[0].payload[..2]), (8, &[0xd5, 0xd5][..]));
    one.payload_type = 13;
    assert_eq!(world.say(&mut one, &[40]), [], "comfort noise stays here");
    one.payload_type = 8;
    assert_eq!(world.say(&mut one, &[1; 160])[0].sequence, heard[0].sequence.wrapping_add(1));
}

#[test]
fn digits_are_told_once_and_made_anew_for_the_peer() {
    let mut world = World::new();
    let (mut one, two) = world.pair(0, 8);
    let mut heard = world.say(&mut one, &[0xff; 160]);
    let audio = heard[0].clone();
    let began = one.timestamp;
    for duration in 1..=5 {
        heard.extend(world.event(&mut one, began, (5, duration * 160, false)));
        heard.extend(world.say(&mut one, &[0xff; 160]));
    }
    for _ in 0..3 {
        heard.extend(world.event(&mut one, began, (5, 960, true)));
    }
    let events: Vec<_> = heard.iter().filter(|sent| sent.payload_type == 96).collect();
    assert_eq!(events.len(), 8);
    assert!(events.iter().all(|sent| sent.to == two.from && sent.timestamp == audio.timestamp.wrapping_add(160)));
    assert_eq!(events.iter().filter(|sent| sent.payload[1] & 0x80 != 0).count(), 3);
    assert!(heard.windows(2).all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1)));
    assert_eq!(world.pass(Duration::from_secs(1)), []);
    let digits: Vec<_> = world.documents().into_iter().map(|channel| (channel.event, channel.digits)).collect();
    assert_eq!(digits, [(Event::Dtmf, "5".to_owned())]);
}

#[test]
fn lost_ends_cost_no_digit() {
    let mut world = World::new();
    let (mut one, _two) = world.pair(0, 0);
    world.event(&mut one, 1000, (1, 160, false));
    let next = world.event(&mut one, 5000, (1, 160, false));
    let ends: Vec<_> = next.iter().map(|sent| sent.payload[1] & 0x80 != 0).collect();
    assert_eq!(ends, [true, true, true, false]);
    assert!(next.windows(2).all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1)));
    assert_eq!(world.pass(Duration::from_secs(1)).len(), 3, "silence ends it too");
    assert_eq!(world.event(&mut one, 9000, (11, 800, true)).len(), 1, "an end alone is a press");
    assert_eq!(world.document("a").digits, "11#");
    assert_eq!(world.engine.poll_timeout().map(|at| at > world.now + Duration::from_millis(500)), Some(true));
}

#[test]
fn playing_is_exact_and_pauses_what_the_mix_says() {
    let mut world = World::new();
    let (mut one, two) = world.pair(0, 8);
    world.say(&mut one, &[0xff; 160]);
    world.tell("b", Command::Play { player: player(1000, 100), rate: 8000, interrupt: false }).unwrap();
    assert_eq!(world.say(&mut one, &[0xff; 160]), []);
    let played = world.pass(Duration::from_secs(1));
    let mut code = Vec::new();
    codec::g711::encode_alaw(&[1000], &mut code);
    assert_eq!(played.len(), 5);
    assert_contiguous(&played);
    assert!(played.iter().all(|sent| sent.to == two.from && sent.payload == vec![code[0]; 160]));
    assert_eq!(world.say(&mut one, &[0xff; 160]).len(), 1);
    let states: Vec<_> = world.documents().into_iter().filter_map(|channel| channel.play).collect();
    let states: Vec<_> = states.iter().map(|play| (play.state.as_str(), play.count)).collect();
    assert_eq!(states, [("playing", 1), ("finished", 1)]);
}

#[test]
fn a_digit_interrupts_and_a_new_soup_replaces() {
    let mut world = World::new();
    let mut phone = world.phone("a", 0, Some(101));
    for interrupt in [false, true] {
        world.tell("a", Command::Play { player: player(1, 5000), rate: 8000, interrupt }).unwrap();
    }
    world.event(&mut phone, 1000, (2, 160, false));
    let told: Vec<_> = world.documents().into_iter().map(|c| (c.event, c.play.unwrap().state)).collect();
    let told: Vec<_> = told.iter().map(|(event, state)| (*event, state.as_str())).collect();
    use Event::{Dtmf, Play};
    let expected =
        [(Play, "playing"), (Play, "replaced"), (Play, "playing"), (Play, "interrupted"), (Dtmf, "interrupted")];
    assert_eq!(told, expected);
    assert_eq!(world.pass(Duration::from_secs(1)), []);
}

#[test]
fn packets_are_as_long_as_was_negotiated() {
    let mut world = World::new();
    world.phone("a", 0, None);
    let audio = Audio { payloads: vec![9], ptime: Some(30), ..Audio::default() };
    let remote = Remote { ip: "127.0.0.1".to_owned(), port: 5000, audio: Some(audio), direction: None };
    world.tell("a", Command::Remote(Destination::checked(&remote).unwrap())).unwrap();
    world.tell("a", Command::Play { player: player(1, 600), rate: 8000, interrupt: false }).unwrap();
    let played = world.pass(Duration::from_millis(601));
    assert_eq!(played.len(), 20);
    assert!(played.windows(2).all(|pair| pair[1].timestamp == pair[0].timestamp.wrapping_add(240)));
}

#[test]
fn a_direction_is_kept() {
    use api::sdp::Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (direction, hears, is_heard) in
        [(SendRecv, true, true), (SendOnly, true, false), (RecvOnly, false, true), (Inactive, false, false)]
    {
        let mut world = World::new();
        let (mut one, mut two) = world.pair(0, 0);
        let remote = Destination { direction: Some(direction), ..destination(5000, &[0], None) };
        world.tell("a", Command::Remote(remote)).unwrap();
        assert_eq!(world.say(&mut one, &[1; 160]).len(), usize::from(is_heard), "{direction:?}");
        assert_eq!(world.say(&mut two, &[1; 160]).len(), usize::from(hears), "{direction:?}");
    }
}

#[test]
fn a_mix_has_two_members_and_ends_with_one() {
    let mut world = World::new();
    let (mut one, _two) = world.pair(0, 0);
    world.phone("c", 0, None);
    for (uuid, other) in [("a", "c"), ("c", "b"), ("a", "a")] {
        assert!(matches!(world.tell(uuid, Command::Mix(other.to_owned())), Err(Refusal::Conflict(_))));
    }
    assert_eq!(world.tell("a", Command::Mix("nobody".to_owned())), Err(Refusal::Unknown));
    assert!(matches!(world.tell("a", Command::Echo(true)), Err(Refusal::Conflict(_))));
    assert!(matches!(world.engine.release("a"), Err(Refusal::Conflict(_))));
    world.documents();
    assert_eq!(world.tell("a", Command::Mix("b".to_owned())).unwrap().mix, ["b"]);
    assert_eq!(world.documents(), []);
    world.tell("b", Command::Close).unwrap();
    assert_eq!(world.document("a").mix, [""; 0]);
    assert_eq!(world.say(&mut one, &[1; 160]), []);
    let told: Vec<_> = world.documents().into_iter().map(|channel| (channel.uuid, channel.event)).collect();
    let expected = [("b", Event::Unmix), ("a", Event::Unmix), ("b", Event::Close)];
    assert_eq!(told, expected.map(|(uuid, event)| (uuid.to_owned(), event)));
}

#[test]
fn a_channel_moves_with_all_that_it_is() {
    let mut world = World::new();
    let mut phone = world.phone("a", 0, None);
    world.tell("a", Command::Echo(true)).unwrap();
    let before = world.say(&mut phone, &[1; 160])[0].clone();
    let (_, channel) = world.engine.release("a").unwrap();
    assert!(world.engine.is_empty());
    let mut other = World::new();
    other.now = world.now;
    other.phone("b", 0, None);
    phone.key = other.engine.adopt(other.now, channel);
    let after = other.say(&mut phone, &[1; 160])[0].clone();
    assert_contiguous(&[before, after]);
}

#[test]
fn a_silent_channel_is_asked_about_then_closed() {
    let mut world = World::new();
    world.phone("a", 0, None);
    assert_eq!(world.tell("a", Command::Abandon).unwrap().event, Event::Open);
    world.pass(IDLE + SWEEP);
    assert_eq!(world.documents()[0].event, Event::Timeout);
    let closed = world.tell("a", Command::Abandon).unwrap();
    assert!(closed.reason.unwrap().starts_with("idle"));
    let opening = Opening { uuid: "b".into(), control: None, ip: address(0).ip(), port: 2, remote: None };
    world.engine.open(world.now, opening);
    world.pass(IDLE + SWEEP);
    assert!(world.engine.is_empty());
    world.pass(SWEEP * 2);
    assert_eq!(world.engine.poll_timeout(), None, "silence from everybody leaves nothing to do");
}

proptest! {
    #[test]
    fn no_datagram_panics(datagrams in proptest::collection::vec((any::<bool>(), 0u16..3, proptest::collection::vec(any::<u8>(), 0..60), any::<bool>()), 0..40), a in 0usize..3, b in 0usize..3) {
        let mut world = World::new();
        let codecs = [0, 8, 9];
        let (one, two) = world.pair(codecs[a], codecs[b]);
        for (first, port, mut bytes, plausible) in datagrams {
            if plausible && bytes.len() > 2 {
                bytes[0] = 0x80 | bytes[0] & 0x3f;
                bytes[1] = [0, 8, 9, 13, 101, 96][usize::from(bytes[1]) % 6] | bytes[1] & 0x80;
            }
            let key = if first { one.key } else { two.key };
            world.feed(key, address(5000 + port), &bytes);
            world.pass(Duration::from_millis(u64::from(port) * 15));
        }
        world.tell("a", Command::Close).unwrap();
        world.tell("b", Command::Close).unwrap();
        prop_assert!(world.engine.is_empty());
    }
}
