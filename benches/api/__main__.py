"""The command: `benches/run api`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import builds, load, mix, naive, queries, report, upload
from .postgres import LOADING, SAMPLED, Postgres, free_port
from .server import Server

HERE = Path(__file__).resolve().parent
FULL = {"users": 10_000, "projects": 100_000, "runs": 1_000_000}
USERS, TARGETS, WARM_UP, SEED = 200, 200_000, 5, 20
PARTS = ("load", "naive", "upload", "build")
# What the database and the upload take at full scale, with room for WAL and logs.
DISK = 10 << 30


def say(what: str) -> None:
    """A line about progress."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def scaled(scale: float) -> dict[str, int]:
    """Numbers of rows."""
    return {name: max(int(count * scale), 200) for name, count in FULL.items()}


def migrated(folder: Path, binary: str, redis: str = "") -> tuple[Postgres, Server]:
    """A database with the schema of the server, in the state for loading."""
    place = Path(tempfile.mkdtemp(prefix="postgres-", dir=folder))
    postgres = Postgres(place)
    postgres.start(LOADING)
    postgres.create()
    server = Server(binary, postgres, folder, redis)
    server.command("migrate")
    return postgres, server


def start_redis(folder: Path) -> tuple[subprocess.Popen | None, str]:
    """A Redis for the server's caches and limits, where there is one."""
    if not shutil.which("redis-server"):
        return None, ""
    port = free_port()
    process = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                                "--appendonly", "no", "--dir", str(folder)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process, f"redis://127.0.0.1:{port}/0"


def loaded(postgres: Postgres, server: Server, folder: Path, options: argparse.Namespace) -> dict:
    """The load, what it is made of and what came of it."""
    rows = scaled(options.scale)
    say("logging in, and drawing requests")
    # A login costs a tenth of a second by design, and seconds in a debug build.
    world = mix.look(postgres, server, min(USERS, max(8, int(USERS * options.scale))))
    count = max(int(TARGETS * min(options.scale * 10, 1)), 2000)
    path = folder / "targets.json"
    mix.write(path, mix.targets(world, server.url, count, SEED))
    say("warming up")
    load.run(path, folder, WARM_UP, options.connections)
    postgres.psql("SELECT pg_stat_statements_reset()")
    log = next((postgres.folder / "data" / "log").glob("*.json"))
    seen = log.stat().st_size
    say(f"loading for {options.seconds} s")
    result = load.run(path, folder, options.seconds, options.connections)
    peak = server.memory("VmHWM")
    ratio = server.cache_hit_ratio()
    # Before the audit, whose own statements would be among them.
    statements = queries.counted(postgres)
    say("looking at the indexes")
    audit = json.loads(server.command("audit-indexes", "--format", "json"))
    names = {query["sql"]: query["name"] for query in audit["queries"]}
    with open(log, encoding="utf-8") as lines:
        lines.seek(seen)
        table = queries.table(statements, lines, names)
    return {
        "data": {**rows, "exceptions": int(postgres.psql("SELECT count(*) FROM run_exceptions"))},
        "bytes": postgres.size(), "connections": options.connections, "seconds": result.seconds,
        "requests": result.requests, "rate": result.requests / max(result.seconds, 1e-9),
        "errors": result.errors, "failures": result.failures, "peak_mib": peak, "hit_ratio": ratio,
        "routes": {name: of.row() for name, of in result.routes.items()}, "queries": table,
        "findings": audit["findings"], "sql": {name: sql for sql, name in names.items()},
    }


def api(folder: Path, options: argparse.Namespace, result: dict) -> None:
    """The parts that need the large database."""
    redis, url = start_redis(folder)
    postgres, server = migrated(folder, options.server, url)
    try:
        rows = scaled(options.scale)
        say(f"seeding {', '.join(f'{count:,} {what}' for what, count in rows.items())}")
        server.command("admin", "create", "--email", "admin@example.com", stdin=mix.PASSWORD)
        hash_ = postgres.psql("SELECT password_hash FROM users").strip()
        began = time.monotonic()
        postgres.psql((HERE / "seed.sql").read_text(), hash=hash_, **rows)
        say(f"seeded {postgres.size() / (1 << 30):.2f} GiB in {time.monotonic() - began:.0f} s")
        postgres.stop()
        postgres.start(SAMPLED)
        server.start()
        result["postgres"] = postgres.psql("SHOW server_version").split()[0]
        if "load" in options.parts or "naive" in options.parts:
            found = loaded(postgres, server, folder, options)
            if "load" in options.parts:
                result["load"] = found
            if "naive" in options.parts:
                say("the naive list")
                result["naive"] = naive.measure(postgres, found["sql"], folder)
        if "upload" in options.parts:
            size = max(int((2 << 30) * min(options.scale, 1)), 64 << 20)
            say(f"uploading {size >> 20} MiB")
            token = server.post("/api/v2/auth/login", {"email": "admin@example.com",
                                                       "password": mix.PASSWORD})["accessToken"]
            project = postgres.psql("SELECT id FROM projects ORDER BY id LIMIT 1").strip()
            result["upload"] = upload.measure(server, project, token, size)
    finally:
        server.stop()
        postgres.remove()
        if redis:
            redis.terminate()
            redis.wait(30)


def index(folder: Path, options: argparse.Namespace, result: dict) -> None:
    """The part that builds an index."""
    rows = max(int(5_000_000 * options.scale), 20_000)
    postgres, server = migrated(folder, options.server)
    try:
        say(f"seeding {rows:,} runs")
        postgres.psql(builds.PREPARE.format(index=builds.INDEX, version=builds.VERSION, rows=rows))
        postgres.stop()
        postgres.start({})
        result["postgres"] = postgres.psql("SHOW server_version").split()[0]
        say("writing, and building an index beside")
        result["build"] = builds.measure(postgres, server, folder, rows)
    finally:
        postgres.remove()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benches/run api", description="Loads the API on a database of production size.",
        epilog="RECONCILIATION_SERVER names a program that is there already. Exit 1: a requirement is missed.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all when none is named")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="share of the rows, to try things [1]")
    parser.add_argument("--seconds", type=int, default=60, metavar="S", help="how long the load lasts [60]")
    parser.add_argument("--connections", type=int, default=64, metavar="N", help="connections of the load [64]")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md; for full runs")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if options.write and (options.parts or options.scale != 1 or options.seconds < 60 or options.connections != 64):
        parser.error("--write is for full runs: all parts, and nothing smaller or shorter")
    options.parts = options.parts or list(PARTS)
    options.server = os.environ["RECONCILIATION_SERVER"]
    load.generator()
    # Ctrl-C and a plain kill both end what was started and remove the database.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = {"machine": report.machine(), "scale": options.scale, "postgres": ""}
    # Not in the cache folder: PostgreSQL's own user has to get there.
    with tempfile.TemporaryDirectory(prefix="bench-api-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        free = shutil.disk_usage(folder).free
        if free < DISK * min(options.scale, 1):
            raise SystemExit(f"{free >> 30} GiB of disk are free in {folder.parent}, and {DISK >> 30} are needed")
        if set(options.parts) - {"build"}:
            api(folder, options, result)
        if "build" in options.parts:
            index(folder, options, result)
    print(report.text(result))
    if found := result.get("load", {}).get("findings"):
        print("\n".join(["audit-indexes found:", *(f"- {finding['message']}" for finding in found), ""]))
    cache = Path(os.environ["BENCH_CACHE"])
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "api.json").write_text(json.dumps(result, indent=1) + "\n")
    missed = report.failures(result)
    for what in missed:
        print(f"missed: {what}")
    if options.write:
        report.write(result)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
