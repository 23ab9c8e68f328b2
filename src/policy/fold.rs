//! Names as they are compared: lower case, without a final dot, A-labels for U-labels. No allocation where none of a
//! sensible length is asked about.

use arrayvec::ArrayVec;
use std::ops::Deref;

/// A local part, an `@` and a domain of the greatest permitted lengths fit.
const SHORT: usize = 64 + 1 + 255;

/// A folded name.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives on the stack, to spare the heap")]
pub(super) enum Folded {
    Short(ArrayVec<u8, SHORT>),
    Long(Vec<u8>),
}

impl Deref for Folded {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Folded::Short(octets) => octets,
            Folded::Long(octets) => octets,
        }
    }
}

impl Folded {
    /// Lower case.
    pub(super) fn text(octets: &[u8]) -> Folded {
        Folded::joined(&[octets]).lower()
    }

    /// A domain: lower case, no final dot, A-labels.
    pub(super) fn domain(octets: &[u8]) -> Folded {
        let octets = octets.strip_suffix(b".").unwrap_or(octets);
        if octets.is_ascii() {
            return Folded::text(octets);
        }
        match idna::domain_to_ascii_cow(octets, idna::AsciiDenyList::EMPTY) {
            Ok(ascii) => Folded::text(ascii.as_bytes()),
            // No name at all; it is compared as it stands and is in no list.
            Err(_) => Folded::text(octets),
        }
    }

    /// A mailbox: both parts, with the `@` between them.
    pub(super) fn mailbox(local: &[u8], domain: &[u8]) -> Folded {
        Folded::mailbox_as_written(local, domain).lower()
    }

    /// A mailbox with its local part in the case in which it was written.
    pub(super) fn mailbox_as_written(local: &[u8], domain: &[u8]) -> Folded {
        Folded::joined(&[local, b"@", &Folded::domain(domain)])
    }

    fn joined(parts: &[&[u8]]) -> Folded {
        let mut short = ArrayVec::new();
        for part in parts {
            if short.try_extend_from_slice(part).is_err() {
                return Folded::Long(parts.concat());
            }
        }
        Folded::Short(short)
    }

    fn lower(mut self) -> Folded {
        match &mut self {
            Folded::Short(octets) => octets.make_ascii_lowercase(),
            Folded::Long(octets) => octets.make_ascii_lowercase(),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_a_final_dot_and_the_kind_of_label_make_no_difference() {
        let folded = Folded::domain("Bücher.Example.".as_bytes());
        assert_eq!(&*folded, b"xn--bcher-kva.example");
        assert_eq!(&*Folded::domain(b"XN--BCHER-KVA.example"), b"xn--bcher-kva.example");
        assert_eq!(&*Folded::domain(b"\xff\xfe"), b"\xff\xfe");
        assert_eq!(&*Folded::mailbox(b"Post", b"Example.COM."), b"post@example.com");
        assert_eq!(Folded::text(&[b'A'; 400]).len(), 400);
    }
}
