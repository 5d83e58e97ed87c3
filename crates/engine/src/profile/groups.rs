//! Which statistics are taken, beside those that always are.

use proto::v1::ProfileSpec;

/// Groups of statistics, as `ProfilePartial.taken` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Groups(u32);

impl Groups {
    /// Third moments, the shortest and the longest cell: older workers did not take them.
    pub(super) const SHAPE: Self = Self(1);
    pub(super) const DISTINCT: Self = Self(2);
    pub(super) const QUANTILES: Self = Self(4);
    pub(super) const TOP: Self = Self(8);
    pub(super) const CHECKS: Self = Self(16);
    /// Values are counted one by one, however many there are.
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

    /// Those that are known here.
    pub(super) fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL)
    }

    pub(super) fn bits(self) -> u32 {
        self.0
    }

    pub(super) fn has(self, group: Self) -> bool {
        self.0 & group.0 != 0
    }

    /// What both have.
    pub(super) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether a column's values are told apart.
    pub(super) fn has_values(self) -> bool {
        self.0 & (Self::DISTINCT.0 | Self::QUANTILES.0 | Self::TOP.0) != 0
    }
}
