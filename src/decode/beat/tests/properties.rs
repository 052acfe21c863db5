//! Any input is read without a panic, prose never is a beat, and a prefix hides none.

use super::{SUBJECT, envelope, markers, message, payload};
use crate::decode::beat::read;
use proptest::prelude::*;

/// Pieces of which hostile lines are made.
const PIECES: &str = "(HEARTBEAT|heartbeat|PULSE|every=|name=|seq=|bye|30s|\"|'|\\{|\\}|\\[|\\]|\\(|:|,|=|\\||/|\\\\|\\\\u001b\\[|\\\\ud800|\u{1b}|\u{9b}|\u{0}|\u{feff}|\u{a0}|\n|\r| |msg|message|fields|record|@mt|[a-z0-9]{1,4}|\u{e9}|\u{1f493})";

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(&bytes, SUBJECT, &markers(), |_| {});
    }

    #[test]
    fn any_pieces_are_read_in_text_and_in_json(pieces in prop::collection::vec(PIECES, 0..40)) {
        let text = pieces.concat();
        payload(text.as_bytes());
        payload(&envelope(&text));
        let object = serde_json::json!({"msg": text, "every": text, "name": text, "@mt": text, "fields": {"message": text}});
        payload(object.to_string().as_bytes());
        let cut = object.to_string();
        let end = (0..=cut.len() / 2).rev().find(|&at| cut.is_char_boundary(at)).unwrap_or(0);
        payload(&cut.as_bytes()[..end]);
    }

    #[test]
    fn prose_is_no_beat(
        before in prop::collection::vec("[a-z]{2,9}", 1..6),
        marker in "HEARTBEAT|heartbeat|Heartbeat",
        behind in prop::collection::vec("[a-z]{4,9}", 1..6),
    ) {
        let text = format!("{} {marker} {}", before.join(" "), behind.join(" "));
        let known = ["debug", "info", "notice", "warn", "error", "err", "crit", "alert", "fatal", "panic", "trace"];
        prop_assume!(!before.iter().all(|word| known.contains(&word.as_str()) || word.len() < 6));
        let json = serde_json::json!({"level": "info", "msg": text}).to_string();
        for line in [&text, &json] {
            let read = message(line);
            prop_assert_eq!(read.beats.len(), 0, "{}", line);
        }
    }

    #[test]
    fn a_path_or_a_value_is_no_beat(
        before in "([a-zA-Z]{1,8} ){0,4}",
        key in "apiKey=|type=|/|/v1/|x\\.|a-|path=/|\\?q=|@|#",
        behind in "( [a-z0-9]{1,8}){0,3}",
    ) {
        let text = format!("{before}{key}HEARTBEAT{behind}");
        prop_assert_eq!(message(&text).beats.len(), 0, "{}", text);
    }

    #[test]
    fn keys_survive_any_process_manager(
        process in "[a-z][a-z0-9_.-]{0,12}",
        blanks in "[ \t\u{a0}]{1,4}",
        name in "[a-z][a-z0-9_-]{0,12}",
        seq in any::<u64>(),
        every in 1_u64..100_000,
        colour in "\u{1b}\\[[0-9;]{0,6}m|\u{1b}\\(B|\u{1b}7|",
    ) {
        let beat = format!("{colour}HEARTBEAT{colour} every={every}s name={name} seq={seq}{colour}");
        let object = serde_json::json!({"msg": "HEARTBEAT", "every": format!("{every}s"), "name": name, "seq": seq});
        for text in [
            format!("{process}{blanks}|{blanks}{beat}"),
            format!("[{process}]{blanks}{beat}"),
            format!("{process}:{blanks}{beat}"),
            format!("{process}{blanks}|{blanks}{object}"),
        ] {
            let read = message(&text);
            prop_assert_eq!(read.beats.len(), 1, "{}", text);
            let beat = &read.beats[0];
            prop_assert_eq!((&*beat.name, beat.seq), (&*name, Some(seq)), "{}", text);
            prop_assert_eq!(beat.every.map(|every| every.as_secs()), Some(every), "{}", text);
        }
    }
}
