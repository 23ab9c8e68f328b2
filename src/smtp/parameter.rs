//! `keyword=value` behind a path (RFC 5321 4.1.2), with the grammar of every registered one.

mod gist;
mod value;

use super::extension::Extension;
use super::path::Parsed;
use super::table::table;
use super::verb::Verb;
use super::violation::{Violation, Violations};
use arrayvec::ArrayVec;
pub use gist::{Declared, Gist, Keywords};
use nom::Parser;
use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::{char, satisfy};
use nom::combinator::{opt, recognize};
use nom::sequence::preceded;
use std::fmt;
use value::Fit;
pub(super) use value::number;
pub use value::{to_xtext, xtext};

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// As it is spoken, in upper case.
    pub name: &'static str,
    /// RFC and section.
    pub section: &'static str,
    /// The verb that takes it.
    pub verb: Verb,
    /// The extension that gives it. (BODY belongs to two: its value decides.)
    pub extension: Extension,
    /// The grammar of its value.
    fits: fn(Option<&[u8]>) -> Fit,
}

type Fits = fn(Option<&[u8]>) -> Fit;

const fn mail(name: &'static str, extension: Extension, fits: Fits, section: &'static str) -> Facts {
    Facts { name, section, verb: Verb::Mail, extension, fits }
}

const fn rcpt(name: &'static str, extension: Extension, fits: Fits, section: &'static str) -> Facts {
    Facts { name, section, verb: Verb::Rcpt, extension, fits }
}

table! {
    /// Which parameter: those that some RFC has registered, and Postfix's XVERP.
    pub enum Keyword: Facts {
        Size = mail("SIZE", Extension::Size, value::size, "RFC 1870 3");
        Body = mail("BODY", Extension::EightBitMime, value::body, "RFC 6152 2");
        Ret = mail("RET", Extension::Dsn, value::ret, "RFC 3461 4.3");
        Envid = mail("ENVID", Extension::Dsn, value::envid, "RFC 3461 4.4");
        SmtpUtf8 = mail("SMTPUTF8", Extension::SmtpUtf8, value::none, "RFC 6531 3.1");
        RequireTls = mail("REQUIRETLS", Extension::RequireTls, value::none, "RFC 8689 2");
        Auth = mail("AUTH", Extension::Auth, value::auth, "RFC 4954 5");
        By = mail("BY", Extension::DeliverBy, value::by, "RFC 2852 4");
        MtPriority = mail("MT-PRIORITY", Extension::MtPriority, value::mt_priority, "RFC 6710 3");
        HoldFor = mail("HOLDFOR", Extension::FutureRelease, value::hold_for, "RFC 4865 3");
        HoldUntil = mail("HOLDUNTIL", Extension::FutureRelease, value::hold_until, "RFC 4865 3");
        Solicit = mail("SOLICIT", Extension::NoSoliciting, value::solicit, "RFC 3865 2.3");
        Notify = rcpt("NOTIFY", Extension::Dsn, value::notify, "RFC 3461 4.1");
        Orcpt = rcpt("ORCPT", Extension::Dsn, value::orcpt, "RFC 3461 4.2");
        Rrvs = rcpt("RRVS", Extension::Rrvs, value::rrvs, "RFC 7293 3.1");
        Mtrk = mail("MTRK", Extension::Mtrk, value::any, "RFC 3885 4");
        Submitter = mail("SUBMITTER", Extension::Submitter, value::any, "RFC 4405 4");
        Conperm = mail("CONPERM", Extension::Conperm, value::none, "RFC 4141 4");
        Conneg = rcpt("CONNEG", Extension::Conneg, value::none, "RFC 4141 5");
        TransId = mail("TRANSID", Extension::Checkpoint, value::any, "RFC 1845 3");
        AltAddress = mail("ALT-ADDRESS", Extension::Utf8Smtp, value::any, "RFC 5336 2.4");
        Xverp = mail("XVERP", Extension::Xverp, value::any_or_none, "Postfix");
    }
}

impl Keyword {
    /// As it is spoken, in upper case.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// From the wire or a rule file, in any case.
    pub fn from_wire(name: &[u8]) -> Option<Keyword> {
        Self::named(name)
    }

    /// The verb that takes it.
    pub const fn verb(self) -> Verb {
        self.facts().verb
    }

    /// Whether both may not stand in one command: a keyword twice, and the two ways to ask for a later
    /// release (RFC 4865 4.2).
    const fn excludes(self, other: Keyword) -> bool {
        matches!(
            (self, other),
            (Keyword::HoldFor, Keyword::HoldUntil) | (Keyword::HoldUntil, Keyword::HoldFor)
        )
    }
}

/// One parameter as written.
#[derive(Clone, Copy, Debug)]
pub struct Parameter<'a> {
    /// Its row; none if it is unknown, or is another verb's.
    pub keyword: Option<Keyword>,
    /// The keyword as written.
    pub name: &'a [u8],
    /// The value as written.
    pub value: Option<&'a [u8]>,
}

/// Keywords are the same in any case (RFC 5321 2.4); values are as they are.
impl PartialEq for Parameter<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(other.name) && self.value == other.value
    }
}

impl Eq for Parameter<'_> {}

impl<'a> Parameter<'a> {
    fn of(verb: Verb, name: &'a [u8], value: Option<&'a [u8]>) -> Self {
        let keyword = Keyword::from_wire(name).filter(|keyword| keyword.verb() == verb);
        Self { keyword, name, value }
    }

    /// The extension that must have been offered for it: none for an unknown keyword.
    pub fn needs(&self) -> Option<Extension> {
        match (self.keyword?, self.value) {
            (Keyword::Body, Some(value)) if value.eq_ignore_ascii_case(b"BINARYMIME") => {
                Some(Extension::BinaryMime)
            }
            (keyword, _) => Some(keyword.facts().extension),
        }
    }

    /// How well its value follows its grammar.
    fn fit(&self) -> Fit {
        match self.keyword {
            Some(keyword) => (keyword.facts().fits)(self.value),
            None => value::any_or_none(self.value),
        }
    }

    /// Whether both may not stand in one command.
    fn excludes(&self, other: &Parameter<'_>) -> bool {
        let rows = self.keyword.zip(other.keyword).is_some_and(|(one, two)| one.excludes(two));
        rows || self.name.eq_ignore_ascii_case(other.name)
    }

    /// Writes it: the keyword in upper case, the value as it is.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.name.iter().map(u8::to_ascii_uppercase));
        if let Some(value) = self.value {
            out.push(b'=');
            out.extend_from_slice(value);
        }
    }
}

/// The most parameters of one command: more than are defined for any.
pub const PARAMETERS: usize = 16;

/// The parameters of one command, in the order in which they were written. They were checked once, and are read off
/// the line again wherever somebody asks: most commands have none, and no command carries a list about.
#[derive(Clone, Copy)]
pub struct Parameters<'a> {
    verb: Verb,
    /// What stands behind the path; sound.
    text: &'a [u8],
    gist: Gist,
}

impl<'a> Parameters<'a> {
    /// Those of a line that was found sound before.
    pub(crate) fn of_sound(verb: Verb, text: &'a [u8], gist: Gist) -> Self {
        Self { verb, text, gist }
    }

    /// What they come to.
    pub fn gist(&self) -> Gist {
        self.gist
    }

    /// How many octets they take up on the line.
    pub(crate) fn octets(&self) -> usize {
        self.text.len()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Parameter<'a>> + use<'a> {
        let verb = self.verb;
        let is_equals = |octet: &u8| *octet == b'=';
        let words = self.text.split(|octet| matches!(octet, b' ' | b'\t')).filter(|word| !word.is_empty());
        words.map(move |word| {
            match word.iter().position(is_equals).and_then(|at| word.split_at_checked(at)) {
                Some((name, value)) => Parameter::of(verb, name, value.get(1..)),
                None => Parameter::of(verb, word, None),
            }
        })
    }
}

impl PartialEq for Parameters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Parameters<'_> {}

impl fmt::Debug for Parameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// What BODY said (RFC 6152 2, RFC 3030 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// Nothing, or 7BIT.
    #[default]
    SevenBit,
    /// 8BITMIME
    EightBitMime,
    /// BINARYMIME
    BinaryMime,
}

impl Body {
    /// Reads a value of BODY, in any case.
    pub fn from_value(value: &[u8]) -> Option<Body> {
        let named = |name: &[u8]| value.eq_ignore_ascii_case(name);
        match () {
            () if named(b"7BIT") => Some(Body::SevenBit),
            () if named(b"8BITMIME") => Some(Body::EightBitMime),
            () if named(b"BINARYMIME") => Some(Body::BinaryMime),
            () => None,
        }
    }
}

/// `*(SP esmtp-param)` up to the end of the line.
pub(super) fn parameters<'a>(
    verb: Verb,
    text: &'a [u8],
    sloppy: &mut Violations,
) -> Result<Parameters<'a>, Violation> {
    let gist = if text.is_empty() { Gist::NONE } else { check(verb, text, sloppy)? };
    Ok(Parameters { verb, text, gist })
}

fn check(verb: Verb, mut input: &[u8], sloppy: &mut Violations) -> Result<Gist, Violation> {
    let mut parameters = ArrayVec::<Parameter<'_>, PARAMETERS>::new();
    while !input.is_empty() {
        let (rest, (blanks, parameter)) = (blanks, esmtp_param(verb)).parse(input).map_err(syntax)?;
        if blanks != b" " {
            sloppy.insert(Violation::ExtraSpace);
        }
        let eight_bit = !parameter.value.unwrap_or_default().is_ascii();
        match parameter.fit() {
            _ if eight_bit && parameter.keyword != Some(Keyword::Orcpt) => {
                return Err(Violation::EightBitCommand);
            }
            _ if parameters.iter().any(|earlier| earlier.excludes(&parameter)) => {
                return Err(Violation::ParameterDuplicate);
            }
            Fit::Exact => {}
            Fit::Loose => sloppy.insert(Violation::ParameterEquals),
            Fit::Not => return Err(Violation::ParameterSyntax),
        }
        parameters.try_push(parameter).map_err(|_| Violation::TooManyParameters)?;
        input = rest;
    }
    Ok(parameters.iter().fold(Gist::NONE, Gist::with))
}

fn syntax(_: nom::Err<Violation>) -> Violation {
    Violation::ParameterSyntax
}

/// White space between words.
pub(super) fn blanks(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while1(|octet| matches!(octet, b' ' | b'\t')).parse(input)
}

/// `esmtp-param = esmtp-keyword ["=" esmtp-value]`
fn esmtp_param<'a>(verb: Verb) -> impl Parser<&'a [u8], Output = Parameter<'a>, Error = Violation> {
    (esmtp_keyword, opt(preceded(char('='), esmtp_value)))
        .map(move |(name, value)| Parameter::of(verb, name, value))
}

/// `esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")`
fn esmtp_keyword(input: &[u8]) -> Parsed<'_, &[u8]> {
    let first = satisfy(|c| c.is_ascii_alphanumeric());
    recognize((first, take_while(|octet: u8| octet.is_ascii_alphanumeric() || octet == b'-'))).parse(input)
}

/// `esmtp-value = 1*(%d33-60 / %d62-126)`, with `=` and octets above 127, which the rows judge.
fn esmtp_value(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while1(|octet: u8| octet.is_ascii_graphic() || octet >= 0x80).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_name() {
        for keyword in Keyword::ALL {
            assert_eq!(Keyword::from_wire(keyword.name().to_ascii_lowercase().as_bytes()), Some(*keyword));
        }
        assert_eq!(Keyword::from_wire(b"SIZ"), None);
    }

    #[test]
    fn the_value_of_body_decides_which_extension_it_needs() {
        let body = |value| Parameter { keyword: Some(Keyword::Body), name: b"BODY", value: Some(value) };
        assert_eq!(body(b"7bit").needs(), Some(Extension::EightBitMime));
        assert_eq!(body(b"8BITMIME").needs(), Some(Extension::EightBitMime));
        assert_eq!(body(b"BinaryMime").needs(), Some(Extension::BinaryMime));
        assert_eq!(Parameter { keyword: None, name: b"X", value: None }.needs(), None);
    }

    #[test]
    fn a_parameter_of_another_verb_is_unknown() {
        let read = |verb| {
            parameters(verb, b" SIZE=1", &mut Violations::default()).unwrap().iter().next().unwrap().keyword
        };
        assert_eq!(read(Verb::Mail), Some(Keyword::Size));
        assert_eq!(read(Verb::Rcpt), None);
    }

    #[test]
    fn the_seventeenth_parameter_is_one_too_many() {
        let line = |count: usize| (0..count).fold(String::new(), |line, n| format!("{line} X{n}"));
        let read = |line: String| {
            parameters(Verb::Mail, line.as_bytes(), &mut Violations::default()).map(|p| p.iter().count())
        };
        assert_eq!(read(line(16)), Ok(16));
        assert_eq!(read(line(17)), Err(Violation::TooManyParameters));
    }
}
