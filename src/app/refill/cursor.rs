//! The cursor file: how far a refill came, so that the same command goes on.

use crate::app::shipping::Shipped;
use crate::core::time::Wall;
use crate::format;
use crate::io::archive::cursor_file::replace;
use crate::io::archive::rejected;
use crate::io::archive::search::Place;
use crate::io::sink::Batch;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The entries that are to be shipped, and the sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The sink's name.
    pub sink: String,
    /// Wall clock: the earliest arrival.
    pub from: Wall,
    /// Wall clock: arrivals before.
    pub until: Wall,
    /// Globs of apps, as they were given; empty: all.
    pub app: String,
}

impl Range {
    /// The cursor file beside the archive.
    pub fn file(&self, archive: &Path) -> PathBuf {
        let plain = |text: &str| {
            let keep = |char: char| {
                if char.is_ascii_alphanumeric() {
                    char
                } else {
                    '-'
                }
            };
            text.chars().map(keep).collect::<String>()
        };
        let app = match self.app.as_str() {
            "" => String::new(),
            app => format!("-{}", plain(app)),
        };
        let [from, until] = [self.from, self.until].map(|at| plain(&shown(at)));
        let name = format!("refill-{}-{from}-{until}{app}.cursor", self.sink);
        let folder = match archive.is_dir() {
            true => archive,
            false => archive.parent().unwrap_or(archive),
        };
        folder.join(name)
    }

    /// The command that ships it, or goes on with it.
    pub fn command(&self) -> String {
        let app = match self.app.as_str() {
            "" => String::new(),
            app => format!(" --app '{app}'"),
        };
        let [from, until] = [self.from, self.until].map(shown);
        let sink = &self.sink;
        format!("lastbeat refill --from {from} --until {until} --sink {sink}{app}")
    }
}

/// A time as it is given to the command: to the second where it is a whole one.
pub fn shown(at: Wall) -> String {
    match at.nanos() % 1_000_000_000 {
        0 => format::rfc3339_seconds(at),
        _ => format::rfc3339(at),
    }
}

/// The entries so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken by the sink.
    pub shipped: u64,
    /// Refused by the sink.
    pub rejected: u64,
    /// Lacking in the archive.
    pub lost: u64,
}

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Saved {
    sink: String,
    from: String,
    until: String,
    app: String,
    place: Option<String>,
    shipped: u64,
    rejected: u64,
    lost: u64,
}

/// The cursor of a refill.
pub struct Cursor {
    file: PathBuf,
    range: Range,
    place: Option<Place>,
    counts: Counts,
}

impl Cursor {
    /// Reads the file, where it is there.
    ///
    /// # Errors
    /// It cannot be read, or is that of another refill.
    pub fn open(file: PathBuf, range: Range) -> Result<Self, String> {
        let path = file.display();
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                return Ok(Cursor {
                    file,
                    range,
                    place: None,
                    counts: Counts::default(),
                });
            }
            Err(fault) => return Err(format!("{path}: {fault}")),
        };
        let saved: Saved = serde_json::from_slice(&text)
            .map_err(|fault| format!("{path} is no cursor of a refill: {fault}"))?;
        let [from, until] = [range.from, range.until].map(shown);
        let own = [&range.sink, &from, &until, &range.app];
        if [&saved.sink, &saved.from, &saved.until, &saved.app] != own {
            return Err(format!(
                "{path} is the cursor of another refill, of {} to {} into {}: name another file, or remove it",
                saved.from, saved.until, saved.sink
            ));
        }
        let place = saved.place.as_deref().map(Place::parse);
        let place = place.map(|place| place.ok_or_else(|| format!("{path} has no valid place")));
        let place = place.transpose()?;
        let counts = Counts {
            shipped: saved.shipped,
            rejected: saved.rejected,
            lost: saved.lost,
        };
        Ok(Cursor {
            file,
            range,
            place,
            counts,
        })
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The entries that are to be shipped.
    pub fn range(&self) -> &Range {
        &self.range
    }

    /// The part of the range that is done, from 0 to 1, where the last entry that was shipped arrived at `last`.
    pub fn share(&self, last: Wall) -> f64 {
        let whole = self.range.until.since(self.range.from).as_secs_f64();
        let done = last.since(self.range.from).as_secs_f64();
        (done / whole.max(1e-9)).clamp(0.0, 1.0)
    }

    /// The place in the archive behind all that was shipped; `None`: nothing was.
    pub fn place(&self) -> Option<Place> {
        self.place.clone()
    }

    /// The entries so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Moves on behind a batch, and writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn move_to(&mut self, place: Option<Place>, shipped: Shipped, lost: u64) -> io::Result<()> {
        self.place = place;
        self.counts.shipped += shipped.taken;
        self.counts.rejected += shipped.rejected;
        self.counts.lost += lost;
        let saved = Saved {
            sink: self.range.sink.clone(),
            from: shown(self.range.from),
            until: shown(self.range.until),
            app: self.range.app.clone(),
            place: self.place.as_ref().map(Place::text),
            shipped: self.counts.shipped,
            rejected: self.counts.rejected,
            lost: self.counts.lost,
        };
        let mut content = serde_json::to_vec(&saved)?;
        content.push(b'\n');
        replace(&self.file, &content)
    }

    /// The file of rejected entries, which are lines as in the archive.
    pub fn rejected_file(&self) -> PathBuf {
        self.file.with_extension("rejected")
    }

    /// Keeps entries that the sink refused.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn reject(&self, batch: &Batch, why: &str) -> io::Result<()> {
        rejected::keep(&self.rejected_file(), why, batch.iter(), u64::MAX)
    }

    /// Removes the file at the end of a refill: the same command then ships everything again.
    pub fn remove(&self) {
        // Where that fails, the same command finds nothing more to ship.
        let _ = fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range() -> Range {
        Range {
            sink: "loki".to_owned(),
            from: Wall::from_nanos(1_700_000_000_000_000_000),
            until: Wall::from_nanos(1_700_007_200_000_000_000),
            app: "web-*,api".to_owned(),
        }
    }

    #[test]
    fn a_cursor_goes_on_where_it_was_and_refuses_another_refill() {
        let folder = std::env::temp_dir().join(format!("lastbeat-cursor-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = range().file(&folder);
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .expect("text");
        assert_eq!(
            name,
            "refill-loki-2023-11-14T22-13-20Z-2023-11-15T00-13-20Z-web---api.cursor"
        );
        let mut cursor = Cursor::open(file.clone(), range()).expect("a new one");
        assert_eq!(cursor.place(), None);
        let place = Place::parse("2023-11-14T22-00-00Z.123");
        let shipped = Shipped {
            taken: 5,
            rejected: 2,
        };
        for _ in 0..2 {
            cursor
                .move_to(place.clone(), shipped, 1)
                .expect("it can be written");
        }
        let again = Cursor::open(file.clone(), range()).expect("the same");
        assert_eq!(again.place(), place);
        let counts = Counts {
            shipped: 10,
            rejected: 4,
            lost: 2,
        };
        assert_eq!(again.counts(), counts);
        let other = Range {
            app: String::new(),
            ..range()
        };
        let fault = Cursor::open(file.clone(), other).err().expect("another");
        assert!(fault.contains("another refill"), "{fault}");
        fs::write(&file, "no JSON").expect("written");
        assert!(Cursor::open(file, range()).is_err());
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn the_command_goes_on_with_the_same_range() {
        let expected = "lastbeat refill --from 2023-11-14T22:13:20Z --until 2023-11-15T00:13:20Z --sink loki --app 'web-*,api'";
        assert_eq!(range().command(), expected);
    }
}
