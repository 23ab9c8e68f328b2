//! Who is banned, and what becomes of it.

use crate::support::{Relay, Running, gate_with, policy, wait_until};
use gatepost::proxy::start;
use gatepost::telemetry::Telemetry;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const PARTNERS: &str = "[bans]\nnever = ['127.0.0.1']\n";
const BAN: &str = "127.0.0.1/32 2099-01-01T00:00:00Z harvesting 7K2M9QXT\n";

/// A folder for what is kept; it is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, bans: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gatepost-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("bans"), bans).unwrap();
        Self(path)
    }

    fn bans(&self) -> String {
        fs::read_to_string(self.0.join("bans")).unwrap()
    }

    fn path(&self) -> String {
        self.0.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn page(gate: &Running) -> String {
    let answer = gate.get("/bans.txt");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn a_banned_client_hears_421_with_a_reference_and_takes_nobodys_place() {
    let (relay, folder) = (Relay::polite(), Folder::with("banned", BAN));
    let gate = gate_with(&[relay.address], "", |deployment| {
        deployment.state = Some(folder.path());
        deployment.listeners[0].sessions = 1;
    });
    let mut banned: Vec<_> = (0..3).map(|_| gate.client()).collect();
    for client in &mut banned {
        let words = client.rest();
        assert_eq!(words.len(), 1, "{words:?}");
        assert!(words[0].starts_with("421 4.7.0 ") && words[0].contains("(ref "), "{words:?}");
    }
    wait_until("all of them are gone", || gate.figure("gatepost_sessions_active{listener=\"test\"}") == 0);
    assert_eq!(gate.figure("gatepost_bans"), 1);
    assert_eq!(gate.figure("gatepost_banned_connections_total{listener=\"test\"}"), 3);
    let closed = "gatepost_sessions_closed_total{listener=\"test\",reason=\"not_admitted_banned\"}";
    assert_eq!(gate.figure(closed), 3);
    let page = page(&gate);
    let fields: Vec<_> = page.split_whitespace().collect();
    assert_eq!((fields[0], fields[2], fields[3]), ("127.0.0.1/32", "harvesting", "7K2M9QXT"), "{page}");
    // A year and a day, at most.
    assert!((31_000_000..=31_622_400).contains(&fields[1].parse::<u32>().unwrap()), "{page}");
}

#[test]
fn whom_the_rules_except_is_let_in_and_a_reload_lifts_the_ban() {
    let (relay, folder) = (Relay::polite(), Folder::with("lifted", BAN));
    let mut kept = None;
    let gate = gate_with(&[relay.address], "", |deployment| {
        deployment.state = Some(folder.path());
        kept = Some(deployment.clone());
    });
    assert!(gate.client().reply().starts_with("421 4.7.0"));
    let mut deployment = kept.unwrap();
    deployment.listeners[0].policy = policy(PARTNERS);
    gate.reload(&deployment).unwrap();
    drop(gate.client().greeted());
    assert_eq!((page(&gate).as_str(), gate.figure("gatepost_bans")), ("", 0));
    gate.into_gate().stop();
    wait_until("the file says so, too", || !folder.bans().contains("127.0.0.1"));
}

#[test]
fn a_listener_that_excepts_a_network_lets_it_in_while_others_do_not() {
    let (relay, folder) = (Relay::polite(), Folder::with("except", BAN));
    let gate = gate_with(&[relay.address], "", |deployment| {
        deployment.state = Some(folder.path());
        let mut other = deployment.listeners[0].clone();
        other.name = "partners".to_owned();
        other.policy = policy(PARTNERS);
        deployment.listeners.push(other);
    });
    assert!(gate.client().reply().starts_with("421 4.7.0"));
    drop(crate::support::Client::connect(gate.addresses()[1].1).greeted());
    assert_eq!(gate.figure("gatepost_bans"), 1);
    // A firewall cannot tell one listener from another.
    assert_eq!(page(&gate), "");
}

#[test]
fn a_ban_ends_with_its_time_and_the_file_is_its_owners() {
    let (relay, folder) =
        (Relay::polite(), Folder::with("time", "203.0.113.9/32 2020-01-01T00:00:00Z x y\n"));
    fs::set_permissions(folder.0.join("bans"), fs::Permissions::from_mode(0o644)).unwrap();
    let gate = gate_with(&[relay.address], "", |deployment| deployment.state = Some(folder.path()));
    drop(gate.client().greeted());
    assert_eq!(page(&gate), "");
    assert!(!folder.bans().contains("203.0.113.9"));
    assert_eq!(fs::metadata(folder.0.join("bans")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn where_nothing_can_be_kept_the_gate_does_not_start() {
    let (relay, folder) = (Relay::polite(), Folder::with("nowhere", ""));
    let mut kept = None;
    drop(gate_with(&[relay.address], "", |deployment| kept = Some(deployment.clone())));
    let mut deployment = kept.unwrap();
    deployment.state = Some(folder.0.join("missing").to_str().unwrap().to_owned());
    let telemetry = Telemetry::new(Box::new(std::io::sink())).unwrap();
    let refused = start(deployment, telemetry, 1).unwrap_err().to_string();
    assert!(refused.starts_with("state: ") && refused.contains("missing/bans"), "{refused}");
}

/// What is written to it, for a test to read.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_says_which_ban_it_was() {
    let (relay, folder) = (Relay::polite(), Folder::with("log", BAN));
    let mut kept = None;
    drop(gate_with(&[relay.address], "", |deployment| {
        kept = Some(deployment.clone());
    }));
    let mut deployment = kept.unwrap();
    deployment.state = Some(folder.path());
    let written = Written::default();
    let telemetry = Telemetry::new(Box::new(written.clone())).unwrap();
    let gate = start(deployment, telemetry, 1).unwrap();
    let mut client = crate::support::Client::connect(gate.addresses()[0].1);
    assert!(client.reply().starts_with("421"));
    drop(client);
    gate.stop();
    gate.join();
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let line = log.lines().find(|line| line.contains(" ban change=met ")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains(" reason=harvesting network=127.0.0.1/32 left=31"), "{line}");
    assert!(line.contains(" reference=7K2M9QXT client=127.0.0.1 "), "{line}");
    assert!(log.contains(" session ending=not_admitted_banned "), "{log}");
    assert!(Path::new(&folder.0).join("bans").exists());
}
