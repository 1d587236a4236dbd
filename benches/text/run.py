"""Measures text similarities on the same pairs of texts: the engine's kernels, the `rapidfuzz` crate,
DuckDB and RapidFuzz's batched `cpdist`.

    benches/run text [--pairs 2000000] [--threads 2] [--repeats 5] [--write]

Every subject runs in a process of its own, which gives its peak memory (with both columns in it) and
the median of its repetitions. The table's last column is the speed over DuckDB's.
"""

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
START, END = "<!-- text: written by benches/run text --write -->", "<!-- end of text -->"
LETTERS = "abcdefghijklmnopqrstuvwxyz     "
DUCKDB = {
    "levenshtein": "levenshtein",
    "damerauLevenshtein": "damerau_levenshtein",
    "jaro": "jaro_similarity",
    "jaroWinkler": "jaro_winkler_similarity",
}
METHODS = [*DUCKDB, "tokenSort", "tokenSet", "qgram", "soundex"]


def write_pairs(path: Path, kind: str, count: int) -> None:
    """Pairs of 14 to 20 ASCII characters: both random, or one or two edits apart."""
    generator = random.Random(20)

    def text() -> str:
        return "".join(generator.choices(LETTERS, k=generator.randint(14, 20)))

    def edited(whole: str) -> str:
        characters = list(whole)
        for _ in range(generator.randint(1, 2)):
            place = generator.randrange(len(characters))
            edit = generator.randrange(4)
            if edit == 0:
                characters[place] = generator.choice(LETTERS)
            elif edit == 1 and len(characters) > 14:
                del characters[place]
            elif edit == 2 and len(characters) < 20:
                characters.insert(place, generator.choice(LETTERS))
            else:
                characters[place : place + 2] = reversed(characters[place : place + 2])
        return "".join(characters)

    with open(path, "w", encoding="ascii") as file:
        for _ in range(count):
            left = text()
            file.write(f"{left}\t{text() if kind == 'random' else edited(left)}\n")


def duckdb_seconds(path: str, method: str, threads: int, repeats: int) -> None:
    import duckdb

    database = duckdb.connect(config={"threads": threads})
    database.execute(
        "create table pairs as from read_csv(?, delim='\t', header=false, quote='', escape='', "
        "columns={'a': 'varchar', 'b': 'varchar'})",
        [path],
    )
    query = f"select sum({DUCKDB[method]}(a, b)) from pairs"
    report(lambda: database.execute(query).fetchone()[0], repeats)


def rapidfuzz_seconds(path: str, method: str, threads: int, repeats: int) -> None:
    from rapidfuzz import fuzz, process
    from rapidfuzz.distance import DamerauLevenshtein, Jaro, JaroWinkler, Levenshtein

    scorer = {
        "levenshtein": Levenshtein.normalized_similarity,
        "damerauLevenshtein": DamerauLevenshtein.normalized_similarity,
        "jaro": Jaro.similarity,
        "jaroWinkler": JaroWinkler.similarity,
        "tokenSort": fuzz.token_sort_ratio,
        "tokenSet": fuzz.token_set_ratio,
    }[method]
    with open(path, encoding="ascii") as file:
        pairs = [line.rstrip("\n").split("\t") for line in file]
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    report(lambda: process.cpdist(left, right, scorer=scorer, workers=threads).sum(), repeats)


def report(run, repeats: int) -> None:
    for _ in range(repeats):
        start = time.perf_counter()
        total = run()
        print(time.perf_counter() - start)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    print(total)


def subjects(method: str):
    binary = os.environ.get("CARGO_TARGET_DIR", HERE / "target")
    binary = Path(binary) / "release" / "text-bench"
    rust = {
        "engine, prepared": "prepared",
        "engine, preparing included": "batched",
        "engine, one pair at a time": "single",
    }
    if method in DUCKDB:
        rust["rapidfuzz crate"] = "crate"
        yield "DuckDB", [sys.executable, __file__, "--subject", "duckdb"], None
    if method not in ("qgram", "soundex"):
        yield "RapidFuzz cpdist", [sys.executable, __file__, "--subject", "rapidfuzz"], None
    for name, subject in rust.items():
        yield name, [binary], subject


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=2_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--methods", nargs="*", default=METHODS)
    parser.add_argument("--write", action="store_true", help="put the table into ../README.md")
    parser.add_argument("--subject", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.subject:
        path, method = options.rest
        run = duckdb_seconds if options.subject == "duckdb" else rapidfuzz_seconds
        return run(path, method, options.threads, options.repeats)

    table = ["| pairs | method | subject | M pairs/s | peak MiB | over DuckDB |",
             "|---|---|---|---:|---:|---:|"]
    print(*table, sep="\n")
    numbers = [f"--threads={options.threads}", f"--repeats={options.repeats}"]
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("random", "typo"):
            path = Path(folder) / f"{kind}.tsv"
            write_pairs(path, kind, options.pairs)
            for method in options.methods:
                base = None
                for name, command, subject in subjects(method):
                    if subject:
                        rest = [path, method, subject, options.threads, options.repeats]
                    else:
                        rest = [*numbers, path, method]
                    command = [str(part) for part in [*command, *rest]]
                    lines = subprocess.run(command, check=True, capture_output=True, text=True)
                    *seconds, memory, _ = lines.stdout.split()
                    speed = options.pairs / statistics.median(map(float, seconds)) / 1e6
                    base = speed if name == "DuckDB" else base
                    ratio = f"{speed / base:.1f}" if base else ""
                    table.append(f"| {kind} | {method} | {name} | {speed:.1f} | {memory} | {ratio} |")
                    print(table[-1], flush=True)
    if options.write:
        text = README.read_text()
        before, rest = text.split(START)
        README.write_text("\n".join([before + START, "", *table, "", END + rest.split(END)[1]]))


if __name__ == "__main__":
    main()
