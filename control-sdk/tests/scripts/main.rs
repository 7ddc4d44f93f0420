//! Scripts against servers in memory: what each verb asks of them, and that nothing is left behind.

#![expect(clippy::unwrap_used, reason = "a test fails where its servers do")]
#![expect(clippy::disallowed_methods, reason = "the runtime of a test ends its tasks with it")]

mod fake;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::Code;
use api::dialog::{Cid, Event};
use api::directory::Domain;
use api::sdp::Direction;
use control_sdk::{Call, Control, Error, Reason, secs, soup};
use fake::{Fake, listener, phone_sdp, url};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

struct World {
    fake: Fake,
    us: String,
    _end: DropGuard,
}

/// A world whose control runs this script.
async fn world<F, R>(script: F) -> World
where
    F: Fn(Call) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), Error>> + Send + 'static,
{
    let shutdown = CancellationToken::new();
    let listener = listener().await;
    let us = url(&listener);
    let fake = Fake::start(us.clone(), &shutdown).await;
    run(&fake, &us, listener, shutdown.clone(), script);
    fake.until("the directory is pushed", |state| state.domains.contains_key("demo")).await;
    World { fake, us, _end: shutdown.drop_guard() }
}

fn run<F, R>(fake: &Fake, us: &str, listener: tokio::net::TcpListener, shutdown: CancellationToken, script: F)
where
    F: Fn(Call) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), Error>> + Send + 'static,
{
    let control = Control::new(us, &*fake.sip, vec![fake.rtp.clone()])
        .directory("demo", Domain::default())
        .round(Duration::from_millis(20))
        .on_new_call(script);
    tokio::task::spawn(control.run(listener, shutdown));
}

fn sdp() -> Option<api::Sdp> {
    Some(phone_sdp(8000, &[8, 0], Direction::SendRecv))
}

async fn bridge_script(call: Call) -> Result<(), Error> {
    let target = call.destination();
    call.new_call(target).await?.ended().await
}

/// A bridged call: Call-IDs of caller and callee.
async fn bridged(fake: &Fake) -> (String, String) {
    fake.call("a", "1001", sdp());
    let child = fake.child("1001").await;
    fake.change(&child, Event::Ringing, |it| it.ring = true);
    fake.until_logged("ring a").await;
    fake.answers(&child, phone_sdp(9000, &[8], Direction::SendRecv));
    fake.until("mixed", |state| state.channels.values().any(|it| !it.mix.is_empty())).await;
    fake.until_logged("answer a").await;
    ("a".into(), child)
}

#[tokio::test]
async fn a_caller_is_bridged_and_both_end_together() {
    let world = world(bridge_script).await;
    let (_, child) = bridged(&world.fake).await;
    {
        let state = world.fake.state.borrow();
        let invite = &state.invites[0];
        assert_eq!((invite.from.user.as_str(), invite.maxforwards), ("1000", 69));
        assert_eq!(invite.control.as_deref(), Some(world.us.as_str()));
        assert_eq!(state.dialogs["a"].sdp.us.as_ref().unwrap().m[0].payloads, [8, 0]);
        let ports: Vec<u16> = state.remotes.iter().map(|remote| remote.port).collect();
        assert_eq!(ports, [8000, 9000]);
    }
    world.fake.hangs_up(&child, 0);
    world.fake.until_logged("hangup a").await;
    world.fake.until_empty().await;
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_other_leg() {
    let world = world(bridge_script).await;
    let (_, child) = bridged(&world.fake).await;
    world.fake.hangs_up("a", 0);
    world.fake.until_logged(&format!("hangup {child}")).await;
    world.fake.until_empty().await;
}

#[tokio::test]
async fn a_caller_that_gives_up_cancels_the_other_leg() {
    let world = world(bridge_script).await;
    world.fake.call("a", "1001", sdp());
    let child = world.fake.child("1001").await;
    world.fake.hangs_up("a", 487);
    world.fake.until_logged(&format!("hangup {child} 480")).await;
    world.fake.until_empty().await;
}

#[tokio::test]
async fn the_caller_is_told_why_nobody_answers() {
    let world = world(bridge_script).await;
    world.fake.call("a", "1001", sdp());
    let child = world.fake.child("1001").await;
    world.fake.change(&child, Event::Hangup, |it| (it.hangup, it.error.code) = (true, 486));
    world.fake.until_logged("hangup a 486").await;
    for (callid, code, line) in [
        ("b", Code::NotRegistered, "hangup b 480"),
        ("c", Code::NotFound, "hangup c 404"),
        ("d", Code::Busy, "hangup d 503"),
    ] {
        world.fake.state.send_modify(|state| state.refused.extend([("1002".into(), code)]));
        world.fake.call(callid, "1002", sdp());
        world.fake.until_logged(line).await;
    }
    world.fake.until_empty().await;
}

#[tokio::test]
async fn nobody_rings_longer_than_the_script_wants() {
    let world =
        world(
            |call: Call| async move { call.new_call("1001").timeout(Duration::from_millis(50)).await?.ended().await },
        )
        .await;
    world.fake.call("a", "1001", sdp());
    let child = world.fake.child("1001").await;
    world.fake.until_logged("hangup a 480").await;
    world.fake.until_logged(&format!("hangup {child} 480")).await;
    world.fake.until_empty().await;
}

#[tokio::test]
async fn all_phones_ring_and_the_first_answer_wins() {
    let world = world(bridge_script).await;
    world.fake.state.send_modify(|state| state.contacts = vec!["sip:1".into(), "sip:2".into()]);
    world.fake.call("a", "1001", sdp());
    world.fake.until("two invites", |state| state.invites.len() == 2).await;
    let (one, other) = {
        let state = world.fake.state.borrow();
        let contacts: Vec<_> = state.invites.iter().map(|invite| invite.contact.clone().unwrap()).collect();
        assert_eq!(contacts, ["sip:1", "sip:2"]);
        let callid = |index: usize| state.invites[index].callid.clone().unwrap();
        (callid(0), callid(1))
    };
    world.fake.answers(&other, phone_sdp(9000, &[8], Direction::SendRecv));
    world.fake.until_logged(&format!("hangup {one} 480")).await;
    world.fake.until_logged("answer a").await;
    world.fake.hangs_up(&other, 0);
    world.fake.until_empty().await;
}

#[tokio::test]
async fn a_group_fails_with_the_best_of_its_reasons() {
    let world = world(|call: Call| async move { call.new_call(["1001", "1002"]).await?.ended().await }).await;
    world.fake.state.send_modify(|state| state.refused.extend([("1001".into(), Code::NotRegistered)]));
    world.fake.call("a", "9", sdp());
    let child = world.fake.child("1002").await;
    world.fake.hangs_up(&child, 486);
    world.fake.until_logged("hangup a 486").await;
    world.fake.until_empty().await;
}

#[tokio::test]
async fn out_of_channels_is_503_and_not_silence() {
    let world = world(bridge_script).await;
    for (room, callid) in [(0, "a"), (1, "b")] {
        world.fake.state.send_modify(|state| state.room = room);
        world.fake.call(callid, "1001", sdp());
        world.fake.until_logged(&format!("hangup {callid} 503")).await;
        world.fake.until_empty().await;
        assert_eq!(world.fake.state.borrow().dialogs[callid].error.status, "Out of channels");
    }
}

#[tokio::test]
async fn no_codec_in_common_is_488() {
    let world = world(|call: Call| async move { call.answer().await }).await;
    world.fake.call("a", "9196", Some(phone_sdp(8000, &[18], Direction::SendRecv)));
    world.fake.until_logged("hangup a 488").await;
    assert!(!world.fake.state.borrow().log.iter().any(|line| line == "POST channel"));
}

#[tokio::test]
async fn a_callee_without_a_codec_in_common_is_hung_up() {
    let world = world(bridge_script).await;
    world.fake.call("a", "1001", sdp());
    let child = world.fake.child("1001").await;
    world.fake.answers(&child, phone_sdp(9000, &[18], Direction::SendRecv));
    world.fake.until_logged(&format!("hangup {child} 488")).await;
    world.fake.until_logged("hangup a 488").await;
    world.fake.until_empty().await;
}

#[tokio::test]
async fn a_late_offer_is_answered_in_the_ack() {
    let world = world(|call: Call| async move {
        call.answer().await?;
        call.echo(true).await?;
        call.ended().await
    })
    .await;
    world.fake.state.send_modify(|state| state.late_answer = sdp());
    world.fake.call("a", "9196", None);
    world.fake.until_logged("PUT echo").await;
    {
        let state = world.fake.state.borrow();
        assert_eq!(state.dialogs["a"].sdp.us.as_ref().unwrap().m[0].payloads, [8, 0, 9, 101]);
        assert_eq!(state.remotes[0].port, 8000);
    }
    world.fake.hangs_up("a", 0);
    world.fake.until_empty().await;
}

#[tokio::test]
async fn every_reinvite_is_answered() {
    let world = world(|call: Call| async move {
        call.answer().await?;
        call.ended().await
    })
    .await;
    world.fake.call("a", "9196", sdp());
    world.fake.until("answered", |state| state.dialogs["a"].event == Event::Ack).await;
    let rows = [
        (Direction::SendOnly, Direction::RecvOnly),
        (Direction::SendRecv, Direction::SendRecv),
        (Direction::SendRecv, Direction::SendRecv),
        (Direction::Inactive, Direction::Inactive),
    ];
    for (index, (theirs, ours)) in rows.into_iter().enumerate() {
        let oks = |state: &fake::State| state.log.iter().filter(|line| *line == "ok a").count();
        let offer = phone_sdp(8100, &[8], theirs);
        world.fake.change("a", Event::Reinvite, |it| it.sdp.them = Some(offer));
        world.fake.until("an ok", |state| oks(state) > index && state.dialogs["a"].event == Event::Ack).await;
        let state = world.fake.state.borrow();
        let us = state.dialogs["a"].sdp.us.clone().unwrap();
        assert_eq!(us.m[0].a.direction, Some(ours));
        assert_eq!(us.o.unwrap().sessionversion, 2 + index as u64);
        assert_eq!(state.remotes.last().map(|it| (it.port, it.direction)), Some((8100, Some(ours))));
    }
}

#[tokio::test]
async fn a_reinvite_without_an_offer_gets_ours() {
    let world = world(|call: Call| async move {
        call.answer().await?;
        call.ended().await
    })
    .await;
    world.fake.call("a", "9196", sdp());
    world.fake.until("answered", |state| state.dialogs["a"].event == Event::Ack).await;
    world.fake.state.send_modify(|state| state.late_answer = Some(phone_sdp(8200, &[0], Direction::SendRecv)));
    world.fake.change("a", Event::Reinvite, |it| it.sdp.them = None);
    world.fake.until("the remote follows", |state| state.remotes.last().unwrap().port == 8200).await;
    assert_eq!(world.fake.state.borrow().remotes.last().unwrap().audio.as_ref().unwrap().payloads, [0]);
}

#[tokio::test]
async fn play_ends_with_the_sound_and_digits_are_taken_once() {
    let (tell, mut told) = mpsc::channel(8);
    let world = world(move |call: Call| {
        let tell = tell.clone();
        async move {
            call.answer().await?;
            call.play(soup!["welcome.wav"]).await?;
            tell.send(String::from("played")).await.unwrap();
            tell.send(call.digits(2).await?).await.unwrap();
            tell.send(call.digits(9).within(Duration::from_millis(10)).await?).await.unwrap();
            call.hangup(Reason::Normal).await
        }
    })
    .await;
    world.fake.call("a", "9198", sdp());
    world.fake.until_logged("PUT play").await;
    let uuid = world.fake.only_channel().await;
    world.fake.channel(&uuid, |it| it.play.as_mut().unwrap().state = "finished".into());
    assert_eq!(told.recv().await.unwrap(), "played");
    world.fake.channel(&uuid, |it| it.digits = "123".into());
    assert_eq!(told.recv().await.unwrap(), "12");
    assert_eq!(told.recv().await.unwrap(), "3");
    world.fake.until_logged("hangup a").await;
    world.fake.until_empty().await;
}

#[tokio::test]
async fn a_script_that_panics_ends_its_own_call_alone() {
    let world = world(|call: Call| async move {
        call.answer().await?;
        assert_ne!(call.destination(), "13", "unlucky");
        call.ended().await
    })
    .await;
    world.fake.call("good", "12", sdp());
    world.fake.until_logged("answer good").await;
    world.fake.call("bad", "13", sdp());
    world.fake.until_logged("hangup bad 500").await;
    assert!(!world.fake.state.borrow().dialogs["good"].hangup);
    world.fake.hangs_up("good", 0);
    world.fake.until_empty().await;
}

#[tokio::test]
async fn a_slow_script_delays_nobody() {
    let world = world(|call: Call| async move {
        if call.destination() == "slow" {
            std::future::pending::<()>().await;
        }
        call.busy().await
    })
    .await;
    for number in 0..20 {
        world.fake.call(&format!("slow{number}"), "slow", sdp());
    }
    world.fake.call("a", "quick", sdp());
    world.fake.until_logged("hangup a 486").await;
}

#[tokio::test]
async fn verbs_say_hungup_when_the_call_is_over() {
    let seen = Arc::new(Mutex::new(None));
    let note = seen.clone();
    let world = world(move |call: Call| {
        let note = note.clone();
        async move {
            call.ring().await?;
            let waited = call.until(|dialog| dialog.hold).await;
            *note.lock().unwrap() = Some((waited.is_err(), call.answer().await));
            Ok(())
        }
    })
    .await;
    world.fake.call("a", "1", sdp());
    world.fake.until_logged("ring a").await;
    world.fake.hangs_up("a", 487);
    tokio::time::timeout(secs(5), async {
        while seen.lock().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(*seen.lock().unwrap(), Some((true, Err(Error::Hungup))));
}

#[tokio::test]
async fn a_media_server_that_dies_ends_its_calls_with_the_cause() {
    let world = world(bridge_script).await;
    let (caller, child) = bridged(&world.fake).await;
    world.fake.stop_rtp.cancel();
    world.fake.until_logged(&format!("hangup {caller} 503")).await;
    world.fake.until_logged(&format!("hangup {child} 503")).await;
    assert_eq!(world.fake.state.borrow().dialogs["a"].error.status, "Media server lost");
}

#[tokio::test]
async fn a_media_server_that_restarts_has_lost_its_channels() {
    let world = world(bridge_script).await;
    let (caller, child) = bridged(&world.fake).await;
    world.fake.state.send_modify(|state| state.channels.clear());
    world.fake.until_logged(&format!("hangup {caller} 503")).await;
    world.fake.until_logged(&format!("hangup {child} 503")).await;
}

#[tokio::test]
async fn a_channel_that_closes_by_itself_ends_the_call() {
    let world = world(bridge_script).await;
    bridged(&world.fake).await;
    let uuid = world.fake.state.borrow().channels.keys().next().unwrap().clone();
    world.fake.channel(&uuid, |it| it.event = api::channel::Event::Close);
    world.fake.until_empty().await;
}

#[tokio::test]
async fn the_directory_is_pushed_again_when_sip_server_forgot_it() {
    let world = world(bridge_script).await;
    world.fake.state.send_modify(|state| state.domains.clear());
    world.fake.until("pushed again", |state| state.domains.contains_key("demo")).await;
    assert_eq!(world.fake.state.borrow().domains["demo"].control, world.us);
}

#[tokio::test]
async fn a_control_that_restarts_takes_up_the_calls_that_run() {
    let shutdown = CancellationToken::new();
    let _end = shutdown.clone().drop_guard();
    let first = listener().await;
    let address = first.local_addr().unwrap();
    let us = url(&first);
    let fake = Fake::start(us.clone(), &shutdown).await;
    let restart = CancellationToken::new();
    let (tell, mut told) = mpsc::channel(1);
    run(&fake, &us, first, restart.clone(), move |call: Call| {
        let tell = tell.clone();
        async move {
            let child = call.new_call("1001").await?;
            let _ = tell.send(()).await;
            child.ended().await
        }
    });
    fake.until("the directory is pushed", |state| state.domains.contains_key("demo")).await;
    let (_, child) = bridged(&fake).await;
    told.recv().await.unwrap();
    let (one, other) = {
        let state = fake.state.borrow();
        let uuids: Vec<_> = state.channels.keys().cloned().collect();
        (uuids[0].clone(), uuids[1].clone())
    };
    fake.channel(&one, |it| it.mix = vec![other.clone()]);
    fake.channel(&other, |it| it.mix = vec![one.clone()]);
    restart.cancel();
    let second = rebind(address).await;
    run(&fake, &us, second, shutdown.clone(), bridge_script);
    tokio::time::timeout(secs(5), both_calls(&us)).await.unwrap();
    fake.change(&child, Event::Reinvite, |it| it.sdp.them = Some(phone_sdp(9100, &[8], Direction::SendOnly)));
    fake.until_logged(&format!("ok {child}")).await;
    fake.hangs_up(&child, 0);
    fake.until_logged("hangup a").await;
    fake.until_empty().await;
}

/// A control whose program makes calls of its own.
async fn program() -> (Fake, control_sdk::Application, DropGuard) {
    let shutdown = CancellationToken::new();
    let listener = listener().await;
    let fake = Fake::start(url(&listener), &shutdown).await;
    let control = Control::new(url(&listener), &*fake.sip, vec![fake.rtp.clone()])
        .directory("demo", Domain::default())
        .round(Duration::from_millis(20))
        .on_new_call(bridge_script);
    let application = control.start(&TaskTracker::new(), shutdown.clone());
    let served = application.clone();
    fake::serve(listener, shutdown.clone(), move |request| served.handle(&request));
    fake.until("the directory is pushed", |state| state.domains.contains_key("demo")).await;
    (fake, application, shutdown.drop_guard())
}

#[tokio::test]
async fn a_call_made_for_a_phone_runs_the_script_when_it_answers() {
    let (fake, application, _end) = program().await;
    let call = application.originate("demo", "1000", "1001".into(), Cid::default()).await.unwrap();
    assert_eq!((call.from().as_str(), call.destination().as_str()), ("1000", "1001"));
    assert_eq!(application.calls(), [call.callid()]);
    fake.answers(call.callid(), phone_sdp(8000, &[8], Direction::SendRecv));
    let child = fake.child("1001").await;
    assert_eq!(fake.state.borrow().invites[1].from.user, "1000");
    fake.answers(&child, phone_sdp(9000, &[8], Direction::SendRecv));
    fake.until("mixed", |state| state.channels.values().any(|it| !it.mix.is_empty())).await;
    fake.hangs_up(call.callid(), 0);
    fake.until_logged(&format!("hangup {child}")).await;
    fake.until_empty().await;
}

#[tokio::test]
async fn a_call_that_sip_server_lost_is_over() {
    let (fake, application, _end) = program().await;
    let call = application.originate("demo", "1000", "1001".into(), Cid::default()).await.unwrap();
    fake.state.send_modify(|state| {
        state.dialogs.clear();
        state.domains.clear();
    });
    tokio::time::timeout(secs(5), call.ended()).await.unwrap().unwrap();
    fake.until_empty().await;
    assert_eq!(call.dialog().cause.as_deref(), Some("sip-server lost the call"));
}

async fn both_calls(us: &str) {
    let client = api::http::Client::new(None);
    let mut calls: Vec<String> = Vec::new();
    while calls.len() < 2 {
        let asked = client.send::<(), Vec<String>>(api::http::Method::GET, &format!("{us}/calls"), None).await;
        calls = asked.unwrap_or_default();
    }
}

async fn rebind(address: std::net::SocketAddr) -> tokio::net::TcpListener {
    loop {
        if let Ok(listener) = tokio::net::TcpListener::bind(address).await {
            return listener;
        }
        tokio::task::yield_now().await;
    }
}
