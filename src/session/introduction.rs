//! XCLIENT (Postfix, `XCLIENT_README`): telling the relay who the client is.

use super::link::Link;
use super::{Identity, Session, link};
use crate::policy::names::{NameVerdict, Naming};
use crate::smtp::extension::Extension;
use crate::smtp::parameter;
use std::net::{IpAddr, SocketAddr};

/// What one line may hold of attributes: 512 octets less verb and CRLF.
const LINE: usize = 512 - "XCLIENT\r\n".len();

/// What is not known, and will not be.
const UNAVAILABLE: &str = "[UNAVAILABLE]";
/// What is not known now.
const TEMPUNAVAIL: &str = "[TEMPUNAVAIL]";

/// An attribute, as far as Gatepost knows something of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attribute {
    Proto,
    Helo,
    Login,
    DestAddr,
    DestPort,
    Port,
    Name,
    Addr,
}

impl Attribute {
    /// In the order in which they are said: with its address the relay sees another client, so that comes last.
    const ALL: [Self; 8] = [
        Self::Proto,
        Self::Helo,
        Self::Login,
        Self::DestAddr,
        Self::DestPort,
        Self::Port,
        Self::Name,
        Self::Addr,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Proto => "PROTO",
            Self::Helo => "HELO",
            Self::Login => "LOGIN",
            Self::DestAddr => "DESTADDR",
            Self::DestPort => "DESTPORT",
            Self::Port => "PORT",
            Self::Name => "NAME",
            Self::Addr => "ADDR",
        }
    }

    /// Whether it stands among those that a relay takes.
    fn is_among(self, taken: &str) -> bool {
        taken.split(' ').any(|word| word.eq_ignore_ascii_case(self.name()))
    }
}

/// What there is to say of a client.
struct Client<'c> {
    /// Unspecified: there is none.
    address: SocketAddr,
    called: Option<SocketAddr>,
    hello: &'c [u8],
    login: Option<&'c str>,
    naming: &'c Naming,
}

impl Client<'_> {
    /// None: there is nothing to say.
    fn value(&self, attribute: Attribute) -> Option<Vec<u8>> {
        let port = |port: u16| if port == 0 { UNAVAILABLE.to_owned() } else { port.to_string() };
        let text = match attribute {
            Attribute::Proto => (if link::is_helo(self.hello) { "SMTP" } else { "ESMTP" }).to_owned(),
            Attribute::Helo => return Some(parameter::to_xtext(link::name(self.hello))),
            Attribute::Login => return self.login.map(|login| parameter::to_xtext(login.as_bytes())),
            Attribute::DestAddr => address(self.called?.ip()),
            Attribute::DestPort => port(self.called?.port()),
            Attribute::Port => port(self.address.port()),
            Attribute::Name => match (self.naming.verdict, &self.naming.name) {
                (NameVerdict::Verified, Some(name)) => name.to_string(),
                (NameVerdict::Verified | NameVerdict::Unverified, _) => UNAVAILABLE.to_owned(),
                (NameVerdict::Failed | NameVerdict::Unknown, _) => TEMPUNAVAIL.to_owned(),
            },
            Attribute::Addr => address(self.address.ip()),
        };
        Some(text.into_bytes())
    }

    /// The lines, the last first. None: the relay does not take what it must know, or one of them has no room.
    fn lines(&self, taken: &str) -> Option<Vec<Box<[u8]>>> {
        if !Attribute::Addr.is_among(taken) {
            return None;
        }
        let (mut lines, mut line) = (Vec::new(), Vec::new());
        for attribute in Attribute::ALL.into_iter().filter(|attribute| attribute.is_among(taken)) {
            let Some(value) = self.value(attribute) else { continue };
            let said = [b" ", attribute.name().as_bytes(), b"=", &value].concat();
            if said.len() > LINE {
                return None;
            }
            if line.len().saturating_add(said.len()) > LINE {
                lines.push(std::mem::take(&mut line).into());
            }
            line.extend(said);
        }
        lines.push(line.into());
        lines.reverse();
        Some(lines)
    }
}

fn address(address: IpAddr) -> String {
    match address {
        address if address.is_unspecified() => UNAVAILABLE.to_owned(),
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => format!("IPV6:{six}"),
    }
}

impl Session {
    /// What is to be said to a relay that takes these attributes, the last line first.
    pub(super) fn introduction(&self, taken: &str, hello: &[u8]) -> Option<Vec<Box<[u8]>>> {
        // Whom the relay knows itself it needs not be told.
        let login = if self.proven.is_pinned() { None } else { self.proven.user() };
        let (address, called) = (self.client(), self.called());
        let client = Client { address, called, hello, login, naming: self.naming() };
        client.lines(taken)
    }

    /// Whether the link that is open is that of a client without an account, and a relay that wants to know it.
    pub(super) fn owes_login(&self) -> bool {
        let takes = |taken: &str| Attribute::Login.is_among(taken);
        match &self.link {
            Link::Open { offer, .. } => {
                self.setting.station.identity == Identity::Xclient
                    && offer.argument(Extension::Xclient).is_some_and(takes)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT";

    fn lines(client: &Client<'_>, taken: &str) -> Option<Vec<String>> {
        let lines = client.lines(taken)?;
        Some(lines.iter().rev().map(|line| String::from_utf8(line.to_vec()).unwrap()).collect())
    }

    #[test]
    fn only_what_the_relay_takes_is_said_and_its_address_last() {
        let client = Client {
            address: "[2001:db8::9]:50000".parse().unwrap(),
            called: Some("[2001:db8::1]:25".parse().unwrap()),
            hello: b"EHLO [IPv6:2001:db8::9]",
            login: Some("a b+c=d"),
            naming: &Naming::default(),
        };
        let all = " PROTO=ESMTP HELO=[IPv6:2001:db8::9] LOGIN=a+20b+2Bc+3Dd DESTADDR=IPV6:2001:db8::1 DESTPORT=25 \
                   PORT=50000 NAME=[TEMPUNAVAIL] ADDR=IPV6:2001:db8::9";
        assert_eq!(lines(&client, ALL).unwrap(), [all]);
        assert_eq!(lines(&client, "addr proto").unwrap(), [" PROTO=ESMTP ADDR=IPV6:2001:db8::9"]);
        assert_eq!(lines(&client, "NAME PROTO"), None);
        assert_eq!(lines(&client, ""), None);
    }

    #[test]
    fn of_nobody_nothing_is_made_up() {
        let client = Client {
            address: "0.0.0.0:0".parse().unwrap(),
            called: None,
            hello: b"HELO gate",
            login: None,
            naming: &Naming::default(),
        };
        let all = " PROTO=SMTP HELO=gate PORT=[UNAVAILABLE] NAME=[TEMPUNAVAIL] ADDR=[UNAVAILABLE]";
        assert_eq!(lines(&client, ALL).unwrap(), [all]);
    }

    #[test]
    fn what_is_too_long_for_a_line_goes_on_two() {
        let (hello, login) = ([b"EHLO ".as_slice(), &[b'x'; 255]].concat(), "y".repeat(250));
        let mut client = Client {
            address: "192.0.2.9:50000".parse().unwrap(),
            called: None,
            hello: &hello,
            login: Some(&login),
            naming: &Naming::default(),
        };
        let found = lines(&client, ALL).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|line| line.len() <= LINE));
        assert!(found[1].ends_with(" ADDR=192.0.2.9"));
        let too_long = "=".repeat(200);
        client.login = Some(&too_long);
        assert_eq!(lines(&client, ALL), None);
    }

    #[test]
    fn a_name_is_said_if_it_is_verified() {
        for (naming, said) in [
            ("verified mx.example.org", "mx.example.org"),
            ("unverified", "[UNAVAILABLE]"),
            ("failed", "[TEMPUNAVAIL]"),
            ("unknown", "[TEMPUNAVAIL]"),
        ] {
            let client = Client {
                address: "192.0.2.9:50000".parse().unwrap(),
                called: None,
                hello: b"EHLO a",
                login: None,
                naming: &naming.parse().unwrap(),
            };
            assert_eq!(lines(&client, "ADDR NAME").unwrap(), [format!(" NAME={said} ADDR=192.0.2.9")]);
        }
    }
}
