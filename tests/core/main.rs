//! The core, without sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::similar_names,
    reason = "a test that cannot go on has failed"
)]

mod accounts;
mod grammar;
mod judgement;
mod learning;
mod policies;
mod profiles;
mod properties;
mod readme;
mod rooms;
mod secrets;
mod transcripts;
