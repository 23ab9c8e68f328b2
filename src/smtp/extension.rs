//! The table of service extensions: who gives them, what they unlock, what they add to a line.

use super::table::table;
use super::verb::Verb;

/// Who gives an extension to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Giver {
    /// The relay: it is offered if the relay offers it.
    Relay,
    /// The gate, whatever the relay offers.
    Gate,
    /// Both have a word in it: the smaller size, the common mechanisms.
    Both,
    /// Nobody: it is always withheld, for this reason.
    Nobody(&'static str),
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// As an EHLO reply spells it.
    pub keyword: &'static str,
    /// RFC and section, or who invented it.
    pub section: &'static str,
    /// Who gives it to the client.
    pub giver: Giver,
    /// The other extension without which it may not be offered.
    pub needs: Option<Extension>,
    /// Whether it promises that mail stays secret all the way: it is offered only in TLS, and only while the link to the
    /// relay is in TLS, too, and the relay was verified.
    pub verified: bool,
    /// The verbs that it unlocks.
    pub verbs: &'static [Verb],
    /// Octets that it adds to the limit of a MAIL line.
    pub mail_octets: usize,
    /// Octets that it adds to the limit of a RCPT line.
    pub rcpt_octets: usize,
}

impl Facts {
    const fn needs(mut self, other: Extension) -> Facts {
        self.needs = Some(other);
        self
    }

    const fn verified(mut self) -> Facts {
        self.verified = true;
        self
    }

    const fn unlocks(mut self, verbs: &'static [Verb]) -> Facts {
        self.verbs = verbs;
        self
    }

    const fn adds(mut self, mail: usize, rcpt: usize) -> Facts {
        self.mail_octets = mail;
        self.rcpt_octets = rcpt;
        self
    }
}

const fn given(keyword: &'static str, giver: Giver, section: &'static str) -> Facts {
    Facts {
        keyword,
        section,
        giver,
        needs: None,
        verified: false,
        verbs: &[],
        mail_octets: 0,
        rcpt_octets: 0,
    }
}

const fn relay(keyword: &'static str, section: &'static str) -> Facts {
    given(keyword, Giver::Relay, section)
}

const fn gate(keyword: &'static str, section: &'static str) -> Facts {
    given(keyword, Giver::Gate, section)
}

const fn both(keyword: &'static str, section: &'static str) -> Facts {
    given(keyword, Giver::Both, section)
}

const fn withheld(keyword: &'static str, section: &'static str, reason: &'static str) -> Facts {
    given(keyword, Giver::Nobody(reason), section)
}

const fn exchange(keyword: &'static str) -> Facts {
    withheld(keyword, "Exchange", "it is for the servers of one Exchange organisation among themselves")
}

const TERMINALS: &str = "it delivers to terminals, which no mail system has done for decades";
const IDENTITY: &str = "only the gate itself may tell the relay who the client is";
const UNSPOKEN: &str = "it was never deployed, and the gate does not understand what it changes";

table! {
    /// A service extension by its EHLO keyword, in the order in which EHLO replies list them.
    pub enum Extension: Facts {
        Size = both("SIZE", "RFC 1870 3").adds(26, 0);
        EightBitMime = relay("8BITMIME", "RFC 6152 2").adds(14, 0);
        BinaryMime = relay("BINARYMIME", "RFC 3030 3").adds(16, 0).needs(Extension::Chunking);
        Chunking = relay("CHUNKING", "RFC 3030 2").unlocks(&[Verb::Bdat]);
        Pipelining = gate("PIPELINING", "RFC 2920 2");
        StartTls = gate("STARTTLS", "RFC 3207 2").unlocks(&[Verb::StartTls]);
        Auth = both("AUTH", "RFC 4954 3").unlocks(&[Verb::Auth]).adds(500, 0);
        EnhancedStatusCodes = gate("ENHANCEDSTATUSCODES", "RFC 2034 3");
        Dsn = relay("DSN", "RFC 3461 2").adds(110, 530);
        SmtpUtf8 = relay("SMTPUTF8", "RFC 6531 3.1").adds(10, 0).needs(Extension::EightBitMime);
        RequireTls = relay("REQUIRETLS", "RFC 8689 2").adds(11, 0).verified();
        DeliverBy = relay("DELIVERBY", "RFC 2852 2").adds(17, 0);
        MtPriority = relay("MT-PRIORITY", "RFC 6710 3").adds(15, 0);
        FutureRelease = relay("FUTURERELEASE", "RFC 4865 3").adds(34, 0);
        NoSoliciting = relay("NO-SOLICITING", "RFC 3865 2").adds(1009, 0);
        Rrvs = relay("RRVS", "RFC 7293 3.1").adds(0, 33);
        Burl = withheld("BURL", "RFC 4468 3", "the relay would fetch the content itself, past the gate")
            .unlocks(&[Verb::Burl]);
        Etrn = relay("ETRN", "RFC 1985 2").unlocks(&[Verb::Etrn]);
        Atrn = relay("ATRN", "RFC 2645 5.1.1").unlocks(&[Verb::Atrn]);
        Vrfy = relay("VRFY", "RFC 5321 3.5.2").unlocks(&[Verb::Vrfy]);
        Expn = relay("EXPN", "RFC 5321 3.5.2").unlocks(&[Verb::Expn]);
        Help = relay("HELP", "RFC 5321 4.1.1.1").unlocks(&[Verb::Help]);
        Turn = withheld("TURN", "RFC 5321 F.1", "it hands mail to whoever asks, without any proof")
            .unlocks(&[Verb::Turn]);
        Send = withheld("SEND", "RFC 5321 F.6", TERMINALS).unlocks(&[Verb::Send]);
        Soml = withheld("SOML", "RFC 5321 F.6", TERMINALS).unlocks(&[Verb::Soml]);
        Saml = withheld("SAML", "RFC 5321 F.6", TERMINALS).unlocks(&[Verb::Saml]);
        Limits = gate("LIMITS", "RFC 9422 3");
        Mtrk = withheld("MTRK", "RFC 3885", UNSPOKEN);
        Submitter = withheld("SUBMITTER", "RFC 4405", UNSPOKEN);
        Conperm = withheld("CONPERM", "RFC 4141", UNSPOKEN);
        Conneg = withheld("CONNEG", "RFC 4141", UNSPOKEN);
        Checkpoint = withheld("CHECKPOINT", "RFC 1845", UNSPOKEN);
        Utf8Smtp = withheld("UTF8SMTP", "RFC 5336", "SMTPUTF8 has taken its place");
        Xclient = withheld("XCLIENT", "Postfix", IDENTITY).unlocks(&[Verb::Xclient]);
        Xforward = withheld("XFORWARD", "Postfix", IDENTITY).unlocks(&[Verb::Xforward]);
        Xverp = withheld("XVERP", "Postfix", "it is for mailing list software beside the relay");
        PipeConnect = withheld("PIPECONNECT", "Exim", "a client must wait for the greeting here");
        XpipeConnect = withheld("X_PIPE_CONNECT", "Exim", "a client must wait for the greeting here");
        Xexch50 = exchange("XEXCH50").unlocks(&[Verb::Xexch50]);
        XLink2State = exchange("X-LINK2STATE").unlocks(&[Verb::XLink2State]);
        XExps = exchange("X-EXPS").unlocks(&[Verb::XExps]);
        XAnonymousTls = exchange("X-ANONYMOUSTLS").unlocks(&[Verb::XAnonymousTls]);
        Xrdst = exchange("XRDST").unlocks(&[Verb::Xrdst]);
        Xshadow = exchange("XSHADOW").unlocks(&[Verb::Xshadow, Verb::Xqdiscard]);
        XshadowRequest = exchange("XSHADOWREQUEST").unlocks(&[Verb::XshadowRequest]);
        Xproxy = exchange("XPROXY").unlocks(&[Verb::Xproxy]);
        XproxyFrom = exchange("XPROXYFROM").unlocks(&[Verb::XproxyFrom]);
        XproxyTo = exchange("XPROXYTO").unlocks(&[Verb::XproxyTo]);
        XsessionParams = exchange("XSESSIONPARAMS").unlocks(&[Verb::XsessionParams]);
        Xoorg = exchange("XOORG");
        XmessageValue = exchange("XMESSAGEVALUE");
        Xsysprobe = exchange("XSYSPROBE");
        XorigFrom = exchange("XORIGFROM");
        Xadrc = exchange("XADRC");
        Xexprops = exchange("XEXPROPS");
    }
}

impl Extension {
    /// From an EHLO line or a rule file, in any case.
    pub fn from_keyword(keyword: &[u8]) -> Option<Extension> {
        Self::named(keyword)
    }
}

/// A set of extensions, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions(u64);

const _: () = assert!(Extension::COUNT <= 64, "a set has a bit for each row");

/// What SMTPUTF8 adds to VRFY and EXPN: the word itself and a space (RFC 6531 3.7.4.2).
const SMTPUTF8_WORD: usize = " SMTPUTF8".len();

/// By the letter an initial response must fit into 512 octets (RFC 4954 4). Tokens of OAuth do not, and clients send them
/// there all the same; a line of the exchange itself may be as long.
const INITIAL_RESPONSE: usize = super::base64::LONGEST_LINE - 512;

impl Extensions {
    /// None of them.
    pub const NONE: Extensions = Extensions(0);

    const fn of(extension: Extension) -> Extensions {
        Extensions(1 << extension.index())
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it is in.
    pub const fn contains(self, extension: Extension) -> bool {
        self.0 & Self::of(extension).0 != 0
    }

    /// Whether all of them are among others.
    pub const fn are_among(self, others: Extensions) -> bool {
        self.0 & !others.0 == 0
    }

    /// With it.
    #[must_use]
    pub const fn with(self, extension: Extension) -> Extensions {
        Extensions(self.0 | Self::of(extension).0)
    }

    /// Without it.
    #[must_use]
    pub const fn without(self, extension: Extension) -> Extensions {
        Extensions(self.0 & !Self::of(extension).0)
    }

    /// Those in both.
    #[must_use]
    pub const fn intersection(self, other: Extensions) -> Extensions {
        Extensions(self.0 & other.0)
    }

    /// Those in either.
    #[must_use]
    pub const fn union(self, other: Extensions) -> Extensions {
        Extensions(self.0 | other.0)
    }

    /// In table order.
    pub fn iter(self) -> impl Iterator<Item = Extension> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let place = usize::try_from(left.trailing_zeros()).ok()?;
            left &= left.wrapping_sub(1);
            Extension::ALL.get(place).copied()
        })
    }

    /// Octets that they add to the limit of a line with this verb (RFC 5321 4.5.3.1.4).
    pub fn octets_for(self, verb: Verb) -> usize {
        match verb {
            Verb::Mail => self.with_one_body().iter().map(|extension| extension.facts().mail_octets).sum(),
            Verb::Rcpt => self.iter().map(|extension| extension.facts().rcpt_octets).sum(),
            Verb::Auth if self.contains(Extension::Auth) => INITIAL_RESPONSE,
            Verb::Vrfy | Verb::Expn if self.contains(Extension::SmtpUtf8) => SMTPUTF8_WORD,
            _ => 0,
        }
    }

    /// Two extensions share the parameter BODY, which may stand once: the longer one counts.
    const fn with_one_body(self) -> Extensions {
        if self.contains(Extension::BinaryMime) { self.without(Extension::EightBitMime) } else { self }
    }
}

impl FromIterator<Extension> for Extensions {
    fn from_iter<I: IntoIterator<Item = Extension>>(extensions: I) -> Self {
        extensions.into_iter().fold(Self::NONE, Extensions::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_keyword() {
        for (place, extension) in Extension::ALL.iter().enumerate() {
            assert_eq!(extension.index(), place);
            let keyword = extension.facts().keyword;
            assert_eq!(Extension::from_keyword(keyword.to_ascii_lowercase().as_bytes()), Some(*extension));
        }
        assert_eq!(Extension::from_keyword(b"AUTH=LOGIN"), None);
        assert_eq!(Extension::from_keyword(b""), None);
    }

    #[test]
    fn a_verb_and_its_extension_name_each_other() {
        for verb in Verb::ALL {
            if let Some(extension) = verb.facts().unlocked_by {
                assert!(extension.facts().verbs.contains(verb), "{verb:?}");
            }
        }
    }

    #[test]
    fn the_budgets_of_mail_and_rcpt_add_up() {
        use Extension::*;
        let everything: Extensions = [
            Size,
            EightBitMime,
            BinaryMime,
            Auth,
            Dsn,
            SmtpUtf8,
            RequireTls,
            DeliverBy,
            MtPriority,
            FutureRelease,
            NoSoliciting,
            Rrvs,
        ]
        .into_iter()
        .collect();
        assert_eq!(512 + everything.octets_for(Verb::Mail), 2260);
        assert_eq!(512 + everything.octets_for(Verb::Rcpt), 1075);
        assert_eq!(everything.octets_for(Verb::Vrfy), 9);
        assert_eq!(512 + everything.octets_for(Verb::Auth), 12_288);
        assert_eq!(everything.without(Auth).octets_for(Verb::Auth), 0);
        assert_eq!(everything.octets_for(Verb::Ehlo), 0);
        assert_eq!(everything.without(BinaryMime).octets_for(Verb::Mail), 2260 - 512 - 2);
    }

    #[test]
    fn sets_list_in_table_order() {
        let set: Extensions = [Extension::Rrvs, Extension::Size].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Extension::Size, Extension::Rrvs]);
        assert!(set.without(Extension::Size).intersection(set).contains(Extension::Rrvs));
        assert_eq!(set.intersection(Extensions::NONE), Extensions::NONE);
    }
}
