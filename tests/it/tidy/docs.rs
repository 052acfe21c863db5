//! The documentation: links that lead somewhere, headings, answers that name files, and one placeholder.

use super::markdown::{anchors, parse, section};
use super::{File, files, holds_of_pages, pages, read};
use crate::support::testbed::project;
use std::collections::BTreeSet;
use std::fs;

/// Lines of the README at most: people read one screen, then follow a link.
const README_LINES: usize = 280;
/// Bytes of the picture in the README at most.
const PICTURE_BYTES: u64 = 150_000;
/// The page for people who change the code.
const CONTRIBUTING: &str = "docs/contributing.md";
/// Stands for the account that hosts the project.
const PLACEHOLDER: &str = concat!("OWN", "ER");

#[test]
fn every_link_leads_somewhere() {
    holds_of_pages(links_lead_somewhere);
}

fn links_lead_somewhere(name: &str, text: &str) -> Vec<String> {
    let links = parse(text).links.into_iter();
    let faults = links.filter_map(|(line, link)| Some((line, astray(name, text, &link)?, link)));
    faults
        .map(|(line, fault, link)| format!("{name}:{line}: {link}: {fault}"))
        .collect()
}

/// The fault of a link of a page; addresses of other hosts are not followed.
fn astray(name: &str, text: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() {
        name.to_owned()
    } else {
        beside(name, path)?
    };
    if !path.is_empty() && !project().join(&target).exists() {
        return Some(format!("{target} does not exist"));
    }
    if anchor.is_empty() {
        return None;
    }
    if !target.ends_with(".md") {
        return Some(format!("{target} has no headings"));
    }
    let known = if path.is_empty() {
        anchors(text)
    } else {
        anchors(&read(&target).text)
    };
    (!known.contains(anchor)).then(|| format!("{target} has no such heading"))
}

/// A path as a page names it, from the project's folder; a path above that folder has none.
fn beside(page: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let faults = |link: &str| links_lead_somewhere("docs/x.md", &format!("# Here\n[x]({link})"));
    for link in [
        "missing.md",
        "#there",
        "../README.md#no-such-heading",
        "../Cargo.toml#package",
        "../docs",
    ] {
        let expected = usize::from(link != "../docs");
        assert_eq!(faults(link).len(), expected, "{link}");
    }
    for link in ["#here", "../README.md", "https://example.com/x#y"] {
        assert_eq!(faults(link), [""; 0], "{link}");
    }
}

#[test]
fn no_code_in_a_line_of_text_is_left_open() {
    holds_of_pages(code_is_closed);
}

/// A span over the end of a line would hide links and commands from the other checks.
fn code_is_closed(name: &str, text: &str) -> Vec<String> {
    let mut fenced = false;
    let open = (1..).zip(text.lines()).filter(|(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence && line.matches('`').count() % 2 == 1
    });
    open.map(|(number, _)| format!("{name}:{number}: ` without its second one on the line"))
        .collect()
}

#[test]
fn code_that_is_left_open_is_found() {
    assert_eq!(code_is_closed("x.md", "a `b\nc` d").len(), 2);
    assert_eq!(code_is_closed("x.md", "a `b` c\n```\n`\n```"), [""; 0]);
}

#[test]
fn the_readme_fits_and_names_the_two_commands_of_a_newcomer() {
    let faults = fits_a_newcomer("README.md", &read("README.md").text);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let picture = fs::metadata(project().join("docs/page.png")).expect("the picture is there");
    assert!(picture.len() <= PICTURE_BYTES, "{} bytes", picture.len());
}

fn fits_a_newcomer(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > README_LINES {
        faults.push(format!("{name}: {lines} lines, at most {README_LINES}"));
    }
    let blocks = parse(text).blocks;
    let shown: BTreeSet<&str> = blocks.iter().flat_map(|block| block.text.lines()).collect();
    for command in ["cargo run --release -- demo", "tests/run"] {
        if !shown.contains(command) {
            faults.push(format!("{name}: {command} is not shown"));
        }
    }
    faults
}

#[test]
fn a_readme_that_does_not_fit_is_found() {
    let good = "```sh\ncargo run --release -- demo\n```\n```sh\ntests/run\n```\n";
    assert_eq!(fits_a_newcomer("x.md", good), [""; 0]);
    let long = format!("{good}{}", "\n".repeat(README_LINES));
    for bad in [&long, "tests/run\n```sh\ncargo run --release -- demo\n```"] {
        assert_eq!(fits_a_newcomer("x.md", bad).len(), 1);
    }
}

#[test]
fn every_page_is_reached_from_the_readme() {
    assert_eq!(unreached(&pages()), [""; 0]);
}

/// Pages that no chain of links from the README reaches; the changelog and `.github` are found without one.
fn unreached(pages: &[File]) -> Vec<String> {
    let mut reached = BTreeSet::from(["README.md".to_owned()]);
    let mut unread = vec!["README.md".to_owned()];
    while let Some(name) = unread.pop() {
        let page = pages.iter().find(|page| page.name == name);
        let links = page.map(|page| parse(&page.text).links).unwrap_or_default();
        for (_, link) in links {
            let path = link.split('#').next().unwrap_or_default();
            let target = beside(&name, path).unwrap_or_default();
            if target.ends_with(".md") && reached.insert(target.clone()) {
                unread.push(target);
            }
        }
    }
    let names = pages.iter().map(|page| page.name.clone());
    names
        .filter(|name| name.starts_with("docs/") && !reached.contains(name))
        .collect()
}

#[test]
fn a_page_that_no_link_reaches_is_found() {
    let page = |name: &str, text: &str| File {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let pages = [
        page("README.md", "[a](docs/a.md#x)"),
        page("docs/a.md", "[b](b.md) [r](../README.md)"),
        page("docs/b.md", "`[c](c.md)`"),
        page("docs/c.md", "[a](a.md)"),
    ];
    assert_eq!(unreached(&pages), ["docs/c.md"]);
}

#[test]
fn each_question_about_the_code_is_answered_by_a_file() {
    let text = read(CONTRIBUTING).text;
    let faults = questions_are_answered(&text);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The table of questions: ten, each with the path of one file in the product.
fn questions_are_answered(text: &str) -> Vec<String> {
    let Some(table) = section(text, "Ten questions") else {
        return vec![format!("{CONTRIBUTING} has no section \"Ten questions\"")];
    };
    let rows = parse(table).rows;
    let rows: Vec<&Vec<String>> = rows.iter().map(|(_, cells)| cells).skip(1).collect();
    let mut faults = Vec::new();
    if rows.len() != 10 {
        faults.push(format!("{} questions", rows.len()));
    }
    for cells in rows {
        let [question, answer] = &cells[..] else {
            faults.push(format!("{cells:?}: a question and a file"));
            continue;
        };
        let path = answer
            .strip_prefix("[`")
            .and_then(|rest| rest.split_once("`]("));
        let Some((path, link)) = path else {
            faults.push(format!("{question}: {answer}: write [`PATH`](../PATH)"));
            continue;
        };
        if link != format!("../{path})") {
            faults.push(format!("{question}: {path} links to {link}"));
        }
        if !path.starts_with("src/") || !project().join(path).is_file() {
            faults.push(format!("{question}: {path} is not a file of the product"));
        }
    }
    faults
}

#[test]
fn an_answer_that_names_no_file_is_found() {
    let faults = |rows: &str| {
        questions_are_answered(&format!("## Ten questions\n| q | a |\n|---|---|\n{rows}"))
    };
    let good = "| Where? | [`src/lib.rs`](../src/lib.rs) |\n";
    assert_eq!(faults(&good.repeat(10)), [""; 0]);
    for bad in [
        "| Where? | [`src/no.rs`](../src/no.rs) |\n",
        "| Where? | [`src/lib.rs`](../src/main.rs) |\n",
        "| Where? | src/lib.rs |\n",
        "| Where? | [`src`](../src) |\n",
    ] {
        assert_eq!(faults(&(good.repeat(9) + bad)).len(), 1, "{bad}");
    }
    assert_eq!(faults(&good.repeat(9)).len(), 1);
    assert_eq!(questions_are_answered("# Other").len(), 1);
}

/// Everything else derives the address from the workflow that releases it, or names a path.
#[test]
fn the_placeholder_of_the_host_stands_in_one_place() {
    let mut all = pages();
    for folder in [
        "deploy",
        "dashboards",
        "rules",
        ".github",
        "tests",
        "benches",
        "src",
    ] {
        all.extend(files(
            folder,
            &["rs", "toml", "yaml", "yml", "json", "service", "py", "sh"],
        ));
    }
    all.extend(["Cargo.toml", "Dockerfile", "fly.toml"].map(read));
    let places: Vec<String> = all
        .iter()
        .flat_map(|file| placeholders(&file.name, &file.text))
        .collect();
    assert_eq!(places.len(), 1, "{places:#?}");
    assert!(places[0].starts_with("README.md:"), "{places:#?}");
}

fn placeholders(name: &str, text: &str) -> Vec<String> {
    let word = |line: &str| {
        line.split(|char: char| !char.is_ascii_alphanumeric())
            .filter(|word| *word == PLACEHOLDER)
            .count()
    };
    let lines = (1..).zip(text.lines());
    lines
        .flat_map(|(number, line)| vec![format!("{name}:{number}"); word(line)])
        .collect()
}

#[test]
fn a_second_placeholder_is_found() {
    let line = format!("a {PLACEHOLDER}/x {PLACEHOLDER} {PLACEHOLDER}S");
    assert_eq!(placeholders("x", &line), ["x:1", "x:1"]);
}

#[test]
fn the_schema_for_editors_is_that_of_the_program() {
    let file =
        fs::read_to_string(project().join("rules/schema.json")).expect("the schema is there");
    assert!(
        file == lastbeat::decode::rules_file::schema(),
        "write it anew: lastbeat check --schema > rules/schema.json"
    );
    for name in ["10-examples.toml", "90-default.toml"] {
        let text = fs::read_to_string(project().join("rules").join(name)).expect("rules");
        assert!(text.starts_with("#:schema schema.json\n"), "{name}");
    }
}
