//! The cases: one large component each, but for `small`. Scores in units of 1e-12.

/// Edges (left, right, score), each pair once.
pub type Edges = Vec<(u32, u32, i64)>;

const ONE: i64 = 1_000_000_000_000;
const MANY: usize = 5_000_000;

/// Every case by name.
pub const ALL: &[(&str, fn() -> Edges)] = &[
    ("random-30000x30000", || random(30_000, 30_000, MANY, real)),
    ("random-10000x50000", || random(10_000, 50_000, MANY, real)),
    ("random-50000x10000", || random(50_000, 10_000, MANY, real)),
    ("few-30000x30000", || random(30_000, 30_000, MANY, few)),
    ("few-10000x50000", || random(10_000, 50_000, MANY, few)),
    ("hundredths-30000x30000", || {
        random(30_000, 30_000, MANY, hundredths)
    }),
    ("equal-30000x30000", || random(30_000, 30_000, MANY, equal)),
    ("random-sparse", || random(30_000, 30_000, 300_000, real)),
    ("few-sparse", || random(30_000, 30_000, 90_000, few)),
    ("equal-sparse", || random(30_000, 30_000, 90_000, equal)),
    ("power-random", || power(real)),
    ("power-few", || power(few)),
    ("halves-random", || halves(real)),
    ("halves-few", || halves(few)),
    ("complete-equal-2000", || complete(|_, _| ONE)),
    ("complete-product-2000", || {
        complete(|l, r| (l + 1) * (r + 1) * (ONE / 4_000_000))
    }),
    ("complete-band-2000", || {
        complete(|l, r| ONE - (l - r).abs() * (ONE / 4_000))
    }),
    ("product-30000x30000", product),
    ("sums-30000x30000", sums),
    ("chain-rising", || chain(|step| ONE / 2 + step * 1_000)),
    ("chain-equal", || chain(|_| ONE)),
    ("small", small),
];

/// `SplitMix64`: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound)) as u32
    }

    fn shuffled(&mut self, count: u32) -> Vec<u32> {
        let mut all: Vec<u32> = (0..count).collect();
        for last in (1..count).rev() {
            all.swap(last as usize, self.below(last + 1) as usize);
        }
        all
    }
}

type Score = fn(&mut Random) -> i64;

fn real(random: &mut Random) -> i64 {
    ONE / 2 + (random.next() % (ONE as u64 / 2)) as i64
}

fn few(random: &mut Random) -> i64 {
    [900, 950, 1000][random.below(3) as usize] * (ONE / 1000)
}

fn hundredths(random: &mut Random) -> i64 {
    i64::from(901 + random.below(100)) * (ONE / 1000)
}

fn equal(_: &mut Random) -> i64 {
    ONE
}

fn scored(mut pairs: Vec<(u32, u32)>, random: &mut Random, score: Score) -> Edges {
    pairs.sort_unstable();
    pairs.dedup();
    let scored = pairs.into_iter().map(|(l, r)| (l, r, score(random)));
    scored.collect()
}

fn random(lefts: u32, rights: u32, count: usize, score: Score) -> Edges {
    let mut random = Random(1);
    let pairs = (0..count).map(|_| (random.below(lefts), random.below(rights)));
    let pairs = pairs.collect();
    scored(pairs, &mut random, score)
}

/// Degrees that fall off as a power: a third of the edges touch 4 % of the records.
fn power(score: Score) -> Edges {
    let mut random = Random(2);
    let mut skewed = || {
        let uniform = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (30_000.0 * uniform.powi(3)) as u32
    };
    let pairs = (0..MANY).map(|_| (skewed(), skewed())).collect();
    scored(pairs, &mut random, score)
}

/// Two dense parts joined by one edge: in one the lefts are too many, in the other the rights.
fn halves(score: Score) -> Edges {
    let mut random = Random(3);
    let mut pairs = vec![(0, 25_000)];
    for _ in 0..MANY / 2 {
        pairs.push((random.below(10_000), random.below(25_000)));
        pairs.push((10_000 + random.below(25_000), 25_000 + random.below(10_000)));
    }
    scored(pairs, &mut random, score)
}

fn complete(score: fn(i64, i64) -> i64) -> Edges {
    let all = (0..2000_u32).flat_map(|l| (0..2000_u32).map(move |r| (l, r)));
    all.map(|(l, r)| (l, r, score(l.into(), r.into())))
        .collect()
}

/// Scores that are products of a left and a right part: hard for searching.
fn product() -> Edges {
    let mut edges = random(30_000, 30_000, MANY, equal);
    for (left, right, score) in &mut edges {
        *score = i64::from(*left + 1) * i64::from(*right + 1) * 1000;
    }
    edges
}

/// Scores that are sums of a left and a right part and a little noise: hard likewise.
fn sums() -> Edges {
    let mut edges = random(30_000, 30_000, MANY, |random| random.below(1000).into());
    let mut random = Random(4);
    let parts: Vec<i64> = (0..30_000).map(|_| real(&mut random) - ONE / 2).collect();
    for (left, right, score) in &mut edges {
        *score += (parts[*left as usize] + parts[*right as usize]) / 2;
    }
    edges
}

/// One path through 60,000 records in no order.
fn chain(score: fn(i64) -> i64) -> Edges {
    let mut random = Random(5);
    let (lefts, rights) = (random.shuffled(30_000), random.shuffled(30_000));
    let mut edges = Vec::new();
    for (step, (&left, &right)) in (0..).zip(lefts.iter().zip(&rights)) {
        edges.push((left, right, score(step)));
        if let Some(&next) = lefts.get(step as usize + 1) {
            edges.push((
                next,
                right,
                score(step) - score(0) / 1_000_000_000 * (step % 3),
            ));
        }
    }
    edges
}

/// Three million components: pairs alone, stars, chains of three edges and squares.
fn small() -> Edges {
    let mut random = Random(6);
    let (mut edges, mut left, mut right) = (Vec::new(), 0, 0);
    for number in 0..3_000_000 {
        let shape: &[(u32, u32)] = match number % 10 {
            0 => &[(0, 0), (0, 1), (1, 1)],
            1 => &[(0, 0), (0, 1), (1, 0), (1, 1)],
            2 => &[(0, 0), (0, 1), (0, 2)],
            3 => &[(0, 0), (1, 0)],
            _ => &[(0, 0)],
        };
        for &(l, r) in shape {
            edges.push((left + l, right + r, few(&mut random)));
        }
        (left, right) = (left + 2, right + 3);
    }
    edges
}
