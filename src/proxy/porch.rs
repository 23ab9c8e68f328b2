//! In front of the doors of one address: which of them a client comes to. As with Exchange's receive connectors the
//! narrowest network that it lies in counts.

use super::caller::Caller;
use super::config::Accept;
use super::listener::{Door, REST};
use super::means::Descriptor;
use super::seldom::Seldom;
use crate::event::ProxyHeader;
use crate::telemetry::OfComings;
use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;

/// The doors of an address.
#[derive(Debug)]
pub(super) struct Porch {
    /// For whoever is in no network of the others.
    open: Arc<Door>,
    /// By the length of the prefix, the longest last.
    narrow: BTreeMap<u8, HashMap<IpNet, Arc<Door>>>,
    accept: Accept,
    figures: OfComings,
    /// Peers that are turned away are spoken of.
    noted: Seldom,
}

impl Porch {
    /// `open` is for everybody, the others for these networks.
    pub(super) fn new(
        open: Arc<Door>,
        others: impl IntoIterator<Item = (Vec<IpNet>, Arc<Door>)>,
        accept: Accept,
        figures: OfComings,
    ) -> Self {
        let mut narrow: BTreeMap<u8, HashMap<_, _>> = BTreeMap::new();
        for (networks, door) in others {
            for network in networks {
                let of_length = narrow.entry(network.prefix_len()).or_default();
                of_length.entry(network.trunc()).or_insert_with(|| Arc::clone(&door));
            }
        }
        Self { open, narrow, accept, figures, noted: Seldom::default() }
    }

    fn door(&self, client: IpAddr) -> &Arc<Door> {
        let found = self.narrow.iter().rev().find_map(|(length, doors)| {
            let network = IpNet::new(client, *length).ok()?.trunc();
            doors.get(&network)
        });
        found.unwrap_or(&self.open)
    }

    /// Leads to a door, who is to come in.
    fn receive(self: &Arc<Self>, mut caller: Caller, own: SocketAddr) {
        match &self.accept {
            Accept::Direct => self.lead(caller),
            Accept::ProxyProtocol(trusted) if trusted.contains(caller.client.ip()) => {
                let porch = Arc::clone(self);
                tokio::spawn(async move {
                    let proxy = caller.client;
                    let header = caller.take_header().await;
                    porch.figures.count(header);
                    match header {
                        ProxyHeader::Client | ProxyHeader::Nobody => porch.lead(caller),
                        wrong => porch.note(proxy, wrong),
                    }
                });
            }
            Accept::Tproxy | Accept::Redirect => {
                if caller.was_intercepted(&self.accept, own) {
                    return self.lead(caller);
                }
                self.figures.stray();
                if self.noted.is_due(self.open.means.now()) {
                    let (listener, peer) = (self.open.listener(), caller.client);
                    tracing::warn!(listener, %peer, "closed: it called the gate itself, and not somebody behind it");
                }
            }
            // Whoever could say so would be anybody to the rules, and to the relay.
            Accept::ProxyProtocol(_) => {
                self.figures.count(ProxyHeader::Untrusted);
                self.note(caller.client, ProxyHeader::Untrusted);
            }
        }
    }

    fn lead(&self, caller: Caller) {
        self.door(caller.client.ip()).receive(caller);
    }

    /// Tells operators of a peer that was turned away.
    fn note(&self, peer: SocketAddr, why: ProxyHeader) {
        // Whoever looks whether a port is open closes it again.
        if why != ProxyHeader::Closed && self.noted.is_due(self.open.means.now()) {
            let (listener, reason) = (self.open.listener(), why.name());
            tracing::warn!(listener, %peer, reason, "closed: no PROXY header from a peer that is trusted with one");
        }
    }

    /// Takes connections until it is dropped.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) {
        let Ok(own) = listener.local_addr() else { return };
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let descriptor = Descriptor::count(&self.open.means);
                    self.receive(Caller::new(stream, descriptor, peer), own);
                }
                // It was gone before it was taken.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(listener = self.open.listener(), %error, "cannot accept connections");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
}
