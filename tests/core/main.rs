//! The core, without sockets.

mod grammar;
mod judgement;
mod policies;
mod readme;
mod rooms;
mod transcripts;
