//! Who is asked: the servers of the deployment file, or those of the system.

use super::of_try;
use crate::proxy::config;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How many records of an answer are looked at.
const RECORDS: usize = 64;
/// However long an answer says that it holds: who was taken off a list is to be heard of.
const LONGEST: Duration = Duration::from_hours(1);

/// What DNS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said<T> {
    /// These, at most as many as are looked at.
    These(Vec<T>),
    /// There is no such name, or it has nothing of the kind.
    Nothing,
    /// It does not say.
    Failed,
}

/// A stub resolver with its cache.
pub(super) struct Resolver(TokioResolver);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// The error says what is missing.
    pub(super) fn new(config: &config::Resolver) -> Result<Self, String> {
        let servers = if config.servers.is_empty() {
            let (system, _) = read_system_conf().map_err(|error| format!("/etc/resolv.conf: {error}"))?;
            system.name_servers().to_vec()
        } else {
            config.servers.iter().copied().map(server).collect()
        };
        let all = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = TokioResolver::builder_with_config(all, TokioRuntimeProvider::default());
        set(builder.options_mut(), config);
        builder.build().map(Self).map_err(|error| error.to_string())
    }

    /// The names that an address has (PTR).
    pub(super) async fn names(&self, address: IpAddr) -> Said<Name> {
        let pick = |data: &RData| match data {
            RData::PTR(name) => Some(name.0.clone()),
            _ => None,
        };
        self.ask(Name::from(address), RecordType::PTR, pick).await
    }

    /// Whether a name has an address (A, AAAA).
    pub(super) async fn addresses(&self, name: Name, like: IpAddr) -> Said<IpAddr> {
        let wanted = if like.is_ipv4() { RecordType::A } else { RecordType::AAAA };
        let pick = |data: &RData| data.ip_addr();
        self.ask(name, wanted, pick).await
    }

    /// What a list says of an address (RFC 5782 2.1, 2.4).
    pub(super) async fn listings(&self, zone: &str, address: IpAddr) -> Said<Ipv4Addr> {
        match question(zone, address) {
            Some(name) => self.ask(name, RecordType::A, four).await,
            None => Said::Failed,
        }
    }

    /// As [`listings`](Self::listings), without a look at what was heard before.
    pub(super) async fn listings_now(&self, zone: &str, address: IpAddr) -> Said<Ipv4Addr> {
        if let Some(name) = question(zone, address) {
            self.0.clear_lookup_cache(name, RecordType::A);
        }
        self.listings(zone, address).await
    }

    async fn ask<T>(
        &self,
        mut name: Name,
        wanted: RecordType,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Said<T> {
        // Otherwise the system's search list stands behind it.
        name.set_fqdn(true);
        match self.0.lookup(name, wanted).await {
            Ok(lookup) => {
                let records = lookup.answers().iter().filter(|record| record.record_type() == wanted);
                let found: Vec<_> = records.filter_map(|record| pick(&record.data)).take(RECORDS).collect();
                if found.is_empty() { Said::Nothing } else { Said::These(found) }
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => Said::Nothing,
            Err(_) => Said::Failed,
        }
    }
}

fn four(data: &RData) -> Option<Ipv4Addr> {
    match data {
        RData::A(address) => Some(address.0),
        _ => None,
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let ways = vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, ways)
}

fn set(options: &mut ResolverOpts, config: &config::Resolver) {
    options.timeout = of_try(config.timeout);
    // Not tries, but those after the first.
    options.attempts = 1;
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = config.cache;
    options.positive_max_ttl = Some(LONGEST);
    options.negative_max_ttl = Some(LONGEST);
    // What bounds them is the number of questions that are open.
    options.max_active_requests = super::OPEN;
}

/// The name under which a list is asked about an address: its octets, or nibbles, backwards, before the zone.
fn question(zone: &str, address: IpAddr) -> Option<Name> {
    let backwards = match address {
        IpAddr::V4(four) => {
            let [a, b, c, d] = four.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(six) => {
            let nibbles = six.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
        }
    };
    Name::from_ascii(format!("{backwards}.{zone}.")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_asked_backwards() {
        let asked = |address: &str| {
            question("zen.example.net", address.parse().unwrap()).map(|name| name.to_string()).unwrap()
        };
        assert_eq!(asked("192.0.2.99"), "99.2.0.192.zen.example.net.");
        assert_eq!(
            asked("2001:db8:1:2:3:4:567:89ab"),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.zen.example.net."
        );
    }
}
