//! The scenario suite: each sentence of the design as a story in tests/cases, told in virtual time.

use crate::support::testbed::project;
use lastbeat::commands::test::outcomes;

/// Fewer are not all of them.
const AT_LEAST: usize = 40;

#[test]
fn the_design_holds_in_every_story() {
    let outcomes = match outcomes(&[project().join("tests/cases"), project().join("rules")]) {
        Ok(outcomes) => outcomes,
        Err(faults) => panic!("{}", faults.join("\n")),
    };
    assert!(outcomes.len() >= AT_LEAST, "{}", outcomes.len());
    let mut failed = Vec::new();
    for outcome in outcomes {
        if let Some(why) = outcome.failure {
            failed.push(format!("FAILED {}\n{why}", outcome.name));
        } else {
            println!("ok {}", outcome.name);
        }
    }
    assert!(
        failed.is_empty(),
        "{} failed\n{}",
        failed.len(),
        failed.join("\n")
    );
}
