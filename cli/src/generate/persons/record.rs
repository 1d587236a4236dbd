//! People as a list has them.

use super::Parameters;
use super::person::{Person, Population};
use crate::generate::names::{basic_latin, short_form, street_kind};
use crate::generate::random::Random;
use crate::generate::typo::{Typing, mishear, misread, mistype_digits};

/// A row without its key.
pub struct Record {
    pub given: String,
    pub surname: String,
    pub birth: String,
    pub street: String,
    pub house: String,
    pub town: String,
    pub postcode: String,
    pub phone: String,
}

/// Writes people down, with the errors of a list.
pub struct Clerk<'a> {
    pub parameters: &'a Parameters,
    pub typing: Typing,
    /// Multiplies every rate.
    pub errors: f64,
    /// Whether time has passed since the other list: people may have moved.
    pub later: bool,
}

impl Clerk<'_> {
    fn error(&self, rate: f64, random: &mut Random) -> bool {
        random.chance((rate * self.errors).min(0.95))
    }

    /// The person's row.
    pub fn record(
        &self,
        mut person: Person,
        population: &Population,
        random: &mut Random,
    ) -> Record {
        if self.later {
            self.pass_time(&mut person, population, random);
        }
        let (mut given, mut surname) = (
            self.given(&person.given, random),
            self.name(&person.surname, random),
        );
        if self.error(self.parameters.names_swapped, random) {
            std::mem::swap(&mut given, &mut surname);
        }
        let address = &person.address;
        let (street, house) = if self.error(self.parameters.street_missing, random) {
            (String::new(), String::new())
        } else {
            let short = self.error(self.parameters.street_shortened, random);
            let street = format!("{} {}", address.street, street_kind(address.kind, short));
            (
                self.typed(&street, random),
                self.number(&address.house, self.parameters.house_missing, random),
            )
        };
        let town = if self.error(self.parameters.town_missing, random) {
            String::new()
        } else {
            self.typed(&address.town.name(), random)
        };
        Record {
            given,
            surname,
            birth: self.birth(person.birth, random),
            street,
            house,
            town,
            postcode: self.number(&address.postcode, self.parameters.postcode_missing, random),
            phone: self.phone(&person.phone, random),
        }
    }

    fn pass_time(&self, person: &mut Person, population: &Population, random: &mut Random) {
        if self.error(self.parameters.moved, random) {
            person.address = population.address(random);
        }
        if self.error(self.parameters.surname_changed, random) {
            person.surname = population.names.surname(random);
        }
        if self.error(self.parameters.phone_changed, random) {
            person.phone = format!("017{}", random.digits(8));
        }
    }

    fn given(&self, given: &str, random: &mut Random) -> String {
        if self.error(self.parameters.nickname, random)
            && let Some(short) = short_form(given, random)
        {
            return self.name(short, random);
        }
        if self.error(self.parameters.initial, random) {
            return given.chars().take(1).chain(['.']).collect();
        }
        self.name(given, random)
    }

    fn name(&self, name: &str, random: &mut Random) -> String {
        let mut name = name.to_owned();
        if self.error(self.parameters.basic_latin, random) {
            name = basic_latin(&name);
        }
        if self.error(self.parameters.misheard, random) {
            name = mishear(&name, random);
        }
        name = self.typed(&name, random);
        if self.error(self.parameters.upper, random) {
            name = name.to_uppercase();
        }
        name
    }

    fn typed(&self, text: &str, random: &mut Random) -> String {
        if self.error(self.parameters.mistyped, random) {
            self.typing.mistype(text, random)
        } else if self.error(self.parameters.misread, random) {
            misread(text, random)
        } else {
            text.to_owned()
        }
    }

    fn number(&self, number: &str, missing: f64, random: &mut Random) -> String {
        if self.error(missing, random) {
            String::new()
        } else if self.error(self.parameters.digits_mistyped, random) {
            mistype_digits(number, random)
        } else {
            number.to_owned()
        }
    }

    /// The date as it is written, which after a wrong digit may be none of the calendar.
    fn birth(&self, (year, month, day): (i64, i64, i64), random: &mut Random) -> String {
        if self.error(self.parameters.birth_missing, random) {
            return String::new();
        }
        if self.error(self.parameters.birth_year_only, random) {
            return format!("{year}-01-01");
        }
        if day <= 12 && self.error(self.parameters.birth_swapped, random) {
            return format!("{year}-{day:02}-{month:02}");
        }
        if self.error(self.parameters.birth_mistyped, random) {
            return wrong_date(year, month, day, random);
        }
        format!("{year}-{month:02}-{day:02}")
    }

    fn phone(&self, phone: &str, random: &mut Random) -> String {
        if self.error(self.parameters.phone_missing, random) {
            return String::new();
        }
        let mut phone = phone.to_owned();
        if self.error(self.parameters.digits_mistyped, random) {
            phone = mistype_digits(&phone, random);
        }
        if self.error(self.parameters.phone_written_otherwise, random) {
            let (code, rest) = phone.split_at(4);
            phone = match random.below(4) {
                0 => format!("{code} {rest}"),
                1 => format!("{code}/{rest}"),
                2 => format!("+49 {} {rest}", &code[1..]),
                _ => format!("0049{}{rest}", &code[1..]),
            };
        }
        phone
    }
}

/// A date of the calendar with one or two digits wrong: input forms refuse others.
fn wrong_date(year: i64, month: i64, day: i64, random: &mut Random) -> String {
    let date = format!("{year}-{month:02}-{day:02}");
    loop {
        let typed = mistype_digits(&date, random);
        let in_life = ("1900".."2026").contains(&&typed[..4]);
        if in_life && typed.parse::<chrono::NaiveDate>().is_ok() {
            return typed;
        }
    }
}
