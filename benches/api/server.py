"""The server as a process of its own, and what it says of itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from .postgres import Postgres, free_port


class Server:
    """`reconciliation-server serve`, with the settings that it has by itself wherever it can."""

    def __init__(self, binary: str, postgres: Postgres, folder: Path, redis: str = ""):
        self.binary = binary
        self.postgres = postgres
        self.folder = folder
        self.port, self.metrics_port = free_port(), free_port()
        self.process: subprocess.Popen | None = None
        self.env = {
            "PATH": os.environ["PATH"], "ENVIRONMENT": "production",
            "JWT_SECRET": "bench-vQ2mKx8RzYt5Wd7Lb4Nh1Pc6Gs3Fj9Aq",
            "DATABASE_URL": postgres.url("api"), "MIGRATION_DATABASE_URL": postgres.url("owner"),
            "STORAGE_URL": f"file://{folder / 'store'}", "SCRATCH_DIR": str(folder / "scratch"),
            "BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "METRICS_BIND_ADDRESS": f"127.0.0.1:{self.metrics_port}",
            # No runs are worked on: their memory is the engine's, which has benches of its own.
            "WORKERS": "0", "ACCESS_TOKEN_SECONDS": "7200",
            # One address sends everything here.
            "REQUESTS_PER_MINUTE": "1000000", "REQUESTS_PER_MINUTE_OF_ADDRESS": "1000000",
            "LOGINS_PER_MINUTE": "1000000",
        }
        if redis:
            self.env["REDIS_URL"] = redis

    def command(self, *arguments: str, stdin: str = "", **env: str) -> str:
        """Runs one of its commands and returns its output."""
        done = subprocess.run([self.binary, *arguments], input=stdin, capture_output=True, text=True,
                              env={**self.env, **env})
        if done.returncode:
            raise SystemExit(f"{self.binary} {arguments[0]} failed: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        log = open(self.folder / "server.log", "wb")
        self.process = subprocess.Popen([self.binary, "serve"], stdout=log, stderr=log, env=self.env,
                                        stdin=subprocess.DEVNULL)
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.url}/readyz", timeout=5).read()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise SystemExit("the server did not start: " + (self.folder / "server.log").read_text()[-2000:])

    def stop(self) -> None:
        """Stops it."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, body: dict, token: str = "") -> dict:
        """The answer to a POST, which must be good."""
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def memory(self, kind: str) -> float:
        """MiB of the process: `VmRSS` now, or `VmHWM` at most so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{kind}:\s+(\d+) kB", status, re.MULTILINE)[1]) / 1024

    def forget_peak(self) -> None:
        """Lets the most memory so far be what is used now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def cache_hit_ratio(self) -> float | None:
        """Hits among all answers of caches, where the server has any."""
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10)
        return hit_ratio(text.read().decode())


def hit_ratio(metrics: str) -> float | None:
    """Answers from a cache, over these and the reads of the database that took their place."""
    found = re.findall(r'^cache_requests_total\{([^}]*)\} ([0-9.e+]+)$', metrics, re.MULTILINE)
    hits = reads = 0.0
    for labels, value in found:
        known = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if known.get("outcome") == "hit":
            hits += float(value)
        elif known.get("level") == "database":
            reads += float(value)
    return hits / (hits + reads) if hits + reads else None
