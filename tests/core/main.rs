//! The core, without sockets.

mod grammar;
mod policies;
mod transcripts;
