//! Keys of rule files, each declared once: the name, the kind of its value, its default, and what it means. The check of
//! unknown keys, hints and the tables of the guide follow from the declarations. A new key is a line there, and a line where
//! its table is read.

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    /// The name in rule files.
    pub name: &'static str,
    /// The kind of its value.
    pub kind: &'static str,
    /// The default as it is written in a rule file, or a word in its place; empty: none.
    pub default: &'static str,
    /// One sentence without a full stop.
    pub meaning: &'static str,
}

/// `name: kind, default, meaning;` for each key.
macro_rules! keys {
    ($($name:literal: $kind:literal, $default:literal, $meaning:literal;)*) => {
        &[$($crate::decode::rules_file::key::Key { name: $name, kind: $kind, default: $default, meaning: $meaning }),*]
    };
}
pub(super) use keys;

/// The names of keys.
pub(super) fn names(keys: &[Key]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}

/// True where one of the keys has that name.
pub(super) fn has(keys: &[Key], name: &str) -> bool {
    keys.iter().any(|key| key.name == name)
}

/// The keys of one table as a Markdown table below its name.
pub(super) fn markdown(table: &str, keys: &[Key]) -> String {
    let code = |text: &str| match text {
        "" | "required" => text.to_owned(),
        text => format!("`{text}`"),
    };
    let row = |key: &Key| {
        let (kind, default) = (key.kind, code(key.default));
        format!(
            "| `{}` | {kind} | {default} | {} |\n",
            key.name, key.meaning
        )
    };
    let rows: String = keys.iter().map(row).collect();
    format!("`{table}`\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n{rows}")
}
