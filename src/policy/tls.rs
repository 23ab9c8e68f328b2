//! `[tls]`: what the client leg of a session must be.

use super::agreement::named_verb;
use super::document::{Section, Word};
use super::source::{Diagnostic, Findings, Located};
use crate::smtp::verb::Verb;

/// `[tls]`, compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsRules {
    /// What becomes of STARTTLS.
    pub starttls: StartTls,
    /// The oldest version that a client may speak.
    pub min_version: TlsVersion,
    /// The verbs that hear 530 5.7.0 before TLS (RFC 3207 4).
    pub require_for: Vec<Verb>,
    /// Whether clients are asked for a certificate.
    pub client_certificate: ClientCertificate,
}

/// `starttls`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartTls {
    /// The gate ends TLS, and inspects what is inside.
    #[default]
    Inspect,
    /// STARTTLS goes on to the relay, and what follows is not inspected.
    Passthrough,
    /// It is not offered.
    Withhold,
}

/// A version of TLS that rustls speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    #[default]
    V1_2,
    /// TLS 1.3, RFC 8446.
    V1_3,
}

impl TlsVersion {
    /// As rules, logs and labels spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }
}

/// `client_certificate`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Nobody is asked.
    #[default]
    Off,
    /// Who has one may show it.
    Ask,
    /// Who has none gets no TLS.
    Require,
}

impl Word for StartTls {
    const WORDS: &'static [(&'static str, StartTls)] = &[
        ("inspect", StartTls::Inspect),
        ("passthrough", StartTls::Passthrough),
        ("withhold", StartTls::Withhold),
    ];
}
impl Word for TlsVersion {
    const WORDS: &'static [(&'static str, TlsVersion)] =
        &[(TlsVersion::V1_2.name(), TlsVersion::V1_2), (TlsVersion::V1_3.name(), TlsVersion::V1_3)];
}
impl Word for ClientCertificate {
    const WORDS: &'static [(&'static str, ClientCertificate)] = &[
        ("off", ClientCertificate::Off),
        ("ask", ClientCertificate::Ask),
        ("require", ClientCertificate::Require),
    ];
}

/// The verbs that a client must be able to say before TLS, or it never gets there (RFC 3207 4; RSET as in RFC 4954 6).
const BEFORE_TLS: &[Verb] = &[Verb::Ehlo, Verb::Helo, Verb::StartTls, Verb::Noop, Verb::Rset, Verb::Quit];

/// `[tls]` as it is written.
#[derive(Debug, Default)]
pub(super) struct TlsTable {
    pub(super) starttls: Option<Located<StartTls>>,
    pub(super) min_version: Option<Located<TlsVersion>>,
    pub(super) require_for: Option<Located<Vec<Located<String>>>>,
    pub(super) client_certificate: Option<Located<ClientCertificate>>,
}

impl TlsTable {
    pub(super) fn read(section: &Section<'_>) -> TlsTable {
        TlsTable {
            starttls: section.take("starttls"),
            min_version: section.take("min_version"),
            require_for: section.take("require_for"),
            client_certificate: section.take("client_certificate"),
        }
    }

    /// What it means. What is wrong is reported, and left out.
    pub(super) fn compile(&self, findings: &Findings) -> TlsRules {
        let default = TlsRules::default();
        let written = self.require_for.iter().flat_map(|verbs| &verbs.value);
        let mut require_for: Vec<Verb> =
            written.filter_map(|verb| findings.check(may_be_required(verb))).collect();
        require_for.sort_unstable();
        require_for.dedup();
        let rules = TlsRules {
            starttls: self.starttls.as_ref().map_or(default.starttls, |word| word.value),
            min_version: self.min_version.as_ref().map_or(default.min_version, |word| word.value),
            require_for,
            client_certificate: self
                .client_certificate
                .as_ref()
                .map_or(default.client_certificate, |word| word.value),
        };
        if let Some(written) = &self.client_certificate
            && rules.starttls == StartTls::Passthrough
            && rules.client_certificate != ClientCertificate::Off
        {
            let finding = written.place.error("a certificate cannot be asked for where TLS passes through");
            findings.add(finding.with_help("the relay makes the handshake; ask for it there"));
        }
        rules
    }
}

fn may_be_required(written: &Located<String>) -> Result<Verb, Diagnostic> {
    let verb = named_verb(written)?;
    if BEFORE_TLS.contains(&verb) {
        let finding = written.place.error(format!("{} must be possible before TLS", written.value));
        return Err(finding.with_help("name what needs it, such as \"AUTH\" and \"MAIL\" (RFC 3207 4)"));
    }
    Ok(verb)
}
