//! What the keys of scoring need of each other.

use crds::decode::SpecError;
use crds::matching::{Comparison, MatchingSpec, Method, Score, TextMethod};

/// Keys of scoring that cannot be carried out as they stand.
#[must_use]
pub fn mistakes(spec: &MatchingSpec) -> Vec<SpecError> {
    let mut errors = Vec::new();
    let mut add = |path: String, message: String| errors.push(SpecError { path, message });
    let learned = |score| score == Score::FellegiSunter;
    if spec.model.is_some()
        && !spec
            .passes
            .iter()
            .any(|pass| learned(pass.effective_score()))
    {
        add(
            "model".into(),
            "needs a pass with score: fellegiSunter".into(),
        );
    }
    for (index, pass) in spec.passes.iter().enumerate() {
        for (at, comparison) in pass.compare.iter().enumerate() {
            let path = format!("passes[{index}].compare[{at}].levels");
            let Some(&lowest) = comparison.levels.last() else {
                continue;
            };
            let (least, why) = least_similarity(comparison);
            if !learned(pass.effective_score()) {
                add(path, "needs score: fellegiSunter".into());
            } else if lowest < least {
                add(
                    path,
                    format!("{lowest} is under {least}, {why}: no pair has that level alone"),
                );
            }
        }
    }
    errors
}

/// The least similarity of a pair for which the comparison holds, and why that is so.
fn least_similarity(comparison: &Comparison) -> (f64, &'static str) {
    match comparison.method() {
        Method::Exact => (1.0, "the one similarity of equal values"),
        Method::Number(_) | Method::Date(_) => (0.5, "the similarity at the bound"),
        Method::Text(text) if text.method == TextMethod::Soundex => {
            (1.0, "the one similarity of equal codes")
        }
        Method::Text(text) => (text.at_least, "which atLeast asks for"),
    }
}

/// What of a specification is allowed and has no effect, with its path.
#[must_use]
pub fn notes(spec: &MatchingSpec) -> Vec<SpecError> {
    let mut notes = Vec::new();
    for (index, pass) in spec.passes.iter().enumerate() {
        if pass.effective_score() != Score::FellegiSunter {
            continue;
        }
        for (at, comparison) in pass.compare.iter().enumerate() {
            if comparison.weight.is_some() {
                notes.push(SpecError {
                    path: format!("passes[{index}].compare[{at}].weight"),
                    message: "is ignored by score: fellegiSunter, which learns weights".into(),
                });
            }
        }
    }
    notes
}
