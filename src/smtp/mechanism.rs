//! The table of SASL mechanisms: which may pass, what each shows of a password, and where it names the account.
//!
//! The gate ends TLS, so whatever is bound to the client's TLS, or would wrap what follows in a layer of its own, can
//! only fail behind it, and is withheld. SCRAM itself passes: it is bound to TLS only under its names with `-PLUS`.

mod account;
mod set;

use super::table::table;
pub use account::{LONGEST_ACCOUNT, Plain, plain};
pub use set::Mechanisms;
use std::borrow::Cow;

/// Where the account stands in what a client answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// The mechanism does not show it.
    Hidden,
    /// Between the two NULs of the first answer.
    BetweenNuls,
    /// It is the first answer.
    Whole,
    /// In front of the last space of the first answer.
    BeforeSpace,
    /// `n=` behind the GS2 header of the first answer.
    Scram,
    /// `a=` in the GS2 header of the first answer.
    Gs2,
    /// `user=` in the first answer.
    Pairs,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// As AUTH and EHLO replies spell it.
    pub name: &'static str,
    /// RFC and section, or who invented it.
    pub section: &'static str,
    /// Whether the password, or what is as good, goes over the wire: for TLS alone (RFC 4954 4).
    pub clear: bool,
    /// Whether an initial response may stand behind it: the client speaks first, or clients have always done so all the
    /// same. Where it may not, one is 501 5.7.0 (RFC 4954 4).
    pub initial: bool,
    /// Where it names the account.
    pub account: Account,
    /// Why it is always withheld, if so.
    pub never: Option<&'static str>,
}

/// One that may pass.
const fn row(name: &'static str, section: &'static str, account: Account) -> Facts {
    Facts { name, section, clear: false, initial: false, account, never: None }
}

/// One that is always withheld.
const fn withheld(name: &'static str, section: &'static str, reason: &'static str) -> Facts {
    Facts { never: Some(reason), ..row(name, section, Account::Hidden) }
}

impl Facts {
    const fn clear(mut self) -> Self {
        self.clear = true;
        self
    }

    const fn initial(mut self) -> Self {
        self.initial = true;
        self
    }
}

const BOUND: &str = "it is bound to the client's TLS, which ends at the gate";
const LAYER: &str = "it may wrap what follows in a layer of its own, which the gate could not read";
const CERTIFICATE: &str =
    "it stands for the client's certificate, which the relay behind the gate never sees";
const NOBODY: &str = "it says who somebody claims to be, and proves nothing";
const UNSPOKEN: &str = "mail clients do not speak it, and the gate does not know what it shows";

table! {
    /// A SASL mechanism by its name.
    pub enum Mechanism: Facts {
        Plain = row("PLAIN", "RFC 4616 2", Account::BetweenNuls).clear().initial();
        // By the letter the server speaks first, yet clients of Exchange put the account behind the verb.
        Login = row("LOGIN", "draft-murchison-sasl-login", Account::Whole).clear().initial();
        CramMd5 = row("CRAM-MD5", "RFC 2195 2", Account::BeforeSpace);
        ScramSha1 = row("SCRAM-SHA-1", "RFC 5802 5", Account::Scram).initial();
        ScramSha256 = row("SCRAM-SHA-256", "RFC 7677 3", Account::Scram).initial();
        ScramSha512 = row("SCRAM-SHA-512", "draft-melnikov-scram-sha-512", Account::Scram).initial();
        // A token is as good as a password for as long as it lasts.
        Xoauth2 = row("XOAUTH2", "Google", Account::Pairs).clear().initial();
        OauthBearer = row("OAUTHBEARER", "RFC 7628 3.1", Account::Gs2).clear().initial();
        Ntlm = row("NTLM", "MS-SMTPNTLM", Account::Hidden).initial();

        External = withheld("EXTERNAL", "RFC 4422 A", CERTIFICATE);
        ScramSha1Plus = withheld("SCRAM-SHA-1-PLUS", "RFC 5802 6", BOUND);
        ScramSha256Plus = withheld("SCRAM-SHA-256-PLUS", "RFC 7677 3", BOUND);
        ScramSha512Plus = withheld("SCRAM-SHA-512-PLUS", "draft-melnikov-scram-sha-512", BOUND);
        DigestMd5 = withheld("DIGEST-MD5", "RFC 2831 2", LAYER);
        Gssapi = withheld("GSSAPI", "RFC 4752 3", LAYER);
        GssSpnego = withheld("GSS-SPNEGO", "Microsoft", LAYER);
        Gs2Krb5 = withheld("GS2-KRB5", "RFC 5801 3", "it may be bound to the client's TLS, which ends at the gate");
        Gs2Krb5Plus = withheld("GS2-KRB5-PLUS", "RFC 5801 3", BOUND);
        Gs2Iakerb = withheld("GS2-IAKERB", "RFC 5801 3", "it may be bound to the client's TLS, which ends at the gate");
        Gs2IakerbPlus = withheld("GS2-IAKERB-PLUS", "RFC 5801 3", BOUND);
        KerberosV4 = withheld("KERBEROS_V4", "RFC 2222 7.1", LAYER);
        KerberosV5 = withheld("KERBEROS_V5", "IANA", LAYER);
        Srp = withheld("SRP", "draft-burdis-cat-srp-sasl", LAYER);
        EapAes128 = withheld("EAP-AES128", "RFC 7055", LAYER);
        EapAes128Plus = withheld("EAP-AES128-PLUS", "RFC 7055", BOUND);
        Anonymous = withheld("ANONYMOUS", "RFC 4505 2", NOBODY);
        Skey = withheld("SKEY", "RFC 2222 7.3", UNSPOKEN);
        Otp = withheld("OTP", "RFC 2444 3", UNSPOKEN);
        SecurId = withheld("SECURID", "RFC 2808 2", UNSPOKEN);
        Xoauth = withheld("XOAUTH", "Google", UNSPOKEN);
        Saml20 = withheld("SAML20", "RFC 6595 3", UNSPOKEN);
        OpenId20 = withheld("OPENID20", "RFC 6616 3", UNSPOKEN);
        Msn = withheld("MSN", "Microsoft", UNSPOKEN);
    }
}

impl Mechanism {
    /// From AUTH, an EHLO reply or a rule file, in any case.
    pub fn from_wire(name: &[u8]) -> Option<Mechanism> {
        Self::named(name)
    }

    /// Those that may pass the gate.
    pub fn passing() -> impl Iterator<Item = Mechanism> + Clone {
        Self::ALL.iter().copied().filter(|mechanism| mechanism.facts().never.is_none())
    }

    /// The account that a client names in its answer number `answer`, decoded: an initial response is number 0, and so
    /// is the first answer without one. None where the mechanism does not show it there, or what stands there is no name
    /// of at most [`LONGEST_ACCOUNT`] octets. Nothing is allocated but where a name of SCRAM is escaped.
    pub fn account(self, answer: usize, decoded: &[u8]) -> Option<Cow<'_, str>> {
        if answer == 0 { account::read(self.facts().account, decoded) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    proptest! {
        #[test]
        fn what_is_shown_is_a_name(
            mechanism in select(Mechanism::ALL),
            answer in "(n,|,|a=|user=|[\\x00\\x01 =,a-c\\r]){0,8}",
        ) {
            if let Some(name) = mechanism.account(0, answer.as_bytes()) {
                prop_assert!((1..=LONGEST_ACCOUNT).contains(&name.len()));
                prop_assert!(!name.chars().any(char::is_control));
                prop_assert!(mechanism.facts().never.is_none());
            }
        }
    }

    #[test]
    fn every_row_is_found_by_its_name() {
        for mechanism in Mechanism::ALL {
            let name = mechanism.facts().name;
            assert_eq!(Mechanism::from_wire(name.to_ascii_lowercase().as_bytes()), Some(*mechanism));
            assert!((1..=20).contains(&name.len()), "{name}: RFC 4422 3.1");
        }
        assert_eq!(Mechanism::from_wire(b"PLAI"), None);
        assert_eq!(Mechanism::from_wire(b""), None);
    }

    #[test]
    fn what_needs_the_clients_tls_or_a_layer_of_its_own_never_passes() {
        let passes: Vec<_> = Mechanism::passing().map(|mechanism| mechanism.facts().name).collect();
        assert_eq!(
            passes,
            [
                "PLAIN",
                "LOGIN",
                "CRAM-MD5",
                "SCRAM-SHA-1",
                "SCRAM-SHA-256",
                "SCRAM-SHA-512",
                "XOAUTH2",
                "OAUTHBEARER",
                "NTLM"
            ]
        );
    }

    #[test]
    fn each_shows_its_account_in_its_own_place() {
        for (mechanism, answer, account) in [
            (Mechanism::Plain, &b"\0anna@example.com\0secret"[..], Some("anna@example.com")),
            (Mechanism::Plain, b"boss\0anna\0secret", Some("anna")),
            (Mechanism::Plain, b"\0anna\0se\0cret", None),
            (Mechanism::Plain, b"\0\0secret", None),
            (Mechanism::Plain, b"\0anna\0", None),
            (Mechanism::Plain, b"anna", None),
            (Mechanism::Login, b"anna@example.com", Some("anna@example.com")),
            (Mechanism::Login, b"", None),
            (Mechanism::Login, b"an\r\nna", None),
            (Mechanism::CramMd5, b"anna b 0123456789abcdef0123456789abcdef", Some("anna b")),
            (Mechanism::CramMd5, b"anna", None),
            (Mechanism::ScramSha256, b"n,,n=anna,r=fyko", Some("anna")),
            (Mechanism::ScramSha1, b"y,a=boss,n=an=2Cna=3D,r=fyko", Some("an,na=")),
            (Mechanism::ScramSha1, b"n,,n=an=na,r=fyko", None),
            (Mechanism::ScramSha1, b"n,,m=x,n=anna,r=fyko", None),
            (Mechanism::Xoauth2, b"user=anna@example.com\x01auth=Bearer t\x01\x01", Some("anna@example.com")),
            (Mechanism::Xoauth2, b"auth=Bearer t\x01\x01", None),
            (
                Mechanism::OauthBearer,
                b"n,a=anna@example.com,\x01auth=Bearer t\x01\x01",
                Some("anna@example.com"),
            ),
            (Mechanism::OauthBearer, b"n,,\x01auth=Bearer t\x01\x01", None),
            (Mechanism::Ntlm, b"NTLMSSP\0\x01", None),
        ] {
            let name = mechanism.facts().name;
            assert_eq!(mechanism.account(0, answer).as_deref(), account, "{name} {}", answer.escape_ascii());
            assert_eq!(mechanism.account(1, answer), None, "{name}");
        }
        let long = "a".repeat(LONGEST_ACCOUNT + 1);
        assert_eq!(Mechanism::Login.account(0, long.as_bytes()), None);
        assert_eq!(Mechanism::Login.account(0, &long.as_bytes()[1..]).map(|name| name.len()), Some(255));
        assert_eq!(Mechanism::Login.account(0, b"\xff"), None);
    }

    #[test]
    fn a_password_is_never_shown() {
        let credentials = plain(b"boss\0anna\0secret").unwrap();
        assert_eq!((credentials.authzid, credentials.authcid), ("boss", "anna"));
        assert_eq!(credentials.password, b"secret");
        let shown = format!("{credentials:?}");
        assert!(shown.contains("anna") && !shown.contains("secret"), "{shown}");
    }
}
