//! Prometheus' text format, family by family.

use crate::core::time::Wall;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Text is handed on in portions of about this many bytes.
const PORTION: usize = 16 * 1024;

/// Text on its way out.
pub(super) struct Text<'a> {
    portion: String,
    to: &'a mut dyn Write,
    /// Once it fails, nothing more is written.
    done: io::Result<()>,
}

impl<'t> Text<'t> {
    /// Nothing so far.
    pub(super) fn new(to: &'t mut dyn Write) -> Self {
        Text {
            portion: String::with_capacity(2 * PORTION),
            to,
            done: Ok(()),
        }
    }

    /// Hands on the rest.
    ///
    /// # Errors
    /// Those of the writer.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.hand_on();
        self.done
    }

    fn hand_on(&mut self) {
        if self.done.is_ok() {
            self.done = self.to.write_all(self.portion.as_bytes());
        }
        self.portion.clear();
    }

    /// Begins a family whose value is of the moment.
    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> Family<'_, 't> {
        self.family(name, help, "gauge")
    }

    /// Begins a family that only ever grows.
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str) -> Family<'_, 't> {
        self.family(name, help, "counter")
    }

    fn family(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: &'static str,
    ) -> Family<'_, 't> {
        Family {
            text: self,
            name,
            help,
            kind,
            begun: false,
        }
    }
}

/// A family in the making.
pub(super) struct Family<'a, 't> {
    text: &'a mut Text<'t>,
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    /// True once its HELP and TYPE lines are written.
    begun: bool,
}

impl Family<'_, '_> {
    /// Adds a series.
    pub(super) fn put<const N: usize>(&mut self, labels: [(&str, &str); N], value: f64) {
        let (name, out) = (self.name, &mut self.text.portion);
        if !self.begun {
            self.begun = true;
            // A String takes every write.
            let _ = write!(
                out,
                "# HELP lastbeat_{name} {}\n# TYPE lastbeat_{name} {}\n",
                self.help, self.kind
            );
        }
        out.push_str("lastbeat_");
        out.push_str(name);
        for (at, (label, value)) in labels.into_iter().enumerate() {
            out.push(if at == 0 { '{' } else { ',' });
            out.push_str(label);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        out.push_str(if N == 0 { " " } else { "} " });
        number(value, out);
        out.push('\n');
        if out.len() >= PORTION {
            self.text.hand_on();
        }
    }
}

/// Writes a label's value, escaped for the text format.
fn escape(value: &str, out: &mut String) {
    let odd = |byte| matches!(byte, b'\\' | b'"' | b'\n');
    let mut rest = value;
    // Names are too short for a search by vectors to pay.
    while let Some(at) = rest.bytes().position(odd) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'\\' => "\\\\",
            b'"' => "\\\"",
            _ => "\\n",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// A value in as few digits as tell it from every other, never with an exponent.
fn number(value: f64, out: &mut String) {
    if value == 0.0 || (1e-3..1e15).contains(&value) {
        let mut digits = zmij::Buffer::new();
        let text = digits.format_finite(value);
        out.push_str(text.strip_suffix(".0").unwrap_or(text));
    } else {
        // The quicker way writes the smallest and the largest with an exponent. A String takes every write.
        let _ = write!(out, "{value}");
    }
}

/// Unix seconds, cut to the millisecond: what is left of a float's digits beyond it is noise.
pub(super) fn unix(at: Wall) -> f64 {
    (at.nanos() / 1_000_000) as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn written(value: f64) -> String {
        let mut text = String::new();
        number(value, &mut text);
        text
    }

    fn escaped(value: &str) -> String {
        let mut text = String::new();
        escape(value, &mut text);
        text
    }

    /// The digits of a number, without its sign, its point and the zeros at its ends.
    fn digits(number: &str) -> u64 {
        let digits = number.replace(['-', '.'], "");
        digits.trim_matches('0').parse().unwrap_or(0)
    }

    #[test]
    fn numbers_have_the_fewest_digits_and_no_exponent() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (7.0, "7"),
            (-7.5, "-7.5"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (90.5, "90.5"),
            (1_700_000_000.123, "1700000000.123"),
            (1_700_000_000.12, "1700000000.12"),
            (1e-7, "0.0000001"),
            (999_999_999_999_999.9, "999999999999999.9"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (1e21, "1000000000000000000000"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    proptest! {
        #[test]
        fn any_number_is_written_as_short_as_the_standard_library_does_and_reads_back(bits: u64, count: u64, nanos in 0..u64::MAX / 2) {
            for value in [
                f64::from_bits(bits),
                count as f64,
                unix(Wall::from_nanos(nanos)),
                std::time::Duration::from_nanos(nanos).as_secs_f64(),
            ] {
                let (text, plain) = (written(value), value.to_string());
                // Where two of that length are as near, neighbours in their last digit, either is right.
                prop_assert!(text == plain || text.parse() == Ok(value), "{} {}", text, plain);
                prop_assert!(digits(&text).abs_diff(digits(&plain)) <= 1, "{} {}", text, plain);
                prop_assert_eq!(text.len(), plain.len(), "{} {}", text, plain);
            }
        }

        #[test]
        fn any_label_is_escaped_char_by_char(value in r#"([\\"\n]|[a-zA-Z0-9é\t.]|\PC){0,40}"#, odd in any::<String>()) {
            for value in [value, odd] {
                let plainly = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
                prop_assert_eq!(escaped(&value), plainly);
            }
        }
    }
}
