//! What strangers send, read as lastbeat reads it. Each function takes any bytes, must not panic, and must not take long.

use lastbeat::core::time::Wall;
use lastbeat::decode::archive_line::{self, ArchiveLine};
use lastbeat::decode::api_query::{self, FromQuery, InstanceQuery, ReportQuery, TailQuery};
use lastbeat::decode::beat::{self, Markers};
use lastbeat::decode::inventory::machines::{self, Pages};
use lastbeat::decode::inventory::txt;
use lastbeat::decode::{json_entry, lifecycle, log_line, rules_file, silence_request, subject, test_file};
use lastbeat::io::archive::frames;
use lastbeat::io::archive::index::{Frame, Index};

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, fn(&[u8])); 7] = [
    ("entry", entry),
    ("rules", rules),
    ("test_file", rules_test),
    ("query", query),
    ("silence", silence),
    ("inventory", inventory),
    ("archive", archive),
];

const NOW: Wall = Wall::from_nanos(1_700_000_000_000_000_000);

/// A subject up to the first line break, then a payload.
pub fn entry(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (raw, payload) = bytes.split_at(end.unwrap_or(0));
    let payload = payload.strip_prefix(b"\n").unwrap_or(payload);
    let raw = String::from_utf8_lossy(raw);
    // Broken subjects and payloads are refused.
    let _ = subject::read(&raw);
    let markers = Markers::new(&["HEARTBEAT".to_owned(), "PULSE".to_owned()]);
    let mut found = 0_usize;
    beat::read(payload, &raw, &markers, |_| found += 1);
    assert!(found <= payload.len(), "more beats than bytes");
    let provider = log_line::provider(payload);
    log_line::tail_time(payload);
    if lifecycle::may_be_in(provider, payload)
        && let Ok(line) = log_line::read(payload)
    {
        lifecycle::read(provider, &line.message, "148e");
    }
}

/// A file of rules.
pub fn rules(bytes: &[u8]) {
    let reading = rules_file::read(&[("rules.toml".to_owned(), bytes.to_vec())]);
    for fault in &reading.faults {
        assert!(!fault.to_string().is_empty());
    }
}

/// A file of `lastbeat test`.
pub fn rules_test(bytes: &[u8]) {
    if let Err(faults) = test_file::read("test.toml", bytes) {
        assert!(!faults.is_empty());
    }
}

/// The query of an address.
pub fn query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = TailQuery::from_query(&text);
    let _ = InstanceQuery::from_query(&text);
    let _ = ReportQuery::from_query(&text);
    let _ = api_query::incident(&text);
}

/// The body of a request for a silence.
pub fn silence(bytes: &[u8]) {
    match silence_request::read(bytes, NOW) {
        Ok(request) => {
            assert!(request.ends > request.starts && request.ends > NOW);
            assert!(!request.reason.is_empty() && !request.author.is_empty());
            assert!(!request.reason.chars().any(char::is_control));
        }
        Err(faults) => assert!(!faults.is_empty()),
    }
}

/// Answers of the inventory: a page of the Machines API, and texts of DNS, one a line.
pub fn inventory(bytes: &[u8]) {
    let mut pages = Pages::default();
    if pages.add(bytes).is_ok() {
        pages.finish();
    }
    let _ = machines::last_exit(bytes);
    let texts: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    txt::machines(&txt::instances(&texts), &txt::vms("web", &texts));
    txt::apps(&texts);
}

/// A file of the archive: its lines, as a search and a replay read them; the frames of a sealed one whose index is lost. Also
/// lines of other tools, which a replay takes too.
pub fn archive(bytes: &[u8]) {
    for line in archive_line::lines(bytes) {
        archive_line::time_of(line);
        archive_line::is_escaped(line);
        let Some(ArchiveLine::Entry(entry)) = archive_line::read(line) else {
            continue;
        };
        assert_eq!(archive_line::arrival(line), Some(entry.at));
        if entry.at.nanos() == u64::MAX {
            // Later than any clock shows; it is taken for the latest time there is.
            continue;
        }
        // What was read is written as what reads the same.
        let (mut again, at) = (Vec::new(), archive_line::arrival_text(entry.at));
        if archive_line::write_entry(&mut again, &at, entry.subject, &entry.payload) {
            let again = archive_line::read(again.strip_suffix(b"\n").unwrap_or_default());
            assert_eq!(again, Some(ArchiveLine::Entry(entry)));
        }
    }
    for line in bytes.split(|byte| *byte == b'\n') {
        let _ = json_entry::read(line, "web");
    }
    let (index, _) = frames::scan(bytes);
    let end = |frame: &Frame| frame.at + frame.bytes;
    assert!(index.frames.iter().all(|frame| end(frame) <= bytes.len() as u64));
    let _ = Index::length(bytes);
    let _ = Index::decode(bytes, 0);
}
