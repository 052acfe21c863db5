//! The file that holds the token of the page and the API, and that only its owner reads.

use crate::decode::settings::{MIN_TOKEN_CHARS, Secret, WEAK_TOKEN};
use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a token that lastbeat makes.
const TOKEN_BYTES: usize = 32;
/// The owner may read and write, nobody else anything.
const OWNERS_ALONE: u32 = 0o600;

/// A file without a token that can be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileFault {
    /// It cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It holds nothing.
    #[error("{}: the file is empty; put the token into it", .0.display())]
    Empty(PathBuf),
    /// It holds a token that is guessed too easily.
    #[error("{}: {WEAK_TOKEN}", .0.display())]
    Weak(PathBuf),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// Reads a token.
///
/// # Errors
/// [`TokenFileFault`] where there is none, or a weak one.
pub fn read(path: &Path) -> Result<Secret, TokenFileFault> {
    let text = fs::read_to_string(path).map_err(|source| TokenFileFault::File {
        path: path.to_owned(),
        source,
    })?;
    match text.trim() {
        "" => Err(TokenFileFault::Empty(path.to_owned())),
        text if text.chars().count() < MIN_TOKEN_CHARS => {
            Err(TokenFileFault::Weak(path.to_owned()))
        }
        text => Ok(Secret::new(text)),
    }
}

/// Reads a token, and makes it first where there is no file.
///
/// # Errors
/// As [`read`], and where no file can be made.
pub fn read_or_make(path: &Path) -> Result<Secret, TokenFileFault> {
    if !path.exists() {
        make(path)?;
    }
    let token = read(path)?;
    // A file that another program made may be open to others.
    let _ = fs::set_permissions(path, Permissions::from_mode(OWNERS_ALONE));
    Ok(token)
}

/// A random token that no file keeps.
///
/// # Errors
/// [`TokenFileFault::Random`].
pub fn random() -> Result<Secret, TokenFileFault> {
    let mut bytes = [0; TOKEN_BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| TokenFileFault::Random)?;
    Ok(Secret::new(HEXLOWER.encode(&bytes)))
}

/// Makes the file with a new token. One that another process made meanwhile stays as it is.
fn make(path: &Path) -> Result<(), TokenFileFault> {
    let token = random()?;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let made = write(&fresh, token.reveal()).and_then(|()| match fs::hard_link(&fresh, path) {
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    // It may never have been there.
    let _ = fs::remove_file(&fresh);
    made.map_err(|source| TokenFileFault::File {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, token: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(OWNERS_ALONE);
    let mut file: File = options.open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("lastbeat-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn a_token_is_made_once_and_only_its_owner_reads_it() {
        let folder = folder("token-made");
        let path = folder.join("lastbeat.token");
        let made = read_or_make(&path).expect("a token");
        assert_eq!(made.reveal().len(), 2 * TOKEN_BYTES);
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, OWNERS_ALONE);
        assert_eq!(read_or_make(&path).expect("the same"), made);
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
        read_or_make(&path).expect("the same");
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, OWNERS_ALONE, "closed again");
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn an_empty_or_weak_token_is_refused_with_a_remedy() {
        let folder = folder("token-weak");
        let path = folder.join("token");
        for (text, expected) in [
            (" \n", "the file is empty"),
            ("fifteen-letters", "openssl rand -hex 32"),
        ] {
            fs::write(&path, text).expect("written");
            let said = read(&path).expect_err("refused").to_string();
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("fifteen"), "{said}");
        }
        fs::write(&path, "sixteen-letters!\n").expect("written");
        assert_eq!(
            read(&path).expect("long enough").reveal(),
            "sixteen-letters!"
        );
        fs::remove_dir_all(folder).expect("removed");
    }
}
