"""The diff in SQL: duckdb_sql DATA OUT TMP [LIMIT].

One full join finds the rows that are on one side alone or differ; these few are then unpivoted to a
row for each differing cell. Nothing else is materialised.
"""

from __future__ import annotations

import json
import sys

from frame.peer import duck, places

COLUMNS = ["account", "quantity", "amount", "price", "booked", "currency", "status", "customer", "memo"]


def main() -> None:
    data, out, tmp = places()
    connection = duck(tmp, *sys.argv[4:5])
    connection.execute("set preserve_insertion_order=false")
    sides = ", ".join(f"l.{name} as l_{name}, r.{name} as r_{name}" for name in COLUMNS)
    differs = " or ".join(f"l.{name} is distinct from r.{name}" for name in COLUMNS)
    connection.execute(f"""
        create temp table found as
        select coalesce(l.id, r.id) as id, l.id is null as no_left, r.id is null as no_right, {sides}
        from read_parquet('{data}/left.parquet') l
        full join read_parquet('{data}/right.parquet') r on l.id = r.id
        where l.id is null or r.id is null or {differs}""")
    cells = " union all ".join(
        f"""select id, '{name}' as "column", l_{name}::varchar as left_value, r_{name}::varchar as right_value
            from found where not no_left and not no_right and l_{name} is distinct from r_{name}"""
        for name in COLUMNS)
    connection.execute(f"copy ({cells}) to '{out}/differences.parquet' (format parquet)")
    for side, other in (("left", "right"), ("right", "left")):
        columns = ", ".join(f"{side[0]}_{name} as {name}" for name in COLUMNS)
        connection.execute(f"""copy (select id, {columns} from found where no_{other})
                               to '{out}/{side}_only.parquet' (format parquet)""")
    left_only, right_only, rows = connection.execute(
        """select count(*) filter (no_right), count(*) filter (no_left),
                  count(*) filter (not no_left and not no_right) from found""").fetchall()[0]
    cells = connection.execute(f"select count(*) from read_parquet('{out}/differences.parquet')").fetchall()[0][0]
    counts = {"left_only": left_only, "right_only": right_only, "differing_rows": rows,
              "differing_cells": cells}
    (out / "counts.json").write_text(json.dumps(counts))


main()
