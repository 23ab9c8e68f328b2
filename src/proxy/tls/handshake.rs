//! A handshake: from the last plain octet to TLS that holds, or to why it does not.

use super::Terms;
use super::certificate::peer_name;
use super::client_hello::{self, Offered};
use crate::event::{Secured, TlsFailure};
use crate::policy::tls::TlsVersion;
use rustls::pki_types::ServerName;
use rustls::{
    AlertDescription, CipherSuite, ClientConfig, Error, HandshakeKind, PeerIncompatible, ProtocolVersion,
};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{FallibleAccept, FallibleConnect, TlsAcceptor, TlsConnector, TlsStream};

/// Which part the gate plays, and on which terms.
#[derive(Clone, Debug)]
pub(in crate::proxy) enum Part {
    /// The server, of a client.
    Server(Terms),
    /// The client, of a relay.
    Client(Dialling),
}

/// How a relay is called.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Dialling {
    pub(in crate::proxy) config: Arc<ClientConfig>,
    /// The name that is asked for, and expected where the certificate is verified by name.
    pub(in crate::proxy) name: ServerName<'static>,
    /// Whether the certificate is verified.
    pub(in crate::proxy) verified: bool,
}

/// A handshake that is on.
pub(in crate::proxy) struct Handshake {
    stage: Stage,
    /// What the client offered, as far as it was seen.
    offered: Option<Offered>,
    believes: Believes,
}

/// What is to be made of a certificate that the peer shows.
enum Believes {
    /// A client's, under these terms.
    Client(Terms),
    /// A relay's, which was called by this name, and verified or not.
    Relay(Box<str>, bool),
}

enum Stage {
    /// What was to be said before is not out yet, or the peer's first words are not here.
    Due(TcpStream, Part),
    Serving(FallibleAccept<TcpStream>),
    Dialling(FallibleConnect<TcpStream>),
    Over,
}

/// What comes of one.
pub(in crate::proxy) type Shaken = Result<(TlsStream<TcpStream>, Box<Secured>), Failed>;

/// A handshake that came to nothing.
#[derive(Debug)]
pub(in crate::proxy) struct Failed {
    pub(in crate::proxy) failure: TlsFailure,
    /// In words, for the log.
    pub(in crate::proxy) why: String,
    pub(in crate::proxy) offered: Option<Offered>,
    /// The socket, on which an alert was said.
    pub(in crate::proxy) socket: Option<TcpStream>,
}

impl Handshake {
    pub(in crate::proxy) fn new(tcp: TcpStream, part: Part) -> Self {
        let believes = match &part {
            Part::Server(terms) => Believes::Client(terms.clone()),
            Part::Client(dialling) => Believes::Relay(dialling.name.to_str().into(), dialling.verified),
        };
        Self { stage: Stage::Due(tcp, part), offered: None, believes }
    }

    /// Says what was to be said before.
    pub(in crate::proxy) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stage {
            Stage::Due(tcp, _) => Pin::new(tcp).poll_write(cx, octets),
            Stage::Serving(_) | Stage::Dialling(_) | Stage::Over => {
                Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
            }
        }
    }

    /// Goes on; the buffer is there to look into. It is not to be asked again after it was ready.
    pub(in crate::proxy) fn poll(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Shaken> {
        if let Stage::Due(tcp, Part::Server(_)) = &self.stage {
            let mut room = ReadBuf::new(buffer.get_mut(..client_hello::MOST).unwrap_or_default());
            // An error is found again, and told, when it is read.
            let _ = ready!(tcp.poll_peek(cx, &mut room));
            self.offered = Offered::read(room.filled());
        }
        self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Due(tcp, Part::Server(terms)) => {
                Stage::Serving(TlsAcceptor::from(terms.config).accept(tcp).into_fallible())
            }
            Stage::Due(tcp, Part::Client(Dialling { config, name, .. })) => {
                Stage::Dialling(TlsConnector::from(config).connect(name, tcp).into_fallible())
            }
            on => on,
        };
        let done = match &mut self.stage {
            Stage::Serving(accept) => ready!(Pin::new(accept).poll(cx)).map(TlsStream::from),
            Stage::Dialling(connect) => ready!(Pin::new(connect).poll(cx)).map(TlsStream::from),
            Stage::Due(..) | Stage::Over => return Poll::Pending,
        };
        self.stage = Stage::Over;
        Poll::Ready(match done {
            Ok(stream) => match self.secured(&stream) {
                Some(secured) => Ok((stream, Box::new(secured))),
                None => Err(self.failed(&io::ErrorKind::InvalidData.into(), None)),
            },
            Err((error, socket)) => Err(self.failed(&error, Some(socket))),
        })
    }

    /// What was agreed.
    fn secured(&self, stream: &TlsStream<TcpStream>) -> Option<Secured> {
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version()? {
            ProtocolVersion::TLSv1_2 => TlsVersion::V1_2,
            ProtocolVersion::TLSv1_3 => TlsVersion::V1_3,
            _ => return None,
        };
        let shown = connection.peer_certificates().unwrap_or_default();
        let (name, believed) = match (&self.believes, stream) {
            (Believes::Relay(asked, verified), _) => (Some(asked.clone()), *verified),
            (Believes::Client(terms), TlsStream::Server(server)) => {
                (server.get_ref().1.server_name().map(Into::into), terms.trusts(shown))
            }
            (Believes::Client(_), TlsStream::Client(_)) => (None, false),
        };
        Some(Secured {
            version,
            cipher: suite_name(connection.negotiated_cipher_suite()?.suite()),
            name,
            peer: shown.first().filter(|_| believed).and_then(peer_name).map(Into::into),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }

    fn failed(&mut self, error: &io::Error, socket: Option<TcpStream>) -> Failed {
        let offered = self.offered.take();
        // Whatever the library stumbled over first.
        let too_old = offered.as_ref().is_some_and(Offered::is_too_old);
        let failure = if too_old { TlsFailure::Version } else { failure(error) };
        Failed { failure, why: error.to_string(), offered, socket }
    }
}

impl Failed {
    /// It was not finished in time.
    pub(in crate::proxy) fn timed_out() -> Self {
        let why = "it was not finished in time".to_owned();
        Self { failure: TlsFailure::TimedOut, why, offered: None, socket: None }
    }

    /// What an operator could do, where anything can be done.
    pub(in crate::proxy) fn remedy(&self) -> Option<&'static str> {
        match self.failure {
            TlsFailure::Version => Some(
                "only TLS 1.2 and 1.3 are spoken, and what [tls] min_version lets; the peer must be updated",
            ),
            TlsFailure::Cipher => Some(
                "an RSA certificate beside an ECDSA one helps old peers; without ECDHE and AEAD there is no TLS",
            ),
            TlsFailure::Own => Some("look at the certificates of the listener with `gatepost cert`"),
            TlsFailure::TimedOut
            | TlsFailure::Closed
            | TlsFailure::Certificate
            | TlsFailure::Alert
            | TlsFailure::Garbled => None,
        }
    }
}

/// A cipher suite by its IANA name.
fn suite_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("unknown"),
    }
}

/// Why a handshake came to nothing, as a row of the closed set.
fn failure(error: &io::Error) -> TlsFailure {
    let Some(told) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::TimedOut => TlsFailure::TimedOut,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => TlsFailure::Garbled,
            _ => TlsFailure::Closed,
        };
    };
    match told {
        Error::PeerIncompatible(how) => incompatible(how),
        Error::AlertReceived(AlertDescription::ProtocolVersion) => TlsFailure::Version,
        Error::AlertReceived(AlertDescription::CloseNotify) => TlsFailure::Closed,
        Error::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity) => {
            TlsFailure::Cipher
        }
        Error::AlertReceived(_) => TlsFailure::Alert,
        Error::InvalidCertificate(_)
        | Error::NoCertificatesPresented
        | Error::InvalidCertRevocationList(_)
        | Error::UnsupportedNameType => TlsFailure::Certificate,
        Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::InvalidMessage(_)
        | Error::InvalidEncryptedClientHello(_)
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord
        | Error::DecryptError
        | Error::NoApplicationProtocol => TlsFailure::Garbled,
        _ => TlsFailure::Own,
    }
}

fn incompatible(how: &PeerIncompatible) -> TlsFailure {
    match how {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => TlsFailure::Version,
        _ => TlsFailure::Cipher,
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Due(..) => "due",
            Stage::Serving(_) => "serving",
            Stage::Dialling(_) => "dialling",
            Stage::Over => "over",
        };
        f.debug_struct("Handshake").field("stage", &stage).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_is_a_row() {
        let of = |error: Error| failure(&io::Error::new(io::ErrorKind::InvalidData, error));
        for (error, row) in [
            (Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered), TlsFailure::Version),
            (Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon), TlsFailure::Cipher),
            (Error::AlertReceived(AlertDescription::UnknownCA), TlsFailure::Alert),
            (Error::AlertReceived(AlertDescription::ProtocolVersion), TlsFailure::Version),
            (Error::NoCertificatesPresented, TlsFailure::Certificate),
            (Error::DecryptError, TlsFailure::Garbled),
            (Error::General("no certificate".into()), TlsFailure::Own),
        ] {
            assert_eq!(of(error.clone()), row, "{error:?}");
        }
        assert_eq!(failure(&io::ErrorKind::ConnectionReset.into()), TlsFailure::Closed);
        assert_eq!(failure(&io::ErrorKind::UnexpectedEof.into()), TlsFailure::Closed);
    }
}
