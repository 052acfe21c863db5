//! Globs of names.

/// Globs; those with a leading `!` exclude what they match. None matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globs(pub Vec<String>);

impl Globs {
    /// The globs of a list with commas; none of an empty one.
    pub fn of_list(list: &str) -> Self {
        let all = list.split(',').map(str::trim);
        Globs(
            all.filter(|glob| !glob.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    /// True if any of them matches `name` and none with a leading `!` does, in any order. Without any that includes,
    /// all names are included.
    pub fn matches(&self, name: &str) -> bool {
        let (mut takes_in, mut is_in) = (false, false);
        for glob in &self.0 {
            match glob.strip_prefix('!') {
                Some(out) if fast_glob::glob_match(out, name) => return false,
                Some(_) => {}
                None => {
                    takes_in = true;
                    is_in = is_in || fast_glob::glob_match(glob, name);
                }
            }
        }
        is_in || !takes_in
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_with_a_mark_take_out_wherever_they_stand() {
        let matching = |globs: &[&str]| {
            let globs = Globs(globs.iter().map(|glob| (*glob).to_owned()).collect());
            let names = ["web-1", "web-staging", "api"].into_iter();
            names.filter(|name| globs.matches(name)).collect::<Vec<_>>()
        };
        assert_eq!(matching(&[]), ["web-1", "web-staging", "api"]);
        assert_eq!(matching(&["web-*", "!web-staging"]), ["web-1"]);
        assert_eq!(matching(&["!web-staging", "web-*"]), ["web-1"]);
        assert_eq!(matching(&["*", "!web-*"]), ["api"]);
        assert_eq!(matching(&["!web-*"]), ["api"]);
        assert_eq!(matching(&["!web-*", "!api"]), [""; 0]);
        assert_eq!(matching(&["web-staging", "!web-*"]), [""; 0]);
    }
}
