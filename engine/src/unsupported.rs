//! Keys of the language that this engine does not carry out yet. They are refused, never ignored.

use crds::decode::SpecError;
use crds::matching::{
    Cardinality, Comparison, Dataset, Format, MatchingSpec, Method, OutputFormat, Score, TextMethod,
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
    for (side, dataset) in [("left", &spec.left), ("right", &spec.right)] {
        sources(dataset, side, &mut refuse);
    }
    refuse(spec.fx.is_some(), "fx".into());
    refuse(spec.model.is_some(), "model".into());
    for (index, format) in spec.formats().iter().enumerate() {
        let unwritten = matches!(format, OutputFormat::Html | OutputFormat::Xlsx);
        refuse(unwritten, format!("output.formats[{index}]"));
    }
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

fn sources(dataset: &Dataset, side: &str, refuse: &mut dyn FnMut(bool, String)) {
    refuse(dataset.source.sql.is_some(), format!("{side}.source.sql"));
    refuse(dataset.filter.is_some(), format!("{side}.where"));
    let unread = |format| !matches!(format, Format::Csv | Format::Parquet);
    refuse(dataset.format.is_some_and(unread), format!("{side}.format"));
    let options = dataset.options.clone().unwrap_or_default();
    refuse(
        options.encoding.is_some(),
        format!("{side}.options.encoding"),
    );
    refuse(options.sheet.is_some(), format!("{side}.options.sheet"));
    for (index, column) in dataset.columns.iter().enumerate() {
        refuse(column.negate, format!("{side}.columns[{index}].negate"));
    }
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
