//! Where the store is, and with which password: a file with one line, which nobody else is to read.

use redis::{Client, IntoConnectionInfo};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

/// More than any URL has.
const CAP: u64 = 4096;

/// The client that a file's URL is for. The error says what is wrong with it, and nothing of what stands there.
pub(super) fn client(path: &str) -> Result<Client, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    file.take(CAP).read_to_string(&mut text).map_err(|error| format!("cannot read {path}: {error}"))?;
    let url = text.trim();
    if url.starts_with("rediss:") {
        return Err(format!(
            "{path}: TLS to the store does not work; put it beside the gate, or behind a tunnel"
        ));
    }
    let form = || format!("{path} is to hold a URL like redis://:password@127.0.0.1:6379/0");
    if !url.starts_with("redis://") && !url.starts_with("unix://") {
        return Err(form());
    }
    let whole = url.into_connection_info().map_err(|_| form())?;
    Client::open(whole).map_err(|_| form())
}

/// Judges a file with a URL: the error is what is wrong with it, otherwise whether everybody on this host may read it.
pub fn judge(path: &str) -> Result<bool, String> {
    client(path)?;
    let facts = std::fs::metadata(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    Ok(facts.permissions().mode() & 0o007 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_what_is_wrong_with_it_is_said_without_its_password() {
        let path = std::env::temp_dir().join(format!("gatepost-url-{}", std::process::id()));
        let path = path.to_str().unwrap();
        for (url, fine) in [
            ("redis://127.0.0.1:6379/0\n", true),
            ("redis://user:secret@store.example.com\n", true),
            ("unix:///run/redis/redis.sock", true),
            ("rediss://:secret@store.example.com", false),
            ("http://:secret@store.example.com", false),
            ("redis://:secret@store.example.com:port", false),
            ("secret", false),
            ("", false),
        ] {
            std::fs::write(path, url).unwrap();
            let judged = judge(path);
            assert_eq!(judged.is_ok(), fine, "{url} {judged:?}");
            assert!(judged.err().is_none_or(|wrong| !wrong.contains("secret")));
        }
        std::fs::remove_file(path).unwrap();
        assert!(judge(path).unwrap_err().starts_with("cannot read"));
    }
}
