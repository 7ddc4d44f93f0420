//! The callbacks of the other servers. Each is answered at once: what it means is the work of others.

use std::sync::Arc;

use api::channel::{self, Channel};
use api::http::{Method, Reply, Request};
use api::registration::Registration;
use api::{Code, Dialog, Problem};

use crate::control::Registered;
use crate::desk::Desk;

pub(crate) fn handle(desk: &Arc<Desk>, request: &Request) -> Result<Reply, Problem> {
    match (request.method.clone(), request.segments().as_slice()) {
        (Method::PUT, ["dialog", _]) => dialog(desk, request.json()?),
        (Method::PUT, ["channel", _]) => channel(desk, request.json()?),
        (Method::PUT, ["reg", domain, user]) => Ok(registered(desk, domain, user, Some(request.json()?))),
        (Method::DELETE, ["reg", domain, user]) => Ok(registered(desk, domain, user, None)),
        (Method::GET, ["calls"]) => Ok(Reply::json(&desk.callids())),
        (Method::GET, ["calls", callid]) => call(desk, callid),
        (_, ["dialog" | "channel", _]) => Ok(Reply::method_not_allowed("PUT")),
        (_, ["reg", _, _]) => Ok(Reply::method_not_allowed("PUT, DELETE")),
        (_, ["calls"] | ["calls", _]) => Ok(Reply::method_not_allowed("GET")),
        (_, path) => Err(Problem::not_found(format!("no path /{}", path.join("/")))),
    }
}

fn dialog(desk: &Arc<Desk>, dialog: Dialog) -> Result<Reply, Problem> {
    if dialog.callid.is_empty() {
        return Err(Problem::bad_request("callid is missing"));
    }
    if desk.hear(dialog) { Ok(Reply::empty()) } else { Err(Problem::new(Code::Busy, "no room for another call")) }
}

fn channel(desk: &Arc<Desk>, channel: Channel) -> Result<Reply, Problem> {
    if channel.uuid.is_empty() {
        return Err(Problem::bad_request("uuid is missing"));
    }
    match desk.table.leg_of_channel(&channel.uuid) {
        Some(leg) => leg.hear_channel(channel),
        None if channel.event == channel::Event::Timeout => close_orphan(desk, channel.uuid),
        None => {}
    }
    Ok(Reply::empty())
}

/// A silent channel of a call that is no more.
fn close_orphan(desk: &Arc<Desk>, uuid: String) {
    let task = desk.clone();
    desk.tracker.spawn(async move {
        for rtp in 0..task.servers.rtp.len() {
            let _ = task.servers.close(rtp, &crate::servers::segment(&uuid)).await;
        }
    });
}

fn registered(desk: &Desk, domain: &str, user: &str, registration: Option<Registration>) -> Reply {
    if let Some(hook) = &desk.on_registration {
        hook(Registered { domain: domain.to_owned(), user: user.to_owned(), registration });
    }
    Reply::empty()
}

fn call(desk: &Desk, callid: &str) -> Result<Reply, Problem> {
    let leg = desk.table.leg(callid).ok_or_else(|| Problem::not_found(format!("no call {callid}")))?;
    Ok(Reply::json(&leg.dialog()))
}
