//! Every REST example of README.md, run with curl as it stands there, and its reply compared.
//!
//! An example is a `sh` block after a line `<!-- example: STATUS -->`; a `json` block right after it shows what must be
//! in the reply: each key shown, with the value shown, or any value where `"…"` stands.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;
use sipp::World;
use tokio::process::Command;

use crate::{in_world, phone};

#[derive(Debug)]
struct Example {
    line: usize,
    status: String,
    script: String,
    expected: Option<Value>,
}

/// The text of the next fenced block of this language, when nothing else stands before it.
fn block<'a>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = (usize, &'a str)>>,
    language: &str,
) -> Option<String> {
    while lines.next_if(|(_, line)| line.trim().is_empty()).is_some() {}
    lines.next_if(|(_, line)| *line == format!("```{language}"))?;
    let mut text = String::new();
    for (_, line) in lines.by_ref() {
        if line == "```" {
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    Some(text)
}

fn examples(readme: &str) -> anyhow::Result<Vec<Example>> {
    let mut lines = readme.lines().enumerate().peekable();
    let mut found = Vec::new();
    while let Some((number, line)) = lines.next() {
        let Some(status) = line.strip_prefix("<!-- example: ").and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let line = number + 1;
        let script = block(&mut lines, "sh").with_context(|| format!("README.md:{line}: no sh block follows"))?;
        let expected = block(&mut lines, "json").map(|text| serde_json::from_str(&text)).transpose();
        let expected = expected.with_context(|| format!("README.md:{line}: the reply shown is no JSON"))?;
        found.push(Example { line, status: status.to_owned(), script, expected });
    }
    Ok(found)
}

/// Whether all that is shown is there.
fn shows(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::String(any), _) if any == "…" => true,
        (Value::Object(expected), Value::Object(actual)) => {
            expected.iter().all(|(key, value)| actual.get(key).is_some_and(|there| shows(value, there)))
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len() && expected.iter().zip(actual).all(|(one, other)| shows(one, other))
        }
        _ => expected == actual,
    }
}

async fn run(world: &World, example: &Example) -> anyhow::Result<()> {
    let shell = format!("curl() {{ command curl -sS -w '\\n%{{http_code}}' \"$@\"; }}\n{}", example.script);
    let output = Command::new("sh")
        .args(["-euc", &shell])
        .env("SIP", world.sip.url())
        .env("RTP", world.rtp.url())
        .env("CONTROL", world.control.url())
        .output()
        .await?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let (body, status) = printed.rsplit_once('\n').context("curl printed nothing")?;
    ensure!(status == example.status, "status {status} instead of {}: {body}", example.status);
    if let Some(expected) = &example.expected {
        let actual: Value = serde_json::from_str(body).with_context(|| format!("no JSON: {body}"))?;
        ensure!(shows(expected, &actual), "expected {expected:#}\ngot {actual:#}");
    }
    Ok(())
}

#[tokio::test]
async fn every_example_works_as_shown() {
    in_world(async |world| {
        let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md"))?;
        let examples = examples(&readme)?;
        ensure!(examples.len() > 10, "only {} examples found", examples.len());
        // The phone that the examples ring.
        let callee = phone(world, "1001", "uas_ring_forever").await?;
        let mut wrong = Vec::new();
        for example in &examples {
            if let Err(error) = run(world, example).await {
                wrong.push(format!("README.md:{}: {error:?}\n{}", example.line, example.script));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
        callee.succeed().await?;
        Ok(())
    })
    .await;
}

/// The script shown in the README is the one that is compiled.
#[test]
fn the_script_shown_is_the_one_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let compiled = std::fs::read_to_string(root.join("control-sdk/examples/ivr.rs")).unwrap();
    let compiled: Vec<&str> = compiled.lines().map(str::trim).collect();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let start = readme.find("```rust\n").unwrap() + "```rust\n".len();
    let shown = &readme[start..];
    let shown = &shown[..shown.find("\n```").unwrap()];
    let shown: Vec<&str> = shown.lines().map(str::trim).collect();
    let found = compiled.windows(shown.len()).any(|lines| lines == shown);
    assert!(found, "README.md shows another script than control-sdk/examples/ivr.rs");
}

#[test]
fn examples_are_cut_from_the_text() {
    let text = "x\n<!-- example: 201 -->\n```sh\ncurl a\n```\n\n```json\n{\"a\": \"…\"}\n```\n<!-- example: 404 -->\n```sh\nb\n```\n";
    let found = examples(text).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].line, found[0].status.as_str(), found[0].script.as_str()), (2, "201", "curl a\n"));
    assert!(shows(found[0].expected.as_ref().unwrap(), &serde_json::json!({"a": 1, "b": 2})));
    assert!(found[1].expected.is_none());
    assert!(!shows(&serde_json::json!({"a": 1}), &serde_json::json!({"a": 2})));
}
