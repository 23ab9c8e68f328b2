//! Numbers as they stand on a line: in digits, with nothing in front.

/// The most digits that one has.
const DIGITS: usize = 20;

/// Reads a number: digits, nothing else, as many as the largest has at most.
pub(crate) fn read(text: &[u8]) -> Option<u64> {
    let digit = |octet: &u8| octet.is_ascii_digit().then(|| u64::from(octet - b'0'));
    let append = |sum: u64, octet: &u8| sum.checked_mul(10)?.checked_add(digit(octet)?);
    if matches!(text.len(), 1..=DIGITS) { text.iter().try_fold(0, append) } else { None }
}

/// Writes a number. (Through `write!` it would take ten times as long.)
pub(crate) fn write(number: u64, out: &mut Vec<u8>) {
    let (mut digits, mut left, mut start) = ([0; DIGITS], number, DIGITS);
    for digit in digits.iter_mut().rev() {
        *digit = u8::try_from(left % 10).map_or(b'?', |digit| b'0' + digit);
        (left, start) = (left / 10, start - 1);
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_everywhere() {
        for number in [0, 1, 9, 10, 99, 100, 26_214_400, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = b"x".to_vec();
            write(number, &mut out);
            assert_eq!(out, format!("x{number}").into_bytes());
            assert_eq!(read(out.get(1..).unwrap()), Some(number));
        }
    }

    #[test]
    fn what_is_more_than_digits_is_no_number() {
        for text in ["", "+1", "-1", " 1", "1 ", "1a", "18446744073709551616", "000000000000000000001"] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read(b"00000000000000000001"), Some(1));
    }
}
