//! The lines of a message: header and body told apart, lengths, Received fields counted. Keeps no octets but a bounded prefix of a line.

/// What was seen so far in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Seen {
    pub octets: u64,
    pub header_octets: u64,
    pub longest_header_line: u64,
    pub longest_body_line: u64,
    pub received: u32,
    pub eight_bit_header: bool,
    pub eight_bit_body: bool,
    pub in_body: bool,
}
/// Follows released content (dot-stuffed: a stuffed dot is not counted, RFC 1870 5) slice by slice.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    seen: Seen,
}
impl Meter {
    /// Follows one slice. `stuffed`: a dot at the start of a line is transparency, not content (DATA, not BDAT).
    pub fn follow(&mut self, _slice: &[u8], _stuffed: bool) {
        todo!()
    }
    /// So far.
    pub fn seen(&self) -> Seen {
        self.seen
    }
}
