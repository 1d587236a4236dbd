//! What every pass made of two records.

use super::answer::{
    BlockAnswer, ComparisonAnswer, Decision, FailedEntry, PassAnswer, Rival, SumGroup, Taken,
};
use super::{is, text, verdict};
use crate::assign::Edge;
use crate::compare::FAILED;
use crate::error::Error;
use crate::ledger::{Pair, Split};
use crate::outcome::{Outcome, Side};
use crate::pass::{Matched, Watch, Work};
use crate::plan::PassPlan;
use crate::score::fellegi_sunter::Contribution;
use crate::score::levels::MISSING;
use crate::score::{Explained, Scoring};
use crate::split::Why;
use crate::values::Form;
use crds::matching::Score;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Decimal128Type, DecimalType};

/// How many rivals of a record are told.
const RIVALS: usize = 5;

/// The answers of all passes, in order.
///
/// # Errors
/// When an expression fails on a value, or Arrow cannot write one.
pub fn all(work: Work<'_>, watch: Watch, matched: &Matched) -> Result<Vec<PassAnswer>, Error> {
    let mut answers = Vec::new();
    for (index, pass) in work.plan.passes.iter().enumerate() {
        let inquiry = Inquiry {
            work,
            watch,
            matched,
            pass,
            index,
        };
        let mut answer = PassAnswer {
            path: pass.path.clone(),
            name: pass.name.clone(),
            decision: Decision::NotChosen,
            detail: String::new(),
            left_taken: inquiry.taken(Side::Left),
            right_taken: inquiry.taken(Side::Right),
            blocks: inquiry.blocks(),
            comparisons: Vec::new(),
            prior: None,
            rivals: None,
            weight: None,
            score: None,
            accept: pass.rules.accept,
            review: pass.review,
            margin: pass.rules.margin,
            ambiguous: false,
            tied: false,
            left_rivals: inquiry.rivals(Side::Left),
            right_rivals: inquiry.rivals(Side::Right),
            groups: inquiry.groups(),
        };
        if let Some(scoring) = &matched.scorers[index] {
            inquiry.score(scoring, &mut answer)?;
        }
        inquiry.decide(&mut answer);
        answer.detail = verdict::detail(work, pass, watch, &answer);
        answers.push(answer);
    }
    Ok(answers)
}

struct Inquiry<'a> {
    work: Work<'a>,
    watch: Watch,
    matched: &'a Matched,
    pass: &'a PassPlan,
    index: usize,
}

impl Inquiry<'_> {
    /// The watched record of a side, and that of an edge.
    fn own(&self, side: Side) -> u32 {
        match side {
            Side::Left => self.watch.left,
            Side::Right => self.watch.right,
        }
    }

    /// The other end of an edge of the side's watched record, as a key.
    fn partner(&self, side: Side, edge: &Edge) -> Option<String> {
        let (own, other, keys) = match side {
            Side::Left => (edge.left, edge.right, &self.work.right.records.keys),
            Side::Right => (edge.right, edge.left, &self.work.left.records.keys),
        };
        (own == self.own(side)).then(|| keys[other as usize].to_owned())
    }

    fn blocks(&self) -> Vec<BlockAnswer> {
        let verdicts = self.matched.watched[self.index].blocks.iter();
        verdicts
            .map(|verdict| BlockAnswer {
                block: verdict.block.clone(),
                failed: verdict.failed.as_ref().map(|failed| FailedEntry {
                    entry: failed.entry.clone(),
                    left: failed.left.clone(),
                    right: failed.right.clone(),
                }),
            })
            .collect()
    }

    fn taken(&self, side: Side) -> Option<Taken> {
        let mut pairs: Vec<&Pair> = (self.matched.ledger.pairs())
            .filter(|pair| pair.pass < self.index && pair.outcome != Outcome::Review)
            .filter(|pair| self.partner(side, &pair.chosen.edge).is_some())
            .collect();
        pairs.sort_by_key(|pair| (pair.chosen.edge.left, pair.chosen.edge.right));
        let first = pairs.first()?;
        Some(Taken {
            pass: self.work.plan.passes[first.pass].name.clone(),
            partners: (pairs.iter())
                .filter_map(|pair| self.partner(side, &pair.chosen.edge))
                .collect(),
        })
    }

    /// What this pass chose.
    fn chosen(&self) -> impl Iterator<Item = &Pair> {
        let pairs = self.matched.ledger.pairs();
        pairs.filter(|pair| pair.pass == self.index)
    }

    fn rivals(&self, side: Side) -> Vec<Rival> {
        let mut edges: Vec<&Edge> = (self.matched.watched[self.index].edges.iter())
            .filter(|edge| (edge.left, edge.right) != (self.watch.left, self.watch.right))
            .collect();
        edges.sort_unstable_by(|a, b| a.by_rank(b));
        let learned = self.pass.score == Score::FellegiSunter;
        let mut rivals: Vec<Rival> = Vec::new();
        for edge in edges {
            let Some(key) = self.partner(side, edge) else {
                continue;
            };
            let chosen = self.chosen().find(|pair| {
                let own = pair.chosen.edge;
                (own.left, own.right) == (edge.left, edge.right)
            });
            let chosen = chosen.map(|pair| outcome(pair.outcome).to_owned());
            if rivals.len() < RIVALS || chosen.is_some() {
                rivals.push(Rival {
                    key,
                    score: edge.score,
                    weight: learned.then_some(edge.weight),
                    chosen,
                });
            }
        }
        rivals
    }

    fn groups(&self) -> Vec<SumGroup> {
        let Some(sum) = &self.pass.sum else {
            return Vec::new();
        };
        let mut numbers: Vec<u32> = (self.chosen())
            .filter(|pair| super::touches(pair, self.watch))
            .map(|pair| pair.group)
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        let (lefts, rights) = (&self.work.left.records.keys, &self.work.right.records.keys);
        let group = |number: u32| {
            let members: Vec<&Pair> = self.chosen().filter(|pair| pair.group == number).collect();
            let first = members.first()?;
            let split = first.split?;
            let keys = |pair: &Pair| {
                let edge = pair.chosen.edge;
                let (left, right) = (&lefts[edge.left as usize], &rights[edge.right as usize]);
                match sum.wholes {
                    Side::Left => (left.to_owned(), right.to_owned()),
                    Side::Right => (right.to_owned(), left.to_owned()),
                }
            };
            let wholes = match sum.wholes {
                Side::Left => lefts,
                Side::Right => rights,
            };
            Some(SumGroup {
                side: sum.wholes.name().into(),
                whole: keys(first).0,
                parts: members.iter().map(|pair| keys(pair).1).collect(),
                outcome: outcome(first.outcome).into(),
                why: why(&split).into(),
                rival: match split.why {
                    Why::Contested { rival } => wholes.get(rival as usize).map(str::to_owned),
                    _ => None,
                },
                residual: Decimal128Type::format_decimal(
                    split.residual,
                    38,
                    i8::try_from(split.scale).unwrap_or(i8::MAX),
                ),
            })
        };
        numbers.into_iter().filter_map(group).collect()
    }

    fn score(&self, scoring: &Scoring, answer: &mut PassAnswer) -> Result<(), Error> {
        let [left, right] = self.pass.columns();
        let (lefts, rights) = (&self.work.left.values, &self.work.right.values);
        let left = lefts.window(Form::Compared, &left, [self.watch.left])?;
        let right = rights.window(Form::Compared, &right, [self.watch.right])?;
        let (l, r) = (left.place(self.watch.left), right.place(self.watch.right));
        let scorer = scoring.within(self.pass, &left, &right)?;
        let explained = scorer.explain(l, r);
        answer.score = Some(explained.score);
        if let Some(learned) = &explained.learned {
            answer.prior = Some(learned.prior);
            answer.rivals = Some(-learned.rivals);
            answer.weight = Some(explained.weight);
        }
        for index in 0..self.pass.comparisons.len() {
            let left = (&left.batch, l as usize);
            let right = (&right.batch, r as usize);
            let comparison = self.comparison(index, &explained, left, right)?;
            answer.comparisons.push(comparison);
        }
        Ok(())
    }

    fn comparison(
        &self,
        index: usize,
        explained: &Explained,
        (left, l): (&RecordBatch, usize),
        (right, r): (&RecordBatch, usize),
    ) -> Result<ComparisonAnswer, Error> {
        let plan = &self.pass.comparisons[index];
        let similarity = explained.similarities[index];
        let learned = explained.learned.as_ref();
        let learned = learned.map(|learned| learned.contributions[index]);
        let level = plan.levels.level(similarity);
        let unlearned = if similarity.is_nan() {
            0.0
        } else {
            similarity.max(0.0) * plan.weight
        };
        Ok(ComparisonAnswer {
            column: plan.label.clone(),
            left: text(left.column(plan.left), l)?,
            right: text(right.column(plan.right), r)?,
            similarity: (!similarity.is_nan()).then(|| similarity.max(0.0)),
            holds: similarity.total_cmp(&FAILED).is_ne(),
            required: plan.must_hold,
            weight: learned.is_none().then_some(plan.weight),
            contribution: learned.map_or(unlearned, Contribution::bits),
            level: (learned.is_some() && level != MISSING).then_some(level),
            frequency: learned.map(|part| part.frequency),
        })
    }

    fn decide(&self, answer: &mut PassAnswer) {
        let own = self.chosen().find(|pair| is(pair, self.watch));
        if let Some(pair) = own {
            answer.decision = match pair.outcome {
                Outcome::Review => Decision::Review,
                Outcome::Matched | Outcome::Differing => Decision::Confirmed,
            };
            answer.ambiguous = pair.chosen.ambiguous;
            answer.tied = pair.chosen.tied;
            return;
        }
        let blocked =
            !answer.blocks.is_empty() && answer.blocks.iter().all(|block| block.failed.is_some());
        let dropped = (answer.comparisons.iter()).any(|one| one.required && !one.holds);
        answer.decision = if answer.left_taken.is_some() || answer.right_taken.is_some() {
            Decision::Taken
        } else if blocked {
            Decision::NotBlocked
        } else if dropped {
            Decision::RequiredFailed
        } else if (self.pass.sum.is_none())
            && answer.score.is_some_and(|score| score < answer.review)
        {
            Decision::BelowThreshold
        } else if self.chosen().any(|pair| super::touches(pair, self.watch)) {
            Decision::AssignedElsewhere
        } else if self.pass.sum.is_some() {
            Decision::NoSum
        } else {
            Decision::NotChosen
        };
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Review => "review",
        Outcome::Matched | Outcome::Differing => "confirmed",
    }
}

fn why(split: &Split) -> &'static str {
    match split.why {
        Why::Unique => "unique",
        Why::Ambiguous => "ambiguous",
        Why::Contested { .. } => "contested",
        Why::BudgetExhausted => "budgetExhausted",
        Why::Unsure => "unsure",
    }
}
