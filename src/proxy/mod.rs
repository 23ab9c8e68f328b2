//! Sockets. The one room that touches the operating system; it knows no SMTP: what to say is the session's to decide,
//! what comes of it telemetry's to tell.
//!
//! One runtime a thread, and a session never crosses threads. Octets are read into the thread's own buffer, shown to the
//! session, and written from there; only what a side does not take is copied, so a session that is idle holds none. What is
//! short is kept, too, in the thread's post, and said when all that came at once have been heard.
//!
//! | file | noun |
//! |---|---|
//! | `config` | what the deployment file says, compiled |
//! | `porch`, `listener` | where connections come in, to which listener, and who is let in |
//! | `caller` | how a connection comes in: from whom, and with which header in front |
//! | `connection` | a client, its session, its link; in its folder how it comes to TLS, asks, and lets pass |
//! | `turn`, `round` | what a connection works with when it is its turn; what time it is for all that have theirs together |
//! | `alarm`, `farewell` | when it is due for a turn, and how it ends |
//! | `wire` | one socket and what waits for it |
//! | `socket`, `post` | a socket as the kernel has it; what a thread says when all have been heard |
//! | `tls` | on which terms TLS is spoken; in its folder certificates, who is believed, handshakes, a socket with or without |
//! | `papers` | what a reload changes, read as a whole |
//! | `clerks` | who compares passwords, off the threads that serve |
//! | `dns` | names of clients and DNS lists; in its folder who is asked, what is remembered, which lists are worth it |
//! | `ledger` | what is left of each `[[limit]]`, and to whom |
//! | `relay`, `link`, `links` | addresses, what is offered; a link; who may have one now |
//! | `guise` | as whom a link comes to the relay |
//! | `probe` | asking a relay what it offers |
//! | `bans` | who is not let in for a time; in its folder the book and its file |
//! | `store` | what several gates share; in its folder its address, its scripts, leases |
//! | `seldom` | what is said once in a while |
//! | `means` | memory, descriptors, time |
//! | `tarpit` | where refusals wait that are made to wait |
//! | `stress`, `news` | whether a bound is near; what a session is told of that |
//! | `veil` | whether something hides the clients from the gate |
//! | `roll`, `reserve` | who is in, and for whom room is kept |
//! | `gate`, `control` | the whole of it, running; what is nobody's session |

mod alarm;
mod bans;
mod caller;
mod clerks;
pub mod config;
mod connection;
mod control;
mod dns;
mod farewell;
mod gate;
mod guise;
mod ledger;
mod link;
mod links;
mod listener;
mod means;
mod news;
mod papers;
mod porch;
mod post;
mod probe;
mod relay;
mod reserve;
mod roll;
mod round;
mod seldom;
mod socket;
mod spares;
mod store;
mod stress;
mod tarpit;
mod tls;
mod turn;
mod veil;
#[cfg(test)]
mod wakes;
mod wire;

pub use config::Deployment;
pub use gate::{Gate, serve, start};
pub use ledger::{Books, Ledger};
pub use probe::{Interview, interview};
pub use store::judge as judge_store_url;
pub use tls::{Certificate, Description};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. What a thread that panicked left behind is a count or a memory that was complete at each step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
