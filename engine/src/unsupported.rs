//! Keys of the language that this engine does not carry out yet. They are refused, never ignored.

use crds::decode::SpecError;
use crds::matching::{
    Cardinality, Comparison, MatchingSpec, Method, OutputFormat, Score, TextMethod,
};

/// Every key that is refused, with its path.
pub fn unsupported(spec: &MatchingSpec) -> Vec<SpecError> {
    let mut errors = Vec::new();
    let mut refuse = |refused: bool, path: String| {
        if refused {
            errors.push(SpecError {
                path,
                message: "is not supported by this version".into(),
            });
        }
    };
    let rates = spec.fx.as_ref().map(|fx| ("fx.rates", &fx.rates));
    for (place, dataset) in [("left", &spec.left), ("right", &spec.right)]
        .into_iter()
        .chain(rates)
    {
        let source = &dataset.source;
        refuse(source.sql.is_some(), format!("{place}.source.sql"));
        let remote = source.uri.as_ref().is_some_and(|uri| uri.contains("://"));
        refuse(remote, format!("{place}.source.uri"));
    }
    refuse(!spec.diff.is_empty(), "diff".into());
    refuse(spec.model.is_some(), "model".into());
    let limits = spec.limits.as_ref();
    refuse(
        limits.is_some_and(|limits| limits.memory.is_some()),
        "limits.memory".into(),
    );
    for (index, format) in spec.formats().iter().enumerate() {
        let unwritten = matches!(format, OutputFormat::Html | OutputFormat::Xlsx);
        refuse(unwritten, format!("output.formats[{index}]"));
    }
    let pairs = spec.output.as_ref().and_then(|output| output.pairs);
    refuse(pairs.is_some(), "output.pairs".into());
    for (index, pass) in spec.passes.iter().enumerate() {
        let path = format!("passes[{index}]");
        refuse(
            pass.effective_cardinality() != Cardinality::OneToOne,
            format!("{path}.cardinality"),
        );
        refuse(pass.sum.is_some(), format!("{path}.sum"));
        refuse(pass.margin.is_some(), format!("{path}.margin"));
        refuse(
            pass.effective_score() == Score::FellegiSunter,
            format!("{path}.score"),
        );
        for (at, comparison) in pass.compare.iter().enumerate() {
            let path = format!("{path}.compare[{at}]");
            refuse(!comparison.levels.is_empty(), format!("{path}.levels"));
            refuse(unknown_method(comparison), format!("{path}.text.method"));
        }
    }
    errors
}

fn unknown_method(comparison: &Comparison) -> bool {
    match comparison.method() {
        Method::Text(text) => !matches!(
            text.method,
            TextMethod::Levenshtein | TextMethod::JaroWinkler
        ),
        _ => false,
    }
}
