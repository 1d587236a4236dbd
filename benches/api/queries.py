"""What queries took in the database: counts and means of pg_stat_statements, percentiles of a sample
of the log. A prepared statement is bound (which plans it) and executed; both are its time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from .load import percentile
from .postgres import Postgres

STATEMENTS = """
SELECT json_build_object('id', s.queryid::text, 'calls', s.calls, 'rows', s.rows,
    'mean', (s.total_exec_time + s.total_plan_time) / greatest(s.calls, 1),
    'max', s.max_exec_time + s.max_plan_time, 'total', s.total_exec_time + s.total_plan_time,
    'hit', s.shared_blks_hit, 'read', s.shared_blks_read, 'text', s.query)
FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
WHERE r.rolname = 'api' AND s.calls > 0 ORDER BY s.total_exec_time + s.total_plan_time DESC
"""
DURATION = re.compile(r"^duration: ([0-9.]+) ms  (parse|bind|execute|statement)[^:]*: (.*)$", re.DOTALL)


@dataclass
class Sampled:
    """Logged times of a statement in milliseconds."""

    text: str
    bind: list[float] = field(default_factory=list)
    execute: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Binding and executing: the sum of both percentiles, so rather too much than too little."""
        return sum(percentile(sorted(it), share) for it in (self.bind, self.execute) if it)


def sampled(lines: Iterable[str]) -> dict[str, Sampled]:
    """The logged times by the id of pg_stat_statements."""
    found: dict[str, Sampled] = {}
    for line in lines:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue  # The last line of a log that is being written.
        match = DURATION.match(entry.get("message", ""))
        identity = str(entry.get("query_id", "0"))
        if not match or entry.get("user") != "api" or identity == "0":
            continue
        of = found.setdefault(identity, Sampled(" ".join(match[3].split())))
        if match[2] in ("bind", "execute"):
            getattr(of, match[2]).append(float(match[1]))
    return found


def counted(postgres: Postgres) -> list[dict]:
    """What pg_stat_statements has of the API's role."""
    return [json.loads(line) for line in postgres.psql(STATEMENTS).splitlines()]


def table(rows: list[dict], log: Iterable[str], names: dict[str, str]) -> list[dict]:
    """The statements with their percentiles; `names` are those of the server by text."""
    times = sampled(log)
    known = {" ".join(sql.split()): name for sql, name in names.items()}
    for row in rows:
        of = times.get(row["id"])
        text = of.text if of else " ".join(row["text"].split())
        row["name"] = known.get(text) or known.get(" ".join(row["text"].split())) or text[:40]
        row["samples"] = len(of.execute) if of else 0
        for share in (50, 95, 99):
            row[f"p{share}"] = of.percentile(share / 100) if of and of.execute else None
    return rows
