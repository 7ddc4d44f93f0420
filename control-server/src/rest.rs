//! REST of its own, beside the callbacks that the SDK serves: `GET /config` and `POST /invite`.

use std::sync::Arc;

use api::Problem;
use api::dialog::{Cid, Originated};
use api::http::{Method, Reply, Request};
use control_sdk::{Application, Error, Target};
use serde_json::Value;

use crate::config::Config;

/// Handles one request.
pub async fn handle(request: Request, application: Application, config: Arc<Config>) -> Result<Reply, Problem> {
    match (&request.method, request.segments().as_slice()) {
        (&Method::GET, ["config"]) => Ok(Reply::json(&config.shown())),
        (_, ["config"]) => Ok(Reply::method_not_allowed("GET")),
        (&Method::POST, ["invite"]) => invite(&request, &application, &config).await,
        (_, ["invite"]) => Ok(Reply::method_not_allowed("POST")),
        _ => application.handle(&request),
    }
}

/// Calls `from`'s phone, and runs the plan for `to` when it answers.
async fn invite(request: &Request, application: &Application, config: &Config) -> Result<Reply, Problem> {
    let asked = Invite::read(request.json()?)?;
    if !config.knows(&asked.domain, &asked.from) {
        return Err(Problem::not_found(format!("from: no user {} in {}", asked.from, asked.domain)));
    }
    let to = Target { user: asked.to, domain: asked.to_domain };
    let call = application.originate(&asked.domain, &asked.from, to, asked.cid).await.map_err(refusal)?;
    Ok(Reply::json(&Originated { callid: call.callid().to_owned() }))
}

fn refusal(error: Error) -> Problem {
    match error {
        Error::OutOfChannels => Problem::new(api::Code::OutOfChannels, error.to_string()),
        Error::Failed(ref reason) if reason.code() == 480 => Problem::new(api::Code::NotRegistered, error.to_string()),
        Error::Failed(ref reason) if reason.code() == 404 => Problem::not_found(error.to_string()),
        Error::Unreachable(why) => Problem::new(api::Code::Busy, why),
        other => Problem::conflict(other.to_string()),
    }
}

/// What `POST /invite` asks, in either form.
#[derive(Debug, PartialEq)]
struct Invite {
    domain: String,
    from: String,
    to: String,
    to_domain: Option<String>,
    cid: Cid,
}

impl Invite {
    /// Reads `{from: {user, domain}, to: {user, domain?}, cid?}`, or an array of one, or an object, with `domain`, and
    /// `to` and `from` as strings.
    fn read(body: Value) -> Result<Self, Problem> {
        let body = match body {
            Value::Array(mut items) if items.len() == 1 => items.remove(0),
            Value::Array(_) => return Err(Problem::bad_request("one call at a time: an array must hold one")),
            other => other,
        };
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let part = |side: &str, key: &str| body.get(side).and_then(|side| side.get(key)).and_then(text);
        let plain = |side: &str| body.get(side).and_then(text);
        let missing = |field: &str| Problem::bad_request(format!("missing field `{field}`"));
        let from = plain("from").or_else(|| part("from", "user")).ok_or_else(|| missing("from"))?;
        let to = plain("to").or_else(|| part("to", "user")).ok_or_else(|| missing("to"))?;
        let domain = plain("domain").or_else(|| part("from", "domain")).ok_or_else(|| missing("domain"))?;
        let cid = body.get("cid").or_else(|| body.get("callerid")).cloned();
        let cid = cid.map_or(Ok(Cid::default()), serde_json::from_value);
        let cid = cid.map_err(|error| Problem::bad_request(format!("cid: {error}")))?;
        Ok(Self { domain, from, to, to_domain: part("to", "domain"), cid })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_are_read() {
        let old = json!([{"domain": "demo", "from": "1000", "to": "1001", "callerid": {"number": "1"}}]);
        let new = json!({"from": {"user": "1000", "domain": "demo"}, "to": {"user": "1001"}, "cid": {"number": "1"}});
        assert_eq!(Invite::read(old).unwrap(), Invite::read(new).unwrap());
    }

    #[test]
    fn missing_field_is_named() {
        let refused = Invite::read(json!({"from": "1000", "domain": "demo"})).unwrap_err();
        assert!(refused.detail.contains("`to`"), "{}", refused.detail);
    }
}
