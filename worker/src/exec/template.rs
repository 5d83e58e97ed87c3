//! Arguments of a command with parameters that publishers set. A value is filled in within its argument and never
//! becomes another argument, whatever it contains, because no shell reads it.

use std::collections::BTreeMap;

/// One argument of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArgTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Parameter(String),
}

impl ArgTemplate {
    /// An argument that is taken literally, including braces.
    pub(super) fn plain(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// An argument in which `{name}` is a parameter and `{{name}}` stands for `{name}`. Other braces are literal, so
    /// that most programs of awk and jq need no escapes.
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            plain.push_str(&rest[..open]);
            rest = &rest[open..];
            if let Some(name) = rest.strip_prefix("{{").and_then(|rest| name(rest, "}}")) {
                plain.push_str(&format!("{{{name}}}"));
                rest = &rest[name.len() + 4..];
            } else if let Some(name) = name(&rest[1..], "}") {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Parameter(name.to_owned()));
                rest = &rest[name.len() + 2..];
            } else {
                plain.push('{');
                rest = &rest[1..];
            }
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        Self(parts)
    }

    /// The names of its parameters.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Part::Parameter(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Fills in the values; a parameter without a value becomes empty.
    pub(super) fn fill(&self, values: &BTreeMap<&str, &str>) -> String {
        let piece = |piece: &Part| match piece {
            Part::Text(text) => text.clone(),
            Part::Parameter(name) => values.get(name.as_str()).copied().unwrap_or("").to_owned(),
        };
        self.0.iter().map(piece).collect()
    }
}

/// The parameter's name at the start of `text`, followed by `end`.
fn name<'t>(text: &'t str, end: &str) -> Option<&'t str> {
    let name = &text[..text.find(end)?];
    is_name(name).then_some(name)
}

/// Whether a parameter may have this name: `lang`, `max_rows`, `q2`.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(arg: &str) -> String {
        ArgTemplate::parse(arg).fill(&[("lang", "de fr; $(x)")].into())
    }

    #[test]
    fn a_value_stays_within_its_word_whatever_is_in_it() {
        assert_eq!(filled("--lang={lang}!"), "--lang=de fr; $(x)!");
        assert_eq!(
            ArgTemplate::parse("a{b}c{d}")
                .parameters()
                .collect::<Vec<_>>(),
            ["b", "d"]
        );
    }

    #[test]
    fn braces_of_other_languages_are_left_alone() {
        for arg in [
            "{ print $1 }",
            "{print $1}",
            "{}",
            "{\"a\":1}",
            "}{",
            "{{ x }}",
            "a{1,2}",
            "{é}",
        ] {
            assert_eq!(filled(arg), arg);
        }
        assert_eq!(filled("{{print}} {{lang}}"), "{print} {lang}");
    }
}
