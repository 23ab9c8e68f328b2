//! What Gatepost itself says to a relay: a closed list.

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
        use std::io::Write;
        // Writing to a Vec cannot fail.
        let _ = match self {
            Self::Ehlo(name) => out.write_all(&[b"EHLO ", name, b"\r\n"].concat()),
            Self::Helo(name) => out.write_all(&[b"HELO ", name, b"\r\n"].concat()),
            Self::StartTls => out.write_all(b"STARTTLS\r\n"),
            Self::Xclient(attributes) => out.write_all(&[b"XCLIENT", attributes, b"\r\n"].concat()),
            Self::Chunk(size) => write!(out, "BDAT {size}\r\n"),
            Self::Trace(fields) => out.write_all(fields),
            Self::TraceChunk(fields) => {
                out.extend_from_slice(format!("BDAT {}\r\n", fields.len()).as_bytes());
                out.write_all(fields)
            }
            Self::LastChunk => out.write_all(b"BDAT 0 LAST\r\n"),
            Self::EndOfMailData => out.write_all(b".\r\n"),
            Self::Reset => out.write_all(b"RSET\r\n"),
            Self::CancelAuth => out.write_all(b"*\r\n"),
            Self::Quit => out.write_all(b"QUIT\r\n"),
        };
    }
}
