//! PROXY headers.

use gatepost::proxy_header::{self, Client, MOST, Read, Told};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What came first on a connection: more octets never change what was found, nothing is waited for without bounds, and
/// whoever is told of is written so that it is read as the same again.
pub fn header(data: &[u8]) {
    let whole = proxy_header::read(data);
    for size in 0..data.len().min(MOST + 1) {
        match proxy_header::read(&data[..size]) {
            Read::Incomplete => {}
            found => assert_eq!(found, whole, "cut at {size}"),
        }
    }
    match whole {
        Read::Incomplete => assert!(data.len() < MOST, "a header without bounds"),
        Read::Absent => assert!(!data.starts_with(b"PROXY ") && !data.starts_with(SIGNATURE)),
        Read::Malformed => {}
        Read::Header(told, length) => {
            let taken = &data[..length];
            assert!(length <= MOST);
            assert_eq!(proxy_header::read(taken), whole, "it needs what stands behind it");
            let defined = if taken.starts_with(SIGNATURE) { binary(taken) } else { line(taken) };
            assert_eq!(defined, told, "{}", taken.escape_ascii());
            if let Told::Client { client, local } = told {
                written(client, local);
            }
        }
    }
}

const SIGNATURE: &[u8] = &[13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10];

/// In either version it is read as the same again, and no shorter piece is taken for it.
fn written(client: SocketAddr, local: SocketAddr) {
    let told = Client { client, local, id: "7K2M9QXT", tls: None };
    for header in [proxy_header::line(client, local), proxy_header::binary(Some(&told))] {
        assert_eq!(proxy_header::read(&header), Read::Header(Told::Client { client, local }, header.len()));
        assert_eq!(proxy_header::read(&header[..header.len() - 1]), Read::Incomplete);
    }
}

/// Version 1, as the specification draws it.
fn line(octets: &[u8]) -> Told {
    assert!(octets.len() <= 107, "longer than a line may be");
    let text = std::str::from_utf8(octets).expect("it is text");
    let line = text.strip_suffix("\r\n").expect("it ends a line");
    assert!(!line.contains('\n'), "it ends two lines");
    let words: Vec<&str> = line.split(' ').collect();
    if words[1] == "UNKNOWN" {
        return Told::Nobody;
    }
    let [_, family, client, local, from, to] = words[..] else { panic!("{words:?}") };
    let address = |word: &str| -> IpAddr {
        let address: IpAddr = word.parse().expect("an address");
        assert_eq!(family, if address.is_ipv4() { "TCP4" } else { "TCP6" });
        address
    };
    let port = |word: &str| -> u16 {
        let port: u16 = word.parse().expect("a port");
        assert_eq!(port.to_string(), word);
        port
    };
    of(address(client), port(from), address(local), port(to))
}

/// Version 2, by its offsets.
fn binary(octets: &[u8]) -> Told {
    assert_eq!(octets.len() - 16, usize::from(octets[14]) * 256 + usize::from(octets[15]));
    match (octets[12], octets[13]) {
        (0x20, _) | (0x21, 0x00) => Told::Nobody,
        (0x21, 0x11) => {
            let address =
                |at: usize| IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&octets[at..at + 4]).expect("4")));
            of(address(16), number(octets, 24), address(20), number(octets, 26))
        }
        (0x21, 0x21) => {
            let address = |at: usize| {
                IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&octets[at..at + 16]).expect("16")))
            };
            of(address(16), number(octets, 48), address(32), number(octets, 50))
        }
        (command, family) => panic!("{command:02x} {family:02x} was taken"),
    }
}

fn number(octets: &[u8], at: usize) -> u16 {
    u16::from(octets[at]) * 256 + u16::from(octets[at + 1])
}

/// An IPv4 address in IPv6 is an IPv4 address.
fn of(client: IpAddr, from: u16, local: IpAddr, to: u16) -> Told {
    let plain = |address: IpAddr| match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    Told::Client { client: SocketAddr::new(plain(client), from), local: SocketAddr::new(plain(local), to) }
}
