//! Machines in the answers of Fly's Machines API: `GET /v1/orgs/ORG/machines`, and one machine with its events.
//!
//! Every field is looked for by itself, so that one of another shape than documented costs that field alone.

use super::{LONGEST_WORD, Names, Read, is_name, purpose_of};
use crate::core::inventory::{Exit, Listed, Machine, Purpose};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Beginning of the process groups of machines that flyctl makes for one command: `fly_app_release_command`,
/// `fly_app_console`.
const COMMANDS: &str = "fly_app_";

/// Why an answer says nothing.
#[derive(Debug, thiserror::Error)]
pub enum PageFault {
    /// Not JSON.
    #[error("it is not JSON")]
    Json(#[from] serde_json::Error),
    /// JSON of another shape than documented.
    #[error("it is not as documented: {0}")]
    Shape(&'static str),
}

/// All pages read so far.
#[derive(Default)]
pub struct Pages {
    machines: Vec<Machine>,
    broken: u64,
    unread_regions: Vec<Arc<str>>,
    /// Index in `machines` of each id: a machine that moves from one page to the next is listed twice.
    places: HashMap<Arc<str>, usize>,
    names: Names,
}

impl Pages {
    /// Reads one more page; the cursor of the next, `None` after the last.
    ///
    /// # Errors
    /// [`PageFault`] where the page as a whole says nothing.
    pub fn add(&mut self, body: &[u8]) -> Result<Option<String>, PageFault> {
        let page: Value = serde_json::from_slice(body)?;
        let machines = match page.get("machines") {
            Some(Value::Array(machines)) => machines.as_slice(),
            // How Go writes a list that is empty.
            Some(Value::Null) => &[],
            _ => return Err(PageFault::Shape("there is no array \"machines\"")),
        };
        for machine in machines {
            match read_machine(machine, &mut self.names) {
                Some(machine) => self.put(machine),
                None => self.broken += 1,
            }
        }
        self.leave_out(page.get("error_regions"))?;
        match page.get("next_cursor") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(cursor)) => Ok(Some(cursor.clone()).filter(|next| !next.is_empty())),
            // Taken for the last page, what follows would count as destroyed.
            Some(_) => Err(PageFault::Shape("\"next_cursor\" is no text")),
        }
    }

    /// All of them together.
    pub fn finish(self) -> Read {
        Read {
            machines: self.machines,
            broken: self.broken,
            unread_regions: self.unread_regions,
        }
    }

    fn put(&mut self, machine: Machine) {
        match self.places.get(&machine.id) {
            Some(at) => self.machines[*at] = machine,
            None => {
                self.places
                    .insert(Arc::clone(&machine.id), self.machines.len());
                self.machines.push(machine);
            }
        }
    }

    fn leave_out(&mut self, regions: Option<&Value>) -> Result<(), PageFault> {
        let regions = match regions {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Array(regions)) => regions,
            Some(_) => return Err(PageFault::Shape("\"error_regions\" is no array")),
        };
        for region in regions {
            let Some(region) = region.as_str() else {
                return Err(PageFault::Shape("a region of \"error_regions\" is no text"));
            };
            let region = self.names.share(region);
            if !self.unread_regions.contains(&region) {
                self.unread_regions.push(region);
            }
        }
        Ok(())
    }
}

fn read_machine(machine: &Value, names: &mut Names) -> Option<Machine> {
    let text = |key: &str| machine.get(key).and_then(Value::as_str);
    let name = |key: &str| text(key).filter(|name| is_name(name));
    let (app, region, id) = (name("app_name")?, name("region")?, name("id")?);
    let word: String = text("state")
        .unwrap_or("unsaid")
        .chars()
        .take(LONGEST_WORD)
        .collect();
    let group = group(machine);
    Some(Machine {
        app: names.share(app),
        region: names.share(region),
        id: Arc::from(id),
        listed: listed(&word),
        word: names.share(&word),
        unreachable: text("host_status") == Some("unreachable"),
        purpose: purpose(app, group, machine.get("config")),
        group: group.map(|group| names.share(group)),
        exit: None,
    })
}

fn group(machine: &Value) -> Option<&str> {
    let group = machine
        .pointer("/config/metadata/fly_process_group")?
        .as_str();
    group.filter(|group| is_name(group))
}

/// A word that [`listed`] reads so.
pub fn word(listed: Listed) -> &'static str {
    match listed {
        Listed::Started => "started",
        Listed::Starting => "starting",
        Listed::Stopped => "stopped",
        Listed::Failed => "failed",
        Listed::Gone => "destroyed",
        Listed::Unknown => "unknown",
    }
}

/// The meaning of a state that Fly documents; [`Listed::Unknown`] for any other word.
pub fn listed(state: &str) -> Listed {
    match state {
        "started" => Listed::Started,
        "created" | "starting" | "restarting" | "replacing" | "updating" => Listed::Starting,
        "stopping" | "stopped" | "suspending" | "suspended" => Listed::Stopped,
        "failed" | "launch_failed" => Listed::Failed,
        "replaced" | "destroying" | "destroyed" | "migrated" => Listed::Gone,
        _ => Listed::Unknown,
    }
}

fn purpose(app: &str, group: Option<&str>, config: Option<&Value>) -> Purpose {
    let key = |key: &str| config.and_then(|config| config.get(key));
    let is_scheduled = key("schedule")
        .and_then(Value::as_str)
        .is_some_and(|at| !at.is_empty());
    let destroys_itself = key("auto_destroy").and_then(Value::as_bool) == Some(true);
    let is_command = group.is_some_and(|group| group.starts_with(COMMANDS));
    match group {
        _ if is_scheduled || destroys_itself || is_command => Purpose::Ephemeral,
        Some(_) if purpose_of(app) == Purpose::Unknown => Purpose::Service,
        _ => purpose_of(app),
    }
}

/// The last exit of a machine, out of one machine with its `events`; `None` where they tell of no end.
///
/// # Errors
/// [`PageFault`] where it is not JSON.
pub fn last_exit(body: &[u8]) -> Result<Option<Exit>, PageFault> {
    let machine: Value = serde_json::from_slice(body)?;
    let events = machine.get("events").and_then(Value::as_array);
    let at = |event: &Value| event.get("timestamp").and_then(Value::as_i64);
    let mut newest: Option<&Value> = None;
    for event in events.into_iter().flatten() {
        let is_exit = event.get("type").and_then(Value::as_str) == Some("exit");
        // The newest stand first, and of two of one time the first counts.
        if is_exit && newest.is_none_or(|known| at(event) > at(known)) {
            newest = Some(event);
        }
    }
    let exit = newest.and_then(|event| event.pointer("/request/exit_event"));
    Ok(exit.and_then(exit_of))
}

/// The exit of a machine; `None` if it does not say whether it was requested.
fn exit_of(exit: &Value) -> Option<Exit> {
    let code = exit.get("exit_code").and_then(Value::as_i64);
    Some(Exit {
        requested: exit.get("requested_stop")?.as_bool()?,
        code: code.and_then(|code| i32::try_from(code).ok()),
        oom: exit.get("oom_killed").and_then(Value::as_bool) == Some(true),
    })
}
