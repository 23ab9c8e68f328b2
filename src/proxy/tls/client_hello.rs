//! What a client offers in its first words (RFC 8446 4.1.2): for the log, where nothing of it will do.

use nom::bytes::complete::{tag, take};
use nom::combinator::rest;
use nom::multi::{length_data, many0};
use nom::number::complete::{be_u8, be_u16, be_u24};
use nom::{IResult, Parser};
use rustls::CipherSuite;
use std::fmt;

/// As much of the first words as is looked at.
pub(in crate::proxy) const MOST: usize = 4096;
/// The most versions and cipher suites that are told.
const TOLD: usize = 24;

/// What a client offers.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Offered {
    versions: Vec<u16>,
    suites: Vec<u16>,
}

impl Offered {
    /// Whether no version in it is one that is still spoken.
    pub(in crate::proxy) fn is_too_old(&self) -> bool {
        const TLS12: u16 = 0x0303;
        self.versions.iter().all(|version| *version < TLS12)
    }

    /// Reads it, if the first words are there as a whole.
    pub(in crate::proxy) fn read(octets: &[u8]) -> Option<Self> {
        let (_, offered) = record(octets).ok()?;
        Some(offered)
    }
}

/// A record, of whose message all but the end of the extensions must be there: a long key share often is not.
fn record(input: &[u8]) -> IResult<&[u8], Offered> {
    let (input, _) = (tag(&[22_u8][..]), be_u16, be_u16).parse(input)?;
    let (input, _) = (tag(&[1_u8][..]), be_u24).parse(input)?;
    let (input, legacy) = be_u16(input)?;
    let (input, _random) = take(32_usize)(input)?;
    let (input, _session) = length_data(be_u8).parse(input)?;
    let (input, suites) = length_data(be_u16).parse(input)?;
    let (input, _compression) = length_data(be_u8).parse(input)?;
    let versions = supported_versions(input).unwrap_or_else(|| vec![legacy]);
    Ok((input, Offered { versions, suites: words(suites) }))
}

/// The extension `supported_versions` (RFC 8446 4.2.1), if it is there.
fn supported_versions(input: &[u8]) -> Option<Vec<u16>> {
    const SUPPORTED_VERSIONS: u16 = 43;
    let one = (be_u16::<_, nom::error::Error<_>>, length_data(be_u16));
    let (_, (_, extensions)) = (be_u16::<_, nom::error::Error<_>>, many0(one)).parse(input).ok()?;
    let (_, list) = extensions.into_iter().find(|(kind, _)| *kind == SUPPORTED_VERSIONS)?;
    let (_, list) = length_data(be_u8::<_, nom::error::Error<_>>).parse(list).ok()?;
    Some(words(list))
}

/// Numbers of two octets, without those that only try how an unknown one is taken (GREASE, RFC 8701).
fn words(list: &[u8]) -> Vec<u16> {
    let grease = |word: u16| word & 0x0f0f == 0x0a0a && word >> 8 == word & 0xff;
    let read: IResult<_, _> = (many0(be_u16), rest).parse(list);
    let words = read.map(|(_, (words, _))| words).unwrap_or_default();
    words.into_iter().filter(|word| !grease(*word)).take(TOLD).collect()
}

impl fmt::Display for Offered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> = self.versions.iter().map(|version| name(*version)).collect();
        write!(f, "{}", versions.join(" "))?;
        for suite in &self.suites {
            match CipherSuite::from(*suite).as_str() {
                Some(name) => write!(f, " {name}")?,
                None => write!(f, " 0x{suite:04x}")?,
            }
        }
        Ok(())
    }
}

/// A version as people call it.
fn name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301 => "TLS 1.0".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        other => format!("0x{other:04x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First words with these suites and, if there are any, these versions.
    fn hello(legacy: u16, suites: &[u16], versions: &[u16]) -> Vec<u8> {
        let octets = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
        let mut body = legacy.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend(u16::try_from(suites.len() * 2).unwrap().to_be_bytes());
        body.extend(octets(suites));
        body.extend([1, 0]);
        if !versions.is_empty() {
            let length = u8::try_from(versions.len() * 2).unwrap();
            let extension = [&[0, 43, 0, length + 1, length][..], &octets(versions)].concat();
            body.extend(u16::try_from(extension.len()).unwrap().to_be_bytes());
            body.extend(extension);
        }
        let length = u16::try_from(body.len()).unwrap();
        let mut record = vec![22, 3, 1];
        record.extend((length + 4).to_be_bytes());
        record.extend([1, 0]);
        record.extend(length.to_be_bytes());
        record.extend(body);
        record
    }

    #[test]
    fn an_old_client_is_known_by_its_version_and_a_new_one_by_its_list() {
        let old = Offered::read(&hello(0x0301, &[0x0005, 0x000a], &[])).unwrap();
        assert!(old.is_too_old());
        assert_eq!(old.to_string(), "TLS 1.0 TLS_RSA_WITH_RC4_128_SHA TLS_RSA_WITH_3DES_EDE_CBC_SHA");
        let new = Offered::read(&hello(0x0303, &[0x1301, 0x0a0a, 0xeeee], &[0x2a2a, 0x0304, 0x0303]));
        assert_eq!(new.unwrap().to_string(), "TLS 1.3 TLS 1.2 TLS13_AES_128_GCM_SHA256 0xeeee");
    }

    #[test]
    fn what_is_no_hello_is_none_wherever_it_ends() {
        let whole = hello(0x0303, &[0x1301], &[0x0304]);
        for end in 0..whole.len() {
            // Cut in the extensions it is an old one; before them it is none.
            let _ = Offered::read(&whole[..end]);
        }
        assert_eq!(Offered::read(b"EHLO client.example.org\r\n"), None);
        assert_eq!(Offered::read(b""), None);
    }
}
