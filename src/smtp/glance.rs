//! One look at many octets of content: does one of them need a turn of its own?
//!
//! Nearly all content is sound, and to know that of a whole block costs a fraction of going from line end to line end.
//! The loop in `Lanes::take` has no branch, and no step that depends on what it has read, so that it becomes vector
//! instructions, the widest that the machine has. It is easily spoilt: `a && b` in place of `a & b` made it fifty times
//! slower, and what is not inlined into `dispatch` twice, so who changes it measures it.

use fearless_simd::{Level, dispatch};

/// The most octets that one look takes in. If it finds something, these are gone through line by line.
const BLOCK: usize = 4096;

/// Octets that are looked at together.
const LANES: usize = 32;

type Block<'a> = &'a [u8; LANES];

/// What one look says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Glance {
    /// How many octets it speaks of, at least one; if they are sound, no CR is the last of them.
    pub(super) octets: usize,
    /// There is no NUL, no CR that no LF follows, and no LF that follows no CR.
    pub(super) sound: bool,
    /// A LF has a dot behind it (the dot may be the first octet behind these). Says nothing of what is not sound.
    pub(super) dotted: bool,
    /// An octet is above 127.
    pub(super) eight_bit: bool,
}

impl Glance {
    /// Whether none of these octets, which are at the front, is above 127.
    pub(super) fn is_ascii(self, front: &[u8]) -> bool {
        !self.eight_bit && front.len() <= self.octets || front.is_ascii()
    }
}

/// Looks over an input from front to back, and at no octet twice.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    last: Glance,
    /// Where the octets end that it speaks of.
    end: usize,
}

impl Lookout {
    /// What is known of what stands at `at`, behind no CR: the rest of what was looked at last, or a new look. None: that
    /// would be too little.
    pub(super) fn look(&mut self, input: &[u8], at: usize) -> Option<Glance> {
        if at >= self.end {
            // The end of mail data has a turn of its own: a block that had it in sight would be searched for it.
            let content = input.strip_suffix(b".\r\n").unwrap_or(input);
            self.last = Glance::of(Level::new(), content.get(at..)?)?;
            self.end = at + self.last.octets;
        }
        Some(Glance { octets: self.end - at, ..self.last })
    }
}

impl Glance {
    /// An octet is judged by the one before it and the one behind it; so the first is judged apart, and the last is not.
    fn of(level: Level, content: &[u8]) -> Option<Self> {
        let block = content.get(..BLOCK + 2).unwrap_or(content);
        let [first, own @ .., _] = block else { return None };
        let (before, behind) = (block.get(..own.len())?, block.get(2..)?);
        let ((before, before_rest), (own, own_rest), (behind, behind_rest)) =
            (before.as_chunks::<LANES>(), own.as_chunks::<LANES>(), behind.as_chunks::<LANES>());
        let mut lanes = dispatch!(level, _ => Lanes::over(before.iter().zip(own).zip(behind)));
        lanes.take(before_rest, own_rest, behind_rest);
        let [.., last, _] = block else { return None };
        Some(Self {
            octets: block.len() - 1 - usize::from(*last == b'\r'),
            sound: !matches!(first, b'\n' | 0) && lanes.sound(),
            dotted: any(&lanes.dotted) != 0,
            eight_bit: !(first | any(&lanes.octets)).is_ascii(),
        })
        .filter(|glance| glance.octets > 0)
    }
}

/// What was seen so far, in each of the places that are looked at together.
struct Lanes {
    /// Not zero: a LF that follows no CR, or an octet other than LF that follows a CR.
    bare: [u8; LANES],
    /// Not zero: a LF with a dot behind it.
    dotted: [u8; LANES],
    /// The least octet.
    least: [u8; LANES],
    /// The bits of all octets.
    octets: [u8; LANES],
}

impl Default for Lanes {
    fn default() -> Self {
        Self { bare: [0; LANES], dotted: [0; LANES], least: [u8::MAX; LANES], octets: [0; LANES] }
    }
}

#[expect(clippy::inline_always, reason = "it is compiled for the vectors of whoever it is inlined into")]
impl Lanes {
    /// Looks at blocks of octets, each with the one before it and the one behind it.
    #[inline(always)]
    fn over<'a>(blocks: impl Iterator<Item = ((Block<'a>, Block<'a>), Block<'a>)>) -> Self {
        let mut lanes = Self::default();
        for ((before, own), behind) in blocks {
            lanes.take(before, own, behind);
        }
        lanes
    }

    /// Looks at octets, each with the one before it and the one behind it.
    #[inline(always)]
    fn take(&mut self, before: &[u8], own: &[u8], behind: &[u8]) {
        let octets = before.iter().zip(own).zip(behind);
        let lanes = self.bare.iter_mut().zip(&mut self.dotted).zip(&mut self.least).zip(&mut self.octets);
        for (((before, own), behind), (((bare, dotted), least), all)) in octets.zip(lanes) {
            let lf = mask(*own == b'\n');
            *bare |= mask(*before == b'\r') ^ lf;
            *dotted |= lf & mask(*behind == b'.');
            *least = (*least).min(*own);
            *all |= own;
        }
    }

    fn sound(&self) -> bool {
        any(&self.bare) == 0 && self.least.iter().fold(u8::MAX, |least, lane| least.min(*lane)) > 0
    }
}

/// All bits or none, as vectors compare.
const fn mask(is: bool) -> u8 {
    if is { u8::MAX } else { 0 }
}

fn any(lanes: &[u8; LANES]) -> u8 {
    lanes.iter().fold(0, |any, lane| any | lane)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    const PARTS: &[&[u8]] = &[
        b"\r\n",
        b"\r",
        b"\n",
        b".",
        b"\0",
        b"\xff",
        b"\x80",
        b"\x7f",
        b"\r\n.",
        b"a",
        b"bcd",
        b"a line of its own\r\n",
        &[b'-'; 64],
        &[b'='; BLOCK - 1],
    ];

    /// What the fields of [`Glance`] say, octet by octet.
    fn definition(content: &[u8], octets: usize) -> Glance {
        let at = |place: usize| content[place];
        let odd = |place: usize| match at(place) {
            b'\r' => at(place + 1) != b'\n',
            b'\n' => place == 0 || at(place - 1) != b'\r',
            octet => octet == 0,
        };
        let sound = !(0..octets).any(odd);
        Glance {
            octets,
            sound,
            dotted: sound && (0..octets).any(|place| at(place) == b'\n' && at(place + 1) == b'.'),
            eight_bit: (0..octets).any(|place| at(place) > 127),
        }
    }

    /// With the vectors that every such machine has, and with all that this one has.
    fn check(content: &[u8]) {
        let best = Level::new();
        for level in [Level::baseline(), best].into_iter().chain(best.as_avx2().map(Level::Avx2)) {
            check_with(level, content);
        }
    }

    fn check_with(level: Level, content: &[u8]) {
        let Some(glance) = Glance::of(level, content) else { return assert!(content.len() < 3) };
        let shown = content.escape_ascii();
        let glance = Glance { dotted: glance.sound && glance.dotted, ..glance };
        assert_eq!(glance, definition(content, glance.octets), "{shown}");
        let most = content.len().min(BLOCK + 2) - 1;
        assert!((most - 1..=most).contains(&glance.octets), "{shown}");
        assert!(!glance.sound || content[glance.octets - 1] != b'\r', "{shown}");
    }

    #[test]
    fn nothing_odd_goes_unseen_wherever_it_stands() {
        for size in [3 * LANES + 5, BLOCK + 5] {
            for sound in [vec![b'a'; size], b"abc\r\n".repeat(size / 5)] {
                for place in size - 3 * LANES - 5..sound.len() {
                    for octet in *b"\r\n.\0\xff" {
                        let mut content = sound.clone();
                        content[place] = octet;
                        check(&content);
                    }
                }
            }
        }
    }

    #[test]
    fn an_input_is_looked_at_once() {
        let (mut lookout, input) = (Lookout::default(), [b'a'; 3 * BLOCK]);
        let first = lookout.look(&input, 0).unwrap();
        assert_eq!(lookout.look(&input, first.octets - 1), Some(Glance { octets: 1, ..first }));
        assert_eq!(lookout.look(&input, first.octets), Some(first));
    }

    proptest! {
        #[test]
        fn a_glance_sees_what_going_octet_by_octet_sees(parts in vec(select(PARTS), 0..60)) {
            check(&parts.concat());
        }
    }
}
