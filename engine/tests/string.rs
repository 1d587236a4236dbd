//! The text similarities against plain definitions and against `RapidFuzz`'s values, and that there is
//! only one Levenshtein.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[path = "string/plain.rs"]
mod plain;

use arrow::array::StringArray;
use engine::utils::string::{
    Method, damerau_levenshtein_distance, indel_similarity, jaro_winkler_similarity,
    levenshtein_distance, levenshtein_similarity, prepare, qgram_similarity, similarities,
    similarity, soundex,
};
use proptest::prelude::*;
use rstest::rstest;
use std::fs;
use std::path::{Path, PathBuf};

const METHODS: [Method; 8] = [
    Method::Levenshtein,
    Method::DamerauLevenshtein,
    Method::Jaro,
    Method::JaroWinkler,
    Method::TokenSort,
    Method::TokenSet,
    Method::Qgram,
    Method::Soundex,
];

/// Few letters, so that texts share many; some beyond ASCII and beyond the first plane.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[abc]{0,20}",
        "[a-e ]{14,34}",
        "[abcdé日🦀 ]{0,40}",
        "[ab]{50,200}",
        "[aé🦀]{60,140}",
        "\\PC{0,30}"
    ]
}

fn near(ours: f64, plain: f64) -> Result<(), TestCaseError> {
    prop_assert!((ours - plain).abs() < 1e-12, "{} and {}", ours, plain);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn levenshtein_is_the_textbooks(left in texts(), right in texts()) {
        prop_assert_eq!(levenshtein_distance(&left, &right), plain::levenshtein(&left, &right));
    }

    #[test]
    fn damerau_is_lowrances_and_wagners(left in texts(), right in texts()) {
        prop_assert_eq!(
            damerau_levenshtein_distance(&left, &right),
            plain::damerau(&left, &right)
        );
    }

    #[test]
    fn jaro_is_winklers(left in texts(), right in texts()) {
        near(similarity(Method::Jaro, &left, &right), plain::jaro_winkler(&left, &right, 0))?;
        near(jaro_winkler_similarity(&left, &right), plain::jaro_winkler(&left, &right, 4))?;
    }

    #[test]
    fn words_are_compared_as_defined(left in texts(), right in texts()) {
        near(indel_similarity(&left, &right), plain::indel(&left, &right))?;
        near(similarity(Method::TokenSort, &left, &right), plain::token_sort(&left, &right))?;
        near(similarity(Method::TokenSet, &left, &right), plain::token_set(&left, &right))?;
    }

    #[test]
    fn qgrams_are_counted(left in texts(), right in texts()) {
        near(qgram_similarity(&left, &right), plain::qgram(&left, &right))?;
    }
}

/// A column with nulls, and another one with texts near it, so that all similarities occur.
fn columns() -> impl Strategy<Value = Vec<(Option<String>, Option<String>)>> {
    let pair = prop_oneof![
        (texts(), texts()),
        ("[a-e ]{1,34}", 0_usize..40, "[a-e ]{0,2}").prop_map(|(left, place, with)| {
            let place = place.min(left.len());
            let right = format!(
                "{}{with}{}",
                &left[..place],
                &left[(place + 1).min(left.len())..]
            );
            (left, right)
        }),
    ];
    let pair = (pair, prop::bool::weighted(0.05), prop::bool::weighted(0.05));
    let pair = pair.prop_map(|((left, right), no_left, no_right)| {
        ((!no_left).then_some(left), (!no_right).then_some(right))
    });
    prop::collection::vec(pair, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_batch_gives_the_bits_of_single_pairs(
        pairs in columns(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..90),
        skip in 1_usize..4,
        at_least in prop_oneof![Just(0.0), 0.0..1.0],
    ) {
        let (left, right): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        // Rows in any order and more than once, besides each with its neighbour.
        let pick = |index: prop::sample::Index| u32::try_from(index.index(left.len())).unwrap();
        let own = 0..u32::try_from(left.len()).unwrap();
        let left_rows: Vec<u32> = own.clone().chain(picks.iter().map(|p| pick(p.0))).collect();
        let right_rows: Vec<u32> = own.chain(picks.iter().map(|p| pick(p.1))).collect();
        let alive: Vec<u32> = (0..u32::try_from(left_rows.len()).unwrap()).step_by(skip).collect();
        let (l, r) = (StringArray::from(left.clone()), StringArray::from(right.clone()));
        for method in METHODS {
            let (l, r) = (prepare(method, &l), prepare(method, &r));
            let mut out = vec![-7.0; left_rows.len()];
            similarities(&l, &r, &left_rows, &right_rows, &alive, at_least, &mut out);
            for (pair, found) in out.into_iter().enumerate() {
                if pair % skip != 0 {
                    prop_assert_eq!(found.to_bits(), (-7.0_f64).to_bits());
                    continue;
                }
                let text = |texts: &[Option<String>], rows: &[u32]| {
                    texts[rows[pair] as usize].clone().unwrap_or_default()
                };
                let (a, b) = (text(&left, &left_rows), text(&right, &right_rows));
                let exact = similarity(method, &a, &b);
                if exact >= at_least {
                    prop_assert_eq!(found.to_bits(), exact.to_bits(), "{:?} {} {}", method, a, b);
                } else {
                    prop_assert!(found < at_least, "{:?} {} {}: {}", method, a, b, found);
                }
            }
        }
    }
}

/// `benches/text/reference.py` writes the table.
#[test]
fn similarities_are_rapidfuzzs() {
    let table = include_str!("string/reference.tsv");
    let mut lines = table.split('\n').filter(|line| !line.is_empty());
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let method = |name: &str| match name {
        "levenshtein" => Method::Levenshtein,
        "damerauLevenshtein" => Method::DamerauLevenshtein,
        "jaro" => Method::Jaro,
        "jaroWinkler" => Method::JaroWinkler,
        "tokenSort" => Method::TokenSort,
        "tokenSet" => Method::TokenSet,
        other => panic!("no method {other}"),
    };
    let mut compared = 0;
    for line in lines {
        let cells: Vec<&str> = line.split('\t').collect();
        let (left, right) = (cells[0], cells[1]);
        for (name, cell) in header[2..].iter().zip(&cells[2..]) {
            if cell.is_empty() {
                continue;
            }
            let (ours, theirs) = (similarity(method(name), left, right), cell.parse::<f64>());
            let theirs = theirs.unwrap();
            assert!(
                (ours - theirs).abs() < 1e-12,
                "{name} of {left:?} and {right:?}: {ours}, and {theirs} by RapidFuzz"
            );
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared}");
}

#[rstest]
#[case("kitten", "sitting", 3)]
#[case("", "", 0)]
#[case("", "abc", 3)]
#[case("日本語", "日本", 1)]
#[case("e\u{301}", "é", 2)] // scalar values, not graphemes
fn known_distances(#[case] left: &str, #[case] right: &str, #[case] distance: usize) {
    assert_eq!(levenshtein_distance(left, right), distance);
}

#[rstest]
#[case("ab", "ba", 1)]
#[case("ca", "abc", 2)] // 3 if what was swapped may not be edited again
#[case("日本", "本日", 1)]
fn known_distances_with_swaps(#[case] left: &str, #[case] right: &str, #[case] distance: usize) {
    assert_eq!(damerau_levenshtein_distance(left, right), distance);
}

#[rstest]
#[case("MARTHA", "MARHTA", 0.961_111)]
#[case("DIXON", "DICKSONX", 0.813_333)]
#[case("DWAYNE", "DUANE", 0.84)]
#[case("", "", 1.0)]
#[case("", "a", 0.0)]
#[case("a", "a", 1.0)]
#[case("ab", "ba", 0.0)]
fn known_jaro_winklers(#[case] left: &str, #[case] right: &str, #[case] similarity: f64) {
    let found = jaro_winkler_similarity(left, right);
    assert!((found - similarity).abs() < 1e-6, "{found}");
}

#[rstest]
#[case("night", "nacht", 0.25)]
#[case("aaaa", "aa", 0.5)] // three times `aa`, and once
#[case("a", "a", 1.0)]
#[case("a", "ab", 0.0)]
#[case("a", "日", 0.0)]
#[case("", "a", 0.0)]
fn known_qgrams(#[case] left: &str, #[case] right: &str, #[case] similarity: f64) {
    let found = qgram_similarity(left, right);
    assert!((found - similarity).abs() < 1e-12, "{found}");
}

#[rstest]
#[case("Robert", "R163")]
#[case("Rupert", "R163")]
#[case("Ashcraft", "A261")]
#[case("Tymczak", "T522")]
#[case("Pfister", "P236")]
#[case("Honeyman", "H555")]
#[case("Lee", "L000")]
#[case("O'Hara-Smith", "O625")]
#[case("Müller", "M460")]
#[case("Éric", "E620")]
fn known_soundex_codes(#[case] text: &str, #[case] code: &str) {
    assert_eq!(
        soundex(text).as_ref().map(<[u8; 4]>::as_slice),
        Some(code.as_bytes())
    );
}

#[rstest]
#[case("Robert", "Rupert", 1.0)]
#[case("Robert", "Rubin", 0.0)]
#[case("日本", "123", 0.0)] // neither has a code, and they differ
#[case("日本", "日本", 1.0)]
#[case("", "Lee", 0.0)]
fn soundex_compares_codes(#[case] left: &str, #[case] right: &str, #[case] expected: f64) {
    let found = similarity(Method::Soundex, left, right);
    assert!((found - expected).abs() < f64::EPSILON, "{found}");
}

#[test]
fn two_empty_texts_are_equal_by_every_method() {
    for method in METHODS {
        assert!(
            (similarity(method, "", "") - 1.0).abs() < f64::EPSILON,
            "{method:?}"
        );
    }
}

#[test]
fn a_similarity_written_by_a_person_is_reached() {
    assert!(levenshtein_similarity("aaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaabbb") >= 0.85);
    assert!((levenshtein_similarity("", "") - 1.0).abs() < f64::EPSILON);
}

/// A second implementation would be named for what it does, or defined beside a crate that has one.
#[test]
fn there_is_one_levenshtein() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    let mut manifests = Vec::new();
    walk(&root, &mut |path| {
        let Ok(text) = fs::read_to_string(path) else {
            return;
        };
        let text = text.to_lowercase();
        let definition = |line: &&str| {
            let line = line.trim_start();
            ["fn ", "func ", "def ", "function "].iter().any(|keyword| {
                line.split_once(keyword).is_some_and(|(_, name)| {
                    let name = name.split('(').next().unwrap_or_default();
                    ["levenshtein", "edit_distance", "editdistance", "damerau"]
                        .iter()
                        .any(|word| name.contains(word))
                })
            })
        };
        if text.lines().any(|line| definition(&line)) {
            found.push(path.to_owned());
        }
        let peers = [
            "strsim",
            "rapidfuzz",
            "levenshtein",
            "edit-distance",
            "triple_accel",
        ];
        if path.ends_with("Cargo.toml") && peers.iter().any(|peer| text.contains(peer)) {
            manifests.push(path.to_owned());
        }
    });
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/utils/string")
        .canonicalize()
        .unwrap();
    let elsewhere: Vec<PathBuf> = found
        .iter()
        .map(|path| path.canonicalize().unwrap())
        .filter(|path| !path.starts_with(&ours))
        .collect();
    assert!(
        elsewhere.len() < found.len(),
        "the search finds not even ours"
    );
    assert!(elsewhere.is_empty(), "{elsewhere:?} define another one");
    assert!(
        manifests.is_empty(),
        "{manifests:?} depend on another Levenshtein"
    );
}

/// Source files of the repository outside tests, benches and build folders.
fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let skipped = ["tests", "benches", "target", "node_modules", "vendor"];
        if path.is_symlink() || name.starts_with('.') || skipped.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(&path, visit);
        } else if [".rs", ".go", ".py", ".js", ".ts", ".sql", "Cargo.toml"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            visit(&path);
        }
    }
}
