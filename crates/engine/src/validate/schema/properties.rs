//! The properties of one JSON object of a schema, with errors that name them.

use serde_json::{Map, Value as Json};

use crate::validate::schema::{SchemaError, wrong};

/// An object, and its name for errors.
#[derive(Debug)]
pub(crate) struct Properties<'j> {
    place: String,
    map: &'j Map<String, Json>,
}

impl<'j> Properties<'j> {
    pub(crate) fn new(place: String, map: &'j Map<String, Json>) -> Self {
        Self { place, map }
    }

    /// Null counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'j Json> {
        self.map.get(name).filter(|json| !json.is_null())
    }

    pub(crate) fn names_of_all(&self) -> impl Iterator<Item = &'j str> + use<'j> {
        self.map.keys().map(String::as_str)
    }

    pub(crate) fn wrong(&self, property: &str, reason: &str) -> SchemaError {
        wrong(&format!("{}, {property}", self.place), reason)
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'j str>, SchemaError> {
        let text = |json: &'j Json| {
            json.as_str()
                .ok_or_else(|| self.wrong(name, "a text is expected"))
        };
        self.get(name).map(text).transpose()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, SchemaError> {
        let flag = |json: &Json| {
            json.as_bool()
                .ok_or_else(|| self.wrong(name, "true or false is expected"))
        };
        self.get(name).map(flag).transpose()
    }

    pub(crate) fn count(&self, name: &str) -> Result<Option<usize>, SchemaError> {
        let count = |json: &Json| {
            let count = json.as_u64().and_then(|count| usize::try_from(count).ok());
            count.ok_or_else(|| self.wrong(name, "a whole number, 0 or more, is expected"))
        };
        self.get(name).map(count).transpose()
    }

    /// One name, or several.
    pub(crate) fn names(&self, name: &str) -> Result<Option<Vec<String>>, SchemaError> {
        let expected = || self.wrong(name, "a name or an array of names is expected");
        self.get(name)
            .map(|json| strings(json).ok_or_else(expected))
            .transpose()
    }

    /// Refuses a property that differs from one of `known` only in spelling: it is a mistake, and its check would be
    /// skipped.
    pub(crate) fn refuse_near(&self, known: &[&str]) -> Result<(), SchemaError> {
        let all = self.names_of_all();
        for name in all.filter(|name| !known.contains(name)) {
            if let Some(meant) = known.iter().find(|known| folded(known) == folded(name)) {
                return Err(self.wrong(name, &format!("{meant:?} is meant, it seems")));
            }
        }
        Ok(())
    }
}

/// The name without the usual differences in spelling: case, dashes and a plural.
fn folded(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    let folded: String = letters.flat_map(char::to_lowercase).collect();
    folded.trim_end_matches('s').to_owned()
}

/// One text, or several.
pub(crate) fn strings(json: &Json) -> Option<Vec<String>> {
    match json {
        Json::String(text) => Some(vec![text.clone()]),
        Json::Array(texts) => texts
            .iter()
            .map(|text| text.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}
