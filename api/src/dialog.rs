//! The dialog: a signalling leg, as sip-server reports it and as control commands it.
//!
//! `PUT {control}/dialog/{callid}` carries a [`Dialog`]; `POST /dialog/invite` takes an [`Originate`] and
//! `PUT /dialog/ACTION` an [`Act`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Sdp;

/// The full state of one SIP dialog. Sent whole at each change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dialog {
    /// SIP Call-ID: the caller's for inbound calls, ours or control's for originated ones.
    pub callid: String,
    /// The directory domain that the call belongs to.
    pub domain: String,
    /// User part of To.
    pub to: String,
    /// User part of From.
    pub from: String,
    /// Raw Contact of the INVITE.
    pub contact: String,
    /// Max-Forwards of the INVITE.
    pub maxforwards: u32,
    /// Where a REFER wants the call to go; only in the document caused by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refer: Option<Refer>,
    /// The peer proved a user's secret, or calls from a trusted network.
    pub authenticated: bool,
    /// A 180 was sent or received. Never returns to false.
    pub ring: bool,
    /// A 2xx was sent or received. Never returns to false.
    pub answered: bool,
    /// The peer's SDP puts us on hold.
    pub hold: bool,
    /// We originated the dialog.
    pub originator: bool,
    /// The dialog is over. Delivered exactly once.
    pub hangup: bool,
    /// Why the call failed; code 0 for one that was answered and ended normally.
    pub error: Error,
    /// Source of the last packet from the peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
    /// Session descriptions of both sides.
    pub sdp: SdpPair,
    /// When things happened, in Unix seconds; 0 = not yet.
    pub epochs: Epochs,
    /// Grows by one with each change.
    pub seq: u64,
    /// What changed last.
    pub event: Event,
    /// From and To tags.
    pub tags: Tags,
    /// `udp` or `tcp`.
    pub transport: String,
    /// Every `X-` and identity header of the INVITE, by its name as received.
    pub headers: BTreeMap<String, String>,
    /// Who ended the dialog and why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// What changed last in a [`Dialog`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// A new call came in, or was sent out.
    #[default]
    New,
    /// 180.
    Ringing,
    /// 183.
    Progress,
    /// 2xx.
    Answered,
    /// The ACK to our 2xx.
    Ack,
    /// The peer's re-INVITE, which control answers with `ok`; or the answer to ours.
    Reinvite,
    /// UPDATE.
    Update,
    /// REFER.
    Refer,
    /// NOTIFY.
    Notify,
    /// INFO.
    Info,
    /// The dialog is over.
    Hangup,
}

/// The target of a REFER.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refer {
    /// User part of Refer-To.
    pub to: String,
    /// Call-ID in the Replaces of Refer-To.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// A failure: SIP status code and reason phrase.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Error {
    /// SIP status code, 0 for none.
    pub code: u16,
    /// Reason phrase.
    pub status: String,
}

/// A network address as host and port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remote {
    /// IP address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Both sides' session descriptions, `{}` while unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SdpPair {
    /// The peer's.
    #[serde(with = "crate::sdp::empty_is_none")]
    pub them: Option<Sdp>,
    /// What control gave us to send.
    #[serde(with = "crate::sdp::empty_is_none")]
    pub us: Option<Sdp>,
}

/// When things happened, in Unix seconds; 0 = not yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Epochs {
    /// INVITE.
    pub start: u64,
    /// 180.
    pub ring: u64,
    /// 2xx.
    pub answer: u64,
    /// The end.
    pub end: u64,
}

/// Dialog tags (RFC 3261 §12).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tags {
    /// Ours.
    pub local: String,
    /// The peer's, empty until known.
    pub remote: String,
}

/// Body of `POST /dialog/invite`: originate a call. The README's older forms are read into it, too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Originate {
    /// Call-ID to use; a repeated request with the same one returns the same dialog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callid: Option<String>,
    /// Who calls.
    pub from: From,
    /// Who is called.
    pub to: To,
    /// Max-Forwards of the INVITE; 70 when absent.
    #[serde(default = "seventy")]
    pub maxforwards: u32,
    /// Caller id that the callee is shown.
    #[serde(default)]
    pub cid: Cid,
    /// Callback base of this call; else the directory's for `from.domain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// The offer; absent for a late offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp: Option<Sdp>,
    /// Further headers of the INVITE.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A bound contact URI to call instead of the user's newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Seconds to wait for a final answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

fn seventy() -> u32 {
    70
}

/// The caller of an [`Originate`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct From {
    /// User part of From.
    pub user: String,
    /// Host part of From.
    pub domain: String,
    /// Password to answer a challenge with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authsecret: Option<String>,
}

/// The callee of an [`Originate`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct To {
    /// User part of To.
    pub user: String,
    /// Host part of To; the caller's domain when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// Caller id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cid {
    /// Number; `from.user` when empty.
    pub number: String,
    /// Display name.
    pub name: String,
    /// Ask for privacy.
    pub private: bool,
}

/// Reply to `POST /dialog/invite`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Originated {
    /// The Call-ID.
    pub callid: String,
}

/// Body of `PUT /dialog/ACTION`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// Which dialog.
    pub callid: String,
    /// Offer or answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp: Option<Sdp>,
    /// Alert-Info of a 180.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertinfo: Option<String>,
    /// Status code of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Reason phrase of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Further headers of the message sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// Reply to `GET /dialog`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// Live dialogs.
    pub count: usize,
    /// Dialogs ever created.
    pub counter: u64,
    /// Call-IDs; whole [`Dialog`]s with `?full=1`.
    pub dialogs: Vec<serde_json::Value>,
}
