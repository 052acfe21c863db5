//! Counters in Prometheus' text format, and the names by which rules pick them.

use crate::core::downstream::rule::CounterName;
use std::collections::BTreeMap;

/// The sum of all series with that name and those labels; `None`: there is none.
pub fn sum(text: &str, counter: &CounterName) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let (name, rest) = series(line.trim())?;
        let has = |(label, value): (&String, &String)| name.labels.get(label) == Some(value);
        let is_it = name.metric == counter.metric && counter.labels.iter().all(has);
        let value = is_it.then(|| rest.split_whitespace().next()?.parse::<f64>().ok());
        value.flatten().filter(|value| value.is_finite())
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

/// The name of a counter as a rule writes it: `name{label="value",...}`.
///
/// # Errors
/// The text is none.
pub fn counter_name(text: &str) -> Result<CounterName, String> {
    match series(text.trim()) {
        Some((name, "")) => Ok(name),
        _ => Err("invalid counter".to_owned()),
    }
}

/// A series at the start of a text, and the rest of it, trimmed; `None`: a comment, or no series.
fn series(line: &str) -> Option<(CounterName, &str)> {
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == ':';
    let end = line.find(|char| !is_name(char)).unwrap_or(line.len());
    let (metric, mut rest) = line.split_at(end);
    if metric.is_empty() || metric.starts_with(|char: char| char.is_ascii_digit()) {
        return None;
    }
    let mut labels = BTreeMap::new();
    rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside.trim_start();
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once('=')?;
            let (value, after) = quoted(after.trim_start())?;
            labels.insert(label.trim().to_owned(), value);
            rest = after.trim_start();
            match rest.strip_prefix(',') {
                Some(after) => rest = after.trim_start(),
                None if rest.starts_with('}') => {}
                None => return None,
            }
        }
        rest = rest[1..].trim_start();
    }
    let name = CounterName {
        metric: metric.to_owned(),
        labels,
    };
    Some((name, rest))
}

/// A text in double quotes at the start, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.strip_prefix('"')?.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 2..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP vector_component_received_events_total Events.\n\
        # TYPE vector_component_received_events_total counter\n\
        vector_component_received_events_total{component_id=\"nats\",component_kind=\"source\",host=\"a\"} 41 1700000000000\n\
        vector_component_received_events_total{component_id=\"nats\",component_kind=\"source\",host=\"b\"} 1\n\
        vector_component_received_events_total{component_id=\"say \\\"hi\\\", you\"} 7\n\
        vector_component_received_events_total_other{component_id=\"nats\"} 5\n\
        up 1\nbad{a=\"b\" 3\nnan{} NaN\n";

    fn found(name: &str) -> Option<f64> {
        sum(TEXT, &counter_name(name).expect("a counter"))
    }

    #[test]
    fn series_with_the_labels_are_added_up() {
        let metric = "vector_component_received_events_total";
        assert_eq!(
            found(&format!("{metric}{{component_id=\"nats\"}}")),
            Some(42.0)
        );
        assert_eq!(
            found(&format!("{metric}{{component_id=\"nats\", host=\"b\"}}")),
            Some(1.0)
        );
        assert_eq!(found(metric), Some(49.0));
        assert_eq!(
            found(&format!("{metric}{{component_id=\"say \\\"hi\\\", you\"}}")),
            Some(7.0)
        );
        assert_eq!(found("up"), Some(1.0));
        assert_eq!(
            (found("down"), found("nan"), found("bad")),
            (None, None, None)
        );
    }

    #[test]
    fn a_name_is_written_back_as_it_is_read() {
        for good in ["up", "a_b:c{x=\"1\",y=\"q\\\"\"}"] {
            let name = counter_name(good).expect("a counter");
            assert_eq!(name.to_string(), good);
        }
        for bad in [
            "",
            "1a",
            "a b",
            "a{",
            "a{b}",
            "a{b=c}",
            "a{b=\"c\"} 1",
            "a{b=\"c\" d=\"e\"}",
        ] {
            assert!(counter_name(bad).is_err(), "{bad}");
        }
    }
}
