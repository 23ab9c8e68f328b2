//! What the operator types: arguments in, text and an exit code out.
//!
//! This room knows the library from outside, like anybody else. It alone prints.
//!
//! | file | noun |
//! |---|---|
//! | `run` | `gatepost run`: a deployment from a file or from flags |
//! | `tryout`, `maildir_relay`, `maildir` | a relay to try Gatepost out with, where there is none yet |
//! | `check` | `gatepost check`: files, their findings, their expectations |
//! | `explain` | `gatepost explain`: a dialogue, step by step, with who decided |
//! | `reasons` | `gatepost reasons`: every check that is built in |
//! | `cert` | `gatepost cert`: what stands in a certificate |
//! | `passwd` | `gatepost passwd`: accounts with their passwords |
//! | `probe` | `gatepost check --probe`: what relays offer, and what becomes of that |
//! | `deployment` | what a deployment file says; in its folder its tables, and `outlook` on what will be |
//! | `files` | what is read from disk, and what kind of file it is |

mod cert;
mod check;
mod deployment;
mod explain;
mod files;
mod kept_mail;
mod maildir;
mod maildir_relay;
mod passwd;
mod probe;
mod reasons;
mod run;
mod tryout;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// An application-layer SMTP inspection proxy that stands in front of any mail relay.
#[derive(Debug, Parser)]
#[command(
    name = "gatepost",
    version,
    after_help = "Without a command: a try-out, as `gatepost run` without arguments."
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Stand in front of a relay. Without --config and --relay: a try-out with a relay of its own.
    Run(run::Flags),
    /// Check rule files and deployment files, and play the dialogues in them.
    Check(check::Flags),
    /// Say what becomes of a dialogue, who decides, and what each side hears.
    Explain(explain::Flags),
    /// Say what stands in a certificate, and how long it lasts.
    Cert(cert::Flags),
    /// Give an account of a file a password, or take the account out.
    Passwd(passwd::Flags),
    /// List every built-in check with its reply and its meaning.
    Reasons,
}

/// How a command ended. The numbers are what scripts and service managers rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Fine = 0,
    /// A file has errors, or an expectation failed.
    Errors = 1,
    /// The arguments make no sense.
    Usage = 2,
    /// There were warnings, and they were to be denied.
    Warnings = 3,
    /// An address could not be bound, or something else that the service needs is not to be had.
    CannotStart = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        let code: u8 = match exit {
            Exit::Fine => 0,
            Exit::Errors => 1,
            Exit::Usage => 2,
            Exit::Warnings => 3,
            Exit::CannotStart => 4,
        };
        Self::from(code)
    }
}

/// Does what the arguments say.
pub(crate) fn main(arguments: impl Iterator<Item = OsString>) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(told) => {
            // --help and --version come this way too. Nobody is left to hear that printing failed.
            let _ = told.print();
            return if told.use_stderr() { Exit::Usage } else { Exit::Fine };
        }
    };
    let mut out = io::stdout().lock();
    let done = match arguments.command.unwrap_or_else(|| Command::Run(run::Flags::default())) {
        // It serves for as long as the process lives, and must not hold the lock for all that time.
        Command::Run(flags) => {
            drop(out);
            return run::run(&flags);
        }
        Command::Check(flags) => check::check(&flags, &mut out),
        Command::Explain(flags) => explain::explain(&flags, &mut out),
        Command::Cert(flags) => cert::print(&flags, &mut out),
        Command::Passwd(flags) => passwd::set(&flags, &mut out),
        Command::Reasons => reasons::print(&mut out),
    };
    match done.and_then(|exit| out.flush().map(|()| exit)) {
        Ok(exit) => exit,
        // `gatepost reasons | head` is no failure.
        Err(lost) if lost.kind() == io::ErrorKind::BrokenPipe => Exit::Fine,
        Err(lost) => {
            eprintln!("gatepost: {lost}");
            Exit::CannotStart
        }
    }
}

/// `1 error`, `2 errors`.
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_contradict_themselves_nowhere() {
        Arguments::command().debug_assert();
    }
}
