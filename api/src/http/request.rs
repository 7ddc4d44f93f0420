//! A request as a handler sees it: method, decoded path segments, query, whole body.
//!
//! Absolute-form targets (RFC 9112 §3.2.2) and a missing Host are accepted: the ancestor's client sends both. A body that
//! cannot be read is refused with the path of the field that was wrong.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::{Method, Uri};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::Problem;

/// One request, whole.
#[derive(Debug, Clone)]
pub struct Request {
    /// The verb.
    pub method: Method,
    /// Percent-decoded path segments; an empty last one is dropped.
    pub path: Vec<String>,
    /// Percent-decoded query; the last of a repeated name wins.
    pub query: BTreeMap<String, String>,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A request without a body.
    pub(crate) fn new(method: Method, uri: &Uri) -> Result<Self, Problem> {
        Ok(Self { method, path: path(uri.path())?, query: query(uri.query().unwrap_or(""))?, body: Bytes::new() })
    }

    /// The path in a shape to match on.
    pub fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// Reads the body; the problem names the field that is missing or wrong.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if !self.is_blank() {
            return serde_json::from_slice(&self.body).map_err(|error| unreadable(&self.body, &error));
        }
        match serde_json::from_slice::<T>(b"{}") {
            Ok(_) => Err(Problem::bad_request("the body is empty")),
            Err(error) => Err(Problem::bad_request(format!("the body is empty: {error}"))),
        }
    }

    /// Reads the body, where none at all means the default.
    pub fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        if self.is_blank() { Ok(T::default()) } else { self.json() }
    }

    fn is_blank(&self) -> bool {
        self.body.iter().all(u8::is_ascii_whitespace)
    }
}

fn path(path: &str) -> Result<Vec<String>, Problem> {
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
    if segments.last().is_some_and(String::is_empty) {
        segments.pop();
    }
    Ok(segments)
}

fn query(query: &str) -> Result<BTreeMap<String, String>, Problem> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(&name.replace('+', " "))?, decode(&value.replace('+', " "))?))
        })
        .collect()
}

fn decode(text: &str) -> Result<String, Problem> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Problem::bad_request(format!("{text} in the request target is not UTF-8"))),
    }
}

fn unreadable(body: &[u8], error: &serde_json::Error) -> Problem {
    match field_at(body, error) {
        Some(field) => Problem::bad_request(format!("{field}: {error}")),
        None => Problem::bad_request(error.to_string()),
    }
}

enum Level {
    Object { key: String, wants_key: bool },
    Array { index: usize },
}

/// The path of the value in which reading stopped, such as `sdp.m[0].port`.
fn field_at(body: &[u8], error: &serde_json::Error) -> Option<String> {
    let line_start: usize =
        body.split_inclusive(|&byte| byte == b'\n').take(error.line().checked_sub(1)?).map(<[u8]>::len).sum();
    let last = (line_start + error.column()).min(body.len()).checked_sub(1)?;
    let mut levels = levels_before(&body[..last]);
    // At the closing bracket of a container the complaint is about the container, not about its last member.
    if error.is_data() && matches!(body[last], b'}' | b']') {
        levels.pop();
    }
    let mut path = String::new();
    for level in &levels {
        match level {
            Level::Object { key, .. } if path.is_empty() => path.push_str(key),
            Level::Object { key, .. } => path.extend([".", key]),
            Level::Array { index } => path.push_str(&format!("[{index}]")),
        }
    }
    (!path.is_empty()).then_some(path)
}

fn levels_before(text: &[u8]) -> Vec<Level> {
    let mut levels = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'{' => levels.push(Level::Object { key: String::new(), wants_key: true }),
            b'[' => levels.push(Level::Array { index: 0 }),
            b'}' | b']' => drop(levels.pop()),
            b',' => match levels.last_mut() {
                Some(Level::Object { wants_key, .. }) => *wants_key = true,
                Some(Level::Array { index }) => *index += 1,
                None => {}
            },
            b'"' => {
                let content = string_content(&text[at..]);
                at += content.len() + 1;
                if let Some(Level::Object { key, wants_key: wants_key @ true }) = levels.last_mut() {
                    *key = String::from_utf8_lossy(content).into_owned();
                    *wants_key = false;
                }
            }
            _ => {}
        }
    }
    levels
}

fn string_content(text: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return &text[..at],
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, body: &str) -> Request {
        let request = Request::new(Method::PUT, &target.parse().unwrap()).unwrap();
        Request { body: Bytes::copy_from_slice(body.as_bytes()), ..request }
    }

    #[test]
    fn a_target_is_split_and_decoded() {
        for (target, segments) in [
            ("/", vec![]),
            ("/reg", vec!["reg"]),
            ("/reg/", vec!["reg"]),
            ("/reg//x", vec!["reg", "", "x"]),
            ("http://127.0.0.1:9001/dialog/a%40b%2Fc", vec!["dialog", "a@b/c"]),
            ("/dialog/x?full=1", vec!["dialog", "x"]),
            ("*", vec!["*"]),
        ] {
            assert_eq!(request(target, "").segments(), segments, "{target}");
        }
    }

    #[test]
    fn a_query_is_decoded() {
        let query = request("/x?full=1&a=b+c%20d&flag&&=e", "").query;
        let expected = [("full", "1"), ("a", "b c d"), ("flag", ""), ("", "e")];
        assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_segment_that_is_not_utf_8_is_a_problem() {
        assert_eq!(Request::new(Method::GET, &"/a%ff".parse().unwrap()).unwrap_err().status, 400);
    }

    #[test]
    fn a_problem_names_the_field() {
        for (body, field) in [
            ("", "missing field `from`"),
            (r#"{"to":{"user":"1"}}"#, "missing field `from`"),
            (r#"{"from":{"user":"1"},"to":{"user":"2"}}"#, "from: missing field `domain`"),
            (r#"{"from":{"user":1}}"#, "from.user: invalid type"),
            ("{\n \"from\":{\"user\":\"\\\"{\",\n\"domain\":[]}}", "from.domain: invalid type"),
            (r#"{"sdp":{"m":[{},{"port":"x"}]}}"#, "sdp.m[1]"),
            (r#"{"timeout":-1}"#, "timeout: "),
            (r#"{"timeout":"#, "timeout: EOF"),
            ("{", "EOF"),
            ("7", "invalid type"),
        ] {
            let problem = request("/", body).json::<crate::dialog::Originate>().unwrap_err();
            assert_eq!(problem.status, 400);
            assert!(problem.detail.contains(field), "{body}: {}", problem.detail);
        }
    }

    #[test]
    fn a_blank_body_may_mean_the_default() {
        assert_eq!(request("/", " \n").json_or_default::<crate::channel::Open>().unwrap(), Default::default());
        assert!(request("/", "{").json_or_default::<crate::channel::Open>().is_err());
        assert!(request("/", "").json::<crate::channel::Open>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>, cut: u16) {
            let golden = br#"{"from":{"user":"a\"","domain":"b"},"sdp":{"m":[{"port":1}]},"timeout":3}"#;
            let mut mutated = golden[..usize::from(cut) % golden.len()].to_vec();
            mutated.extend(&body);
            for body in [body, mutated] {
                let request = Request { body: body.into(), ..request("/", "") };
                let _ = request.json::<crate::dialog::Originate>();
            }
        }
    }
}
