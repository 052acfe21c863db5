//! Results in JUnit's XML, as CI systems read it.

use super::outcome::Outcome;

/// The whole document.
pub(in crate::commands) fn xml(outcomes: &[Outcome]) -> String {
    let failed = |outcomes: &[Outcome]| outcomes.iter().filter(|one| one.failure.is_some()).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text += &format!(
        "<testsuites name=\"lastbeat test\" tests=\"{}\" failures=\"{}\">\n",
        outcomes.len(),
        failed(outcomes)
    );
    for suite in outcomes.chunk_by(|one, other| one.file == other.file) {
        let file = escaped(&suite[0].file);
        text += &format!(
            "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{}\">\n",
            suite.len(),
            failed(suite)
        );
        for outcome in suite {
            let name = escaped(&outcome.name);
            text += &format!("    <testcase classname=\"{file}\" name=\"{name}\"");
            text += &match &outcome.failure {
                None => "/>\n".to_owned(),
                Some(why) => {
                    let first = escaped(why.lines().next().unwrap_or(""));
                    let all = escaped(why);
                    format!(
                        ">\n      <failure message=\"{first}\">{all}</failure>\n    </testcase>\n"
                    )
                }
            };
        }
        text += "  </testsuite>\n";
    }
    text + "</testsuites>\n"
}

/// Text as it may stand between tags and in quotes; characters that XML forbids are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' | '\t' => out.push(char),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {}
            plain => out.push(plain),
        }
    }
    out
}
