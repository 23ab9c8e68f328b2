//! Scanning mail data.

use gatepost::smtp::mail_data::{LineEnds, Scanned, Scanner};
use gungraun::{library_benchmark, library_benchmark_group};
use std::hint::black_box;

/// 64 KiB in lines of so many octets, CRLF not counted, as base64 has 76.
fn lines_of(length: usize) -> Vec<u8> {
    let line = [vec![b'x'; length], b"\r\n".to_vec()].concat();
    line.iter().copied().cycle().take(64 * 1024).collect()
}

#[library_benchmark]
#[bench::base64(args = (76), setup = lines_of)]
#[bench::short_lines(args = (20), setup = lines_of)]
#[bench::long_lines(args = (900), setup = lines_of)]
fn scan(octets: Vec<u8>) -> (Scanned, usize, Vec<u8>) {
    let mut released = 0;
    let scanned = Scanner::default().scan(black_box(&octets), LineEnds::Normalise, &mut |piece| {
        black_box(piece);
        released += 1;
    });
    (scanned, released, octets)
}

library_benchmark_group!(name = scanner, benchmarks = scan);
