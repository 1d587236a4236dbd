//! Errors that people and scanners make in a text.

use super::random::Random;

/// How people mistype. Shares are of mistyped words.
pub struct Typing {
    /// Of all words with an error, those with one alone. Damerau (1964, "A technique for computer
    /// detection and correction of spelling errors", CACM 7(3)) found over 80 %; later studies of
    /// keyed text found 90 % and more, so this is the harder figure.
    pub single: f64,
    /// The kinds of single errors, as Pollock and Zamora (1983, "Collection and characterization of
    /// spelling errors in scientific and scholarly text", JASIS 34(1)) counted them: a letter left
    /// out 34 %, one too many 27 %, a wrong one 19 %, two swapped 12.5 %. Weights, not shares.
    pub omission: f64,
    /// A letter too many.
    pub insertion: f64,
    /// A wrong letter.
    pub substitution: f64,
    /// Two neighbours swapped.
    pub transposition: f64,
    /// Of wrong letters, those from a neighbouring key: 58 % (Grudin 1983, "Error patterns in novice
    /// and skilled transcription typing", by way of Kukich 1992, ACM Computing Surveys 24(4)).
    pub neighbouring_key: f64,
    /// Of errors, those that may strike the first letter: 7.8 % (Pollock and Zamora, as above).
    pub first_letter: f64,
}

impl Default for Typing {
    fn default() -> Self {
        Self {
            single: 0.80,
            omission: 0.34,
            insertion: 0.27,
            substitution: 0.19,
            transposition: 0.125,
            neighbouring_key: 0.58,
            first_letter: 0.078,
        }
    }
}

#[derive(Clone, Copy)]
enum Slip {
    Omission,
    Insertion,
    Substitution,
    Transposition,
}

impl Typing {
    /// The text as somebody mistyped it. A text of one character or none stays as it is.
    pub fn mistype(&self, text: &str, random: &mut Random) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        let errors = if random.chance(self.single) { 1 } else { 2 };
        for _ in 0..errors {
            self.slip(&mut chars, random);
        }
        chars.into_iter().collect()
    }

    fn slip(&self, chars: &mut Vec<char>, random: &mut Random) {
        if chars.len() < 2 {
            return;
        }
        let at = if random.chance(self.first_letter) {
            0
        } else {
            1 + random.below(chars.len() - 1)
        };
        let slip = *random.weighted(&[
            (Slip::Omission, self.omission),
            (Slip::Insertion, self.insertion),
            (Slip::Substitution, self.substitution),
            (Slip::Transposition, self.transposition),
        ]);
        match slip {
            Slip::Omission => {
                chars.remove(at);
            }
            Slip::Insertion => {
                // A letter too many is mostly the same key struck twice, or a neighbour with it.
                let extra = if random.chance(0.5) {
                    chars[at]
                } else {
                    neighbour(chars[at], random)
                };
                chars.insert(at, extra);
            }
            Slip::Substitution => {
                chars[at] = if random.chance(self.neighbouring_key) {
                    neighbour(chars[at], random)
                } else {
                    other(chars[at], random)
                };
            }
            Slip::Transposition => {
                let first = at.min(chars.len() - 2);
                chars.swap(first, first + 1);
            }
        }
    }
}

const KEYS: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// A key beside this one in its row; the letter itself where it is on no key.
fn neighbour(letter: char, random: &mut Random) -> char {
    let lower = letter.to_ascii_lowercase();
    for row in KEYS {
        if let Some(at) = row.find(lower) {
            let beside = match (at, random.chance(0.5)) {
                (0, _) => 1,
                (at, true) if at + 1 < row.len() => at + 1,
                (at, _) => at - 1,
            };
            let key = char::from(row.as_bytes()[beside]);
            return if letter.is_uppercase() {
                key.to_ascii_uppercase()
            } else {
                key
            };
        }
    }
    other(letter, random)
}

/// Any other character of the same sort: digit for digit, letter for letter.
fn other(letter: char, random: &mut Random) -> char {
    let (first, count) = match letter {
        '0'..='9' => (b'0', 10),
        'A'..='Z' => (b'A', 26),
        _ => (b'a', 26),
    };
    let draw = u8::try_from(random.below(count - 1)).unwrap_or_default();
    let drawn = char::from(first + draw);
    if drawn == letter {
        char::from(first + draw + 1)
    } else {
        drawn
    }
}

/// Swaps two neighbouring digits that differ, or changes one digit where no two do.
pub fn mistype_digits(text: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let digits: Vec<usize> = (0..chars.len())
        .filter(|&at| chars[at].is_ascii_digit())
        .collect();
    let swaps: Vec<(usize, usize)> = digits
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
        .filter(|&(a, b)| chars[a] != chars[b])
        .collect();
    // Of errors in keyed numbers a wrong digit is by far the most frequent (about 60 to 95 %), two
    // swapped the second (Verhoeff 1969, "Error detecting decimal codes").
    if !swaps.is_empty() && random.chance(0.2) {
        let &(a, b) = random.pick(&swaps);
        chars.swap(a, b);
    } else if !digits.is_empty() {
        let at = *random.pick(&digits);
        chars[at] = other(chars[at], random);
    }
    chars.into_iter().collect()
}

/// What scanners take for one another.
const SHAPES: [(&str, &str); 12] = [
    ("rn", "m"),
    ("cl", "d"),
    ("vv", "w"),
    ("ri", "n"),
    ("li", "h"),
    ("nn", "m"),
    ("o", "0"),
    ("l", "1"),
    ("s", "5"),
    ("b", "6"),
    ("e", "c"),
    ("i", "l"),
];

/// What sounds alike.
const SOUNDS: [(&str, &str); 20] = [
    ("ph", "f"),
    ("ck", "k"),
    ("th", "t"),
    ("ie", "y"),
    ("ey", "y"),
    ("ei", "ai"),
    ("ou", "u"),
    ("oo", "u"),
    ("ee", "ea"),
    ("ll", "l"),
    ("nn", "n"),
    ("mm", "m"),
    ("tt", "t"),
    ("ss", "s"),
    ("sch", "sh"),
    ("c", "k"),
    ("z", "s"),
    ("v", "w"),
    ("er", "or"),
    ("en", "an"),
];

/// The text as a scanner misread it; unchanged where nothing in it is misread.
pub fn misread(text: &str, random: &mut Random) -> String {
    confuse(text, &SHAPES, random)
}

/// The text as somebody misheard it; unchanged where nothing in it sounds like something else.
pub fn mishear(text: &str, random: &mut Random) -> String {
    confuse(text, &SOUNDS, random)
}

fn confuse(text: &str, pairs: &[(&str, &str)], random: &mut Random) -> String {
    let mut places = Vec::new();
    for &(one, other) in pairs {
        for (from, to) in [(one, other), (other, one)] {
            places.extend(text.match_indices(from).map(|(at, _)| (at, from, to)));
        }
    }
    if places.is_empty() {
        return text.to_owned();
    }
    let &(at, from, to) = random.pick(&places);
    format!("{}{to}{}", &text[..at], &text[at + from.len()..])
}

#[cfg(test)]
mod tests {
    use super::super::random::Subject;
    use super::*;

    fn random(index: u64) -> Random {
        Random::new(5, Subject::Person, index)
    }

    #[test]
    fn a_mistyped_word_is_at_most_two_slips_away_and_mostly_keeps_its_first_letter() {
        let typing = Typing::default();
        let mut kept = 0;
        for index in 0..5_000 {
            let typed = typing.mistype("Lindqvist", &mut random(index));
            assert!(typed.chars().count().abs_diff(9) <= 2, "{typed}");
            kept += usize::from(typed.starts_with('L'));
        }
        assert!((4_300..4_990).contains(&kept), "{kept}");
    }

    #[test]
    fn texts_too_short_to_mistype_stay() {
        for text in ["", "x", "ß"] {
            assert_eq!(Typing::default().mistype(text, &mut random(1)), text);
        }
        assert_eq!(mistype_digits("none", &mut random(1)), "none");
        assert_eq!(misread("zzz", &mut random(1)), "zzz");
    }

    #[test]
    fn digits_stay_digits_and_change() {
        for index in 0..500 {
            let typed = mistype_digits("INV-2026-11", &mut random(index));
            assert_ne!(typed, "INV-2026-11");
            assert!(typed.starts_with("INV-") && typed.len() == 11);
        }
    }

    #[test]
    fn confusions_work_on_any_script() {
        for index in 0..200 {
            let heard = mishear("Müllersches Café Ünlü", &mut random(index));
            assert!(!heard.is_empty());
            let _ = neighbour('ü', &mut random(index));
        }
    }
}
