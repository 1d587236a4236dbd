//! Keys that similar texts share, for blocks that are derived.
//!
//! All of them look at letters and digits alone, in lower case, so that punctuation and case are no
//! obstacle.

use crate::utils::string::soundex;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use foldhash::fast::FixedState;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

/// The letters and digits of a prefix or a suffix.
pub const AFFIX: usize = 4;

fn plain(text: &str) -> impl DoubleEndedIterator<Item = char> + '_ {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(|c| c.to_lowercase().collect::<Vec<_>>())
}

fn each(texts: &ArrayRef, key: impl Fn(&str) -> String) -> ArrayRef {
    let texts = texts.as_string::<i32>();
    let keys = texts.iter().map(|text| {
        let key = key(text?);
        (!key.is_empty()).then_some(key)
    });
    Arc::new(keys.collect::<StringArray>())
}

/// The first letters and digits.
pub fn prefixes(texts: &ArrayRef) -> ArrayRef {
    each(texts, |text| plain(text).take(AFFIX).collect())
}

/// The last letters and digits, the last one first.
pub fn suffixes(texts: &ArrayRef) -> ArrayRef {
    each(texts, |text| plain(text).rev().take(AFFIX).collect())
}

/// The Soundex code of the whole text, null where it has none.
pub fn sounds(texts: &ArrayRef) -> ArrayRef {
    each(texts, |text| {
        let code = soundex(text).map(|code| String::from_utf8_lossy(&code).into_owned());
        code.unwrap_or_default()
    })
}

/// The rarest and the second rarest word of each text that both sides have, by the pairs that the
/// word would make; of equally rare ones the first in the order of their text. None where most
/// texts are a single word, whose rarest word is the text itself.
pub fn rare_words(
    (left, left_open): (&ArrayRef, &[bool]),
    (right, right_open): (&ArrayRef, &[bool]),
) -> Option<[(ArrayRef, ArrayRef); 2]> {
    let (left, right) = (left.as_string::<i32>(), right.as_string::<i32>());
    let state = FixedState::default();
    let mut words = 0_usize;
    let mut texts = 0_usize;
    // Words by their hash: a copy of every word would not be bounded by the data's size.
    let mut counts: HashMap<u64, (u32, u32), FixedState> = HashMap::default();
    for text in open(left, left_open) {
        texts += 1;
        for word in words_of(text) {
            words += 1;
            let count = counts.entry(state.hash_one(&word)).or_default();
            count.0 = count.0.saturating_add(1);
        }
    }
    if words * 4 < texts * 5 {
        return None;
    }
    for text in open(right, right_open) {
        for word in words_of(text) {
            if let Some(count) = counts.get_mut(&state.hash_one(&word)) {
                count.1 = count.1.saturating_add(1);
            }
        }
    }
    let rarest = |texts: &StringArray| {
        let mut first = Vec::with_capacity(texts.len());
        let mut second = Vec::with_capacity(texts.len());
        for text in texts {
            let mut best: [Option<(u64, String)>; 2] = [None, None];
            for word in words_of(text.unwrap_or_default()) {
                let Some(&(l, r)) = counts.get(&state.hash_one(&word)) else {
                    continue;
                };
                if r == 0 {
                    continue;
                }
                let found = (u64::from(l) * u64::from(r), word);
                match better(&found, best[0].as_ref()) {
                    Ordering::Less => best = [Some(found), best[0].take()],
                    Ordering::Equal => {}
                    Ordering::Greater => {
                        if better(&found, best[1].as_ref()) == Ordering::Less {
                            best[1] = Some(found);
                        }
                    }
                }
            }
            let [one, two] = best;
            first.push(one.map(|found| found.1));
            second.push(two.map(|found| found.1));
        }
        let array = |words: Vec<Option<String>>| -> ArrayRef { Arc::new(StringArray::from(words)) };
        [array(first), array(second)]
    };
    let [left_first, left_second] = rarest(left);
    let [right_first, right_second] = rarest(right);
    Some([(left_first, right_first), (left_second, right_second)])
}

fn better(found: &(u64, String), best: Option<&(u64, String)>) -> Ordering {
    best.map_or(Ordering::Less, |best| found.cmp(best))
}

fn open<'a>(texts: &'a StringArray, open: &'a [bool]) -> impl Iterator<Item = &'a str> {
    (texts.iter().zip(open)).filter_map(|(text, &open)| text.filter(|_| open))
}

fn words_of(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words_are_those_of_both_sides_that_make_the_fewest_pairs() {
        let texts = |texts: &[&str]| -> ArrayRef { Arc::new(StringArray::from(texts.to_vec())) };
        let left = texts(&[
            "Payment INV-1 acme",
            "payment inv 2 acme",
            "payment only-left",
        ]);
        let right = texts(&["acme, payment 1", "payment acme inv 3"]);
        let [(l1, r1), (l2, r2)] = rare_words((&left, &[true; 3]), (&right, &[true; 2])).unwrap();
        let of = |array: &ArrayRef| -> Vec<String> {
            let words = array.as_string::<i32>().iter();
            words.map(|word| word.unwrap_or("-").to_owned()).collect()
        };
        assert_eq!(of(&l1), ["1", "inv", "payment"]);
        assert_eq!(of(&l2), ["inv", "acme", "-"]);
        assert_eq!(of(&r1), ["1", "inv"]);
        assert_eq!(of(&r2), ["acme", "acme"]);
    }
}
