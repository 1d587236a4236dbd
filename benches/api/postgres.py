"""A PostgreSQL of the bench's own, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

# What makes loading fast; what is measured has PostgreSQL's own settings for durability.
LOADING = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
           "wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "2GB",
           "maintenance_work_mem": "512MB", "autovacuum": "off"}
ALWAYS = {"listen_addresses": "127.0.0.1", "shared_buffers": "1GB", "max_connections": "100",
          "shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "top",
          "pg_stat_statements.track_planning": "on", "jit": "off", "random_page_cost": "1.1"}
# Percentiles of queries: pg_stat_statements has none, so one statement in twenty is logged.
SAMPLED = {"logging_collector": "on", "log_destination": "jsonlog", "log_directory": "log",
           "log_filename": "sample", "log_rotation_size": "0", "log_min_duration_sample": "0",
           "log_statement_sample_rate": "0.05", "log_parameter_max_length": "0"}


def binaries() -> Path:
    """The newest installation."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda it: int(it.parts[4]))
    if not found:
        raise SystemExit("PostgreSQL is missing: apt-get install postgresql")
    return found[-1].parent


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """A cluster; `start` and `stop` as often as settings change."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.bin = binaries()
        self.port = free_port()
        self.process: subprocess.Popen | None = None
        self.owner = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        folder.chmod(0o711)
        for name in ("data", "socket"):
            (folder / name).mkdir()
            if self.owner:
                os.chown(folder / name, self.owner.pw_uid, self.owner.pw_gid)
        self.run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust",
                 "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")

    def identity(self) -> dict:
        """As whom the server runs: not as root, which it refuses."""
        if not self.owner:
            return {}
        return {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []}

    def run(self, program: str, *arguments: str) -> str:
        """Runs one of PostgreSQL's programs and returns its output."""
        command = [str(self.bin / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, **self.identity())
        if done.returncode:
            raise SystemExit(f"{program} failed: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def start(self, settings: dict[str, str]) -> None:
        """Starts it with these settings over those that it always has."""
        options = {**ALWAYS, "port": str(self.port), **settings,
                   "unix_socket_directories": str(self.folder / "socket")}
        command = [str(self.bin / "postgres"), "-D", str(self.folder / "data")]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        log = open(self.folder / "postgres.log", "ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder,
                                        stdin=subprocess.DEVNULL, **self.identity())
        for _ in range(600):
            ready = subprocess.run([str(self.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p",
                                    str(self.port)])
            if ready.returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit("PostgreSQL did not start: " + (self.folder / "postgres.log").read_text()[-2000:])

    def stop(self) -> None:
        """Stops it, with everything written to disk."""
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(300)
            self.process = None

    def psql(self, sql: str, database: str = "bench", **variables: object) -> str:
        """Runs a script as the superuser and returns what it says, a row a line."""
        command = [str(self.bin / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                   "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database]
        for name, value in variables.items():
            command += ["-v", f"{name}={value}"]
        done = subprocess.run([*command, "-f", "-"], input=sql, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"psql failed: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def url(self, role: str) -> str:
        """The database's URL as a role."""
        return f"postgres://{role}@127.0.0.1:{self.port}/bench?sslmode=disable"

    def create(self) -> None:
        """The bench's database, with the two roles of a platform."""
        self.psql("CREATE ROLE owner LOGIN; CREATE ROLE api LOGIN;", "postgres")
        self.psql("CREATE DATABASE bench OWNER owner;", "postgres")
        self.psql("CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pgstattuple; "
                  "GRANT pg_stat_scan_tables TO api;")

    def size(self) -> int:
        """Bytes of the database."""
        return int(self.psql("SELECT pg_database_size(current_database())"))

    def remove(self) -> None:
        """Stops it and removes everything."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
