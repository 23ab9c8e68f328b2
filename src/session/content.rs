//! Content on its way: what was seen of it, and whether it may still arrive.

use super::clock::{Budget, Moment};
use super::edit::Edit;
use super::exchange::{Cleared, Exchange, Output, Words};
use crate::message::header::{Longest, Meter, Seen, Slice};
use crate::policy::limits::Limits;
use crate::policy::verdict::Refusal;
use crate::smtp::chunk::Repair;
use crate::smtp::mail_data::{LineEnds, Piece, Scanner};
use crate::smtp::violation::{Violation, Violations};

/// The content of one message.
#[derive(Debug)]
pub(crate) struct Content {
    transfer: Transfer,
    ends: LineEnds,
    meter: Meter,
    edit: Edit,
    /// What was found wrong so far.
    found: Violations,
    /// The first thing that stands in its way, if any: from then on nothing is sent on.
    pub(super) fault: Option<Fault>,
    /// The client's time.
    pub(super) budget: Budget,
}

/// Why content may not arrive.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Gatepost refuses it.
    Gate(Refusal),
    /// The relay refused before the end.
    Relay(Words),
}

/// How the end of content is known.
#[derive(Debug)]
enum Transfer {
    /// By CRLF.CRLF.
    Data(Scanner),
    /// By count.
    Chunks {
        repair: Repair,
        binary: bool,
        /// The chunk being read.
        chunk: Option<Chunk>,
    },
}

/// A chunk of the client's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) size: u64,
    pub(super) last: bool,
    left: u64,
}

impl Content {
    pub(super) fn data(ends: LineEnds, limits: &Limits, edit: Edit, budget: Budget) -> Self {
        Self::new(Transfer::Data(Scanner::default()), ends, limits, edit, budget)
    }

    pub(super) fn chunks(ends: LineEnds, binary: bool, limits: &Limits, edit: Edit, budget: Budget) -> Self {
        let transfer = Transfer::Chunks { repair: Repair::default(), binary, chunk: None };
        Self::new(transfer, ends, limits, edit, budget)
    }

    fn new(transfer: Transfer, ends: LineEnds, limits: &Limits, edit: Edit, budget: Budget) -> Self {
        let meter = Meter::new(Longest { header: limits.header_line.max, body: limits.body_line.max });
        Self { transfer, ends, meter, edit, found: Violations::NONE, fault: None, budget }
    }

    /// What was seen so far.
    pub(super) fn seen(&self) -> Seen {
        self.meter.seen()
    }

    /// What was found wrong so far.
    pub(super) fn found(&self) -> Violations {
        self.found
    }

    /// Whether a chunk is being read.
    pub(super) fn in_chunk(&self) -> bool {
        matches!(self.transfer, Transfer::Chunks { chunk: Some(_), .. })
    }

    /// The next octets are a chunk of this size; the client has its time anew.
    pub(super) fn begin_chunk(&mut self, size: u64, last: bool, budget: Budget) {
        self.budget = budget;
        if let Transfer::Chunks { chunk, .. } = &mut self.transfer {
            *chunk = Some(Chunk { size, last, left: size });
        }
    }

    /// Reads mail data at `at` in `input`, sends on what the scanner releases while nothing stands in the way.
    /// Gives the octets taken, and whether the end was seen.
    pub(super) fn read_data(
        &mut self,
        now: Moment,
        input: &[u8],
        at: usize,
        out: &mut Output,
    ) -> (usize, bool) {
        let Transfer::Data(scanner) = &mut self.transfer else { return (0, false) };
        let sound = self.fault.is_none();
        let (meter, edit) = (&mut self.meter, &mut self.edit);
        // Under "reject" what is released never reaches an end, but the relay sees no bare CR or LF all the same.
        let ends = if self.ends == LineEnds::Lenient { LineEnds::Lenient } else { LineEnds::Normalise };
        let rest = input.get(at..).unwrap_or_default();
        let scan = scanner.scan(rest, ends, &mut |piece| {
            meter.follow(piece.octets(), metered(piece, Slice::Stuffed));
            if sound {
                edit.pass(piece, &mut |piece| Exchange::content(input, &Cleared::released(piece), out));
            }
        });
        if scan.ended && sound {
            edit.finish(&mut |piece| Exchange::content(input, &Cleared::released(piece), out));
        }
        self.budget.earn(now, scan.taken);
        self.find(scan.bare_cr || scan.bare_lf, scan.nul);
        (scan.taken, scan.ended)
    }

    /// Reads of the chunk at `at` in `input` what is there. Gives the octets taken and the chunk, if it is complete.
    pub(super) fn read_chunk(
        &mut self,
        now: Moment,
        (input, at): (&[u8], usize),
        exchange: &mut Exchange,
        out: &mut Output,
    ) -> (usize, Option<Chunk>) {
        let Transfer::Chunks { repair, binary, chunk: reading } = &mut self.transfer else {
            return (0, None);
        };
        let Some(chunk) = reading.as_mut() else { return (0, None) };
        let rest = input.get(at..).unwrap_or_default();
        let taken = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(rest.len());
        let slice = rest.get(..taken).unwrap_or_default();
        chunk.left = chunk.left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
        let complete = (chunk.left == 0).then_some(*chunk);
        let ends = if self.ends == LineEnds::Lenient { LineEnds::Lenient } else { LineEnds::Normalise };
        let (sound, meter, mark) = (self.fault.is_none(), &mut self.meter, out.mark());
        let (edit, mut size) = (&mut self.edit, 0);
        let mut send = |piece: Piece<'_>| {
            size += piece.octets().len();
            Exchange::content(input, &Cleared::released(piece), out);
        };
        let mut release = |piece: Piece<'_>| {
            meter.follow(piece.octets(), metered(piece, Slice::Counted));
            if sound {
                edit.pass(piece, &mut send);
            }
        };
        let mut found = repair.pass(slice, ends, *binary, &mut release);
        if complete.is_some_and(|chunk| chunk.last) && !*binary {
            let (last, held) = repair.finish(ends);
            found.bare_cr |= last.bare_cr;
            if let Some(octets) = held {
                release(Piece::Own(octets));
            }
        }
        if complete.is_some_and(|chunk| chunk.last) && sound {
            edit.finish(&mut send);
        }
        exchange.chunk(now, mark, size, out);
        if complete.is_some() {
            *reading = None;
        }
        self.budget.earn(now, taken);
        self.find(found.bare_cr || found.bare_lf, found.nul);
        (taken, complete)
    }

    fn find(&mut self, bare: bool, nul: bool) {
        let binary = matches!(self.transfer, Transfer::Chunks { binary: true, .. });
        // RFC 3030 3: under BODY=BINARYMIME every octet is legal, and content has no lines.
        if bare && !binary {
            self.found.insert(Violation::BareLineEndInContent);
        }
        if nul && !binary {
            self.found.insert(Violation::NulInContent);
        }
    }

    /// Whether bare line ends are refused rather than repaired.
    pub(super) fn rejects_bare(&self) -> bool {
        self.ends == LineEnds::Reject
    }

    /// Whether content has lines at all.
    pub(super) fn has_lines(&self) -> bool {
        !matches!(self.transfer, Transfer::Chunks { binary: true, .. })
    }
}

/// What a piece is to the meter: `otherwise`, unless more is known of it.
fn metered(piece: Piece<'_>, otherwise: Slice) -> Slice {
    match piece {
        Piece::Plain(_) => Slice::Plain,
        Piece::Content(_) | Piece::Own(_) | Piece::Kept(_) => otherwise,
    }
}
