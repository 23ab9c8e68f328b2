use super::*;
use std::net::Ipv6Addr;

fn client(client: &str, local: &str) -> Told {
    Told::Client { client: client.parse().unwrap(), local: local.parse().unwrap() }
}

/// A header of version 2.
fn header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

const FOUR: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 1, 0xc3, 0x50, 0, 25];

fn six() -> Vec<u8> {
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    [&address("2001:db8::1")[..], &address("2001:db8::2"), &[0xc3, 0x50, 0, 25]].concat()
}

#[test]
fn both_versions_say_who_the_client_is() {
    let four = client("192.0.2.1:50000", "198.51.100.1:25");
    let six_told = client("[2001:db8::1]:50000", "[2001:db8::2]:25");
    let mapped = six().into_iter().enumerate().map(|(at, octet)| match at {
        0..10 => 0,
        10 | 11 => 0xff,
        12..16 => FOUR[at - 12],
        _ => octet,
    });
    for (octets, told) in [
        (b"PROXY TCP4 192.0.2.1 198.51.100.1 50000 25\r\n".to_vec(), four),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 50000 25\r\n".to_vec(), six_told),
        (
            b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 50000 25\r\n".to_vec(),
            client("192.0.2.1:50000", "[2001:db8::2]:25"),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), Told::Nobody),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), Told::Nobody),
        (header(0x21, 0x11, FOUR), four),
        (header(0x21, 0x11, &[FOUR, &[0x04, 0, 1, 0]].concat()), four),
        (header(0x21, 0x21, &six()), six_told),
        (header(0x21, 0x21, &mapped.collect::<Vec<_>>()), client("192.0.2.1:50000", "[2001:db8::2]:25")),
        (header(0x21, 0x00, &[]), Told::Nobody),
        (header(0x20, 0x00, &[]), Told::Nobody),
        (header(0x20, 0x11, FOUR), Told::Nobody),
        (header(0x20, 0x99, &[1, 2, 3]), Told::Nobody),
    ] {
        let whole = octets.len();
        assert_eq!(read(&octets), Read::Header(told, whole), "{octets:?}");
        assert_eq!(read(&[&octets[..], b"EHLO x\r\n"].concat()), Read::Header(told, whole));
        for cut in 0..whole {
            assert_eq!(read(&octets[..cut]), Read::Incomplete, "{octets:?} cut at {cut}");
        }
    }
}

#[test]
fn what_is_none_is_none() {
    for octets in [&b"EHLO x\r\n"[..], b"\x16\x03\x01", b"proxy TCP4", b"PROXYx", b"\r\n\r\nQ", b"\n"] {
        assert_eq!(read(octets), Read::Absent, "{octets:?}");
    }
    let lines: [&[u8]; 12] = [
        b"PROXY TCP4 192.0.2.1 198.51.100.1 50000 25\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 50000\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 50000 25 26\r\n",
        b"PROXY TCP4 192.0.2.1  198.51.100.1 50000 25\r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.1 50000 25\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 +50000 25\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 050000 25\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 50000 25\r\n",
        b"PROXY TCP6 192.0.2.1 198.51.100.1 50000 25\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.1 50000 25\r\n",
        b"PROXY \xff\r\n",
    ];
    for line in lines {
        assert_eq!(read(line), Read::Malformed, "{line:?}");
    }
    assert_eq!(read(&[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 93]].concat()), Read::Malformed);
    for octets in [
        header(0x22, 0x11, FOUR),
        header(0x11, 0x11, FOUR),
        header(0x21, 0x12, FOUR),
        header(0x21, 0x31, &[0; 216]),
        header(0x21, 0x11, &FOUR[..11]),
        header(0x21, 0x21, FOUR),
        header(0x21, 0x11, &[0; MOST]),
        header(0x20, 0x00, &[0; MOST]),
    ] {
        assert_eq!(read(&octets), Read::Malformed, "{octets:?}");
    }
    // Its length alone is enough to know.
    assert_eq!(read(&header(0x21, 0x11, &[0; MOST])[..FIXED]), Read::Malformed);
}

fn told<'c>(client: &str, local: &str, tls: Option<Tls<'c>>) -> Client<'c> {
    Client { client: client.parse().unwrap(), local: local.parse().unwrap(), id: "7K2M9QXT", tls }
}

#[test]
fn what_is_written_is_what_is_read() {
    for (client, local) in [
        ("192.0.2.9:50000", "198.51.100.1:25"),
        ("[2001:db8::9]:1", "[2001:db8::1]:65535"),
        ("192.0.2.9:50000", "[2001:db8::1]:25"),
        ("[::ffff:192.0.2.9]:50000", "198.51.100.1:25"),
    ] {
        let told = told(client, local, None);
        let expected = Told::Client { client: plain(told.client), local: plain(told.local) };
        for header in [line(told.client, told.local), binary(Some(&told))] {
            assert_eq!(read(&header), Read::Header(expected, header.len()));
        }
    }
    let header = binary(None);
    assert_eq!(read(&header), Read::Header(Told::Nobody, header.len()));
}

#[test]
fn tls_and_the_name_of_the_session_stand_behind_the_addresses() {
    let tls = Tls {
        version: "1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        authority: Some("mx.example"),
        common_name: Some("client.example"),
    };
    let header = binary(Some(&told("192.0.2.9:50000", "198.51.100.1:25", Some(tls))));
    let more = &header[16 + 12..];
    let sub = b"\x21\0\x07TLSv1.3\x22\0\x0eclient.example\x23\0\x16TLS_AES_128_GCM_SHA256";
    let ssl = [&[0x20, 0, u8::try_from(sub.len() + 5).unwrap(), 7, 0, 0, 0, 0][..], sub].concat();
    assert_eq!(more, [b"\x02\0\x0amx.example", &ssl[..], b"\x05\0\x087K2M9QXT"].concat());
    let unknown = Tls { authority: None, common_name: None, ..tls };
    let header = binary(Some(&told("192.0.2.9:50000", "198.51.100.1:25", Some(unknown))));
    assert_eq!(&header[16 + 12 + 3..][..5], [1, 0, 0, 0, 1]);
}
