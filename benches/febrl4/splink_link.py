"""Splink on febrl4: splink_link DATA OUT TMP. The detailed model of Splink's own febrl4 example, its
blocking rules, training rules and prior."""

from __future__ import annotations

import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from frame.linkage import train, write_pairs
from frame.peer import duck, places


def main() -> None:
    data, out, tmp = places()
    connection = duck(tmp)
    for name, file in (("originals", "left"), ("duplicates", "right")):
        connection.execute(f"""create table input_{name} as
            select * from read_csv('{data}/{file}.csv', all_varchar=true)""")
    settings = SettingsCreator(
        unique_id_column_name="rec_id",
        link_type="link_only",
        blocking_rules_to_generate_predictions=[
            block_on("given_name", "surname"),
            "l.given_name = r.surname and l.surname = r.given_name",
            block_on("date_of_birth"),
            block_on("soc_sec_id"),
            block_on("state", "address_1"),
            block_on("street_number", "address_1"),
            block_on("postcode"),
        ],
        comparisons=[
            cl.NameComparison("given_name").configure(term_frequency_adjustments=True),
            cl.NameComparison("surname").configure(term_frequency_adjustments=True),
            cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d",
                                     invalid_dates_as_null=True),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]).configure(
                term_frequency_adjustments=True),
        ],
    )
    api = DuckDBAPI(connection=connection)
    names = ("originals", "duplicates")
    tables = [api.register(f"input_{name}", dataset_display_name=name) for name in names]
    linker = Linker(tables, settings)
    linker.training.estimate_probability_two_random_records_match(
        [block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")], recall=0.8)
    train(linker, [block_on("date_of_birth"), block_on("postcode")], max_pairs=1e6)
    write_pairs(linker, connection, names, "rec_id", out)


main()
