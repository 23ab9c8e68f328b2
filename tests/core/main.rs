//! The core, without sockets.

mod transcripts;
