use super::*;

fn client(client: &str, local: &str) -> Told {
    Told::Client { client: client.parse().unwrap(), local: local.parse().unwrap() }
}

/// A header of version 2.
fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
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
        (binary(0x21, 0x11, FOUR), four),
        (binary(0x21, 0x11, &[FOUR, &[0x04, 0, 1, 0]].concat()), four),
        (binary(0x21, 0x21, &six()), six_told),
        (binary(0x21, 0x21, &mapped.collect::<Vec<_>>()), client("192.0.2.1:50000", "[2001:db8::2]:25")),
        (binary(0x21, 0x00, &[]), Told::Nobody),
        (binary(0x20, 0x00, &[]), Told::Nobody),
        (binary(0x20, 0x11, FOUR), Told::Nobody),
        (binary(0x20, 0x99, &[1, 2, 3]), Told::Nobody),
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
        binary(0x22, 0x11, FOUR),
        binary(0x11, 0x11, FOUR),
        binary(0x21, 0x12, FOUR),
        binary(0x21, 0x31, &[0; 216]),
        binary(0x21, 0x11, &FOUR[..11]),
        binary(0x21, 0x21, FOUR),
        binary(0x21, 0x11, &[0; MOST]),
        binary(0x20, 0x00, &[0; MOST]),
    ] {
        assert_eq!(read(&octets), Read::Malformed, "{octets:?}");
    }
    // Its length alone is enough to know.
    assert_eq!(read(&binary(0x21, 0x11, &[0; MOST])[..FIXED]), Read::Malformed);
}
