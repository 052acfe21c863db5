//! `lastbeat status INSTANCE`: one instance, with its last words.

use crate::commands::client::{AskFault, Client, ClientArgs};
use crate::commands::exit::{Stop, verdict};
use crate::core::last_words::LastWord;
use crate::core::time::Wall;
use crate::decode::archive_line;
use crate::format;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

/// Asks and shows: 0 where it is live or stopped, 1 where not, 64 where the name is invalid.
pub(super) fn run(name: &str, client: &ClientArgs, json: bool) -> ExitCode {
    let found = match ask(name, client) {
        Ok(found) => found,
        Err(stop) => return stop.print(),
    };
    let shown = match json {
        true => format!("{found}\n"),
        false => view(&found),
    };
    // A reader that has gone has seen enough.
    let _ = std::io::stdout().write_all(shown.as_bytes());
    let well = ["live", "stopped", "learning"];
    verdict(
        found["verdict"]
            .as_str()
            .is_some_and(|verdict| well.contains(&verdict)),
    )
}

fn ask(name: &str, client: &ClientArgs) -> Result<Value, Stop> {
    let names: Vec<&str> = name.split('/').collect();
    let [app, region, instance] = names[..] else {
        return Err(Stop::bad_input(format!(
            "invalid instance {name:?}: expected APP/REGION/INSTANCE"
        )));
    };
    let quoted =
        [app, region, instance].map(|one| utf8_percent_encode(one, NON_ALPHANUMERIC).to_string());
    let client = Client::new(client).map_err(Stop::from)?;
    let path = format!("instances/{}", quoted.join("/"));
    client
        .ask(Method::GET, &path, None)
        .map_err(|fault: AskFault| Stop::from(fault))
}

/// The verdict, the heartbeats, and the last entries.
fn view(found: &Value) -> String {
    let text =
        |value: &Value| format::sanitize(value.as_str().unwrap_or_default(), format::TEXT_CHARS);
    let mut shown = format!(
        "{}/{}/{}  {}",
        text(&found["app"]),
        text(&found["region"]),
        text(&found["instance"]),
        text(&found["verdict"])
    );
    if let Some(reason) = found["reason"].as_str() {
        shown += &format!(" ({})", format::sanitize(reason, format::TEXT_CHARS));
    }
    shown += &format!(", last entry at {}\n", text(&found["last_seen"]));
    for beat in found["beats"].as_array().into_iter().flatten() {
        let name = match beat["beat"].as_str() {
            None | Some("") => "heartbeat".to_owned(),
            Some(name) => format!("heartbeat {}", format::name(name)),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            shown,
            "  {name}: {}, last at {}{}",
            text(&beat["verdict"]),
            text(&beat["last_seen"]),
            beat["due"]
                .as_str()
                .map_or(String::new(), |due| format!(", due at {due}"))
        );
    }
    let words = found["last_words"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if words.is_empty() {
        shown.push_str(
            "no last entries are kept (LASTBEAT_ARCHIVE=off), or none came since the start\n",
        );
    } else {
        shown.push_str("last entries:\n");
    }
    for word in words {
        let at = word["at"].as_str().unwrap_or_default();
        let payload = word["message"].as_str().unwrap_or_default();
        let word = LastWord {
            at: archive_line::arrival(at.as_bytes()).unwrap_or(Wall::ZERO),
            payload: payload.as_bytes().into(),
        };
        let _ = writeln!(
            shown,
            "  {} {}",
            text(&Value::from(at)),
            format::last_word::message(&word)
        );
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_entries_stand_below_the_heartbeats_and_do_nothing_to_the_terminal() {
        let found = json!({
            "app": "web", "region": "iad", "instance": "a\u{1b}[2J", "verdict": "silent", "reason": null,
            "last_seen": "2026-01-31T12:00:00.000Z",
            "beats": [{"beat": "worker", "verdict": "silent", "last_seen": "2026-01-31T11:59:00.000Z", "due": null}],
            "last_words": [
                {"at": "2026-01-31T12:00:00.000Z", "message": "{\"message\":\"panic: \\u001b[31mout of memory\"}"},
            ],
        });
        let text = view(&found);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("web/iad/a") && lines[0].contains("silent, last entry at"),
            "{text}"
        );
        assert!(lines[1].starts_with("  heartbeat worker: silent"), "{text}");
        assert_eq!(lines[2], "last entries:");
        assert!(
            lines[3].starts_with("  2026-01-31T12:00:00.000Z panic:"),
            "{text}"
        );
        assert!(
            lines[3].ends_with("out of memory") && !text.contains('\u{1b}'),
            "{text}"
        );
        let none = view(&json!({"verdict": "live", "last_words": []}));
        assert!(none.contains("no last entries"), "{none}");
    }
}
