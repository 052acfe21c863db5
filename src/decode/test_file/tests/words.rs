//! Each word of the language: what a line with it means.

use crate::decode::test_file::{
    ClockFault, Count, Event, Expect, MAX_FILE_BYTES, Span, Times, ToldTimes, event, expect, read,
};
use std::time::Duration;

/// The meaning of a whole line.
fn event(line: &str) -> Event {
    event::read(line).unwrap_or_else(|bad| panic!("{line}: {bad:?}"))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn span(from: u64, to: u64) -> Span {
    Span {
        from: seconds(from),
        to: seconds(to),
    }
}

#[test]
fn blindness_is_once_or_again_and_again() {
    for (line, what) in [
        ("stream cut", Event::Cut as fn(Times) -> Event),
        ("stream stalls", Event::Stall),
        ("lastbeat suspended", Event::Suspended),
        ("lastbeat down", Event::Down),
        ("messages dropped", Event::Dropped),
        ("inventory fails", Event::InventoryFails),
    ] {
        let once = Times::once(span(60, 120));
        assert_eq!(event(&format!("{line} from 1m to 2m")), what(once));
        let repeat = Some((seconds(120), seconds(46)));
        let all = Times {
            span: Span::ALL,
            repeat,
        };
        assert_eq!(event(&format!("{line} every 2m for 46s")), what(all));
        let part = Times {
            span: span(300, 2400),
            repeat,
        };
        for order in [
            "from 5m to 40m every 2m for 46s",
            "every 2m for 46s from 5m to 40m",
        ] {
            assert_eq!(event(&format!("{line} {order}")), what(part));
        }
    }
    assert!(
        matches!(event("web/iad/a silent every 2m for 46s"), Event::Mute { times, .. } if times.repeat.is_some())
    );
}

#[test]
fn pieces_begin_with_the_span_and_end_with_it() {
    let times = Times {
        span: span(300, 560),
        repeat: Some((seconds(120), seconds(46))),
    };
    let pieces: Vec<Span> = times.pieces(seconds(3600)).collect();
    assert_eq!(pieces, [span(300, 346), span(420, 466), span(540, 560)]);
    assert_eq!(times.pieces(seconds(430)).count(), 2);
    for (at, holds) in [
        (299, false),
        (300, true),
        (345, true),
        (346, false),
        (420, true),
        (559, true),
        (560, false),
    ] {
        assert_eq!(times.holds(seconds(at)), holds, "{at}");
    }
    let once = Times::once(span(60, 120));
    assert_eq!(
        once.pieces(seconds(600)).collect::<Vec<_>>(),
        [span(60, 120)]
    );
}

#[test]
fn clocks_lags_and_the_inventory_are_read() {
    let late = |line: &str| match event(line) {
        Event::Late { who, by, span } => (who.is_some(), by, span),
        other => panic!("{other:?}"),
    };
    let minute = (seconds(60), seconds(60));
    assert_eq!(
        late("entries late by 1m from 1m to 2m"),
        (false, minute, span(60, 120))
    );
    assert_eq!(
        late("*/lhr/* late by 1m from 1m to 2m"),
        (true, minute, span(60, 120))
    );
    let grows = (seconds(10), seconds(300));
    assert_eq!(
        late("*/lhr/* late by 10s..5m from 1m to 2m"),
        (true, grows, span(60, 120))
    );

    let open = Span {
        from: seconds(60),
        to: Duration::MAX,
    };
    for (line, expected, when) in [
        (
            "web/iad/a's clock off by 1h from 1m to 2m",
            ClockFault::Ahead(seconds(3600)),
            span(60, 120),
        ),
        (
            "web/iad/[ab]'s clock off by -1h from 1m",
            ClockFault::Behind(seconds(3600)),
            open,
        ),
        (
            "*/lhr/*'s clock stands still from 1m",
            ClockFault::StandsStill,
            open,
        ),
    ] {
        let Event::Clock { fault, span, .. } = event(line) else {
            panic!("{line}")
        };
        assert_eq!((fault, span), (expected, when), "{line}");
    }
    assert!(
        matches!(event("web/iad/a held from 1m to 2m"), Event::Held { span: held, .. } if held == span(60, 120))
    );
    let Event::Listed {
        who,
        word,
        span: listed,
    } = event("inventory lists web/iad/[ab] as created from 1m")
    else {
        panic!("a listing")
    };
    assert_eq!((who.len(), word.as_str(), listed), (2, "created", open));
    assert!(
        matches!(event("lastbeat runs as monitor/fra/x"), Event::RunsAs(name) if name.app == "monitor")
    );
}

#[test]
fn counted_beats_declare_their_interval() {
    for (line, text, losing) in [
        (
            "web/iad/a beats counting every 30s",
            "HEARTBEAT every=30s seq=",
            0,
        ),
        (
            "web/iad/a beats counting every 90s, losing 5%",
            "HEARTBEAT every=1m30s seq=",
            50_000,
        ),
        (
            "web/iad/a beats counting saying 'name=w' every 30s, losing 0.1%",
            "HEARTBEAT name=w every=30s seq=",
            1_000,
        ),
        (
            "web/iad/a beats counting saying 'every=1m' every 30s",
            "HEARTBEAT every=1m seq=",
            0,
        ),
    ] {
        let Event::Speech(speech) = event(line) else {
            panic!("{line}")
        };
        assert_eq!(
            (speech.text.as_str(), speech.losing_ppm),
            (text, losing),
            "{line}"
        );
        assert!(speech.counting);
    }
}

#[test]
fn counts_and_notifiers_are_read() {
    let expect = |line: &str| expect::read(line).unwrap_or_else(|bad| panic!("{line}: {bad:?}"));
    let count = |least, most| Count { least, most };
    let five = seconds(300);
    for (line, expected) in [
        ("at 5m 1 incident open", count(1, 1)),
        ("at 5m no incidents open", count(0, 0)),
        ("at 5m at most 2 incidents open", count(0, 2)),
        ("at 5m 1..3 incidents open", count(1, 3)),
    ] {
        assert_eq!(
            expect(line),
            Expect::Open {
                at: five,
                count: expected
            },
            "{line}"
        );
    }
    for (line, target, expected) in [
        (
            "at 5m incident of app web has 7 members",
            "app web",
            count(7, 7),
        ),
        (
            "at 5m incident of web/iad/a has 1 member",
            "web/iad/a",
            count(1, 1),
        ),
        (
            "at 5m incident of region iad has at least 7 members",
            "region iad",
            count(7, usize::MAX),
        ),
    ] {
        let wanted = Expect::Members {
            at: five,
            target: target.to_owned(),
            count: expected,
        };
        assert_eq!(expect(line), wanted, "{line}");
    }
    for (line, times) in [
        ("told HeartbeatMissed", ToldTimes::First(1)),
        ("told 3 times HeartbeatMissed", ToldTimes::First(3)),
        (
            "told at most 2 times HeartbeatMissed",
            ToldTimes::All(count(0, 2)),
        ),
        (
            "told at least 2 times HeartbeatMissed",
            ToldTimes::All(count(2, usize::MAX)),
        ),
        (
            "told 1..3 times HeartbeatMissed",
            ToldTimes::All(count(1, 3)),
        ),
    ] {
        assert!(
            matches!(expect(line), Expect::Told(_, found) if found == times),
            "{line}"
        );
    }
    for (line, names, only) in [
        ("told opened to oncall", &["oncall"][..], false),
        (
            "told opened to oncall, chat at 5m",
            &["chat", "oncall"],
            false,
        ),
        (
            "told opened to only oncall, chat, affecting at least 7",
            &["chat", "oncall"],
            true,
        ),
    ] {
        let Expect::Told(told, _) = expect(line) else {
            panic!("{line}")
        };
        let to = told.to.expect("notifiers");
        assert_eq!(
            (
                to.names.iter().map(String::as_str).collect::<Vec<_>>(),
                to.only
            ),
            (names.to_vec(), only),
            "{line}"
        );
    }
    for name in [
        "StreamBlind",
        "StreamAuthFailed",
        "LastbeatFull",
        "ShipperStalled",
        "ArchiveStopped",
    ] {
        expect(&format!("not told {name}"));
    }
}

#[test]
fn a_line_that_matches_nobody_is_a_fault() {
    for (line, expect, place, what) in [
        (
            "web/iad/x silent from 1m to 2m",
            "nothing told",
            "4:56",
            "matches no instance",
        ),
        (
            "web/iad/{01..03} silent from 1m to 2m",
            "nothing told",
            "4:56",
            "matches no instance",
        ),
        (
            "*/lhr/* late by 1m from 1m to 2m",
            "nothing told",
            "4:56",
            "matches no instance",
        ),
        (
            "web/iad/x's clock off by 1m from 1m",
            "nothing told",
            "4:56",
            "matches no instance",
        ),
        (
            "web/iad/x held from 1m to 2m",
            "nothing told",
            "4:56",
            "matches no instance",
        ),
        (
            "host 0ad1: web/iad/[ax]",
            "nothing told",
            "4:56",
            "web/iad/x says nothing",
        ),
        (
            "silence app=api from 1m to 2m",
            "nothing told",
            "4:56",
            "matches no instance",
        ),
        (
            "silence host=0ad1 from 1m to 2m",
            "nothing told",
            "4:56",
            "matches no instance",
        ),
        (
            "web/iad/a silent from 1m to 2m",
            "not told web/iad/x opened",
            "5:11",
            "web/iad/x says nothing",
        ),
        (
            "web/iad/a silent from 1m to 2m",
            "at 5m ok web/iad/x",
            "5:11",
            "web/iad/x says nothing",
        ),
        (
            "web/iad/a silent from 1m to 2m",
            "told app web listing web/iad/[ax]",
            "5:11",
            "web/iad/x says nothing",
        ),
        (
            "web/iad/a silent from 1m to 2m",
            "at 5m not firing web/iad/x",
            "",
            "",
        ),
        (
            "web/iad/[ab] silent from 1m to 2m",
            "not told web/iad/b beat w opened",
            "",
            "",
        ),
        (
            "silence app=web from 1m to 2m",
            "told app web listing web/iad/[ab]",
            "",
            "",
        ),
    ] {
        let text = format!(
            "rules = \"x\"\n[[test]]\nname = \"t\"\nlines = [\"web/iad/[ab] beats every 30s from 0s to 9m\", \"{line}\"]\nexpect = [\"{expect}\"]\n"
        );
        let said = read("t.toml", text.as_bytes()).map_err(|faults| faults[0].to_string());
        match what {
            "" => assert!(said.is_ok(), "{line}, {expect}: {said:?}"),
            _ => {
                let said = said.expect_err(line);
                assert!(
                    said.starts_with(&format!("t.toml:{place}:")) && said.contains(what),
                    "{said}"
                );
            }
        }
    }
}

#[test]
fn a_file_of_ten_megabytes_is_read_and_a_larger_one_refused_in_words() {
    let line = "\"web/iad/a logs at 5m\",\n";
    let many = |count: usize| {
        let lines = line.repeat(count);
        format!(
            "rules = 'x'\n[[test]]\nname = 't'\nexpect = ['nothing told']\nlines = [\n{lines}]\n"
        )
    };
    let filler = format!("# {}\n", "x".repeat(1000)).repeat(10_000);
    let large = filler + &many(1_000);
    assert!(large.len() > 10_000_000);
    let file = read("t.toml", large.as_bytes()).expect("it is whole");
    assert_eq!(file.cases[0].lines.len(), 1_000);
    assert_eq!(file.cases[0].lines[999].place.0, 10_000 + 5 + 1_000);

    let too_large = vec![b'#'; MAX_FILE_BYTES + 1];
    let faults = read("t.toml", &too_large).expect_err("too large");
    assert!(
        faults[0].to_string().contains("longer than 32 MB"),
        "{}",
        faults[0]
    );
}
