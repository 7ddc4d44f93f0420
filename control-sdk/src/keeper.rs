//! The tasks of a leg: its keeper, which answers re-INVITEs and clears away, and its script.
//!
//! A script's failure, a panic included, ends its own call and nothing else.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::desk::Desk;
use crate::leg::Leg;
use crate::reason::{Error, Reason};

/// Starts the keeper of a leg. It ends with the leg.
pub(crate) fn attend(desk: &Arc<Desk>, leg: &Arc<Leg>) {
    let (desk_, leg_) = (desk.clone(), leg.clone());
    desk.tracker.spawn(async move { keep(&desk_, &leg_).await });
}

async fn keep(desk: &Desk, leg: &Arc<Leg>) {
    let mut news = leg.signalling.subscribe();
    let mut answered_again = 0;
    let mut lost = false;
    loop {
        let held = news.borrow_and_update().clone();
        if held.dialog.hangup {
            break;
        }
        let outcome = if held.reinvites > answered_again {
            answered_again = held.reinvites;
            desk.answer_again(leg).await
        } else {
            desk.settle(leg).await
        };
        if let Err(error) = outcome {
            tracing::info!(callid = leg.callid, %error, "the session could not follow");
        }
        tokio::select! {
            changed = news.changed() => if changed.is_err() { break },
            () = channel_closed(leg), if !lost => {
                lost = true;
                desk.lose_media(leg).await;
            }
            () = desk.shutdown.cancelled() => return,
        }
    }
    clear_away(desk, leg).await;
}

/// Everything that ends with the leg: those bound to it, and its channel.
async fn clear_away(desk: &Desk, leg: &Arc<Leg>) {
    for other in leg.bound() {
        desk.hangup(&other, &Reason::Normal).await;
    }
    desk.close(leg).await;
    desk.table.remove(leg);
}

/// Waits until rtp-server closes a channel that we had not asked it to close.
async fn channel_closed(leg: &Leg) {
    let mut news = leg.media.subscribe();
    let closed =
        news.wait_for(|held| held.rtp.is_some() && !held.open && held.channel.event == api::channel::Event::Close);
    if closed.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Starts the script of a call that came in.
pub(crate) fn run_script(desk: &Arc<Desk>, leg: &Arc<Leg>) {
    let (desk_, leg_) = (desk.clone(), leg.clone());
    desk.tracker.spawn(async move { supervise(&desk_, &leg_).await });
}

async fn supervise(desk: &Arc<Desk>, leg: &Arc<Leg>) {
    let Some(script) = &desk.script else {
        return desk.hangup(leg, &Reason::NotFound).await;
    };
    let mut running = JoinSet::new();
    running.spawn(script(desk.call(leg)));
    let returned = tokio::select! {
        returned = running.join_next() => returned,
        () = desk.shutdown.cancelled() => return,
    };
    let reason = match returned {
        None | Some(Ok(Ok(()))) => Reason::Normal,
        Some(Ok(Err(error))) => {
            if !matches!(error, Error::Hungup | Error::Failed(_)) {
                tracing::warn!(callid = leg.callid, %error, "the script of a call failed");
            }
            error.reason()
        }
        Some(Err(panic)) => {
            tracing::error!(callid = leg.callid, %panic, "the script of a call panicked");
            Reason::Other(500, "Server Internal Error".to_owned())
        }
    };
    desk.hangup(leg, &reason).await;
}
