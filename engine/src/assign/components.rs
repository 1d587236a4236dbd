//! Connected components: records that pairs hold together.

/// The group of each pair: pairs that share a record, directly or through others, have the same
/// number. Numbers count from 0 in the order in which groups first appear. O(n·log n).
#[must_use]
pub fn groups(pairs: &[(u32, u32)]) -> Vec<u32> {
    let mut sets = Sets::new(pairs.len());
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    for side in [|pair: (u32, u32)| pair.0, |pair: (u32, u32)| pair.1] {
        order.sort_unstable_by_key(|&index| side(pairs[index]));
        for both in order.windows(2) {
            if side(pairs[both[0]]) == side(pairs[both[1]]) {
                sets.join(both[0], both[1]);
            }
        }
    }
    let mut numbers = vec![None; pairs.len()];
    let mut next = 0;
    (0..pairs.len())
        .map(|index| {
            *numbers[sets.find(index)].get_or_insert_with(|| {
                next += 1;
                next - 1
            })
        })
        .collect()
}

/// Disjoint sets of indices. The smallest index of a set stands for it, so that the answer does not
/// depend on the order of joining.
pub struct Sets {
    parents: Vec<usize>,
}

impl Sets {
    /// Each of `count` indices in a set of its own.
    pub fn new(count: usize) -> Self {
        Self {
            parents: (0..count).collect(),
        }
    }

    /// The smallest index of the set.
    pub fn find(&mut self, mut index: usize) -> usize {
        while self.parents[index] != index {
            self.parents[index] = self.parents[self.parents[index]];
            index = self.parents[index];
        }
        index
    }

    /// Makes one set of the sets of both.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.parents[a.max(b)] = a.min(b);
    }
}
