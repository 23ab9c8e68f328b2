//! Reading what came first on a connection.

use super::{FIXED, LINE_MOST, MOST, NAME, Read, SIGNATURE, Told};
use nom::number::complete::{be_u16, be_u32, be_u128};
use nom::{IResult, Parser};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Reads what came first on a connection.
pub fn read(octets: &[u8]) -> Read {
    let begins = |sign: &[u8]| octets.iter().zip(sign).all(|(octet, signed)| octet == signed);
    if begins(SIGNATURE) {
        read_binary(octets)
    } else if begins(NAME) {
        read_line(octets)
    } else {
        Read::Absent
    }
}

fn read_line(octets: &[u8]) -> Read {
    let window = octets.get(..LINE_MOST).unwrap_or(octets);
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if window.len() < LINE_MOST { Read::Incomplete } else { Read::Malformed };
    };
    let line = window.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    match line.and_then(|line| told(std::str::from_utf8(line).ok()?)) {
        Some(told) => Read::Header(told, end.saturating_add(1)),
        None => Read::Malformed,
    }
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 50000 25`
fn told(line: &str) -> Option<Told> {
    let mut words = line.split(' ').skip(1);
    match words.next()? {
        "UNKNOWN" => Some(Told::Nobody),
        "TCP4" => client::<Ipv4Addr>(words),
        "TCP6" => client::<Ipv6Addr>(words),
        _ => None,
    }
}

fn client<'w, A: FromStr + Into<IpAddr>>(mut words: impl Iterator<Item = &'w str>) -> Option<Told> {
    let mut address = || words.next()?.parse::<A>().ok().map(Into::into);
    let (client, local) = (address()?, address()?);
    let mut port = || words.next().and_then(port);
    let (client, local) = (SocketAddr::new(client, port()?), SocketAddr::new(local, port()?));
    words.next().is_none().then(|| Told::new(client, local))
}

/// Digits, and no zero in front.
fn port(word: &str) -> Option<u16> {
    let plain = word == "0" || !word.starts_with(['0', '+']);
    word.parse().ok().filter(|_| plain)
}

fn read_binary(octets: &[u8]) -> Read {
    let Some((fixed, rest)) = octets.split_at_checked(FIXED) else { return Read::Incomplete };
    let [.., command, family, high, low] = *fixed else { return Read::Malformed };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let whole = FIXED.saturating_add(length);
    if whole > MOST || !matches!(command, 0x20 | 0x21) {
        return Read::Malformed;
    }
    let Some(block) = rest.get(..length) else { return Read::Incomplete };
    let told = match (command, family) {
        (0x20, _) | (_, 0x00) => Some(Told::Nobody),
        (_, 0x11) => addresses(be_u32.map(Ipv4Addr::from_bits), block),
        (_, 0x21) => addresses(be_u128.map(Ipv6Addr::from_bits), block),
        // What is no TCP connection brings no mail.
        _ => None,
    };
    told.map_or(Read::Malformed, |told| Read::Header(told, whole))
}

/// Addresses, then ports; what stands behind them (TLVs) is nobody's who only wants to know that.
fn addresses<'o, A, P>(mut address: P, block: &'o [u8]) -> Option<Told>
where
    A: Into<IpAddr>,
    P: Parser<&'o [u8], Output = A, Error = nom::error::Error<&'o [u8]>>,
{
    let mut both = |input| -> IResult<_, _> {
        let (input, client) = address.parse(input)?;
        let (input, local) = address.parse(input)?;
        let (input, ports) = (be_u16, be_u16).parse(input)?;
        Ok((input, (client, local, ports)))
    };
    let (_, (client, local, ports)) = both(block).ok()?;
    Some(Told::new(SocketAddr::new(client.into(), ports.0), SocketAddr::new(local.into(), ports.1)))
}
