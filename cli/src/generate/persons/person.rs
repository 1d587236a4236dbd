//! People as they are.

use super::Parameters;
use crate::generate::names::{Names, Town, street};
use crate::generate::random::{Random, Subject};

/// Where somebody lives.
#[derive(Clone)]
pub struct Address {
    pub street: String,
    /// The street's kind, for [`crate::generate::names::street_kind`].
    pub kind: usize,
    pub house: String,
    pub town: Town,
    pub postcode: String,
}

/// Somebody.
pub struct Person {
    pub given: String,
    pub surname: String,
    /// Year, month, day.
    pub birth: (i64, i64, i64),
    pub address: Address,
    pub phone: String,
}

/// Makes people.
pub struct Population<'a> {
    pub parameters: &'a Parameters,
    pub names: Names,
    pub seed: u64,
    pub households: usize,
}

impl Population<'_> {
    /// The person of this index.
    pub fn person(&self, index: u32) -> Person {
        let parameters = self.parameters;
        let mut random = Random::new(self.seed, Subject::Person, u64::from(index));
        let household = random.below(self.households) as u64;
        let mut shared = Random::new(self.seed, Subject::Household, household);
        let family = self.names.surname(&mut shared);
        let address = self.address(&mut shared);
        let landline = format!("{}{}", address.town.dialling_code(), shared.digits(6));
        let elder = self.names.given(&mut shared);

        let own_name = self.names.surname(&mut random);
        let given = self.names.given(&mut random);
        let namesake = random.chance(parameters.namesake);
        let mobile = format!("01{}{}", 5 + random.below(3), random.digits(8));
        Person {
            given: if namesake { elder } else { given }.to_owned(),
            surname: if random.chance(parameters.family_name) {
                family
            } else {
                own_name
            },
            birth: birth(&mut random),
            phone: if random.chance(parameters.landline) {
                landline
            } else {
                mobile
            },
            address,
        }
    }

    /// An address in some town.
    pub fn address(&self, random: &mut Random) -> Address {
        let town = self.names.town(random);
        let (street, kind) = street(random);
        let mut house = (1 + random.below(40) + random.below(60)).to_string();
        if random.chance(0.08) {
            house.push(*random.pick(&['a', 'b', 'c']));
        }
        Address {
            street,
            kind,
            house,
            town,
            postcode: town.postcode(random.below(10)),
        }
    }
}

/// A birth date of an adult in 2026: as many of every age from 18 to 70, then fewer until 95.
fn birth(random: &mut Random) -> (i64, i64, i64) {
    let drawn = random.between(18, 95);
    let age = if drawn > 70 && random.between(70, 95) < drawn {
        random.between(18, 70)
    } else {
        drawn
    };
    let month = random.between(1, 12);
    let days = match month {
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (2025 - age, month, random.between(1, days))
}
