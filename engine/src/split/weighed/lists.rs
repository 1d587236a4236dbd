//! The candidates of a problem, by whole and by part.

use super::Problem;

/// The candidates of every whole, and the other way round, the best first.
pub struct Lists {
    whole_starts: Vec<usize>,
    of_wholes: Vec<(u32, i64)>,
    /// Where each of them stands among the candidates.
    places: Vec<usize>,
    /// How many comparisons there are.
    pub comparisons: usize,
    part_starts: Vec<usize>,
    of_parts: Vec<(u32, i64)>,
}

impl Lists {
    /// Sorts the candidates. A part that is zero adds nothing and takes no part.
    pub fn new(problem: &Problem, window: Option<u32>) -> Self {
        let fits = |whole: u32, part: u32| {
            let (whole, part) = (
                &problem.wholes[whole as usize],
                &problem.parts[part as usize],
            );
            let near = match (window, whole.day.zip(part.day)) {
                (None, _) => true,
                (Some(window), Some((one, other))) => one.abs_diff(other) <= window,
                (Some(_), None) => false,
            };
            near && part.amount != 0
        };
        let mut pairs: Vec<(u32, i64, u32, usize)> = (problem.candidates.iter().enumerate())
            .filter(|(_, candidate)| fits(candidate.whole, candidate.part))
            .map(|(at, c)| (c.whole, -c.merit, c.part, at))
            .collect();
        pairs.sort_unstable();
        let whole_starts = starts(pairs.iter().map(|pair| pair.0), problem.wholes.len());
        let of_wholes = pairs.iter().map(|&(_, m, part, _)| (part, -m)).collect();
        let places = pairs.iter().map(|pair| pair.3).collect();
        let mut pairs: Vec<(u32, i64, u32)> = (pairs.into_iter())
            .map(|(whole, merit, part, _)| (part, merit, whole))
            .collect();
        pairs.sort_unstable();
        Self {
            whole_starts,
            of_wholes,
            places,
            comparisons: problem.evidence.len() / problem.candidates.len().max(1),
            part_starts: starts(pairs.iter().map(|pair| pair.0), problem.parts.len()),
            of_parts: pairs.iter().map(|&(_, m, whole)| (whole, -m)).collect(),
        }
    }

    /// The candidates of a whole with their merits, the best first.
    pub fn of_whole(&self, whole: u32) -> &[(u32, i64)] {
        let at = whole as usize;
        &self.of_wholes[self.whole_starts[at]..self.whole_starts[at + 1]]
    }

    /// What the comparisons say of a whole's candidates, side by side.
    pub fn evidence<'a>(
        &'a self,
        problem: &'a Problem,
        whole: u32,
    ) -> impl Iterator<Item = &'a [i64]> {
        let at = whole as usize;
        let places = self.places[self.whole_starts[at]..self.whole_starts[at + 1]].iter();
        places.map(move |place| &problem.evidence[place * self.comparisons..][..self.comparisons])
    }

    /// The wholes that a part is a candidate of, with the merits, the best first.
    pub fn of_part(&self, part: u32) -> &[(u32, i64)] {
        let at = part as usize;
        &self.of_parts[self.part_starts[at]..self.part_starts[at + 1]]
    }
}

/// Where each of `count` groups of a sorted sequence starts, and the end.
fn starts(sorted: impl Iterator<Item = u32>, count: usize) -> Vec<usize> {
    let mut starts = vec![0; count + 1];
    for group in sorted {
        starts[group as usize + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    starts
}
