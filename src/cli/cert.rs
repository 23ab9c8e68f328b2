//! `gatepost cert`: what stands in a certificate, how long it lasts, and what others may say of its key.

use super::{Exit, count, deployment};
use base64ct::{Base64, Encoding};
use clap::Args;
use gatepost::policy::source::Findings;
use gatepost::proxy::Description;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the deployment file stands, unless a flag says otherwise.
const CONFIG: &str = "/etc/gatepost/gatepost.toml";
pub(super) const DAY: u64 = 86_400;

/// Arguments of `gatepost cert`.
#[derive(Args, Debug)]
pub(super) struct Flags {
    /// A file with a certificate, or the name of a [certificate.NAME].
    certificate: String,
    /// The deployment file in which the name stands. [default: /etc/gatepost/gatepost.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
}

/// Prints it. A certificate that has ended, or is not valid yet, is an error.
pub(super) fn print(flags: &Flags, out: &mut dyn Write) -> io::Result<Exit> {
    match find(flags) {
        Ok(found) => describe(&found, seconds(), out),
        Err(reason) => {
            eprintln!("gatepost: {reason}");
            Ok(Exit::Errors)
        }
    }
}

/// A file goes before a name, unless a deployment file is named.
fn find(flags: &Flags) -> Result<Description, String> {
    let asked = &flags.certificate;
    if flags.config.is_none() && std::path::Path::new(asked).exists() {
        return Description::read(asked);
    }
    let config = flags.config.as_deref().unwrap_or(CONFIG);
    match deployment::chain(config, asked, &Findings::new()) {
        Ok(Some(chain)) => Description::read(&chain),
        Ok(None) => Err(format!("there is no file {asked}, and no [certificate.{asked}] in {config}")),
        Err(reason) => Err(format!("there is no file {asked}, and {config} cannot be read: {reason}")),
    }
}

fn describe(found: &Description, now: u64, out: &mut dyn Write) -> io::Result<Exit> {
    let left = found.not_after.saturating_sub(now) / DAY;
    let (lasts, exit) = if now > found.not_after {
        ("it has ended".to_owned(), Exit::Errors)
    } else if now < found.not_before {
        ("it is not valid yet".to_owned(), Exit::Errors)
    } else {
        (format!("{} left", count(usize::try_from(left).unwrap_or(usize::MAX), "day")), Exit::Fine)
    };
    let hex = found.pin.map(|octet| format!("{octet:02x}")).concat();
    let names = found.names.iter().chain(&found.mailboxes).map(String::as_str).collect::<Vec<_>>();
    writeln!(out, "names    {}", names.join(" "))?;
    writeln!(out, "issuer   {}", found.issuer)?;
    writeln!(out, "lasts    {lasts}")?;
    writeln!(out, "key      {}", found.key)?;
    writeln!(out, "pin      {}", Base64::encode_string(&found.pin))?;
    // RFC 7672 3.1: the key of the end entity, which a new certificate may keep.
    for name in &found.names {
        writeln!(out, "TLSA     _25._tcp.{name}. IN TLSA 3 1 1 {hex}")?;
    }
    Ok(exit)
}

#[expect(clippy::disallowed_methods, reason = "how long a certificate lasts depends on what time it is")]
pub(super) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_long_and_how_a_key_is_published() {
        let found = Description {
            names: vec!["mx.example.com".to_owned()],
            mailboxes: Vec::new(),
            issuer: "CN=A CA".to_owned(),
            not_before: 1000,
            not_after: 1000 + 10 * DAY,
            key: "ECDSA P-256".to_owned(),
            pin: [0xab; 32],
        };
        let told = |now| {
            let mut out = Vec::new();
            let exit = describe(&found, now, &mut out).unwrap();
            (exit, String::from_utf8(out).unwrap())
        };
        let (exit, text) = told(1001);
        assert_eq!(exit, Exit::Fine);
        assert!(text.contains("lasts    9 days left\n"), "{text}");
        let tlsa = format!("_25._tcp.mx.example.com. IN TLSA 3 1 1 {}\n", "ab".repeat(32));
        assert!(text.contains(&tlsa), "{text}");
        assert_eq!(told(10).0, Exit::Errors);
        assert_eq!(told(1001 + 10 * DAY).0, Exit::Errors);
    }
}
