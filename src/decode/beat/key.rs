//! The names of the keys of a heartbeat line.

/// A key of a heartbeat line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// `every`: the interval.
    Every,
    /// `seq`: counts up by one.
    Seq,
    /// `name`: a separate beat.
    Name,
    /// `bye`: stops on purpose.
    Bye,
}

impl Key {
    /// The key of this name in text.
    pub(super) fn of_text(name: &str) -> Option<Key> {
        match name {
            "every" => Some(Key::Every),
            "seq" => Some(Key::Seq),
            "name" => Some(Key::Name),
            "bye" => Some(Key::Bye),
            _ => None,
        }
    }

    /// The key of this name in a JSON object: in any case, and as GELF writes it, `_every`.
    pub(super) fn of_field(name: &str) -> Option<Key> {
        const NAMES: [(&str, Key); 4] = [
            ("every", Key::Every),
            ("seq", Key::Seq),
            ("name", Key::Name),
            ("bye", Key::Bye),
        ];
        let name = name.strip_prefix('_').unwrap_or(name);
        NAMES
            .into_iter()
            .find_map(|(known, key)| known.eq_ignore_ascii_case(name).then_some(key))
    }
}
