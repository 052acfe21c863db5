//! What is subscribed to: a list, of which no two hear the same.

use super::{Env, Flags, SettingFault};
use crate::decode::subscription::{MAX_SUBJECTS, check, first_overlap};

/// All of an organisation's log.
const ALL: &str = "logs.>";

/// Reads the list; what is wrong goes to `faults`.
pub(super) fn subjects(
    flags: &Flags,
    env: &Env<'_>,
    faults: &mut Vec<SettingFault>,
) -> Vec<String> {
    let subjects = given(flags, env);
    faults.extend(wrong(&subjects).map(|what| SettingFault {
        setting: "SUBJECT",
        what,
    }));
    subjects
}

fn given(flags: &Flags, env: &Env<'_>) -> Vec<String> {
    let list = |text: &str| -> Vec<String> {
        let parts = text.split(',').map(str::trim);
        parts.map(str::to_owned).collect()
    };
    if !flags.subject.is_empty() {
        return flags.subject.iter().flat_map(|text| list(text)).collect();
    }
    if let Some(text) = env.first(&["SUBJECT"]) {
        return list(&text);
    }
    match env.first(&["FLY_APP"]) {
        Some(apps) if apps.trim() != "*" => {
            let apps = list(&apps).into_iter();
            apps.map(|app| format!("logs.{app}.>")).collect()
        }
        _ => vec![ALL.to_owned()],
    }
}

/// The first thing that is wrong with them, and what to do.
fn wrong(subjects: &[String]) -> Option<String> {
    if let Some(blank) = subjects.iter().position(String::is_empty) {
        return Some(format!(
            "number {} of the list is blank; give subjects such as {ALL}, with one comma between two",
            blank + 1
        ));
    }
    if subjects.len() > MAX_SUBJECTS {
        return Some(format!(
            "{} subjects are too many, {MAX_SUBJECTS} at most; list regions instead of apps, as in \
             logs.*.iad.>,logs.*.fra.>",
            subjects.len()
        ));
    }
    if let Some(what) = subjects.iter().find_map(|subject| check(subject).err()) {
        return Some(what);
    }
    first_overlap(subjects).map(|(one, other)| {
        if one == other {
            return format!("{one:?} is given twice; take one of them out");
        }
        format!(
            "{one:?} and {other:?} overlap: NATS delivers what both hear twice, and each such entry would count \
             twice; take one of them out, or narrow it"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::settings::{Settings, read};

    fn settings(flags: &[&str], vars: &[(&str, &str)]) -> Result<Settings, Vec<SettingFault>> {
        let flags = Flags {
            subject: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            server: Some("a:1".to_owned()),
            ..Flags::default()
        };
        read(&flags, |name| {
            vars.iter()
                .find(|var| var.0 == name)
                .map(|var| var.1.to_owned())
        })
    }

    fn subjects(flags: &[&str], vars: &[(&str, &str)]) -> Vec<String> {
        settings(flags, vars).expect("whole").nats.subjects
    }

    #[test]
    fn a_list_is_one_by_comma_and_one_by_repetition() {
        let both = ["logs.web.>", "logs.api.>"];
        assert_eq!(
            subjects(&[], &[("SUBJECT", "logs.web.>, logs.api.>")]),
            both
        );
        assert_eq!(subjects(&["logs.web.>", "logs.api.>"], &[]), both);
        assert_eq!(subjects(&["logs.web.>,logs.api.>"], &[]), both);
        assert_eq!(
            subjects(&["logs.x.>"], &[("SUBJECT", "logs.y.>")]),
            ["logs.x.>"]
        );
        assert_eq!(subjects(&[], &[("SUBJECT", " ")]), [ALL]);
        assert_eq!(subjects(&[], &[("FLY_APP", "*")]), [ALL]);
        assert_eq!(subjects(&[], &[("FLY_APP", "web, api")]), both);
    }

    #[test]
    fn blank_malformed_and_overlapping_ones_are_refused_in_words_that_help() {
        let many = (0..=MAX_SUBJECTS).map(|app| format!("logs.a{app}.>"));
        let many = many.collect::<Vec<_>>().join(",");
        for (list, words) in [
            ("logs.a.>,", "number 2 of the list is blank"),
            (",logs.a.>", "number 1 of the list is blank"),
            ("logs.a.>,logs. x", "\"logs. x\" is no NATS subject"),
            ("logs.a*", "list the apps instead"),
            ("logs.>.a", "after its >"),
            ("logs.a.>,logs.b.>,logs.a.>", "\"logs.a.>\" is given twice"),
            (
                "logs.>,logs.a.>",
                "\"logs.>\" and \"logs.a.>\" overlap: NATS delivers",
            ),
            ("logs.a.>,logs.*.iad.>", "take one of them out"),
            (&many, "257 subjects are too many, 256 at most"),
        ] {
            let faults = settings(&[], &[("SUBJECT", list)]).expect_err(list);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!(faults[0].setting, "SUBJECT");
            assert!(faults[0].what.contains(words), "{}", faults[0]);
        }
        assert!(settings(&[""], &[]).is_err(), "a blank flag is no default");
    }
}
