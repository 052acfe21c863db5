//! The folder of rule files: reads, without parsing.

use crate::decode::rules_file::{MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The rules could not be read. Faults within them are the parser's.
#[derive(Debug, Error)]
pub enum LoadFault {
    /// The path itself, or the list of its files.
    #[error(
        "cannot list the rules at {path}: set --rules or LASTBEAT_RULES to a rule file or a folder of rule files"
    )]
    List {
        /// As it was given.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// One of the files.
    #[error("cannot read the rule file {path}")]
    Read {
        /// Of the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A folder without rules watches nothing: likelier a wrong path than a wish.
    #[error(
        "no *.toml in the folder {path}: add a rule file, or set --rules or LASTBEAT_RULES to another folder"
    )]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// The rule files at a path, each as its name to be shown and its bytes, in the order of their names.
///
/// A path that is no folder is one file, whatever its name. Of a folder every `*.toml` is read, symbolic links
/// are followed, and names that begin with a dot are passed over: a Kubernetes ConfigMap keeps its data under
/// such. A little more than the reader allows is read, for it to see that there is too much.
///
/// # Errors
///
/// [`LoadFault`], at the first that cannot be read.
pub fn load(path: &Path) -> Result<Vec<(String, Vec<u8>)>, LoadFault> {
    load_within(path, MAX_FILE_BYTES, MAX_TOTAL_BYTES)
}

/// As [`load`], for files that may be longer: each is read up to one byte more than `most`.
///
/// # Errors
///
/// [`LoadFault`], at the first that cannot be read.
pub fn load_whole(path: &Path, most: usize) -> Result<Vec<(String, Vec<u8>)>, LoadFault> {
    load_within(path, most, usize::MAX)
}

fn load_within(
    path: &Path,
    most: usize,
    most_in_all: usize,
) -> Result<Vec<(String, Vec<u8>)>, LoadFault> {
    let list = |source| LoadFault::List {
        path: path.to_owned(),
        source,
    };
    if !path.metadata().map_err(list)?.is_dir() {
        return Ok(vec![read(path, most)?]);
    }
    let mut paths = toml_files(path).map_err(list)?;
    if paths.is_empty() {
        return Err(LoadFault::Empty {
            path: path.to_owned(),
        });
    }
    paths.sort();
    let mut files = Vec::new();
    let mut bytes = 0;
    for path in paths.iter().take(MAX_FILES + 1) {
        let file = read(path, most)?;
        bytes += file.1.len();
        files.push(file);
        if bytes > most_in_all {
            break;
        }
    }
    Ok(files)
}

fn toml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_toml = path
            .extension()
            .is_some_and(|extension| extension == "toml");
        // A folder or a pipe with such a name is skipped; a dangling link is kept, and reported.
        let is_file = path.metadata().map_or(true, |metadata| metadata.is_file());
        if is_toml && !is_hidden && is_file {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn read(path: &Path, most: usize) -> Result<(String, Vec<u8>), LoadFault> {
    let most = most as u64 + 1;
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|source| LoadFault::Read {
            path: path.to_owned(),
            source,
        })?;
    Ok((path.display().to_string(), bytes))
}

#[cfg(test)]
mod tests {
    use super::{LoadFault, load};
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    /// A folder of the test's own, gone at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("lastbeat-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("the temporary folder takes a folder");
            Folder(path)
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("a folder within");
            fs::write(path, text).expect("a file within");
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_folder_in_the_order_of_names() {
        let folder = Folder::new("order");
        for name in [
            "b.toml",
            "a.toml",
            "10.toml",
            "9.toml",
            ".hidden.toml",
            "notes.md",
            "sub/x.toml",
        ] {
            folder.write(name, name);
        }
        fs::create_dir(folder.0.join("folder.toml")).expect("a folder within");
        let files = load(&folder.0).expect("it is there");
        let texts: Vec<_> = files
            .iter()
            .map(|(_, bytes)| String::from_utf8_lossy(bytes))
            .collect();
        assert_eq!(texts, ["10.toml", "9.toml", "a.toml", "b.toml"]);
        assert!(files[0].0.ends_with("/10.toml"), "{}", files[0].0);
    }

    #[test]
    fn a_config_map() {
        let folder = Folder::new("config-map");
        folder.write("..2024_01/web.toml", "web");
        symlink("..2024_01", folder.0.join("..data")).expect("a link");
        symlink("..data/web.toml", folder.0.join("web.toml")).expect("a link");
        let files = load(&folder.0).expect("it is there");
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].1, b"web");
    }

    #[test]
    fn one_file_whatever_its_name() {
        let folder = Folder::new("one");
        folder.write("rules.txt", "text");
        assert_eq!(
            load(&folder.0.join("rules.txt")).expect("it is there")[0].1,
            b"text"
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let folder = Folder::new("faults");
        assert!(matches!(
            load(&folder.0.join("none")),
            Err(LoadFault::List { .. })
        ));
        assert!(matches!(load(&folder.0), Err(LoadFault::Empty { .. })));
        symlink("nowhere", folder.0.join("web.toml")).expect("a link");
        assert!(matches!(load(&folder.0), Err(LoadFault::Read { .. })));
    }
}
