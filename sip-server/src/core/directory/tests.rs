//! What each verb of `/dir` does, and what it leaves alone.

use api::problem::Code;
use serde_json::{Value, json};

use super::*;

fn domain(value: Value) -> wire::Domain {
    serde_json::from_value(value).unwrap()
}

fn pbx() -> wire::Domain {
    domain(json!({"control": "http://127.0.0.1:9001", "users": [{"username": "1000", "secret": "a"}],
                  "aliases": ["192.0.2.1", "PBX.local", "pbx.example"], "trusted": ["198.51.100.0/24", "2001:db8::1"]}))
}

fn directory() -> Directory {
    let mut directory = Directory::default();
    assert!(directory.put("PBX.example", &pbx()).unwrap());
    directory
}

fn secret(text: &str) -> wire::Secret {
    wire::Secret { secret: Some(text.to_owned()), ha1: None }
}

#[test]
fn a_domain_is_found_by_any_of_its_names() {
    let directory = directory();
    for host in ["pbx.example", "PBX.EXAMPLE:5060", "pbx.local.", "192.0.2.1", "192.0.2.1:5060", " pbx.local "] {
        assert_eq!(directory.resolve(host).map(|found| found.name.as_str()), Some("pbx.example"), "{host}");
    }
    for host in ["", "example", "a.pbx.example", "192.0.2.2", "[", "[]", ":", "pbx.example\r\n:x"] {
        assert!(directory.resolve(host).is_none(), "{host}");
    }
}

#[test]
fn ipv6_names_are_compared_as_addresses() {
    let mut directory = Directory::default();
    let body = domain(json!({"control": "http://c", "users": []}));
    directory.put("[2001:DB8:0::1]", &body).unwrap();
    for host in ["2001:db8::1", "[2001:db8::1]:5060", "[2001:0db8::1]"] {
        assert!(directory.resolve(host).is_some(), "{host}");
    }
}

#[test]
fn putting_again_replaces_and_a_bad_body_changes_nothing() {
    let mut directory = directory();
    let bad = [
        json!({"control": "ftp://x", "users": []}),
        json!({"control": "", "users": []}),
        json!({"control": "http://c", "users": [{"username": ""}]}),
        json!({"control": "http://c", "users": [{"username": "1"}]}),
        json!({"control": "http://c", "users": [{"username": "1", "secret": ""}]}),
        json!({"control": "http://c", "users": [{"username": "1", "ha1": "xyz"}]}),
        json!({"control": "http://c", "users": [], "aliases": ["a b"]}),
        json!({"control": "http://c", "users": [], "trusted": ["10.0.0.0/33"]}),
    ];
    for body in bad {
        let problem = directory.put("pbx.example", &domain(body.clone())).unwrap_err();
        assert_eq!(problem.code, Code::BadRequest, "{body}");
        assert!(directory.put("new.example", &domain(body)).is_err());
    }
    assert_eq!(directory.domains().len(), 1);
    assert!(directory.resolve("pbx.local").unwrap().user("1000").is_some());
    let body = domain(json!({"control": "http://c", "users": [{"username": "2", "secret": "b"}]}));
    assert!(!directory.put("pbx.EXAMPLE", &body).unwrap());
    assert!(directory.resolve("pbx.local").is_none());
    assert_eq!(directory.resolve("pbx.example").unwrap().users().collect::<Vec<_>>(), ["2"]);
}

#[test]
fn the_problem_names_the_field() {
    let body = domain(json!({"control": "http://c", "users": [{"username": "1", "secret": "x"}, {"username": "2"}]}));
    assert!(Directory::default().put("a", &body).unwrap_err().detail.starts_with("users[1].secret"));
}

#[test]
fn a_patch_merges() {
    let mut directory = directory();
    let patch = serde_json::from_value(json!({"users": [{"username": "1001", "secret": "b"}]})).unwrap();
    directory.patch("pbx.example", &patch).unwrap();
    let found = directory.resolve("pbx.local").unwrap();
    assert_eq!(found.users().collect::<Vec<_>>(), ["1000", "1001"]);
    assert_eq!(found.control, "http://127.0.0.1:9001");
    assert_eq!(directory.patch("no.example", &patch).unwrap_err().status, 404);
}

#[test]
fn users_come_and_go() {
    let mut directory = directory();
    assert!(directory.put_user("pbx.example", "1001", &secret("x")).unwrap());
    assert!(!directory.put_user("pbx.example", "1001", &secret("y")).unwrap());
    assert_eq!(directory.put_user("pbx.example", "1", &wire::Secret::default()).unwrap_err().status, 400);
    assert_eq!(directory.put_user("no.example", "1", &secret("x")).unwrap_err().status, 404);
    directory.remove_user("pbx.example", "1001").unwrap();
    assert_eq!(directory.remove_user("pbx.example", "1001").unwrap_err().status, 404);
}

#[test]
fn one_name_stands_for_one_domain() {
    let mut directory = directory();
    let empty = domain(json!({"control": "http://c", "users": []}));
    assert_eq!(directory.put("pbx.local", &empty).unwrap_err().status, 409);
    let rival = domain(json!({"control": "http://c", "users": [], "aliases": ["PBX.example"]}));
    assert_eq!(directory.put("rival.example", &rival).unwrap_err().status, 409);
}

#[test]
fn removing_a_domain_leaves_its_neighbours() {
    let mut directory = directory();
    let empty = domain(json!({"control": "http://c", "users": []}));
    for name in ["sub.pbx.example", "a.b.pbx.example", "other.example", "notpbx.example"] {
        directory.put(name, &empty).unwrap();
    }
    let listing = directory.domain_listing("pbx.example").unwrap();
    assert_eq!(listing.domains, ["a.b", "sub"]);
    assert_eq!(listing.users, ["1000"]);
    assert!(!serde_json::to_string(&listing).unwrap().contains("secret"));
    directory.remove_domain("pbx.example").unwrap();
    assert_eq!(directory.listing().domains.len(), 4);
    assert!(directory.resolve("pbx.local").is_none());
    assert_eq!(directory.remove_domain("pbx.example").unwrap_err().status, 404);
    assert_eq!(directory.domain_listing("example").unwrap_err().status, 404);
}

#[test]
fn trust_is_by_network() {
    let directory = directory();
    let trusts = |ip: &str| directory.trusts("pbx.example", ip.parse().unwrap());
    assert!(trusts("198.51.100.7") && trusts("::ffff:198.51.100.7") && trusts("2001:db8::1"));
    assert!(!trusts("198.51.101.7") && !trusts("2001:db8::2"));
    assert!(!directory.trusts("no.example", "198.51.100.7".parse().unwrap()));
}

#[test]
fn nothing_prints_a_secret() {
    let body = domain(json!({"control": "http://c", "users": [{"username": "1", "secret": "hunter2"}]}));
    let mut directory = Directory::default();
    directory.put("a.example", &body).unwrap();
    assert!(!format!("{directory:?}{body:?}").contains("hunter2"));
}
