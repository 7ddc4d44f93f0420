//! The round of the other servers: pushes the directory where it is missing, notices what was lost with a server, and
//! after a restart of our own takes up the calls that run.
//!
//! The pairing of legs is read out of the mixes of their channels, whose names follow from the Call-IDs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use api::Channel;
use api::dialog::Dialog;
use api::http::Failure;
use api::sdp::Direction;

use crate::desk::Desk;
use crate::keeper;
use crate::leg::Leg;
use crate::negotiate::{self, Local};
use crate::reason::Reason;
use crate::table::Entry;

/// While sip-server has not been seen, it is asked so often.
const KNOCK: Duration = Duration::from_millis(200);
/// Every so many rounds all calls are compared, lest a lost callback leave one behind.
const COMPARE: u64 = 15;

/// Goes round until shutdown.
pub(crate) async fn patrol(desk: Arc<Desk>, round: Duration) {
    let mut sip_seen = false;
    let mut misses = vec![0; desk.servers.rtp.len()];
    let mut rounds: u64 = 0;
    let mut adopted = false;
    loop {
        let was_seen = sip_seen;
        sip_seen = push_directory(&desk).await;
        if sip_seen && !adopted {
            adopted = adopt(&desk).await.is_ok();
        }
        if sip_seen && adopted && (!was_seen || rounds.is_multiple_of(COMPARE)) {
            compare(&desk).await;
        }
        for (rtp, missed) in misses.iter_mut().enumerate() {
            look_after_channels(&desk, rtp, missed).await;
        }
        repeat_hangups(&desk).await;
        rounds += 1;
        let pause = if sip_seen && adopted { round } else { round.min(KNOCK) };
        if tokio::time::timeout(pause, desk.shutdown.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// True when sip-server has all domains.
async fn push_directory(desk: &Desk) -> bool {
    for (name, domain) in &desk.domains {
        let known = match desk.servers.knows_domain(name).await {
            Ok(known) => known,
            Err(failure) => {
                tracing::debug!(%failure, "sip-server does not answer");
                return false;
            }
        };
        if known {
            continue;
        }
        match desk.servers.push_domain(name, domain).await {
            Ok(()) => tracing::info!(domain = name, users = domain.users.len(), "directory pushed"),
            Err(failure) => {
                tracing::error!(domain = name, %failure, "cannot push the directory");
                return false;
            }
        }
    }
    !desk.domains.is_empty() || desk.servers.callids().await.is_ok()
}

/// Ends the legs that sip-server does not know any more.
async fn compare(desk: &Desk) {
    let settled = |leg: &Arc<Leg>| !leg.signalling.borrow().dialog.callid.is_empty() && !leg.over();
    let ours: Vec<_> = desk.table.all().into_iter().filter(settled).collect();
    if ours.is_empty() {
        return;
    }
    let Ok(known) = desk.servers.callids().await else { return };
    let known: HashSet<String> = known.into_iter().collect();
    for leg in ours.iter().filter(|leg| !known.contains(&leg.callid) && !leg.over()) {
        tracing::warn!(callid = leg.callid, "sip-server lost the call");
        leg.end(&Reason::Unavailable, "sip-server lost the call");
    }
}

/// Ends the legs whose channel is gone, and those whose server does not answer twice in a row.
async fn look_after_channels(desk: &Desk, rtp: usize, missed: &mut u32) {
    let has_channel = |leg: &Arc<Leg>| {
        let held = leg.media.borrow();
        held.open && held.rtp == Some(rtp) && !leg.over()
    };
    let legs: Vec<_> = desk.table.all().into_iter().filter(has_channel).collect();
    if legs.is_empty() {
        *missed = 0;
        return;
    }
    let alive: HashSet<String> = match desk.servers.uuids(rtp).await {
        Ok(uuids) => uuids.into_iter().collect(),
        Err(Failure::Unreachable(_)) if *missed == 0 => {
            *missed = 1;
            return;
        }
        Err(Failure::Unreachable(_)) => HashSet::new(),
        Err(_) => return,
    };
    *missed = 0;
    for leg in legs.iter().filter(|leg| !alive.contains(&leg.uuid) && has_channel(leg)) {
        desk.lose_media(leg).await;
    }
}

/// Tells sip-server of the ends that it could not be told at the time.
async fn repeat_hangups(desk: &Desk) {
    for leg in desk.table.all().into_iter().filter(|leg| !leg.over()) {
        if let Some(reason) = leg.to_tell() {
            desk.tell_end(&leg, &reason).await;
        }
    }
}

/// Takes up the calls that ran before we did.
async fn adopt(desk: &Arc<Desk>) -> Result<(), Failure> {
    let dialogs = desk.servers.dialogs().await?;
    let mut channels: HashMap<String, (usize, Channel)> = HashMap::new();
    for rtp in 0..desk.servers.rtp.len() {
        match desk.servers.channels(rtp).await {
            Ok(list) => channels.extend(list.into_iter().map(|channel| (channel.uuid.clone(), (rtp, channel)))),
            Err(failure) => tracing::warn!(rtp = desk.servers.rtp[rtp], %failure, "cannot ask for channels"),
        }
    }
    let mut taken_up = Vec::new();
    for dialog in dialogs.into_iter().filter(|dialog| !dialog.hangup) {
        if !ours(desk, &dialog) {
            continue;
        }
        // A call that was not answered yet begins again.
        if !dialog.originator && !dialog.answered {
            desk.hear(dialog);
            continue;
        }
        let leg = match desk.table.enter(Leg::new(&dialog.callid)) {
            Entry::New(leg) => {
                leg.hear_dialog(dialog);
                take_up(&leg, channels.get(&leg.uuid)).await;
                keeper::attend(desk, &leg);
                leg
            }
            // Begun by a callback, which cannot have said where the channel is.
            Entry::Known(leg) if leg.media.borrow().rtp.is_none() && leg.dialog().answered => {
                take_up(&leg, channels.get(&leg.uuid)).await;
                leg
            }
            _ => continue,
        };
        taken_up.push(leg);
    }
    pair(desk, &taken_up).await;
    Ok(())
}

/// Another control may share sip-server with us.
fn ours(desk: &Desk, dialog: &Dialog) -> bool {
    desk.domains.iter().any(|(name, domain)| {
        domain.control == desk.us
            && (name.eq_ignore_ascii_case(&dialog.domain) || domain.aliases.contains(&dialog.domain))
    })
}

/// Restores what a leg knew of its channel and its session.
async fn take_up(leg: &Leg, channel: Option<&(usize, Channel)>) {
    let Some((rtp, channel)) = channel else { return };
    leg.media.send_modify(|held| (held.rtp, held.open) = (Some(*rtp), true));
    leg.hear_channel(channel.clone());
    let dialog = leg.dialog();
    let origin = dialog.sdp.us.as_ref().and_then(|us| us.o.clone()).unwrap_or_default();
    let mut session = leg.session.lock().await;
    session.asked = Some(*rtp);
    session.local = Some(Local {
        ip: channel.ip.clone(),
        port: channel.port,
        session: origin.sessionid,
        version: origin.sessionversion,
        codecs: negotiate::Codec::ALL.to_vec(),
        direction: Direction::SendRecv,
    });
    if dialog.originator && !dialog.answered {
        session.offered = Some(None);
    }
    (session.us, session.applied) = (dialog.sdp.us, dialog.sdp.them);
}

/// Binds the legs whose channels are in one mix; those that nobody will do anything for any more are ended.
async fn pair(desk: &Desk, legs: &[Arc<Leg>]) {
    let mixed = |leg: &Leg, other: &Leg| leg.media.borrow().channel.mix.contains(&other.uuid);
    for leg in legs {
        let peers: Vec<_> = legs.iter().filter(|other| mixed(leg, other)).collect();
        if !leg.dialog().answered || (peers.is_empty() && !entertained(leg)) {
            tracing::info!(callid = leg.callid, "ended a call that lost its script");
            desk.hangup(leg, &Reason::Unavailable).await;
            continue;
        }
        for peer in peers {
            leg.bind(Arc::downgrade(peer));
        }
        tracing::info!(callid = leg.callid, "took up a call");
    }
}

/// It hears something without a peer: itself, or a sound that plays.
fn entertained(leg: &Leg) -> bool {
    let held = leg.media.borrow();
    held.channel.echo || held.channel.play.as_ref().is_some_and(|play| play.state == "playing")
}
