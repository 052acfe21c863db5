use super::difference::{Change, Other, Sent, rows, summaries};
use super::player::{Played, Player};
use crate::commands::recorded::{Input, Line, Recorded};
use crate::core::notice::Scope;
use crate::core::rule::RuleSet;
use crate::core::time::Wall;
use crate::decode::archive_line::Mark;
use crate::decode::rules_file;
use std::time::Duration;

const START: Wall = Wall::from_nanos(1_769_860_800_000_000_000);

fn rules(text: &str) -> RuleSet {
    let reading = rules_file::read(&[("rules.toml".to_owned(), text.as_bytes().to_vec())]);
    reading.set.expect("valid rules")
}

fn with_max_gap(seconds: u32) -> RuleSet {
    let text = format!("[[rule]]\nname = 'web'\nmax_gap = '{seconds}s'\ngroup_wait = '0s'");
    rules(&text)
}

fn at(second: u64) -> Wall {
    START + Duration::from_secs(second)
}

/// Two instances that beat every ten seconds for an hour; one is silent from minute 10 to minute 15.
fn hour(player: &mut Player, marks: &[(u64, Mark<'_>)], is_down: impl Fn(u64) -> bool) {
    let mut marks = marks.iter().peekable();
    for second in (0..3600).step_by(10) {
        while let Some((when, mark)) = marks.next_if(|(when, _)| *when <= second) {
            player.mark(at(*when), mark);
        }
        if is_down(second) {
            continue;
        }
        if !(600..900).contains(&second) {
            player.entry(at(second), "logs.web.iad.a", b"HEARTBEAT");
        }
        player.entry(at(second), "logs.web.iad.b", b"HEARTBEAT");
    }
}

fn played(rules: RuleSet) -> Played {
    let mut player = Player::new(rules, false);
    hour(&mut player, &[], |_| false);
    player.finish()
}

#[test]
fn a_silence_is_notified_when_it_would_have_been() {
    let played = played(with_max_gap(60));
    let told: Vec<(u64, &str)> = played
        .notices
        .iter()
        .map(|(at, notice)| (at.as_secs(), notice.kind.label()))
        .collect();
    // The last beat is at 590 s, and at 650 s the gap is not longer than 60 s yet.
    assert_eq!(told[0], (660, "opened"));
    assert_eq!(told[1].1, "closed");
    assert!((900..=970).contains(&told[1].0), "{told:?}");
    assert_eq!((told.len(), played.entries), (2, 690));
    let summary = &summaries(&played)[0];
    assert_eq!(
        (summary.rule.as_str(), summary.incidents, summary.resolved),
        ("web", 1, 1)
    );
    assert_eq!(summary.detection, Some(Duration::from_secs(70)));
}

#[test]
fn rules_are_compared_by_what_they_notify_of() {
    let (strict, lax, blind) = (
        played(with_max_gap(60)),
        played(with_max_gap(120)),
        played(with_max_gap(400)),
    );
    let changes = |new: &Played, old: &Played| {
        let rows = rows(new, Some(&Other::Rules(old)));
        rows.iter()
            .map(|row| (row.change, row.later.round() as i64))
            .collect::<Vec<_>>()
    };
    assert_eq!(changes(&lax, &strict)[0], (Change::Same, 60));
    assert_eq!(
        changes(&blind, &strict),
        [(Change::Gone, 0), (Change::Gone, 0)]
    );
    assert_eq!(
        changes(&strict, &blind),
        [(Change::New, 0), (Change::New, 0)]
    );
    assert!(
        changes(&strict, &strict)
            .iter()
            .all(|change| *change == (Change::Same, 0))
    );
    assert!(
        rows(&strict, None)
            .iter()
            .all(|row| row.change == Change::Alone)
    );
}

#[test]
fn cuts_and_restarts_of_lastbeat_blame_nobody() {
    let all = |marks: &[(u64, Mark<'_>)], from: u64, to: u64| {
        let mut player = Player::new(with_max_gap(60), false);
        hour(&mut player, marks, |second| (from..to).contains(&second));
        let opened = player
            .finish()
            .notices
            .into_iter()
            .filter(|(_, notice)| notice.kind.label() == "opened")
            // A stream that is cut for five minutes is an incident of its own.
            .filter(|(_, notice)| notice.scope == Scope::Instance);
        opened
            .map(|(_, notice)| notice.who.instance)
            .collect::<Vec<_>>()
    };
    let cut = [(1800, Mark::Cut), (2100, Mark::Connected)];
    assert_eq!(all(&cut, 1800, 2100), ["a"], "of the silence before");
    let down = [(1800, Mark::Stop), (2100, Mark::Start("1"))];
    assert_eq!(all(&down, 1800, 2100), ["a"]);
    let killed = [(2100, Mark::Start("1"))];
    assert_eq!(all(&killed, 1800, 2100), ["a"]);
}

#[test]
fn a_machine_that_is_listed_as_stopped_is_not_missed() {
    let mut player = Player::new(with_max_gap(60), true);
    let marks = [
        (0, Mark::Machine("logs.web.iad.a", "started")),
        (0, Mark::Machine("logs.web.iad.b", "started")),
        (600, Mark::Machine("logs.web.iad.a", "stopped")),
        (890, Mark::Machine("logs.web.iad.a", "started")),
    ];
    hour(&mut player, &marks, |_| false);
    assert_eq!(player.finish().notices.len(), 0);
}

#[test]
fn json_lines_are_played_in_the_order_of_their_times() {
    let path = std::env::temp_dir().join(format!("lastbeat-replay-{}.jsonl", std::process::id()));
    let line = |second: u64, instance: &str| {
        let time = crate::format::rfc3339(at(second));
        format!(
            r#"{{"instance":"{instance}","message":"HEARTBEAT","region":"iad","timestamp":"{time}"}}"#
        )
    };
    let text = [
        line(20, "b"),
        "no entry".to_owned(),
        String::new(),
        line(10, "a"),
        line(30, "c"),
    ];
    std::fs::write(&path, text.join("\n")).expect("it can be written");
    let recorded = Recorded {
        files: vec![path.clone()],
        since: None,
        until: Some(at(30)),
        app: "web".to_owned(),
    };
    let input = Input::open(&recorded).expect("it can be read");
    let mut subjects = Vec::new();
    let damaged = input.play(|line| match line {
        Line::Entry(_, subject, _) => subjects.push(subject.to_owned()),
        Line::Mark(..) => panic!("there is none"),
    });
    assert_eq!(damaged, Ok(0));
    assert_eq!(subjects, ["logs.web.iad.a", "logs.web.iad.b"]);
    std::fs::write(&path, "nothing\nof use").expect("it can be written");
    assert!(Input::open(&recorded).is_err());
    std::fs::remove_file(&path).expect("it is there");
}

#[test]
fn what_was_really_sent_is_compared_by_how_far_it_reached_in_the_end() {
    let played = played(with_max_gap(60));
    let sent = |later: u64| -> Vec<Sent> {
        let of_interest = played.notices.iter();
        let sent = of_interest.map(|(_, notice)| Sent {
            at: notice.decided + Duration::from_secs(later),
            notice: notice.clone(),
        });
        sent.collect()
    };
    let changes = |sent: &[Sent]| {
        let rows = rows(&played, Some(&Other::Incidents(sent)));
        rows.iter()
            .map(|row| (row.change, row.later.round() as i64))
            .collect::<Vec<_>>()
    };
    assert_eq!(changes(&sent(3)), [(Change::Same, -3), (Change::Same, -3)]);
    assert_eq!(changes(&[]), [(Change::New, 0), (Change::New, 0)]);
    let mut other = sent(0);
    other[0].notice.who.instance = "c".to_owned();
    assert_eq!(
        changes(&other),
        [(Change::New, 0), (Change::Gone, 0), (Change::Same, 0)]
    );
}

#[test]
fn heartbeats_that_were_sent_and_lost_are_known_false_alarms() {
    let false_alarms = |sent: &dyn Fn(u64) -> bool| {
        let mut player = Player::new(with_max_gap(60), false);
        let mut seq = 0;
        for second in (0..1800).step_by(10) {
            // They are lost from minute 10 to minute 15, whether they were sent or not.
            let is_lost = (600..900).contains(&second);
            seq += u64::from(!is_lost || sent(second));
            if !is_lost {
                let text = format!("HEARTBEAT every=10s seq={seq}");
                player.entry(at(second), "logs.web.iad.a", text.as_bytes());
            }
            player.entry(at(second), "logs.web.iad.b", b"HEARTBEAT");
        }
        let summary = &summaries(&player.finish())[0];
        assert_eq!((summary.incidents, summary.resolved), (1, 1));
        summary.false_alarms
    };
    assert_eq!(false_alarms(&|_| true), 1, "it was alive all along");
    assert_eq!(false_alarms(&|_| false), 0, "it stood still");
    assert_eq!(
        false_alarms(&|second| second > 800),
        0,
        "it stood still for long"
    );
}
