//! What a payer and a bank make of a name, a reference and a text.

use super::parameters::Parameters;
use crate::generate::names;
use crate::generate::random::Random;
use crate::generate::typo::{Typing, mistype_digits};

/// Rewrites texts by the rates of the parameters.
pub struct Writer<'a> {
    pub parameters: &'a Parameters,
    pub typing: &'a Typing,
    pub noise: f64,
}

const PREFIXES: [&str; 8] = [
    "SEPA CREDIT TRANSFER",
    "TRANSFER FROM",
    "PAYMENT",
    "EREF+NOTPROVIDED SVWZ+",
    "SVWZ+",
    "WIRE IN",
    "FPS",
    "B/O",
];

const USELESS: [&str; 7] = [
    "",
    "",
    "payment",
    "invoice",
    "as agreed",
    "see advice",
    "transfer",
];

impl Writer<'_> {
    fn error(&self, rate: f64, random: &mut Random) -> bool {
        random.chance((rate * self.noise).min(0.95))
    }

    /// The counterparty's name.
    pub fn party(&self, name: &str, legal_form: &str, random: &mut Random) -> String {
        if self.error(self.parameters.party_missing, random) {
            return String::new();
        }
        let name = if self.error(self.parameters.party_other, random) {
            names::firm(random)
        } else {
            name.to_owned()
        };
        let full = if self.error(self.parameters.legal_form_dropped, random) {
            name
        } else {
            format!("{name} {legal_form}")
        };
        self.printed(full, random)
    }

    /// The reference field of a payment for these invoices.
    pub fn reference(&self, references: &[&str], random: &mut Random) -> String {
        // A payment for several invoices has one field for all of them and mostly names none.
        let missing = if references.len() > 1 {
            0.7
        } else {
            self.parameters.reference_missing
        };
        if self.error(missing, random) {
            return String::new();
        }
        let reference = *random.pick(references);
        if !self.error(self.parameters.reference_mangled, random) {
            return reference.to_owned();
        }
        let digits: String = reference.chars().filter(char::is_ascii_digit).collect();
        match random.below(6) {
            0 => mistype_digits(reference, random),
            1 => reference
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect(),
            2 => digits,
            3 => reference
                .trim_start_matches(|letter: char| !letter.is_ascii_digit())
                .to_owned(),
            4 => {
                let kept = reference.len() - 1 - random.below(2);
                reference.chars().take(kept).collect()
            }
            _ => format!("{reference} {}", random.digits(4)),
        }
    }

    /// The text of a payment for these invoices, whose first has this memo.
    pub fn text(&self, memo: &str, references: &[&str], random: &mut Random) -> String {
        let mut text = if self.error(self.parameters.text_useless, random) {
            (*random.pick(&USELESS)).to_owned()
        } else {
            memo.to_owned()
        };
        if random.chance(self.parameters.reference_in_text) {
            let named = references.join(" ");
            // Where the memo names it already nobody writes it again.
            if !text.contains(&named) {
                text = format!("{text} {named}");
            }
        }
        if self.error(self.parameters.reordered, random) {
            let mut words: Vec<&str> = text.split_whitespace().collect();
            random.shuffle(&mut words);
            text = words.join(" ");
        }
        if self.error(self.parameters.prefixed, random) {
            text = format!("{} {text}", random.pick(&PREFIXES));
        }
        self.printed(text.trim().to_owned(), random)
    }

    /// A text as typed and printed.
    fn printed(&self, mut text: String, random: &mut Random) -> String {
        if self.error(self.parameters.mistyped, random) {
            text = self.typing.mistype(&text, random);
        }
        if self.error(self.parameters.basic_latin, random) {
            text = names::basic_latin(&text);
        }
        if self.error(self.parameters.upper, random) {
            text = text.to_uppercase();
        }
        if self.error(self.parameters.cut, random) {
            let width = *random.pick(&self.parameters.widths);
            text = text.chars().take(width).collect();
        }
        text.trim().to_owned()
    }
}
