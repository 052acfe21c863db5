use super::*;

fn faults(text: &str) -> Vec<String> {
    match read("t.toml", text.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(Fault::to_string).collect(),
    }
}
