//! What may stand in a parameter of a command.

use std::fmt;

use regex::Regex;

/// The longest value.
const MAX_BYTES: usize = 4096;

/// What a publisher may set a parameter to.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameter {
    pub(super) rule: Rule,
    /// What it is where a publisher does not say. Absent: it must say.
    pub(super) default: Option<String>,
    /// A value may begin with `-`, and so look like a flag of the command.
    pub(super) may_be_flag: bool,
}

/// Which values are allowed.
#[derive(Debug, Clone, Default)]
pub(super) enum Rule {
    /// Any.
    #[default]
    Any,
    /// These.
    Values(Vec<String>),
    /// Those that match from their first to their last character.
    Pattern { source: String, whole: Regex },
}

impl Rule {
    /// The rule of a pattern, as an operator writes it.
    ///
    /// # Errors
    ///
    /// When it is no pattern, or one that would take too much memory.
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
    /// Why a publisher may not set it to `value`, if it may not.
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
