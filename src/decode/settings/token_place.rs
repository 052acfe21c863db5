//! The strength of a token, and the file of one that lastbeat makes.

use std::path::{Path, PathBuf};

/// Least characters of a token.
pub const MIN_TOKEN_CHARS: usize = 16;
/// The fault of a shorter one, and its remedy.
pub const WEAK_TOKEN: &str =
    "the token is too short: it needs 16 characters or more; `openssl rand -hex 32` makes one";

/// The files that may hold a token that lastbeat makes, the first one that can be used first: beside the state, else in a
/// folder of the user's own. `env` looks a variable up.
pub fn token_files(state: Option<&Path>, env: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let beside = state.map(|file| file.with_extension("token"));
    let folder = |name: &str| {
        let folder = env(name).filter(|folder| Path::new(folder).is_absolute())?;
        Some(PathBuf::from(folder))
    };
    let run = folder("XDG_RUNTIME_DIR").map(|folder| folder.join("lastbeat.token"));
    let home = folder("HOME").map(|folder| folder.join(".lastbeat.token"));
    [beside, run, home].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_lies_beside_the_state_else_with_the_user() {
        let env = |name: &str| match name {
            "HOME" => Some("/people/ada".to_owned()),
            "XDG_RUNTIME_DIR" => Some("relative".to_owned()),
            _ => None,
        };
        let files = token_files(Some(Path::new("/data/lastbeat.db")), env);
        let files: Vec<_> = files.iter().map(|file| file.to_str()).collect();
        assert_eq!(
            files,
            [
                Some("/data/lastbeat.token"),
                Some("/people/ada/.lastbeat.token")
            ]
        );
        assert!(token_files(None, |_| None).is_empty());
    }
}
