//! Rules that reading alone can check: the layers, the files, the language, the documentation. Each rule is a function
//! of a file's name and text, and each has an example at which it fails.

mod circles;
mod code;
mod command_lines;
mod docs;
mod examples;
mod guide;
mod language;
mod layers;
pub mod markdown;
mod numbers;
mod paths;
mod pinned;

use crate::support::testbed::project;
use std::fs;

/// A file of the project.
struct File {
    /// Its path from the project's folder.
    name: String,
    /// Its content.
    text: String,
}

/// Fails with every fault of every Rust file of these folders, and of the file that declares each (`core.rs` beside
/// `core/`).
#[track_caller]
fn holds(folders: &[&str], rule: fn(&str, &str) -> Vec<String>) {
    let rust: Vec<File> = folders
        .iter()
        .flat_map(|folder| {
            let own = project().join(format!("{folder}.rs"));
            let own = own.is_file().then(|| read(&format!("{folder}.rs")));
            files(folder, &["rs"]).into_iter().chain(own)
        })
        .collect();
    assert!(
        !rust.is_empty(),
        "no files in {folders:?}: has the layout changed?"
    );
    without_faults(&rust, rule);
}

/// Fails with every fault of every page of the documentation.
#[track_caller]
fn holds_of_pages(rule: impl Fn(&str, &str) -> Vec<String>) {
    without_faults(&pages(), rule);
}

#[track_caller]
fn without_faults(files: &[File], rule: impl Fn(&str, &str) -> Vec<String>) {
    let faults: Vec<String> = files
        .iter()
        .flat_map(|file| rule(&file.name, &file.text))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The documentation: every Markdown file that people read.
fn pages() -> Vec<File> {
    let mut pages: Vec<File> = ["README.md", "CHANGELOG.md"].map(read).into();
    pages.extend(files("docs", &["md"]));
    pages.extend(files(".github", &["md"]));
    assert!(pages.len() > 8, "the documentation has moved");
    pages
}

fn read(name: &str) -> File {
    let text = fs::read_to_string(project().join(name))
        .unwrap_or_else(|error| panic!("cannot read {name}: {error}"));
    File {
        name: name.to_owned(),
        text,
    }
}

/// Every file below a folder of the project whose name has one of these endings.
fn files(folder: &str, endings: &[&str]) -> Vec<File> {
    let Ok(entries) = fs::read_dir(project().join(folder)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(&name, endings));
        } else if endings
            .iter()
            .any(|ending| name.ends_with(&format!(".{ending}")))
        {
            found.push(read(&name));
        }
    }
    found
}
