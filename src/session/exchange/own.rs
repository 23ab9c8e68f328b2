//! What Gatepost itself says to a relay: a closed list.

use crate::smtp::decimal;

/// All that Gatepost itself says to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Own<'a> {
    /// EHLO with the client's own name, as its canonical line.
    Ehlo(&'a [u8]),
    /// HELO, to a relay that takes no EHLO.
    Helo(&'a [u8]),
    /// STARTTLS, for the leg between the two of us.
    StartTls,
    /// XCLIENT with these attributes.
    Xclient(&'a [u8]),
    /// The chunk of released content that goes out behind it.
    Chunk(usize),
    /// Trace fields, in front of mail data.
    Trace(&'a [u8]),
    /// Trace fields, as a chunk in front of a message's own.
    TraceChunk(&'a [u8]),
    /// The end of a message in chunks.
    LastChunk,
    /// The end of mail data.
    EndOfMailData,
    /// Forget this mail transaction.
    Reset,
    /// The end of an AUTH exchange.
    CancelAuth,
    /// Farewell.
    Quit,
}

impl Own<'_> {
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        let mut write = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
        match self {
            Self::Ehlo(name) => write(&[b"EHLO ", name, b"\r\n"]),
            Self::Helo(name) => write(&[b"HELO ", name, b"\r\n"]),
            Self::StartTls => write(&[b"STARTTLS\r\n"]),
            Self::Xclient(attributes) => write(&[b"XCLIENT", attributes, b"\r\n"]),
            Self::Chunk(size) => encode_chunk(size, out),
            Self::Trace(fields) => write(&[fields]),
            Self::TraceChunk(fields) => {
                encode_chunk(fields.len(), out);
                out.extend_from_slice(fields);
            }
            Self::LastChunk => write(&[b"BDAT 0 LAST\r\n"]),
            Self::EndOfMailData => write(&[b".\r\n"]),
            Self::Reset => write(&[b"RSET\r\n"]),
            Self::CancelAuth => write(&[b"*\r\n"]),
            Self::Quit => write(&[b"QUIT\r\n"]),
        }
    }
}

/// The command of a chunk of so many octets.
fn encode_chunk(size: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"BDAT ");
    decimal::write(u64::try_from(size).unwrap_or(u64::MAX), out);
    out.extend_from_slice(b"\r\n");
}
