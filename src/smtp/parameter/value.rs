//! The grammar of each parameter's value. A function is named for its keyword, and a combinator for its ABNF.

use super::Body;
use crate::smtp::decimal;
use crate::smtp::path::{Parsed, is_atext};
use crate::smtp::violation::Violation;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while_m_n, take_while1};
use nom::character::complete::{char, one_of, satisfy};
use nom::combinator::{all_consuming, map_opt, opt, recognize, rest, verify};
use nom::multi::many0_count;
use nom::sequence::preceded;

/// How well a value follows its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// To the letter.
    Exact,
    /// It holds octets that xtext would have encoded, as real senders write them. No reader takes it for
    /// another.
    Loose,
    /// Not at all.
    Not,
}

/// The most octets of an ENVID and of an ORCPT (RFC 3461 5.4), and of SOLICIT's keywords (RFC 3865 2).
const ENVID_CAP: usize = 100;
const ORCPT_CAP: usize = 500;
const SOLICIT_CAP: usize = 1000;

/// Whether a grammar reads all of a value that must be there.
fn exact<'a, O>(
    grammar: impl Parser<&'a [u8], Output = O, Error = Violation>,
    value: Option<&'a [u8]>,
) -> Fit {
    let reads = |value| all_consuming(grammar).parse(value).is_ok();
    if value.is_some_and(reads) { Fit::Exact } else { Fit::Not }
}

/// No value.
pub(super) fn none(value: Option<&[u8]>) -> Fit {
    if value.is_none() { Fit::Exact } else { Fit::Not }
}

/// A value of which no more is known than RFC 5321 says.
pub(super) fn any(value: Option<&[u8]>) -> Fit {
    match value {
        Some(value) if value.contains(&b'=') => Fit::Loose,
        Some(_) => Fit::Exact,
        None => Fit::Not,
    }
}

/// Such a value, or none.
pub(super) fn any_or_none(value: Option<&[u8]>) -> Fit {
    if value.is_none() { Fit::Exact } else { any(value) }
}

/// `size-value = 1*20DIGIT` (RFC 1870 4)
pub(super) fn size(value: Option<&[u8]>) -> Fit {
    if value.and_then(decimal::read).is_some() { Fit::Exact } else { Fit::Not }
}

/// `"7BIT" / "8BITMIME" / "BINARYMIME"` (RFC 6152 2, RFC 3030 3)
pub(super) fn body(value: Option<&[u8]>) -> Fit {
    exact(map_opt(rest, Body::from_value), value)
}

/// `"FULL" / "HDRS"` (RFC 3461 4.3)
pub(super) fn ret(value: Option<&[u8]>) -> Fit {
    exact(alt((word("FULL"), word("HDRS"))), value)
}

/// `xtext` of at most 100 octets (RFC 3461 4.4)
pub(super) fn envid(value: Option<&[u8]>) -> Fit {
    as_xtext(value.filter(|value| value.len() <= ENVID_CAP))
}

/// `xtext` of a mailbox or of `<>` (RFC 4954 5)
pub(super) fn auth(value: Option<&[u8]>) -> Fit {
    as_xtext(value)
}

/// `by-value = ["-" / "+"] 1*9DIGIT ";" ("N" / "R") ["T"]` (RFC 2852 4)
pub(super) fn by(value: Option<&[u8]>) -> Fit {
    exact((opt(one_of("+-")), digits(1, 9), char(';'), one_of("NRnr"), opt(one_of("Tt"))), value)
}

/// `priority-value = (["-"] NZDIGIT) / "0"` (RFC 6710 7)
pub(super) fn mt_priority(value: Option<&[u8]>) -> Fit {
    exact(alt((recognize((opt(char('-')), one_of("123456789"))), tag("0"))), value)
}

/// `future-release-integer`, 1 to 999999999 (RFC 4865 3)
pub(super) fn hold_for(value: Option<&[u8]>) -> Fit {
    exact(verify(digits(1, 9), |digits: &[u8]| !digits.starts_with(b"0")), value)
}

/// `Internet-style-date-time-UTC` (RFC 4865 3)
pub(super) fn hold_until(value: Option<&[u8]>) -> Fit {
    exact((full_date, one_of("Tt"), partial_time, one_of("Zz")), value)
}

/// `Solicitation-keywords = word 0*("," word)` (RFC 3865 2.2)
pub(super) fn solicit(value: Option<&[u8]>) -> Fit {
    let tail = || take_while1(|octet: u8| octet.is_ascii_alphanumeric() || b".-_:".contains(&octet));
    let word = || (satisfy(|c| c.is_ascii_alphabetic()), opt(tail()));
    exact((word(), many0_count((char(','), word()))), value.filter(|value| value.len() <= SOLICIT_CAP))
}

/// `"NEVER" / 1#notify-list-element`, each at most once (RFC 3461 4.1)
pub(super) fn notify(value: Option<&[u8]>) -> Fit {
    let element = || alt((word("SUCCESS"), word("FAILURE"), word("DELAY")));
    let list = recognize((element(), many0_count((char(','), element()))));
    exact(alt((word("NEVER"), verify(list, |list: &[u8]| !repeats(list)))), value)
}

fn repeats(list: &[u8]) -> bool {
    let elements = || list.split(|octet| *octet == b',').enumerate();
    elements().any(|(n, one)| elements().any(|(m, other)| m < n && one.eq_ignore_ascii_case(other)))
}

/// `original-recipient-address = addr-type ";" xtext` (RFC 3461 4.2), and the forms of `utf-8` (RFC 6533 3)
pub(super) fn orcpt(value: Option<&[u8]>) -> Fit {
    let Some(value) = value.filter(|value| value.len() <= ORCPT_CAP) else { return Fit::Not };
    let mut addr_type = (take_while1(|octet: u8| octet.is_ascii() && is_atext(octet)), char(';'));
    let parsed: Parsed<'_, _> = addr_type.parse(value);
    match parsed {
        Ok((address, (kind, _))) if kind.eq_ignore_ascii_case(b"utf-8") => match address {
            [] => Fit::Not,
            _ if address.contains(&b'=') => Fit::Loose,
            _ => Fit::Exact,
        },
        Ok((address, _)) => as_xtext(Some(address)),
        Err(_) => Fit::Not,
    }
}

/// `date-time [ ";" ( "C" / "R" ) ]`, without a fraction (RFC 7293 3.1)
pub(super) fn rrvs(value: Option<&[u8]>) -> Fit {
    let offset = (one_of("+-"), at_most(23), char(':'), at_most(59));
    let zone = alt((recognize(one_of("Zz")), recognize(offset)));
    let action = (char(';'), one_of("CRcr"));
    exact((full_date, one_of("Tt"), whole_seconds, zone, opt(action)), value)
}

/// Exact as xtext, loose if it is printable ASCII all the same.
fn as_xtext(value: Option<&[u8]>) -> Fit {
    match value {
        Some(value) if exact(xtext_octets, Some(value)) == Fit::Exact => Fit::Exact,
        Some(value) if !value.is_empty() && value.is_ascii() => Fit::Loose,
        _ => Fit::Not,
    }
}

/// `xtext = *( xchar / hexchar )`, and at least one of them (RFC 3461 4)
fn xtext_octets(input: &[u8]) -> Parsed<'_, &[u8]> {
    let hexchar =
        preceded(char('+'), take_while_m_n(2, 2, |octet: u8| matches!(octet, b'0'..=b'9' | b'A'..=b'F')));
    let xchar = take_while1(|octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'+' | b'='));
    verify(recognize(many0_count(alt((xchar, hexchar)))), |octets: &[u8]| !octets.is_empty()).parse(input)
}

/// `1*20DIGIT` that fits the largest number that anybody counts with.
pub(in crate::smtp) fn number(input: &[u8]) -> Parsed<'_, u64> {
    map_opt(digits(1, 20), decimal::read).parse(input)
}

/// `full-date` (RFC 3339 5.6)
fn full_date(input: &[u8]) -> Parsed<'_, &[u8]> {
    recognize((digits(4, 4), char('-'), at_most(12), char('-'), at_most(31))).parse(input)
}

/// `partial-time` (RFC 3339 5.6)
fn partial_time(input: &[u8]) -> Parsed<'_, &[u8]> {
    recognize((whole_seconds, opt((char('.'), digits(1, 9))))).parse(input)
}

fn whole_seconds(input: &[u8]) -> Parsed<'_, &[u8]> {
    // A minute may have a leap second.
    recognize((at_most(23), char(':'), at_most(59), char(':'), at_most(60))).parse(input)
}

/// Two digits, as a number of at most so many.
fn at_most<'a>(most: u8) -> impl Parser<&'a [u8], Output = u8, Error = Violation> {
    let as_number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
    verify(map_opt(digits(2, 2), as_number), move |number| *number <= most)
}

/// `least*mostDIGIT`
fn digits<'a>(least: usize, most: usize) -> impl Parser<&'a [u8], Output = &'a [u8], Error = Violation> {
    take_while_m_n(least, most, |octet: u8| octet.is_ascii_digit())
}

fn word<'a>(word: &'static str) -> impl Parser<&'a [u8], Output = &'a [u8], Error = Violation> {
    tag_no_case(word)
}

/// Encodes octets as xtext (RFC 3461 4).
pub fn to_xtext(octets: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoded = Vec::with_capacity(octets.len());
    for octet in octets {
        if octet.is_ascii_graphic() && !matches!(octet, b'+' | b'=') {
            encoded.push(*octet);
        } else {
            // Writing to a Vec cannot fail.
            let _ = write!(encoded, "+{octet:02X}");
        }
    }
    encoded
}

/// Decodes xtext (RFC 3461 4); hexadecimal digits in any case.
pub fn xtext(value: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut octets = value.iter();
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'+' => hexadecimal(*octets.next()?)? << 4 | hexadecimal(*octets.next()?)?,
            octet if octet.is_ascii_graphic() && *octet != b'=' => *octet,
            _ => return None,
        });
    }
    Some(decoded)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|number| u8::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_decoded() {
        assert_eq!(xtext(b"a+2Bb+3Dc").unwrap(), b"a+b=c");
        assert_eq!(xtext(b"<>").unwrap(), b"<>");
        for octets in [&b"a+b=c"[..], b"a b", "\u{f6}\0".as_bytes()] {
            assert_eq!(xtext(&to_xtext(octets)).unwrap(), octets);
        }
        for bad in [&b"a+"[..], b"a+2", b"a+2G", b"a=b", b"a b", b"\xc3\xa4"] {
            assert_eq!(xtext(bad), None);
        }
    }

    #[test]
    fn values_fit_exactly_loosely_or_not() {
        assert_eq!(envid(Some(b"QQ314159")), Fit::Exact);
        assert_eq!(envid(Some(b"a=b")), Fit::Loose);
        assert_eq!(envid(Some(b"a+b")), Fit::Loose);
        assert_eq!(envid(Some(&[b'a'; 101])), Fit::Not);
        assert_eq!(envid(None), Fit::Not);
        assert_eq!(orcpt(Some(b"rfc822;bob+2Bx@a")), Fit::Exact);
        assert_eq!(orcpt(Some(b"rfc822;bob+x@a")), Fit::Loose);
        assert_eq!(orcpt(Some(b"bob@a")), Fit::Not);
        assert_eq!(orcpt(Some("utf-8;b\u{f6}b@a".as_bytes())), Fit::Exact);
        assert_eq!(orcpt(Some("rfc822;b\u{f6}b@a".as_bytes())), Fit::Not);
    }
}
