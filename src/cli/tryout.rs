//! The try-out: a relay of our own behind Gatepost, so that it can be seen at work before there is anything to protect.

use super::maildir::Maildir;
use super::maildir_relay;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::thread;

/// Where the mail goes.
pub(super) const FOLDER: &str = "gatepost-tryout";

/// Starts the relay on a free port of the loopback address, in a thread of its own that ends with the process.
pub(super) fn start() -> io::Result<SocketAddr> {
    let maildir = Maildir::open(Path::new(FOLDER))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // It writes files while others wait, which a relay of one's own at home may do; Gatepost's threads never do.
    thread::Builder::new().name("tryout".to_owned()).spawn(move || {
        runtime.block_on(async {
            // A listener that was bound a moment ago is registered without fail, or not worth a panic.
            if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                maildir_relay::serve(listener, maildir).await;
            }
        });
    })?;
    Ok(address)
}

/// What to paste next.
pub(super) fn hints(server: SocketAddr) -> String {
    format!(
        "\nThis is a try-out: mail to example.com and to localhost is kept in ./{FOLDER}/new, and nothing is \
         delivered.\n\n  \
         swaks --server {server} --from a@example.org --to you@example.com         # arrives there\n  \
         swaks --server {server} --from a@example.org --to you@elsewhere.test     # is refused: 550 5.7.1\n\n\
         In front of a relay of your own:  gatepost run --listen {server} --relay 127.0.0.1:25 --rules FILE\n"
    )
}
