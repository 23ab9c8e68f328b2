//! The verb table: every verb that was ever spoken, one row each.
//!
//! A verb without a grammar of ours is here by name only, so that logs can say what a client wanted. What
//! Gatepost cannot parse, no rule can allow.

use super::extension::Extension;
use super::table::table;

/// Which argument a verb takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// A domain or an address literal: EHLO, HELO, LHLO.
    Hello,
    /// `FROM:` and a reverse-path: MAIL, and SEND, SOML, SAML.
    Mail,
    /// `TO:` and a forward-path: RCPT.
    Rcpt,
    /// None is allowed.
    None,
    /// Any text, or none: NOOP, HELP.
    OptionalText,
    /// A string or a mailbox: VRFY, EXPN.
    Text,
    /// A size, perhaps with `LAST`: BDAT.
    Chunk,
    /// A mechanism, perhaps with an initial response: AUTH.
    Auth,
    /// A node name: ETRN.
    Node,
    /// Domains with commas between, or none: ATRN.
    Domains,
    /// No grammar here: whatever it is, it can never be forwarded.
    Opaque,
}

/// Where a verb may stand in a pipelined group (RFC 2920 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Anywhere.
    Any,
    /// Only as the last of the group. Verbs that no RFC places in a group end it, too.
    End,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// As it is spoken, in upper case.
    pub name: &'static str,
    /// RFC and section, or who invented it.
    pub section: &'static str,
    /// Which argument it takes.
    pub grammar: Grammar,
    /// Where it may stand in a pipelined group.
    pub group: Group,
    /// The extension that must have been offered for it; none for the core verbs.
    pub unlocked_by: Option<Extension>,
    /// Whether a 3yz reply to it is possible.
    pub intermediate: bool,
    /// Whether it counts as a trivial command: it asks for work, and no mail moves.
    pub trivial: bool,
    /// Why a rule file may never allow it, if so.
    pub never: Option<&'static str>,
}

impl Facts {
    const fn anywhere(mut self) -> Facts {
        self.group = Group::Any;
        self
    }

    const fn trivial(mut self) -> Facts {
        self.trivial = true;
        self
    }

    const fn intermediate(mut self) -> Facts {
        self.intermediate = true;
        self
    }

    const fn unlocked_by(mut self, extension: Extension) -> Facts {
        self.unlocked_by = Some(extension);
        self
    }

    const fn never(mut self, reason: &'static str) -> Facts {
        self.never = Some(reason);
        self
    }
}

/// A verb with a grammar.
const fn verb(name: &'static str, grammar: Grammar, section: &'static str) -> Facts {
    let (group, unlocked_by, intermediate, trivial, never) = (Group::End, None, false, false, None);
    Facts { name, section, grammar, group, unlocked_by, intermediate, trivial, never }
}

/// A verb of one product, known by its name alone.
const fn private(name: &'static str, section: &'static str) -> Facts {
    verb(name, Grammar::Opaque, section).never("it is private to one product and has no published grammar")
}

/// A verb of Exchange servers among themselves.
const fn exchange(name: &'static str) -> Facts {
    verb(name, Grammar::Opaque, "Exchange")
        .never("it is spoken between the servers of one Exchange organisation, never from outside")
}

/// A verb that only attacks, and worms, still speak.
const fn hostile(name: &'static str, section: &'static str) -> Facts {
    verb(name, Grammar::Opaque, section)
        .never("it opens a back door of old mail servers, and only attackers still ask for it")
}

const DELIVERS_TO_TERMINALS: &str =
    "it delivers to terminals, which no mail system has done for decades (RFC 5321 F.6)";
const TELLS_WHO: &str = "it tells the relay who the client is, which only the gate itself may say";

table! {
    /// A verb, the most spoken ones first. `Unknown` stands for whatever no row names.
    pub enum Verb: Facts {
        Ehlo = verb("EHLO", Grammar::Hello, "RFC 5321 4.1.1.1").trivial();
        Helo = verb("HELO", Grammar::Hello, "RFC 5321 4.1.1.1").trivial();
        Lhlo = verb("LHLO", Grammar::Hello, "RFC 2033 4.1").trivial()
            .never("LMTP gives a reply for each recipient after the content, which SMTP relays do not");
        Mail = verb("MAIL", Grammar::Mail, "RFC 5321 4.1.1.2").anywhere();
        Rcpt = verb("RCPT", Grammar::Rcpt, "RFC 5321 4.1.1.3").anywhere();
        Data = verb("DATA", Grammar::None, "RFC 5321 4.1.1.4").intermediate();
        Rset = verb("RSET", Grammar::None, "RFC 5321 4.1.1.5").anywhere().trivial();
        Noop = verb("NOOP", Grammar::OptionalText, "RFC 5321 4.1.1.9").trivial();
        Quit = verb("QUIT", Grammar::None, "RFC 5321 4.1.1.10");
        Vrfy = verb("VRFY", Grammar::Text, "RFC 5321 4.1.1.6").trivial();
        Expn = verb("EXPN", Grammar::Text, "RFC 5321 4.1.1.7").trivial();
        Help = verb("HELP", Grammar::OptionalText, "RFC 5321 4.1.1.8").trivial();
        StartTls = verb("STARTTLS", Grammar::None, "RFC 3207 4").unlocked_by(Extension::StartTls);
        Auth = verb("AUTH", Grammar::Auth, "RFC 4954 4").intermediate().unlocked_by(Extension::Auth);
        Bdat = verb("BDAT", Grammar::Chunk, "RFC 3030 2").anywhere().unlocked_by(Extension::Chunking);
        Burl = verb("BURL", Grammar::Opaque, "RFC 4468 3.2").unlocked_by(Extension::Burl)
            .never("the relay would fetch the content itself, past the gate");
        Etrn = verb("ETRN", Grammar::Node, "RFC 1985 5").unlocked_by(Extension::Etrn);
        Atrn = verb("ATRN", Grammar::Domains, "RFC 2645 5.2.1").unlocked_by(Extension::Atrn);
        Turn = verb("TURN", Grammar::None, "RFC 821 3.8").unlocked_by(Extension::Turn)
            .never("it hands mail to whoever asks, without any proof (RFC 5321 F.1)");
        Send = verb("SEND", Grammar::Mail, "RFC 821 4.1.2").anywhere().unlocked_by(Extension::Send)
            .never(DELIVERS_TO_TERMINALS);
        Soml = verb("SOML", Grammar::Mail, "RFC 821 4.1.2").anywhere().unlocked_by(Extension::Soml)
            .never(DELIVERS_TO_TERMINALS);
        Saml = verb("SAML", Grammar::Mail, "RFC 821 4.1.2").anywhere().unlocked_by(Extension::Saml)
            .never(DELIVERS_TO_TERMINALS);

        Xclient = verb("XCLIENT", Grammar::Opaque, "Postfix").unlocked_by(Extension::Xclient)
            .never(TELLS_WHO);
        Xforward = verb("XFORWARD", Grammar::Opaque, "Postfix").unlocked_by(Extension::Xforward)
            .never(TELLS_WHO);
        Proxy = verb("PROXY", Grammar::Opaque, "HAProxy").never(TELLS_WHO);

        Xexch50 = exchange("XEXCH50").intermediate();
        XLink2State = exchange("X-LINK2STATE");
        XExps = exchange("X-EXPS").intermediate();
        XAnonymousTls = exchange("X-ANONYMOUSTLS");
        Xshadow = exchange("XSHADOW");
        XshadowRequest = exchange("XSHADOWREQUEST");
        Xqdiscard = exchange("XQDISCARD");
        Xproxy = exchange("XPROXY");
        XproxyFrom = exchange("XPROXYFROM");
        XproxyTo = exchange("XPROXYTO");
        XsessionParams = exchange("XSESSIONPARAMS");
        Xrdst = exchange("XRDST");
        Xoorg = exchange("XOORG");
        XmessageValue = exchange("XMESSAGEVALUE");
        Xsysprobe = exchange("XSYSPROBE");
        XorigFrom = exchange("XORIGFROM");
        Xadrc = exchange("XADRC");
        Xexprops = exchange("XEXPROPS");

        Debug = hostile("DEBUG", "sendmail");
        Wiz = hostile("WIZ", "sendmail");
        Kill = hostile("KILL", "sendmail");
        Showq = hostile("SHOWQ", "sendmail");
        Onex = private("ONEX", "sendmail");
        Verb = private("VERB", "sendmail");
        Xusr = private("XUSR", "sendmail");
        Tick = private("TICK", "sendmail");
        TurnMe = private("TURNME", "private");
        Exdata = private("EXDATA", "Courier");
        Xadr = private("XADR", "PMDF");
        Xcir = private("XCIR", "PMDF");
        Xgen = private("XGEN", "PMDF");
        Xque = private("XQUE", "PMDF");
        Xsta = private("XSTA", "PMDF");
        Xtrn = private("XTRN", "PMDF");
        Xlicense = private("XLICENSE", "private");
        Xauth = private("XAUTH", "private");
        Xtext = private("XTEXT", "private");
        Emal = private("EMAL", "private");
        Esam = private("ESAM", "private");
        Esnd = private("ESND", "private");
        Esom = private("ESOM", "private");
        Evfy = private("EVFY", "private");
        Ident = private("IDENT", "private");
        Queu = private("QUEU", "private");
        Time = private("TIME", "private");

        Unknown = private("UNKNOWN", "RFC 5321 4.2.4");
    }
}

impl Verb {
    /// Whether it asks something and changes nothing: NOOP, VRFY, EXPN, HELP, and ETRN, whose mail comes another way.
    pub const fn is_question(self) -> bool {
        matches!(self, Verb::Noop | Verb::Vrfy | Verb::Expn | Verb::Help | Verb::Etrn)
    }

    /// From the wire, in any case.
    pub fn from_wire(octets: &[u8]) -> Verb {
        Self::named(octets).unwrap_or(Verb::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_name_in_any_case() {
        for (place, verb) in Verb::ALL.iter().enumerate() {
            assert_eq!(verb.index(), place);
            let name = verb.facts().name;
            assert_eq!(Verb::from_wire(name.as_bytes()), *verb, "{name}");
            assert_eq!(Verb::from_wire(name.to_ascii_lowercase().as_bytes()), *verb, "{name}");
            assert_eq!(name, name.to_ascii_uppercase());
        }
    }

    #[test]
    fn a_verb_is_matched_whole_or_not_at_all() {
        for odd in [&b""[..], b"MAI", b"none", b"MAILX", b"MAIL:", b" MAIL", b"X", b"MA\xcfL", b"RCPT\0"] {
            assert_eq!(Verb::from_wire(odd), Verb::Unknown, "{odd:?}");
        }
    }

    #[test]
    fn what_has_no_grammar_can_never_be_permitted() {
        for verb in Verb::ALL.iter().filter(|verb| verb.facts().grammar == Grammar::Opaque) {
            assert!(verb.facts().never.is_some(), "{verb:?}");
        }
    }

    #[test]
    fn groups_end_where_rfc_2920_says() {
        let anywhere: Vec<_> =
            Verb::ALL.iter().filter(|v| v.facts().group == Group::Any).map(|v| v.facts().name).collect();
        assert_eq!(anywhere, ["MAIL", "RCPT", "RSET", "BDAT", "SEND", "SOML", "SAML"]);
    }
}
