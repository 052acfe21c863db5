use super::frames::FRAME_BYTES;
use super::reader::SegmentReader;
use super::search::{Finds, Place, Query, Searched, search};
use super::segment::{Form, Segment, Stem, readable};
use super::writer::Writer;
use super::{recovery, seal};
use crate::core::rule::Globs;
use crate::core::time::Wall;
use crate::decode::archive_line::{ArchivedEntry, Mark, arrival_text, write_entry, write_mark};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const START: Wall = Wall::from_nanos(1_769_860_800_000_000_000);

/// A folder of a test, removed at its end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lastbeat-archive-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder can be made");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn at(second: u64) -> Wall {
    START + Duration::from_secs(second)
}

/// The payload of an entry; every seventh holds a newline.
fn payload(number: u64) -> String {
    let beyond = if number.is_multiple_of(7) {
        "\nmore"
    } else {
        ""
    };
    format!("{{\"message\":\"entry {number} of many\"}}{beyond}")
}

/// Entries of two apps by turns, one a second, with this number of bytes in all at least.
fn lines(first: u64, bytes: usize) -> (Vec<u8>, u64) {
    let (mut out, mut number) = (Vec::new(), first);
    while out.len() < bytes {
        let subject = ["logs.web.iad.a", "logs.api.lhr.b"][(number % 2) as usize];
        write_entry(
            &mut out,
            &arrival_text(at(number)),
            subject,
            payload(number).as_bytes(),
        );
        number += 1;
    }
    (out, number)
}

/// A plain segment of some bytes; gives the number after its last entry.
fn plain(folder: &Path, first: u64, bytes: usize) -> (Stem, u64) {
    let mut writer = Writer::create(folder, at(first)).expect("a segment");
    let (lines, next) = lines(first, bytes);
    writer.append(&lines).expect("written");
    (writer.stem().clone(), next)
}

#[derive(Default)]
struct Found {
    payloads: Vec<String>,
    marks: Vec<String>,
    most: usize,
}

impl Finds for Found {
    fn entry(&mut self, entry: &ArchivedEntry<'_>) -> ControlFlow<()> {
        self.payloads
            .push(String::from_utf8_lossy(&entry.payload).into_owned());
        if self.most > 0 && self.payloads.len() >= self.most {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn mark(&mut self, _: Wall, mark: &Mark<'_>) -> ControlFlow<()> {
        self.marks.push(format!("{mark:?}"));
        ControlFlow::Continue(())
    }
}

fn find(
    folder: &Path,
    query: &Query,
    from: Option<&Place>,
    most: usize,
) -> (Vec<String>, Searched) {
    let mut found = Found {
        most,
        ..Found::default()
    };
    let segments = readable(folder).expect("the folder is there");
    let searched = search(&segments, query, from, &mut found).expect("it is readable");
    (found.payloads, searched)
}

fn expected(numbers: impl Iterator<Item = u64>) -> Vec<String> {
    numbers.map(payload).collect()
}

#[test]
fn a_sealed_segment_gives_what_was_written_and_is_zstd_for_everyone() {
    let folder = Folder::new();
    let (stem, next) = plain(&folder.0, 0, 3 * FRAME_BYTES + 1000);
    let before = fs::read(stem.plain(&folder.0)).expect("it is there");
    let mut pauses = 0;
    seal::seal(&folder.0, &stem, || pauses += 1).expect("sealed");
    assert!(!stem.plain(&folder.0).exists() && !stem.sealing(&folder.0).exists());
    let sealed = fs::read(stem.sealed(&folder.0)).expect("it is there");
    assert!(
        pauses >= 2 && sealed.len() < before.len() / 5,
        "{} bytes",
        sealed.len()
    );
    let whole = zstd::stream::decode_all(&sealed[..]).expect("any decoder reads it");
    assert!(whole == before, "other bytes");
    let (found, searched) = find(&folder.0, &Query::default(), None, 0);
    assert_eq!(found, expected(0..next));
    assert!(searched.is_done && searched.damaged == 0);
}

#[test]
fn frames_that_the_index_rules_out_are_not_read() {
    let folder = Folder::new();
    let (stem, next) = plain(&folder.0, 0, 3 * FRAME_BYTES);
    seal::seal(&folder.0, &stem, || {}).expect("sealed");
    let late = Query {
        since: Some(at(next - 10)),
        ..Query::default()
    };
    let (found, searched) = find(&folder.0, &late, None, 0);
    assert_eq!(found, expected(next - 10..next));
    assert!(
        searched.read <= 2 * FRAME_BYTES as u64,
        "{} bytes",
        searched.read
    );
    let other = Query {
        app: Globs(vec!["other".to_owned()]),
        ..Query::default()
    };
    let (found, searched) = find(&folder.0, &other, None, 0);
    assert_eq!((found.len(), searched.read), (0, 0));
}

#[test]
fn a_search_selects_by_subject_text_time_and_level() {
    let folder = Folder::new();
    let (stem, next) = plain(&folder.0, 0, 10_000);
    let regex = regex::bytes::Regex::new("entry (3|5) ").expect("valid");
    for sealed in [false, true] {
        if sealed {
            seal::seal(&folder.0, &stem, || {}).expect("sealed");
        }
        let glob = |glob: &str| Globs(vec![glob.to_owned()]);
        let text = |text: &str| Query {
            text: Some(text.to_owned()),
            ..Query::default()
        };
        for (query, numbers) in [
            (
                Query {
                    app: glob("w*"),
                    ..Query::default()
                },
                (0..next).step_by(2).collect(),
            ),
            (
                Query {
                    instance: glob("b"),
                    ..Query::default()
                },
                (1..next).step_by(2).collect(),
            ),
            (
                Query {
                    region: glob("!iad"),
                    ..Query::default()
                },
                (1..next).step_by(2).collect(),
            ),
            (text("entry 12 "), vec![12]),
            (text("}\nmo"), (0..next).step_by(7).collect()),
            (text("logs.web"), vec![]),
            (
                Query {
                    until: Some(at(3)),
                    ..Query::default()
                },
                vec![0, 1, 2],
            ),
            (
                Query {
                    regex: Some(regex.clone()),
                    ..Query::default()
                },
                vec![3, 5],
            ),
            (
                Query {
                    levels: vec!["error".to_owned()],
                    ..Query::default()
                },
                vec![],
            ),
        ] {
            let (found, _) = find(&folder.0, &query, None, 0);
            assert_eq!(
                found,
                expected(numbers.into_iter()),
                "{query:?} sealed: {sealed}"
            );
        }
    }
}

#[test]
fn a_cursor_goes_on_where_the_page_before_ended_also_when_the_segment_was_sealed_meanwhile() {
    let folder = Folder::new();
    let (first, middle) = plain(&folder.0, 0, 20_000);
    let (_, next) = plain(&folder.0, middle, 20_000);
    let (mut all, mut from) = (Vec::new(), None);
    for page in 0.. {
        if page == 2 {
            seal::seal(&folder.0, &first, || {}).expect("sealed");
        }
        let (found, searched) = find(&folder.0, &Query::default(), from.as_ref(), 37);
        all.extend(found);
        let place = searched.next.expect("there are segments");
        assert_eq!(Place::parse(&place.text()), Some(place.clone()));
        from = Some(place);
        if searched.is_done {
            break;
        }
    }
    assert_eq!(all, expected(0..next));
    let (more, _) = find(&folder.0, &Query::default(), from.as_ref(), 0);
    assert_eq!(more, [""; 0], "nothing is found twice");
}

#[test]
fn marks_are_found_only_where_they_are_asked_for() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.0, START).expect("a segment");
    let mut lines = Vec::new();
    write_mark(&mut lines, START, &Mark::Start("1"));
    write_mark(&mut lines, START, &Mark::Lost(3));
    writer.append(&lines).expect("written");
    seal::seal(&folder.0, writer.stem(), || {}).expect("sealed");
    let segments = readable(&folder.0).expect("readable");
    for (marks, count) in [(true, 2), (false, 0)] {
        let query = Query {
            marks,
            app: Globs(vec!["web".to_owned()]),
            ..Query::default()
        };
        let mut found = Found::default();
        search(&segments, &query, None, &mut found).expect("readable");
        assert_eq!(found.marks.len(), count);
    }
}

#[test]
fn two_segments_of_one_second_have_names_of_their_own() {
    let folder = Folder::new();
    let names = [0, 0, 0].map(|second| {
        let writer = Writer::create(&folder.0, at(second)).expect("a segment");
        writer.stem().clone()
    });
    assert_eq!(names[0], Stem::new(at(0)));
    assert!(names[0] < names[1] && names[1] < names[2]);
}

#[test]
fn a_crash_at_any_byte_costs_the_torn_line_alone() {
    let folder = Folder::new();
    let (whole, _) = lines(0, 600);
    for cut in 0..=whole.len() {
        let stem = Stem::new(START);
        fs::write(stem.plain(&folder.0), &whole[..cut]).expect("written");
        let recovered = recovery::recover(&folder.0).expect("recovered");
        let end = memchr::memrchr(b'\n', &whole[..cut]).map_or(0, |at| at + 1);
        assert_eq!(recovered.torn_bytes, (cut - end) as u64);
        let left = fs::read(stem.plain(&folder.0)).unwrap_or_default();
        assert_eq!(left, &whole[..end], "cut at {cut}");
        assert_eq!(recovered.unsealed.len(), usize::from(end > 0));
    }
}

#[test]
fn a_crash_while_sealing_leaves_one_whole_file() {
    let folder = Folder::new();
    let (stem, next) = plain(&folder.0, 0, 5_000);
    let lines = fs::read(stem.plain(&folder.0)).expect("it is there");
    fs::write(stem.sealing(&folder.0), b"half").expect("written");
    let recovered = recovery::recover(&folder.0).expect("recovered");
    assert_eq!(recovered.unsealed, std::slice::from_ref(&stem));
    assert!(!stem.sealing(&folder.0).exists());
    seal::seal(&folder.0, &stem, || {}).expect("sealed");
    fs::write(stem.plain(&folder.0), &lines).expect("written");
    let (found, _) = find(&folder.0, &Query::default(), None, 0);
    assert_eq!(
        found,
        expected(0..next),
        "each entry once, though both files are there"
    );
    let recovered = recovery::recover(&folder.0).expect("recovered");
    assert_eq!(recovered.unsealed, []);
    assert!(!stem.plain(&folder.0).exists() && stem.sealed(&folder.0).exists());
}

#[test]
fn a_damaged_frame_is_left_out_and_counted_and_a_damaged_index_rebuilt() {
    let folder = Folder::new();
    let (stem, next) = plain(&folder.0, 0, 3 * FRAME_BYTES);
    seal::seal(&folder.0, &stem, || {}).expect("sealed");
    let path = stem.sealed(&folder.0);
    let whole = fs::read(&path).expect("it is there");
    let damage = |at: usize, bytes: &[u8]| {
        let mut damaged = whole.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(&path, damaged).expect("written");
        find(&folder.0, &Query::default(), None, 0)
    };
    let (found, searched) = damage(1000, b"damage");
    assert_eq!(searched.damaged, 1);
    assert!(found.len() > 1000 && found.len() < next as usize);
    assert_eq!(found.last(), expected(next - 1..next).last());
    let (found, searched) = damage(whole.len() - 4, b"oops");
    assert_eq!((found.len() as u64, searched.damaged), (next, 1));
    let cut = &whole[..whole.len() * 2 / 3];
    fs::write(&path, cut).expect("written");
    let (found, searched) = find(&folder.0, &Query::default(), None, 0);
    assert!(searched.damaged == 1 && found.len() > 1000);
    assert_eq!(found, expected(0..found.len() as u64));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn any_bytes_as_a_segment_are_read_or_left_out(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
        ends_as_index in proptest::bool::ANY,
    ) {
        let folder = Folder::new();
        let stem = Stem::new(START);
        let mut bytes = bytes;
        if ends_as_index {
            let length = (bytes.len() as u32).saturating_sub(8).max(12);
            bytes.extend(length.to_le_bytes());
            bytes.extend(b"lastbix1");
        }
        for (path, form) in [(stem.sealed(&folder.0), Form::Sealed), (stem.plain(&folder.0), Form::Plain)] {
            fs::write(&path, &bytes).expect("written");
            let segment = Segment::of_file(&path).expect("its name is one");
            proptest::prop_assert_eq!(segment.form, form);
            let mut reader = SegmentReader::open(&segment).expect("any bytes can be opened");
            let mut block = Vec::new();
            while reader.next_block(&mut block, |_| true).expect("readable").is_some() {}
        }
        find(&folder.0, &Query { marks: true, ..Query::default() }, None, 0);
    }

    #[test]
    fn damage_anywhere_in_a_sealed_segment_costs_a_frame_and_never_a_panic(
        spots in proptest::collection::vec((0usize..100_000, proptest::num::u8::ANY), 1..6),
    ) {
        let folder = Folder::new();
        let (stem, _) = plain(&folder.0, 0, 30_000);
        seal::seal(&folder.0, &stem, || {}).expect("sealed");
        let path = stem.sealed(&folder.0);
        let mut bytes = fs::read(&path).expect("it is there");
        for (at, byte) in spots {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        fs::write(&path, &bytes).expect("written");
        let (found, _) = find(&folder.0, &Query::default(), None, 0);
        for (number, one) in found.iter().enumerate() {
            proptest::prop_assert_eq!(one, &payload(number as u64), "no line is torn");
        }
    }
}
