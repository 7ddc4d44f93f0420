//! Registrations in virtual time: given these REGISTERs, exactly these answers and effects.
#![expect(clippy::disallowed_methods, reason = "virtual time needs a first instant to count from")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::core::directory::Directory;
use crate::core::message::Method;
use crate::core::transport::Transport;

const DOMAIN: &str = "pbx.example";
const UNIX: u64 = 1_795_253_289;

struct World {
    start: Instant,
    registrar: Registrar,
    out: Vec<RegistrarEffect>,
}

/// A REGISTER of user 1000: CSeq, and its further header fields.
struct Register<'a> {
    call_id: &'a str,
    cseq: u32,
    fields: &'a [(Name, &'a str)],
}

const CONTACT: (Name, &str) = (Name::Contact, "<sip:1000@192.0.2.9:5062>");

impl World {
    fn new() -> Self {
        Self::with(RegistrarConfig::default())
    }

    fn with(config: RegistrarConfig) -> Self {
        Self { start: Instant::now(), registrar: Registrar::new(config), out: Vec::new() }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn send(&mut self, seconds: u64, register: &Register<'_>) -> Response {
        let mut request = Request::new(Method::Register, Uri::parse("sip:pbx.example").unwrap());
        request.headers.push(Name::CallId, register.call_id);
        request.headers.push(Name::CSeq, &format!("{} REGISTER", register.cseq));
        request.headers.push(Name::UserAgent, "Phone/1.0");
        register.fields.iter().for_each(|(name, value)| request.headers.push(*name, value));
        let peer = Peer { transport: Transport::Udp, address: "198.51.100.4:42068".parse().unwrap() };
        let now = self.at(seconds);
        self.registrar.handle_register(now, UNIX + seconds, DOMAIN, "1000", &request, peer, &mut self.out)
    }

    fn register(&mut self, seconds: u64, cseq: u32, fields: &[(Name, &str)]) -> Response {
        self.send(seconds, &Register { call_id: "a", cseq, fields })
    }

    /// Runs the timers until then, as a shell would.
    fn run_to(&mut self, seconds: u64) {
        let end = self.at(seconds);
        while let Some(at) = self.registrar.poll_timeout().filter(|at| *at <= end) {
            self.registrar.handle_timeout(at, UNIX, &mut self.out);
            assert!(self.registrar.poll_timeout().is_none_or(|next| next > at), "a timer that fires for ever");
        }
        self.check();
    }

    fn uris(&self, seconds: u64) -> Vec<String> {
        let bindings = self.registrar.bindings(self.at(seconds), DOMAIN, "1000");
        bindings.iter().map(|binding| binding.uri.to_string()).collect()
    }

    /// The effects so far in words.
    fn effects(&mut self) -> Vec<String> {
        let word = |effect| match effect {
            RegistrarEffect::Ping { to, aor, .. } => format!("ping {to} {aor}"),
            RegistrarEffect::Registered { document, .. } => format!("{} {}", document.event, document.contacts.len()),
            RegistrarEffect::Removed { user, domain } => format!("gone {user}@{domain}"),
        };
        self.out.drain(..).map(word).collect()
    }

    fn pings(&mut self) -> Vec<PingId> {
        let id = |effect| match effect {
            RegistrarEffect::Ping { id, .. } => Some(id),
            _ => None,
        };
        self.out.drain(..).filter_map(id).collect()
    }

    fn outstanding(&self) -> u32 {
        self.registrar.registered(DOMAIN, "1000").unwrap().kept[0].outstanding()
    }

    /// The indexes agree with the bindings.
    fn check(&self) {
        let registrar = &self.registrar;
        let all = registrar.domains.values().flat_map(BTreeMap::values);
        let mut deadlines: Vec<_> =
            all.flat_map(|registered| &registered.kept).map(|kept| (kept.deadline(), kept.id)).collect();
        deadlines.sort();
        assert!(deadlines.iter().eq(&registrar.deadlines));
        assert_eq!(deadlines.len(), registrar.owners.len());
        assert_eq!(registrar.users, registrar.domains.values().map(BTreeMap::len).sum::<usize>());
        assert!(registrar.domains.values().flat_map(BTreeMap::values).all(|found| !found.kept.is_empty()));
    }
}

fn contacts(response: &Response) -> Vec<String> {
    response.headers.list(Name::Contact)
}

fn directory() -> Directory {
    let body = json!({"control": "http://c", "users": [{"username": "1000", "secret": "a"}, {"username": "1001", "secret": "b"}]});
    let mut directory = Directory::default();
    directory.put(DOMAIN, &serde_json::from_value(body).unwrap()).unwrap();
    directory
}

#[test]
fn a_registration_is_granted_listed_and_reported() {
    let mut world = World::new();
    let response = world.register(0, 2, &[CONTACT, (Name::Expires, "120")]);
    assert_eq!(response.status, 200);
    assert_eq!(contacts(&response), ["<sip:1000@192.0.2.9:5062>;expires=120"]);
    assert_eq!(response.headers.text(Name::Date).unwrap(), "Sat, 21 Nov 2026 09:28:09 GMT");
    let [RegistrarEffect::Registered { document, .. }] = &world.out[..] else { panic!("{:?}", world.out) };
    let golden = json!({"host": "198.51.100.4", "port": 42068, "agent": "Phone/1.0", "user": "1000@pbx.example",
        "contacts": [{"uri": "sip:1000@192.0.2.9:5062", "expires": 120, "remote": "198.51.100.4:42068",
                      "agent": "Phone/1.0", "transport": "udp"}],
        "seq": 1, "event": "register"});
    assert_eq!(serde_json::to_value(document).unwrap(), golden);
    let directory = directory();
    let report = world.registrar.domain_report(world.at(1), directory.resolve(DOMAIN).unwrap());
    let golden = json!({"domain": "pbx.example", "count": 2, "registered": 1, "users": {"1001": {"registered": false},
        "1000": {"registered": true, "outstandingping": 0, "epochs": {"registered": UNIX},
                 "remote": {"host": "198.51.100.4", "port": 42068, "agent": "Phone/1.0"},
                 "contacts": [{"uri": "sip:1000@192.0.2.9:5062", "expires": 119, "remote": "198.51.100.4:42068",
                               "agent": "Phone/1.0", "transport": "udp"}]}}});
    assert_eq!(serde_json::to_value(report).unwrap(), golden);
    let unknown = world.registrar.user_report(world.at(1), directory.resolve(DOMAIN).unwrap(), "9");
    assert_eq!((unknown.count, unknown.users.len()), (2, 0));
    assert_eq!(world.registrar.count(), 1);
}

#[test]
fn times_are_granted_by_contact_then_header_then_default() {
    for (contact, expires, granted) in [
        ("<sip:a@b>;expires=300", "120", "300"),
        ("<sip:a@b>", "120", "120"),
        ("<sip:a@b>", "nonsense", "3600"),
        ("sip:a@b;expires=nonsense", "90", "90"),
        ("<sip:a@b>", "99999999999", "7200"),
    ] {
        let response = World::new().register(0, 1, &[(Name::Contact, contact), (Name::Expires, expires)]);
        assert_eq!(contacts(&response), [format!("<sip:a@b>;expires={granted}")]);
    }
}

#[test]
fn refusals_change_nothing() {
    let star = (Name::Contact, "*");
    let brief = "<sip:1000@192.0.2.9:5062>;expires=59";
    let cases: [(&[(Name, &str)], u16); 8] = [
        (&[CONTACT, (Name::Expires, "59")], 423),
        (&[(Name::Contact, "<sip:x@y>"), (Name::Contact, brief)], 423),
        (&[star], 400),
        (&[star, (Name::Expires, "60")], 400),
        (&[star, CONTACT, (Name::Expires, "0")], 400),
        (&[(Name::Contact, "<tel:+1>")], 400),
        (&[(Name::Contact, "<sip:x@y>, <nonsense")], 400),
        (
            &[(
                Name::Contact,
                "<sip:1@h>,<sip:2@h>,<sip:3@h>,<sip:4@h>,<sip:5@h>,<sip:6@h>,<sip:7@h>,<sip:8@h>,<sip:9@h>,<sip:10@h>,<sip:11@h>",
            )],
            403,
        ),
    ];
    for (fields, status) in cases {
        let mut world = World::new();
        world.register(0, 1, &[CONTACT]);
        world.out.clear();
        let response = world.register(1, 2, fields);
        assert_eq!(response.status, status, "{fields:?}");
        let min = response.headers.text(Name::MinExpires);
        assert_eq!(min.as_deref(), (status == 423).then_some("60"));
        assert_eq!((world.uris(1).len(), world.out.len()), (1, 0));
    }
    let request = Request::new(Method::Register, Uri::parse("sip:pbx.example").unwrap());
    let peer = Peer { transport: Transport::Tcp, address: "192.0.2.1:1".parse().unwrap() };
    let mut world = World::new();
    let now = world.at(0);
    let response = world.registrar.handle_register(now, UNIX, DOMAIN, "1000", &request, peer, &mut world.out);
    assert_eq!(response.status, 400);
}

#[test]
fn a_refresh_keeps_the_epoch_and_a_new_beginning_does_not() {
    let mut world = World::new();
    let directory = directory();
    let epoch = |world: &World, seconds| {
        let report = world.registrar.user_report(world.at(seconds), directory.resolve(DOMAIN).unwrap(), "1000");
        report.users["1000"].epochs.map(|epochs| epochs.registered)
    };
    world.register(0, 1, &[CONTACT, (Name::Expires, "60")]);
    world.register(50, 2, &[CONTACT, (Name::Expires, "60")]);
    assert_eq!(epoch(&world, 109), Some(UNIX));
    assert_eq!(epoch(&world, 110), None);
    assert_eq!(world.effects(), ["register 1", "refresh 1"]);
    world.register(111, 3, &[CONTACT]);
    assert_eq!(world.effects(), ["gone 1000@pbx.example", "register 1"]);
    assert_eq!(epoch(&world, 111), Some(UNIX + 111));
}

#[test]
fn cseq_counts_within_a_call_id() {
    let mut world = World::new();
    world.register(0, 9, &[CONTACT]);
    assert_eq!(world.register(1, 9, &[CONTACT, (Name::Expires, "0")]).status, 500);
    assert_eq!(world.register(1, 8, &[(Name::Contact, "*"), (Name::Expires, "0")]).status, 500);
    assert_eq!(world.uris(1).len(), 1);
    assert_eq!(world.register(2, 10, &[CONTACT]).status, 200);
    assert_eq!(world.register(2, 1, &[(Name::Contact, "<sip:other@h>")]).status, 200);
    let rebooted = Register { call_id: "b", cseq: 1, fields: &[CONTACT] };
    assert_eq!(world.send(3, &rebooted).status, 200);
    assert_eq!(world.uris(3).len(), 2);
}

#[test]
fn contacts_are_removed_one_by_one_or_all_at_once() {
    let mut world = World::new();
    let desk = (Name::Contact, "\"Desk\" <sip:1000@DESK.example;transport=TCP>;q=0.5;+sip.instance=\"<urn:uuid:1>\"");
    let response = world.register(0, 1, &[CONTACT, desk]);
    let listed = "<sip:1000@DESK.example;transport=TCP>;+sip.instance=\"<urn:uuid:1>\";q=0.5;expires=3600";
    assert_eq!(contacts(&response), [listed, "<sip:1000@192.0.2.9:5062>;expires=3600"]);
    let query = world.register(10, 2, &[]);
    assert_eq!(contacts(&query).len(), 2);
    assert!(contacts(&query)[1].ends_with("expires=3590"));
    world.register(11, 3, &[(Name::Contact, "<sip:1000@desk.EXAMPLE;transport=tcp>;expires=0")]);
    assert_eq!(world.uris(11), ["sip:1000@192.0.2.9:5062"]);
    let response = world.register(12, 4, &[(Name::Contact, "*"), (Name::Expires, "0")]);
    assert_eq!((response.status, contacts(&response).len()), (200, 0));
    assert_eq!(world.effects(), ["register 2", "remove 1", "gone 1000@pbx.example"]);
    assert_eq!(world.registrar.poll_timeout(), None);
    world.register(13, 5, &[CONTACT, (Name::Expires, "0")]);
    assert!(world.out.is_empty());
    world.check();
}

#[test]
fn a_phone_that_moves_keeps_one_binding() {
    let mut world = World::new();
    let contact = |host: &str| format!("<sip:1000@{host}>;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
    world.register(0, 1, &[(Name::Contact, &contact("192.0.2.1"))]);
    let moved = contact("192.0.2.2");
    world.send(1, &Register { call_id: "b", cseq: 1, fields: &[(Name::Contact, &moved)] });
    assert_eq!(world.uris(1), ["sip:1000@192.0.2.2"]);
    world.check();
}

#[test]
fn one_binding_too_many_ends_the_oldest() {
    let mut world = World::with(RegistrarConfig { max_bindings: 2, ..RegistrarConfig::default() });
    for number in 1..=3 {
        world.register(number.into(), number, &[(Name::Contact, &format!("<sip:{number}@h>"))]);
    }
    assert_eq!(world.uris(3), ["sip:3@h", "sip:2@h"]);
    world.check();
}

#[test]
fn a_binding_ends_when_it_expires() {
    let mut world = World::new();
    world.register(0, 1, &[CONTACT, (Name::Expires, "75")]);
    world.register(0, 2, &[(Name::Contact, "<sip:2@h>"), (Name::Expires, "65")]);
    world.out.clear();
    world.run_to(64);
    for id in world.pings() {
        world.registrar.handle_pong(world.start, id);
    }
    world.run_to(65);
    assert_eq!(world.effects(), ["remove 1"]);
    world.run_to(74);
    assert_eq!(world.registrar.count(), 1);
    world.run_to(75);
    assert_eq!(world.effects(), ["gone 1000@pbx.example"]);
    assert_eq!(world.registrar.count(), 0);
}

#[test]
fn seven_pings_unanswered_end_a_binding_thirty_seconds_later() {
    let mut world = World::new();
    world.register(0, 1, &[CONTACT]);
    world.out.clear();
    world.run_to(29);
    assert!(world.out.is_empty());
    world.run_to(30);
    assert_eq!(world.effects(), ["ping sip:1000@192.0.2.9:5062 1000@pbx.example"]);
    world.run_to(239);
    assert_eq!(world.effects().len(), 6);
    assert_eq!(world.outstanding(), 7);
    world.run_to(240);
    assert_eq!(world.effects(), ["gone 1000@pbx.example"]);
    assert_eq!(world.registrar.poll_timeout(), None);
}

#[test]
fn answers_keep_a_binding_and_late_ones_do_not() {
    let mut world = World::new();
    world.register(0, 1, &[CONTACT]);
    for minute in 1..=20 {
        world.run_to(minute * 60);
        for id in world.pings() {
            world.registrar.handle_pong(world.start, id);
        }
    }
    assert_eq!((world.registrar.count(), world.outstanding()), (1, 0));
    world.run_to(1230);
    let [id] = world.pings()[..] else { panic!("one ping") };
    world.registrar.handle_ping_failed(world.start, id);
    world.registrar.handle_pong(world.start, id);
    assert_eq!(world.outstanding(), 1);
    world.register(1231, 2, &[CONTACT]);
    world.registrar.handle_pong(world.start, id);
    assert_eq!(world.outstanding(), 0);
    world.run_to(1260);
    assert!(world.pings().is_empty());
    world.run_to(1261);
    assert_eq!(world.pings().len(), 1);
}

#[test]
fn who_leaves_the_directory_is_unbound() {
    let mut world = World::new();
    world.register(0, 1, &[CONTACT]);
    world.out.clear();
    let mut directory = directory();
    world.registrar.retain_users(directory.resolve(DOMAIN).unwrap(), &mut world.out);
    world.registrar.remove_user(DOMAIN, "1001", &mut world.out);
    assert!(world.effects().is_empty());
    directory.remove_user(DOMAIN, "1000").unwrap();
    world.registrar.retain_users(directory.resolve(DOMAIN).unwrap(), &mut world.out);
    assert_eq!(world.effects(), ["gone 1000@pbx.example"]);
    world.register(1, 2, &[CONTACT]);
    world.out.clear();
    world.registrar.remove_domain(DOMAIN, &mut world.out);
    assert_eq!(world.effects(), ["gone 1000@pbx.example"]);
    world.check();
}

#[test]
fn dates_are_right_at_the_edges_of_months() {
    for (unix, date) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
        (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        assert_eq!(report::date(unix), date);
    }
}

proptest! {
    #[test]
    fn the_indexes_agree_whatever_is_registered(
        steps in proptest::collection::vec((0_u64..200, 0_u32..8, "[*ab]|<sip:[a-d]@h>(;expires=(0|60|90))?", 0_u32..400), 1..40)
    ) {
        let mut world = World::with(RegistrarConfig { max_bindings: 3, ..RegistrarConfig::default() });
        let mut time = 0;
        for (wait, cseq, contact, expires) in steps {
            time += wait;
            world.register(time, cseq, &[(Name::Contact, &contact), (Name::Expires, &expires.to_string())]);
            world.check();
            world.run_to(time);
            prop_assert!(world.uris(time).len() <= 3);
        }
        world.run_to(time + 7200);
        prop_assert_eq!(world.registrar.count(), 0);
        prop_assert_eq!(world.registrar.poll_timeout(), None);
    }
}
