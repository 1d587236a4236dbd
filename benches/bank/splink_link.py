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
                   {CLEAN.format("party")} as party, {CLEAN.format(text)} as memo
            from read_csv('{data}/{file}.csv', all_varchar=true)""")
    rows = connection.execute("select count(*) from input_ledger").fetchall()[0][0]
    settings = SettingsCreator(
        unique_id_column_name="id",
        link_type="link_only",
        probability_two_random_records_match=1 / rows,
        blocking_rules_to_generate_predictions=[
            block_on("currency", "amount"),
            block_on("digits"),
            block_on("currency", "substr(party, 1, 6)", "floor(amount / 50)"),
        ],
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
