//! Plain English: a doc comment, a line of help and a heading begin with their subject or verb.

use super::markdown::parse;
use super::{holds, holds_of_pages};

/// Words that begin no doc comment and no heading: they make a riddle of a sentence.
const RIDDLES: [&str; 6] = ["Who", "Whom", "Whose", "What", "Whether", "How"];

#[test]
fn doc_comments_begin_with_their_subject() {
    holds(&["src"], doc_begins_with_its_subject);
}

fn doc_begins_with_its_subject(name: &str, text: &str) -> Vec<String> {
    let lines = (1..).zip(text.lines());
    let faults = lines.filter_map(|(number, line)| {
        let line = line.trim_start();
        let doc = line.strip_prefix("///").or(line.strip_prefix("//!"))?;
        let word = riddle(doc)?;
        Some(format!("{name}:{number}: a doc comment begins with {word}"))
    });
    faults.collect()
}

/// The first word of a text, where it is one of [`RIDDLES`].
fn riddle(text: &str) -> Option<&'static str> {
    let word = text
        .trim_start()
        .split(|char: char| !char.is_alphanumeric())
        .next()?;
    RIDDLES.into_iter().find(|riddle| *riddle == word)
}

#[test]
fn a_doc_comment_that_makes_a_riddle_is_found() {
    for riddle in RIDDLES {
        for line in [
            format!("/// {riddle} often."),
            format!("    //! {riddle}, and more"),
        ] {
            let found = doc_begins_with_its_subject("src/x.rs", &format!("fn a() {{}}\n{line}"));
            assert_eq!(found.len(), 1, "{line}");
        }
    }
    for line in [
        "/// Interval between two beats.",
        "/// Whatever is left.",
        "/// However often.",
        "// What an ordinary comment says.",
        "/// The app, whose name it is.",
    ] {
        assert_eq!(
            doc_begins_with_its_subject("src/x.rs", line),
            [""; 0],
            "{line}"
        );
    }
}

#[test]
fn headings_begin_with_their_subject() {
    holds_of_pages(heading_begins_with_its_subject);
}

fn heading_begins_with_its_subject(name: &str, text: &str) -> Vec<String> {
    let headings = parse(text).headings.into_iter();
    let faults = headings.filter_map(|(number, heading)| {
        Some(format!(
            "{name}:{number}: a heading begins with {}",
            riddle(&heading)?
        ))
    });
    faults.collect()
}

#[test]
fn a_heading_that_makes_a_riddle_is_found() {
    for heading in ["# Who is told", "### How fast", "## Whether it works"] {
        let found = heading_begins_with_its_subject("x.md", heading);
        assert_eq!(found.len(), 1, "{heading}");
    }
    let good = "# Notifications\n```sh\n# What a comment says\n```\nHow a text begins";
    assert_eq!(heading_begins_with_its_subject("x.md", good), [""; 0]);
}
