//! The Indel similarity of a group of pairs.
#![expect(
    clippy::inline_always,
    clippy::cast_possible_truncation,
    reason = "what is not inlined into the dispatched function is compiled without its \
              instructions; positions stay below 64"
)]

use super::{Group, LANES, Word};

impl<const P: usize, const T: usize> Group<P, T> {
    /// The longest common subsequence by Hyyrö's columns; gives the similarities of Indel.
    #[inline(always)]
    pub(in super::super) fn indel<W: Word>(&self) -> [f64; LANES] {
        let (low, ends) = (self.low::<W>(), self.ends::<W>());
        let mut state = [W::default().not(); LANES];
        for position in 0..self.longest {
            let equal = self.equal(position);
            let here = W::from_byte(position as u8);
            for lane in 0..LANES {
                let goes = here.less(ends[lane]);
                let eq = W::join(&equal, lane);
                let hit = if goes {
                    state[lane].and(eq)
                } else {
                    W::default()
                };
                state[lane] = state[lane].plus(hit).or(state[lane].minus(hit));
            }
        }
        let mut similarities = [0.0; LANES];
        for lane in 0..LANES {
            let common = state[lane].not().and(low[lane]).ones();
            let total = u32::from(self.pattern_lengths[lane]) + u32::from(self.text_lengths[lane]);
            similarities[lane] = f64::from(2 * common) / f64::from(total);
        }
        similarities
    }
}
