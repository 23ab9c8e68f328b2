//! `*` as a wildcard: any octets or none, without case.

/// A text with at least one `*` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wildcard {
    /// Lower case; an asterisk lies between any two of them.
    pieces: Vec<Box<[u8]>>,
}

impl Wildcard {
    /// Cuts the text at its asterisks.
    pub(super) fn new(text: &str) -> Wildcard {
        let pieces = text.split('*').map(|piece| piece.to_ascii_lowercase().into_bytes().into_boxed_slice());
        Wildcard { pieces: pieces.collect() }
    }

    /// What must occur in a text that fits, in lower case.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| &**piece)
    }

    /// Whether all of `octets` fits. Each piece in the middle is taken where it first occurs: with nothing but
    /// asterisks between them no later place could do better, so there is no going back.
    pub(super) fn fits(&self, octets: &[u8]) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return false };
        let Some(mut left) = without_front(octets, first) else { return false };
        let Some((last, middle)) = rest.split_last() else { return left.is_empty() };
        for piece in middle {
            let Some(behind) = behind_first(left, piece) else { return false };
            left = behind;
        }
        left.len()
            .checked_sub(last.len())
            .and_then(|at| left.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(last))
    }
}

fn without_front<'o>(octets: &'o [u8], piece: &[u8]) -> Option<&'o [u8]> {
    let (front, behind) = octets.split_at_checked(piece.len())?;
    front.eq_ignore_ascii_case(piece).then_some(behind)
}

fn behind_first<'o>(octets: &'o [u8], piece: &[u8]) -> Option<&'o [u8]> {
    if piece.is_empty() {
        return Some(octets);
    }
    let at = octets.windows(piece.len()).position(|window| window.eq_ignore_ascii_case(piece))?;
    octets.get(at + piece.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asterisk_stands_for_anything() {
        let fits = |pattern: &str, text: &str| Wildcard::new(pattern).fits(text.as_bytes());
        assert!(fits("*", ""));
        assert!(fits("*.Example.com", "a.b.example.COM"));
        assert!(!fits("*.example.com", "example.com"));
        assert!(fits("a*b*c", "axxbyybzzc"));
        assert!(!fits("a*b*c", "axxc"));
        assert!(!fits("ab*ba", "aba"));
        assert!(fits("**", "x"));
        assert!(fits("*a*", "banana"));
        assert!(!fits("*a*", "bnn"));
    }
}
