//! Dialog state (RFC 3261 §12): identities, sequence numbers, route set and remote target.
//!
//! It makes the requests sent inside the dialog and judges those received. It knows nothing of INVITE usage.

use super::message::{Method, Name, NameAddr, Request, Response, Uri};
use super::transport::Peer;

/// One side's view of a dialog.
#[derive(Debug, Clone)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: String,
    /// Our address, with our tag.
    pub local: NameAddr,
    /// The peer's address, with its tag once it is known.
    pub remote: NameAddr,
    /// Number of our newest request.
    pub local_cseq: u32,
    /// Number of the peer's newest request.
    pub remote_cseq: Option<u32>,
    /// The peer's Contact: Request-URI of what we send.
    pub remote_target: Uri,
    /// Route header values, in the order in which they are sent.
    pub route_set: Vec<String>,
    /// Where to send: the source of the peer's newest message, which also passes its NAT.
    pub peer: Peer,
}

/// What the sequence number of a received request says (RFC 3261 §12.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequence {
    /// Next in order; the number is remembered.
    New,
    /// Lower than one seen before: answered 500.
    Stale,
}

impl Dialog {
    /// The callee's side (RFC 3261 §12.1.1); `None` if From or To cannot be read.
    pub fn uas(invite: &Request, local_tag: &str, peer: Peer) -> Option<Self> {
        let remote = invite.headers.from()?;
        let contact = invite.headers.name_addrs(Name::Contact).into_iter().next();
        Some(Self {
            call_id: invite.headers.call_id()?.into_owned(),
            local: invite.headers.to()?.with_tag(local_tag),
            remote_target: contact.map_or_else(|| remote.uri.clone(), |contact| contact.uri),
            remote,
            local_cseq: 0,
            remote_cseq: invite.headers.cseq().map(|cseq| cseq.number),
            route_set: invite.headers.list(Name::RecordRoute),
            peer,
        })
    }

    /// Learns the rest of the caller's side from a response that makes a dialog (RFC 3261 §12.1.2).
    pub fn establish(&mut self, response: &Response) {
        if let Some(to) = response.headers.to() {
            self.remote = to;
        }
        self.route_set = response.headers.list(Name::RecordRoute);
        self.route_set.reverse();
        self.refresh_target(response.headers.name_addrs(Name::Contact));
    }

    /// Takes the remote target of a target refresh request or its 2xx (RFC 3261 §12.2).
    pub fn refresh_target(&mut self, contacts: Vec<NameAddr>) {
        if let Some(contact) = contacts.into_iter().next() {
            self.remote_target = contact.uri;
        }
    }

    /// The peer's tag, empty until known.
    pub fn remote_tag(&self) -> &str {
        self.remote.tag().unwrap_or_default()
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        self.local.tag().unwrap_or_default()
    }

    /// The request belongs to this dialog: both tags are ours (RFC 3261 §12.2.2).
    pub fn owns(&self, request: &Request) -> bool {
        let tag = |address: Option<NameAddr>| address.and_then(|address| address.tag().map(str::to_owned));
        let ours = tag(request.headers.to());
        let theirs = tag(request.headers.from()).unwrap_or_default();
        ours.as_deref() == Some(self.local_tag()) && theirs == self.remote_tag()
    }

    /// Judges the number of a received request and remembers it. ACK and CANCEL are not for this.
    pub fn advance(&mut self, number: u32) -> Sequence {
        if self.remote_cseq.is_some_and(|seen| number <= seen) {
            return Sequence::Stale;
        }
        self.remote_cseq = Some(number);
        Sequence::New
    }

    /// The next request in this dialog, without Via, Contact and body (RFC 3261 §12.2.1.1).
    pub fn request(&mut self, method: &Method) -> Request {
        self.local_cseq += 1;
        self.request_numbered(method, self.local_cseq)
    }

    /// A request with the number of an earlier one: the ACK to a 2xx.
    pub fn request_numbered(&self, method: &Method, number: u32) -> Request {
        let mut uri = self.remote_target.clone();
        let mut routes = self.route_set.clone();
        let first = routes.first().and_then(|route| NameAddr::parse(route));
        if let Some(strict) = first.filter(|route| route.uri.param("lr").is_none()) {
            routes.remove(0);
            routes.push(format!("<{uri}>"));
            uri = strict.uri;
        }
        let mut request = Request::new(method.clone(), uri);
        for route in &routes {
            request.headers.push(Name::Route, route);
        }
        request.headers.push(Name::MaxForwards, "70");
        request.headers.push(Name::From, &self.local.to_string());
        request.headers.push(Name::To, &self.remote.to_string());
        request.headers.push(Name::CallId, &self.call_id);
        request.headers.push(Name::CSeq, &format!("{number} {method}"));
        request
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::core::message::{Message, parse_datagram};
    use crate::core::transport::Transport;

    fn invite(extra: &str) -> Request {
        let text = format!(
            "INVITE sip:5@pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@pbx.example>;tag=ft\r\n\
             To: <sip:5@pbx.example>\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\nContact: <sip:a@192.0.2.1:5070>\r\n{extra}\r\n"
        );
        match parse_datagram(&Bytes::from(text)) {
            Ok(Message::Request(request)) => request,
            other => panic!("not a request: {other:?}"),
        }
    }

    fn peer() -> Peer {
        Peer { transport: Transport::Udp, address: "192.0.2.9:5062".parse().unwrap() }
    }

    #[test]
    fn callee_addresses_the_caller() {
        let invite = invite("Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n");
        let mut dialog = Dialog::uas(&invite, "lt", peer()).unwrap();
        let bye = dialog.request(&Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:a@192.0.2.1:5070");
        assert_eq!(bye.headers.text(Name::To).unwrap(), "<sip:a@pbx.example>;tag=ft");
        assert_eq!(bye.headers.text(Name::From).unwrap(), "<sip:5@pbx.example>;tag=lt");
        assert_eq!(bye.headers.list(Name::Route), ["<sip:p1;lr>", "<sip:p2;lr>"]);
        assert_eq!(bye.headers.cseq().unwrap().number, 1);
    }

    #[test]
    fn strict_router_takes_the_request_uri() {
        let invite = invite("Record-Route: <sip:old.example>\r\n");
        let mut dialog = Dialog::uas(&invite, "lt", peer()).unwrap();
        let bye = dialog.request(&Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:old.example");
        assert_eq!(bye.headers.list(Name::Route), ["<sip:a@192.0.2.1:5070>"]);
    }

    #[test]
    fn strangers_and_old_numbers_are_noticed() {
        let mut dialog = Dialog::uas(&invite(""), "lt", peer()).unwrap();
        let mut request = invite("");
        assert!(!dialog.owns(&request), "no To tag");
        request.headers.replace(Name::To, "<sip:5@pbx.example>;tag=lt");
        assert!(dialog.owns(&request));
        request.headers.replace(Name::From, "<sip:a@pbx.example>;tag=other");
        assert!(!dialog.owns(&request));
        assert_eq!(dialog.advance(7), Sequence::Stale);
        assert_eq!(dialog.advance(8), Sequence::New);
    }
}
