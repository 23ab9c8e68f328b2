//! `gatepost check --probe`: what the relays of a deployment offer, on the deployment's own terms; what of that no client
//! will see, and why; and what the rules need that is not there.

use gatepost::policy::auth::{AuthPolicy, Backend};
use gatepost::policy::limits::MessageSize;
use gatepost::policy::source::{Diagnostic, Severity};
use gatepost::policy::tls::StartTls;
use gatepost::policy::{LATER_EXTENSIONS, Mode, Policy};
use gatepost::proxy::config::{Deployment, Host, Listener, Relay};
use gatepost::proxy::{self, Interview};
use gatepost::session::{Offer, RelayTls};
use gatepost::smtp::extension::{Extension, Giver};
use gatepost::smtp::mechanism::Mechanism;
use gatepost::smtp::verb::Verb;
use std::fmt::Write as _;
use std::io;

/// Asks. What the relays said is a text; what is missing are findings about the file at `path`.
pub(super) fn probe(path: &str, deployment: &Deployment) -> io::Result<(String, Vec<Diagnostic>)> {
    let (mut text, mut found) = (String::new(), Vec::new());
    for (name, interview) in proxy::interview(deployment)? {
        let Some(relay) = deployment.relays.iter().find(|relay| relay.name == name) else { continue };
        let wants = deployment.listeners.iter().filter(|listener| listener.relay == name);
        let subject = Subject { path, relay, interview: &interview };
        if let Some(offer) = &interview.offer {
            subject.tell(offer, wants.clone(), &mut text);
            found.extend(subject.secrecy());
            found.extend(wants.flat_map(|listener| subject.missing(offer, listener)));
        } else {
            let why = interview.failure.unwrap_or("silent");
            let message = format!("relay `{name}` does not say what it offers: {why}");
            found.push(subject.finding(Severity::Error, message, "the words are those of the log"));
        }
    }
    Ok((text, found))
}

/// A relay that was asked.
struct Subject<'s> {
    path: &'s str,
    relay: &'s Relay,
    interview: &'s Interview,
}

impl Subject<'_> {
    fn finding(&self, severity: Severity, message: String, help: &str) -> Diagnostic {
        Diagnostic { severity, ..Diagnostic::about_file(self.path, message) }.with_help(help)
    }

    fn tell<'l>(&self, offer: &Offer, wants: impl Iterator<Item = &'l Listener>, text: &mut String) {
        let mut lines = self.interview.lines.iter().map(String::as_str);
        let tls = if self.interview.secured { ", in TLS" } else { "" };
        // What the relay said is printed as it is, but for what a terminal would obey.
        let mut put = |what: &str, words: &str| {
            let plain: String = words.chars().filter(|c| !c.is_control()).collect();
            let _ = writeln!(text, "  {what:12} {plain}");
        };
        let (name, offered) = (lines.next().unwrap_or_default(), lines.collect::<Vec<_>>());
        put("relay", &format!("{}: {name}{tls}", self.relay.name));
        put("offers", &offered.join(", "));
        for Listener { name, policy, .. } in wants {
            put("listener", &format!("{name} (rules {})", policy.profile()));
            let keywords = offered.iter().filter_map(|line| line.split([' ', '=']).next());
            for (keyword, why) in keywords.filter_map(|word| Some((word, withheld(word, policy)?))) {
                put("  withheld", &format!("{keyword}: {why}"));
            }
            if asks_relay(policy) {
                let all = offered.iter().filter_map(|line| line.strip_prefix("AUTH"));
                let names = all.flat_map(|names| names.split([' ', '='])).filter(|name| !name.is_empty());
                for (name, why) in names.filter_map(|name| Some((name, withheld_mechanism(name, policy)?))) {
                    put("  withheld", &format!("AUTH {name}: {why}"));
                }
            }
            let absent: Vec<_> = absent(offer, policy).map(|extension| extension.facts().keyword).collect();
            if !absent.is_empty() {
                put("  not there", &absent.join(", "));
            }
        }
    }

    /// What is said of the link as such.
    fn secrecy(&self) -> Option<Diagnostic> {
        let name = &self.relay.name;
        let clear = self.relay.tls == RelayTls::Opportunistic && !self.interview.secured;
        let message = format!("relay `{name}` offers no STARTTLS: mail to it goes in clear");
        let help = "tls = \"none\" says that this is meant, tls = \"required\" that it is not";
        clear.then(|| self.finding(Severity::Warning, message, help))
    }

    /// What the rules of a listener need and the relay does not offer.
    fn missing(&self, offer: &Offer, listener: &Listener) -> Vec<Diagnostic> {
        let (name, policy) = (&listener.name, &listener.policy);
        let relay = &self.relay.name;
        let mut found = Vec::new();
        if asks_relay(policy) {
            let usable = |mechanism: &&Mechanism| offer.mechanisms.contains(**mechanism);
            let usable: Vec<_> = policy.auth().mechanisms.iter().filter(usable).collect();
            if usable.is_empty() {
                let severity = match policy.auth().policy {
                    AuthPolicy::Required => Severity::Error,
                    AuthPolicy::Optional | AuthPolicy::Refuse => Severity::Warning,
                };
                let wanted: Vec<_> = policy.auth().mechanisms.iter().map(|it| it.facts().name).collect();
                let wanted = wanted.join(", ");
                let message =
                    format!("listener `{name}`: relay `{relay}` offers the gate no AUTH by {wanted}");
                let help = if self.interview.secured {
                    "it is the backend, so it must; [auth] backend = { file = \"users\" } does without"
                } else {
                    "it was asked in clear; a relay that has AUTH in TLS alone needs `tls` in [relay.NAME]"
                };
                found.push(self.finding(severity, message, help));
            } else if !self.interview.secured
                && usable.iter().any(|mechanism| mechanism.facts().clear)
                && !self.is_beside()
            {
                let message = format!("listener `{name}`: passwords go to relay `{relay}` in clear");
                found.push(self.finding(Severity::Warning, message, "say `tls` in [relay.NAME]"));
            }
        }
        // In TLS nobody offers it any more; that a relay which was asked in TLS has it, is seen.
        let starts = self.interview.secured || offer.extensions.contains(Extension::StartTls);
        if policy.tls().starttls == StartTls::Passthrough && !starts {
            let severity = if policy.tls().require_for.contains(&Verb::Mail) {
                Severity::Error
            } else {
                Severity::Warning
            };
            let message =
                format!("listener `{name}`: relay `{relay}` has no STARTTLS that could pass through");
            let help = "clients that want TLS will not get it; the relay needs a certificate";
            found.push(self.finding(severity, message, help));
        }
        if let (MessageSize::Octets(most), Some(size)) = (policy.limits().message_size, offer.size)
            && size < most
        {
            let message = format!(
                "listener `{name}`: relay `{relay}` takes {size} octets, the rules {most}; the less counts"
            );
            found.push(self.finding(Severity::Warning, message, "see `message_size` in [limits]"));
        }
        found
    }

    /// Whether the way to it is inside this host.
    fn is_beside(&self) -> bool {
        self.relay.addresses.known().iter().all(|address| match &address.host {
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => **name == *"localhost",
        })
    }
}

/// Whether the relay says who may authenticate.
fn asks_relay(policy: &Policy) -> bool {
    let auth = policy.auth();
    auth.policy != AuthPolicy::Refuse && matches!(auth.backend, Backend::Relay)
}

/// Why a client will not see what the relay offers; none: it will.
fn withheld(keyword: &str, policy: &Policy) -> Option<&'static str> {
    let Some(extension) = Extension::from_keyword(keyword.as_bytes()) else {
        return Some("the gate does not know it");
    };
    let facts = extension.facts();
    let named = policy.offer().contains(extension);
    let auth = policy.auth();
    match (extension, facts.giver) {
        (_, Giver::Nobody(why)) => Some(why),
        _ if LATER_EXTENSIONS.contains(&extension) => Some("the gate has yet to learn it"),
        (Extension::Auth, _) if auth.policy == AuthPolicy::Refuse => Some("[auth] policy is \"refuse\""),
        (Extension::Auth, _) if matches!(auth.backend, Backend::File(_)) => {
            Some("[auth] backend is a file; clients see the gate's own")
        }
        (Extension::StartTls, _) if policy.tls().starttls == StartTls::Inspect && named => {
            Some("clients see the gate's own")
        }
        (Extension::StartTls, _) if policy.tls().starttls == StartTls::Withhold => {
            Some("[tls] starttls is \"withhold\"")
        }
        (_, Giver::Relay) if policy.mode() == Mode::Monitor => None,
        _ => (!named).then_some("[extensions] offer does not name it"),
    }
}

fn withheld_mechanism(name: &str, policy: &Policy) -> Option<&'static str> {
    let Some(mechanism) = Mechanism::from_wire(name.as_bytes()) else {
        return Some("the gate does not know it");
    };
    let named = policy.auth().mechanisms.contains(&mechanism);
    mechanism.facts().never.or((!named).then_some("[auth] mechanisms does not name it"))
}

/// What the rules would offer and the relay does not.
fn absent(offer: &Offer, policy: &Policy) -> impl Iterator<Item = Extension> {
    let of_relay = |extension: Extension| match extension.facts().giver {
        Giver::Relay => true,
        Giver::Both => extension != Extension::Auth || asks_relay(policy),
        Giver::Gate | Giver::Nobody(_) => false,
    };
    policy.offer().iter().filter(move |it| of_relay(*it) && !offer.extensions.contains(*it))
}
