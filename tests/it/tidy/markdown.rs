//! Markdown as far as the checks need it: headings and their anchors, links, code.

use std::collections::BTreeSet;

/// A page of the documentation, taken apart. Lines count from 1.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Headings without their signs, and their lines.
    pub headings: Vec<(usize, String)>,
    /// Targets of links and pictures.
    pub links: Vec<(usize, String)>,
    /// Code within a line of text.
    pub spans: Vec<(usize, String)>,
    /// Rows of tables, cell by cell; the row below the heads is left out.
    pub rows: Vec<(usize, Vec<String>)>,
    /// Blocks of code.
    pub blocks: Vec<Block>,
}

/// A block of code between fences.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The line of its opening fence.
    pub line: usize,
    /// The word behind the opening fence.
    pub language: String,
    /// Its content.
    pub text: String,
}

/// Takes a page apart.
pub fn parse(text: &str) -> Page {
    let mut page = Page::default();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            match open.take() {
                Some(block) => page.blocks.push(block),
                None => {
                    open = Some(Block {
                        line: number,
                        language: language.trim().to_owned(),
                        text: String::new(),
                    });
                }
            }
        } else if let Some(block) = &mut open {
            block.text.push_str(line);
            block.text.push('\n');
        } else {
            page.line(number, line);
        }
    }
    page
}

impl Page {
    fn line(&mut self, number: usize, line: &str) {
        if line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim().to_owned();
            self.headings.push((number, heading));
        }
        let mut prose = String::new();
        for (index, part) in line.split('`').enumerate() {
            if index % 2 == 1 {
                self.spans.push((number, part.to_owned()));
            } else {
                prose.push_str(part);
            }
        }
        for (opening, closing) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            let targets = prose.split(opening).skip(1);
            let targets = targets.filter_map(|rest| rest.split(closing).next());
            self.links
                .extend(targets.map(|target| (number, target.to_owned())));
        }
        if let Some(row) = line.trim().strip_prefix('|') {
            let cells = cells(row.trim_end_matches('|'));
            if !cells.iter().all(|cell| cell.starts_with("---")) {
                self.rows.push((number, cells));
            }
        }
    }
}

/// The cells of a row; `\|` stands for the sign itself.
fn cells(row: &str) -> Vec<String> {
    let row = row.replace("\\|", "\u{0}");
    let cells = row.split('|');
    cells
        .map(|cell| cell.trim().replace('\u{0}', "|"))
        .collect()
}

/// The anchors of all headings, as GitHub makes them.
pub fn anchors(text: &str) -> BTreeSet<String> {
    let headings = parse(text).headings.into_iter();
    headings.map(|(_, heading)| anchor(&heading)).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|char| match char {
        ' ' => Some('-'),
        char if char.is_alphanumeric() || "-_".contains(char) => Some(char.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

/// The text of the section below a heading, up to the next heading of any level.
pub fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let mut fenced = false;
    let (mut start, mut at) = (None, 0);
    for line in text.split_inclusive('\n') {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced && line.starts_with('#') {
            if let Some(start) = start {
                return Some(&text[start..at]);
            }
            if line.trim_start_matches('#').trim() == heading {
                start = Some(at + line.len());
            }
        }
        at += line.len();
    }
    start.map(|start| &text[start..])
}

#[test]
fn a_page_is_taken_apart() {
    let page = parse(
        "# A `b` c\n[x](y.md#z) `[no](link)` ![p](p.png)\n| a | `b\\|c` |\n| --- | --- |\n```sh\n# no heading\n```\n",
    );
    assert_eq!(page.headings, [(1, "A `b` c".to_owned())]);
    let links = [(2, "y.md#z".to_owned()), (2, "p.png".to_owned())];
    assert_eq!(page.links, links);
    assert_eq!(page.rows, [(3, vec!["a".to_owned(), "`b|c`".to_owned()])]);
    assert_eq!(page.blocks.len(), 1);
    assert_eq!(page.blocks[0].text, "# no heading\n");
    assert_eq!(page.blocks[0].language, "sh");
    let spans: Vec<&str> = page.spans.iter().map(|(_, span)| &**span).collect();
    assert_eq!(spans, ["b", "[no](link)", "b\\|c"]);
}

#[test]
fn anchors_are_those_of_the_host() {
    let found = anchors("# One two\n## `max_gap = \"auto\"`\n### Fly.io: a-b");
    let expected = ["one-two", "max_gap--auto", "flyio-a-b"].map(str::to_owned);
    assert_eq!(found, BTreeSet::from(expected));
}

#[test]
fn a_section_ends_at_the_next_heading() {
    let text = "# a\n1\n```\n# b\n```\n## b\n2\n";
    assert_eq!(section(text, "a"), Some("1\n```\n# b\n```\n"));
    assert_eq!(section(text, "b"), Some("2\n"));
    assert_eq!(section(text, "c"), None);
}
