//! Whatever has happened, silence from everybody leaves nothing, and each client gets one outcome.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Event {
    Send(&'static str, u8, Transport),
    Receive(&'static str, u8, Transport),
    Answer(&'static str, u8, u16),
    Respond(u8, u16),
    Cancel(u8),
    Abandon(u8),
    Lose(Transport),
    Wait(u16),
}

fn event() -> impl Strategy<Value = Event> {
    let method = prop::sample::select(vec!["INVITE", "OPTIONS", "BYE", "CANCEL", "ACK"]);
    let status = prop::sample::select(vec![100u16, 180, 200, 202, 302, 487, 503, 603]);
    let transport = prop::sample::select(vec![UDP, TCP]);
    let branch = 0u8..4;
    prop_oneof![
        3 => (method.clone(), branch.clone(), transport.clone()).prop_map(|(m, b, t)| Event::Send(m, b, t)),
        4 => (method.clone(), branch.clone(), transport.clone()).prop_map(|(m, b, t)| Event::Receive(m, b, t)),
        4 => (method, branch, status.clone()).prop_map(|(m, b, s)| Event::Answer(m, b, s)),
        4 => (0u8..8, status).prop_map(|(id, s)| Event::Respond(id, s)),
        1 => (0u8..8).prop_map(Event::Cancel),
        1 => (0u8..8).prop_map(Event::Abandon),
        1 => transport.prop_map(Event::Lose),
        3 => any::<u16>().prop_map(Event::Wait),
    ]
}

/// Even branches have the cookie, odd ones are of RFC 2543.
fn branch(number: u8) -> String {
    if number.is_multiple_of(2) { format!("z9hG4bK{number}") } else { number.to_string() }
}

impl World {
    fn play(&mut self, event: &Event, clients: &mut Vec<ClientId>) {
        match event {
            Event::Send(method, number, transport) => {
                clients.push(self.send(request(method, &branch(*number)), *transport));
            }
            Event::Receive(method, number, transport) => self.request(request(method, &branch(*number)), *transport),
            Event::Answer(method, number, status) => {
                self.response(response(&request(method, &branch(*number)), *status));
            }
            Event::Respond(at, status) => {
                let known = |effect: &Effect| match effect {
                    Effect::Request { id, request, .. } => Some((*id, request.clone())),
                    _ => None,
                };
                let request = self.out.iter().filter_map(known).nth((*at).into());
                if let Some((id, request)) = request {
                    self.respond(id, &response(&request, *status));
                }
            }
            Event::Cancel(at) => {
                let cancel = clients.get(usize::from(*at)).and_then(|id| self.layer.cancel_template(*id));
                if let Some(cancel) = cancel {
                    clients.push(self.send(cancel, UDP));
                }
            }
            Event::Abandon(at) => {
                if let Some(id) = clients.get(usize::from(*at)) {
                    self.layer.abandon(self.now, *id);
                }
            }
            Event::Lose(transport) => {
                self.layer.handle_transport_failure(self.now, peer(*transport), &mut self.out);
            }
            Event::Wait(ms) => self.wait(Duration::from_millis((*ms).into())),
        }
    }
}

/// Final responses and failures of each client.
fn outcomes(effects: &[Effect]) -> BTreeMap<ClientId, (Vec<u16>, usize)> {
    let mut outcomes: BTreeMap<_, (Vec<_>, usize)> = BTreeMap::new();
    for effect in effects {
        match effect {
            Effect::Response { id, response, .. } => {
                let (finals, failures) = outcomes.entry(*id).or_default();
                assert_eq!(*failures, 0, "a response after failure");
                assert!(finals.is_empty() || response.is_success(), "only 2xx after a final response");
                if !response.is_provisional() {
                    finals.push(response.status);
                }
            }
            Effect::Failed { id, .. } => outcomes.entry(*id).or_default().1 += 1,
            _ => {}
        }
    }
    outcomes
}

proptest! {
    #[test]
    fn silence_leaves_nothing_and_each_client_has_one_outcome(events in prop::collection::vec(event(), 0..80)) {
        let mut world = World::new();
        let mut clients = Vec::new();
        let mut methods = Vec::new();
        for event in &events {
            let before = clients.len();
            world.play(event, &mut clients);
            if clients.len() > before {
                methods.push(!matches!(event, Event::Send("ACK", ..)));
            }
        }
        let mut fired = 0;
        while let Some(at) = world.layer.poll_timeout() {
            prop_assert!(fired < 10_000, "it never ends");
            fired += 1;
            world.now = world.now.max(at);
            world.layer.handle_timeout(world.now, &mut world.out);
        }
        prop_assert!(world.layer.is_spotless());
        let outcomes = outcomes(&world.out);
        for (id, is_transaction) in clients.iter().zip(methods) {
            let (finals, failures) = outcomes.get(id).cloned().unwrap_or_default();
            prop_assert_eq!(usize::from(!finals.is_empty()) + failures, usize::from(is_transaction));
        }
    }

    #[test]
    fn the_same_events_have_the_same_effects(events in prop::collection::vec(event(), 0..60)) {
        let play = || {
            let (mut world, mut clients) = (World::new(), Vec::new());
            events.iter().for_each(|event| world.play(event, &mut clients));
            world.out
        };
        prop_assert_eq!(play(), play());
    }
}
