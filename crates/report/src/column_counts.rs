//! The counts of a column that JSON and CSV have under the same names, and the labels that `diff` has for them.

use proto::v1::ColumnProfile;
use serde::{Deserialize, Serialize};

macro_rules! counts {
    ($($field:ident: $label:literal),+ $(,)?) => {
        /// The counts as JSON. A count is `None` if it was not computed; files of earlier versions lack some.
        #[derive(Debug, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub(crate) struct ColumnCounts {
            $($field: Option<u64>,)+
        }

        impl ColumnCounts {
            /// The name and the value of each.
            pub(crate) fn fields(&self) -> Vec<(&'static str, Option<u64>)> {
                vec![$((stringify!($field), self.$field)),+]
            }

            /// The label and the value of each.
            pub(crate) fn labelled(&self) -> Vec<(&'static str, Option<u64>)> {
                vec![$(($label, self.$field)),+]
            }

            /// Writes them into `column`.
            pub(crate) fn write_to(&self, column: &mut ColumnProfile) {
                $(column.$field = self.$field;)+
            }
        }

        impl From<&ColumnProfile> for ColumnCounts {
            fn from(column: &ColumnProfile) -> Self {
                Self { $($field: column.$field),+ }
            }
        }
    };
}

counts!(
    leading_zeros: "cells with leading zeros",
    surrounding_space: "cells with space around",
    mixed_case: "values in mixed case",
    out_of_range: "numbers out of range",
);
