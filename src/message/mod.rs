//! What the RFCs say about content: pure syntax, incremental (RFC 5322, RFC 8601).
pub mod header;
pub mod results;
