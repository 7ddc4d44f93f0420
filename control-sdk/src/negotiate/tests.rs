//! Tables of offers and answers (RFC 3264, RFC 4317).

use super::*;
use serde_json::json;

fn ours() -> Local {
    Local {
        ip: "192.0.2.1".into(),
        port: 10000,
        session: 7,
        version: 3,
        codecs: Codec::ALL.to_vec(),
        direction: Direction::SendRecv,
    }
}

fn sdp(value: serde_json::Value) -> Sdp {
    serde_json::from_value(value).unwrap()
}

fn audio(payloads: &[u32]) -> serde_json::Value {
    json!({"media": "audio", "port": 8000, "proto": "RTP/AVP", "payloads": payloads, "direction": "sendrecv"})
}

fn with(sections: &[serde_json::Value]) -> Sdp {
    sdp(json!({"c": [{"nettype": "IN", "ipver": 4, "address": "192.0.2.9"}], "m": sections}))
}

#[test]
fn an_offer_has_all_codecs_in_our_order() {
    let offer = offer(&ours());
    assert_eq!(offer.m.len(), 1);
    assert_eq!(offer.m[0].payloads, [8, 0, 9, 101]);
    assert_eq!(offer.m[0].a.rtpmap["9"].clock, 8000);
    assert_eq!(offer.m[0].a.fmtp["101"], "0-15");
    assert_eq!(offer.o.as_ref().map(|origin| (origin.sessionid, origin.sessionversion)), Some((7, 3)));
    let wire = serde_json::to_value(&offer).unwrap();
    assert_eq!(wire["m"][0]["rtpmap"]["0"]["clock"], json!(8000));
}

#[test]
fn the_answer_is_the_intersection_in_the_order_of_the_offer() {
    let event = json!({"101": {"encoding": "telephone-event", "clock": 8000}});
    let dynamic = json!({"97": {"encoding": "iLBC", "clock": 8000}, "99": {"encoding": "pcmu", "clock": "8000"},
                         "96": {"encoding": "Telephone-Event", "clock": 8000}});
    let rows = [
        (json!([0, 8, 9]), json!({}), vec![0, 8, 9], None),
        (json!([9, 18, 0]), json!({}), vec![9, 0], None),
        (json!([3, 8, 101]), event, vec![8], Some(101)),
        (json!([97, 99, 96]), dynamic, vec![99], Some(96)),
        (json!([0, 0, 300]), json!({}), vec![0], None),
        (json!([0, 101]), json!({}), vec![0], None),
    ];
    for (payloads, rtpmap, common, dtmf) in rows {
        let offer = with(&[
            json!({"media": "audio", "port": 8000, "proto": "RTP/AVP", "payloads": payloads, "rtpmap": rtpmap}),
        ]);
        let (answer, remote) = answer(&offer, &ours()).unwrap();
        let audio = remote.audio.unwrap();
        assert_eq!((audio.payloads, audio.dtmf), (common.clone(), dtmf), "{payloads}");
        let said: Vec<u32> = common.into_iter().chain(dtmf).map(u32::from).collect();
        assert_eq!(answer.m[0].payloads, said, "{payloads}");
        assert!(said.iter().all(|number| answer.m[0].a.rtpmap.contains_key(&number.to_string())));
    }
}

#[test]
fn nothing_in_common_is_refused() {
    let event = json!({"media": "audio", "port": 8000, "proto": "RTP/AVP", "payloads": [101],
                       "rtpmap": {"101": {"encoding": "telephone-event", "clock": 8000}}});
    let wide = json!({"media": "audio", "port": 8000, "proto": "RTP/AVP", "payloads": [0],
                      "rtpmap": {"0": {"encoding": "PCMU", "clock": 16000}}});
    let secure = json!({"media": "audio", "port": 8000, "proto": "RTP/SAVP", "payloads": [0]});
    let closed = json!({"media": "audio", "port": 0, "proto": "RTP/AVP", "payloads": [0]});
    for section in [audio(&[18, 3]), event, wide, secure, closed] {
        assert_eq!(answer(&with(std::slice::from_ref(&section)), &ours()), Err(Refusal::NoCommonCodec), "{section}");
    }
    assert_eq!(answer(&with(&[]), &ours()), Err(Refusal::NoCommonCodec));
}

#[test]
fn other_sections_keep_their_place_with_port_0() {
    let video = json!({"media": "video", "port": 9000, "proto": "RTP/AVP", "payloads": [31], "c": [], "label": "v"});
    let fax = json!({"media": "image", "port": 9002, "proto": "udptl", "payloads": [0], "formats": ["t38"]});
    let offer = with(&[video, audio(&[18]), audio(&[0, 8]), fax, audio(&[8])]);
    let (answer, _) = answer(&offer, &ours()).unwrap();
    let ports: Vec<u64> = answer.m.iter().map(|section| section.port).collect();
    assert_eq!(ports, [0, 0, 10000, 0, 0]);
    assert_eq!(answer.m[3].formats, ["t38"]);
    assert_eq!(answer.m[0].payloads, [31]);
    assert!(refuse(&offer, &ours()).m.iter().all(|section| section.port == 0));
}

#[test]
fn the_connection_of_the_media_comes_first() {
    let own = json!({"media": "audio", "port": 8000, "proto": "RTP/AVP", "payloads": [0],
                     "c": [{"nettype": "IN", "ipver": 4, "address": "192.0.2.77/127"}]});
    assert_eq!(remote(&with(&[own]), &Codec::ALL, Direction::SendRecv).unwrap().ip, "192.0.2.77");
    assert_eq!(remote(&with(&[audio(&[0])]), &Codec::ALL, Direction::SendRecv).unwrap().ip, "192.0.2.9");
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["phone.example", "", "192.0.2.300"] {
        let connection = json!([{"nettype": "IN", "ipver": 4, "address": address}]);
        let offer = sdp(json!({"c": connection, "m": [audio(&[0])]}));
        assert_eq!(answer(&offer, &ours()), Err(Refusal::NoAddress), "{address}");
    }
    assert_eq!(answer(&sdp(json!({"m": [audio(&[0])]})), &ours()), Err(Refusal::NoAddress));
    let mut far = with(&[audio(&[0])]);
    far.m[0].port = 70000;
    assert_eq!(answer(&far, &ours()), Err(Refusal::NoAddress));
}

#[test]
fn the_direction_is_mirrored() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (theirs, wanted, said) in [
        (SendRecv, SendRecv, SendRecv),
        (SendOnly, SendRecv, RecvOnly),
        (RecvOnly, SendRecv, SendOnly),
        (Inactive, SendRecv, Inactive),
        (SendRecv, SendOnly, SendOnly),
        (SendOnly, SendOnly, Inactive),
    ] {
        let mut offer = with(&[audio(&[0])]);
        offer.m[0].a.direction = Some(theirs);
        let (answer, remote) = answer(&offer, &Local { direction: wanted, ..ours() }).unwrap();
        assert_eq!((answer.m[0].a.direction, remote.direction), (Some(said), Some(said)), "{theirs:?} {wanted:?}");
    }
}

#[test]
fn the_direction_of_the_session_counts_when_the_media_has_none() {
    let mut offer = with(&[json!({"media": "audio", "port": 8000, "proto": "RTP/AVP", "payloads": [0]})]);
    offer.a = Some(Attributes { direction: Some(Direction::Inactive), ..Attributes::default() });
    assert_eq!(answer(&offer, &ours()).unwrap().1.direction, Some(Direction::Inactive));
}

#[test]
fn the_address_0_0_0_0_is_hold() {
    let offer = sdp(json!({"c": [{"nettype": "IN", "ipver": 4, "address": "0.0.0.0"}], "m": [audio(&[0])]}));
    assert_eq!(answer(&offer, &ours()).unwrap().1.direction, Some(Direction::RecvOnly));
}

#[test]
fn the_answer_to_our_offer_names_the_remote() {
    let remote = accept(&with(&[audio(&[0])]), &ours()).unwrap();
    assert_eq!((remote.ip.as_str(), remote.port), ("192.0.2.9", 8000));
    assert_eq!(remote.audio.unwrap().payloads, [0]);
    assert_eq!(accept(&with(&[audio(&[18])]), &ours()), Err(Refusal::NoCommonCodec));
}
