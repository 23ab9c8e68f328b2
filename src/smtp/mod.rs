//! What the RFCs say: pure syntax; no opinion, no memory, no clock.
//!
//! | file | noun |
//! |---|---|
//! | [`verb`] | every verb that was ever spoken, one row each |
//! | [`extension`] | every service extension, its parameters and what it adds to a line |
//! | [`violation`] | every way to break the rules, with the reply the RFC gives |
//! | [`mod@line`] | where a command line ends, and when it never may |
//! | [`command`] | a complete line, understood |
//! | [`path`] | mailboxes, domains, address literals |
//! | [`parameter`] | `keyword=value` after a path |
//! | [`reply`] | what a relay answered, and what Gatepost answers itself |
//! | [`mechanism`] | every SASL mechanism, and whether it may pass |
//! | [`base64`] | the text of an AUTH exchange |
//! | [`mail_data`] | content between DATA and its final dot |
//! | [`chunk`] | content counted by BDAT |
//! | [`date`] | the date and time of a trace field |
//! | `decimal` | numbers in digits |
//! | `glance` | a look at many octets of content at once: is there anything odd? |

pub mod base64;
pub mod chunk;
pub mod command;
pub mod date;
pub(crate) mod decimal;
pub mod extension;
mod glance;
pub mod line;
pub mod mail_data;
pub mod mechanism;
pub mod parameter;
pub mod path;
pub mod reply;
mod table;
pub mod verb;
pub mod violation;
