//! The way from a session to a file. A session never waits for a disk: it appends to a bounded buffer, and a thread of
//! its own writes what is in it. What does not fit is dropped and counted.

use prometheus::IntCounter;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The most octets that wait for the file.
const MOST: usize = 4 * 1024 * 1024;

/// How long the writer lets lines gather after the first: at most so many wake-ups and writes a second, whatever comes.
const GATHER: Duration = Duration::from_millis(100);

/// Lines on their way.
pub(super) struct Queue {
    shared: Arc<Shared>,
    dropped: IntCounter,
    writer: Mutex<Option<thread::JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Nothing more will come.
    closed: bool,
}

impl Queue {
    /// Starts the thread that writes to `sink`.
    pub(super) fn start(sink: Box<dyn Write + Send>, dropped: IntCounter) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let writer = thread::Builder::new().name("log".into()).spawn(move || theirs.write_to(sink))?;
        Ok(Self { shared, dropped, writer: Mutex::new(Some(writer)) })
    }

    /// Appends what `write` appends, or drops it if there is no room.
    pub(super) fn push(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut waiting = self.shared.lock();
        if waiting.closed || waiting.lines.len() >= MOST {
            self.dropped.inc();
            return;
        }
        let first = waiting.lines.is_empty();
        write(&mut waiting.lines);
        drop(waiting);
        if first {
            self.shared.bell.notify_one();
        }
    }

    /// Takes no more lines and waits until those that wait are written.
    pub(super) fn finish(&self) {
        self.shared.lock().closed = true;
        self.shared.bell.notify_one();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A writer that panicked has nothing left to say.
            let _ = writer.join();
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.finish();
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.shared.lock().lines.len()).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut sink: Box<dyn Write + Send>) {
        let mut batch = Vec::new();
        let mut closed = false;
        while !closed {
            let waiting = self
                .bell
                .wait_while(self.lock(), |waiting| waiting.lines.is_empty() && !waiting.closed)
                .unwrap_or_else(PoisonError::into_inner);
            closed = waiting.closed;
            drop(waiting);
            if !closed {
                thread::sleep(GATHER);
            }
            batch.clear();
            std::mem::swap(&mut batch, &mut self.lock().lines);
            // Where a line cannot be written there is no place to say so either.
            let _ = sink.write_all(&batch).and_then(|()| sink.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_told_before_the_end_is_written_and_none_after() {
        let (page, dropped) = (Page::default(), IntCounter::new("dropped", "dropped").unwrap());
        let queue = Queue::start(Box::new(page.clone()), dropped.clone()).unwrap();
        for n in 0..1000 {
            queue.push(|line| writeln!(line, "{n}").unwrap());
        }
        queue.finish();
        queue.push(|line| line.extend_from_slice(b"late\n"));
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1000);
        assert_eq!(dropped.get(), 1);
    }

    #[test]
    fn a_queue_that_is_full_drops_and_counts_and_never_waits() {
        struct Stuck;
        impl Write for Stuck {
            fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
                thread::sleep(Duration::from_millis(500));
                Ok(octets.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let dropped = IntCounter::new("dropped", "dropped").unwrap();
        let queue = Queue::start(Box::new(Stuck), dropped.clone()).unwrap();
        for _ in 0..100 {
            queue.push(|line| line.resize(line.len() + MOST / 10, b'x'));
        }
        assert!(dropped.get() > 50, "{}", dropped.get());
    }
}
