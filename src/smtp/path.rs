//! Mailboxes, domains and address literals (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3).
use std::net::IpAddr;

/// The argument of MAIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReversePath<'a> {
    /// `<>`
    Null,
    /// `<local@host>`
    Mailbox(Mailbox<'a>),
}
/// The argument of RCPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardPath<'a> {
    /// `<Postmaster>` without a domain
    Postmaster,
    /// `<local@host>`
    Mailbox(Mailbox<'a>),
}
/// A mailbox; slices point into the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Mailbox<'a> {
    /// As written, quotes included.
    pub local: &'a [u8],
    pub host: Host<'a>,
}
/// Behind the `@`, or behind EHLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A domain name, as written.
    Domain(&'a [u8]),
    /// `[192.0.2.1]` or `[IPv6:...]`; the slice is as written, brackets included.
    Address(IpAddr, &'a [u8]),
    /// `[tag:content]`, brackets included.
    General(&'a [u8]),
}
impl<'a> Mailbox<'a> {
    /// Whether the local part is a quoted string.
    pub fn is_quoted(&self) -> bool {
        todo!()
    }
    /// The local part without quotes and backslashes (allocates only if quoted with a backslash).
    pub fn unquoted(&self) -> std::borrow::Cow<'a, [u8]> {
        todo!()
    }
    /// Whether the local part, unquoted, holds `@`, `%` or `!` (hidden routing).
    pub fn routes(&self) -> bool {
        todo!()
    }
    /// Whether any octet is above 127.
    pub fn is_eight_bit(&self) -> bool {
        todo!()
    }
}
impl<'a> Host<'a> {
    /// as written
    pub fn octets(&self) -> &'a [u8] {
        todo!()
    }
}
