//! What a text must contain to fit a pattern. One search for the needles of all patterns finds the few patterns that
//! are worth asking; it may find too many, and never misses one.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// The longest needle, in octets; of more than that its front will do.
const LONGEST: usize = 64;
/// The most needles of which a text must hold one. Where there are more, something else is looked for.
const MOST: usize = 32;

/// Octets in lower case: needles are searched without case.
pub(super) type Needle = Box<[u8]>;

/// A text that fits holds at least one of them.
pub(super) type AnyOf = Vec<Needle>;

/// A single octet that stands in nearly every address finds nothing.
fn is_common(needle: &[u8]) -> bool {
    matches!(needle, [] | [b'0'..=b'9' | b'a'..=b'z' | b'@' | b'.' | b'-' | b'_' | b'='])
}

/// Texts of which one must be there, if they are few and rare enough to be looked for.
fn any_of<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Option<AnyOf> {
    let needle = |text: &'t [u8]| text.get(..LONGEST).unwrap_or(text).to_ascii_lowercase().into_boxed_slice();
    let all: AnyOf = texts.map(needle).collect();
    let finds = !all.is_empty() && all.len() <= MOST && !all.iter().any(|needle| is_common(needle));
    finds.then_some(all)
}

/// The needles of a wildcard: each of its pieces, alone.
pub(super) fn of_pieces<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> Vec<AnyOf> {
    pieces.filter_map(|piece| any_of(std::iter::once(piece))).collect()
}

/// The needles of a regular expression; a text that fits holds one of each. None are found in `/^[a-z]+$/`.
pub(super) fn of_expression(expression: &str) -> Vec<AnyOf> {
    // As `pattern::expression` compiles it.
    let parsed = ParserBuilder::new().unicode(false).utf8(false).build().parse(expression);
    parsed.map(|hir| required(&hir)).unwrap_or_default()
}

fn required(hir: &Hir) -> Vec<AnyOf> {
    match hir.kind() {
        HirKind::Literal(literal) => of_pieces(std::iter::once(&*literal.0)),
        HirKind::Class(class) => any_of(letters(class).chunks(1)).into_iter().collect(),
        HirKind::Concat(parts) => required_of_all(parts),
        HirKind::Alternation(parts) => required_of_any(parts).into_iter().collect(),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Empty | HirKind::Look(_) | HirKind::Repetition(_) => Vec::new(),
    }
}

/// What all parts need together. Parts that are one text each are one text in a row.
fn required_of_all(parts: &[Hir]) -> Vec<AnyOf> {
    let mut all = Vec::new();
    let mut run = Vec::new();
    for part in parts {
        match (part.kind(), exact(part)) {
            (_, Some(text)) => run.extend(text),
            // It takes no room between its neighbours.
            (HirKind::Look(_), None) => {}
            (_, None) => {
                all.extend(any_of(std::iter::once(run.as_slice())));
                run.clear();
                all.extend(required(part));
            }
        }
    }
    all.extend(any_of(std::iter::once(run.as_slice())));
    all
}

/// One of what the parts need, if each needs something.
fn required_of_any(parts: &[Hir]) -> Option<AnyOf> {
    let best = |part| required(part).into_iter().max_by_key(worth);
    let all = parts.iter().map(best).collect::<Option<Vec<_>>>()?.concat();
    (all.len() <= MOST).then_some(all)
}

/// The only text that fits, but for case.
fn exact(hir: &Hir) -> Option<Vec<u8>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(literal.0.to_vec()),
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Class(class) => match letters(class).as_slice() {
            [only] => Some(vec![*only]),
            _ => None,
        },
        _ => None,
    }
}

/// The octets of a class, but for case.
fn letters(class: &Class) -> Vec<u8> {
    let Class::Bytes(class) = class else { return Vec::new() };
    let ranges = class.ranges().iter().flat_map(|range| range.start()..=range.end());
    let mut octets: Vec<u8> = ranges.map(|octet| octet.to_ascii_lowercase()).collect();
    octets.sort_unstable();
    octets.dedup();
    octets
}

/// How much the poorest of them says. Behind an `@` stands what many mailboxes share, which says nothing.
pub(super) fn worth(any: &AnyOf) -> usize {
    let own = |needle: &Needle| memchr::memchr(b'@', needle).unwrap_or(needle.len());
    any.iter().map(own).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(expression: &str) -> Vec<String> {
        let joined = |any: &AnyOf| -> String {
            any.iter().map(|needle| needle.escape_ascii().to_string()).collect::<Vec<_>>().join("|")
        };
        of_expression(expression).iter().map(joined).collect()
    }

    #[test]
    fn what_every_text_that_fits_must_hold() {
        for (expression, needles) in [
            ("^list-17-.*@example\\.com$", &["list-17-", "@example.com"][..]),
            ("(?i)PostM\\baster", &["postmaster"]),
            ("[;()<>\\\\]|\\$\\(", &["(|)|;|<|>|\\\\|$("]),
            ("a(bc)d+(?:ee){2}f*", &["abc", "ee"]),
            ("(?:xx|y+yy)z", &["xx|yy"]),
            ("x|yy", &[]),
            ("(?:abc)*(?:de){0,9}fg", &["fg"]),
            ("x|y*", &[]),
            ("^[a-z]+[0-9]?$", &[]),
            ("^.*$", &[]),
            ("", &[]),
        ] {
            assert_eq!(shown(expression), needles, "{expression}");
        }
    }
}
