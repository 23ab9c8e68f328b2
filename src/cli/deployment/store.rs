//! `[store]`

use gatepost::policy::document::Section;
use gatepost::policy::source::{Located, Source};
use gatepost::proxy::{config, judge_store_url};
use std::time::Duration;

/// The least and the most that an answer may take.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(2));

/// What the section says.
pub(super) fn read(source: &Source, section: &Section<'_>) -> Option<config::Store> {
    let url_file = section.require::<String>("url_file");
    let prefix = section.take::<String>("prefix");
    let timeout = section.take::<Duration>("timeout");
    let lease = section.take::<u32>("lease");
    let findings = section.findings();
    if let Some(timeout) = timeout.as_ref().filter(|one| one.value < TIMEOUT.0 || one.value > TIMEOUT.1) {
        findings.add(timeout.place.error("`timeout` of the store is between \"1ms\" and \"2s\""));
    }
    if let Some(lease) = lease.as_ref().filter(|lease| lease.value > config::Store::MOST_LEASED) {
        findings.add(lease.place.error(format!("`lease` is {} at most", config::Store::MOST_LEASED)));
    }
    let plain = |octet: u8| octet.is_ascii_graphic();
    if let Some(prefix) =
        prefix.as_ref().filter(|prefix| prefix.value.len() > 64 || !prefix.value.bytes().all(plain))
    {
        findings.add(prefix.place.error("`prefix` is at most 64 printable characters without blanks"));
    }
    let Located { value, place } = url_file?;
    let url_file = source.beside(&value);
    match judge_store_url(&url_file) {
        Err(wrong) => findings.add(place.error(wrong)),
        Ok(true) => findings.add(
            place
                .warning(format!("everybody on this host may read {url_file}"))
                .with_help("it holds a password: chmod o-rwx"),
        ),
        Ok(false) => {}
    }
    Some(config::Store {
        url_file,
        prefix: prefix.map_or_else(|| config::Store::PREFIX.to_owned(), |prefix| prefix.value),
        timeout: timeout.map_or(config::Store::TIMEOUT, |timeout| timeout.value),
        lease: lease.map_or(0, |lease| lease.value),
    })
}
