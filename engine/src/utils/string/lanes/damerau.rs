//! The unrestricted Damerau-Levenshtein distance of a group of pairs.
#![expect(
    clippy::inline_always,
    clippy::cast_possible_truncation,
    reason = "what is not inlined into the dispatched function is compiled without its \
              instructions; positions stay below 64"
)]

use super::{Group, LANES};

impl<const P: usize, const T: usize> Group<P, T> {
    /// The matrix of Damerau-Levenshtein, cell by cell for every pair at once; gives the
    /// similarities. See [`super::damerau`] for what is remembered.
    #[inline(always)]
    pub(in super::super) fn damerau(&self) -> [f64; LANES] {
        /// More than any distance here.
        const FAR: u8 = 129;
        /// No row or column; `FAR` plus any row or column less this wraps to more than `FAR`.
        const NEVER: u8 = 200;
        let width = usize::from(self.pattern_lengths.into_iter().max().unwrap_or(0));
        let mut above = [[[0; LANES]; 8]; P];
        let mut above_two = [[[FAR; LANES]; 8]; P];
        let mut met = [[[NEVER; LANES]; 8]; P];
        let mut before_met = [[[FAR; LANES]; 8]; P];
        for column in 0..width {
            above[column / 8][column % 8] = [column as u8 + 1; LANES];
        }
        let mut distances = [0; LANES];
        for row in 0..self.longest {
            let text = &self.text.rows[row / 8][row % 8];
            let row = row as u8 + 1;
            let (mut row_met, mut row_before_met) = ([NEVER; LANES], [FAR; LANES]);
            let mut corner_two = [if row == 1 { FAR } else { row - 2 }; LANES];
            let (mut corner, mut left) = ([row - 1; LANES], [row; LANES]);
            let mut corner_left_two = [FAR; LANES];
            for column in 0..width {
                let (chunk, place) = (column / 8, column % 8);
                let column = column as u8 + 1;
                let pattern = &self.pattern.rows[chunk][place];
                // By value, so that the loop below has nothing to load and store but vectors.
                let (up, up_two) = (above[chunk][place], above_two[chunk][place]);
                let (old_met, old_before) = (met[chunk][place], before_met[chunk][place]);
                let (mut next, mut new_met, mut new_before) = (up, old_met, old_before);
                for lane in 0..LANES {
                    let same = mask(pattern[lane] == text[lane]);
                    let edit = 1 + corner[lane].min(left[lane]).min(up[lane]);
                    let over = old_before[lane]
                        .wrapping_add(row)
                        .wrapping_sub(old_met[lane]);
                    let over = over | !mask(row_met[lane] == column - 1);
                    let down = row_before_met[lane]
                        .wrapping_add(column)
                        .wrapping_sub(row_met[lane]);
                    let down = down | !mask(old_met[lane] == row - 1);
                    next[lane] = pick(same, corner[lane], edit.min(over).min(down));
                    new_met[lane] = pick(same, row, old_met[lane]);
                    new_before[lane] = pick(same, corner_left_two[lane], old_before[lane]);
                    row_met[lane] = pick(same, column, row_met[lane]);
                    row_before_met[lane] = pick(same, corner_two[lane], row_before_met[lane]);
                }
                (met[chunk][place], before_met[chunk][place]) = (new_met, new_before);
                (above[chunk][place], above_two[chunk][place]) = (next, up);
                (corner_left_two, corner_two, corner, left) = (corner, up_two, up, next);
            }
            if usize::from(row) >= self.shortest {
                for lane in 0..LANES {
                    if self.text_lengths[lane] == row {
                        let last = usize::from(self.pattern_lengths[lane]) - 1;
                        distances[lane] = above[last / 8][last % 8][lane];
                    }
                }
            }
        }
        let mut similarities = [0.0; LANES];
        for lane in 0..LANES {
            let length = self.text_lengths[lane];
            similarities[lane] =
                f64::from(length - distances[lane].min(length)) / f64::from(length);
        }
        similarities
    }
}

/// All bits, or none.
#[inline(always)]
fn mask(condition: bool) -> u8 {
    if condition { u8::MAX } else { 0 }
}

#[inline(always)]
fn pick(mask: u8, yes: u8, no: u8) -> u8 {
    yes & mask | no & !mask
}
