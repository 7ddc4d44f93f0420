//! Golden documents, repairs, injection, and the oracle on what it can read.

use api::sdp::{Origin, Time};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ZOIPER: &str = "v=0\r\no=Z 0 3 IN IP4 192.0.2.9\r\ns=Z\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    m=audio 8000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n";

const BROWSER: &str = "v=0\r\no=- 5925263172042312345 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP6 2001:db8::7\r\nb=AS:64\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
    a=fmtp:111 minptime=10;useinbandfec=1;x=a:b\r\na=fingerprint:sha-256 AA:BB\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20|1:32\r\na=candidate:1 1 udp 1 192.0.2.1 4 typ host\r\n\
    a=candidate:2 1 udp 1 192.0.2.2 4 typ host\r\na=ptime:20\r\na=maxptime:60\r\n";

fn read(text: &str) -> Sdp {
    parse(text.as_bytes()).unwrap()
}

fn with(line: &str) -> Sdp {
    read(&format!("{ZOIPER}{line}\r\n"))
}

fn json_of(sdp: &Sdp) -> Value {
    serde_json::to_value(sdp).unwrap()
}

#[test]
fn the_ancestors_example_reads_as_its_golden_document() {
    let golden = json!({"v":0,
        "o":{"username":"Z","sessionid":0,"sessionversion":3,"nettype":"IN","ipver":4,"address":"192.0.2.9"},
        "s":"Z","c":[{"nettype":"IN","ipver":4,"address":"192.0.2.9"}],"t":{"start":0,"stop":0},
        "m":[{"media":"audio","port":8000,"proto":"RTP/AVP","payloads":[8,0,101],
              "rtpmap":{"101":{"encoding":"telephone-event","clock":8000}},"fmtp":{"101":"0-16"},
              "direction":"sendrecv"}]});
    assert_eq!(json_of(&read(ZOIPER)), golden);
    assert_eq!(print(&read(ZOIPER)), ZOIPER.as_bytes());
}

#[test]
fn nothing_of_a_browsers_offer_is_lost() {
    let sdp = read(BROWSER);
    let media = &json_of(&sdp)["m"][0];
    assert_eq!(sdp.o.as_ref().unwrap().sessionid, 5_925_263_172_042_312_345);
    assert_eq!(media["rtpmap"]["111"], json!({"encoding":"opus","clock":48000,"channels":2}));
    assert_eq!(media["fmtp"]["111"], "minptime=10;useinbandfec=1;x=a:b");
    assert_eq!(media["rtcp-mux"], true);
    assert_eq!(media["fingerprint"], "sha-256 AA:BB");
    assert_eq!(media["candidate"].as_array().unwrap().len(), 2);
    assert_eq!(media["c"], json_of(&sdp)["c"]);
    assert_eq!(media["b"], json!({"bwtype":"AS","bandwidth":64}));
    assert_eq!((sdp.m[0].a.ptime, sdp.m[0].a.maxptime), (Some(20), Some(60)));
    assert_eq!(read(std::str::from_utf8(&print(&sdp)).unwrap()), sdp);
    let over_the_wire: Sdp = serde_json::from_value(json_of(&sdp)).unwrap();
    assert_eq!(over_the_wire, sdp);
}

#[test]
fn what_crashed_the_ancestor_is_kept_or_dropped() {
    let sdp = with("a=rtpmap\r\na=fmtp\r\nb=AS\r\na=rtpmap:0\r\na=rtpmap:0 PCMU\r\na=:\r\na=\r\na\r\n=\r\nm=");
    let media = &json_of(&sdp)["m"][0];
    assert_eq!(media["a=rtpmap"], json!([true, "0", "0 PCMU"]));
    assert_eq!(media["a=fmtp"], true);
    assert_eq!(sdp.m[0].b, None);
    assert_eq!((sdp.m[1].port, sdp.m[1].payloads.as_slice()), (0, &[0][..]));
}

#[test]
fn an_attribute_cannot_shadow_a_field() {
    let sdp = with("a=port:5\r\na=payloads:x\r\na=direction");
    let media = &json_of(&sdp)["m"][0];
    assert_eq!((&media["port"], &media["a=port"], &media["a=direction"]), (&json!(8000), &json!("5"), &json!(true)));
    let printed = print(&sdp);
    assert!(std::str::from_utf8(&printed).unwrap().contains("\r\na=port:5\r\n"));
    assert_eq!(parse(&printed).unwrap(), sdp);
}

#[test]
fn origins_are_repaired() {
    let origin = |line: &str| read(&format!("v=0\r\n{line}\r\n")).o;
    let expected = |username: &str, sessionid, sessionversion| {
        let (nettype, address) = ("IN".to_owned(), "192.0.2.1".to_owned());
        Some(Origin { username: username.to_owned(), sessionid, sessionversion, nettype, ipver: 4, address })
    };
    assert_eq!(origin("o=My Phone 1 2 IN IP4 192.0.2.1"), expected("My_Phone", 1, 2));
    assert_eq!(origin("o=- 1 IN IP4 192.0.2.1"), expected("-", 1, 0));
    assert_eq!(origin("o=IN IP4 192.0.2.1"), expected("-", 0, 0));
    assert_eq!(origin("o=- 99999999999999999999 -1 IN IP4 192.0.2.1"), expected("-", u64::MAX, 0));
    assert_eq!(origin("o=-"), None);
}

#[test]
fn latin_1_and_bare_line_feeds_are_read() {
    let sdp = parse(b"v=0\ns=T\xe9l\xe9phone\nm=audio 4 RTP/AVP 0\n").unwrap();
    assert_eq!(sdp.s.as_deref(), Some("Téléphone"));
    assert_eq!(sdp.m.len(), 1);
}

#[test]
fn formats_that_are_no_numbers_stay() {
    let sdp = with("m=image 5000 udptl t38\r\na=T38FaxVersion:0");
    assert_eq!((sdp.m[1].payloads.as_slice(), sdp.m[1].formats.as_slice()), (&[0][..], &["t38".to_owned()][..]));
    assert!(print(&sdp).ends_with(b"m=image 5000 udptl t38\r\na=T38FaxVersion:0\r\n"));
}

#[test]
fn numbers_may_come_as_text_and_values_cannot_end_a_line() {
    let sdp: Sdp = serde_json::from_value(json!({"v":0,"s":"a\r\na=evil","c":[{"address":"192.0.2.1\r\nm=x"}],
        "b":{"bwtype":"AS","bandwidth":"64"},
        "m":[{"media":"audio","port":"4000","payloads":[0],"rtpmap":{"0":{"encoding":"PCMU","clock":"8000"}},
              "x\r\na=evil":"1\r\na=evil","n":7,"flag":true,"off":false}]}))
    .unwrap();
    let printed = print(&sdp);
    let text = std::str::from_utf8(&printed).unwrap();
    assert!(text.starts_with("v=0\r\no=- 0 0 IN IP4 192.0.2.1__m=x\r\ns=a  a=evil\r\nc=IN IP4 192.0.2.1__m=x\r\n"));
    assert!(text.contains("b=AS:64\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"));
    assert!(text.contains("a=flag\r\na=n:7\r\na=x  a=evil:1  a=evil\r\n"));
    assert!(!text.contains("\na=evil") && !text.contains("off"));
}

#[test]
fn an_empty_document_prints_whole() {
    assert_eq!(print(&Sdp::default()), &b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"[..]);
    assert_eq!(parse(b""), None);
    assert_eq!(parse(b"hello"), None);
}

#[test]
fn repeats_and_keys_are_in_seconds_and_parts() {
    let sdp = read("v=0\r\nt=1 2\r\nr=7d 1h 0 25h\r\nk=base64:a:b\r\n");
    assert_eq!(json_of(&sdp)["r"], json!({"interval":604_800,"duration":3600,"offsets":[0,90_000]}));
    assert_eq!(json_of(&sdp)["k"], json!({"method":"base64","key":"a:b"}));
}

#[test]
fn hold_in_every_form() {
    let audio = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4 RTP/AVP 0\r\n";
    let holds = |text: &str| is_hold(&read(text));
    assert!(!holds(audio));
    assert!(!holds(&format!("{audio}a=recvonly\r\n")));
    assert!(holds(&format!("{audio}a=sendonly\r\n")));
    assert!(holds(&format!("{audio}a=inactive\r\n")));
    assert!(holds(&audio.replace("m=", "a=inactive\r\nm=")));
    assert!(!holds(&format!("{}a=sendrecv\r\n", audio.replace("m=", "a=inactive\r\nm="))));
    assert!(holds(&audio.replace("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0")));
    assert!(holds(&audio.replace("1 1 IN IP4 192.0.2.1", "1 1 IN IP4 0.0.0.0")));
    assert!(!holds(&audio.replace("audio 4", "audio 0").replace("IP4 192.0.2.1", "IP4 0.0.0.0")));
    assert!(!holds(&format!("{audio}m=video 6 RTP/AVP 34\r\na=inactive\r\n")));
}

#[test]
fn the_oracle_reads_what_we_print_and_prints_what_we_read() {
    for text in [ZOIPER, BROWSER] {
        let printed = print(&read(text));
        let theirs = sdp::SessionDescription::unmarshal(&mut std::io::Cursor::new(&printed)).unwrap();
        let ours = read(text);
        assert_eq!(theirs.media_descriptions.len(), ours.m.len());
        for (media, their) in ours.m.iter().zip(&theirs.media_descriptions) {
            assert_eq!(media.port, u64::try_from(their.media_name.port.value).unwrap());
            let formats: Vec<String> = media.payloads.iter().map(u32::to_string).collect();
            assert_eq!(formats, their.media_name.formats);
        }
        assert_eq!(parse(theirs.marshal().as_bytes()).unwrap(), ours);
    }
}

/// Lines of a session description, some of them broken.
fn line() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "[vosiuepcbtrkzam]=[ -~]{0,24}",
        "a=(rtpmap|fmtp|ptime|sendonly|port|a=port|a=x|quality|framerate)[: ][0-9. a-z/:]{0,12}",
        "m=(audio|image) [0-9/]{0,6} (RTP/AVP|udptl) [0-9 t]{0,9}",
        "c=IN IP[46] (192.0.2.1|192.0.2.2|::1)(/127)?",
    ];
    line.boxed()
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Some(sdp) = parse(&bytes) {
            print(&sdp);
            is_hold(&sdp);
        }
    }

    #[test]
    fn printing_and_reading_again_changes_nothing(lines in proptest::collection::vec(line(), 0..24)) {
        let text = format!("v=0\n{}", lines.join("\n"));
        let mut first = read(&text);
        let again = parse(&print(&first)).unwrap();
        first.v = 0;
        first.s.get_or_insert_with(|| "-".to_owned());
        first.t.get_or_insert_with(Time::default);
        if first.o.is_none() {
            first.o.clone_from(&again.o);
        }
        if first.a == Some(api::sdp::Attributes::default()) {
            first.a = None;
        }
        prop_assert_eq!(&again, &first);
        let wire: Sdp = serde_json::from_str(&serde_json::to_string(&again).unwrap()).unwrap();
        prop_assert_eq!(wire, again);
    }
}
