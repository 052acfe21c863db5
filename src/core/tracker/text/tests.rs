use crate::core::tracker::text::*;
use proptest::collection::vec;

#[test]
fn a_handle_is_fifteen_bytes_and_slots_are_used_again() {
    assert_eq!(size_of::<Text>(), 15);
    let mut texts = Texts::default();
    for round in 0..100 {
        let all = [0, 13, 14, 15, 31, 32, 63, 64, 128, 135, 136, 400].map(|length| {
            let text = format!("{round}ä{}", "x".repeat(length));
            let text = cut(&text, length).to_owned();
            (texts.put(&text), text)
        });
        for (kept, text) in all {
            assert_eq!(texts.get(&kept), cut(&text, LONGEST));
            texts.drop(kept);
        }
    }
    let slots = texts.0.each_ref().map(|slots| slots.bytes.len());
    assert_eq!(slots, [2 * 32, 2 * 64, 5 * 136], "of the first round alone");
}

#[test]
fn beats_that_differ_in_their_count_alone_share_a_phrase() {
    let mut phrases = Phrases::default();
    let said: Vec<PhraseId> = (0..1000)
        .map(|seq| phrases.say(0, &format!("HEARTBEAT seq={seq} every=30s"), Some(seq)))
        .collect();
    assert!(said.iter().all(|&id| id == said[0]));
    assert_eq!(
        phrases.text(said[0], Some(77)),
        "HEARTBEAT seq=77 every=30s"
    );
    assert_eq!(phrases.rows[said[0] as usize].uses, 1000);
    said.iter().for_each(|&id| phrases.unsay(id));
    assert_eq!((phrases.table.len(), phrases.free.len()), (0, 1));
}

#[test]
fn who_says_the_same_as_before_is_known_without_a_search() {
    let mut phrases = Phrases::default();
    let before = phrases.say(0, "HEARTBEAT seq=9 x", Some(9));
    let at = phrases.sought.as_ptr();
    phrases.sought.clear();
    for (text, count, same) in [
        ("HEARTBEAT seq=10 x", Some(10), true),
        ("HEARTBEAT seq=18446744073709551615 x", Some(u64::MAX), true),
        ("HEARTBEAT seq=0 x", Some(0), true),
        ("HEARTBEAT seq=010 x", Some(10), false),
        ("HEARTBEAT seq= x", Some(0), false),
        ("HEARTBEAT seq=11 x", Some(10), false),
        ("HEARTBEAT seq=1 x", Some(11), false),
        ("HEARTBEAT seq=10 x", None, false),
        ("HEARTBEAT seq=10 xx", Some(10), false),
        ("HEARTBEAT seq=10", Some(10), false),
        ("HEARTBEAT seq=\u{1a} x", None, false),
    ] {
        let known = phrases.texts.bytes(&phrases.rows[before as usize].text);
        assert_eq!(says(known, text.as_bytes(), count), same, "{text:?}");
        if same {
            assert_eq!(phrases.say(before, text, count), before);
        }
    }
    assert!(phrases.sought.is_empty() && phrases.sought.as_ptr() == at);
}

proptest::proptest! {
    /// Whatever beats say in whatever order, each has its own last text, and no other text is kept.
    #[test]
    fn each_beat_has_its_own_last_words(
        said in vec((0..8_usize, "[a-c\u{1a}]{0,3}( seq=0?[0-9\u{1a}]{1,3}){0,2}", proptest::option::of(0..1000_u64)), 0..200),
    ) {
        let mut phrases = Phrases::default();
        let mut beats = vec![(0, None, String::new()); 8];
        for (beat, text, count) in said {
            let before: PhraseId = beats[beat].0;
            let phrase = phrases.say(before, &text, count);
            beats[beat] = (phrase, count, text.replace(COUNT, ""));
        }
        let mut distinct = std::collections::BTreeSet::new();
        for (phrase, count, text) in &beats {
            proptest::prop_assert_eq!(&phrases.text(*phrase, *count), text);
            distinct.insert(*phrase);
        }
        distinct.remove(&0);
        proptest::prop_assert_eq!(phrases.table.len(), distinct.len());
        proptest::prop_assert_eq!(phrases.rows.len() - phrases.free.len(), distinct.len() + 1);
    }
}
