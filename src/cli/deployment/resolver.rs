//! `[resolver]`: who is asked for the names of clients, and by DNS lists.

use gatepost::policy::document::Section;
use gatepost::policy::source::{Diagnostic, Located};
use gatepost::proxy::config::Resolver;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The port of a server that has none.
const PORT: u16 = 53;
/// The longest that a client may be made to wait at a recipient.
const LONGEST: Duration = Duration::from_secs(20);

/// What is not said is as usual.
pub(super) fn read(section: &Section<'_>) -> Resolver {
    let usual = Resolver::default();
    let findings = section.findings();
    let servers = section.take::<Vec<Located<String>>>("servers");
    if let Some(servers) = servers.as_ref().filter(|servers| servers.value.is_empty()) {
        let finding = servers.place.error("`servers` names none, so nobody would be asked");
        findings.add(finding.with_help("leave it off to ask those of /etc/resolv.conf"));
    }
    let servers = servers.iter().flat_map(|servers| &servers.value);
    let servers = servers.filter_map(|server| findings.check(address(server))).collect();
    let timeout = section.take::<Duration>("timeout");
    if let Some(timeout) = timeout.as_ref().filter(|it| it.value.is_zero() || it.value > LONGEST) {
        let finding = timeout.place.error("`timeout` lies above zero, and not above 20 seconds");
        findings.add(finding.with_help("so long a client may have to wait at its first recipient"));
    }
    let cache = section.take::<u64>("cache");
    if let Some(cache) = cache.as_ref().filter(|cache| cache.value == 0) {
        let finding = cache.place.error("without a `cache` every client is asked about each time it comes");
        findings.add(finding.with_help(format!("it is {} unless you say so", usual.cache)));
    }
    Resolver {
        servers,
        timeout: timeout.map_or(usual.timeout, |timeout| timeout.value),
        cache: cache.map_or(usual.cache, |cache| cache.value),
    }
}

fn address(server: &Located<String>) -> Result<SocketAddr, Diagnostic> {
    let bare = server.value.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
    server.value.parse().or(bare).map_err(|_| {
        let found = server.value.escape_debug();
        let finding = server.place.error(format!("`{found}` is no address of a resolver"));
        finding.with_help("an address, with a port if it is not 53: \"127.0.0.1\", \"[::1]:5353\"")
    })
}
