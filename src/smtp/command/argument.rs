//! The grammar of each argument (RFC 5321 4.1.1).

use super::Argument;
use crate::smtp::base64::is_base64;
use crate::smtp::parameter::{self, blanks, parameters};
use crate::smtp::path::{
    Host, Parsed, domain, forward_path, host, is_atext, mailbox, quoted_string, reverse_path,
};
use crate::smtp::verb::{Grammar, Verb};
use crate::smtp::violation::{Violation, Violations};
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while_m_n, take_while1};
use nom::character::complete::{char, one_of};
use nom::combinator::{all_consuming, opt, recognize, rest, verify};
use nom::multi::many0_count;
use nom::sequence::preceded;
use std::net::IpAddr;

/// The most octets of a name behind EHLO (RFC 5321 4.5.3.1.2).
const NAME_CAP: usize = 255;

type Outcome<'a> = Result<Argument<'a>, Violation>;

/// Understands what stands behind a known verb, the white space between included.
pub(super) fn parse<'a>(verb: Verb, behind: &'a [u8], sloppy: &mut Violations) -> Outcome<'a> {
    let text = trimmed(behind, sloppy);
    let grammar = verb.facts().grammar;
    match grammar {
        Grammar::Opaque => return Ok(Argument::Opaque(text)),
        // Whatever is wrong with it, the size is in doubt.
        Grammar::Chunk => return chunk(text, sloppy).map_err(|_| Violation::BdatSize),
        _ => {}
    }
    sound(grammar, text)?;
    match (grammar, text) {
        (Grammar::None, []) => Ok(Argument::None),
        (Grammar::None, _) => Err(Violation::ArgumentForbidden),
        (Grammar::OptionalText | Grammar::Domains, []) => Ok(Argument::Text(None)),
        (_, []) => Err(Violation::ArgumentMissing),
        (Grammar::OptionalText, text) => Ok(Argument::Text(Some(text))),
        (Grammar::Domains, text) => whole(domains, text).map(|text| Argument::Text(Some(text))),
        (Grammar::Node, text) => whole(node, text).map(|text| Argument::Text(Some(text))),
        (Grammar::Text, text) => whole(string, text).map(|text| Argument::Text(Some(text))),
        (Grammar::Hello, text) => hello(text, sloppy),
        (Grammar::Mail, text) => mail(text, sloppy),
        (Grammar::Rcpt, text) => rcpt(text, sloppy),
        (Grammar::Auth, text) => auth(text, sloppy),
        (Grammar::Chunk | Grammar::Opaque, text) => Ok(Argument::Opaque(text)),
    }
}

/// What is left without the white space around it. Behind the verb one space is right, at the end none
/// (RFC 5321 4.1.1 bids to tolerate it).
fn trimmed<'a>(behind: &'a [u8], sloppy: &mut Violations) -> &'a [u8] {
    let blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let end = behind.iter().rposition(|octet| !blank(octet)).map_or(0, |last| last + 1);
    if end < behind.len() {
        sloppy.insert(Violation::TrailingSpace);
    }
    let behind = behind.get(..end).unwrap_or_default();
    let start = behind.iter().position(|octet| !blank(octet)).unwrap_or(0);
    let (before, text) = behind.split_at_checked(start).unwrap_or_default();
    if !matches!(before, b"" | b" ") {
        sloppy.insert(Violation::ExtraSpace);
    }
    text
}

/// Which octets may stand in an argument at all: no control characters, but tabs where words are set off by
/// white space; and beyond ASCII only valid UTF-8, where an address may stand.
fn sound(grammar: Grammar, text: &[u8]) -> Result<(), Violation> {
    // Nearly every argument is printable ASCII; without a way out in the middle that is seen many octets at a time.
    if text.iter().fold(true, |plain, octet| plain & matches!(octet, b' '..=b'~')) {
        return Ok(());
    }
    let addressed = matches!(grammar, Grammar::Mail | Grammar::Rcpt | Grammar::Text);
    if !(text.is_ascii() || addressed && std::str::from_utf8(text).is_ok()) {
        return Err(Violation::EightBitCommand);
    }
    let words = matches!(grammar, Grammar::Mail | Grammar::Rcpt | Grammar::Auth);
    let control = |octet: &u8| octet.is_ascii_control() && !(words && *octet == b'\t');
    if text.iter().any(control) { Err(Violation::BadArgument) } else { Ok(()) }
}

/// All of the text, if a grammar reads it.
fn whole<'a>(
    grammar: impl Parser<&'a [u8], Error = Violation>,
    text: &'a [u8],
) -> Result<&'a [u8], Violation> {
    all_consuming(recognize(grammar)).parse(text).map(|(_, text)| text).map_err(fault)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn fault(error: nom::Err<Violation>) -> Violation {
    match error {
        nom::Err::Error(fault) | nom::Err::Failure(fault) => fault,
        nom::Err::Incomplete(_) => Violation::BadArgument,
    }
}

/// `Domain / address-literal` (RFC 5321 4.1.1.1), and whatever clients call themselves instead: the name is
/// no reason to refuse mail (4.1.4).
fn hello<'a>(text: &'a [u8], sloppy: &mut Violations) -> Outcome<'a> {
    if text.len() > NAME_CAP {
        return Err(Violation::DomainTooLong);
    }
    let bare = || std::str::from_utf8(text).is_ok_and(|text| text.parse::<IpAddr>().is_ok());
    match all_consuming(host).parse(text) {
        // Of what is a name by the letter only an address of IPv4 is none, and that ends with a digit.
        Ok((_, Host::Domain([.., b'0'..=b'9']))) | Err(_) if bare() => sloppy.insert(Violation::BareAddress),
        Ok((_, Host::Domain(name))) if name.contains(&b'_') => sloppy.insert(Violation::HelloSyntax),
        Ok((_, host)) => return Ok(Argument::Hello(host)),
        Err(_) => sloppy.insert(Violation::HelloSyntax),
    }
    Ok(Argument::Hello(Host::Domain(text)))
}

/// `"FROM:" Reverse-path [SP Mail-parameters]` (RFC 5321 4.1.1.2)
fn mail<'a>(text: &'a [u8], sloppy: &mut Violations) -> Outcome<'a> {
    let after = address_word("FROM", text, sloppy)?;
    let (rest, (path, found)) = reverse_path(after).map_err(|error| named(error, Violation::ReversePath))?;
    sloppy.join(found);
    ends_path(rest).then_some(()).ok_or(Violation::ReversePath)?;
    Ok(Argument::Mail { path, parameters: parameters(Verb::Mail, rest, sloppy)? })
}

/// `"TO:" ( "<Postmaster>" / Forward-path ) [SP Rcpt-parameters]` (RFC 5321 4.1.1.3)
fn rcpt<'a>(text: &'a [u8], sloppy: &mut Violations) -> Outcome<'a> {
    let after = address_word("TO", text, sloppy)?;
    let (rest, (path, found)) = forward_path(after).map_err(|error| named(error, Violation::ForwardPath))?;
    sloppy.join(found);
    ends_path(rest).then_some(()).ok_or(Violation::ForwardPath)?;
    Ok(Argument::Rcpt { path, parameters: parameters(Verb::Rcpt, rest, sloppy)? })
}

/// `FROM:` or `TO:`, in any case, with white space around the colon as real clients write it. Returns what
/// follows.
fn address_word<'a>(
    word: &'static str,
    text: &'a [u8],
    sloppy: &mut Violations,
) -> Result<&'a [u8], Violation> {
    let mut colon = preceded(tag_no_case(word), (opt(blanks), char(':'), opt(blanks)));
    let parsed: Parsed<'a, _> = colon.parse(text);
    let (rest, (before, _, after)) = parsed.map_err(fault)?;
    if before.is_some() || after.is_some() {
        sloppy.insert(Violation::SpaceAfterColon);
    }
    Ok(rest)
}

/// A path's fault without a name of its own is that the path does not follow the grammar.
fn named(error: nom::Err<Violation>, path: Violation) -> Violation {
    match fault(error) {
        Violation::BadArgument => path,
        fault => fault,
    }
}

/// Whether a path ends here: what else stands on the line is set off by white space.
fn ends_path(rest: &[u8]) -> bool {
    matches!(rest, [] | [b' ' | b'\t', ..])
}

/// `SP chunk-size [SP "LAST"]` (RFC 3030 4.2)
fn chunk<'a>(text: &'a [u8], sloppy: &mut Violations) -> Outcome<'a> {
    let last = (blanks, tag_no_case("LAST"));
    let (_, (size, last)) = all_consuming((parameter::number, opt(last))).parse(text).map_err(fault)?;
    note_extra_space(last.map(|(blanks, _)| blanks), sloppy);
    Ok(Argument::Chunk { size, last: last.is_some() })
}

/// `SP sasl-mech [SP ( base64 / "=" )]` (RFC 4954 4, 8)
fn auth<'a>(text: &'a [u8], sloppy: &mut Violations) -> Outcome<'a> {
    let is_mechanism = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let line = (take_while_m_n(1, 20, is_mechanism), opt((blanks, rest)));
    let parsed: Parsed<'a, _> = all_consuming(line).parse(text);
    let (_, (mechanism, initial)) = parsed.map_err(fault)?;
    note_extra_space(initial.map(|(blanks, _)| blanks), sloppy);
    let initial = initial.map(|(_, initial)| initial);
    match initial {
        Some(initial) if initial.contains(&b' ') || initial.contains(&b'\t') => Err(Violation::BadArgument),
        Some(initial) if initial != b"=" && !is_base64(initial) => Err(Violation::AuthLine),
        initial => Ok(Argument::Auth { mechanism, initial }),
    }
}

fn note_extra_space(blanks: Option<&[u8]>, sloppy: &mut Violations) {
    if blanks.is_some_and(|blanks| blanks != b" ") {
        sloppy.insert(Violation::ExtraSpace);
    }
}

/// `String [SP "SMTPUTF8"]` (RFC 5321 4.1.1.6, RFC 6531 3.7.4.2); a mailbox, in angle brackets or not, is
/// one, too (RFC 5321 3.5.1).
fn string(input: &[u8]) -> Parsed<'_, &[u8]> {
    let atoms = || take_while1(|octet| octet == b'.' || is_atext(octet));
    let name = || alt((recognize(mailbox), quoted_string, atoms()));
    let name = alt((recognize((char('<'), name(), char('>'))), name()));
    let (rest, utf8) = recognize((name, opt((char(' '), tag_no_case("SMTPUTF8"))))).parse(input)?;
    let declared = utf8.to_ascii_uppercase().ends_with(b" SMTPUTF8");
    if utf8.is_ascii() || declared {
        Ok((rest, utf8))
    } else {
        Err(nom::Err::Failure(Violation::EightBitCommand))
    }
}

/// `["@" / "#"] node` (RFC 1985 5.1); behind `#` the name of a queue is as its server likes it.
fn node(input: &[u8]) -> Parsed<'_, &[u8]> {
    let queue = recognize((char('#'), take_while1(|octet: u8| octet.is_ascii_graphic())));
    let site = recognize((opt(one_of("@")), host));
    alt((queue, site)).parse(input)
}

/// `domain *("," domain)` (RFC 2645 5.2.1), each with a dot in it.
fn domains(input: &[u8]) -> Parsed<'_, &[u8]> {
    let dotted = || verify(domain, |domain: &[u8]| domain.contains(&b'.'));
    recognize((dotted(), many0_count((char(','), dotted())))).parse(input)
}
