//! Agreement with `rsip` on the subset that it reads: known methods, long names, no folding, one element a field.

use bytes::Bytes;
use proptest::prelude::*;
use rsip::prelude::{HeadersExt, ToTypedHeader, UntypedHeader};

use crate::core::message::{Message, Name, Uri, parse_datagram};

fn message() -> impl Strategy<Value = String> {
    let method = "(INVITE|REGISTER|OPTIONS|BYE|CANCEL|MESSAGE)";
    let host = "[a-z]{1,6}\\.example\\.com";
    let words = ("[a-z0-9]{1,8}", host, "[1-9][0-9]{0,3}", "[a-zA-Z0-9]{4,10}", "[A-Z][a-z]{1,6}");
    (method, words, 0_u32..1 << 31, "[ -~]{0,20}").prop_map(
        |(method, (user, host, port, tag, display), number, body)| {
            format!(
                "{method} sip:{user}@{host}:{port};transport=udp SIP/2.0\r\n\
             Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{tag};rport\r\n\
             Max-Forwards: 70\r\n\
             From: {display} <sip:{user}@{host}>;tag={tag}\r\n\
             To: \"{display}\" <sip:{user}@{host}>\r\n\
             Call-ID: {tag}@{host}\r\n\
             CSeq: {number} {method}\r\n\
             Contact: <sip:{user}@{host}:{port}>\r\n\
             Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        },
    )
}

proptest! {
    #[test]
    fn both_read_the_same(text in message()) {
        let theirs = rsip::Request::try_from(text.as_bytes()).unwrap();
        let Ok(Message::Request(ours)) = parse_datagram(&Bytes::from(text.clone())) else {
            panic!("{text}");
        };
        prop_assert_eq!(ours.validate(), Ok(()));
        prop_assert_eq!(ours.method.as_str(), theirs.method.to_string());
        let their_uri = Uri::parse(&theirs.uri.to_string()).unwrap();
        prop_assert!(ours.uri.matches(&their_uri), "{} {}", ours.uri, their_uri);
        prop_assert_eq!(&ours.body[..], &theirs.body[..]);
        let cseq = theirs.cseq_header().unwrap().typed().unwrap();
        prop_assert_eq!(ours.headers.cseq().unwrap().number, cseq.seq);
        let via = theirs.via_header().unwrap().typed().unwrap();
        let our_via = ours.headers.via().unwrap();
        prop_assert_eq!(our_via.branch(), via.branch().map(|branch| branch.value()));
        let from = theirs.from_header().unwrap().typed().unwrap();
        let our_from = ours.headers.from().unwrap();
        prop_assert_eq!(our_from.tag(), from.tag().map(|tag| tag.value()));
        prop_assert_eq!(our_from.uri.to_string(), from.uri.to_string());
        prop_assert_eq!(Some(our_from.display_name()), from.display_name);
        let call_id = theirs.call_id_header().unwrap().value();
        let our_call_id = ours.headers.call_id().unwrap();
        prop_assert_eq!(&our_call_id, call_id);
        let contact = theirs.contact_header().unwrap().typed().unwrap();
        prop_assert_eq!(ours.headers.name_addrs(Name::Contact)[0].uri.to_string(), contact.uri.to_string());
        prop_assert_eq!(&ours.to_bytes()[..], text.as_bytes());
    }
}
