//! Keys of the language that this engine does not carry out yet. They are refused, never ignored.

use crds::decode::SpecError;
use crds::matching::{Dataset, Format, MatchingSpec};

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
