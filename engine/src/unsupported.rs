//! Keys of the language that this engine does not carry out yet. They are refused, never ignored.

use crds::decode::SpecError;
use crds::matching::MatchingSpec;

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
    errors
}
