//! Properties over generated messages and arbitrary bytes: what is written is read back as it was.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::core::message::{
    Headers, Host, Message, Method, Name, NameAddr, Params, Request, Response, Uri, Via, frame_length, parse_datagram,
    quote, unquote,
};

const TOKEN: &str = "[a-zA-Z0-9.!%*_+`'~-]{1,12}";

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        any::<std::net::IpAddr>().prop_map(Host::Ip),
        "[a-z][a-z0-9-]{0,8}(\\.[a-z]{2,5}){0,2}".prop_map(Host::Name),
    ]
}

fn params(value: &'static str) -> impl Strategy<Value = Params> {
    vec((TOKEN, option::of(value)), 0..4).prop_map(|all| {
        let mut params = Params::default();
        all.iter().for_each(|(name, value)| params.insert(name, value.as_deref()));
        params
    })
}

fn uri() -> impl Strategy<Value = Uri> {
    let user = "([a-zA-Z0-9_.!~*'()&=+$,;?/-]|%[0-9A-F]{2}){0,10}(:[a-z0-9]{1,5})?";
    let headers = "([a-z]{1,5}=[a-z%0-9]{0,5})?";
    let sip = (any::<bool>(), user, host(), option::of(any::<u16>()), params("[a-z0-9%.-]{0,6}"), headers);
    prop_oneof![
        4 => sip.prop_map(|(secure, user, host, port, params, headers)| {
            Uri::Sip { secure, user, host, port, params, headers }
        }),
        1 => ("(tel|urn|http|x-y\\+z)", "[a-z0-9:;=@?/.+-]{0,12}").prop_map(|(scheme, rest)| Uri::Other { scheme, rest }),
    ]
}

fn name_addr() -> impl Strategy<Value = NameAddr> {
    let quoted = r#""([ a-zа-я,;<>@?:=]|\\["\\a-z])*""#;
    let value = r#"([a-z0-9.-]{0,5}|"([a-z;=, <>]|\\["\\])*")"#;
    let display = prop_oneof![Just(String::new()), "[a-zA-Z]{1,5}( [a-z.]{1,5}){0,2}", quoted];
    (display, uri(), params(value)).prop_map(|(display, uri, params)| NameAddr { display, uri, params })
}

fn via() -> impl Strategy<Value = Via> {
    (TOKEN, host(), option::of(any::<u16>()), params("[a-zA-Z0-9.-]{0,8}"))
        .prop_map(|(transport, host, port, params)| Via { transport, host, port, params })
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![Just(Method::Invite), Just(Method::Register), TOKEN.prop_map(|name| Method::from(name.as_str()))]
}

fn headers() -> impl Strategy<Value = Headers> {
    let value = "([!-~а-я]([ -~]{0,20}[!-~])?)?";
    (vec((TOKEN, value), 0..6), vec(via(), 1..4), vec(name_addr(), 1..4)).prop_map(|(others, vias, contacts)| {
        let mut headers = Headers::default();
        vias.iter().for_each(|via| headers.push(Name::Via, &via.to_string()));
        let contacts: Vec<_> = contacts.iter().map(NameAddr::to_string).collect();
        headers.push(Name::Contact, &contacts.join(", "));
        for (name, value) in others.iter().filter(|(name, _)| Name::of(name) != Name::ContentLength) {
            headers.push_text(name, value);
        }
        headers
    })
}

fn body() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..64).prop_map(Bytes::from)
}

fn message() -> impl Strategy<Value = Message> {
    let response = (100_u16..700, "([!-~]([ -~]{0,12}[!-~])?)?", headers(), body());
    prop_oneof![
        (method(), uri(), headers(), body()).prop_map(|(method, uri, headers, body)| Message::Request(Request {
            method,
            uri,
            headers,
            body
        })),
        response.prop_map(|(status, reason, headers, body)| {
            Message::Response(Response { status, reason, headers, body })
        }),
    ]
}

/// A message as it was before Content-Length was written to it.
fn without_length(mut message: Message) -> Message {
    match &mut message {
        Message::Request(request) => request.headers.remove(Name::ContentLength),
        Message::Response(response) => response.headers.remove(Name::ContentLength),
    }
    message
}

/// Reads everything of a message that was built from arbitrary input, to see that nothing panics.
fn exercise(message: &Message) {
    let headers = message.headers();
    let names = [Name::Contact, Name::Route, Name::Via, Name::From, Name::To];
    names.into_iter().flat_map(|name| headers.name_addrs(name)).for_each(|address| {
        assert!(address.uri.matches(&address.uri));
        let _ = (address.display_name(), address.uri.user(), address.uri.header("replaces"));
    });
    if let Message::Request(request) = message {
        let _ = request.validate();
    }
}

proptest! {
    #[test]
    fn a_written_message_is_read_back(message in message()) {
        let bytes = message.to_bytes();
        prop_assert_eq!(frame_length(&bytes), Ok(Some(bytes.len())));
        let again = parse_datagram(&bytes).unwrap();
        prop_assert_eq!(again.to_bytes(), bytes);
        prop_assert_eq!(without_length(again), message);
    }

    #[test]
    fn a_written_uri_is_read_back(uri in uri()) {
        let again = Uri::parse(&uri.to_string());
        prop_assert_eq!(again.as_ref(), Some(&uri));
        prop_assert!(uri.matches(&uri));
    }

    #[test]
    fn a_written_address_is_read_back(all in vec(name_addr(), 1..4)) {
        let mut headers = Headers::default();
        let written: Vec<_> = all.iter().map(NameAddr::to_string).collect();
        headers.push(Name::Contact, &written.join(","));
        prop_assert_eq!(headers.name_addrs(Name::Contact), all);
    }

    #[test]
    fn a_written_via_is_read_back(first in via(), second in via()) {
        let mut headers = Headers::default();
        headers.push(Name::Via, &format!("{second}, SIP/2.0/UDP last"));
        headers.replace_via(&first);
        prop_assert_eq!(headers.via(), Some(first));
        prop_assert_eq!(headers.list(Name::Via).len(), 2);
    }

    #[test]
    fn quoting_loses_nothing(text in "\\PC*") {
        let quoted = quote(&text);
        prop_assert_eq!(unquote(&quoted), text);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..400)) {
        let _ = (parse_datagram(&Bytes::from(bytes.clone())), frame_length(&bytes));
    }

    #[test]
    fn arbitrary_values_do_no_harm(values in vec("\\PC{0,40}", 5), line in "[ -~]{0,30}") {
        let names = ["Via", "From", "t", "CSeq", "m"];
        let fields: String = names.iter().zip(&values).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        for first in ["INVITE sip:b@h SIP/2.0", "SIP/2.0 200 OK", &line] {
            if let Ok(message) = parse_datagram(&Bytes::from(format!("{first}\r\n{fields}\r\n"))) {
                exercise(&message);
            }
        }
    }

    #[test]
    fn arbitrary_text_is_no_trap_for_the_typed_views(text in "[\"<>@:;,=?%\\\\\\[\\]a-c0-2 é]{0,30}") {
        let _ = (Via::parse(&text), Via::parse(&format!("SIP/2.0/UDP {text}")), unquote(&text));
        let _ = Params::parse(&text).unquoted("a");
        for text in [format!("sip:{text}"), format!("<sip:{text}>"), text] {
            if let Some(uri) = Uri::parse(&text) {
                prop_assert_eq!(Uri::parse(&uri.to_string()), Some(uri));
            }
            let _ = NameAddr::parse(&text);
        }
    }
}
