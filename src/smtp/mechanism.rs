//! The table of SASL mechanisms: which may pass, and what each shows of a password.

use super::table::table;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// As AUTH and EHLO replies spell it.
    pub name: &'static str,
    /// RFC and section, or who invented it.
    pub section: &'static str,
    /// Whether the password, or what is as good, goes over the wire: for TLS alone (RFC 4954 4).
    pub clear: bool,
    /// Why it is always withheld, if so.
    pub never: Option<&'static str>,
}

const fn row(name: &'static str, section: &'static str) -> Facts {
    Facts { name, section, clear: false, never: None }
}

impl Facts {
    const fn clear(mut self) -> Self {
        self.clear = true;
        self
    }
}

table! {
    /// A SASL mechanism by its name.
    pub enum Mechanism: Facts {
        Plain = row("PLAIN", "RFC 4616 2").clear();
        Login = row("LOGIN", "Exchange").clear();
    }
}
