//! Clean-up of texts for comparing and blocking. The originals are kept beside the result.

use crds::matching::{Normalize, NormalizeStep};
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::error::ArrowError;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// The batch with the steps applied to the columns that `rules` name; nulls stay null. A column
/// that this side lacks, or that is not text, is left alone: [`crate::plan`] has checked the rules.
///
/// # Errors
/// Only if Arrow refuses a column of the same type and length.
pub fn normalized(batch: &RecordBatch, rules: &[Normalize]) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    for rule in rules {
        let Ok(index) = batch.schema_ref().index_of(&rule.column) else {
            continue;
        };
        if let Some(texts) = columns[index].as_string_opt::<i32>() {
            let cleaned: StringArray = texts
                .iter()
                .map(|text| text.map(|text| clean(text, &rule.steps)))
                .collect();
            columns[index] = Arc::new(cleaned);
        }
    }
    RecordBatch::try_new(batch.schema(), columns)
}

fn clean(text: &str, steps: &[NormalizeStep]) -> String {
    steps
        .iter()
        .fold(text.to_owned(), |text, step| apply(&text, *step))
}

fn apply(text: &str, step: NormalizeStep) -> String {
    match step {
        NormalizeStep::Nfkc => text.nfkc().collect(),
        NormalizeStep::Lowercase => text.to_lowercase(),
        NormalizeStep::StripPunctuation => text
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || c.is_whitespace() {
                    c
                } else {
                    ' '
                }
            })
            .collect(),
        NormalizeStep::CollapseWhitespace => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NormalizeStep::{CollapseWhitespace, Lowercase, Nfkc, StripPunctuation};

    #[test]
    fn steps_do_what_their_names_say() {
        assert_eq!(clean("ﬁrst ＡＢＣ", &[Nfkc]), "first ABC");
        assert_eq!(clean("ÀÉ", &[Lowercase]), "àé");
        assert_eq!(clean("a.b-c", &[StripPunctuation]), "a b c");
        assert_eq!(clean("  a \t b\n", &[CollapseWhitespace]), "a b");
        assert_eq!(
            clean(
                " ACME, Ltd. ",
                &[Lowercase, StripPunctuation, CollapseWhitespace]
            ),
            "acme ltd"
        );
    }
}
