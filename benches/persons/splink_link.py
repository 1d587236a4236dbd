"""Splink on lists of customers: splink_link DATA OUT TMP. After Splink's own examples for persons:
cleaned columns, its comparisons for names and birth dates, term frequencies, the prior from
deterministic rules. Street, house and postcode say much the same, which its advice is not to count
more than once, so they are one comparison."""

from __future__ import annotations

import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from frame.linkage import train, write_pairs
from frame.peer import duck, places

CLEAN = "nullif(trim(regexp_replace(lower(strip_accents({0})), '[^a-z0-9]+', ' ', 'g')), '') as {0}"


def level(condition: str, label: str) -> dict:
    return {"sql_condition": condition, "label_for_charts": label}


ADDRESS = {
    "output_column_name": "address",
    "comparison_levels": [
        {"sql_condition": "(postcode_l is null or postcode_r is null) and (street_l is null or street_r is null)",
         "label_for_charts": "null", "is_null_level": True},
        level("postcode_l = postcode_r and street_l = street_r and house_number_l = house_number_r",
              "the same door"),
        level("street_l = street_r and house_number_l = house_number_r", "the same street and house"),
        level("postcode_l = postcode_r and jaro_winkler_similarity(street_l, street_r) >= 0.9",
              "the same street"),
        level("postcode_l = postcode_r", "the same postcode"),
        level("jaro_winkler_similarity(street_l, street_r) >= 0.92", "a similar street"),
        cll.ElseLevel(),
    ],
}


def main() -> None:
    data, out, tmp = places()
    connection = duck(tmp, "14GB")
    for name, file in (("customers", "left"), ("prospects", "right")):
        connection.execute(f"""
            create table input_{name} as
            select id, {", ".join(map(CLEAN.format, ("given_name", "surname", "street")))},
                   birth_date, house_number, postcode,
                   nullif(right(regexp_replace(phone, '[^0-9]', '', 'g'), 9), '') as phone
            from read_csv('{data}/{file}.csv', all_varchar=true)""")
    settings = SettingsCreator(
        unique_id_column_name="id",
        link_type="link_only",
        blocking_rules_to_generate_predictions=[
            block_on("birth_date"),
            block_on("given_name", "surname"),
            block_on("postcode", "substr(street, 1, 5)"),
        ],
        comparisons=[
            cl.NameComparison("given_name").configure(term_frequency_adjustments=True),
            cl.NameComparison("surname").configure(term_frequency_adjustments=True),
            cl.DateOfBirthComparison("birth_date", input_is_string=True, datetime_format="%Y-%m-%d",
                                     invalid_dates_as_null=True),
            ADDRESS,
            cl.DamerauLevenshteinAtThresholds("phone", [1, 2]),
        ],
    )
    api = DuckDBAPI(connection=connection)
    names = ("customers", "prospects")
    tables = [api.register(f"input_{name}", dataset_display_name=name) for name in names]
    linker = Linker(tables, settings)
    linker.training.estimate_probability_two_random_records_match(
        [block_on("given_name", "surname", "birth_date"), block_on("phone", "birth_date")], recall=0.7)
    train(linker, [block_on("birth_date"), block_on("postcode", "street")], max_pairs=1e7)
    write_pairs(linker, connection, names, "id", out)


main()
