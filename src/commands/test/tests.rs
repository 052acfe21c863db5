//! Files, folders and names: what is refused, and in which words.

use super::outcomes;
use std::fs;
use std::path::PathBuf;

/// A folder of the test's own, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lastbeat-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder takes a folder");
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder within");
        fs::write(&path, text).expect("a file within");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const RULES: &str = "[[rule]]\nname = \"web\"\napp = \"web\"\nmax_gap = \"90s\"\n";

/// A test with one expectation.
fn case(expect: &str) -> String {
    format!(
        "rules = \"\"\"\n{RULES}\"\"\"\n[[test]]\nname = \"t\"\n\
         lines = [\"log/fra/x logs every 5s from 0s to 5m\", \"web/iad/a beats every 30s from 0s to 1m\"]\n\
         expect = [\"{expect}\"]\n"
    )
}

#[test]
fn a_folder_without_test_files_says_what_is_expected() {
    let folder = Folder::new("no-tests");
    let said = |path: PathBuf| outcomes(&[path]).expect_err("no tests").join("\n");
    let nothing = said(folder.0.clone());
    folder.write("web.toml", RULES);
    for said in [nothing, said(folder.0.clone()), said(folder.0.join("none"))] {
        assert!(
            said.contains("a folder of rules with the test files in its folder tests"),
            "{said}"
        );
    }
    folder.write("tests/web.toml", &case("told web/iad/a opened at 2m..3m"));
    let outcomes = outcomes(std::slice::from_ref(&folder.0)).expect("tests");
    assert!(
        outcomes.len() == 1 && outcomes[0].failure.is_none(),
        "{outcomes:?}"
    );
}

#[test]
fn a_file_of_ten_megabytes_is_run_whole() {
    let folder = Folder::new("large");
    let filler = format!("# {}\n", "x".repeat(100)).repeat(100_000);
    let text = filler + &case("told web/iad/a opened at 2m..3m");
    assert!(text.len() > 10_000_000);
    let path = folder.write("large.toml", &text);
    let outcomes = outcomes(&[path]).expect("one test");
    assert!(
        outcomes.len() == 1 && outcomes[0].failure.is_none(),
        "{outcomes:?}"
    );
}

#[test]
fn names_that_nothing_knows_are_faults_with_the_nearest() {
    let folder = Folder::new("names");
    for (expect, what) in [
        (
            "not told by 'wbe'",
            "no rule \"wbe\" in this test, nearest is web",
        ),
        ("not told opened to oncall", "no notifier \"oncall\""),
        (
            "not told app wab opened",
            "no app \"wab\" in this test, nearest is web",
        ),
        (
            "at 4m ok region iax",
            "no region \"iax\" in this test, nearest is iad",
        ),
        ("at 4m ok host 0ad1", "no host \"0ad1\""),
        (
            "at 4m incident of web/ibd has 1 member",
            "no region \"ibd\"",
        ),
        ("not told HeartbeatMised", "nearest is HeartbeatMissed"),
    ] {
        let path = folder.write("t.toml", &case(expect));
        let said = outcomes(&[path]).expect_err(expect).join("\n");
        assert!(said.contains(what) && said.contains("t.toml:"), "{said}");
    }
}

#[test]
fn what_is_counted_is_said_where_it_is_not_so() {
    let folder = Folder::new("counts");
    for (expect, but) in [
        (
            "at 4m no incident open",
            "1 were open: HeartbeatMissed web/iad/a opened by 'web'",
        ),
        (
            "at 4m incident of app web has at least 7 members",
            "open were 1 members",
        ),
        (
            "at 30s incident of app web has 1 member",
            "no incident of app web was open",
        ),
        (
            "told at least 2 times web/iad/a opened",
            "it was told 1 times, expected at least 2",
        ),
        ("told at most 1 times web/iad/a closed, at 1m..2m", ""),
        (
            "told 2..3 times app web opened",
            "it was not told, expected 2 to 3 times",
        ),
    ] {
        let path = folder.write("t.toml", &case(expect));
        let outcomes = outcomes(&[path]).expect(expect);
        let failure = outcomes[0].failure.clone().unwrap_or_default();
        assert!(failure.contains(but), "{expect}: {failure}");
        assert_eq!(failure.is_empty(), but.is_empty(), "{expect}: {failure}");
    }
}

/// Heartbeats of two instances each ten seconds for half an hour, as JSON lines; one is silent for five minutes.
fn recorded() -> String {
    let mut lines = String::new();
    for second in (0..1800_u64).step_by(10) {
        for instance in ["a", "b"] {
            if instance == "a" && (600..900).contains(&second) {
                continue;
            }
            let at = crate::format::rfc3339(
                crate::core::time::Wall::from_nanos(1_769_860_800_000_000_000)
                    + std::time::Duration::from_secs(second),
            );
            lines += &format!(
                "{{\"instance\":\"{instance}\",\"message\":\"HEARTBEAT\",\"region\":\"iad\",\"timestamp\":\"{at}\"}}\n"
            );
        }
    }
    lines
}

#[test]
fn a_recorded_stream_is_the_input_of_a_test() {
    let folder = Folder::new("recorded");
    folder.write("night.jsonl", &recorded());
    let rules =
        "rules = \"\"\"\n[[rule]]\nname = 'all'\nmax_gap = '60s'\ngroup_wait = '0s'\n\"\"\"\n";
    let run = |keys: &str, expect: &[&str]| {
        let expect: Vec<String> = expect.iter().map(|text| format!("\"{text}\"")).collect();
        let text = format!(
            "{rules}[[test]]\nname = \"night\"\narchive = \"night.jsonl\"\n{keys}\nexpect = [{}]\n",
            expect.join(", ")
        );
        let path = folder.write("night.toml", &text);
        let outcomes = outcomes(&[path]).map_err(|faults| faults.join("\n"))?;
        Ok::<_, String>(outcomes[0].failure.clone())
    };
    let death = [
        "told HeartbeatMissed app/iad/a opened at 10m50s..11m10s by 'all'",
        "told HeartbeatMissed app/iad/a closed resolved at 15m..16m",
        "nothing else told",
    ];
    assert_eq!(run("", &death), Ok(None));
    // A slice of it, in the times of the slice.
    let slice = "start = 2026-01-31T12:09:00Z\nuntil = \"5m\"";
    let within = [
        "told HeartbeatMissed app/iad/a opened at 1m50s..2m10s",
        "nothing else told",
    ];
    assert_eq!(run(slice, &within), Ok(None));
    // Events of the test itself.
    let silent =
        "lines = [\"app/iad/b silent from 20m to 25m\", \"silence instance=a from 9m to 16m\"]";
    let other = [
        "told HeartbeatMissed app/iad/b opened at 20m50s..21m10s",
        "told HeartbeatMissed app/iad/b closed resolved",
        "nothing else told",
    ];
    assert_eq!(run(silent, &other), Ok(None));

    let failed = run("", &["nothing told"]).expect("it is readable");
    let failed = failed.expect("something is told");
    assert!(failed.contains("silent for 5m10s"), "{failed}");
    let refused = |keys: &str| run(keys, &["nothing told"]).expect_err("refused");
    assert!(refused("lines = [\"app/iad/a held from 1m to 2m\"]").contains("not with archive"));
    assert!(refused("start = 2027-01-01T00:00:00Z").contains("no line of that time"));
    std::fs::remove_file(folder.0.join("night.jsonl")).expect("it is there");
    assert!(refused("").contains("night.jsonl"));
}
