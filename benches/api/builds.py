"""Writes to a table of 5 million rows while `migrate` builds an index on it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from .load import percentile
from .postgres import Postgres
from .server import Server

INDEX, VERSION = "runs_of_job", 22
CLIENTS, RATE = 8, 300
# Seconds: until connections know their statements, of writes alone, and after the build, for the log
# of what was written meanwhile to reach its file.
WARM_UP, ALONE, AFTER = 5, 20, 5

# As the table was before the migration; rows as short as they can be make the build no longer.
PREPARE = """
DROP INDEX {index};
DELETE FROM _sqlx_migrations WHERE version = {version};
SET synchronous_commit = off;
SET session_replication_role = replica;
INSERT INTO projects (id, slug, name)
SELECT md5('project' || n)::uuid, 'project-' || n, 'Project' FROM generate_series(1, 1000) n;
INSERT INTO jobs (id, project_id, name, spec, spec_hash)
SELECT md5('job' || n)::uuid, md5('project' || n)::uuid, 'daily', '{{}}', 'sha256:' || repeat('0', 64)
FROM generate_series(1, 1000) n;
CREATE TEMPORARY TABLE indexes AS SELECT format('%I', i.relname) AS name, pg_get_indexdef(i.oid) AS definition
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
WHERE x.indrelid = 'runs'::regclass AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid);
SELECT format('DROP INDEX %s', name) FROM indexes \\gexec
INSERT INTO runs (id, project_id, job_id, spec, spec_hash, state, created_at, completed_at, summary, output_prefix)
SELECT md5('run' || n)::uuid, md5('project' || 1 + n % 1000)::uuid, md5('job' || 1 + n % 1000)::uuid, '{{}}',
    'sha256:' || repeat('0', 64), 'succeeded', at, at, '{{}}', 'runs'
FROM generate_series(1, {rows}) n, LATERAL (SELECT now() - n * interval '1 second' AS at) s;
SELECT definition FROM indexes \\gexec
VACUUM (ANALYZE);
"""
# What goes on all day: a run is queued, a finished one's counts change.
WRITES = """\\set row random(1, {rows})
\\set project random(1, 1000)
BEGIN;
INSERT INTO runs (id, project_id, job_id, spec, spec_hash)
VALUES (gen_random_uuid(), md5('project' || :project)::uuid, md5('job' || :project)::uuid, '{{"passes": []}}',
    'sha256:' || repeat('0', 64));
UPDATE runs SET reviews_accepted = reviews_accepted + 1 WHERE id = md5('run' || :row)::uuid;
END;
"""


def latencies(log: str) -> list[tuple[float, float]]:
    """When each transaction of pgbench ended (epoch seconds), and the milliseconds it took. Behind its
    schedule it began late, and its time counts from the schedule on."""
    found = []
    for line in log.splitlines():
        parts = line.split()
        found.append((int(parts[4]) + int(parts[5]) / 1e6, int(parts[2]) / 1e3))
    return found


class Writers:
    """Writes at a steady rate until it is left."""

    def __init__(self, postgres: Postgres, folder: Path, rows: int):
        self.logs = folder / "pgbench"
        self.logs.mkdir()
        self.logs.chmod(0o777)
        script = folder / "writes.sql"
        script.write_text(WRITES.format(rows=rows))
        script.chmod(0o644)
        self.process = subprocess.Popen(
            [str(postgres.bin / "pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "1",
             "-R", str(RATE), "-T", "3600", "-l", f"--log-prefix={self.logs / 'log'}",
             "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "api", "-f", str(script), "bench"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder, **postgres.identity())

    def __enter__(self) -> Writers:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def found(self) -> list[tuple[float, float]]:
        """What was written so far. Writers that gave up are an error."""
        self.process.terminate()
        _, said = self.process.communicate()
        if "error" in said or "aborted" in said:
            raise SystemExit(f"writes failed: {said[-2000:]}")
        found = []
        for path in self.logs.iterdir():
            # The last line may be half a line.
            found += latencies(path.read_text().rpartition("\n")[0])
        return found


def figures(found: list[tuple[float, float]]) -> dict:
    """The percentiles."""
    ordered = sorted(latency for _, latency in found)
    return {"writes": len(ordered), "max": ordered[-1] if ordered else 0.0,
            **{f"p{share}": percentile(ordered, share / 100) if ordered else 0.0 for share in (50, 95, 99)}}


def measure(postgres: Postgres, server: Server, folder: Path, rows: int) -> dict:
    """Writes without a build, and with it."""
    with Writers(postgres, folder, rows) as writers:
        time.sleep(WARM_UP + ALONE)
        began = time.time()
        server.command("migrate")
        time.sleep(AFTER)
        found = writers.found()
    ended = build_end(postgres)
    valid = postgres.psql(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{INDEX}'::regclass").strip()
    if valid != "t":
        raise SystemExit(f"{INDEX} is not valid after migrate")
    return {"rows": rows, "seconds": ended - began,
            "before": figures([it for it in found if began - ALONE <= it[0] < began]),
            "during": figures([it for it in found if began <= it[0] <= ended])}


def build_end(postgres: Postgres) -> float:
    """When the migration was recorded, in epoch seconds."""
    at = postgres.psql("SELECT extract(epoch FROM installed_on + execution_time / 1000 * interval '1 microsecond') "
                       f"FROM _sqlx_migrations WHERE version = {VERSION}")
    return float(at)
