//! Levenshtein's distance of a group of pairs.
#![expect(
    clippy::inline_always,
    clippy::cast_possible_truncation,
    reason = "what is not inlined into the dispatched function is compiled without its \
              instructions; positions stay below 64"
)]

use super::{Group, LANES, Word};

impl<const P: usize, const T: usize> Group<P, T> {
    /// Myers' columns for every pair at once; gives the similarities.
    #[inline(always)]
    pub(in super::super) fn levenshtein<W: Word>(&self) -> [f64; LANES] {
        let mut rises = [W::default().not(); LANES];
        let mut falls = [W::default(); LANES];
        for position in 0..self.shortest {
            let equal = self.equal(position);
            for lane in 0..LANES {
                (rises[lane], falls[lane]) =
                    column(rises[lane], falls[lane], W::join(&equal, lane));
            }
        }
        let ends = self.ends::<W>();
        for position in self.shortest..self.longest {
            let equal = self.equal(position);
            let here = W::from_byte(position as u8);
            for lane in 0..LANES {
                let (rise, fall) = column(rises[lane], falls[lane], W::join(&equal, lane));
                // A text that has ended keeps its last column.
                let goes = here.less(ends[lane]);
                rises[lane] = if goes { rise } else { rises[lane] };
                falls[lane] = if goes { fall } else { falls[lane] };
            }
        }
        let low = self.low::<W>();
        let mut similarities = [0.0; LANES];
        for lane in 0..LANES {
            // The last cell: the length of the text, and all steps down the last column.
            let up = falls[lane].and(low[lane]).ones();
            let down = rises[lane].and(low[lane]).ones();
            let length = u32::from(self.text_lengths[lane]);
            similarities[lane] = f64::from(up.wrapping_sub(down).cast_signed()) / f64::from(length);
        }
        similarities
    }
}

/// One column of Myers' matrix: where it rises and where it falls, after the one before.
#[inline(always)]
fn column<W: Word>(rise: W, fall: W, equal: W) -> (W, W) {
    let diagonal = equal.and(rise).plus(rise).xor(rise).or(equal).or(fall);
    let right_rise = fall.or(diagonal.or(rise).not());
    let right_fall = diagonal.and(rise);
    let shifted = right_rise.twice().or(W::one());
    (
        right_fall.twice().or(diagonal.or(shifted).not()),
        shifted.and(diagonal),
    )
}
