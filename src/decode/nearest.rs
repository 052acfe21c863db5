//! The known word that an unknown one was likely meant to be.

/// Longest word that is compared; no known one is longer, and the comparison is quadratic.
const MAX_WORD: usize = 32;

/// `, nearest is ...` where a known word is near; else nothing.
pub(super) fn hint(word: &str, known: &[&str]) -> String {
    nearest(word, known).map_or(String::new(), |near| format!(", nearest is {near}"))
}

/// The known word that is the fewest edits (insertions, deletions, replacements, swaps of neighbours) away, where those are
/// at most a third of its letters, or where one is the beginning of the other.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.is_empty() || word.len() > MAX_WORD {
        return None;
    }
    let word = word.to_ascii_lowercase().replace(['-', ' '], "_");
    let (edits, near) = known
        .iter()
        .map(|near| {
            (
                strsim::osa_distance(&word, &near.to_ascii_lowercase().replace('-', "_")),
                *near,
            )
        })
        .min_by_key(|(edits, _)| *edits)?;
    let begins =
        |near: &&&str| word.len() >= 3 && (near.starts_with(&word) || word.starts_with(**near));
    if edits <= near.len().div_ceil(3) {
        Some(near)
    } else {
        known.iter().find(begins).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_words() {
        let known = ["name", "watch", "max_gap", "severity", "recover", "runbook"];
        let cases = [
            ("maxgap", Some("max_gap")),
            ("max-gap", Some("max_gap")),
            ("MAX_GAP", Some("max_gap")),
            ("max_gpa", Some("max_gap")),
            ("sevrity", Some("severity")),
            ("sev", Some("severity")),
            ("recovery", Some("recover")),
            ("nam", Some("name")),
            ("expect", None),
            ("x", None),
            ("", None),
        ];
        for (word, near) in cases {
            assert_eq!(nearest(word, &known), near, "{word}");
        }
        assert_eq!(nearest(&"a".repeat(1 << 20), &known), None);
    }
}
