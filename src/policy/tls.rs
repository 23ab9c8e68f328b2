//! `[tls]`: what the client leg of a session must be.

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
