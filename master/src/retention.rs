//! Retention: how long, and how much of, the rows and rejects of finished jobs are kept.

use std::str::FromStr;

use cli::units::{SIZES, format_count, parse_count};

/// The limits: `7d`, `20GB`, `7d,20GB`, `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// The greatest age of a finished job. `None` if unlimited.
    age_ms: Option<u64>,
    /// The most bytes of all jobs together. `None` if unlimited.
    bytes: Option<u64>,
}

/// Why a text is not a retention.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an age (90m, 12h, 7d, 4w) nor a size (500MB, 20GB, 1TB), nor forever")]
pub struct RetentionError(String);

const AGES: [(&str, u64); 5] = [
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 7 * 86_400_000),
];

impl Retention {
    /// Why the oldest finished job must be removed, given its age and the size of all jobs. `None` if it may stay.
    pub(crate) fn removal_reason(self, age_ms: u64, spill_bytes: u64) -> Option<String> {
        match self {
            Self {
                age_ms: Some(most), ..
            } if age_ms > most => Some(format!(
                "it had been finished for more than {}",
                format_count(most, &AGES)
            )),
            Self {
                bytes: Some(most), ..
            } if spill_bytes > most => Some(format!(
                "the rows and bad records of all jobs took more than {}",
                format_count(most, &SIZES)
            )),
            _ => None,
        }
    }
}

impl FromStr for Retention {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, RetentionError> {
        let mut retention = Self::default();
        if text == "forever" {
            return Ok(retention);
        }
        for part in text.split(',').map(str::trim) {
            let invalid = || RetentionError(part.chars().take(40).collect());
            let (slot, value) = match (parse_count(part, &AGES), parse_count(part, &SIZES)) {
                (Some(age), _) => (&mut retention.age_ms, age),
                (None, Some(bytes)) => (&mut retention.bytes, bytes),
                (None, None) => return Err(invalid()),
            };
            // Two ages, or two sizes, contradict each other.
            if slot.replace(value).is_some() {
                return Err(invalid());
            }
        }
        Ok(retention)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_a_size_or_both_in_any_order() {
        let both = "7d,20GB".parse::<Retention>().unwrap();
        assert_eq!(both, " 20 gb , 7d ".parse().unwrap());
        assert_eq!(both.age_ms, Some(7 * 86_400_000));
        assert_eq!(both.bytes, Some(20_000_000_000));
        assert_eq!("forever".parse(), Ok(Retention::default()));
        assert_eq!("0s".parse::<Retention>().unwrap().age_ms, Some(0));
        let bad = [
            "",
            "7",
            "d",
            "7d,8d",
            "1GB,2GB",
            "7d,",
            "-1d",
            "7x",
            "99999999999w",
            "1,5GB",
            "7é",
        ];
        for bad in bad {
            assert!(bad.parse::<Retention>().is_err(), "{bad}");
        }
    }

    #[test]
    fn it_says_which_of_the_two_it_is() {
        let retention: Retention = "7d,20GB".parse().unwrap();
        let week = 7 * 86_400_000;
        assert_eq!(retention.removal_reason(week, 20_000_000_000), None);
        let why = retention.removal_reason(week + 1, 0).unwrap();
        assert!(why.ends_with("than 1 w"), "{why}");
        let why = retention.removal_reason(0, 20_000_000_001).unwrap();
        assert!(why.ends_with("than 20 GB"), "{why}");
        assert_eq!(
            Retention::default().removal_reason(u64::MAX, u64::MAX),
            None
        );
    }
}
