//! The gate over real sockets on loopback, with a client and a relay that say what a test tells them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod attack;
mod auth;
mod bans;
mod bounds;
mod checking;
mod dnslists;
mod examples;
mod faults;
mod handing_on;
mod mail;
mod operation;
mod proxy_protocol;
mod readme;
mod relay_tls;
mod reloading;
mod secure;
mod support;
mod tls;
mod xclient;
