//! A number of things, or a part of all of them: how much of a fleet goes at a time.

use std::fmt;

/// `3`, or `"25%"` of however many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// So many.
    Count(u32),
    /// So many of a hundred, rounded down.
    Percent(u8),
}

impl Share {
    /// How many that are of `all`; at least one, since nothing would ever be done otherwise.
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => usize::try_from(count).unwrap_or(usize::MAX).max(1),
            Self::Percent(percent) => (all.saturating_mul(usize::from(percent)) / 100).max(1),
        }
    }

    /// Reads `25%`: a whole number from 1 to 100.
    pub fn percent(text: &str) -> Option<Self> {
        let digits = text.strip_suffix('%')?;
        let plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
        digits.parse().ok().filter(|percent| plain && (1..=100).contains(percent)).map(Self::Percent)
    }
}

impl From<u32> for Share {
    fn from(count: u32) -> Self {
        Self::Count(count)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn a_part_is_rounded_down_and_never_nothing() {
        let quarter = Share::percent("25%").expect("a part");
        assert_eq!([0, 1, 3, 4, 9, 9683].map(|all| quarter.of(all)), [1, 1, 1, 1, 2, 2420]);
        assert_eq!(Share::percent("100%").map(|all| all.of(7)), Some(7));
        assert_eq!(Share::Count(3).of(1), 3);
        for bad in ["", "%", "25", "0%", "101%", "1.5%", "-1%", "+5%", "05%", "25 %", "999999%"] {
            assert_eq!(Share::percent(bad), None, "{bad}");
        }
    }
}
