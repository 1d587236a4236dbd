//! The optimum that comes first by keys.

use super::super::graph::{Matching, NONE, refill};
use super::Tight;

/// Steps that ordering a component may take, beyond [`STEPS_PER_EDGE`] for each tight edge.
const STEPS: u64 = 50_000_000;
/// See [`STEPS`].
const STEPS_PER_EDGE: u64 = 100;
/// Steps for each edge and node still open after which those settled are left out.
const STALE: u64 = 4;

/// Goes through the lefts in order and gives each the first right that some optimum gives it beside
/// those already settled: a cycle through that edge and nodes not settled is looked for, and the
/// matching changed along it. Stops when it has taken too many steps, in a matching as good.
pub fn make_first(tight: &Tight, matching: &mut Matching, components: &[u32]) {
    let mut order = Order {
        of_right: Transposed::new(tight),
        open: tight.clone(),
        components: components.to_vec(),
        settled: vec![false; tight.nodes()],
        seen: vec![NONE; tight.nodes()],
        goal: vec![NONE; tight.nodes()],
        path: Vec::new(),
        steps: 0,
    };
    let most = STEPS + STEPS_PER_EDGE * tight.edges.len() as u64;
    let mut taken = 0;
    for left in (0..).take(tight.lefts) {
        order.settle(matching, left);
        let size = order.open.edges.len() + tight.nodes();
        if order.steps > STALE * size as u64 {
            taken += order.steps;
            if taken > most {
                break;
            }
            order.narrow(matching);
        }
    }
}

struct Order {
    /// The tight edges; those of settled nodes and between components are left out in time.
    open: Tight,
    of_right: Transposed,
    components: Vec<u32>,
    settled: Vec<bool>,
    /// The left for which a node was last found not to lead back.
    seen: Vec<u32>,
    /// The left to which a node leads back at once.
    goal: Vec<u32>,
    path: Vec<(u32, usize)>,
    /// Since the last narrowing.
    steps: u64,
}

impl Order {
    fn settle(&mut self, matching: &mut Matching, left: u32) {
        let component = self.components[left as usize];
        let mate = matching.row_mate[left as usize];
        let mut is_first = true;
        for at in self.open.starts[left as usize]..self.open.starts[left as usize + 1] {
            let right = self.open.edges[at];
            if right >= mate {
                break;
            }
            let node = self.open.right(right);
            if self.settled[node as usize] || self.components[node as usize] != component {
                continue;
            }
            if std::mem::take(&mut is_first) {
                self.aim(matching, left);
            }
            if self.leads_back(matching, left, node) {
                self.switch(matching, left);
                break;
            }
        }
        self.settled[left as usize] = true;
        let mate = matching.row_mate[left as usize];
        if mate != NONE {
            self.settled[self.open.right(mate) as usize] = true;
        }
    }

    /// Marks what is one step before the mate of `left`, or before `left` if it is free: a path
    /// that meets any of them leads back to it.
    fn aim(&mut self, matching: &Matching, left: u32) {
        let mate = matching.row_mate[left as usize];
        if mate != NONE {
            let lefts = self.of_right.of(mate);
            self.steps += lefts.len() as u64;
            for &other in lefts {
                self.goal[other as usize] = left;
            }
        }
        if mate == NONE || matching.column_dual[mate as usize] == 0 {
            self.goal[self.open.hub() as usize] = left;
        }
    }

    /// Whether a path leads from the node of a right to `left`, and if so leaves it in `path`.
    fn leads_back(&mut self, matching: &Matching, left: u32, from: u32) -> bool {
        self.path.clear();
        if self.seen[from as usize] == left {
            return false;
        }
        self.seen[from as usize] = left;
        self.path.push((from, 0));
        while let Some((node, cursor)) = self.path.last_mut() {
            let (node, before) = (*node, *cursor);
            let next = self.open.next(matching, node, cursor);
            self.steps += (*cursor - before) as u64;
            let Some(next) = next else {
                self.path.pop();
                continue;
            };
            if self.settled[next as usize]
                || self.seen[next as usize] == left
                || next == left
                || self.components[next as usize] != self.components[left as usize]
            {
                continue;
            }
            self.seen[next as usize] = left;
            self.path.push((next, 0));
            if self.goal[next as usize] == left {
                return true;
            }
        }
        false
    }

    /// Leaves out what is settled, and finds the components of what is not: they fall apart.
    fn narrow(&mut self, matching: &Matching) {
        self.open.retain(|left, right| {
            !self.settled[left as usize]
                && !self.settled[right as usize]
                && self.components[left as usize] == self.components[right as usize]
        });
        self.open
            .may_be_free
            .retain(|&node| !self.settled[node as usize]);
        self.components = self.open.strong_components(matching);
        self.of_right = Transposed::new(&self.open);
        self.steps = 0;
    }

    /// Changes the matching along the cycle from `left` through `path` and back.
    fn switch(&self, matching: &mut Matching, left: u32) {
        let (lefts, hub) = (self.open.lefts, self.open.hub());
        let mate = matching.row_mate[left as usize];
        let back = (mate != NONE).then(|| self.open.right(mate));
        let nodes = self.path.iter().map(|&(node, _)| node).chain(back);
        let mut before = left;
        for node in nodes {
            let is_right = node != hub && node as usize >= lefts;
            let right = if is_right {
                node - self.open.right(0)
            } else {
                NONE
            };
            if before == hub && is_right {
                matching.column_mate[right as usize] = NONE;
            } else if (before as usize) < lefts {
                matching.row_mate[before as usize] = right;
                if is_right {
                    matching.column_mate[right as usize] = before;
                }
            }
            before = node;
        }
    }
}

/// The tight edges by right.
struct Transposed {
    starts: Vec<usize>,
    edges: Vec<u32>,
}

impl Transposed {
    fn new(tight: &Tight) -> Self {
        let (mut starts, mut edges) = (Vec::new(), Vec::new());
        refill(&mut starts, tight.rights + 1, 0);
        for &right in &tight.edges {
            starts[right as usize] += 1;
        }
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        refill(&mut edges, end, NONE);
        for left in (0..).take(tight.lefts) {
            for &right in tight.of(left) {
                starts[right as usize] -= 1;
                edges[starts[right as usize]] = left;
            }
        }
        Self { starts, edges }
    }

    /// The lefts that a right has tight edges to.
    fn of(&self, right: u32) -> &[u32] {
        &self.edges[self.starts[right as usize]..self.starts[right as usize + 1]]
    }
}
