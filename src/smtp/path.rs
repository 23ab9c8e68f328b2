//! Mailboxes, domains and address literals (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3).
//!
//! Parsers bear the names of the ABNF. Octets above 127 are taken wherever RFC 6531 lets a U-label or a
//! character of UTF-8 stand; whether they are valid UTF-8 is asked once for the whole line.

use super::violation::{Violation, Violations};
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while1};
use nom::character::complete::{char, satisfy};
use nom::combinator::{eof, map, opt, peek, recognize, value, verify};
use nom::error::{ErrorKind, ParseError};
use nom::multi::many0_count;
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets of a local-part, a domain, and a path with its punctuation (RFC 5321 4.5.3.1.1 to 4.5.3.1.3).
const LOCAL_PART_CAP: usize = 64;
const DOMAIN_CAP: usize = 255;
const PATH_CAP: usize = 256;

const MISSING_BRACKETS: Violations = Violations::NONE.with(Violation::MissingBrackets);

/// What the parsers of a line return: what is left, what was read, or what is wrong.
pub(super) type Parsed<'a, T> = IResult<&'a [u8], T, Violation>;

/// An error without a name of its own is an argument that does not follow its grammar.
impl<'a> ParseError<&'a [u8]> for Violation {
    fn from_error_kind(_: &'a [u8], _: ErrorKind) -> Self {
        Violation::BadArgument
    }

    fn append(_: &'a [u8], _: ErrorKind, first: Self) -> Self {
        first
    }
}

/// The argument of MAIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReversePath<'a> {
    /// `<>`
    Null,
    /// `<local@host>`
    Mailbox(Mailbox<'a>),
}

/// The argument of RCPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardPath<'a> {
    /// `<Postmaster>` without a domain, in any case.
    Postmaster,
    /// `<local@host>`
    Mailbox(Mailbox<'a>),
}

/// A mailbox. Its slices point into the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox<'a> {
    /// The local-part as written, quotes included. Its case matters (RFC 5321 2.4).
    pub local: &'a [u8],
    /// Where it is.
    pub host: Host<'a>,
}

/// What stands behind the `@`, or behind EHLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A domain name, as written.
    Domain(&'a [u8]),
    /// `[192.0.2.1]` or `[IPv6:...]`; the slice is as written, brackets included.
    Address(IpAddr, &'a [u8]),
    /// `[tag:content]`, brackets included.
    General(&'a [u8]),
}

impl<'a> Mailbox<'a> {
    /// Whether the local-part is a quoted string.
    pub fn is_quoted(&self) -> bool {
        self.local.starts_with(b"\"")
    }

    /// The local-part without quotes and backslashes (RFC 5321 4.1.2: all quoted forms are equivalent).
    /// Allocates only if there is a backslash.
    pub fn unquoted(&self) -> Cow<'a, [u8]> {
        match self.local {
            [b'"', inner @ .., b'"'] if inner.contains(&b'\\') => {
                let mut escaped = false;
                let keep = |octet: &&u8| {
                    escaped = **octet == b'\\' && !escaped;
                    !escaped
                };
                Cow::Owned(inner.iter().filter(keep).copied().collect())
            }
            [b'"', inner @ .., b'"'] => Cow::Borrowed(inner),
            plain => Cow::Borrowed(plain),
        }
    }

    /// Whether the local-part, unquoted, holds `@`, `%` or `!`: routing that hides behind the last domain.
    pub fn routes(&self) -> bool {
        self.unquoted().iter().any(|octet| matches!(octet, b'@' | b'%' | b'!'))
    }

    /// Whether any octet is above 127.
    pub fn is_eight_bit(&self) -> bool {
        !(self.local.is_ascii() && self.host.octets().is_ascii())
    }

    /// What is understood although it is not right.
    fn sloppy(&self) -> Violations {
        let long = self.local.len() > LOCAL_PART_CAP;
        let around = self.local.starts_with(b".") || self.local.ends_with(b".");
        let dots = !self.is_quoted() && (around || self.local.windows(2).any(|pair| pair == b".."));
        let found = if long { Violations::NONE.with(Violation::LocalPartTooLong) } else { Violations::NONE };
        if dots { found.with(Violation::LocalPartDots) } else { found }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.local);
        out.push(b'@');
        out.extend_from_slice(self.host.octets());
    }
}

impl<'a> Host<'a> {
    /// As written.
    pub fn octets(&self) -> &'a [u8] {
        match self {
            Host::Domain(octets) | Host::Address(_, octets) | Host::General(octets) => octets,
        }
    }
}

/// What a host was understood as. With its octets, which somebody keeps, that makes the host again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostKind {
    Domain,
    Address(IpAddr),
    General,
}

impl HostKind {
    pub(crate) fn of(host: &Host<'_>) -> Self {
        match host {
            Host::Domain(_) => Self::Domain,
            Host::Address(address, _) => Self::Address(*address),
            Host::General(_) => Self::General,
        }
    }

    /// The host, as its octets were understood.
    pub(crate) fn host(self, octets: &[u8]) -> Host<'_> {
        match self {
            Self::Domain => Host::Domain(octets),
            Self::Address(address) => Host::Address(address, octets),
            Self::General => Host::General(octets),
        }
    }
}

impl ReversePath<'_> {
    /// Writes it with its angle brackets.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'<');
        if let ReversePath::Mailbox(mailbox) = self {
            mailbox.encode(out);
        }
        out.push(b'>');
    }
}

impl ForwardPath<'_> {
    /// Writes it with its angle brackets.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'<');
        match self {
            ForwardPath::Postmaster => out.extend_from_slice(b"Postmaster"),
            ForwardPath::Mailbox(mailbox) => mailbox.encode(out),
        }
        out.push(b'>');
    }
}

/// `Reverse-path = Path / "<>"`
pub(super) fn reverse_path(input: &[u8]) -> Parsed<'_, (ReversePath<'_>, Violations)> {
    let null = value((ReversePath::Null, Violations::NONE), tag("<>"));
    let mailbox = map(path, |(mailbox, sloppy)| (ReversePath::Mailbox(mailbox), sloppy));
    alt((null, mailbox)).parse(input)
}

/// `"<Postmaster>" / Forward-path`, and `Postmaster` without brackets.
pub(super) fn forward_path(input: &[u8]) -> Parsed<'_, (ForwardPath<'_>, Violations)> {
    let postmaster = || tag_no_case("Postmaster");
    let bracketed = value(Violations::NONE, delimited(char('<'), postmaster(), char('>')));
    let bare = value(MISSING_BRACKETS, terminated(postmaster(), peek(alt((eof, tag(" "), tag("\t"))))));
    let postmaster = map(alt((bracketed, bare)), |sloppy| (ForwardPath::Postmaster, sloppy));
    let mailbox = map(path, |(mailbox, sloppy)| (ForwardPath::Mailbox(mailbox), sloppy));
    alt((postmaster, mailbox)).parse(input)
}

/// `Path = "<" [ A-d-l ":" ] Mailbox ">"`, and a mailbox without brackets. The source route is read and
/// dropped (RFC 5321 4.1.1.3, F.2).
fn path(input: &[u8]) -> Parsed<'_, (Mailbox<'_>, Violations)> {
    let bracketed = delimited(char('<'), (opt(source_route), mailbox), char('>'));
    let bracketed = map(bracketed, |(route, mailbox)| (mailbox, route.map(|_| Violation::SourceRoute)));
    let bare = map(mailbox, |mailbox| (mailbox, Some(Violation::MissingBrackets)));
    let (rest, (mailbox, form)) = alt((bracketed, bare)).parse(input)?;
    // As it was written, and as it goes on: brackets that were left out count, too.
    let canonical = mailbox.local.len() + mailbox.host.octets().len() + "<@>".len();
    if canonical.max(input.len() - rest.len()) > PATH_CAP {
        return Err(nom::Err::Failure(Violation::PathTooLong));
    }
    Ok((rest, (mailbox, form.into_iter().fold(mailbox.sloppy(), Violations::with))))
}

/// `A-d-l = At-domain *( "," At-domain )`, with the colon behind it.
fn source_route(input: &[u8]) -> Parsed<'_, &[u8]> {
    let at_domain = || preceded(char('@'), domain);
    recognize((at_domain(), many0_count(preceded(char(','), at_domain())), char(':'))).parse(input)
}

/// `Mailbox = Local-part "@" ( Domain / address-literal )`
pub(super) fn mailbox(input: &[u8]) -> Parsed<'_, Mailbox<'_>> {
    let (rest, (local, _, host)) = (local_part, char('@'), host).parse(input)?;
    if host.octets().len() > DOMAIN_CAP {
        return Err(nom::Err::Failure(Violation::DomainTooLong));
    }
    Ok((rest, Mailbox { local, host }))
}

/// `Local-part = Dot-string / Quoted-string`. Dots may stand anywhere in a Dot-string, because they do in
/// mailboxes that exist; [`Violation::LocalPartDots`] tells.
fn local_part(input: &[u8]) -> Parsed<'_, &[u8]> {
    let dot_string =
        verify(take_while1(is_atext_or_dot), |octets: &[u8]| octets.iter().any(|octet| *octet != b'.'));
    alt((dot_string, quoted_string)).parse(input)
}

/// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`
pub(super) fn quoted_string(input: &[u8]) -> Parsed<'_, &[u8]> {
    let quoted_pair = preceded(char('\\'), satisfy(|c| matches!(c, ' '..='~')));
    let content = alt((value((), take_while1(is_qtext)), value((), quoted_pair)));
    recognize((char('"'), many0_count(content), char('"'))).parse(input)
}

/// `Domain / address-literal`
pub(super) fn host(input: &[u8]) -> Parsed<'_, Host<'_>> {
    alt((address_literal, map(domain, Host::Domain))).parse(input)
}

/// `Domain = sub-domain *("." sub-domain)`
pub(super) fn domain(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (mut rest, _) = sub_domain(input)?;
    while let [b'.', behind @ ..] = rest
        && let Ok((behind, _)) = sub_domain(behind)
    {
        rest = behind;
    }
    let (domain, rest) = input.split_at_checked(input.len() - rest.len()).unwrap_or_default();
    Ok((rest, domain))
}

/// `sub-domain = Let-dig [Ldh-str]`, with underscores, which the names of real mail hosts have.
fn sub_domain(input: &[u8]) -> Parsed<'_, &[u8]> {
    let hyphenated = |label: &[u8]| label.starts_with(b"-") || label.ends_with(b"-");
    verify(take_while1(is_label_octet), |label: &[u8]| !hyphenated(label)).parse(input)
}

/// `address-literal = "[" ( IPv4-address-literal / IPv6-address-literal / General-address-literal ) "]"`
fn address_literal(input: &[u8]) -> Parsed<'_, Host<'_>> {
    let brackets = delimited(char('['), take_while1(is_dcontent), char(']'));
    let (rest, (octets, content)) = nom::combinator::consumed(brackets).parse(input)?;
    match literal(octets, content) {
        Some(host) => Ok((rest, host)),
        None => Err(nom::Err::Error(Violation::BadArgument)),
    }
}

fn literal<'a>(octets: &'a [u8], content: &[u8]) -> Option<Host<'a>> {
    const IPV6: &str = "IPv6";
    let content = std::str::from_utf8(content).ok()?;
    if let Ok(address) = content.parse::<Ipv4Addr>() {
        return Some(Host::Address(IpAddr::V4(address), octets));
    }
    let (tag, address) = content.split_once(':')?;
    if tag.eq_ignore_ascii_case(IPV6) {
        return Some(Host::Address(IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), octets));
    }
    let ldh = tag.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-') && !tag.ends_with('-');
    (ldh && !tag.is_empty() && !address.is_empty()).then_some(Host::General(octets))
}

/// `atext` of RFC 5322 3.2.3, and RFC 6531 3.3.
pub(super) fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(octet, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/')
        || matches!(octet, b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~' | 0x80..)
}

fn is_atext_or_dot(octet: u8) -> bool {
    octet == b'.' || is_atext(octet)
}

fn is_qtext(octet: u8) -> bool {
    matches!(octet, b' '..=b'!' | b'#'..=b'[' | b']'..=b'~' | 0x80..)
}

fn is_label_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | 0x80..)
}

fn is_dcontent(octet: u8) -> bool {
    matches!(octet, b'!'..=b'Z' | b'^'..=b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox_of(text: &str) -> Mailbox<'_> {
        let (rest, mailbox) = mailbox(text.as_bytes()).unwrap();
        assert_eq!(rest, b"");
        mailbox
    }

    #[test]
    fn quotes_and_backslashes_come_off() {
        for (written, meant) in [
            ("a@b", "a"),
            ("\"a\"@b", "a"),
            (r#""a\b"@c"#, "ab"),
            (r#""a\\b"@c"#, r"a\b"),
            (r#""\"\\\""@c"#, r#""\""#),
            ("\"\"@b", ""),
            ("\"a b\"@c", "a b"),
        ] {
            assert_eq!(&*mailbox_of(written).unquoted(), meant.as_bytes(), "{written}");
        }
        assert!(matches!(mailbox_of("\"a\"@b").unquoted(), Cow::Borrowed(_)));
    }

    #[test]
    fn hidden_routes_are_seen_through_quotes() {
        for text in ["a%b@c", "b!a@c", "\"a@b\"@c", r#""a\@b"@c"#, r#""a\%b"@c"#] {
            assert!(mailbox_of(text).routes(), "{text}");
        }
        assert!(!mailbox_of("a.b+c@d").routes());
    }

    #[test]
    fn address_literals_are_addresses() {
        let address = |text| match mailbox_of(text).host {
            Host::Address(address, _) => address.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(address("a@[192.0.2.1]"), "192.0.2.1");
        assert_eq!(address("a@[IPv6:2001:DB8::1]"), "2001:db8::1");
        assert_eq!(address("a@[ipv6:::ffff:192.0.2.1]"), "::ffff:192.0.2.1");
        assert!(matches!(mailbox_of("a@[x-tag:content]").host, Host::General(b"[x-tag:content]")));
        for bad in
            ["[]", "[1.2.3]", "[1.2.3.256]", "[01.2.3.4]", "[IPv6:]", "[IPv6:fe80::1%eth0]", "[IPv6:1.2.3.4]"]
        {
            assert!(host(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
