//! A Maildir folder: each message is a file of its own, complete or not there at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// An open folder.
#[derive(Debug)]
pub(super) struct Maildir {
    folder: PathBuf,
    kept: AtomicU64,
}

impl Maildir {
    /// Opens a folder, and makes it if it is not there.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        for part in ["tmp", "new", "cur"] {
            fs::create_dir_all(folder.join(part))?;
        }
        Ok(Self { folder: folder.to_owned(), kept: AtomicU64::new(0) })
    }

    /// Begins a message.
    pub(super) fn begin(&self) -> io::Result<Draft> {
        let name = self.unique_name();
        let written = self.folder.join("tmp").join(&name);
        let file = BufWriter::new(File::create_new(&written)?);
        Ok(Draft { file, written, kept: self.folder.join("new").join(name) })
    }

    /// By time, process and count, as Maildir wants it: no two messages ever get the same.
    #[expect(clippy::disallowed_methods, reason = "names carry the time of arrival")]
    fn unique_name(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let count = self.kept.fetch_add(1, Ordering::Relaxed);
        format!("{}.M{:06}P{}Q{count}.gatepost", now.as_secs(), now.subsec_micros(), std::process::id())
    }
}

/// A message that is being written. Unless it is [kept](Self::keep) it vanishes.
#[derive(Debug)]
pub(super) struct Draft {
    file: BufWriter<File>,
    written: PathBuf,
    kept: PathBuf,
}

impl Draft {
    /// Adds octets.
    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)
    }

    /// The message is complete: from now on it is there.
    pub(super) fn keep(mut self) -> io::Result<()> {
        self.file.flush()?;
        fs::rename(&self.written, &self.kept)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `keep` there is nothing of that name; otherwise a leftover does no harm.
        let _ = fs::remove_file(&self.written);
    }
}
