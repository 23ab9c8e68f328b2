//! The core, without sockets.

mod policies;
mod transcripts;
