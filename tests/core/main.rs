//! The core, without sockets.

mod grammar;
mod policies;
mod readme;
mod rooms;
mod transcripts;
