//! Decodes one pass, and what its fields say together.

use serde_json::Value;

use super::comparison::comparison;
use super::fields::{Errors, Fields, bound, count, leaf, list, number, text};
use crate::matching::{Cardinality, Pass, Sum};

pub(super) fn pass(value: &Value, path: &str, errors: &mut Errors) -> Option<Pass> {
    let mut fields = Fields::of(value, path, errors)?;
    together(&fields, errors);
    let name = fields.required("name", errors, text(63));
    let cardinality = fields.optional("cardinality", errors, leaf);
    let block = fields.optional("block", errors, list(1, 16, list(1, 8, text(1024))));
    let compare = fields.optional("compare", errors, list(1, 64, comparison));
    let sum = fields.optional("sum", errors, sum);
    let score = fields.optional("score", errors, leaf);
    let assign = fields.optional("assign", errors, leaf);
    let accept = fields.optional("accept", errors, number(0.0, 1.0));
    let review_path = fields.at("review");
    let review = fields.optional("review", errors, number(0.0, 1.0));
    let margin = fields.optional("margin", errors, number(0.0, 1.0));
    fields.finish(errors);
    if let (Some(Some(accept)), Some(Some(review))) = (accept, review)
        && review > accept
    {
        errors.add(&review_path, format!("must not be above accept ({accept})"));
    }
    Some(Pass {
        name: name?,
        cardinality: cardinality?,
        block: block?,
        compare: compare?.unwrap_or_default(),
        sum: sum?,
        score: score?,
        assign: assign?,
        accept: accept?,
        review: review?,
        margin: margin?,
    })
}

/// Which fields need, and which exclude, each other. Fields that are wrong in themselves count as
/// present, so that a mistake is told once.
fn together(fields: &Fields<'_>, errors: &mut Errors) {
    let present = |name: &str| fields.peek(name).is_some();
    let said = |name: &str| fields.peek(name).and_then(Value::as_str);
    match (present("compare"), present("sum")) {
        (true, false) => compared(fields, errors),
        (also_compared, true) => {
            let one_sided = [Cardinality::OneToMany, Cardinality::ManyToOne]
                .map(|c| serde_json::to_value(c).unwrap_or_default());
            if !one_sided.iter().any(|c| c.as_str() == said("cardinality")) {
                errors.add(
                    &fields.at("cardinality"),
                    "must be oneToMany (the right records add up to the left one) or manyToOne",
                );
            }
            if !present("block") {
                errors.add(
                    &fields.at("block"),
                    "is required by sum: name what the records that add up have in common, such \
                     as [[\"ccy\", \"party\"]]",
                );
            }
            if present("assign") {
                errors.add(
                    &fields.at("assign"),
                    "has no meaning beside sum: a group that is surer than all others that need its \
                     records is matched",
                );
            }
            if also_compared {
                compared(fields, errors);
                if present("margin") && [None, Some("all")].contains(&said("score")) {
                    errors.add(
                        &fields.at("margin"),
                        "needs score: weighted or fellegiSunter beside sum; without a score a \
                         second sum is always ambiguous",
                    );
                }
                return;
            }
            for name in ["score", "accept", "review", "margin"] {
                if present(name) {
                    errors.add(
                        &fields.at(name),
                        "has no meaning beside sum without compare: a unique solution is matched, \
                         others go to review",
                    );
                }
            }
        }
        (false, false) => errors.add(
            &fields.at("compare"),
            "is required: the comparisons that make a pair match, or sum for records that add up",
        ),
    }
}

fn compared(fields: &Fields<'_>, errors: &mut Errors) {
    let present = |name: &str| fields.peek(name).is_some();
    let scored = match fields.peek("score").map(Value::as_str) {
        None => false,
        Some(Some("weighted" | "fellegiSunter")) => true,
        // `all`, or a mistake that is told elsewhere.
        Some(score) => {
            if score != Some("all") {
                return;
            }
            false
        }
    };
    if scored {
        if !present("accept") {
            errors.add(
                &fields.at("accept"),
                format!(
                    "is required by score: {}, a number from 0 to 1",
                    fields
                        .peek("score")
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                ),
            );
        }
        return;
    }
    if let Some(name) = ["accept", "review"].into_iter().find(|name| present(name)) {
        errors.add(
            &fields.at(name),
            "needs score: weighted or fellegiSunter; under score all every comparison holds or \
             the pair is none",
        );
    }
}

fn sum(value: &Value, path: &str, errors: &mut Errors) -> Option<Sum> {
    let mut fields = Fields::of(value, path, errors)?;
    let column = fields.required("column", errors, text(253));
    let abs = fields.optional("abs", errors, bound);
    let small = |value: &Value, path: &str, errors: &mut Errors, least, most| {
        count(least, most)(value, path, errors).and_then(|n| u32::try_from(n).ok())
    };
    let max_parts = fields.optional("maxParts", errors, |v, p, e| small(v, p, e, 2, 64));
    let window_path = fields.at("windowDays");
    let window_days = fields.optional("windowDays", errors, |v, p, e| small(v, p, e, 0, 36_500));
    let date_path = fields.at("dateColumn");
    let date_column = fields.optional("dateColumn", errors, text(253));
    let node_budget = fields.optional("nodeBudget", errors, count(1, 1_000_000_000));
    let max_candidates = fields.optional("maxCandidates", errors, |v, p, e| {
        small(v, p, e, 2, 1_000_000)
    });
    fields.finish(errors);
    match (&window_days, &date_column) {
        (Some(Some(_)), Some(None)) => {
            errors.add(&date_path, "is required by windowDays: the column of dates");
        }
        (Some(None), Some(Some(_))) => {
            errors.add(
                &window_path,
                "is required by dateColumn: how many days apart",
            );
        }
        _ => {}
    }
    Some(Sum {
        column: column?,
        abs: abs?,
        max_parts: max_parts?,
        window_days: window_days?,
        date_column: date_column?,
        node_budget: node_budget?,
        max_candidates: max_candidates?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Score;

    #[test]
    fn scores_that_need_a_threshold_are_those_of_the_language() {
        for score in [Score::Weighted, Score::FellegiSunter] {
            let name = serde_json::to_value(score).unwrap();
            let pass = serde_json::json!({"name": "p", "score": name,
                "compare": [{"column": "a", "exact": {}}]});
            let mut errors = Errors::default();
            let decoded = super::pass(&pass, "passes[0]", &mut errors);
            let errors = errors.into_result(decoded).unwrap_err();
            assert_eq!(errors[0].path, "passes[0].accept");
        }
    }
}
