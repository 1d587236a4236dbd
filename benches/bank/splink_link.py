"""Splink on the bank: splink_link DATA OUT TMP. After Splink's own example for bank transactions:
graded differences of the amount, days from booking to value date, texts, and a prior of one match for
each record; here with the counterparty and the reference that this data has besides."""

from __future__ import annotations

import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from frame.linkage import train, write_pairs
from frame.peer import duck, places

CLEAN = "nullif(trim(regexp_replace(lower(strip_accents({})), '[^a-z0-9]+', ' ', 'g')), '')"


def level(condition: str, label: str) -> dict:
    return {"sql_condition": condition, "label_for_charts": label}


def days(first: int, last: int) -> dict:
    return level(f"date_diff('day', date_l, date_r) between {first} and {last}", f"{first} to {last} days")


AMOUNT = {
    "output_column_name": "amount",
    "comparison_levels": [
        cll.NullLevel("amount"),
        cll.ExactMatchLevel("amount"),
        level("abs(amount_l - amount_r) <= 0.05", "a few cents"),
        # Fees come off what comes in and are added to what goes out, in whole amounts.
        level("amount_l - amount_r between 5 and 35", "a fee"),
        cll.PercentageDifferenceLevel("amount", 0.01),
        cll.PercentageDifferenceLevel("amount", 0.03),
        cll.ElseLevel(),
    ],
}
DATE = {
    "output_column_name": "date",
    "comparison_levels": [cll.NullLevel("date"), days(0, 1), days(0, 3), days(0, 7), days(-5, 14),
                          days(-7, 30), cll.ElseLevel()],
}
REFERENCE = {
    "output_column_name": "reference",
    "comparison_levels": [
        cll.NullLevel("reference"),
        cll.ExactMatchLevel("reference"),
        level("nullif(digits_l, '') = nullif(digits_r, '')", "the same digits"),
        cll.DamerauLevenshteinLevel("reference", 1),
        cll.DamerauLevenshteinLevel("reference", 2),
        cll.ElseLevel(),
    ],
}


# The same blocks as in job.yaml.
NEAR = "l.currency = r.currency and abs(date_diff('day', l.date, r.date)) <= 30"
BLOCKS = [
    f"l.amount = r.amount and {NEAR}",
    block_on("digits"),
    block_on("words", arrays_to_explode=["words"]),
    f"substr(l.party, 1, 6) = substr(r.party, 1, 6) and {NEAR} and abs(l.amount - r.amount) <= 100",
]
# Words of the reference and of the text that at most so many records of either side have.
RARE = 20


def keep_rare_words(connection, tables: list[str]) -> None:
    """Leaves in `words` those that are rare on both sides."""
    counts = " union all ".join(
        f"select '{table}' as side, word, count(*) as records from (select distinct id, unnest(words) as word "
        f"from {table}) group by word" for table in tables)
    connection.execute(f"""
        create table rare as select word from ({counts})
        group by word having count(*) = 2 and max(records) <= {RARE}""")
    for table in tables:
        connection.execute(f"""
            create or replace table {table} as
            select * replace (coalesce(kept.words, []) as words) from {table}
            left join (select id, list(distinct word) as words
                       from (select id, unnest(words) as word from {table}) semi join rare using (word)
                       group by id) as kept using (id)""")


def main() -> None:
    data, out, tmp = places()
    connection = duck(tmp)
    columns = {"ledger": ("left", "entry_id", "booked", "memo"),
               "statement": ("right", "line", "value_date", "text")}
    for name, (file, key, date, text) in columns.items():
        connection.execute(f"""
            create table input_{name} as
            select {key} as id, {date}::date as date, amount::decimal(18, 2)::double as amount, currency,
                   upper(reference) as reference, regexp_replace(reference, '[^0-9]', '', 'g') as digits,
                   {CLEAN.format("party")} as party, {CLEAN.format(text)} as memo,
                   string_split(coalesce({CLEAN.format(f"concat_ws(' ', reference, {text})")}, ''), ' ') as words
            from read_csv('{data}/{file}.csv', all_varchar=true)""")
    keep_rare_words(connection, [f"input_{name}" for name in columns])
    rows = connection.execute("select count(*) from input_ledger").fetchall()[0][0]
    settings = SettingsCreator(
        unique_id_column_name="id",
        link_type="link_only",
        probability_two_random_records_match=1 / rows,
        blocking_rules_to_generate_predictions=BLOCKS,
        comparisons=[
            AMOUNT,
            DATE,
            cl.JaroWinklerAtThresholds("party", [0.92, 0.88, 0.7]).configure(
                term_frequency_adjustments=True),
            REFERENCE,
            cl.JaroWinklerAtThresholds("memo", [0.92, 0.8, 0.7]).configure(
                term_frequency_adjustments=True),
        ],
    )
    api = DuckDBAPI(connection=connection)
    names = ("ledger", "statement")
    tables = [api.register(f"input_{name}", dataset_display_name=name) for name in names]
    linker = Linker(tables, settings)
    train(linker, [block_on("reference"), block_on("currency", "amount")], max_pairs=1e6)
    write_pairs(linker, connection, names, "id", out)


main()
