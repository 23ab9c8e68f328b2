//! How a line is put together. Its digits are made by hand: they stand on every line, and the way through `write!` is
//! twenty times as long.

use crate::smtp::date::civil;
use crate::smtp::decimal;
use std::cell::Cell;
use std::fmt::Display;
use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The line that is being written, behind those that wait. What is said of a thing stands behind the thing's name, which is
/// a constant: these are inlined, so that a name is a store or two and not a call.
#[derive(Debug)]
pub(super) struct Line<'a>(&'a mut Vec<u8>);

impl<'a> Line<'a> {
    /// Begins one.
    pub(super) fn behind(lines: &'a mut Vec<u8>) -> Self {
        Self(lines)
    }

    /// Words as they stand.
    #[inline]
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// A word.
    #[inline]
    pub(super) fn word(&mut self, name: &str, word: &str) -> &mut Self {
        self.text(name).text(word)
    }

    /// A number.
    #[inline]
    pub(super) fn number(&mut self, name: &str, number: impl Into<u64>) -> &mut Self {
        self.text(name);
        decimal::write(number.into(), self.0);
        self
    }

    /// The last `N` digits of a number.
    #[inline]
    fn padded<const N: usize>(&mut self, name: &str, number: impl Into<u64>) -> &mut Self {
        let (mut digits, mut rest) = ([b'0'; N], number.into());
        for place in digits.iter_mut().rev() {
            (*place, rest) = (last_digit(rest), rest / 10);
        }
        self.text(name).0.extend_from_slice(&digits);
        self
    }

    /// Seconds, to the millisecond.
    pub(super) fn seconds(&mut self, name: &str, span: Duration) -> &mut Self {
        self.number(name, span.as_secs()).padded::<3>(".", span.subsec_millis())
    }

    /// An address, without a port.
    pub(super) fn address(&mut self, name: &str, address: IpAddr) -> &mut Self {
        match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                self.number(name, a).number(".", b).number(".", c).number(".", d)
            }
            IpAddr::V6(address) => self.shown(name, address),
        }
    }

    /// What is rare, or can be written in more than one way.
    pub(super) fn shown(&mut self, name: &str, what: impl Display) -> &mut Self {
        // Writing to a Vec cannot fail.
        let _ = write!(self.0, "{name}{what}");
        self
    }

    /// RFC 3339, in UTC, to the millisecond.
    pub(super) fn time(&mut self, at: SystemTime) -> &mut Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.extend_from_slice(&Second::at(since.as_secs()).text);
        self.padded::<3>(".", since.subsec_millis()).text("Z")
    }
}

/// A second since 1970, in words.
#[derive(Clone, Copy, Debug)]
struct Second {
    number: u64,
    text: [u8; 19],
}

thread_local! {
    /// The second of the thread's last line: the next line is likely to be of the same.
    static LAST: Cell<Second> = Cell::new(Second::new(0));
}

impl Second {
    /// The one of the last line, or another.
    fn at(number: u64) -> Self {
        let last = LAST.get();
        if last.number == number {
            return last;
        }
        let this = Self::new(number);
        LAST.set(this);
        this
    }

    /// All its digits are those of one number, and go where the pattern has a 0.
    fn new(number: u64) -> Self {
        let (days, second) = (number / 86_400, number % 86_400);
        let (year, month, day) = civil(days);
        let parts = [month, day, second / 3600, second / 60 % 60, second % 60];
        let mut rest = parts.iter().fold(year % 10_000, |digits, part| digits * 100 + part);
        let mut text = *b"0000-00-00T00:00:00";
        for place in text.iter_mut().rev().filter(|place| **place == b'0') {
            (*place, rest) = (last_digit(rest), rest / 10);
        }
        Self { number, text }
    }
}

fn last_digit(number: u64) -> u8 {
    u8::try_from(number % 10).map_or(b'?', |digit| b'0' + digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    fn written(write: impl for<'l, 'v> FnOnce(&'l mut Line<'v>) -> &'l mut Line<'v>) -> String {
        let mut lines = b"before\n".to_vec();
        write(&mut Line::behind(&mut lines));
        String::from_utf8(lines).unwrap().strip_prefix("before\n").unwrap().to_owned()
    }

    #[test]
    fn the_time_of_day_is_written_as_rfc_3339_has_it() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_827_696_007, "2000-02-29T12:34:56.007Z"),
            (951_827_696_999, "2000-02-29T12:34:56.999Z"),
            (951_827_697_000, "2000-02-29T12:34:57.000Z"),
            (951_827_696_010, "2000-02-29T12:34:56.010Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (253_402_300_799_120, "9999-12-31T23:59:59.120Z"),
        ] {
            let at = UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(written(|line| line.time(at)), text);
        }
    }

    #[test]
    fn a_number_has_as_many_digits_as_it_needs() {
        let powers = (0..20).map(|power| 10_u64.pow(power));
        let edges = powers.flat_map(|power| [power - 1, power, power + 1]);
        for number in edges.chain([u64::MAX]) {
            assert_eq!(written(|line| line.number(" n=", number)), format!(" n={number}"));
        }
    }

    #[test]
    fn every_octet_of_an_address_is_written() {
        for octet in 0..=u8::MAX {
            for octets in [[octet, 0, 0, 0], [0, octet, 0, 0], [0, 0, octet, 0], [0, 0, 0, octet]] {
                let address = IpAddr::from(octets);
                assert_eq!(written(|line| line.address(" a=", address)), format!(" a={address}"));
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_by_hand_is_what_the_library_writes(
            number in any::<u64>(),
            address in any::<IpAddr>(),
            span in any::<Duration>(),
        ) {
            assert_eq!(written(|line| line.number("", number)), number.to_string());
            assert_eq!(written(|line| line.address("", address)), address.to_string());
            let seconds = format!("{}.{:03}", span.as_secs(), span.subsec_millis());
            assert_eq!(written(|line| line.seconds("", span)), seconds);
        }
    }
}
