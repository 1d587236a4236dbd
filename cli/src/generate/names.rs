//! Names of people, places and firms. Frequent ones are listed, the others composed of syllables,
//! so that a long list has many rare names, as life does.

mod lists;

use super::random::{Random, skewed};
use lists::{
    GIVEN, LEGAL_FORMS, SHORT, STEMS, STREET_KINDS, STREETS, SURNAME_ENDS, SURNAMES, TOWN_ENDS,
    TRADES,
};

pub use lists::GOODS;

/// Names with the weights by which they are drawn.
pub struct Names {
    given: Vec<f64>,
    surnames: Vec<f64>,
    towns: Vec<f64>,
}

/// A town, as its number.
#[derive(Clone, Copy)]
pub struct Town(pub usize);

impl Names {
    /// The lists. The first ranks are flattened so that the most frequent surname is borne by about
    /// 1 % of the people, as Smith and Müller are (0.8 % in the United States' census of 2010).
    pub fn new() -> Self {
        Self {
            given: skewed(GIVEN.len(), 8.0),
            surnames: skewed(SURNAMES.len(), 15.0),
            towns: skewed(STEMS.len() * TOWN_ENDS.len(), 3.0),
        }
    }

    /// A given name.
    pub fn given(&self, random: &mut Random) -> &'static str {
        GIVEN[random.cumulative(&self.given)]
    }

    /// A surname: 45 % of people bear one of the frequent ones, the others one of 1,200 composed
    /// ones; 3 % have two with a hyphen.
    pub fn surname(&self, random: &mut Random) -> String {
        if random.chance(0.03) {
            let first = self.single_surname(random);
            return format!("{first}-{}", self.single_surname(random));
        }
        self.single_surname(random)
    }

    fn single_surname(&self, random: &mut Random) -> String {
        if random.chance(0.45) {
            SURNAMES[random.cumulative(&self.surnames)].to_owned()
        } else {
            format!("{}{}", random.pick(&STEMS), random.pick(&SURNAME_ENDS))
        }
    }

    /// A town, the large ones more often.
    pub fn town(&self, random: &mut Random) -> Town {
        Town(random.cumulative(&self.towns))
    }
}

impl Town {
    /// Its name.
    pub fn name(self) -> String {
        // A step prime to the number of towns, so that neighbours in size differ in both halves.
        let mixed = self.0 * 373 % (STEMS.len() * TOWN_ENDS.len());
        format!(
            "{}{}",
            STEMS[mixed / TOWN_ENDS.len()],
            TOWN_ENDS[mixed % TOWN_ENDS.len()]
        )
    }

    /// One of its ten postcodes, five digits.
    pub fn postcode(self, district: usize) -> String {
        format!("{:05}", 10_010 + self.0 * 80 + district % 10)
    }

    /// Its dialling code, four digits.
    pub fn dialling_code(self) -> String {
        format!("0{}", 200 + self.0 * 7 % 800)
    }
}

/// What somebody of this given name is called, where there is such a form.
pub fn short_form(given: &str, random: &mut Random) -> Option<&'static str> {
    let forms: Vec<&str> = SHORT
        .iter()
        .filter(|(full, _)| *full == given)
        .map(|(_, short)| *short)
        .collect();
    (!forms.is_empty()).then(|| *random.pick(&forms))
}

/// A street: its name and its kind, as an index for [`street_kind`].
pub fn street(random: &mut Random) -> (String, usize) {
    let name = if random.chance(0.6) {
        (*random.pick(&STREETS)).to_owned()
    } else {
        format!("{}{}", random.pick(&STEMS), random.pick(&TOWN_ENDS))
    };
    (name, random.below(STREET_KINDS.len()))
}

/// The kind of a street, in full or shortened.
pub fn street_kind(kind: usize, short: bool) -> &'static str {
    let (full, abbreviated) = STREET_KINDS[kind % STREET_KINDS.len()];
    if short { abbreviated } else { full }
}

/// The name of a firm without its legal form. Many share a first or a last word.
pub fn firm(random: &mut Random) -> String {
    let founder = if random.chance(0.3) {
        (*random.pick(&SURNAMES)).to_owned()
    } else {
        format!("{}{}", random.pick(&STEMS), random.pick(&SURNAME_ENDS))
    };
    match random.below(10) {
        0 => format!("{founder} & {}", random.pick(&SURNAMES)),
        1 => format!(
            "{founder} {} {}",
            random.pick(&TRADES),
            random.pick(&TRADES)
        ),
        _ => format!("{founder} {}", random.pick(&TRADES)),
    }
}

/// A legal form.
pub fn legal_form(random: &mut Random) -> &'static str {
    random.pick::<&str>(&LEGAL_FORMS)
}

/// The text in the basic Latin letters that payment systems carry: `ü` becomes `ue`, `é` becomes
/// `e`; a letter that has no such form is left out.
pub fn basic_latin(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            'ä' => plain.push_str("ae"),
            'ö' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'Ä' => plain.push_str("Ae"),
            'Ö' => plain.push_str("Oe"),
            'Ü' => plain.push_str("Ue"),
            'ß' => plain.push_str("ss"),
            'á' | 'ã' => plain.push('a'),
            'ć' | 'ç' => plain.push('c'),
            'é' | 'è' => plain.push('e'),
            'É' => plain.push('E'),
            'í' | 'ı' => plain.push('i'),
            'ñ' => plain.push('n'),
            'ó' => plain.push('o'),
            'ř' => plain.push('r'),
            'ş' | 'ś' => plain.push('s'),
            '&' => plain.push('+'),
            letter if letter.is_ascii() => plain.push(letter),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::random::Subject;
    use super::*;

    #[test]
    fn towns_differ_in_name_and_postcode() {
        let towns = || (0..STEMS.len() * TOWN_ENDS.len()).map(Town);
        let names: HashSet<String> = towns().map(Town::name).collect();
        let postcodes: HashSet<String> = towns().map(|town| town.postcode(3)).collect();
        assert_eq!((names.len(), postcodes.len()), (1000, 1000));
        assert!(postcodes.iter().all(|postcode| postcode.len() == 5));
    }

    #[test]
    fn every_letter_of_the_lists_has_a_basic_form() {
        for name in GIVEN
            .iter()
            .chain(&SURNAMES)
            .chain(&STEMS)
            .chain(&SURNAME_ENDS)
        {
            let plain = basic_latin(name);
            assert!(
                plain.is_ascii() && plain.len() >= name.chars().count(),
                "{name}"
            );
        }
    }

    #[test]
    fn short_forms_belong_to_listed_names() {
        for (full, short) in SHORT {
            assert!(GIVEN.contains(&full), "{full}");
            assert_ne!(full, short);
        }
    }

    #[test]
    fn the_most_frequent_surname_is_borne_by_about_one_in_a_hundred() {
        let names = Names::new();
        let mut random = Random::new(1, Subject::Person, 0);
        let first = (0..100_000)
            .filter(|_| names.surname(&mut random) == SURNAMES[0])
            .count();
        assert!((800..1_500).contains(&first), "{first}");
    }
}
