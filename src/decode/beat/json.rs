//! A structured logger's JSON object: the texts that may hold a marker, and the keys beside them.

use super::key::Key;
use super::prefix::is_message_key;
use crate::decode::lone_surrogates;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// Objects within a logger's object that hold what was logged with the message: Python's `extra`, Monolog's
/// `context`, OpenTelemetry's `attributes`.
const NESTED_KEYS: [&str; 7] = [
    "extra",
    "context",
    "attributes",
    "metadata",
    "properties",
    "data",
    "state",
];
/// Texts of one object that may hold a marker; loggers have one or two.
const MAX_TEXTS: usize = 8;

/// The texts and keys of a logger's object.
#[derive(Debug, Default)]
pub(super) struct Object {
    /// Values of the message's keys, in the order in which they stand.
    pub(super) texts: Vec<String>,
    /// Keys of a heartbeat line, and their values as text.
    pub(super) keys: Vec<(Key, String)>,
}

/// Reads the object that a text begins with; the second value is the text behind it. `None` where the text does not
/// begin with a whole object.
pub(super) fn object(text: &str) -> Option<(Object, &str)> {
    let (mut object, rest) = first(text, Role::Logger)?;
    if object.texts.iter().any(|text| text.contains('{')) {
        fill_templates(&mut object, &text[..text.len() - rest.len()]);
    }
    Some((object, rest))
}

/// Keys of a heartbeat line, with their values as text, and the text behind them.
type Fields<'t> = (Vec<(Key, String)>, &'t str);

/// The keys in the object that a text begins with, as zap's console writes it behind a message, and the text behind
/// it.
pub(super) fn fields(text: &str) -> Option<Fields<'_>> {
    let (object, rest) = first(text, Role::Keys)?;
    Some((object.keys, rest))
}

/// The text in a text that is a JSON string as a whole.
pub(super) fn string(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}

fn first(text: &str, role: Role) -> Option<(Object, &str)> {
    read(text, role).or_else(|| {
        // Half of a pair of surrogates is no text, and costs only itself; the mended text is as long.
        let mended = lone_surrogates::mended(text)?;
        let (object, rest) = read(&mended, role)?;
        Some((object, &text[text.len() - rest.len()..]))
    })
}

fn read(text: &str, role: Role) -> Option<(Object, &str)> {
    let mut object = Object::default();
    let mut from = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    // Where the object ends, without keeping anything of it.
    from.next()?.ok()?;
    let end = from.byte_offset();
    let (own, rest) = text.split_at(end);
    let field = Field {
        object: &mut object,
        role,
    };
    field
        .deserialize(&mut serde_json::Deserializer::from_str(own))
        .ok()?;
    Some((object, rest))
}

/// Message templates keep their values beside them: `{"@mt":"HEARTBEAT every={Every}","Every":"30s"}`.
#[cold]
fn fill_templates(object: &mut Object, json: &str) {
    let Ok(Value::Object(fields)) = serde_json::from_str(json) else {
        return;
    };
    for text in &mut object.texts {
        *text = filled(text, &fields);
    }
}

fn filled(template: &str, fields: &serde_json::Map<String, Value>) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        text.push_str(before);
        let value = behind.split_once('}').and_then(|(hole, after)| {
            let name = hole.trim_start_matches(['@', '$']);
            let name = name.split([':', ',']).next().unwrap_or(name);
            Some((scalar(fields.get(name)?)?, after))
        });
        match value {
            Some((value, after)) => {
                text.push_str(&value);
                rest = after;
            }
            None => {
                text.push('{');
                rest = behind;
            }
        }
    }
    text + rest
}

fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(value.to_string())),
        _ => None,
    }
}

/// The role of a value, by the place where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A logger's object, or tracing's `fields`: messages and keys.
    Logger,
    /// loguru's `record`: a message, and keys in its `extra`; its `name` is a module's.
    Record,
    /// An object of keys alone.
    Keys,
    /// A message.
    Message,
    /// The value of a key.
    Key(Key),
    /// Anything else.
    Other,
}

impl Role {
    /// The role of a field of an object that has this role.
    fn of_field(self, name: &str) -> Role {
        let has_messages = matches!(self, Role::Logger | Role::Record);
        if has_messages && is_message_key(name) {
            return Role::Message;
        }
        if has_messages
            && NESTED_KEYS
                .iter()
                .any(|nested| nested.eq_ignore_ascii_case(name))
        {
            return Role::Keys;
        }
        match (self, Key::of_field(name)) {
            (Role::Logger | Role::Keys, Some(key)) => Role::Key(key),
            (Role::Logger, None) if name == "fields" => Role::Logger,
            (Role::Logger, None) if name == "record" => Role::Record,
            _ => Role::Other,
        }
    }
}

/// Takes any JSON value in its role.
struct Field<'o> {
    object: &'o mut Object,
    role: Role,
}

impl Field<'_> {
    fn scalar(self, value: &dyn fmt::Display) {
        if let Role::Key(key) = self.role {
            self.object.keys.push((key, value.to_string()));
        }
    }
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        match self.role {
            Role::Other => from.deserialize_ignored_any(IgnoredAny).map(|_| ()),
            _ => from.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        match self.role {
            Role::Message if self.object.texts.len() < MAX_TEXTS => {
                self.object.texts.push(text.to_owned());
            }
            Role::Key(_) => self.scalar(&text),
            _ => {}
        }
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.scalar(&value);
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.scalar(&value);
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.scalar(&value);
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.scalar(&value);
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            let role = self.role.of_field(&name);
            fields.next_value_seed(Field {
                object: &mut *self.object,
                role,
            })?;
        }
        Ok(())
    }
}
