//! The definitions, written plainly.

use std::collections::{BTreeSet, HashMap};

fn scalars(text: &str) -> Vec<char> {
    text.chars().collect()
}

#[expect(clippy::cast_precision_loss, reason = "short texts")]
pub fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}

/// The textbook's matrix, row by row.
pub fn levenshtein(left: &str, right: &str) -> usize {
    let right = scalars(right);
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let next = (diagonal + usize::from(a != *b))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[right.len()]
}

/// Lowrance's and Wagner's matrix, with a look at every swap.
pub fn damerau(left: &str, right: &str) -> usize {
    let (a, b) = (scalars(left), scalars(right));
    let mut matrix = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                matrix[i][j] = i + j;
                continue;
            }
            let mut best = (matrix[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]))
                .min(matrix[i - 1][j] + 1)
                .min(matrix[i][j - 1] + 1);
            let k = (1..i).rev().find(|&k| a[k - 1] == b[j - 1]);
            let l = (1..j).rev().find(|&l| b[l - 1] == a[i - 1]);
            if let (Some(k), Some(l)) = (k, l) {
                best = best.min(matrix[k - 1][l - 1] + (i - k - 1) + 1 + (j - l - 1));
            }
            matrix[i][j] = best;
        }
    }
    matrix[a.len()][b.len()]
}

/// Winkler's definition, with flags, and up to `most` characters of common prefix.
#[expect(clippy::cast_precision_loss, reason = "short texts")]
pub fn jaro_winkler(left: &str, right: &str, most: usize) -> f64 {
    let (a, b) = (scalars(left), scalars(right));
    if a.is_empty() && b.is_empty() {
        return 1.0;
    }
    let window = (a.len().max(b.len()) / 2).saturating_sub(1);
    let (mut in_a, mut in_b) = (vec![false; a.len()], vec![false; b.len()]);
    for i in 0..a.len() {
        for j in i.saturating_sub(window)..(i + window + 1).min(b.len()) {
            if !in_b[j] && a[i] == b[j] {
                in_a[i] = true;
                in_b[j] = true;
                break;
            }
        }
    }
    let picked = |text: &[char], flags: &[bool]| -> Vec<char> {
        text.iter()
            .zip(flags)
            .filter(|(_, f)| **f)
            .map(|(c, _)| *c)
            .collect()
    };
    let (from_a, from_b) = (picked(&a, &in_a), picked(&b, &in_b));
    if from_a.is_empty() {
        return 0.0;
    }
    let moved = from_a.iter().zip(&from_b).filter(|(x, y)| x != y).count() / 2;
    let m = from_a.len() as f64;
    let jaro = (m / a.len() as f64 + m / b.len() as f64 + (m - moved as f64) / m) / 3.0;
    let prefix = a
        .iter()
        .zip(&b)
        .take(most)
        .take_while(|(x, y)| x == y)
        .count();
    jaro + prefix as f64 * 0.1 * (1.0 - jaro)
}

/// By the matrix of longest common subsequences.
pub fn indel(left: &str, right: &str) -> f64 {
    let (a, b) = (scalars(left), scalars(right));
    let mut matrix = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            matrix[i + 1][j + 1] = if x == y {
                matrix[i][j] + 1
            } else {
                matrix[i][j + 1].max(matrix[i + 1][j])
            };
        }
    }
    share(2 * matrix[a.len()][b.len()], a.len() + b.len())
}

pub fn token_sort(left: &str, right: &str) -> f64 {
    let sorted = |text: &str| {
        let mut words: Vec<_> = text.split_whitespace().collect();
        words.sort_unstable();
        words.join(" ")
    };
    indel(&sorted(left), &sorted(right))
}

/// The three texts, built and compared as they stand.
pub fn token_set(left: &str, right: &str) -> f64 {
    let set = |text| str::split_whitespace(text).collect::<BTreeSet<_>>();
    let (a, b) = (set(left), set(right));
    if a.is_empty() || b.is_empty() {
        return share(usize::from(a == b), 1);
    }
    let both: Vec<&str> = a.intersection(&b).copied().collect();
    let with = |rest: Vec<&str>| [both.clone(), rest].concat().join(" ");
    let only_a = with(a.difference(&b).copied().collect());
    let only_b = with(b.difference(&a).copied().collect());
    let best = indel(&only_a, &only_b);
    if both.is_empty() {
        best
    } else {
        let both = both.join(" ");
        best.max(indel(&both, &only_a)).max(indel(&both, &only_b))
    }
}

pub fn qgram(left: &str, right: &str) -> f64 {
    let counts = |text: &str| {
        let characters = scalars(text);
        let width = characters.len().clamp(1, 2);
        let mut counts = HashMap::<Vec<char>, usize>::new();
        for gram in characters.windows(width) {
            *counts.entry(gram.to_vec()).or_default() += 1;
        }
        counts
    };
    let (a, b) = (counts(left), counts(right));
    let common: usize = a
        .iter()
        .map(|(gram, count)| *count.min(b.get(gram).unwrap_or(&0)))
        .sum();
    share(2 * common, a.values().chain(b.values()).sum())
}
