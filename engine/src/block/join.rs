//! The join of one block.
//!
//! A block is an equi-join on its number and, for each window after the first, on the bucket of the
//! window's width: a right row lies in one bucket, and a left row's window in one or two
//! neighbouring ones, so that every pair comes once. Within a group the right rows are sorted by
//! the first window's value; a left row's partners are then one run of them. What is kept is a run
//! for each left row, never the pairs.

mod pairs;

pub use pairs::{Part, parts};

use super::near::{Digit, Range, Sides};
use super::number::{NONE, number_keys};
use super::words::{PerRow, Shared};
use std::thread;

/// Windows that buckets narrow down, each at up to two look-ups for a left row.
const MOST_BUCKETED: usize = 2;
/// What a block asks of a pair: equal numbers, and every range.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// Each left row's number; [`NONE`] where it takes no part.
    pub left: Vec<u32>,
    /// Each right row's number; [`NONE`] where it takes no part.
    pub right: Vec<u32>,
    /// How many numbers there are.
    pub count: u32,
    /// The windows.
    pub ranges: Vec<Range>,
    /// The words of which rows must share one.
    pub words: Option<Shared>,
}

/// A left row and its partners' places in [`Join::rights`].
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The left row.
    pub left: u32,
    /// The first partner's place.
    pub from: u32,
    /// The place after the last partner.
    pub to: u32,
}

impl Run {
    /// How many partners there are.
    pub fn pairs(self) -> u64 {
        u64::from(self.to - self.from)
    }
}

/// A block, joined.
#[derive(Debug, Default)]
pub struct Join {
    /// Left rows with partners, neighbours in a group next to each other.
    pub runs: Vec<Run>,
    /// Right rows, group by group.
    pub rights: Vec<u32>,
    /// The word of each run, where the block asks for words.
    pub words: Vec<u32>,
    /// The range whose value sorts the groups.
    pub sorted_by: Option<usize>,
    /// The ranges that the join has not seen to, or not wholly.
    rest: Vec<usize>,
    /// The pairs of all runs: those of the block, and those that `rest` will drop.
    pub pairs: u64,
}

/// Rows of one side, group by group.
struct Groups<T> {
    /// The place after each group's last member.
    ends: Vec<u32>,
    members: Vec<T>,
}

impl<T> Groups<T> {
    /// The places of a group's members.
    fn places(&self, group: usize) -> (u32, u32) {
        let from = if group == 0 { 0 } else { self.ends[group - 1] };
        (from, self.ends[group])
    }
}

impl Join {
    /// Whether [`Join::pairs`] is the block's count and not just a bound of it.
    pub fn is_exact(&self) -> bool {
        self.rest.is_empty() && self.words.is_empty()
    }

    /// Finds the runs of a block.
    pub fn new(condition: &Condition) -> Self {
        let rows = Rows::of(condition);
        let mut join = if condition.ranges.is_empty() {
            Self::of_equals(&rows)
        } else {
            Self::of_ranges(condition, rows)
        };
        join.pairs = join.runs.iter().map(|run| run.pairs()).sum();
        join
    }

    fn of_equals(rows: &Rows) -> Self {
        let group = |members: &[Member]| grouped(members, rows.count, |row| row);
        let (lefts, rights) = (group(&rows.left), group(&rows.right));
        let mut join = Self::default();
        for at in 0..rows.count as usize {
            let (from, to) = rights.places(at);
            if from == to {
                continue;
            }
            let (first, end) = lefts.places(at);
            for &left in &lefts.members[first as usize..end as usize] {
                join.runs.push(Run { left, from, to });
            }
            if let Some(&word) = rows.words.get(at) {
                join.words.resize(join.runs.len(), word);
            }
        }
        join.rights = rights.members;
        join
    }

    fn of_ranges(condition: &Condition, mut rows: Rows) -> Self {
        let mut order: Vec<usize> = (0..condition.ranges.len()).collect();
        order.sort_by_key(|&at| (std::cmp::Reverse(condition.ranges[at].selectivity()), at));
        let sorted_by = order.remove(0);
        let bucketed: Vec<usize> = order
            .into_iter()
            .filter(|&at| condition.ranges[at].window().bucket().is_some())
            .take(MOST_BUCKETED)
            .collect();
        for &at in &bucketed {
            rows = rows.split(&condition.ranges[at]);
        }
        let range = &condition.ranges[sorted_by];
        let (runs, words, rights) = match range.sides() {
            Sides::Narrow(left, right) => runs(range, &rows, left, right),
            Sides::Wide(left, right) => runs(range, &rows, left, right),
        };
        Self {
            runs,
            words,
            rights,
            sorted_by: Some(sorted_by),
            rest: (0..condition.ranges.len())
                .filter(|&at| at != sorted_by)
                .collect(),
            pairs: 0,
        }
    }
}

/// The runs of a range within groups, and the right rows that they point at.
fn runs<V: Digit>(
    range: &Range,
    rows: &Rows,
    left: &[V],
    right: &[V],
) -> (Vec<Run>, Vec<u32>, Vec<u32>) {
    let sorted = |members, values: &[V]| {
        let mut groups = grouped(members, rows.count, |row| (values[row as usize], row));
        for group in 0..groups.ends.len() {
            let (from, to) = groups.places(group);
            groups.members[from as usize..to as usize].sort_unstable();
        }
        groups
    };
    let (lefts, rights) = thread::scope(|scope| {
        let rights = scope.spawn(|| sorted(&rows.right, right));
        (sorted(&rows.left, left), rights.join())
    });
    let rights = rights.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let mut runs = Vec::with_capacity(lefts.members.len());
    let mut words = Vec::new();
    for group in 0..lefts.ends.len() {
        let (from, to) = lefts.places(group);
        let (start, end) = rights.places(group);
        let partners = &rights.members[start as usize..end as usize];
        for &(value, left) in &lefts.members[from as usize..to as usize] {
            let (low, high) = range.window().of(value.wide());
            let (low, high) = (V::nearest(low), V::nearest(high));
            let first = partners.partition_point(|partner| partner.0 < low);
            let size = partners[first..].partition_point(|partner| partner.0 <= high);
            if size > 0 {
                let from = start + place(first);
                runs.push(Run {
                    left,
                    from,
                    to: from + place(size),
                });
            }
        }
        if let Some(&word) = rows.words.get(group) {
            words.resize(runs.len(), word);
        }
    }
    let rights = rights.members.into_iter().map(|member| member.1);
    (runs, words, rights.collect())
}

/// A group and a row in it.
type Member = (u32, u32);

/// Rows are counted in 32 bits, and so are their places.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}

/// The members of groups 0 to `count`, by group and then as they come.
fn grouped<T: Copy + Default>(members: &[Member], count: u32, of: impl Fn(u32) -> T) -> Groups<T> {
    let mut ends = vec![0_u32; count as usize];
    for &(group, _) in members {
        ends[group as usize] += 1;
    }
    let mut sum = 0;
    for end in &mut ends {
        let size = *end;
        *end = sum;
        sum += size;
    }
    let mut places = vec![T::default(); members.len()];
    for &(group, row) in members {
        let end = &mut ends[group as usize];
        places[*end as usize] = of(row);
        *end += 1;
    }
    Groups {
        ends,
        members: places,
    }
}

/// The rows that have a number, with it.
fn members(numbers: &[u32]) -> Vec<Member> {
    (0..)
        .zip(numbers)
        .filter(|&(_, &number)| number != NONE)
        .map(|(row, &number)| (number, row))
        .collect()
}

/// The rows of a block by group, each as often as it is in one.
struct Rows {
    left: Vec<Member>,
    right: Vec<Member>,
    /// How many groups there are.
    count: u32,
    /// The word of each group, where the block asks for words.
    words: Vec<u32>,
}

impl Rows {
    fn of(condition: &Condition) -> Self {
        let (left, right) = (members(&condition.left), members(&condition.right));
        let Some(shared) = &condition.words else {
            return Self {
                left,
                right,
                count: condition.count,
                words: Vec::new(),
            };
        };
        let worded = |members: Vec<Member>, words: &PerRow| -> Vec<(u32, u32, u32)> {
            let each = |&(group, row): &Member| {
                let words = words.of(row as usize).iter();
                words.map(move |&word| (group, word, row))
            };
            members.iter().flat_map(each).collect()
        };
        let (left, right) = (worded(left, &shared.left), worded(right, &shared.right));
        let numbers = number_keys(
            (left.len(), right.len()),
            |at| Some((left[at].0, left[at].1)),
            |at| Some((right[at].0, right[at].1)),
        );
        let mut words = vec![0; numbers.count as usize];
        for (&group, &(_, word, _)) in numbers.left.iter().zip(&left) {
            words[group as usize] = word;
        }
        let members = |numbers: &[u32], rows: &[(u32, u32, u32)]| -> Vec<Member> {
            let rows = numbers.iter().zip(rows);
            rows.filter(|&(&group, _)| group != NONE)
                .map(|(&group, row)| (group, row.2))
                .collect()
        };
        Self {
            left: members(&numbers.left, &left),
            right: members(&numbers.right, &right),
            count: numbers.count,
            words,
        }
    }

    /// Splits groups by the buckets of a range: each right row into one, each left row into those
    /// that its window touches.
    fn split(self, range: &Range) -> Self {
        let width = range.window().bucket().unwrap_or(i128::MAX);
        let mut probes = Vec::with_capacity(self.left.len() * 2);
        for &(group, row) in &self.left {
            let (low, high) = range.window().of(range.left(row));
            let (first, last) = (low.div_euclid(width), high.div_euclid(width));
            probes.push((group, first, row));
            if first != last {
                probes.push((group, last, row));
            }
        }
        let numbers = number_keys(
            (self.right.len(), probes.len()),
            |at| {
                let (group, row) = self.right[at];
                Some((group, range.right(row).div_euclid(width)))
            },
            |at| Some((probes[at].0, probes[at].1)),
        );
        let mut words = Vec::new();
        if !self.words.is_empty() {
            words.resize(numbers.count as usize, 0);
            for (&group, &(before, _)) in numbers.left.iter().zip(&self.right) {
                words[group as usize] = self.words[before as usize];
            }
        }
        let left = (numbers.right.iter().zip(&probes))
            .filter(|&(&group, _)| group != NONE)
            .map(|(&group, probe)| (group, probe.2))
            .collect();
        let right = (numbers.left.iter().zip(&self.right))
            .map(|(&group, &(_, row))| (group, row))
            .collect();
        Self {
            left,
            right,
            count: numbers.count,
            words,
        }
    }
}
