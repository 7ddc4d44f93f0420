//! REST in front of the switch: a path becomes a [`Command`], its answer a reply. Nothing is decided here.

use api::dialog::{Act, Originate};
use api::http::{Method, Reply, Request};
use api::{Code, Problem, directory};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use crate::core::switch::{Action, Command};
use crate::driver::Asked;

/// Handles one request.
pub async fn handle(request: Request, commands: mpsc::Sender<Asked>) -> Result<Reply, Problem> {
    let command = match route(&request)? {
        Route::To(command) => command,
        Route::Elsewhere(allow) => return Ok(Reply::method_not_allowed(allow)),
    };
    let (reply, answer) = oneshot::channel();
    let asked = Asked { command, reply };
    commands.try_send(asked).map_err(|_| Problem::new(Code::Busy, "the command queue is full"))?;
    let answer = answer.await.map_err(|_| Problem::new(Code::Busy, "the server is shutting down"))??;
    let body = if answer.body.is_null() { Reply::empty() } else { Reply::json(&answer.body) };
    Ok(body.with_status(answer.status))
}

enum Route {
    To(Command),
    Elsewhere(&'static str),
}

fn route(request: &Request) -> Result<Route, Problem> {
    let segments = request.segments();
    match segments.as_slice() {
        ["dir", rest @ ..] => directory(request, rest),
        ["reg", rest @ ..] if rest.len() <= 2 => {
            let mut rest = rest.iter().map(|&segment| segment.to_owned());
            Ok(match (request.method == Method::GET, rest.next()) {
                (false, _) => Route::Elsewhere("GET"),
                (true, None) => Route::To(Command::CountRegistrations),
                (true, Some(domain)) => Route::To(Command::ShowRegistrations(domain, rest.next())),
            })
        }
        ["dialog", rest @ ..] => dialog(request, rest),
        _ => Err(Problem::not_found("no such path")),
    }
}

fn directory(request: &Request, rest: &[&str]) -> Result<Route, Problem> {
    let command = match (&request.method, rest) {
        (&Method::GET, []) => Command::ListDomains,
        (&Method::GET, [domain]) => Command::ShowDomain((*domain).to_owned()),
        (&Method::PUT, [domain]) => Command::PutDomain((*domain).to_owned(), request.json()?),
        (&Method::PATCH, [domain]) => Command::PatchDomain((*domain).to_owned(), request.json()?),
        (&Method::DELETE, [domain]) => Command::RemoveDomain((*domain).to_owned()),
        (&(Method::PUT | Method::PATCH), [domain, user]) => {
            let secret: directory::Secret = request.json()?;
            Command::PutUser((*domain).to_owned(), (*user).to_owned(), secret)
        }
        (&Method::DELETE, [domain, user]) => Command::RemoveUser((*domain).to_owned(), (*user).to_owned()),
        (&(Method::PUT | Method::PATCH | Method::DELETE), []) => {
            return Err(Problem::bad_request("the path names no domain"));
        }
        (_, []) => return Ok(Route::Elsewhere("GET")),
        (_, [_]) => return Ok(Route::Elsewhere("GET, PUT, PATCH, DELETE")),
        (_, [_, _]) => return Ok(Route::Elsewhere("PUT, PATCH, DELETE")),
        _ => return Err(Problem::not_found("no such path")),
    };
    Ok(Route::To(command))
}

fn dialog(request: &Request, rest: &[&str]) -> Result<Route, Problem> {
    let command = match (&request.method, rest) {
        (&Method::GET, []) => Command::ListDialogs(request.query.get("full").is_some_and(|value| value != "0")),
        (&Method::GET, [callid]) => Command::ShowDialog((*callid).to_owned()),
        (&Method::POST, ["invite"]) => Command::Originate(Box::new(originate(request.json()?)?)),
        (&(Method::PUT | Method::POST), [action]) => {
            let action = Action::parse(action).ok_or_else(|| Problem::not_found("no such action"))?;
            Command::Act(action, Box::new(request.json::<Act>()?))
        }
        (_, []) => return Ok(Route::Elsewhere("GET")),
        (_, [_]) => return Ok(Route::Elsewhere("GET, PUT, POST")),
        _ => return Err(Problem::not_found("no such path")),
    };
    Ok(Route::To(command))
}

/// Reads `POST /dialog/invite` in the ancestor's form, or in its README's older one: an array of one or an object, with
/// `to` and `from` as strings, `domain`, `callerid`, and `control` as `{host, port}`.
pub(crate) fn originate(body: Value) -> Result<Originate, Problem> {
    let mut object = match body {
        Value::Array(mut items) if items.len() == 1 => items.remove(0),
        other => other,
    };
    if let Some(fields) = object.as_object_mut() {
        modernise(fields);
    }
    read(object)
}

fn modernise(fields: &mut Map<String, Value>) {
    let domain = fields.get("domain").cloned().unwrap_or_default();
    for side in ["to", "from"] {
        let Some(user) = fields.get(side).and_then(Value::as_str).map(str::to_owned) else { continue };
        let (user, host) = match user.trim_start_matches("sip:").split_once('@') {
            Some((user, host)) => (user.to_owned(), Value::from(host)),
            None => (user, domain.clone()),
        };
        fields.insert(side.to_owned(), serde_json::json!({"user": user, "domain": host}));
    }
    if let Some(callerid) = fields.remove("callerid") {
        fields.entry("cid").or_insert(callerid);
    }
    let control = fields.get("control").and_then(Value::as_object);
    if let Some(host) = control.and_then(|control| control.get("host")).and_then(Value::as_str) {
        let port = control.and_then(|control| control.get("port")).map_or_else(|| "80".to_owned(), digits);
        let url = format!("http://{host}:{port}");
        fields.insert("control".to_owned(), Value::from(url));
    }
    if fields.get("sdp").and_then(Value::as_object).is_some_and(Map::is_empty) {
        fields.remove("sdp");
    }
}

fn digits(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| Problem::bad_request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn older_form_of_invite_is_read() {
        let old = json!([{
            "domain": "d", "to": "5", "from": "1000", "maxforwards": 69,
            "callerid": {"number": "1", "name": "N", "private": true}, "control": {"host": "h", "port": 9001}
        }]);
        let read = originate(old).unwrap();
        assert_eq!((read.from.user.as_str(), read.from.domain.as_str()), ("1000", "d"));
        assert_eq!(read.to.domain.as_deref(), Some("d"));
        assert_eq!(read.control.as_deref(), Some("http://h:9001"));
        assert!(read.cid.private);
    }

    #[test]
    fn missing_field_is_named() {
        let refused = originate(json!({"to": {"user": "5"}})).unwrap_err();
        assert!(refused.detail.contains("from"), "{}", refused.detail);
    }
}
