//! The known word that a mistyped one was probably meant to be.

/// The candidate with the fewest edits, if it is near enough to be worth saying.
pub fn nearest<'w>(word: &str, candidates: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (edits(&word.to_ascii_lowercase(), &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one to the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut older: Vec<usize> = Vec::new();
    let mut old: Vec<usize> = (0..=to.len()).collect();
    let mut before_last = None;
    for (row, &letter) in from.chars().collect::<Vec<_>>().iter().enumerate() {
        let mut new = vec![row + 1];
        for (column, &wanted) in to.iter().enumerate() {
            let at = |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&old, column) + usize::from(letter != wanted);
            let mut best = replaced.min(at(&old, column + 1) + 1).min(at(&new, column) + 1);
            let previous = column.checked_sub(1);
            if let Some(previous) = previous
                && to.get(previous) == Some(&letter)
                && before_last == Some(wanted)
            {
                best = best.min(at(&older, previous) + 1);
            }
            new.push(best);
        }
        older = std::mem::replace(&mut old, new);
        before_last = Some(letter);
    }
    old.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_is_one_edit() {
        assert_eq!(edits("mial", "mail"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("recipient", "recipients"), 1);
    }

    #[test]
    fn what_is_far_away_is_not_suggested() {
        assert_eq!(nearest("recipient", ["transactions", "recipients"]), Some("recipients"));
        assert_eq!(nearest("zebra", ["transactions", "recipients"]), None);
    }
}
