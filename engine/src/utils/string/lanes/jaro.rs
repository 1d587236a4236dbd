//! Jaro's similarity of a group of pairs.
#![expect(
    clippy::inline_always,
    clippy::cast_possible_truncation,
    reason = "what is not inlined into the dispatched function is compiled without its \
              instructions; positions stay below 64"
)]

use super::super::jaro::{WINKLER_PREFIX, from_counts};
use super::{Group, LANES, Word};

impl<const P: usize, const T: usize> Group<P, T> {
    /// Jaro's matches and transpositions for every pair at once; gives the similarities.
    #[inline(always)]
    pub(in super::super) fn jaro<W: Word>(&self, winkler: bool) -> [f64; LANES] {
        let (low, ends) = (self.low::<W>(), self.ends::<W>());
        let halves = self.text_lengths.map(|length| W::from_byte(length / 2));
        let mut within = self.text_lengths.map(|length| W::low((length / 2).max(1)));
        let mut taken = [W::default(); LANES];
        // By position of the text: where its character occurs, or nothing if it found no match.
        let mut found = [[[W::default(); LANES]; 8]; T];
        for position in 0..self.longest {
            let equal = self.equal(position);
            let found = &mut found[position / 8][position % 8];
            let (here, next) = (
                W::from_byte(position as u8),
                W::from_byte(position as u8 + 1),
            );
            for lane in 0..LANES {
                let goes = here.less(ends[lane]);
                let eq = W::join(&equal, lane).and(low[lane]);
                let free = eq.and(within[lane]).and(taken[lane].not());
                let free = if goes { free } else { W::default() };
                let first = free.and(W::default().minus(free));
                taken[lane] = taken[lane].or(first);
                found[lane] = if free.is_zero() { W::default() } else { eq };
                // The window takes in one more position until it is whole, then it only moves.
                let entering = if next.less(halves[lane]) {
                    W::one()
                } else {
                    W::default()
                };
                within[lane] = within[lane].twice().or(entering);
            }
        }
        let mut rest = taken;
        let mut moved = [0_u8; LANES];
        for position in 0..self.longest {
            let found = &found[position / 8][position % 8];
            for lane in 0..LANES {
                let first = rest[lane].and(W::default().minus(rest[lane]));
                let none = found[lane].is_zero();
                moved[lane] += u8::from(!none & found[lane].and(first).is_zero());
                rest[lane] = rest[lane].xor(if none { W::default() } else { first });
            }
        }
        let mut prefix = [0_u8; LANES];
        if winkler {
            let mut goes = [1_u8; LANES];
            for position in 0..WINKLER_PREFIX {
                let (a, b) = (
                    &self.pattern.rows[0][position],
                    &self.text.rows[0][position],
                );
                for lane in 0..LANES {
                    let same =
                        a[lane] == b[lane] && position < usize::from(self.pattern_lengths[lane]);
                    goes[lane] &= u8::from(same);
                    prefix[lane] += goes[lane];
                }
            }
        }
        let mut similarities = [0.0; LANES];
        for lane in 0..LANES {
            similarities[lane] = from_counts(
                taken[lane].ones(),
                u32::from(moved[lane]),
                u32::from(self.pattern_lengths[lane]),
                u32::from(self.text_lengths[lane]),
                u32::from(prefix[lane]),
            );
        }
        similarities
    }
}
