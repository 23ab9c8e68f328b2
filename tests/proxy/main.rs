//! The gate over real sockets on loopback, with a client and a relay that say what a test tells them.

mod bounds;
mod faults;
mod mail;
mod operation;
mod support;
