//! The answer in words.

use super::answer::{
    ColumnDifference, Decision, FailedEntry, PassAnswer, RecordAnswer, Rival, SumGroup, Taken,
};
use crate::assign::{Cardinality, Method};
use crate::ledger::Pair;
use crate::outcome::Outcome;
use crate::pass::{Watch, Work};
use crate::plan::PassPlan;

/// One sentence on the two records: whether they are a pair, and what decided it. `names` are those
/// of the datasets, where they have any.
pub fn sentence(
    names: [Option<&str>; 2],
    [left, right]: [&RecordAnswer; 2],
    pair: Option<&Pair>,
    passes: &[PassAnswer],
    differences: &[ColumnDifference],
) -> String {
    let who = format!(
        "{} {} and {} {}",
        names[0].unwrap_or("left"),
        left.key,
        names[1].unwrap_or("right"),
        right.key
    );
    if let Some(pair) = pair {
        let pass = &passes[pair.pass];
        let place = format!("{} `{}`", pass.path, pass.name);
        return match pair.outcome {
            Outcome::Matched => format!("{who} are a pair: {place}: {}", pass.detail),
            Outcome::Review => format!("{who} are a pair for review: {place}: {}", pass.detail),
            Outcome::Differing => {
                let columns: Vec<&str> = (differences.iter())
                    .filter(|one| one.left_key == left.key && one.right_key == right.key)
                    .map(|one| one.column.as_str())
                    .collect();
                let differs = if columns.is_empty() {
                    String::new()
                } else {
                    format!("; it differs in {}", columns.join(", "))
                };
                format!("{who} are a pair: {place}: {}{differs}", pass.detail)
            }
        };
    }
    // Where a pass came nearest, there lies the reason.
    let nearest = passes
        .iter()
        .rev()
        .max_by_key(|pass| nearness(pass.decision));
    let why = nearest.map_or_else(String::new, |pass| {
        let overruled = match pass.decision {
            Decision::Review => {
                let partners = [("left", left), ("right", right)].map(|(side, record)| {
                    let pass = record.pass.as_ref()?;
                    Some(format!(
                        "; then {side} {} went to {} by pass `{pass}`",
                        record.key,
                        record.partners.join(", ")
                    ))
                });
                partners.into_iter().flatten().collect()
            }
            _ => String::new(),
        };
        format!(
            ": {} `{}`: {}{overruled}",
            pass.path, pass.name, pass.detail
        )
    });
    format!("{who} are not a pair{why}")
}

fn nearness(decision: Decision) -> u8 {
    match decision {
        Decision::Taken => 0,
        Decision::NoSum => 1,
        Decision::NotBlocked => 2,
        Decision::RequiredFailed => 3,
        Decision::BelowThreshold => 4,
        Decision::NotChosen => 5,
        Decision::AssignedElsewhere => 6,
        Decision::Review | Decision::Confirmed => 7,
    }
}

/// What a pass decided of the two records, in words.
pub fn detail(work: Work<'_>, pass: &PassPlan, watch: Watch, answer: &PassAnswer) -> String {
    let left = &work.left.records.keys[watch.left as usize];
    let right = &work.right.records.keys[watch.right as usize];
    match answer.decision {
        Decision::Confirmed | Decision::Review => chosen(answer),
        Decision::Taken => {
            let taken = [
                ("left", left, &answer.left_taken),
                ("right", right, &answer.right_taken),
            ];
            let told = taken.iter().filter_map(|(side, key, taken)| {
                let Taken { pass, partners } = taken.as_ref()?;
                Some(format!(
                    "{side} {key} was taken by pass `{pass}` with {}",
                    partners.join(", ")
                ))
            });
            told.collect::<Vec<_>>().join(" and ")
        }
        Decision::NotBlocked => not_blocked(answer),
        Decision::RequiredFailed => {
            let failed: Vec<String> = (answer.comparisons.iter())
                .filter(|one| one.required && !one.holds)
                .map(|one| {
                    let (left, right) = (value(one.left.as_ref()), value(one.right.as_ref()));
                    format!("{} does not hold: {left} against {right}", one.column)
                })
                .collect();
            failed.join("; ")
        }
        Decision::BelowThreshold => {
            let (name, threshold) = if answer.review < answer.accept {
                ("review", answer.review)
            } else {
                ("accept", answer.accept)
            };
            let score = answer.score.unwrap_or_default();
            format!("the score {score:.4} is below {name} {threshold}")
        }
        Decision::AssignedElsewhere if pass.sum.is_some() => {
            let groups: Vec<String> = answer.groups.iter().map(group).collect();
            groups.join("; ")
        }
        Decision::AssignedElsewhere => elsewhere(pass, [left, right], answer),
        Decision::NotChosen => format!(
            "with a score of {:.4} it was kept, but the assignment is better without it",
            answer.score.unwrap_or_default()
        ),
        Decision::NoSum => "no sum was found with the two records".into(),
    }
}

fn chosen(answer: &PassAnswer) -> String {
    if let [group] = answer.groups.as_slice() {
        return self::group(group);
    }
    let score = answer.score.unwrap_or_default();
    let mut text = match (answer.decision, answer.ambiguous) {
        (Decision::Review, true) => format!(
            "the score {score:.4} reaches accept {}, but another pair is within the margin {}",
            answer.accept, answer.margin
        ),
        (Decision::Review, false) => format!(
            "the score {score:.4} is at or over review {} and below accept {}",
            answer.review, answer.accept
        ),
        _ => format!("the score {score:.4} reaches accept {}", answer.accept),
    };
    if answer.tied {
        text.push_str("; another choice is as good, and the keys decided");
    }
    text
}

fn not_blocked(answer: &PassAnswer) -> String {
    let told: Vec<String> = (answer.blocks.iter())
        .filter_map(|block| {
            let FailedEntry { entry, left, right } = block.failed.as_ref()?;
            let part = if *entry == block.block {
                String::new()
            } else {
                format!(" in {entry}")
            };
            let verb = if left.is_none() || right.is_none() {
                "has a null"
            } else {
                "differs"
            };
            let (left, right) = (value(left.as_ref()), value(right.as_ref()));
            Some(format!(
                "the block [{}] {verb}{part}: {left} against {right}",
                block.block
            ))
        })
        .collect();
    told.join("; ")
}

fn elsewhere(pass: &PassPlan, keys: [&str; 2], answer: &PassAnswer) -> String {
    let score = answer.score.unwrap_or_default();
    let sides = [
        ("left", keys[0], &answer.left_rivals),
        ("right", keys[1], &answer.right_rivals),
    ];
    let mut told = Vec::new();
    let mut beaten = false;
    for (side, key, rivals) in sides {
        for rival in rivals {
            let Rival {
                key: other,
                score: reached,
                chosen: Some(outcome),
                ..
            } = rival
            else {
                continue;
            };
            beaten |= score > *reached;
            let outcome = match outcome.as_str() {
                "review" => " for review",
                _ => "",
            };
            told.push(format!(
                "{side} {key} went to {other}{outcome} with {reached:.4}"
            ));
        }
    }
    let mut text = format!("it scored {score:.4}; {}", told.join(", "));
    let optimal =
        pass.rules.method == Method::Optimal && pass.rules.cardinality == Cardinality::OneToOne;
    if beaten && optimal {
        text.push_str("; the pair scored higher, but the total of all pairs is better without it");
    }
    text
}

fn group(group: &SumGroup) -> String {
    let why = match group.why.as_str() {
        "unique" => String::new(),
        "ambiguous" => ", and other parts fit as well".into(),
        "contested" => (group.rival.as_ref()).map_or_else(
            || ", and another record needs some of these parts".into(),
            |rival| format!(", and {} {rival} needs some of these parts", group.side),
        ),
        "unsure" => ", whose score is below accept".into(),
        _ => ", and the search ended at nodeBudget or maxCandidates".into(),
    };
    let review = match group.outcome.as_str() {
        "review" => " (for review)",
        _ => "",
    };
    format!(
        "{} {} is the sum of {}{review}, residual {}{why}",
        group.side,
        group.whole,
        group.parts.join(", "),
        group.residual
    )
}

fn value(value: Option<&String>) -> &str {
    value.map_or("null", String::as_str)
}
