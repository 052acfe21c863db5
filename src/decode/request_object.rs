//! The body of a request: a JSON object of known keys.

use super::unique_keys::UniqueKeys;
use serde_json::{Map, Value};

/// Characters of an unknown key in its fault.
const SHOWN_CHARS: usize = 40;

/// Faults, each a line for people.
type Faults = Vec<String>;

/// Reads an object, with a fault for each key that is not among `known`.
///
/// # Errors
/// The body is no JSON object, in one line for people.
pub(super) fn read(bytes: &[u8], known: &[&str]) -> Result<(Map<String, Value>, Faults), Faults> {
    let object = match serde_json::from_slice(bytes).map(|UniqueKeys(value)| value) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(vec!["invalid body: expected a JSON object".to_owned()]),
        Err(fault) => return Err(vec![format!("invalid JSON: {fault}")]),
    };
    let unknown = object.keys().filter(|key| !known.contains(&key.as_str()));
    let fault = |key: &String| {
        let key: String = key.chars().take(SHOWN_CHARS).collect();
        format!("{key:?}: unknown key; known are {}", known.join(", "))
    };
    let faults = unknown.map(fault).collect();
    Ok((object, faults))
}
