//! Published vectors, an independent client as oracle, and the table of verdicts.

use digest_auth::{AuthContext, HttpMethod};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::core::directory::Directory;
use crate::core::message::{Method, Name, Request, Uri};

const NOW: u64 = 1_795_253_289;
const URI: &str = "sip:pbx.example";

fn directory() -> Directory {
    let mut directory = Directory::default();
    let ha1 = Hash::Md5.of(&["hashed", "pbx.example", "s3cret"]);
    let body = json!({"control": "http://c", "aliases": ["192.0.2.1"],
        "users": [{"username": "1000", "secret": "s3cret"}, {"username": "we\"ird", "secret": "\\"},
                  {"username": "hashed", "ha1": ha1}]});
    directory.put("pbx.example", &serde_json::from_value(body).unwrap()).unwrap();
    directory
}

fn server() -> DigestServer {
    DigestServer::new([7; 32])
}

fn credentials(user: &str, secret: &str) -> Credentials {
    Credentials { user: user.to_owned(), secret: secret.to_owned() }
}

fn request(authorization: &str) -> Request {
    let mut request = Request::new(Method::Register, Uri::parse(URI).unwrap());
    request.headers.push(Name::Authorization, authorization);
    request
}

fn verify(server: &mut DigestServer, now: u64, authorization: &str) -> Verdict {
    server.verify(now, &request(authorization), Name::Authorization, &directory())
}

fn accepted(user: &str) -> Verdict {
    Verdict::Accepted { domain: "pbx.example".to_owned(), user: user.to_owned() }
}

fn fields(value: &str) -> Fields {
    Fields::parse_all(value).remove(0)
}

/// The answer of user 1000 to the first of these challenges.
fn answered(challenges: &[String], nc: u32) -> String {
    answer(challenges, &credentials("1000", "s3cret"), "REGISTER", URI, "c0ffee", nc).unwrap()
}

#[test]
fn rfc_7616_section_3_9_1() {
    let challenge = |algorithm: &str| {
        vec![format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )]
    };
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let credentials = credentials("Mufasa", "Circle of Life");
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let value = answer(&challenge(algorithm), &credentials, "GET", "/dir/index.html", cnonce, 1).unwrap();
        assert_eq!(fields(&value).value("response"), Some(response));
        assert_eq!(fields(&value).value("opaque"), Some("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"));
    }
}

#[test]
fn the_ancestors_vector() {
    let challenge = "Digest realm=\"bling.babblevoice.com\", nonce=\"dbb93832-9090-4763-b9f1-49f0ee8b0b4a\", \
                     algorithm=MD5, qop=\"auth\"";
    let credentials = credentials("1003", "123654789");
    let uri = "sip:bling.babblevoice.com";
    let value = answer(&[challenge.to_owned()], &credentials, "REGISTER", uri, "NwppxHEoHM8cIGF", 1).unwrap();
    assert_eq!(fields(&value).value("response"), Some("cd1748aebcbc01c47270acab477e0e56"));
}

#[test]
fn the_oracle_answers_our_challenges_as_we_do() {
    for challenge in server().challenges(NOW, "pbx.example", false) {
        let mut server = server();
        for (user, secret) in [("1000", "s3cret"), ("we\"ird", "\\")] {
            let mut prompt = digest_auth::parse(&challenge).unwrap();
            let mut context =
                AuthContext::new_with_method(user, secret, URI, None::<&[u8]>, HttpMethod::from("REGISTER"));
            context.set_custom_cnonce("c0ffee");
            let theirs = prompt.respond(&context).unwrap().to_header_string();
            let credentials = credentials(user, secret);
            let ours = answer(std::slice::from_ref(&challenge), &credentials, "REGISTER", URI, "c0ffee", 1).unwrap();
            assert_eq!(fields(&ours).value("response"), fields(&theirs).value("response"));
            assert_eq!(verify(&mut server, NOW, &theirs), accepted(user));
            assert_eq!(verify(&mut server, NOW, &ours), Verdict::Replayed);
        }
    }
}

#[test]
fn the_oracle_answers_session_algorithms_and_rfc_2069_as_we_do() {
    for tail in [", algorithm=MD5-sess, qop=\"auth\"", ", algorithm=SHA-256-sess, qop=\"auth\"", ""] {
        let challenge = format!("Digest realm=\"r\", nonce=\"n\"{tail}");
        let mut context = AuthContext::new_with_method("u", "p", URI, None::<&[u8]>, HttpMethod::from("REGISTER"));
        context.set_custom_cnonce("c");
        let theirs = digest_auth::parse(&challenge).unwrap().respond(&context).unwrap().to_header_string();
        let ours = answer(&[challenge], &credentials("u", "p"), "REGISTER", URI, "c", 1).unwrap();
        assert_eq!(fields(&ours).value("response"), fields(&theirs).value("response"), "{tail}");
        assert_eq!(fields(&ours).value("nc").is_some(), !tail.is_empty());
    }
}

#[test]
fn the_first_supported_challenge_is_answered() {
    let challenge = |tail: &str| format!("Digest realm=\"r\", nonce=\"n\"{tail}");
    let unsupported =
        [challenge(", algorithm=SHA-512-256"), challenge(", qop=\"auth-int\""), "Basic realm=r".to_owned()];
    assert_eq!(answer(&unsupported, &credentials("u", "p"), "BYE", URI, "c", 1), None);
    let joined =
        format!("{}, {}", challenge(", algorithm=SHA-512-256"), challenge(", algorithm=SHA-256, qop=\"auth\""));
    let value = answer(&[joined], &credentials("u", "p"), "BYE", URI, "c", 17).unwrap();
    assert_eq!(fields(&value).value("algorithm"), Some("SHA-256"));
    assert_eq!(fields(&value).value("nc"), Some("00000011"));
}

#[test]
fn challenges_are_in_the_order_and_quoting_of_the_rfcs() {
    let challenges = server().challenges(NOW, "pbx.example", true);
    assert!(challenges[0].contains("algorithm=SHA-256, qop=\"auth\", stale=true"));
    assert!(challenges[1].contains("algorithm=MD5, qop=\"auth\", stale=true"));
    assert!(!server().challenges(NOW, "pbx.example", false)[0].contains("stale"));
    let directory = directory();
    let hashed = directory.resolve("pbx.example").unwrap();
    assert_eq!(server().domain_challenges(NOW, hashed, false), server().challenges(NOW, "pbx.example", false)[1..]);
}

#[test]
fn a_nonce_counts_up_until_it_is_stale() {
    let mut server = server();
    let challenges = server.challenges(NOW, "pbx.example", false);
    for (now, nc, verdict) in [
        (NOW, 1, accepted("1000")),
        (NOW + 1, 1, Verdict::Replayed),
        (NOW + 2, 3, accepted("1000")),
        (NOW + 3, 2, Verdict::Replayed),
        (NOW + 300, 4, accepted("1000")),
        (NOW + 301, 5, Verdict::Stale),
    ] {
        assert_eq!(verify(&mut server, now, &answered(&challenges, nc)), verdict, "{nc}");
    }
    let fresh = server.challenges(NOW + 302, "pbx.example", true);
    assert_eq!(verify(&mut server, NOW + 302, &answered(&fresh, 1)), accepted("1000"));
    assert_eq!(server.tracked(), 1);
}

#[test]
fn nothing_is_remembered_before_authentication() {
    let mut server = server();
    let challenges = server.challenges(NOW, "pbx.example", false);
    let wrong = answer(&challenges, &credentials("1000", "guess"), "REGISTER", URI, "c", 1).unwrap();
    assert_eq!(verify(&mut server, NOW, &wrong), Verdict::Refused);
    assert_eq!(server.tracked(), 0);
}

#[test]
fn every_refusal_looks_the_same() {
    let mut server = server();
    let challenges = server.challenges(NOW, "pbx.example", false);
    let good = answered(&challenges, 1);
    let elsewhere = server.challenges(NOW, "other.example", false);
    let refused = [
        answer(&challenges, &credentials("nobody", "s3cret"), "REGISTER", URI, "c", 1).unwrap(),
        answer(&challenges, &credentials("1000", "s3cret"), "INVITE", URI, "c", 1).unwrap(),
        answer(&challenges, &credentials("1000", "s3cret"), "REGISTER", "sip:5@pbx.example", "c", 1).unwrap(),
        answer(&challenges, &credentials("hashed", "s3cret"), "REGISTER", URI, "c", 1).unwrap(),
        answer(&elsewhere, &credentials("1000", "s3cret"), "REGISTER", URI, "c", 1).unwrap(),
        good.replace("qop=auth", "qop=auth-int"),
        good.replace("SHA-256", "SHA-1"),
        good.replace("username=", "user="),
        "Digest".to_owned(),
    ];
    for value in refused {
        assert_eq!(verify(&mut server, NOW, &value), Verdict::Refused, "{value}");
    }
    assert_eq!(verify(&mut server, NOW, "Basic dXNlcjpwYXNz"), Verdict::Absent);
    assert_eq!(verify(&mut server, NOW, &good), accepted("1000"));
    let bare = Request::new(Method::Register, Uri::parse(URI).unwrap());
    assert_eq!(server.verify(NOW, &bare, Name::Authorization, &directory()), Verdict::Absent);
}

#[test]
fn a_nonce_of_another_process_is_stale_when_the_response_is_right() {
    let challenges = DigestServer::new([8; 32]).challenges(NOW, "pbx.example", false);
    assert_eq!(verify(&mut server(), NOW, &answered(&challenges, 1)), Verdict::Stale);
}

#[test]
fn a_hash_answers_md5_and_an_alias_is_a_realm_too() {
    let mut server = server();
    let md5 = &server.challenges(NOW, "pbx.example", false)[1..];
    let value = answer(md5, &credentials("hashed", "s3cret"), "REGISTER", URI, "c", 1).unwrap();
    assert_eq!(verify(&mut server, NOW, &value), accepted("hashed"));
    let alias = server.challenges(NOW, "192.0.2.1", false);
    assert_eq!(verify(&mut server, NOW, &answered(&alias, 1)), accepted("1000"));
}

#[test]
fn the_digest_uri_may_differ_in_port_and_parameters() {
    let mut server = server();
    let challenges = server.challenges(NOW, "pbx.example", false);
    let uri = "sip:PBX.example:5060;transport=udp";
    let value = answer(&challenges, &credentials("1000", "s3cret"), "REGISTER", uri, "c", 1).unwrap();
    assert_eq!(verify(&mut server, NOW, &value), accepted("1000"));
}

#[test]
fn without_qop_a_response_is_good_once() {
    let mut server = server();
    let challenge = server.challenges(NOW, "pbx.example", false)[1].replace(", qop=\"auth\"", "");
    let value = answer(&[challenge], &credentials("1000", "s3cret"), "REGISTER", URI, "", 1).unwrap();
    assert!(!value.contains("nc="));
    assert_eq!(verify(&mut server, NOW, &value), accepted("1000"));
    assert_eq!(verify(&mut server, NOW, &value), Verdict::Stale);
}

#[test]
fn two_phones_may_share_a_nonce() {
    let mut server = server();
    let challenges = server.challenges(NOW, "pbx.example", false);
    for cnonce in ["a", "b"] {
        let value = answer(&challenges, &credentials("1000", "s3cret"), "REGISTER", URI, cnonce, 1).unwrap();
        assert_eq!(verify(&mut server, NOW, &value), accepted("1000"));
    }
}

#[test]
fn a_full_table_makes_old_nonces_stale_and_never_admits_a_replay() {
    let mut server = server().with_capacity(2);
    let value = |server: &mut DigestServer, at: u64| answered(&server.challenges(at, "pbx.example", false), 1);
    let values: Vec<String> = (NOW..NOW + 3).map(|at| value(&mut server, at)).collect();
    for value in &values {
        assert_eq!(verify(&mut server, NOW + 3, value), accepted("1000"));
    }
    assert_eq!(verify(&mut server, NOW + 3, &values[0]), Verdict::Stale);
    assert_eq!(verify(&mut server, NOW + 3, &values[1]), Verdict::Replayed);
    assert_eq!(server.tracked(), 2);
}

proptest! {
    #[test]
    fn no_header_panics(value in "([Dd]igest )?[ -~\u{e9}\r\n]{0,200}") {
        verify(&mut server(), NOW, &value);
        answer(&[value], &credentials("u", "p"), "REGISTER", URI, "c", 1);
    }

    #[test]
    fn no_altered_answer_is_accepted(at in 0_usize..400, byte in b' '..b'~') {
        let mut server = server();
        let good = answered(&server.challenges(NOW, "pbx.example", false), 1);
        let mut altered = good.clone().into_bytes();
        let at = at % altered.len();
        altered[at] = byte;
        let altered = String::from_utf8(altered).unwrap();
        let hashed = |text: &str| {
            let fields = fields(text);
            ["username", "realm", "nonce", "uri", "response", "cnonce", "nc"].map(|name| fields.value(name).map(str::to_owned))
        };
        if Fields::parse_all(&altered).len() == 1 && hashed(&altered) != hashed(&good) {
            let same_but_case = altered.eq_ignore_ascii_case(&good);
            let accepted = verify(&mut server, NOW, &altered) == accepted("1000");
            prop_assert!(same_but_case || !accepted);
        }
    }
}
