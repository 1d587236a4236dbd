//! Pairs put into groups that a kernel takes at once.
#![expect(
    clippy::inline_always,
    clippy::cast_possible_truncation,
    reason = "what is not inlined into the dispatched function is compiled without its \
              instructions; lengths stay below 65"
)]

use super::batch::Pairs;
use super::dispatch::{Level, Work};
use super::jaro::{self, WINKLER_PREFIX};
use super::lanes::{EIGHTS, Group, LANES, Word, Words, transpose};
use super::texts::Texts;
use super::{
    damerau_levenshtein_similarity, indel_similarity, jaro_similarity, jaro_winkler_similarity,
    levenshtein_similarity,
};

/// What is computed for many pairs at once.
#[derive(Clone, Copy)]
pub(super) enum Kernel {
    Levenshtein,
    Damerau,
    Indel,
    Jaro,
    JaroWinkler,
}

impl Kernel {
    fn one_pair(self, left: &str, right: &str) -> f64 {
        match self {
            Self::Levenshtein => levenshtein_similarity(left, right),
            Self::Damerau => damerau_levenshtein_similarity(left, right),
            Self::Indel => indel_similarity(left, right),
            Self::Jaro => jaro_similarity(left, right),
            Self::JaroWinkler => jaro_winkler_similarity(left, right),
        }
    }

    /// No pair of texts of these lengths is more similar.
    fn bound(self, shorter: usize, longer: usize) -> f64 {
        let (m, n) = (shorter as u32, longer as u32);
        match self {
            Self::Levenshtein | Self::Damerau => f64::from(m) / f64::from(n),
            Self::Indel => f64::from(2 * m) / f64::from(m + n),
            // Winkler's lift rounds on its way, so that a bound may lie a last digit too low.
            Self::Jaro => jaro::from_counts(m, 0, m, n, 0) + 1e-9,
            Self::JaroWinkler => jaro::from_counts(m, 0, m, n, m.min(WINKLER_PREFIX as u32)) + 1e-9,
        }
    }
}

/// Pairs that are sorted at a time: enough that few groups are left half empty, and few enough that
/// what is known of them stays in the first caches.
const CHUNK: usize = 4096;
/// Longer texts go one pair at a time.
const LONGEST: usize = 64;
/// Classes of pairs by the lengths of both texts; see [`class`].
const CLASSES: usize = 3;
/// Bins of pairs that are sorted: one for each class and length of the longer text.
const BINS: usize = CLASSES * (LONGEST + 1);

/// Which kernel fits: 0 for up to 16 and 32 characters, 1 for 32 and 32, 2 for 64 and 64.
fn class(shorter: usize, longer: usize) -> usize {
    if longer > 32 {
        2
    } else {
        usize::from(shorter > 16)
    }
}

/// A pair that waits for its group.
#[derive(Clone, Copy, Default)]
struct Waiting {
    pair: u32,
    /// Where the shorter and the longer text start.
    pattern: u32,
    text: u32,
    pattern_length: u8,
    text_length: u8,
    /// Whether the shorter text is the right one's.
    swapped: bool,
    class: u8,
}

/// Writes the similarity of each pair into its place of `out`, as
/// [`similarities`](super::similarities) says.
pub(super) fn similarities(
    level: Level,
    kernel: Kernel,
    left: &Texts,
    right: &Texts,
    pairs: &Pairs,
    at_least: f64,
    out: &mut [f64],
) {
    for alive in pairs.alive.chunks(CHUNK) {
        let pairs = Pairs { alive, ..*pairs };
        let (waiting, ends) = sort(kernel, left, right, &pairs, at_least, out);
        level.run(Job {
            kernel,
            left: left.bytes(),
            right: right.bytes(),
            waiting: &waiting,
            ends,
            out,
        });
    }
}

/// Pairs for the kernels, by class and within it by the length of the longer text, and where each
/// class ends. Those that no kernel takes have their similarity when this returns.
fn sort(
    kernel: Kernel,
    left: &Texts,
    right: &Texts,
    pairs: &Pairs,
    at_least: f64,
    out: &mut [f64],
) -> (Vec<Waiting>, [usize; CLASSES]) {
    let mut waiting = Vec::with_capacity(pairs.alive.len());
    // First the pairs in each bin, shifted by one; then where each bin starts.
    let mut counts = [0_usize; BINS + 1];
    for &pair in pairs.alive {
        let (l, r) = (
            pairs.left_rows[pair as usize],
            pairs.right_rows[pair as usize],
        );
        let ((l_start, l_length), (r_start, r_length)) = (left.place(l), right.place(r));
        let (Some(l_length @ 1..=LONGEST), Some(r_length @ 1..=LONGEST)) = (l_length, r_length)
        else {
            out[pair as usize] = kernel.one_pair(left.text(l), right.text(r));
            continue;
        };
        let swapped = r_length < l_length;
        let (pattern, pattern_length, text, text_length) = if swapped {
            (r_start, r_length, l_start, l_length)
        } else {
            (l_start, l_length, r_start, r_length)
        };
        if at_least > 0.0 && kernel.bound(pattern_length, text_length) < at_least {
            out[pair as usize] = 0.0;
            continue;
        }
        let class = class(pattern_length, text_length);
        counts[class * (LONGEST + 1) + text_length + 1] += 1;
        waiting.push(Waiting {
            pair,
            pattern,
            text,
            pattern_length: pattern_length as u8,
            text_length: text_length as u8,
            swapped,
            class: class as u8,
        });
    }
    for index in 1..counts.len() {
        counts[index] += counts[index - 1];
    }
    let ends = [1, 2, 3].map(|class| counts[class * (LONGEST + 1)]);
    let mut sorted = vec![Waiting::default(); waiting.len()];
    for pair in &waiting {
        let place =
            &mut counts[usize::from(pair.class) * (LONGEST + 1) + usize::from(pair.text_length)];
        sorted[*place] = *pair;
        *place += 1;
    }
    (sorted, ends)
}

/// A chunk of sorted pairs, to be compiled for each level.
struct Job<'a> {
    kernel: Kernel,
    left: &'a [u8],
    right: &'a [u8],
    waiting: &'a [Waiting],
    ends: [usize; CLASSES],
    out: &'a mut [f64],
}

impl Work for Job<'_> {
    #[inline(always)]
    fn run(mut self) {
        let [one, two, three] = self.ends;
        self.groups::<u16, 2, 4>(0, one);
        self.groups::<u32, 4, 4>(one, two);
        self.groups::<u64, 8, 8>(two, three);
    }
}

impl Job<'_> {
    #[inline(always)]
    fn groups<W: Word, const P: usize, const T: usize>(&mut self, from: usize, to: usize) {
        for group in self.waiting[from..to].chunks(LANES) {
            let loaded = self.load::<P, T>(group);
            let similarities = match self.kernel {
                Kernel::Levenshtein => loaded.levenshtein::<W>(),
                Kernel::Damerau => loaded.damerau(),
                Kernel::Indel => loaded.indel::<W>(),
                Kernel::Jaro => loaded.jaro::<W>(false),
                Kernel::JaroWinkler => loaded.jaro::<W>(true),
            };
            for (pair, similarity) in group.iter().zip(similarities) {
                self.out[pair.pair as usize] = similarity;
            }
        }
    }

    #[inline(always)]
    fn load<const P: usize, const T: usize>(&self, group: &[Waiting]) -> Group<P, T> {
        let mut patterns: Words<P> = [[[0; EIGHTS]; P]; 8];
        let mut texts: Words<T> = [[[0; EIGHTS]; T]; 8];
        let mut pattern_lengths = [1; LANES];
        let mut text_lengths = [1; LANES];
        for (lane, pair) in group.iter().enumerate() {
            let (short, long) = if pair.swapped {
                (self.right, self.left)
            } else {
                (self.left, self.right)
            };
            let (row, eight) = (lane % 8, lane / 8);
            read::<P>(short, pair.pattern, |chunk, word| {
                patterns[row][chunk][eight] = word;
            });
            read::<T>(long, pair.text, |chunk, word| {
                texts[row][chunk][eight] = word;
            });
            pattern_lengths[lane] = pair.pattern_length;
            text_lengths[lane] = pair.text_length;
        }
        Group {
            pattern: transpose(&mut patterns),
            text: transpose(&mut texts),
            pattern_lengths,
            text_lengths,
            shortest: usize::from(group[0].text_length),
            longest: usize::from(group[group.len() - 1].text_length),
        }
    }
}

/// Gives the bytes from `start` on, eight to a word, `CHUNKS` words; those wholly beyond the end are
/// not given.
#[inline(always)]
fn read<const CHUNKS: usize>(bytes: &[u8], start: u32, mut give: impl FnMut(usize, u64)) {
    let start = start as usize;
    if let Some(bytes) = bytes.get(start..start + 8 * CHUNKS) {
        for (chunk, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
            give(chunk, u64::from_le_bytes(*eight));
        }
    } else {
        for (chunk, eight) in bytes[start..].chunks(8).take(CHUNKS).enumerate() {
            let mut whole = [0; 8];
            whole[..eight.len()].copy_from_slice(eight);
            give(chunk, u64::from_le_bytes(whole));
        }
    }
}
