//! The nearest valid name.

/// Letters that a name must share with another from its beginning, to be called a shorter or longer form of it.
const LEAST_BEGINNING: usize = 3;

/// The candidate that was most likely meant, if one is near enough to be worth saying: by its letters, or as the only
/// one that begins alike (`warning` for `warn`).
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let by_letters = candidates
        .iter()
        .copied()
        .map(|candidate| (strsim::damerau_levenshtein(wanted, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + wanted.len().min(candidate.len()) / 3)
        .min()
        .map(|(_, candidate)| candidate);
    let begins_alike = |candidate: &&str| {
        let shorter = wanted.len().min(candidate.len());
        shorter >= LEAST_BEGINNING && (wanted.starts_with(*candidate) || candidate.starts_with(wanted))
    };
    let mut alike = candidates.iter().copied().filter(begins_alike);
    by_letters.or_else(|| alike.next().filter(|_| alike.next().is_none()))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typo_is_near_and_a_different_word_is_not() {
        assert_eq!(nearest("kafak", ["zookeeper", "kafka"]), Some("kafka"));
        assert_eq!(nearest("nginx", ["zookeeper", "kafka"]), None);
        assert_eq!(nearest("warning", ["info", "warn"]), Some("warn"));
        assert_eq!(nearest("max", ["max-heap", "max-size", "min-size"]), None, "two begin so");
    }
}
