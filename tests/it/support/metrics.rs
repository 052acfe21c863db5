//! Prometheus' text format, read for what tests ask of it.

use std::collections::BTreeMap;

/// Everything that one scrape showed.
pub struct Metrics {
    samples: Vec<Sample>,
}

/// One line.
#[derive(Debug, PartialEq)]
pub struct Sample {
    /// The series' name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Metrics {
    /// Reads a whole scrape; panics at a line that is none of the format.
    pub fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines
            .map(|line| sample(line).unwrap_or_else(|| panic!("not a sample: {line:?}")))
            .collect();
        Metrics { samples }
    }

    /// The samples of that name which have all these labels.
    pub fn all<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&str, &str)],
    ) -> impl Iterator<Item = &'a Sample> {
        let fits = |sample: &Sample| {
            labels
                .iter()
                .all(|(key, value)| sample.labels.get(*key).is_some_and(|v| v == value))
        };
        self.samples
            .iter()
            .filter(move |sample| sample.name == name && fits(sample))
    }

    /// Their sum; zero where there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).map(|sample| sample.value).sum()
    }

    /// The value of the only sample of that name.
    #[track_caller]
    pub fn one(&self, name: &str) -> f64 {
        let found: Vec<f64> = self.all(name, &[]).map(|sample| sample.value).collect();
        assert_eq!(
            found.len(),
            1,
            "{name}: one sample expected, found {found:?}"
        );
        found[0]
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, rest) = series.split_once('{').unwrap_or((series, "}"));
    Some(Sample {
        name: name.to_owned(),
        labels: labels(rest)?,
        value: value.parse().ok()?,
    })
}

/// What stands after the opening brace.
fn labels(mut rest: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    while rest != "}" {
        let (key, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        labels.insert(key.to_owned(), value);
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Some(labels)
}

/// A label's value up to its closing quote, and what stands after that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[test]
fn a_sample_with_hard_labels_is_read() {
    let read =
        sample(r#"x_total{a="1 } 2",b="q\"uote\\",c="line\nend"} 4.5e1"#).expect("it is one");
    assert_eq!(read.value, 45.0);
    let values: Vec<&str> = read.labels.values().map(String::as_str).collect();
    assert_eq!(values, ["1 } 2", "q\"uote\\", "line\nend"]);
}

#[test]
fn a_sample_without_labels_is_read() {
    assert_eq!(
        sample("up 1").map(|read| (read.name, read.value)),
        Some(("up".to_owned(), 1.0))
    );
    assert_eq!(sample("up{a=\"b\" 1"), None);
}
