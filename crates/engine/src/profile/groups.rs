//! The optional statistics of a profile.

use proto::v1::ProfileSpec;

/// A set of groups of statistics, with the bits of `ProfilePartial.taken`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Groups(u32);

impl Groups {
    /// Third moments, the shortest and the longest cell. Old workers do not collect them.
    pub(super) const SHAPE: Self = Self(1);
    pub(super) const DISTINCT: Self = Self(2);
    pub(super) const QUANTILES: Self = Self(4);
    pub(super) const TOP: Self = Self(8);
    pub(super) const CHECKS: Self = Self(16);
    /// All distinct values are counted, however many there are.
    pub(super) const EXACT: Self = Self(32);

    const ALL: u32 = 63;

    pub(super) fn from_spec(spec: ProfileSpec) -> Self {
        let none = Self(0);
        let unless = |is_left_out, group: Self| if is_left_out { none } else { group };
        let taken = [
            Self::SHAPE,
            unless(spec.no_distinct, Self::DISTINCT),
            unless(spec.no_quantiles, Self::QUANTILES),
            unless(spec.no_top, Self::TOP),
            unless(spec.no_checks, Self::CHECKS),
            unless(!spec.exact, Self::EXACT),
        ];
        Self(taken.iter().fold(0, |all, group| all | group.0))
    }

    /// The groups that this version knows.
    pub(super) fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL)
    }

    pub(super) fn bits(self) -> u32 {
        self.0
    }

    pub(super) fn has(self, group: Self) -> bool {
        self.0 & group.0 != 0
    }

    /// The groups in both sets.
    pub(super) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the distinct values of a column are needed.
    pub(super) fn has_values(self) -> bool {
        self.0 & (Self::DISTINCT.0 | Self::QUANTILES.0 | Self::TOP.0) != 0
    }
}
