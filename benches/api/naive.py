"""The list of projects as the route asks for it, against one count for each row and column."""

from __future__ import annotations

import re
from pathlib import Path

from .postgres import Postgres

PAGE = 100
USER = "(SELECT md5('user1')::uuid)"
SECONDS = 10
# What a list shows the counts of.
TABLES = ("project_members", "uploads", "runs")


def scripts(sql: dict[str, str], projects: list[str]) -> tuple[str, str, dict[str, str]]:
    """Both ways as scripts of pgbench, and their variables."""
    counts = [sql["projects.count_members"], sql["projects.counts"]]
    page = (sql["projects.list_of_user"].replace("$1", ":user").replace("$2", "''")
            .replace("$3", ":limit"))
    variables = {"limit": str(PAGE + 1), "ids": "{" + ",".join(projects) + "}"}
    for n, project in enumerate(projects):
        variables[f"id{n}"] = project
    at_once = [page, *(count.replace("$1", ":ids") for count in counts)]
    by_row = [page, *(f"SELECT count(*) FROM {table} WHERE project_id = :id{n}"
                      for n in range(len(projects)) for table in TABLES)]
    return ";\n".join(at_once) + ";\n", ";\n".join(by_row) + ";\n", variables


def measure(postgres: Postgres, sql: dict[str, str], folder: Path) -> dict:
    """Milliseconds of a page both ways, with prepared statements over one connection."""
    user = postgres.psql(f"SELECT {USER}").strip()
    rows = postgres.psql("SELECT p.id FROM projects p JOIN project_members m ON m.project_id = p.id "
                         f"WHERE m.user_id = '{user}' ORDER BY p.slug LIMIT {PAGE}").split()
    at_once, by_row, variables = scripts(sql, rows)
    variables["user"] = user
    result = {"rows": len(rows)}
    for name, script in (("at_once", at_once), ("by_row", by_row)):
        path = folder / f"{name}.sql"
        path.write_text(script)
        path.chmod(0o644)
        arguments = [part for key, value in variables.items() for part in ("-D", f"{key}={value}")]
        said = postgres.run("pgbench", "-n", "-M", "prepared", "-c", "1", "-T", str(SECONDS),
                            "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "api",
                            *arguments, "-f", str(path), "bench")
        result[name] = float(re.search(r"latency average = ([0-9.]+) ms", said)[1])
        result[f"{name}_queries"] = script.count(";\n")
    result["ratio"] = result["by_row"] / result["at_once"]
    return result
