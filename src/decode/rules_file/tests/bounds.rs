//! Limits, hostile texts, and what holds for any text.

use super::super::{
    MAX_FILE_BYTES, MAX_FILES, MAX_RULES, MAX_SHOWN, MAX_TOTAL_BYTES, Reading, key, print, read,
    rule,
};
use super::{files, lines};
use proptest::prelude::*;

#[test]
fn limits() {
    let line = |reading: &Reading| (reading.faults[0].to_string(), reading.fault_count());
    let long = vec![("a.toml".to_owned(), vec![b'#'; MAX_FILE_BYTES + 1])];
    assert_eq!(
        line(&read(&long)),
        (
            "a.toml:1:1: the file is longer than 1048576 bytes; split it into several".to_owned(),
            1
        )
    );
    let many: Vec<_> = (0..=MAX_FILES)
        .map(|n| (format!("{n}.toml"), Vec::new()))
        .collect();
    assert_eq!(
        line(&read(&many)).0,
        "1000.toml:1:1: more than 1000 files; give the folder that holds the rules and nothing else"
    );
    let heavy: Vec<_> = (0..20)
        .map(|n| (format!("{n}.toml"), vec![b'#'; MAX_FILE_BYTES]))
        .collect();
    let (text, count) = line(&read(&heavy));
    assert!(
        text.starts_with("8.toml:1:1: too many bytes in this file and those before it"),
        "{text}"
    );
    assert_eq!((count, MAX_TOTAL_BYTES / MAX_FILE_BYTES), (1, 8));
    let rules: String = (0..=MAX_RULES)
        .map(|n| format!("[[rule]]\nname = '{n}'\n"))
        .collect();
    assert_eq!(
        line(&read(&files(&[&rules]))),
        (
            "a.toml:20001:1: rule: more than 10000 rules; use globs that cover several apps"
                .to_owned(),
            1
        )
    );
    let faults: String = (0..5_000).map(|n| format!("k{n} = 1\n")).collect();
    let reading = read(&files(&[&faults, "[stream]\nx = 1\n"]));
    assert_eq!(
        (reading.faults.len(), reading.fault_count()),
        (MAX_SHOWN, 5_001)
    );
    assert_eq!(reading.faults[MAX_SHOWN - 1].line, MAX_SHOWN);
}

#[test]
fn hostile_texts_end() {
    // An eighth of what is allowed: the time grows in step with the length.
    let full = MAX_FILE_BYTES / 8;
    let one_line: String = (0..1_500)
        .map(|n| format!("{{name='{n}',app='{}a'}},", "{a,b}".repeat(8)))
        .collect();
    let texts = [
        "=\n".repeat(full / 2),
        "[".repeat(full),
        format!("a={}", "[".repeat(full - 2)),
        "a={".repeat(full / 3),
        "[[rule]]\n".repeat(full / 9),
        "a.".repeat(full / 2),
        format!("rule=[{one_line}]"),
        format!("rule=[{}]", "1,".repeat(full / 3)),
    ];
    for text in texts {
        assert!(text.len() <= full, "{}", text.len());
        let start = text.get(..20).unwrap_or_default().to_owned();
        let reading = read(&files(&[&text]));
        assert!(
            reading.faults.len() <= MAX_SHOWN && reading.warnings.len() <= MAX_SHOWN,
            "{start}"
        );
    }
}

/// Pieces that rule files are made of, right and wrong.
fn piece() -> impl Strategy<Value = String> {
    let key = prop::sample::select(key::names(&rule::KEYS[1..]));
    let value = prop::sample::select(vec![
        "\"auto\"",
        "\"90s\"",
        "\"0s\"",
        "\"*\"",
        "[\"a\", \"b-*\"]",
        "\"{a,b\"",
        "3",
        "\"error\"",
        "\"logs\"",
        "\"instance\"",
        "\"region\"",
        "\"5m\"",
        "[\"iad\"]",
        "\"sentry\"",
        "\"ABC\"",
        "\"https://x.y\"",
        "'\\'",
        "\"",
        "{ a = 1 }",
        "[1, []]",
    ]);
    prop_oneof![
        4 => "[a-d]{1,2}".prop_map(|name| format!("[[rule]]\nname = '{name}'\n")),
        6 => (key, value).prop_map(|(key, value)| format!("{key} = {value}\n")),
        1 => Just("[stream]\nmax_gap = '1m 1s'\n".to_owned()),
        1 => Just("[[silence]]\napp = ['web', 'api']\nschedule = '0 3 * * 0'\nduration = '2h'\nreason = 'x'\n".to_owned()),
        1 => Just("[notify.a]\ntype = 'webhook'\nurl = '${A}'\n".to_owned()),
        1 => ".{0,8}",
    ]
}

proptest! {
    #[test]
    fn any_bytes_give_a_set_or_faults(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        lines(&read(&[("a.toml".to_owned(), bytes)]));
    }

    #[test]
    fn any_pieces_give_a_set_or_faults(pieces in prop::collection::vec(piece(), 0..12), cut in 0_usize..12) {
        let (first, second) = pieces.split_at(cut.min(pieces.len()));
        let reading = read(&files(&[&first.concat(), &second.concat()]));
        for line in lines(&reading) {
            prop_assert!(!line.contains('\n'), "{}", line);
        }
    }

    #[test]
    fn what_is_printed_reads_as_the_same_set(pieces in prop::collection::vec(piece(), 0..6)) {
        if let Some(set) = read(&files(&[&pieces.concat()])).set {
            let printed = print(&set);
            let again = read(&files(&[&printed]));
            prop_assert_eq!(again.set, Some(set), "{}\n{}", printed, again.faults.iter().map(ToString::to_string).collect::<String>());
        }
    }

    #[test]
    fn durations_never_panic(text in "[0-9smhdywu. ]{0,70}") {
        let _ = crate::decode::rules_file::duration(&text);
    }
}
