//! The documented shapes of services' answers. One of another shape proves nothing about the entries of a sink.

use crate::core::downstream::rule::AnswerShape;
use serde_json::{Map, Value};

/// True where the service searched everything that it was asked for.
///
/// # Errors
/// The answer has another shape.
pub fn is_complete(answer: &[u8], shape: &AnswerShape) -> Result<bool, String> {
    match shape {
        AnswerShape::List { pointer, complete } => {
            let answer: Value = serde_json::from_slice(answer)
                .map_err(|fault| format!("the answer is not JSON: {fault}"))?;
            match answer.pointer(pointer) {
                Some(Value::Array(_)) => {}
                _ => return Err(format!("the answer has no list at {pointer}")),
            }
            let is_said = |(pointer, said): &(&str, &str)| {
                let said: Option<Value> = serde_json::from_str(said).ok();
                let value = answer.pointer(pointer);
                value.is_none_or(|value| Some(value) == said.as_ref())
            };
            Ok(complete.iter().all(is_said))
        }
        AnswerShape::Rows => {
            let mut lines = answer.split(|byte| *byte == b'\n');
            match lines.find(|line| !is_row(line)) {
                Some(_) => Err("the answer has a line that is no row of JSON".to_owned()),
                None => Ok(true),
            }
        }
    }
}

/// True for a row, and for a blank line. A fault may have the form of a row: ClickHouse writes one that it meets later so, and
/// gateways do.
fn is_row(line: &[u8]) -> bool {
    if line.trim_ascii().is_empty() {
        return true;
    }
    let row = serde_json::from_slice::<Map<String, Value>>(line);
    let is_fault = |row: &Map<String, Value>| {
        row.len() == 1 && (row.contains_key("exception") || row.contains_key("error"))
    };
    row.is_ok_and(|row| !is_fault(&row))
}
