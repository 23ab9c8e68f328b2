//! Base64 as SASL speaks it (RFC 4648 4, RFC 4954 4): padded, canonical, and nothing in it is passed over. Text that
//! two decoders could read as two answers is refused, not repaired.

use base64ct::{Base64, Encoding};

/// The most octets of a line of an AUTH exchange, CRLF included (RFC 4954 4).
pub const LONGEST_LINE: usize = 12_288;

/// Whether this is base64 (RFC 4954 8). Nothing is base64, too: a line of an AUTH exchange may be empty.
pub fn is_base64(text: &[u8]) -> bool {
    // Bits of the last digit that say nothing are zero, or some decoder reads them.
    let (digits, last): (_, &[u8]) = match text {
        [digits @ .., b'=', b'='] => (digits, b"AQgw"),
        [digits @ .., b'='] => (digits, b"AEIMQUYcgkosw048"),
        digits => (digits, b""),
    };
    let is_digit = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
    let canonical = last.is_empty() || digits.last().is_some_and(|digit| last.contains(digit));
    text.len().is_multiple_of(4) && canonical && digits.iter().all(is_digit)
}

/// Decodes into a buffer. Three octets of it are needed for four of the text; where it is too small, or the text is no
/// base64, there is nothing.
pub fn decode<'b>(text: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    if text.is_empty() {
        return Some(&[]);
    }
    Base64::decode(text, buffer).ok()
}

/// Appends octets as base64.
pub fn encode(octets: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start.saturating_add(Base64::encoded_len(octets)), 0);
    if let Some(room) = out.get_mut(start..) {
        // The room is what it takes.
        let _ = Base64::encode(octets, room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_base64_and_comes_back(octets: Vec<u8>) {
            let mut text = b"AUTH PLAIN ".to_vec();
            encode(&octets, &mut text);
            let text = &text[b"AUTH PLAIN ".len()..];
            prop_assert!(is_base64(text));
            let mut buffer = vec![0; octets.len()];
            prop_assert_eq!(decode(text, &mut buffer), Some(octets.as_slice()));
        }

        #[test]
        fn what_is_called_base64_is_what_can_be_decoded(text in "[A-Da-d0-9+/=gwQ \\n-]{0,12}") {
            let mut buffer = [0; 9];
            prop_assert_eq!(is_base64(text.as_bytes()), decode(text.as_bytes(), &mut buffer).is_some());
        }
    }

    #[test]
    fn bits_that_say_nothing_are_zero() {
        for (text, sound) in [
            ("", true),
            ("AGEAYg==", true),
            ("AGEAYh==", false),
            ("AGEAYWI=", true),
            ("AGEAYWJ=", false),
            ("AGEAYg", false),
            ("A===", false),
            ("====", false),
            ("=AAA", false),
            ("AAA=BBBB", false),
            ("AGEA\r\n==", false),
        ] {
            assert_eq!(is_base64(text.as_bytes()), sound, "{text}");
            assert_eq!(decode(text.as_bytes(), &mut [0; 64]).is_some(), sound, "{text}");
        }
        assert_eq!(decode(b"AGEAYg==", &mut [0; 3]), None);
    }
}
