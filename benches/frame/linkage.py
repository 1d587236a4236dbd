"""What the Splink scripts share. They follow Splink's own examples for the same kinds of data
(febrl4, transactions, deduplicate_50k): u by random sampling, m by expectation maximisation on two
blocking rules without term frequencies, then predict, then its one-to-one linking by single best
links."""

from __future__ import annotations

from pathlib import Path

# From this probability on a pair is a link. Where a record has one partner at most and wrong and
# missed links weigh the same, one half is the natural threshold; no truth was used to choose it. The
# same holds for the `accept` of our jobs.
THRESHOLD = 0.5


def train(linker, rules: list, max_pairs: float) -> None:
    """Learns u from so many pairs, as many as Splink's example for the kind of data takes, then m
    from each of the blocking rules."""
    linker.training.estimate_u_using_random_sampling(max_pairs=max_pairs)
    for rule in rules:
        linker.training.estimate_parameters_using_expectation_maximisation(
            rule, estimate_without_term_frequencies=True)


def write_pairs(linker, connection, names: tuple[str, str], key: str, out: Path) -> None:
    """Predicts, links one to one and writes pairs.parquet with left_key and right_key."""
    predictions = linker.inference.predict(threshold_match_probability=THRESHOLD)
    clusters = linker.clustering.cluster_using_single_best_links(
        predictions, duplicate_free_datasets=list(names), threshold_match_probability=THRESHOLD)
    table = clusters.physical_name
    connection.execute(f"""
        copy (select l.{key} as left_key, r.{key} as right_key
              from {table} l join {table} r using (cluster_id)
              where l.source_dataset = '{names[0]}' and r.source_dataset = '{names[1]}')
        to '{out}/pairs.parquet' (format parquet)""")
