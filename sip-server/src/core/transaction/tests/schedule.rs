//! Whole schedules of retransmission, from the first message to the last timer (RFC 3261 table 4).

use super::*;

fn times(seen: &[(u128, String)], what: &str) -> Vec<u128> {
    seen.iter().filter(|(_, seen)| seen == what).map(|(ms, _)| *ms).collect()
}

const DOUBLING_TO_T2: &[u128] = &[500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];

#[test]
fn an_unanswered_invite_doubles_its_interval_until_timer_b() {
    let mut world = World::new();
    world.send(request("INVITE", "z9hG4bK1"), UDP);
    assert_eq!(world.seen(), ["send INVITE"]);
    let seen = world.silence();
    assert_eq!(times(&seen, "send INVITE"), [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(seen.last().unwrap(), &(32_000, "failed Timeout".to_owned()));
    assert_eq!(seen.len(), 7);
}

#[test]
fn an_unanswered_request_is_repeated_every_t2_until_timer_f() {
    let mut world = World::new();
    world.send(request("OPTIONS", "z9hG4bK1"), UDP);
    world.seen();
    let seen = world.silence();
    assert_eq!(times(&seen, "send OPTIONS"), DOUBLING_TO_T2);
    assert_eq!(seen.last().unwrap(), &(32_000, "failed Timeout".to_owned()));
}

#[test]
fn a_provisional_response_slows_timer_e_to_t2() {
    let mut world = World::new();
    let options = request("OPTIONS", "z9hG4bK1");
    world.send(options.clone(), UDP);
    world.wait(Duration::from_millis(600));
    world.response(response(&options, 100));
    world.seen();
    let seen = world.silence();
    assert_eq!(
        times(&seen, "send OPTIONS"),
        [1_500, 5_500, 9_500, 13_500, 17_500, 21_500, 25_500, 29_500],
        "the running timer E fires first"
    );
    assert_eq!(seen.last().unwrap(), &(32_000, "failed Timeout".to_owned()));
}

#[test]
fn a_stream_repeats_nothing_but_times_out_all_the_same() {
    for method in ["INVITE", "OPTIONS"] {
        let mut world = World::new();
        world.send(request(method, "z9hG4bK1"), TCP);
        world.seen();
        assert_eq!(world.silence(), [(32_000, "failed Timeout".to_owned())]);
    }
}

#[test]
fn a_rejection_without_ack_is_repeated_until_timer_h() {
    let mut world = World::new();
    let invite = request("INVITE", "z9hG4bK1");
    let id = world.new_request(invite.clone(), UDP);
    world.respond(id, &response(&invite, 486));
    assert_eq!(world.seen(), ["send 486"]);
    let seen = world.silence();
    assert_eq!(times(&seen, "send 486"), DOUBLING_TO_T2);
    assert_eq!(seen.last().unwrap(), &(32_000, "ended".to_owned()));
}

#[test]
fn a_rejection_without_ack_on_a_stream_is_not_repeated() {
    let mut world = World::new();
    let invite = request("INVITE", "z9hG4bK1");
    let id = world.new_request(invite.clone(), TCP);
    world.respond(id, &response(&invite, 486));
    world.seen();
    assert_eq!(world.silence(), [(32_000, "ended".to_owned())]);
}

#[test]
fn a_lost_ack_is_sent_again_and_timer_i_absorbs_its_copies() {
    let mut world = World::new();
    let invite = request("INVITE", "z9hG4bK1");
    let id = world.new_request(invite.clone(), UDP);
    world.respond(id, &response(&invite, 486));
    world.wait(Duration::from_millis(600));
    assert_eq!(world.seen(), ["send 486", "send 486"]);
    world.request(request("ACK", "z9hG4bK1"), UDP);
    world.request(request("ACK", "z9hG4bK1"), UDP);
    assert!(world.silence().is_empty());
    assert_eq!((world.now - world.start).as_millis(), 5_600);
}

/// How long a transaction lives on after its end, by its letter.
#[test]
fn timers_that_absorb_last_as_long_as_table_4_says() {
    let client = |method: &str, status: u16, transport: Transport| {
        let mut world = World::new();
        world.send(request(method, "z9hG4bK1"), transport);
        world.response(response(&request(method, "z9hG4bK1"), status));
        world.lifetime()
    };
    let server = |method: &str, status: u16, transport: Transport| {
        let mut world = World::new();
        let id = world.new_request(request(method, "z9hG4bK1"), transport);
        world.respond(id, &response(&request(method, "z9hG4bK1"), status));
        world.request(request("ACK", "z9hG4bK1"), transport);
        world.lifetime()
    };
    assert_eq!(client("INVITE", 486, UDP), 32_000, "D");
    assert_eq!(client("INVITE", 486, TCP), 0, "D");
    assert_eq!(client("OPTIONS", 200, UDP), 5_000, "K");
    assert_eq!(client("OPTIONS", 404, TCP), 0, "K");
    assert_eq!(client("INVITE", 200, UDP), 32_000, "M");
    assert_eq!(client("INVITE", 200, TCP), 32_000, "M");
    assert_eq!(server("INVITE", 486, UDP), 5_000, "I");
    assert_eq!(server("INVITE", 486, TCP), 0, "I");
    assert_eq!(server("OPTIONS", 200, UDP), 32_000, "J");
    assert_eq!(server("OPTIONS", 200, TCP), 0, "J");
    assert_eq!(server("INVITE", 200, UDP), 32_000, "L");
    assert_eq!(server("INVITE", 200, TCP), 32_000, "L");
}

#[test]
fn an_abandoned_invite_fails_after_64_t1() {
    let mut world = World::new();
    let invite = request("INVITE", "z9hG4bK1");
    let id = world.send(invite.clone(), UDP);
    world.response(response(&invite, 180));
    world.wait(Duration::from_secs(100));
    world.layer.abandon(world.now, id);
    world.wait(Duration::from_secs(10));
    world.response(response(&invite, 180));
    assert_eq!(world.seen(), ["send INVITE", "pass 180", "pass 180"]);
    assert_eq!(world.silence(), [(132_000, "failed Timeout".to_owned())], "a provisional response gains no time");
}

#[test]
fn an_invite_nobody_answers_ends_an_hour_after_the_last_provisional() {
    let mut world = World::new();
    let invite = request("INVITE", "z9hG4bK1");
    world.send(invite.clone(), UDP);
    world.response(response(&invite, 180));
    world.wait(Duration::from_secs(60));
    world.response(response(&invite, 180));
    world.seen();
    assert_eq!(world.silence(), [(3_660_000, "failed Timeout".to_owned())]);
    let mut world = World::new();
    let id = world.new_request(invite.clone(), UDP);
    world.wait(Duration::from_secs(60));
    world.respond(id, &response(&invite, 180));
    world.seen();
    assert_eq!(world.silence(), [(3_660_000, "ended".to_owned())]);
}

#[test]
fn a_late_clock_sends_once_and_goes_on_from_there() {
    let mut world = World::new();
    world.send(request("OPTIONS", "z9hG4bK1"), UDP);
    world.now += Duration::from_secs(20);
    world.layer.handle_timeout(world.now, &mut world.out);
    assert_eq!(world.seen(), ["send OPTIONS", "send OPTIONS"]);
    assert_eq!(world.layer.poll_timeout(), Some(world.now + Duration::from_secs(1)));
}
