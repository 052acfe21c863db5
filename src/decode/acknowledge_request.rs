//! Requests to acknowledge an incident: JSON in, a checked request or every fault at once out.

use super::request_object;
use super::silence_request::text;

const KEYS: [&str; 2] = ["note", "author"];

/// A checked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcknowledgeRequest {
    /// Its text, one line.
    pub note: String,
    /// The person who works on the incident.
    pub author: String,
}

/// Reads `{"note":"...","author":"..."}`.
///
/// # Errors
/// Every fault there is, each a line for people.
pub fn read(bytes: &[u8]) -> Result<AcknowledgeRequest, Vec<String>> {
    let (object, mut faults) = request_object::read(bytes, &KEYS)?;
    let mut take = |key: &str| {
        text(&object, key).unwrap_or_else(|why| {
            faults.push(format!("{key}: {why}"));
            String::new()
        })
    };
    let asked = AcknowledgeRequest {
        note: take("note"),
        author: take("author"),
    };
    if faults.is_empty() {
        Ok(asked)
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_reported_at_once() {
        let good = read(br#"{"note":" looking into it ","author":"ada"}"#);
        let wanted = AcknowledgeRequest {
            note: "looking into it".to_owned(),
            author: "ada".to_owned(),
        };
        assert_eq!(good, Ok(wanted));
        let faults = read(br#"{"note":"a\nb","reason":"x"}"#).expect_err("it is wrong");
        let starts: Vec<&str> = faults
            .iter()
            .filter_map(|fault| fault.split(": ").next())
            .collect();
        assert_eq!(starts, ["\"reason\"", "note", "author"]);
        for wrong in ["[]", "{", r#"{"note":"a","note":"b","author":"c"}"#] {
            assert_eq!(
                read(wrong.as_bytes()).map_err(|all| all.len()),
                Err(1),
                "{wrong}"
            );
        }
    }
}
