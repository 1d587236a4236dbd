//! Damaged files of every kind that the engine reads: a clear error or a result in which no row is
//! lost, and never a panic of the engine's own.
//!
//! `RECONCILE_FUZZ_INPUTS=100000 cargo test -p engine --test fuzz_readers` tries that many.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[path = "../../../crds/tests/inputs/mod.rs"]
mod inputs;
mod seeds;

use crds::matching::MatchingSpec;
use engine::{Error, InputFile, RunRequest, SideSummary, Silent, Summary};
use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use seeds::{Part, Seed, seeds};
use std::fs;
use std::panic;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Inputs unless the environment asks for more.
const INPUTS: u64 = 2_000;
/// Of so many inputs of one kind one is matched to the end; the others are read.
const MATCHED: u64 = 8;

/// Changes some bytes, or cuts, doubles or inserts some.
fn mutate(bytes: &mut Vec<u8>, random: &mut TestRng) {
    const TELLING: &[u8] = b"\"\n\r,\t{}[]:\\0-.eE\x00\xff\x7f\x80\xfe";
    for _ in 0..=random.next_u32() % 4 {
        if bytes.is_empty() {
            return;
        }
        let place = random.next_u32() as usize % bytes.len();
        let length = random.next_u32() as usize % 16;
        let end = (place + length).min(bytes.len());
        match random.next_u32() % 8 {
            0 => bytes.truncate(place),
            1 => drop(bytes.drain(place..end)),
            2 => {
                let copy = bytes[place..end].to_vec();
                bytes.splice(place..place, copy);
            }
            3 | 4 => bytes[place] = TELLING[random.next_u32() as usize % TELLING.len()],
            5 => bytes.insert(place, TELLING[random.next_u32() as usize % TELLING.len()]),
            6 => bytes[place] ^= 1 << (random.next_u32() % 8),
            _ => bytes[place] = random.next_u32().to_le_bytes()[0],
        }
    }
}

/// A job that reads the file.
fn spec(seed: &Seed, typed: bool) -> MatchingSpec {
    let Seed { name, part, .. } = seed;
    let left = |dataset: &str| {
        let columns = if typed {
            "columns: [{name: amount, type: \"decimal(12,2)\", negate: true}, {name: day, type: \
             date}, {name: n, type: integer}], where: \"n is null or n <> 3\", key: [id], "
        } else {
            ""
        };
        format!(
            "left: {{{columns}{dataset}source: {{uri: {name}}}}}\n\
             right: {{source: {{uri: right.csv}}}}\nduplicates: {{left: first}}\n\
             passes: [{{name: p, assign: greedy, block: [[id]], compare: [{{left: id, right: id, \
             text: {{method: levenshtein, atLeast: 0.5}}}}]}}]\n"
        )
    };
    let yaml = match part {
        Part::Left(dataset) => left(dataset),
        Part::Keyed => "left: {source: {uri: left.parquet}, key: [id]}\n\
                        right: {source: {uri: right.parquet}, key: [id]}\n\
                        diff: [{column: amount, exact: {}}, {column: memo, exact: {}}]\n\
                        passes: [{name: p, compare: [{column: id, exact: {}}]}]\n"
            .into(),
        Part::Rates => "left: {source: {uri: money.csv}, key: [id], columns: [{name: amount, type: \
                        \"decimal(9,2)\"}, {name: day, type: date}]}\n\
                        right: {source: {uri: money.csv}, key: [id], columns: [{name: amount, type: \
                        \"decimal(9,2)\"}, {name: day, type: date}]}\n\
                        fx: {rates: {source: {uri: rates.csv}}, base: EUR, amount: amount, currency: \
                        ccy, date: day, missing: reject}\n\
                        passes: [{name: p, compare: [{column: amount, exact: {}}]}]\n"
            .into(),
        Part::Model => "left: {source: {uri: people.csv}, columns: [{name: born, type: date}]}\n\
                        right: {source: {uri: people.csv}, columns: [{name: born, type: date}]}\n\
                        model: {uri: model.json}\n\
                        passes:\n  - name: people\n    block: [[name], [born]]\n    \
                        score: fellegiSunter\n    accept: 0.9\n    review: 0.5\n    compare:\n      \
                        - {column: name, text: {method: jaroWinkler, atLeast: 0.8}}\n      \
                        - {column: town, exact: {}}\n      \
                        - {column: born, date: {minDays: -3, maxDays: 3}}\n"
            .into(),
    };
    crds::decode::spec_from_yaml(&yaml).unwrap()
}

/// Where one thread of the search works.
struct Place {
    folder: TempDir,
    runtime: Runtime,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        write("right.csv", b"id\na\n");
        let right = seeds()
            .into_iter()
            .find(|seed| seed.part == Part::Keyed)
            .unwrap();
        write("right.parquet", &right.bytes);
        write(
            "money.csv",
            b"id,amount,day,ccy\na,1.50,2026-01-02,USD\nb,3,2026-01-09,USD\nc,2,2026-01-01,EUR\n",
        );
        write(
            "people.csv",
            b"name,town,born\nann,york,1980-01-01\nanne,york,1980-01-02\nbob,,1990-05-05\n",
        );
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        Self { folder, runtime }
    }

    fn file(&self, name: &str) -> InputFile {
        InputFile {
            path: self.folder.path().join(name),
            name: name.into(),
        }
    }

    fn run(&self, spec: MatchingSpec) -> Result<Summary, Error> {
        let side = |source: &crds::matching::Source| self.file(source.uri.as_deref().unwrap());
        let request = RunRequest {
            left: side(&spec.left.source),
            right: side(&spec.right.source),
            rates: spec.fx.as_ref().map(|fx| side(&fx.rates.source)),
            model: spec.model.as_ref().map(|model| self.file(&model.uri).path),
            out_dir: self.folder.path().join("out"),
            spec,
        };
        self.runtime
            .block_on(engine::run(request, Arc::new(Silent)))
    }
}

fn adds_up(side: &SideSummary) -> bool {
    let SideSummary {
        rows,
        matched,
        differing,
        review,
        unmatched,
        duplicate,
        rejected,
    } = *side;
    rows == matched + differing + review + unmatched + duplicate + rejected
}

/// Panics of the engine's own. The engine turns those of the libraries that it reads with into
/// errors of the file, and would so hide its own.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn note_own_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let of_library = panic
            .location()
            .is_some_and(|place| place.file().contains("/registry/src/"));
        if !of_library {
            PANICS.lock().unwrap().push(panic.to_string());
            usual(panic);
        }
    }));
}

#[test]
fn damaged_files_give_an_error_or_lose_no_row() {
    note_own_panics();
    let seeds = seeds();
    let kinds = seeds.len() as u64;
    let read = AtomicU64::new(0);
    let tried = inputs::each("files", INPUTS, Place::new, |place, input| {
        let (kind, round) = (input % kinds, input / kinds);
        let seed = &seeds[usize::try_from(kind).unwrap()];
        let mut bytes = seed.bytes.clone();
        // The first round is of valid files: every reader must read its own.
        let is_valid = round == 0;
        if !is_valid {
            mutate(&mut bytes, &mut inputs::random(input));
        }
        let file = place.file(seed.name);
        fs::write(&file.path, &bytes).unwrap();
        let named = !matches!(seed.part, Part::Left(dataset) if dataset.contains("header"));
        let spec = spec(seed, named && round % 3 != 2);
        let is_matched = round % MATCHED == 0 || !matches!(seed.part, Part::Left(_));
        let result = if is_matched {
            place.run(spec).map(|summary| {
                let [left, right] = [&summary.left, &summary.right].map(adds_up);
                assert!(left && right, "{}: {summary:?}", seed.name);
            })
        } else {
            engine::profile::profile(&spec.left, &file, &Silent).map(|profile| {
                assert!(profile.rows > 0 && profile.rejected <= profile.rows);
            })
        };
        let wrong = match &result {
            Ok(()) => {
                read.fetch_add(1, Ordering::Relaxed);
                None
            }
            Err(Error::Input { detail, .. }) if !is_valid => detail.is_empty().then_some(""),
            Err(Error::Spec(errors)) if !is_valid || !named => errors.is_empty().then_some(""),
            Err(_) => Some("this is no error of a damaged file"),
        };
        // The hook takes the lock for the panic below.
        let panics = PANICS.lock().unwrap().clone();
        if wrong.is_some() || !panics.is_empty() {
            let kept = keep(&bytes, seed.name);
            panic!(
                "{} (kept as {kept}): {wrong:?} {:?} {panics:?}",
                seed.name,
                result.err()
            );
        }
    });
    let read = read.into_inner();
    if tried >= INPUTS {
        assert!(
            read * 8 > tried,
            "hardly any damaged file was still read: {read} of {tried}"
        );
    }
}

/// Keeps an input that failed where the build's files are.
fn keep(bytes: &[u8], name: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("failed-{name}"));
    fs::write(&path, bytes).unwrap();
    path.display().to_string()
}
