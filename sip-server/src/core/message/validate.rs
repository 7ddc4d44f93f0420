//! What a well-formed message must hold before anybody acts on it (RFC 3261 §8.1.1, §8.2, §16.3), in one place.
//!
//! Tolerated as RFC 2543 senders need it: no Max-Forwards, no From tag, no branch, no Contact. Header fields that
//! are not looked at here never make a message bad (§8.2.2).

use super::syntax::number;
use super::{Headers, Malformed, Method, Name, NameAddr, Request, Response, Uri, Via};

/// Fields that stand once: a second one that differs makes the message ambiguous.
const SINGLE: [Name; 6] = [Name::From, Name::To, Name::CallId, Name::CSeq, Name::MaxForwards, Name::ContentLength];

impl Request {
    /// Checks the request as a whole. The error carries the status to answer with (400 or 416) and no request;
    /// an ACK is not to be answered at all.
    pub fn validate(&self) -> Result<(), Malformed> {
        let headers = &self.headers;
        check_common(headers)?;
        let matching = headers.cseq().is_some_and(|cseq| cseq.method == self.method);
        require(matching, "CSeq method does not match")?;
        let hops = headers.text(Name::MaxForwards).is_none_or(|hops| number::<u8>(hops.trim()).is_some());
        require(hops, "Bad Max-Forwards")?;
        require(contacts_readable(headers, &self.method), "Bad Contact")?;
        require(addresses_readable(headers, Name::Route), "Bad Route")?;
        require(addresses_readable(headers, Name::RecordRoute), "Bad Record-Route")?;
        match &self.uri {
            Uri::Sip { headers, .. } => require(headers.is_empty(), "Headers in Request-URI"),
            Uri::Other { scheme, .. } => {
                let known = ["tel", "urn"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
                if known { Ok(()) } else { Err(Malformed::new(416, "Unsupported URI Scheme")) }
            }
        }
    }
}

impl Response {
    /// The response can be matched and acted upon; otherwise it is to be dropped.
    pub fn validate(&self) -> bool {
        let headers = &self.headers;
        (100..700).contains(&self.status)
            && check_common(headers).is_ok()
            && addresses_readable(headers, Name::RecordRoute)
    }
}

/// What requests and responses have in common.
fn check_common(headers: &Headers) -> Result<(), Malformed> {
    let vias = headers.list(Name::Via);
    require(!vias.is_empty(), "Missing Via")?;
    require(vias.iter().all(|via| Via::parse(via).is_some()), "Bad Via")?;
    check_single(headers)?;
    for (name, missing) in [
        (Name::From, "Missing From"),
        (Name::To, "Missing To"),
        (Name::CallId, "Missing Call-ID"),
        (Name::CSeq, "Missing CSeq"),
    ] {
        require(headers.text(name).is_some_and(|value| !value.trim().is_empty()), missing)?;
    }
    require(headers.from().is_some(), "Bad From")?;
    require(headers.to().is_some(), "Bad To")?;
    require(headers.cseq().is_some(), "Bad CSeq")
}

fn check_single(headers: &Headers) -> Result<(), Malformed> {
    let mut seen = [None; SINGLE.len()];
    for (name, value) in headers.fields() {
        let Some(at) = SINGLE.iter().position(|single| *single == name) else {
            continue;
        };
        let first = seen[at].get_or_insert(value);
        require(*first == value, "Repeated header field")?;
    }
    Ok(())
}

/// All readable, or the lone `*` with which a REGISTER removes everything (§10.2.2).
fn contacts_readable(headers: &Headers, method: &Method) -> bool {
    let contacts = headers.list(Name::Contact);
    let star = *method == Method::Register && contacts == ["*"];
    star || contacts.iter().all(|contact| NameAddr::parse(contact).is_some())
}

fn addresses_readable(headers: &Headers, name: Name) -> bool {
    headers.list(name).iter().all(|element| NameAddr::parse(element).is_some())
}

fn require(condition: bool, reason: &'static str) -> Result<(), Malformed> {
    if condition { Ok(()) } else { Err(Malformed::new(400, reason)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(changes: &[(Name, &str)]) -> Request {
        let mut request = Request::new(Method::Options, Uri::parse("sip:b@example.com").unwrap());
        for (name, value) in [
            (Name::Via, "SIP/2.0/UDP a.example.com;branch=z9hG4bK1"),
            (Name::MaxForwards, "70"),
            (Name::From, "<sip:a@example.com>;tag=1"),
            (Name::To, "<sip:b@example.com>"),
            (Name::CallId, "x"),
            (Name::CSeq, "1 OPTIONS"),
        ] {
            request.headers.push(name, value);
        }
        changes.iter().for_each(|(name, value)| request.headers.replace(*name, value));
        request
    }

    fn verdict(request: &Request) -> (u16, &'static str) {
        request.validate().map_or_else(|bad| (bad.status, bad.reason), |()| (200, ""))
    }

    #[test]
    fn each_value_is_judged() {
        for (name, value, expected) in [
            (Name::Via, "SIP/2.0/UDP h", (200, "")),
            (Name::Via, "SIP/2.0/UDP h, x", (400, "Bad Via")),
            (Name::Via, ", ,", (400, "Missing Via")),
            (Name::MaxForwards, "0", (200, "")),
            (Name::MaxForwards, "0255", (200, "")),
            (Name::MaxForwards, "256", (400, "Bad Max-Forwards")),
            (Name::MaxForwards, "-1", (400, "Bad Max-Forwards")),
            (Name::MaxForwards, "", (400, "Bad Max-Forwards")),
            (Name::From, "nobody", (400, "Bad From")),
            (Name::From, "", (400, "Missing From")),
            (Name::To, "\"x <sip:b@example.com>", (400, "Bad To")),
            (Name::CallId, "", (400, "Missing Call-ID")),
            (Name::CSeq, "2147483647 OPTIONS", (200, "")),
            (Name::CSeq, "2147483648 OPTIONS", (400, "Bad CSeq")),
            (Name::CSeq, "1 INVITE", (400, "CSeq method does not match")),
            (Name::CSeq, "1 options", (400, "CSeq method does not match")),
            (Name::CSeq, "1", (400, "Bad CSeq")),
            (Name::Contact, "*", (400, "Bad Contact")),
            (Name::Contact, "<name:John_Smith>", (200, "")),
            (Name::Route, "<sip:p;lr>, nonsense", (400, "Bad Route")),
            (Name::RecordRoute, "<sip:p;lr", (400, "Bad Record-Route")),
            (Name::Date, "yesterday", (200, "")),
            (Name::Expires, "10000000000000000000000", (200, "")),
        ] {
            assert_eq!(verdict(&request(&[(name, value)])), expected, "{name:?}: {value}");
        }
    }

    #[test]
    fn each_mandatory_field_is_missed() {
        for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
            let mut request = request(&[]);
            request.headers.remove(name);
            assert_eq!(verdict(&request), (400, format!("Missing {}", name.as_str()).as_str()));
        }
        let mut request = request(&[]);
        request.headers.remove(Name::MaxForwards);
        assert_eq!(verdict(&request).0, 200);
    }

    #[test]
    fn repeated_fields_are_bad_when_they_differ() {
        for name in SINGLE {
            let mut request = request(&[(Name::ContentLength, "0")]);
            let value = request.headers.text(name).unwrap().into_owned();
            request.headers.push(name, &value);
            assert_eq!(verdict(&request).0, 200, "{name:?}");
            request.headers.push(name, &format!("{value}0"));
            assert_eq!(verdict(&request), (400, "Repeated header field"), "{name:?}");
        }
    }

    #[test]
    fn the_request_uri_is_judged() {
        for (uri, status) in
            [("sips:h", 200), ("TEL:+1", 200), ("urn:service:sos", 200), ("isbn:1", 416), ("sip:h?Route=x", 400)]
        {
            let mut request = request(&[]);
            request.uri = Uri::parse(uri).unwrap();
            assert_eq!(verdict(&request).0, status, "{uri}");
        }
    }

    #[test]
    fn a_star_stands_alone_in_a_register() {
        let mut request = request(&[(Name::CSeq, "1 REGISTER"), (Name::Contact, "*")]);
        request.method = Method::Register;
        assert_eq!(verdict(&request).0, 200);
        request.headers.push(Name::Contact, "<sip:a@b>");
        assert_eq!(verdict(&request).0, 400);
    }

    #[test]
    fn responses_need_what_matches_them() {
        let mut response = request(&[]).response(200, "OK");
        assert!(response.validate());
        response.headers.replace(Name::CSeq, "9292394834772304023312 OPTIONS");
        assert!(!response.validate());
        response.headers = Headers::default();
        assert!(!response.validate());
    }
}
