//! The certificate authorities that the environment names as the only trusted ones.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

/// The variable that names a file of them.
const FILE: &str = "SSL_CERT_FILE";
/// The variable that names a folder of them.
const FOLDER: &str = "SSL_CERT_DIR";
/// Begins a certificate in a file.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Certificate authorities that cannot be read: to trust the built-in ones instead would be to trust more than was asked.
#[derive(Debug, thiserror::Error)]
pub enum RootsFault {
    /// The file or folder cannot be read.
    #[error("{variable}: cannot read {path}")]
    Unreadable {
        /// The variable.
        variable: &'static str,
        /// Its value.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// It holds no certificate.
    #[error(
        "{variable}: {path} holds no certificate (a PEM block that begins with -----BEGIN CERTIFICATE-----)"
    )]
    Empty {
        /// The variable.
        variable: &'static str,
        /// Its value.
        path: String,
    },
}

/// Checks that the certificate authorities that the environment names can be read. `env` looks a variable up.
///
/// # Errors
/// [`RootsFault`] where one of the two names none.
pub fn check_roots(env: impl Fn(&str) -> Option<OsString>) -> Result<(), RootsFault> {
    for (variable, read) in [
        (FILE, file as fn(&Path) -> io::Result<bool>),
        (FOLDER, folder),
    ] {
        let Some(value) = env(variable).filter(|value| !value.is_empty()) else {
            continue;
        };
        let path = value.to_string_lossy().into_owned();
        match read(Path::new(&value)) {
            Ok(true) => {}
            Ok(false) => return Err(RootsFault::Empty { variable, path }),
            Err(source) => {
                return Err(RootsFault::Unreadable {
                    variable,
                    path,
                    source,
                });
            }
        }
    }
    Ok(())
}

/// True if the file holds a certificate.
fn file(path: &Path) -> io::Result<bool> {
    let bytes = fs::read(path)?;
    Ok(memchr::memmem::find(&bytes, BEGIN).is_some())
}

/// True if a file of the folder holds a certificate; a list of folders has colons between them.
fn folder(paths: &Path) -> io::Result<bool> {
    let mut found = false;
    for path in std::env::split_paths(paths) {
        for entry in fs::read_dir(path)? {
            found = found || file(&entry?.path()).unwrap_or(false);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_that_cannot_be_read_are_a_fault_and_not_more_trust() {
        let folder = std::env::temp_dir().join(format!("lastbeat-roots-{}", std::process::id()));
        fs::create_dir_all(folder.join("empty")).expect("a folder");
        let (good, bad) = (folder.join("good.pem"), folder.join("bad.pem"));
        fs::write(&good, "-----BEGIN CERTIFICATE-----\n").expect("written");
        fs::write(&bad, "no certificate").expect("written");
        let check = |variable: &'static str, path: &Path| {
            let found = check_roots(|name| (name == variable).then(|| path.into()));
            found.err().map(|fault| fault.to_string())
        };
        assert_eq!(check(FILE, &good), None);
        assert_eq!(check(FOLDER, &folder), None);
        assert_eq!(check("OTHER", &bad), None);
        for (variable, path, expected) in [
            (FILE, &bad, "holds no certificate"),
            (FILE, &folder.join("nothing"), "cannot read"),
            (FOLDER, &folder.join("empty"), "holds no certificate"),
            (FOLDER, &folder.join("nothing"), "cannot read"),
        ] {
            let said = check(variable, path).expect("a fault");
            assert!(
                said.starts_with(variable) && said.contains(expected),
                "{said}"
            );
        }
        fs::remove_dir_all(folder).expect("removed");
    }
}
