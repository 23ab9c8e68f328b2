//! In front of the doors of one address: which of them a client comes to. As with Exchange's receive connectors the
//! narrowest network that it lies in counts.

use super::listener::{Door, REST};
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
}

impl Porch {
    /// `open` is for everybody, the others for these networks.
    pub(super) fn new(open: Arc<Door>, others: impl IntoIterator<Item = (Vec<IpNet>, Arc<Door>)>) -> Self {
        let mut narrow: BTreeMap<u8, HashMap<_, _>> = BTreeMap::new();
        for (networks, door) in others {
            for network in networks {
                let of_length = narrow.entry(network.prefix_len()).or_default();
                of_length.entry(network.trunc()).or_insert_with(|| Arc::clone(&door));
            }
        }
        Self { open, narrow }
    }

    fn door(&self, client: IpAddr) -> &Arc<Door> {
        let found = self.narrow.iter().rev().find_map(|(length, doors)| {
            let network = IpNet::new(client, *length).ok()?.trunc();
            doors.get(&network)
        });
        found.unwrap_or(&self.open)
    }

    /// Takes connections until it is dropped.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // An IPv4 client of an IPv6 socket is an IPv4 client, for rules and counts alike.
                    let client = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    self.door(client.ip()).receive(stream, client);
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
