//! The nearest valid name.

/// The candidate that was most likely meant, if one is near enough to be worth saying.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(wanted, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + wanted.len().min(candidate.len()) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typo_is_near_and_a_different_word_is_not() {
        assert_eq!(nearest("kafak", ["zookeeper", "kafka"]), Some("kafka"));
        assert_eq!(nearest("nginx", ["zookeeper", "kafka"]), None);
    }
}
