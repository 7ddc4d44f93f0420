//! Which transaction a message belongs to, and what the user is told of it.

use super::*;
use crate::core::message::Name;

#[test]
fn a_repeated_request_is_absorbed_and_answered_as_before() {
    let mut world = World::new();
    let options = request("OPTIONS", "z9hG4bK1");
    let id = world.new_request(options.clone(), UDP);
    world.request(options.clone(), UDP);
    assert!(world.seen().is_empty());
    world.respond(id, &response(&options, 200));
    world.request(options.clone(), UDP);
    assert_eq!(world.seen(), ["send 200", "send 200"]);
    world.respond(id, &response(&options, 500));
    assert!(world.seen().is_empty(), "one final response");
}

#[test]
fn the_branch_is_compared_without_case_and_sent_by_with_its_default_port() {
    let mut world = World::new();
    world.new_request(request_from("OPTIONS", "z9hG4bKab", "PC.example.com"), UDP);
    world.request(request_from("OPTIONS", "Z9HG4BKAB", "pc.example.com:5060"), UDP);
    assert!(world.seen().is_empty());
}

#[test]
fn the_same_branch_of_another_sender_or_method_is_another_transaction() {
    let mut world = World::new();
    let one = world.new_request(request_from("INVITE", "z9hG4bK1", "a.example.com"), UDP);
    let two = world.new_request(request_from("INVITE", "z9hG4bK1", "b.example.com"), UDP);
    let three = world.new_request(request_from("INVITE", "z9hG4bK1", "a.example.com:5070"), UDP);
    let four = world.new_request(request_from("OPTIONS", "z9hG4bK1", "a.example.com"), UDP);
    assert_eq!([one, two, three, four].iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
}

#[test]
fn without_a_cookie_the_headers_of_rfc_2543_tell_requests_apart() {
    let mut world = World::new();
    let invite = request("INVITE", "1");
    let id = world.new_request(invite.clone(), UDP);
    world.request(invite.clone(), UDP);
    assert!(world.seen().is_empty());
    let mut next = invite.clone();
    next.headers.replace(Name::CSeq, "8 INVITE");
    world.new_request(next, UDP);
    world.request(request("CANCEL", "1"), UDP);
    assert!(matches!(world.out.last(), Some(Effect::Cancel { invite, .. }) if *invite == id));
    assert_eq!(world.seen(), ["send 200", "cancel"]);
    world.respond(id, &response(&invite, 404));
    let mut ack = request("ACK", "1");
    ack.headers.replace(Name::To, "<sip:bob@example.com>;tag=b1");
    world.request(ack, UDP);
    assert_eq!(world.seen(), ["send 404"], "the ACK is absorbed although its To tag is new");
    assert_eq!(world.layer.dropped(), 0);
}

#[test]
fn an_ack_of_a_2xx_is_passed_up_whatever_its_branch() {
    let mut world = World::new();
    let invite = request("INVITE", "z9hG4bK1");
    let id = world.new_request(invite.clone(), UDP);
    world.respond(id, &response(&invite, 200));
    world.request(request("ACK", "z9hG4bK2"), UDP);
    world.request(request("ACK", "z9hG4bK1"), UDP);
    world.request(invite.clone(), UDP);
    world.respond(id, &response(&invite, 200));
    assert_eq!(world.seen(), ["send 200", "ack", "ack", "send 200"], "the repeated INVITE is absorbed");
}

#[test]
fn every_2xx_of_an_invite_is_passed_up_forked_and_repeated_ones_too() {
    let mut world = World::new();
    let invite = request("INVITE", "z9hG4bK1");
    let id = world.send(invite.clone(), UDP);
    world.response(response(&invite, 180));
    world.response(response(&invite, 200));
    world.response(response(&invite, 200));
    let mut forked = response(&invite, 200);
    forked.headers.replace(Name::To, "<sip:bob@example.com>;tag=b2");
    world.response(forked.clone());
    world.response(response(&invite, 180));
    world.response(response(&invite, 486));
    let last = Effect::Response { id, response: forked, peer: peer(UDP) };
    assert_eq!(world.out.last(), Some(&last));
    assert_eq!(world.seen(), ["send INVITE", "pass 180", "pass 200", "pass 200", "pass 200"]);
    world.silence();
    world.response(response(&invite, 200));
    assert_eq!(world.layer.dropped(), 1, "after timer M it is stray");
}

#[test]
fn the_ack_of_a_rejection_takes_the_way_of_the_invite() {
    let mut world = World::new();
    let invite = request("INVITE", "z9hG4bK1");
    world.send(invite.clone(), UDP);
    world.response(response(&invite, 486));
    world.response(response(&invite, 486));
    let sent: Vec<_> = world.out.iter().filter(|effect| summary(effect) == "send ACK").cloned().collect();
    assert_eq!(world.seen(), ["send INVITE", "send ACK", "pass 486", "send ACK"]);
    assert_eq!(sent[0], sent[1]);
    let Effect::Send { bytes, .. } = &sent[0] else { unreachable!() };
    let text = std::str::from_utf8(bytes).unwrap();
    assert_eq!(
        text,
        "ACK sip:bob@192.0.2.7 SIP/2.0\r\nVia: SIP/2.0/UDP pc33.example.com;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         Route: <sip:one.example.com;lr>\r\nRoute: <sip:two.example.com;lr>\r\n\
         Proxy-Authorization: Digest username=\"alice\"\r\nFrom: <sip:alice@example.com>;tag=a1\r\n\
         To: <sip:bob@example.com>;tag=b1\r\nCall-ID: c1\r\nCSeq: 7 ACK\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn a_cancel_takes_the_way_of_the_invite_and_has_a_transaction_of_its_own() {
    let mut world = World::new();
    let invite = request("INVITE", "z9hG4bK1");
    let id = world.send(invite.clone(), UDP);
    world.response(response(&invite, 180));
    let cancel = world.layer.cancel_template(id).unwrap();
    let text = String::from_utf8(cancel.to_bytes().to_vec()).unwrap();
    assert_eq!(
        text,
        "CANCEL sip:bob@192.0.2.7 SIP/2.0\r\nVia: SIP/2.0/UDP pc33.example.com;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         Route: <sip:one.example.com;lr>\r\nRoute: <sip:two.example.com;lr>\r\n\
         From: <sip:alice@example.com>;tag=a1\r\nTo: <sip:bob@example.com>\r\n\
         Call-ID: c1\r\nCSeq: 7 CANCEL\r\nContent-Length: 0\r\n\r\n"
    );
    world.seen();
    let cancel_id = world.send(cancel.clone(), UDP);
    world.layer.abandon(world.now, id);
    world.response(response(&cancel, 200));
    assert!(matches!(world.out.last(), Some(Effect::Response { id, .. }) if *id == cancel_id));
    world.response(response(&invite, 487));
    assert_eq!(world.seen(), ["send CANCEL", "pass 200", "send ACK", "pass 487"]);
    assert_eq!(world.layer.cancel_template(id), None);
    assert!(world.silence().is_empty());
}

#[test]
fn a_cancel_of_an_unanswered_invite_is_told_and_answered_once() {
    let mut world = World::new();
    let invite = request("INVITE", "z9hG4bK1");
    let id = world.new_request(invite.clone(), UDP);
    world.respond(id, &response(&invite, 180));
    world.seen();
    world.request(request("CANCEL", "z9hG4bK1"), UDP);
    assert!(matches!(world.out.last(), Some(Effect::Cancel { invite, .. }) if *invite == id));
    let Effect::Send { bytes, .. } = &world.out[0] else { unreachable!() };
    assert!(std::str::from_utf8(bytes).unwrap().contains("To: <sip:bob@example.com>;tag=b1\r\n"), "{bytes:?}");
    assert_eq!(world.seen(), ["send 200", "cancel"]);
    world.request(request("CANCEL", "z9hG4bK1"), UDP);
    assert_eq!(world.seen(), ["send 200"]);
    world.respond(id, &response(&invite, 487));
    world.request(request("ACK", "z9hG4bK1"), UDP);
    assert_eq!(world.seen(), ["send 487"]);
}

#[test]
fn a_cancel_that_comes_too_late_or_matches_nothing_is_only_answered() {
    let mut world = World::new();
    let invite = request("INVITE", "z9hG4bK1");
    let id = world.new_request(invite.clone(), UDP);
    world.respond(id, &response(&invite, 200));
    world.seen();
    world.request(request("CANCEL", "z9hG4bK1"), UDP);
    assert_eq!(world.seen(), ["send 200"]);
    world.request(request_from("CANCEL", "z9hG4bK1", "elsewhere.example.com"), UDP);
    let Effect::Send { bytes, .. } = &world.out[0] else { unreachable!() };
    assert!(std::str::from_utf8(bytes).unwrap().contains("To: <sip:bob@example.com>;tag="), "{bytes:?}");
    assert_eq!(world.seen(), ["send 481"]);
    world.new_request(request("OPTIONS", "z9hG4bK2"), UDP);
    world.request(request("CANCEL", "z9hG4bK2"), UDP);
    assert_eq!(world.seen(), ["send 481"], "only an INVITE can be cancelled");
}

#[test]
fn stray_responses_and_requests_without_via_are_dropped_and_counted() {
    let mut world = World::new();
    world.response(response(&request("INVITE", "z9hG4bK1"), 200));
    let mut bare = request("OPTIONS", "z9hG4bK1");
    bare.headers.remove(Name::Via);
    world.request(bare.clone(), UDP);
    bare.method = Method::Ack;
    world.request(bare, UDP);
    let invite = request("INVITE", "z9hG4bK2");
    world.send(invite.clone(), UDP);
    let mut other = response(&invite, 200);
    other.headers.replace(Name::CSeq, "7 BYE");
    world.response(other);
    assert_eq!((world.layer.dropped(), world.layer.len()), (4, 1));
    assert_eq!(world.seen(), ["send INVITE"]);
}

#[test]
fn a_full_layer_drops_new_requests_and_fails_to_send() {
    let mut world = World::with(Transactions::with_capacity(Timers::default(), 2));
    world.new_request(request("OPTIONS", "z9hG4bK1"), UDP);
    world.send(request("OPTIONS", "z9hG4bK1"), UDP);
    world.seen();
    world.request(request("OPTIONS", "z9hG4bK2"), UDP);
    world.send(request("OPTIONS", "z9hG4bK2"), UDP);
    assert_eq!(world.seen(), ["failed Transport"]);
    assert_eq!((world.layer.dropped(), world.layer.len()), (2, 2));
    world.request(request("ACK", "z9hG4bK3"), UDP);
    assert_eq!(world.seen(), ["ack"], "what needs no room goes on");
}

#[test]
fn a_lost_peer_fails_what_was_sent_to_it_and_ends_what_came_from_it() {
    let mut world = World::new();
    let invite = request("INVITE", "z9hG4bK1");
    world.send(invite.clone(), TCP);
    world.send(request("OPTIONS", "z9hG4bK2"), TCP);
    let elsewhere = world.send(request("OPTIONS", "z9hG4bK3"), UDP);
    world.new_request(request("MESSAGE", "z9hG4bK4"), TCP);
    let accepted = world.new_request(invite.clone(), TCP);
    world.respond(accepted, &response(&invite, 200));
    world.seen();
    world.layer.handle_transport_failure(world.now, peer(TCP), &mut world.out);
    assert_eq!(world.seen(), ["failed Transport", "failed Transport", "ended"]);
    assert_eq!(world.layer.len(), 2, "the other peer's request and the accepted INVITE");
    assert_eq!(world.layer.peer_of(accepted), Some(peer(TCP)));
    let seen = world.silence();
    assert_eq!(world.layer.cancel_template(elsewhere), None);
    assert_eq!(seen.iter().filter(|(_, what)| what == "ended").count(), 1);
}

#[test]
fn an_ack_is_sent_without_a_transaction_and_unknown_ids_are_ignored() {
    let mut world = World::new();
    let id = world.send(request("ACK", "z9hG4bK1"), UDP);
    assert_eq!(world.seen(), ["send ACK"]);
    world.layer.abandon(world.now, id);
    world.respond(ServerId(99), &response(&request("OPTIONS", "z9hG4bK1"), 200));
    assert!(world.seen().is_empty() && world.layer.is_spotless());
}

#[test]
fn a_branch_of_any_bytes_is_told_apart() {
    let mut world = World::new();
    for branch in ["aaaaaa\u{e9}\u{e9}", "z9hG4bK", "z9hG4b\u{e9}x", "z9hG4bK\u{e9}", "\u{fffd}"] {
        world.new_request(request("OPTIONS", branch), UDP);
        world.request(request("OPTIONS", branch), UDP);
        world.response(response(&request("OPTIONS", branch), 200));
    }
    assert!(world.seen().is_empty());
    assert_eq!((world.layer.len(), world.layer.dropped()), (5, 5));
}
