//! The book as a file: one ban a line, for the next start and for people.
//!
//! `203.0.113.9/32 2026-11-24T17:30:00Z harvesting 7K2M9QXT`: network, end, check, reference.

use super::book::{Book, Entry, LONGEST, is_whole};
use crate::session::Moment;
use ipnet::IpNet;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use x509_cert::der::DateTime;

/// The name of the file.
const NAME: &str = "bans";
/// That of the next one, while it is written.
const NEXT: &str = "bans.new";
/// What stands in front of the time at which it was written.
const SAVED: &str = "# saved ";
/// The most octets of a line: a network, a time, an id of 64, a reference.
const LINE: usize = 160;
/// How many lines that are none are spoken of one by one.
const SPOKEN_OF: usize = 5;

/// What the two clocks say of one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// The one that only goes on.
    pub(super) now: Moment,
    /// The time of day, since 1970.
    pub(super) day: Duration,
}

/// The file, and what becomes of writing it.
#[derive(Debug)]
pub(super) struct Ledger {
    folder: PathBuf,
}

impl Ledger {
    pub(super) fn new(folder: &str) -> Self {
        Self { folder: PathBuf::from(folder) }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// What stands there; nothing, if there is no file yet. No more is read than a full book has.
    pub(super) fn read(&self, most: usize) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        match File::open(self.path()) {
            Ok(file) => {
                let cap = most.saturating_add(16).saturating_mul(LINE);
                file.take(u64::try_from(cap).unwrap_or(u64::MAX)).read_to_end(&mut octets)?;
                Ok(octets)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(octets),
            Err(error) => Err(error),
        }
    }

    /// Puts it there: all of it, or the old one stays.
    pub(super) fn write(&self, text: &str) -> io::Result<()> {
        let next = self.folder.join(NEXT);
        // What a process that was killed left behind.
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&next, self.path())?;
        // The new name is to be there after a power cut, too.
        File::open(folder(&self.folder))?.sync_all()
    }
}

/// An empty path is where the process stands.
fn folder(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// The book as text.
pub(super) fn print(book: &Book, clocks: Clocks) -> String {
    let mut text = String::with_capacity(book.len().saturating_mul(64).saturating_add(256));
    text.push_str("# Bans, kept by Gatepost over a restart: network, end, check, reference.\n");
    // The next second: seconds are cut off, and a ban is to be no longer for having been written down.
    let saved = day(clocks.day.saturating_add(Duration::from_secs(1))).unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{SAVED}{saved}");
    for (network, Entry { until, check, reference }) in book.iter() {
        if let Some(end) = day(clocks.day.saturating_add(until.since(clocks.now))) {
            let _ = writeln!(text, "{network} {end} {check} {reference}");
        }
    }
    text
}

fn day(since: Duration) -> Option<String> {
    Some(DateTime::from_unix_duration(since).ok()?.to_string())
}

fn since(text: &str) -> Option<Duration> {
    Some(text.parse::<DateTime>().ok()?.unix_duration())
}

/// Enters what stands in a file; gives how many lines were no bans. Those whose time is over are nobody's any more.
///
/// A clock that was put back makes no ban longer than it was when it was written.
pub(super) fn scan(octets: &[u8], clocks: Clocks, book: &mut Book) -> usize {
    let (mut wrong, mut saved) = (0_usize, None);
    for (number, line) in octets.split(|octet| *octet == b'\n').enumerate() {
        let line = std::str::from_utf8(line).unwrap_or("?").trim_end();
        if let Some(at) = line.strip_prefix(SAVED) {
            saved = since(at);
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((network, end, check, reference)) = ban(line) else {
            wrong += 1;
            if wrong <= SPOKEN_OF {
                tracing::warn!(line = number + 1, "not a ban, and passed over");
            }
            continue;
        };
        let longest = saved.map_or(LONGEST, |saved| end.saturating_sub(saved)).min(LONGEST);
        let left = end.saturating_sub(clocks.day).min(longest);
        if !left.is_zero() {
            let entry = Entry { until: clocks.now + left, check: check.into(), reference: reference.into() };
            book.enter(network, entry);
        }
    }
    wrong
}

/// Network, end, check and reference of a line.
fn ban(line: &str) -> Option<(IpNet, Duration, &str, &str)> {
    let mut fields = line.splitn(5, ' ');
    let network = fields.next()?.parse().ok().filter(|network| is_whole(*network))?;
    let end = since(fields.next()?)?;
    let check = fields.next().filter(|check| is_word(check, 64))?;
    let reference = fields.next().filter(|reference| is_word(reference, 16))?;
    fields.next().is_none().then_some((network, end, check, reference))
}

/// Ids of checks and names of sessions are such.
pub(super) fn is_word(text: &str, most: usize) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    (1..=most).contains(&text.len()) && text.bytes().all(plain)
}
