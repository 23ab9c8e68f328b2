//! Gatepost: an application-layer SMTP inspection proxy.
//!
//! It stands in front of any mail relay, reads every command and reply, lets only permitted verbs through, bounds every
//! line and buffer, and hands clean traffic to the relay.
//!
//! ```text
//!            octets, time                       octets, link, events
//!  client ──▶ proxy ──▶ session ──▶ policy        proxy ──▶ relay
//!                          │  └───▶ smtp, message   └─────▶ telemetry
//!                          └── event
//! ```
//!
//! | room | what it is |
//! |---|---|
//! | [`smtp`] | what the RFCs say: pure syntax; no opinion, no memory, no clock |
//! | [`message`] | what the RFCs say about content |
//! | [`proxy_header`] | what the PROXY protocol says: who the client is, in front of everything else; pure syntax |
//! | [`policy`] | what the operator says: opinions as data; no connection, no I/O |
//! | [`event`] | what happened: the one vocabulary of every log line and every metric |
//! | [`session`] | where this connection stands: a pure machine |
//! | [`replay`] | a driver without sockets |
//! | `proxy` | sockets; knows no SMTP (feature `proxy`) |
//! | `telemetry` | what operators see (feature `proxy`) |
//!
//! Direction of use, read from left to right; a test compares the `use crate::` lines with it:
//!
//! ```text
//! smtp, message  <-  policy  <-  event  <-  session  <-  replay              <-  cli  <-  main
//!                                  ^                 <-  proxy (+ telemetry) <-  cli
//!                                  +--  telemetry
//! proxy_header  <-  proxy
//! ```
//!
//! **Which room?** Stop at the first yes. True for every SMTP server? `smtp`. Would two operators disagree? `policy`.
//! Does it depend on what this connection did before? `session`. Does it touch the operating system? `proxy`. Only for
//! eyes? `telemetry`. About typing? `cli`.
//!
//! Without the feature `proxy` the crate is the core alone: no I/O, no clock.

pub mod event;
pub mod message;
pub mod policy;
#[cfg(feature = "proxy")]
pub mod proxy;
pub mod proxy_header;
pub mod replay;
pub mod session;
pub mod smtp;
#[cfg(feature = "proxy")]
pub mod telemetry;
