//! Whose an Authentication-Results field is (RFC 8601 2.2).

use super::NAME;

/// Whose results a field says it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Ours.
    Ours,
    /// Somebody else's.
    Another,
    /// That does not stand in what was seen.
    Unclear,
}

/// How much of a field was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// Its beginning.
    Beginning,
}

/// Reads the authserv-id of a field.
pub(super) fn whose(field: &[u8], extent: Extent, stuffed: bool, name: &str) -> Whose {
    let text = unstuffed(field, stuffed);
    let Some(behind) = cfws(text.get(NAME.len()..).unwrap_or_default(), false) else { return Whose::Unclear };
    let payload = match behind {
        [] => return Whose::Unclear,
        [b':', payload @ ..] => payload,
        // It is no field at all.
        _ => return Whose::Another,
    };
    let id = match cfws(payload, true) {
        None | Some([]) => return Whose::Unclear,
        Some([b'"', quoted @ ..]) => unquoted(quoted),
        Some(text) => token(text, extent),
    };
    match id {
        None => Whose::Unclear,
        Some(id) if bare(&id).eq_ignore_ascii_case(bare(name.as_bytes())) => Whose::Ours,
        Some(_) => Whose::Another,
    }
}

/// Without the dot that ends a name for DNS.
fn bare(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").unwrap_or(name)
}

/// The field without its transparency.
fn unstuffed(field: &[u8], stuffed: bool) -> Vec<u8> {
    let line = |line: &[u8]| match line {
        [b'.', rest @ ..] if stuffed => rest.to_vec(),
        line => line.to_vec(),
    };
    field.split_inclusive(|octet| *octet == b'\n').flat_map(line).collect()
}

/// What stands behind white space and comments (RFC 5322 3.2.2). None: a comment has no end.
fn cfws(mut text: &[u8], comments: bool) -> Option<&[u8]> {
    loop {
        text = match text {
            [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] => rest,
            [b'(', rest @ ..] if comments => behind_comment(rest)?,
            _ => return Some(text),
        };
    }
}

/// Comments may stand in each other, and a backslash takes the meaning from what follows it.
fn behind_comment(mut text: &[u8]) -> Option<&[u8]> {
    let mut depth = 1_usize;
    while depth > 0 {
        text = match text {
            [] | [b'\\'] => return None,
            [b'(', rest @ ..] => {
                depth += 1;
                rest
            }
            [b')', rest @ ..] => {
                depth -= 1;
                rest
            }
            [b'\\', _, rest @ ..] | [_, rest @ ..] => rest,
        };
    }
    Some(text)
}

/// A quoted string, behind its first quote. White space in it that a fold left is none (RFC 5322 3.2.4).
fn unquoted(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut id = Vec::new();
    loop {
        text = match text {
            [] | [b'\\'] => return None,
            [b'"', ..] => return Some(id.trim_ascii().to_vec()),
            [b'\r' | b'\n', rest @ ..] => rest,
            [b'\\', octet, rest @ ..] | [octet, rest @ ..] => {
                id.push(*octet);
                rest
            }
        };
    }
}

/// A token (RFC 2045 5.1). None: it may go on behind what was seen.
fn token(text: &[u8], extent: Extent) -> Option<Vec<u8>> {
    let ends = |octet: &u8| octet.is_ascii_control() || b" ()<>@,;:\\\"/[]?=".contains(octet);
    let end = text.iter().position(ends).or((extent == Extent::Whole).then_some(text.len()));
    end.and_then(|end| text.get(..end)).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_name_is_found_wherever_it_may_stand() {
        for payload in [
            ": gate.example; none",
            ":gate.example;none",
            " \t:  GATE.Example 1; spf=pass",
            ":\r\n gate.example;\r\n spf=pass",
            "\r\n :\r\n\tgate.example\r\n ; spf=pass",
            ": (a (nested) \\) comment)(another) gate.example(and one) 1; none",
            ": \"gate.example\"; none",
            ": \"ga\\te.example\"; none",
            ": \"\r\n gate.example\"; none",
            ": gate.example.; none",
            ": gate.example/1; none",
            ": gate.example\r\n",
        ] {
            let field = format!("Authentication-Results{payload}");
            assert_eq!(
                whose(field.as_bytes(), Extent::Beginning, false, "gate.example"),
                Whose::Ours,
                "{payload}"
            );
        }
    }

    #[test]
    fn what_is_somebody_elses_is_not_ours() {
        for payload in [
            ": mx.gate.example; none",
            ": gate.example.org; none",
            ": gate; none",
            ": other (gate.example); none",
            ": \"gate.example x\"; none",
            ": ; gate.example",
            " gate.example; none",
            " x: gate.example; none",
        ] {
            let field = format!("Authentication-Results{payload}");
            assert_eq!(
                whose(field.as_bytes(), Extent::Beginning, false, "gate.example"),
                Whose::Another,
                "{payload}"
            );
        }
    }

    #[test]
    fn what_does_not_stand_there_is_unclear() {
        for payload in ["", " ", "\r\n", ":", ": (comment", ": (comment\\", ": \"gate", ": gate.example"] {
            let field = format!("Authentication-Results{payload}");
            assert_eq!(
                whose(field.as_bytes(), Extent::Beginning, false, "gate.example"),
                Whose::Unclear,
                "{payload}"
            );
        }
    }

    #[test]
    fn a_whole_field_ends_its_token() {
        let field = b"Authentication-Results: gate.example";
        assert_eq!(whose(field, Extent::Whole, false, "gate.example"), Whose::Ours);
        assert_eq!(whose(field, Extent::Whole, false, "gate.example.org"), Whose::Another);
    }

    #[test]
    fn transparency_hides_nothing() {
        for field in [
            ".Authentication-Results: gate.example; none\r\n",
            "Authentication-Results:\r\n. gate.example;\r\n",
        ] {
            assert_eq!(
                whose(field.as_bytes(), Extent::Beginning, true, "gate.example"),
                Whose::Ours,
                "{field}"
            );
        }
    }
}
