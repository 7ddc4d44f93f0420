//! Each machine in each state with each input. What the tables do not name leaves the state as it is and does nothing.

use super::*;
use crate::core::transaction::client::Client;
use crate::core::transaction::client_invite::InviteClient;
use crate::core::transaction::server::Server;
use crate::core::transaction::server_invite::InviteServer;
use crate::core::transaction::turn::{ClientInput, ServerInput, Timer, Turn};

/// State, input, next state, effects. A state `udp/tcp` differs by transport.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

const TIMERS: [Timer; 13] = [
    Timer::A,
    Timer::B,
    Timer::C,
    Timer::D,
    Timer::E,
    Timer::F,
    Timer::G,
    Timer::H,
    Timer::I,
    Timer::J,
    Timer::K,
    Timer::L,
    Timer::M,
];

fn timer(name: &str) -> Option<Timer> {
    TIMERS.into_iter().find(|timer| format!("{timer:?}") == name)
}

/// The state of a machine, or the letter of a timer.
fn name_of(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").chars().take_while(char::is_ascii_alphabetic).collect()
}

fn turn<Id>(now: Instant, id: Id, transport: Transport, out: &mut Vec<Effect>) -> Turn<'_, Id> {
    Turn { now, timers: Timers::default(), id, peer: peer(transport), out }
}

/// The row of a table, or that nothing happens. A retransmission timer does not exist on a stream.
fn expected(table: &[Row], state: &str, input: &str, transport: Transport) -> (String, Vec<String>) {
    let absent = transport == TCP && matches!(input, "A" | "E" | "G");
    let row = table.iter().find(|row| row.0 == state && row.1 == input && !absent);
    let Some((_, _, next, effects)) = row else {
        return (state.to_owned(), Vec::new());
    };
    let (udp, tcp) = next.split_once('/').unwrap_or((next, next));
    let next = if transport == UDP { udp } else { tcp };
    (next.to_owned(), effects.iter().map(|effect| (*effect).to_owned()).collect())
}

fn client_input(name: &str, request: &Request) -> ClientInput {
    match name {
        "error" => ClientInput::TransportError,
        "abandon" => ClientInput::Abandon,
        status => match timer(name) {
            Some(timer) => ClientInput::Timer(timer),
            None => ClientInput::from((response(request, status.parse().unwrap()), peer(UDP))),
        },
    }
}

fn server_input(name: &str, request: &Request) -> ServerInput {
    match name {
        "error" => ServerInput::TransportError,
        "again" => ServerInput::Again,
        "ACK" => ServerInput::Ack(super::request("ACK", "z9hG4bK1"), peer(UDP)),
        status => match timer(name) {
            Some(timer) => ServerInput::Timer(timer),
            None => ServerInput::from(&response(request, status.parse().unwrap())),
        },
    }
}

fn inputs(others: &[&str]) -> Vec<String> {
    let letters = TIMERS.iter().map(name_of);
    let statuses = ["180", "200", "302", "486", "603"].map(str::to_owned);
    letters.chain(statuses).chain(others.iter().map(|other| (*other).to_owned())).collect()
}

const INVITE_CLIENT: &[Row] = &[
    ("Calling", "A", "Calling", &["send INVITE"]),
    ("Calling", "B", "Terminated", &["failed Timeout"]),
    ("Calling", "error", "Terminated", &["failed Transport"]),
    ("Calling", "180", "Proceeding", &["pass 180"]),
    ("Calling", "200", "Accepted", &["pass 200"]),
    ("Calling", "302", "Completed/Terminated", &["send ACK", "pass 302"]),
    ("Calling", "486", "Completed/Terminated", &["send ACK", "pass 486"]),
    ("Calling", "603", "Completed/Terminated", &["send ACK", "pass 603"]),
    ("Proceeding", "C", "Terminated", &["failed Timeout"]),
    ("Proceeding", "error", "Terminated", &["failed Transport"]),
    ("Proceeding", "abandon", "Abandoned", &[]),
    ("Proceeding", "180", "Proceeding", &["pass 180"]),
    ("Proceeding", "200", "Accepted", &["pass 200"]),
    ("Proceeding", "302", "Completed/Terminated", &["send ACK", "pass 302"]),
    ("Proceeding", "486", "Completed/Terminated", &["send ACK", "pass 486"]),
    ("Proceeding", "603", "Completed/Terminated", &["send ACK", "pass 603"]),
    ("Abandoned", "C", "Terminated", &["failed Timeout"]),
    ("Abandoned", "error", "Terminated", &["failed Transport"]),
    ("Abandoned", "180", "Abandoned", &["pass 180"]),
    ("Abandoned", "200", "Accepted", &["pass 200"]),
    ("Abandoned", "302", "Completed/Terminated", &["send ACK", "pass 302"]),
    ("Abandoned", "486", "Completed/Terminated", &["send ACK", "pass 486"]),
    ("Abandoned", "603", "Completed/Terminated", &["send ACK", "pass 603"]),
    ("Completed", "D", "Terminated", &[]),
    ("Completed", "error", "Terminated", &[]),
    ("Completed", "302", "Completed", &["send ACK"]),
    ("Completed", "486", "Completed", &["send ACK"]),
    ("Completed", "603", "Completed", &["send ACK"]),
    ("Accepted", "M", "Terminated", &[]),
    ("Accepted", "200", "Accepted", &["pass 200"]),
];

#[test]
fn the_invite_client_follows_its_table() {
    let invite = request("INVITE", "z9hG4bK1");
    let paths: &[(&str, &[&str])] = &[
        ("Calling", &[]),
        ("Proceeding", &["180"]),
        ("Abandoned", &["180", "abandon"]),
        ("Completed", &["486"]),
        ("Accepted", &["200"]),
        ("Terminated", &["error"]),
    ];
    for transport in [UDP, TCP] {
        for (state, path) in paths.iter().filter(|(state, _)| transport == UDP || *state != "Completed") {
            for input in inputs(&["error", "abandon"]) {
                let (now, mut out) = (epoch(), Vec::new());
                let mut turn = turn(now, ClientId(1), transport, &mut out);
                let mut machine = InviteClient::start(invite.clone(), &mut turn);
                for step in *path {
                    machine = machine.handle(client_input(step, &invite), &mut turn);
                }
                assert_eq!(name_of(&machine), *state);
                turn.out.clear();
                let machine = machine.handle(client_input(&input, &invite), &mut turn);
                let found = (name_of(&machine), summaries(&out));
                assert_eq!(found, expected(INVITE_CLIENT, state, &input, transport), "{state} {input} {transport}");
            }
        }
    }
}

const CLIENT: &[Row] = &[
    ("Trying", "E", "Trying", &["send OPTIONS"]),
    ("Trying", "F", "Terminated", &["failed Timeout"]),
    ("Trying", "error", "Terminated", &["failed Transport"]),
    ("Trying", "180", "Proceeding", &["pass 180"]),
    ("Trying", "200", "Completed/Terminated", &["pass 200"]),
    ("Trying", "302", "Completed/Terminated", &["pass 302"]),
    ("Trying", "486", "Completed/Terminated", &["pass 486"]),
    ("Trying", "603", "Completed/Terminated", &["pass 603"]),
    ("Proceeding", "E", "Proceeding", &["send OPTIONS"]),
    ("Proceeding", "F", "Terminated", &["failed Timeout"]),
    ("Proceeding", "error", "Terminated", &["failed Transport"]),
    ("Proceeding", "180", "Proceeding", &["pass 180"]),
    ("Proceeding", "200", "Completed/Terminated", &["pass 200"]),
    ("Proceeding", "302", "Completed/Terminated", &["pass 302"]),
    ("Proceeding", "486", "Completed/Terminated", &["pass 486"]),
    ("Proceeding", "603", "Completed/Terminated", &["pass 603"]),
    ("Completed", "K", "Terminated", &[]),
    ("Completed", "error", "Terminated", &[]),
];

#[test]
fn the_client_follows_its_table() {
    let options = request("OPTIONS", "z9hG4bK1");
    let paths: &[(&str, &[&str])] =
        &[("Trying", &[]), ("Proceeding", &["180"]), ("Completed", &["200"]), ("Terminated", &["error"])];
    for transport in [UDP, TCP] {
        for (state, path) in paths.iter().filter(|(state, _)| transport == UDP || *state != "Completed") {
            for input in inputs(&["error", "abandon"]) {
                let (now, mut out) = (epoch(), Vec::new());
                let mut turn = turn(now, ClientId(1), transport, &mut out);
                let mut machine = Client::start(&options, &mut turn);
                for step in *path {
                    machine = machine.handle(client_input(step, &options), &mut turn);
                }
                assert_eq!(name_of(&machine), *state);
                turn.out.clear();
                let machine = machine.handle(client_input(&input, &options), &mut turn);
                let found = (name_of(&machine), summaries(&out));
                assert_eq!(found, expected(CLIENT, state, &input, transport), "{state} {input} {transport}");
            }
        }
    }
}

const INVITE_SERVER: &[Row] = &[
    ("Proceeding", "again", "Proceeding", &["send 183"]),
    ("Proceeding", "180", "Proceeding", &["send 180"]),
    ("Proceeding", "200", "Accepted", &["send 200"]),
    ("Proceeding", "302", "Completed", &["send 302"]),
    ("Proceeding", "486", "Completed", &["send 486"]),
    ("Proceeding", "603", "Completed", &["send 603"]),
    ("Proceeding", "C", "Terminated", &["ended"]),
    ("Proceeding", "error", "Terminated", &["ended"]),
    ("Accepted", "200", "Accepted", &["send 200"]),
    ("Accepted", "ACK", "Accepted", &["ack"]),
    ("Accepted", "L", "Terminated", &["ended"]),
    ("Completed", "again", "Completed", &["send 404"]),
    ("Completed", "G", "Completed", &["send 404"]),
    ("Completed", "H", "Terminated", &["ended"]),
    ("Completed", "error", "Terminated", &["ended"]),
    ("Completed", "ACK", "Confirmed/Terminated", &[]),
    ("Confirmed", "I", "Terminated", &[]),
    ("Confirmed", "error", "Terminated", &[]),
];

#[test]
fn the_invite_server_follows_its_table() {
    let invite = request("INVITE", "z9hG4bK1");
    let paths: &[(&str, &[&str])] = &[
        ("Proceeding", &["183"]),
        ("Accepted", &["200"]),
        ("Completed", &["404"]),
        ("Confirmed", &["404", "ACK"]),
        ("Terminated", &["error"]),
    ];
    for transport in [UDP, TCP] {
        for (state, path) in paths.iter().filter(|(state, _)| transport == UDP || *state != "Confirmed") {
            for input in inputs(&["error", "again", "ACK"]) {
                let (now, mut out) = (epoch(), Vec::new());
                let mut turn = turn(now, ServerId(1), transport, &mut out);
                let mut machine = InviteServer::start(&turn);
                for step in *path {
                    machine = machine.handle(server_input(step, &invite), &mut turn);
                }
                assert_eq!(name_of(&machine), *state);
                turn.out.clear();
                let machine = machine.handle(server_input(&input, &invite), &mut turn);
                let found = (name_of(&machine), summaries(&out));
                assert_eq!(found, expected(INVITE_SERVER, state, &input, transport), "{state} {input} {transport}");
            }
        }
    }
}

const SERVER: &[Row] = &[
    ("Trying", "180", "Proceeding", &["send 180"]),
    ("Trying", "200", "Completed/Terminated", &["send 200"]),
    ("Trying", "302", "Completed/Terminated", &["send 302"]),
    ("Trying", "486", "Completed/Terminated", &["send 486"]),
    ("Trying", "603", "Completed/Terminated", &["send 603"]),
    ("Trying", "F", "Terminated", &["ended"]),
    ("Trying", "error", "Terminated", &["ended"]),
    ("Proceeding", "again", "Proceeding", &["send 183"]),
    ("Proceeding", "180", "Proceeding", &["send 180"]),
    ("Proceeding", "200", "Completed/Terminated", &["send 200"]),
    ("Proceeding", "302", "Completed/Terminated", &["send 302"]),
    ("Proceeding", "486", "Completed/Terminated", &["send 486"]),
    ("Proceeding", "603", "Completed/Terminated", &["send 603"]),
    ("Proceeding", "F", "Terminated", &["ended"]),
    ("Proceeding", "error", "Terminated", &["ended"]),
    ("Completed", "again", "Completed", &["send 404"]),
    ("Completed", "J", "Terminated", &[]),
    ("Completed", "error", "Terminated", &[]),
];

#[test]
fn the_server_follows_its_table() {
    let options = request("OPTIONS", "z9hG4bK1");
    let paths: &[(&str, &[&str])] =
        &[("Trying", &[]), ("Proceeding", &["183"]), ("Completed", &["404"]), ("Terminated", &["error"])];
    for transport in [UDP, TCP] {
        for (state, path) in paths.iter().filter(|(state, _)| transport == UDP || *state != "Completed") {
            for input in inputs(&["error", "again", "ACK"]) {
                let (now, mut out) = (epoch(), Vec::new());
                let mut turn = turn(now, ServerId(1), transport, &mut out);
                let mut machine = Server::start(&turn);
                for step in *path {
                    machine = machine.handle(server_input(step, &options), &mut turn);
                }
                assert_eq!(name_of(&machine), *state);
                turn.out.clear();
                let machine = machine.handle(server_input(&input, &options), &mut turn);
                let found = (name_of(&machine), summaries(&out));
                assert_eq!(found, expected(SERVER, state, &input, transport), "{state} {input} {transport}");
            }
        }
    }
}
