//! Rules for the values of a command's parameters.

use std::fmt;

use regex::Regex;

/// Longest value, bytes.
const MAX_BYTES: usize = 4096;

/// A parameter of a command, which publishers may set.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameter {
    pub(super) rule: Rule,
    /// Value if the publisher sets none. `None` if the publisher must set one.
    pub(super) default: Option<String>,
    /// Whether a value may begin with `-`, and so look like a flag of the command.
    pub(super) may_be_flag: bool,
}

/// The allowed values.
#[derive(Debug, Clone, Default)]
pub(super) enum Rule {
    /// Any value.
    #[default]
    Any,
    /// One of these values.
    Values(Vec<String>),
    /// Values that match the pattern as a whole.
    Pattern { source: String, whole: Regex },
}

impl Rule {
    /// The rule of a pattern that an operator wrote.
    ///
    /// # Errors
    ///
    /// If the pattern is invalid or too large.
    pub(super) fn pattern(source: String) -> Result<Self, regex::Error> {
        let whole = Regex::new(&format!(r"\A(?:{source})\z"))?;
        Ok(Self::Pattern { source, whole })
    }

    fn allows(&self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Values(values) => values.iter().any(|allowed| allowed == value),
            Self::Pattern { whole, .. } => whole.is_match(value),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any value"),
            Self::Values(values) => write!(f, "one of {}", values.join(", ")),
            Self::Pattern { source, .. } => write!(f, "what matches {source}"),
        }
    }
}

impl Parameter {
    /// Why a publisher may not set it to `value`. `None` if it may.
    pub(super) fn refusal(&self, value: &str) -> Option<String> {
        if value.len() > MAX_BYTES {
            return Some(format!("a value has at most {MAX_BYTES} bytes"));
        }
        if value.contains(char::is_control) {
            return Some("a value has no control characters".to_owned());
        }
        if value.starts_with('-') && !self.may_be_flag {
            return Some("a value does not begin with -".to_owned());
        }
        (!self.rule.allows(value)).then(|| format!("it may be {}", self.rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_could_be_a_flag_or_is_no_line_of_text_is_refused() {
        let free = Parameter::default();
        for bad in ["-rf", "--", "a\nb", "a\0", &"x".repeat(5000)] {
            assert!(free.refusal(bad).is_some(), "{bad:?}");
        }
        assert_eq!(free.refusal("a b; rm -rf /"), None);
        let flags = Parameter {
            may_be_flag: true,
            ..Parameter::default()
        };
        assert_eq!(flags.refusal("-3"), None);
    }

    #[test]
    fn a_pattern_is_for_the_whole_value_and_the_refusal_names_what_is_allowed() {
        let year = Parameter {
            rule: Rule::pattern("19..|20[0-9]{2}".to_owned()).unwrap(),
            ..Parameter::default()
        };
        assert_eq!(year.refusal("1999").or(year.refusal("2024")), None);
        for bad in ["x1999", "20245", "2024\u{a0}"] {
            let refusal = year.refusal(bad).unwrap();
            assert!(refusal.contains("19..|20[0-9]{2}"), "{refusal}");
        }
        let lang = Parameter {
            rule: Rule::Values(vec!["de".into(), "en".into()]),
            ..Parameter::default()
        };
        assert_eq!(lang.refusal("fr").unwrap(), "it may be one of de, en");
    }
}
