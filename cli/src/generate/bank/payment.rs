//! Payments, and what the ledger and the bank each write of them.

use chrono::NaiveDate;

use super::calendar::{START, add_working_days, later, working_day};
use super::parameters::Parameters;
use super::rewrite;
use crate::generate::names;
use crate::generate::random::{Random, Subject, skewed};
use crate::generate::typo::{Typing, mistype_digits};

/// A row of the left file. Amounts are in cents, negative where money goes out.
#[derive(Clone)]
pub struct Entry {
    pub booked: NaiveDate,
    pub amount: i64,
    pub currency: &'static str,
    pub party: String,
    pub reference: String,
    pub memo: String,
}

/// A row of the right file.
#[derive(Clone)]
pub struct Line {
    pub value_date: NaiveDate,
    pub amount: i64,
    pub currency: &'static str,
    pub party: String,
    pub reference: String,
    pub text: String,
}

/// One payment's rows, and which entry belongs to which line.
pub struct Payment {
    pub entries: Vec<Entry>,
    pub lines: Vec<Line>,
    pub pairs: Vec<(usize, usize)>,
}

/// How many rows a payment has on each side. Drawn first, so that rows can be counted without
/// making them.
pub struct Plan {
    shape: Shape,
    left: Copies,
    right: Copies,
}

/// How often a side has a payment.
#[derive(Clone, Copy, PartialEq)]
enum Copies {
    None,
    One,
    Two,
}

impl Copies {
    fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::One => 1,
            Self::Two => 2,
        }
    }
}

#[derive(Clone, Copy)]
enum Shape {
    Single,
    /// One entry, several lines.
    Instalments(usize),
    /// Several entries, one line.
    Collective(usize),
}

impl Plan {
    /// Rows in the left file.
    pub fn entries(&self) -> usize {
        match self.shape {
            Shape::Collective(parts) => parts,
            _ => self.left.count(),
        }
    }

    /// Rows in the right file.
    pub fn lines(&self) -> usize {
        match self.shape {
            Shape::Instalments(parts) => parts,
            _ => self.right.count(),
        }
    }
}

/// Whom one pays or is paid by.
struct Party {
    name: String,
    legal_form: &'static str,
    currency: &'static str,
    incoming: bool,
    standing: i64,
    style: usize,
}

/// Makes the payments.
pub struct Ledger<'a> {
    parameters: &'a Parameters,
    typing: Typing,
    noise: f64,
    seed: u64,
    payments: u32,
    parties: Vec<f64>,
}

impl<'a> Ledger<'a> {
    /// A ledger of about `rows` rows a side.
    pub fn new(parameters: &'a Parameters, rows: u32, seed: u64, noise: f64) -> Self {
        let weight: f64 = parameters.parts.iter().map(|(_, weight)| weight).sum();
        let mean: f64 = parameters
            .parts
            .iter()
            .map(|&(parts, weight)| f64::from(u8::try_from(parts).unwrap_or(u8::MAX)) * weight)
            .sum::<f64>()
            / weight;
        let kept = 1.0 - (parameters.missing_left * noise).min(0.95);
        let rows_each =
            (1.0 - parameters.splits) * kept + parameters.splits * f64::midpoint(1.0, mean);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the quotient is positive and bounded by 20 times the rows; a cast saturates"
        )]
        let payments = (libm::round(f64::from(rows) / rows_each) as u32).max(1);
        let parties = (rows / parameters.rows_per_party).clamp(10, 200_000) as usize;
        Self {
            parameters,
            typing: Typing::default(),
            noise,
            seed,
            payments,
            parties: skewed(parties, parameters.party_flat),
        }
    }

    /// How many payments there are.
    pub fn payments(&self) -> u32 {
        self.payments
    }

    /// True at the rate of an error.
    fn error(&self, rate: f64, random: &mut Random) -> bool {
        random.chance((rate * self.noise).min(0.95))
    }

    /// What a payment has rows of. Takes the same draws from the stream every time.
    pub fn plan(&self, random: &mut Random) -> Plan {
        let parameters = self.parameters;
        let split = random.chance(parameters.splits);
        let instalments = random.chance(0.5);
        let parts = *random.weighted(&parameters.parts);
        let shape = match (split, instalments) {
            (false, _) => Shape::Single,
            (true, true) => Shape::Instalments(parts),
            (true, false) => Shape::Collective(parts),
        };
        let left = self.copies(parameters.missing_left, parameters.double_left, random);
        let right = self.copies(parameters.missing_right, parameters.double_right, random);
        // A split payment is whole and single, so that its group has one reading; a payment that is
        // missing on both sides would be none.
        let (left, right) = match (split, left, right) {
            (true, _, _) => (Copies::One, Copies::One),
            (false, Copies::None, Copies::None) => (Copies::None, Copies::One),
            (false, left, right) => (left, right),
        };
        Plan { shape, left, right }
    }

    fn copies(&self, missing: f64, double: f64, random: &mut Random) -> Copies {
        let missing = self.error(missing, random);
        let double = self.error(double, random);
        match (missing, double) {
            (true, _) => Copies::None,
            (false, true) => Copies::Two,
            (false, false) => Copies::One,
        }
    }

    /// The payment of this index, whose first invoice has this number.
    pub fn payment(&self, index: u32, first_number: u32) -> Payment {
        let mut random = Random::new(self.seed, Subject::Payment, u64::from(index));
        let random = &mut random;
        let plan = self.plan(random);
        let counterparty = random.cumulative(&self.parties);
        let counterparty = self.party(counterparty);
        let parts = match plan.shape {
            Shape::Single => 1,
            Shape::Instalments(parts) | Shape::Collective(parts) => parts,
        };

        // Invoices are numbered as time goes on.
        let day = i64::from(index) * self.parameters.days / i64::from(self.payments);
        let booked = working_day(later(START, day));
        let number = |part: usize| u64::from(first_number) + part as u64 + 1;
        let mut entries: Vec<Entry> = match plan.shape {
            Shape::Collective(parts) => (0..parts)
                .map(|part| self.entry(&counterparty, number(part), booked, random))
                .collect(),
            _ => vec![self.entry(&counterparty, number(0), booked, random)],
        };
        if let Shape::Collective(_) = plan.shape {
            for entry in &mut entries {
                let earlier = random.between(0, self.parameters.parts_within);
                entry.booked = working_day(later(entry.booked, -earlier));
            }
        }

        let paid: i64 = entries.iter().map(|entry| entry.amount).sum();
        let settled = self.settled(paid, &counterparty, random);
        let amounts = match plan.shape {
            Shape::Instalments(parts) => self.instalments(settled, parts, random),
            _ => vec![settled],
        };
        let value_date = self.value_date(booked, random);
        let mut lines: Vec<Line> = amounts
            .into_iter()
            .enumerate()
            .map(|(part, amount)| {
                let wait = if part == 0 {
                    0
                } else {
                    random.between(0, self.parameters.parts_within)
                };
                let value_date = working_day(later(value_date, wait));
                self.line(&counterparty, &entries, amount, value_date, random)
            })
            .collect();
        for entry in &mut entries {
            self.spoil(entry, random);
        }

        let mut pairs: Vec<(usize, usize)> = match plan.shape {
            Shape::Collective(_) => (0..parts).map(|entry| (entry, 0)).collect(),
            _ => (0..parts).map(|line| (0, line)).collect(),
        };
        if plan.left == Copies::None {
            entries.clear();
            pairs.clear();
        }
        if plan.right == Copies::None {
            lines.clear();
            pairs.clear();
        }
        if plan.left == Copies::Two {
            let mut again = entries[0].clone();
            again.booked = working_day(later(again.booked, random.between(0, 3)));
            entries.push(again);
        }
        if plan.right == Copies::Two {
            lines.push(lines[0].clone());
        }
        Payment {
            entries,
            lines,
            pairs,
        }
    }

    fn party(&self, index: usize) -> Party {
        let mut random = Random::new(self.seed, Subject::Party, index as u64);
        Party {
            name: names::firm(&mut random),
            legal_form: names::legal_form(&mut random),
            currency: random.weighted::<&str>(&self.parameters.currencies),
            incoming: random.chance(self.parameters.incoming),
            standing: self.magnitude(&mut random),
            style: random.below(4),
        }
    }

    /// An amount in cents, from 1 to 50 million in whole units.
    fn magnitude(&self, random: &mut Random) -> i64 {
        let drawn = self.parameters.median * libm::exp(self.parameters.spread * random.normal());
        #[expect(clippy::cast_possible_truncation, reason = "bounded by the clamp")]
        let cents = libm::round(drawn.clamp(100.0, 5e9)) as i64;
        if !random.chance(self.parameters.round) {
            return cents;
        }
        let unit = match cents {
            ..5_000 => 500,
            5_000..50_000 => 1_000,
            50_000..500_000 => 5_000,
            _ => 10_000,
        };
        (cents / unit).max(1) * unit
    }

    fn entry(&self, party: &Party, number: u64, booked: NaiveDate, random: &mut Random) -> Entry {
        let standing = random.chance(self.parameters.standing);
        let drawn = self.magnitude(random);
        let amount = if standing { party.standing } else { drawn };
        let reference = match (party.incoming, party.style) {
            (true, _) => format!("INV-26-{number:06}"),
            (false, 0) => format!("RE{:07}", number + 40_000),
            (false, 1) => format!("{:08}", number + 2_600_000),
            (false, 2) => format!("2026/{number:05}"),
            (false, _) => format!("F-{number:06}/26"),
        };
        let goods = random.pick(&names::GOODS);
        let memo = match random.below(5) {
            0 => format!("Invoice {reference} {goods}"),
            1 => format!("{} {goods} {reference}", party.name),
            _ => (*goods).to_owned(),
        };
        Entry {
            booked,
            amount: if party.incoming { amount } else { -amount },
            currency: party.currency,
            party: format!("{} {}", party.name, party.legal_form),
            reference,
            memo,
        }
    }

    /// What the bank books of an amount: fees, discounts and roundings come off.
    fn settled(&self, amount: i64, party: &Party, random: &mut Random) -> i64 {
        let parameters = self.parameters;
        let home = party.currency == parameters.currencies[0].0;
        let fee_rate = if home {
            parameters.fee_home
        } else {
            parameters.fee_abroad
        };
        let mut settled = amount;
        if self.error(fee_rate, random) {
            let fee = *random.pick(&parameters.fees);
            // No bank keeps more than it passes on.
            if fee * 2 < amount.abs() {
                settled -= fee;
            }
        } else if party.incoming && self.error(parameters.discount, random) {
            settled -= amount * random.pick(&parameters.discounts) / 100;
        } else if self.error(parameters.cents_off, random) {
            settled += random.between(1, 5) * if random.chance(0.5) { 1 } else { -1 };
        }
        settled
    }

    fn instalments(&self, amount: i64, parts: usize, random: &mut Random) -> Vec<i64> {
        let weights: Vec<i64> = if random.chance(self.parameters.equal_parts) {
            vec![1; parts]
        } else {
            (0..parts).map(|_| random.between(10, 100)).collect()
        };
        let total: i64 = weights.iter().sum();
        let mut amounts: Vec<i64> = weights
            .iter()
            .map(|weight| amount * weight / total)
            .collect();
        let rest = amount - amounts.iter().sum::<i64>();
        amounts[parts - 1] += rest;
        amounts
    }

    fn value_date(&self, booked: NaiveDate, random: &mut Random) -> NaiveDate {
        let parameters = self.parameters;
        let lag = if self.error(parameters.booked_late, random) {
            -random.between(1, 3)
        } else if self.error(parameters.long_lag, random) {
            let (shortest, longest) = parameters.long_lag_days;
            random.between(shortest, longest)
        } else {
            *random.weighted(&parameters.lags)
        };
        add_working_days(booked, lag)
    }

    fn line(
        &self,
        party: &Party,
        entries: &[Entry],
        amount: i64,
        value_date: NaiveDate,
        random: &mut Random,
    ) -> Line {
        let writer = rewrite::Writer {
            parameters: self.parameters,
            typing: &self.typing,
            noise: self.noise,
        };
        let references: Vec<&str> = entries
            .iter()
            .map(|entry| entry.reference.as_str())
            .collect();
        let goods = entries[0].memo.as_str();
        Line {
            value_date,
            amount,
            currency: party.currency,
            party: writer.party(&party.name, party.legal_form, random),
            reference: writer.reference(&references, random),
            text: writer.text(goods, &references, random),
        }
    }

    /// The errors of whoever keeps the ledger.
    fn spoil(&self, entry: &mut Entry, random: &mut Random) {
        if self.error(self.parameters.reference_missing_left, random) {
            entry.reference.clear();
        }
        if self.error(self.parameters.amount_mistyped, random) {
            let mistyped = mistype_digits(&entry.amount.abs().to_string(), random);
            let amount = mistyped.parse().unwrap_or(entry.amount.abs()).max(1);
            entry.amount = amount * entry.amount.signum();
        }
    }
}
