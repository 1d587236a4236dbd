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
        NormalizeStep::BasicLatin => basic_latin(text),
        NormalizeStep::CollapseWhitespace => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

fn basic_latin(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.nfc() {
        let written = match letter {
            'ä' | 'æ' => "ae",
            'ö' | 'ø' | 'œ' => "oe",
            'ü' => "ue",
            'Ä' | 'Æ' => "Ae",
            'Ö' | 'Ø' | 'Œ' => "Oe",
            'Ü' => "Ue",
            'ß' => "ss",
            'ẞ' => "SS",
            'þ' => "th",
            'Þ' => "Th",
            'ð' | 'đ' => "d",
            'Ð' | 'Đ' => "D",
            'ħ' => "h",
            'Ħ' => "H",
            'ı' => "i",
            'ł' => "l",
            'Ł' => "L",
            _ => {
                let base = std::iter::once(letter).nfd().next();
                let is_latin = |base: &char| base.is_ascii_alphabetic();
                plain.push(base.filter(is_latin).unwrap_or(letter));
                continue;
            }
        };
        plain.push_str(written);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use NormalizeStep::{BasicLatin, CollapseWhitespace, Lowercase, Nfkc, StripPunctuation};

    #[test]
    fn steps_do_what_their_names_say() {
        assert_eq!(clean("ﬁrst ＡＢＣ", &[Nfkc]), "first ABC");
        assert_eq!(clean("ÀÉ", &[Lowercase]), "àé");
        assert_eq!(clean("a.b-c", &[StripPunctuation]), "a b c");
        assert_eq!(clean("  a \t b\n", &[CollapseWhitespace]), "a b");
        let names = "Müller Straße, Ærø, Łódź, Ñandú, Đorđe, Þór, Mu\u{308}ller; Жуков, Ώρα 5€";
        assert_eq!(
            clean(names, &[BasicLatin]),
            "Mueller Strasse, Aeroe, Lodz, Nandu, Dorde, Thor, Mueller; Жуков, Ώρα 5€"
        );
        assert_eq!(
            clean(
                " ACME, Ltd. ",
                &[Lowercase, StripPunctuation, CollapseWhitespace]
            ),
            "acme ltd"
        );
    }
}
