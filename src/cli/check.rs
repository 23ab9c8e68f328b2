//! `gatepost check`: files, their findings, their expectations.

use super::cert::{DAY, seconds};
use super::files::{self, Kind};
use super::{Exit, count, deployment, probe};
use clap::{Args, ValueEnum};
use gatepost::policy::Policy;
use gatepost::policy::compile::{self, Compiled};
use gatepost::policy::source::{Diagnostic, Findings, Reader, Severity};
use gatepost::policy::tree::Date;
use gatepost::proxy::config::Deployment;
use gatepost::replay;
use std::io::{self, Write};
use std::sync::Arc;

/// What is put on top of a `base.toml` to look at it: it says nothing about whose mail it takes, so by itself it takes none.
const ON_BASE: &str = "profile = \"on-base\"\nextends = \"base\"\n[relay]\nto = \"example.com\"\n";

/// Arguments of `gatepost check`.
#[derive(Args, Debug, Default)]
pub(super) struct Flags {
    /// Rule files, deployment files, fragments. None: what is built in, and rules/*.toml.
    files: Vec<String>,
    /// Print a profile as it is merged, each line with its origin.
    #[arg(long, value_name = "PROFILE")]
    effective: Option<String>,
    /// Ask the relays of deployment files what they offer, and say what the profiles need and do not get.
    #[arg(long, requires = "files")]
    probe: bool,
    /// What is to be an error, too.
    #[arg(long, value_name = "WHAT")]
    deny: Option<Denied>,
}

/// What `--deny` may name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Denied {
    /// Exit code 3 if there are any.
    Warnings,
}

/// Checks what the flags name.
pub(super) fn check(flags: &Flags, out: &mut dyn Write) -> io::Result<Exit> {
    let mut report = Report::new(out, flags.probe);
    if flags.files.is_empty() {
        report.built_in()?;
    }
    let standing = if flags.files.is_empty() { files::standing() } else { flags.files.clone() };
    for path in &standing {
        report.file(path)?;
    }
    if let Some(wanted) = &flags.effective {
        return report.print_effective(wanted);
    }
    report.close(flags.deny.is_some())
}

/// A profile that was looked at.
struct Profile {
    /// Its path, and its name if it could be compiled.
    names: Vec<String>,
    effective: String,
}

/// What was found so far, told as it is found.
struct Report<'o> {
    out: &'o mut dyn Write,
    /// Whether relays are asked, too.
    probe: bool,
    profiles: Vec<Profile>,
    told: Vec<Diagnostic>,
    rules: usize,
    expectations: usize,
    errors: usize,
    warnings: usize,
    failed: usize,
}

impl<'o> Report<'o> {
    fn new(out: &'o mut dyn Write, probe: bool) -> Self {
        let (profiles, told) = (Vec::new(), Vec::new());
        Self { out, probe, profiles, told, rules: 0, expectations: 0, errors: 0, warnings: 0, failed: 0 }
    }

    /// What is part of the program is checked without a look at the disk.
    fn built_in(&mut self) -> io::Result<()> {
        let mut none = |_: &str| Err("it is not built in".to_owned());
        compile::built_in().try_for_each(|name| self.profile(name, &mut none))
    }

    fn file(&mut self, path: &str) -> io::Result<()> {
        match Kind::of(path) {
            Ok(Kind::Rules) if is_base(path) => self.base(path),
            Ok(Kind::Rules) => self.profile(path, &mut files::read),
            Ok(Kind::Deployment) => self.deployment(path),
            // What a fragment means is known only where it is included.
            Ok(Kind::Fragment) => Ok(()),
            Err(findings) => self.tell(findings),
        }
    }

    /// Looks at a base.toml through the least profile that can stand on it.
    fn base(&mut self, path: &str) -> io::Result<()> {
        let above = format!("{}on-base.toml", path.strip_suffix("base.toml").unwrap_or_default());
        self.profile(&above, &mut |asked| {
            if asked == above { Ok(ON_BASE.to_owned()) } else { files::read(asked) }
        })
    }

    fn deployment(&mut self, path: &str) -> io::Result<()> {
        let (findings, mut rules) = (Findings::new(), Vec::new());
        let mut note = |path: &str| {
            rules.push(path.to_owned());
            // What is found in it is told below.
            compile::compile(path, &mut files::read).policy.map(Arc::new)
        };
        let read = deployment::read(path, &mut note, &findings);
        if let Some(deployment) = &read {
            deployment::outlook(path, deployment, seconds(), &findings);
        }
        self.tell(findings.into_sorted())?;
        rules.iter().try_for_each(|path| self.profile(path, &mut files::read))?;
        match read.filter(|_| self.probe) {
            Some(deployment) => self.ask(path, &deployment),
            None => Ok(()),
        }
    }

    /// Asks the relays what they offer.
    fn ask(&mut self, path: &str, deployment: &Deployment) -> io::Result<()> {
        let (text, found) = probe::probe(path, deployment)?;
        writeln!(self.out, "{text}")?;
        self.tell(found)
    }

    fn profile(&mut self, path: &str, read: &mut Reader<'_>) -> io::Result<()> {
        if self.profiles.iter().any(|known| known.names.iter().any(|name| name == path)) {
            return Ok(());
        }
        let Compiled { policy, diagnostics, effective } = compile::compile(path, read);
        self.tell(diagnostics)?;
        let mut names = vec![path.to_owned()];
        if let Some(policy) = policy.map(Arc::new) {
            names.push(policy.profile().to_owned());
            self.rules += policy.rules();
            self.tell(policy.warn_expired(today()))?;
            self.expect(&policy)?;
        }
        if let Some(inherited) = compile::inherited(path, read) {
            // What is found in it was found in the profile, too.
            self.tell(inherited.diagnostics)?;
            inherited.policy.map(Arc::new).map_or(Ok(()), |policy| self.expect(&policy))?;
        }
        self.profiles.push(Profile { names, effective });
        Ok(())
    }

    fn expect(&mut self, policy: &Arc<Policy>) -> io::Result<()> {
        for outcome in replay::expectations(policy) {
            self.expectations += 1;
            let Some(failure) = outcome.failure else { continue };
            self.failed += 1;
            writeln!(self.out, "failed: \"{}\"\n --> {}", outcome.name, outcome.origin)?;
            for line in failure.lines() {
                writeln!(self.out, "  | {line}")?;
            }
            writeln!(self.out)?;
        }
        Ok(())
    }

    /// Tells each finding once: a parent of two profiles is read twice.
    fn tell(&mut self, findings: Vec<Diagnostic>) -> io::Result<()> {
        for finding in findings {
            if self.told.contains(&finding) {
                continue;
            }
            match finding.severity {
                Severity::Error => self.errors += 1,
                Severity::Warning => self.warnings += 1,
            }
            writeln!(self.out, "{finding}\n")?;
            self.told.push(finding);
        }
        Ok(())
    }

    fn print_effective(self, wanted: &str) -> io::Result<Exit> {
        // A file goes before what is built in under the same name.
        let found = self.profiles.iter().rev().find(|known| known.names.iter().any(|name| name == wanted));
        let Some(profile) = found else {
            let known: Vec<_> =
                self.profiles.iter().filter_map(|known| known.names.last()).cloned().collect();
            writeln!(self.out, "There is no profile `{wanted}` here, but: {}", known.join(", "))?;
            return Ok(Exit::Usage);
        };
        self.out.write_all(profile.effective.as_bytes())?;
        Ok(if self.errors + self.failed > 0 { Exit::Errors } else { Exit::Fine })
    }

    fn close(self, deny_warnings: bool) -> io::Result<Exit> {
        let seen = [
            count(self.profiles.len(), "profile"),
            count(self.rules, "rule"),
            count(self.expectations, "expectation"),
        ];
        let mut found = vec![count(self.errors, "error"), count(self.warnings, "warning")];
        if self.failed > 0 {
            found.push(format!("{} failed", count(self.failed, "expectation")));
        }
        writeln!(self.out, "{}: {}", seen.join(", "), found.join(", "))?;
        Ok(match (self.errors + self.failed, self.warnings) {
            (1.., _) => Exit::Errors,
            (0, 1..) if deny_warnings => Exit::Warnings,
            (0, _) => Exit::Fine,
        })
    }
}

/// By its name: that is how `extends = "base"` finds it.
fn is_base(path: &str) -> bool {
    std::path::Path::new(path).file_name().is_some_and(|name| name == "base.toml")
}

/// For rules that were to be watched until some day.
fn today() -> Date {
    date(seconds() / DAY)
}

/// The day that is so many days after 1970-01-01, by the Gregorian calendar.
fn date(mut days: u64) -> Date {
    let mut year = 1970_u16;
    let leap = |year: u16| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year = year.saturating_add(1);
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    Date { year, month, day: u8::try_from(days + 1).unwrap_or(31) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, text) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (364, "1970-12-31"),
            (365, "1971-01-01"),
            (11_016, "2000-02-29"),
            (20_513, "2026-03-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(date(days).to_string(), text);
        }
    }

    fn run(flags: &Flags) -> (Exit, String) {
        let mut out = Vec::new();
        let exit = check(flags, &mut out).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_is_built_in_is_sound() {
        let (exit, text) = run(&Flags { files: vec!["rules/inbound.toml".to_owned()], ..Flags::default() });
        assert_eq!(exit, Exit::Fine, "{text}");
        assert!(text.starts_with("1 profile, "), "{text}");
    }

    #[test]
    fn all_that_is_built_in_is_looked_at() {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out, false);
        report.built_in().unwrap();
        let names: Vec<_> = report.profiles.iter().map(|profile| profile.names[0].clone()).collect();
        assert_eq!(names, compile::built_in().collect::<Vec<_>>());
        assert_eq!((report.errors, report.failed), (0, 0));
    }

    #[test]
    fn a_base_is_looked_at_although_it_takes_no_mail_by_itself() {
        let (exit, text) = run(&Flags { files: vec!["rules/base.toml".to_owned()], ..Flags::default() });
        assert_eq!(exit, Exit::Fine, "{text}");
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let (exit, text) = run(&Flags { files: vec!["rules/nowhere.toml".to_owned()], ..Flags::default() });
        assert_eq!(exit, Exit::Errors);
        assert!(text.contains("rules/nowhere.toml"), "{text}");
    }

    #[test]
    fn the_effective_profile_names_the_origin_of_its_values() {
        let files = vec!["rules/inbound.toml".to_owned()];
        let (exit, text) = run(&Flags { files, effective: Some("inbound".to_owned()), ..Flags::default() });
        assert_eq!(exit, Exit::Fine);
        assert!(text.contains("rules/inbound.toml:"), "{text}");
    }
}
