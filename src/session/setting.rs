//! What a session is told at its beginning.

use super::offer::Offer;
use crate::event::NoService;
use crate::policy::Policy;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// What all sessions of a listener share.
#[derive(Debug)]
pub struct Station {
    /// The gate's name, as greeting and EHLO reply give it.
    pub name: String,
    /// The listener's name, for rules and labels.
    pub listener: String,
    /// When the link is opened.
    pub connect: Connect,
    /// What a client hears when the relay cannot be reached.
    pub when_down: WhenDown,
    /// How long the relay is waited for.
    pub waits: Waits,
    /// Whether the link is to be secured by STARTTLS.
    pub relay_tls: RelayTls,
    /// How the relay learns who the client is.
    pub identity: Identity,
    /// Whether sessions hand on links that they need no longer. Never to a relay that is told who the client is.
    pub hands_on: bool,
    /// What the clock said at [`Moment::START`](super::Moment), since 1970-01-01 in UTC: the date on a message.
    pub started: Duration,
}

/// `identity` of a relay: how it learns who the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// Not at all: it sees the gate's own address.
    #[default]
    None,
    /// By a PROXY header of version 1 in front of everything on the link.
    ProxyV1,
    /// Of version 2, which also tells of TLS and of the session's name.
    ProxyV2,
    /// By XCLIENT, in SMTP.
    Xclient,
    /// By the address that the link comes from: the client's own.
    Transparent,
}

impl Identity {
    /// Whether the relay can judge the client by itself.
    pub fn is_told(self) -> bool {
        self != Self::None
    }
}

/// `tls` of a relay, where it is not implicit: whether the link is secured by STARTTLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayTls {
    /// Never.
    #[default]
    None,
    /// Where the relay offers it, and it works.
    Opportunistic,
    /// Always: without it there is no link.
    Required,
}

/// `connect`: when the link is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connect {
    /// Before the greeting: the relay's own greeting decides.
    Accept,
    /// At EHLO: its own reply to this client decides.
    Hello,
    /// At MAIL.
    Transaction,
    /// At the first recipient that passed.
    #[default]
    Recipient,
}

/// `when_down`: what is said at hello when the relay cannot be reached and nothing of its offer is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenDown {
    /// 421, so that senders go to the next MX.
    #[default]
    Refuse,
    /// Go on; the first command that needs the relay hears 451.
    Greet,
}

/// How long the relay is waited for, and waits itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// For connecting, greeting and hello together.
    pub open: Duration,
    /// For a reply.
    pub reply: Duration,
    /// For the reply to the end of mail data; less than ten minutes makes duplicates (RFC 5321 4.5.3.2.6).
    pub last: Duration,
    /// For the client's next mail transaction, until the relay has its link back.
    pub idle: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            open: Duration::from_mins(1),
            reply: Duration::from_mins(5),
            last: Duration::from_mins(10),
            idle: Duration::from_secs(1),
        }
    }
}

/// What a session is told at its beginning.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Of its listener.
    pub station: Arc<Station>,
    /// The rules it keeps to its end, also over a reload.
    pub policy: Arc<Policy>,
    /// The client's address.
    pub client: IpAddr,
    /// The client's port.
    pub port: u16,
    /// The address that it called, where anybody wants to know; most need no room for it.
    pub local: Option<Box<SocketAddr>>,
    /// Its name in logs and refusals.
    pub id: SessionId,
    /// The last EHLO reply heard from the relay, if it is fresh.
    pub learned: Option<Arc<Offer>>,
    /// Why it is not let in, if so.
    pub admission: Result<(), NoService>,
}

/// Eight characters of Crockford's base 32: the name of a session in each log line and each refusal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 8]);

impl SessionId {
    const ALPHABET: &'static [u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    /// From the low 40 bits.
    pub fn from_bits(bits: u64) -> Self {
        let mut left = bits;
        let mut text = [b'0'; 8];
        for place in text.iter_mut().rev() {
            let digit = usize::try_from(left % 32).unwrap_or_default();
            *place = Self::ALPHABET.get(digit).copied().unwrap_or(b'0');
            left /= 32;
        }
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_eight_characters_that_nobody_mistakes() {
        assert_eq!(SessionId::from_bits(0).as_str(), "00000000");
        assert_eq!(SessionId::from_bits(u64::MAX).as_str(), "ZZZZZZZZ");
        assert_eq!(SessionId::from_bits(33).as_str(), "00000011");
    }
}
