//! `gatepost run`: a deployment from a file or from flags, until somebody says stop.

use super::deployment;
use super::{Exit, files, tryout};
use clap::{Args, ValueEnum};
use gatepost::policy::Policy;
use gatepost::policy::compile::{self, Compiled};
use gatepost::policy::source::{Diagnostic, Findings, Severity};
use gatepost::proxy::config::{Address, Admin, Deployment, Host, Listener, Relay};
use gatepost::proxy::{self, Gate};
use gatepost::replay;
use gatepost::session::Connect;
use gatepost::telemetry::{self, Telemetry};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

/// Where mail comes in, unless a flag says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2525);
/// Where the try-out shows its metrics.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9625);
/// What it costs that no flag says how the relay learns who the client is.
const NOBODY: &str = "gatepost: warning: the relay sees all clients come from this host: it must trust this address with \
                      nothing, or it relays for everybody. A deployment file can say more (`identity`).";
/// The built-in profile.
const RULES: &str = "inbound";

/// Arguments of `gatepost run`.
#[derive(Args, Debug, Default)]
pub(super) struct Flags {
    /// The deployment file. The other flags but --threads stand for one with a single listener.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["listen", "relay", "rules", "admin", "connect"])]
    config: Option<String>,
    /// Where mail comes in; port 0 takes a free one. [default: 127.0.0.1:2525]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The relay behind, a host with a port. Without it: one of our own that keeps mail in a folder, for trying out.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    relay: Option<Address>,
    /// The rule file. [default: the built-in `inbound`]
    #[arg(long, value_name = "FILE")]
    rules: Option<String>,
    /// Where metrics and health are served, read-only.
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// When the link to the relay is opened. [default: recipient]
    #[arg(long, value_name = "WHEN")]
    connect: Option<When>,
    /// Threads that serve. [default: one for each processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// `--connect`
#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    /// Before the greeting, which is then the relay's to refuse.
    Accept,
    /// At EHLO.
    Hello,
    /// At MAIL.
    Transaction,
    /// At the first recipient that passed.
    Recipient,
}

impl From<When> for Connect {
    fn from(when: When) -> Self {
        match when {
            When::Accept => Self::Accept,
            When::Hello => Self::Hello,
            When::Transaction => Self::Transaction,
            When::Recipient => Self::Recipient,
        }
    }
}

fn address(text: &str) -> Result<Address, String> {
    Address::read(text)
        .ok_or_else(|| "a host and a port, like 127.0.0.1:25 or mail.example.com:25".to_owned())
}

/// Why nothing is served.
enum Fault {
    /// It was told already.
    Told(Exit),
    /// It was not.
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(lost: io::Error) -> Self {
        Self::Io(lost)
    }
}

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(flags: &Flags) -> Exit {
    match serve(flags) {
        Ok(()) => Exit::Fine,
        Err(Fault::Told(exit)) => exit,
        Err(Fault::Io(lost)) => {
            tell(&format!("gatepost: {lost}"));
            Exit::CannotStart
        }
    }
}

fn serve(flags: &Flags) -> Result<(), Fault> {
    let is_tryout = flags.config.is_none() && flags.relay.is_none();
    let deployment = match (&flags.config, &flags.relay) {
        (Some(path), _) => from_file(path, &mut compiled)?,
        (None, Some(relay)) => from_flags(flags, relay.clone(), flags.admin)?,
        (None, None) => from_flags(flags, tried_out(flags)?, flags.admin.or(Some(ADMIN)))?,
    };
    let profiles = deployment.listeners.iter();
    let profiles: Vec<_> =
        profiles.map(|listener| (listener.name.clone(), listener.policy.profile().to_owned())).collect();
    telemetry::report_to_stderr();
    let telemetry = Telemetry::to_stdout()?;
    let threads = flags.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let again = || again(flags, &deployment);
    let started = |gate: &Gate| announce(gate, &profiles, is_tryout);
    proxy::serve(deployment.clone(), telemetry, threads, started, again)?;
    Ok(())
}

/// Says which addresses were bound, for people and for scripts that asked for any free port.
fn announce(gate: &Gate, profiles: &[(String, String)], is_tryout: bool) {
    for (name, address) in gate.addresses() {
        let profile =
            profiles.iter().find(|(listener, _)| listener == name).map_or("", |(_, profile)| profile);
        tell(&format!("listening on {address} (rules {profile})"));
    }
    if let Some(admin) = gate.admin() {
        tell(&format!("admin on http://{admin}/"));
    }
    if is_tryout && let Some((_, address)) = gate.addresses().first() {
        tell(&tryout::hints(*address));
    }
}

/// The relay of a try-out. It takes anything from anybody, so nobody but this host may come near it.
fn tried_out(flags: &Flags) -> Result<Address, Fault> {
    if flags.listen.is_some_and(|listen| !listen.ip().is_loopback()) {
        tell(
            "gatepost: --relay is missing. Without it this is a try-out, which listens on the loopback address only.",
        );
        return Err(Fault::Told(Exit::Usage));
    }
    let relay = tryout::start()?;
    Ok(Address { host: Host::Ip(relay.ip()), port: relay.port() })
}

/// What the files say now; none, if any of them is wrong, and that was told. Without a file of its own a deployment stays
/// what it is, but for its rules.
fn again(flags: &Flags, before: &Deployment) -> Option<Deployment> {
    let mut paths = Vec::new();
    let mut rules = |path: &str| {
        paths.push(path.to_owned());
        compiled(path)
    };
    let fresh = if let Some(path) = &flags.config {
        from_file(path, &mut rules).ok()?
    } else {
        let policy = rules(flags.rules.as_deref().unwrap_or(RULES))?;
        let mut fresh = before.clone();
        fresh.listeners.iter_mut().for_each(|listener| listener.policy = Arc::clone(&policy));
        fresh
    };
    let own = fresh.listeners.iter().all(|listener| keeps_its_promises(&listener.policy));
    let inherited = paths.iter().filter_map(|path| compile::inherited(path, &mut files::read));
    let kept = inherited.map(|Compiled { policy, diagnostics, .. }| {
        tell_all(&diagnostics);
        policy.map(Arc::new).is_some_and(|policy| keeps_its_promises(&policy))
    });
    (own & kept.fold(true, |all, one| all & one)).then_some(fresh)
}

/// Plays all expectations, and tells of those that fail.
fn keeps_its_promises(policy: &Arc<Policy>) -> bool {
    let mut fine = true;
    for failed in replay::expectations(policy) {
        if let Some(failure) = failed.failure {
            tell(&format!("failed: \"{}\"\n --> {}\n{failure}", failed.name, failed.origin));
            fine = false;
        }
    }
    fine
}

fn from_file(path: &str, rules: &mut dyn FnMut(&str) -> Option<Arc<Policy>>) -> Result<Deployment, Fault> {
    let findings = Findings::new();
    let read = deployment::read(path, rules, &findings);
    tell_all(&findings.into_sorted());
    read.ok_or(Fault::Told(Exit::Errors))
}

fn from_flags(flags: &Flags, address: Address, admin: Option<SocketAddr>) -> Result<Deployment, Fault> {
    let policy = compiled(flags.rules.as_deref().unwrap_or(RULES)).ok_or(Fault::Told(Exit::Errors))?;
    let mut relay = Relay::new("relay", vec![address]);
    relay.connect = flags.connect.map_or(relay.connect, Connect::from);
    if flags.relay.is_some() {
        tell(NOBODY);
    }
    let listen = vec![flags.listen.unwrap_or(LISTEN)];
    let listener = Listener::new("main", listen, policy, &relay);
    let admin = admin.map(|listen| Admin { listen, hosts: Vec::new() });
    Ok(Deployment { admin, ..Deployment::single(own_name(), listener, relay) })
}

/// A name for the greeting, where no file gives one. It is not that of the host: the relay behind may call itself so,
/// and a mail server that meets its own name takes the mail for going round in circles.
fn own_name() -> String {
    let host = files::read("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let sound =
        !host.is_empty() && host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-.".contains(&octet));
    format!("gatepost.{}", if sound { host } else { "invalid" })
}

/// The policy of a rule file, its findings told.
fn compiled(path: &str) -> Option<Arc<Policy>> {
    let Compiled { policy, diagnostics, .. } = compile::compile(path, &mut files::read);
    tell_all(&diagnostics);
    policy.map(Arc::new)
}

fn tell_all(findings: &[Diagnostic]) {
    for finding in findings {
        tell(&format!("{finding}\n"));
    }
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        tell("gatepost: a file with errors is not loaded. `gatepost check` says all about it.");
    }
}

/// On standard error: standard output is the log's.
fn tell(text: &str) {
    // Nobody may be there to hear it; the service runs all the same.
    let _ = writeln!(io::stderr(), "{text}");
}
