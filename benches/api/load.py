"""The load, and what came of every request of it."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .mix import route_of

# vegeta: every request's own latency and target, so percentiles by route; wrk has them over all only.
VEGETA = "github.com/tsenart/vegeta/v12@v12.13.0"


def generator() -> str:
    """The load generator's program; it is built where it is missing."""
    folder = Path(os.environ["BENCH_CACHE"]) / "bin"
    program = folder / VEGETA.rsplit("/", 1)[1].replace("@", "-")
    if not program.exists():
        if not shutil.which("go"):
            raise SystemExit("Go is missing: the load generator is built with it")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["go", "install", VEGETA], check=True,
                       env={**os.environ, "GOBIN": str(folder)})
        (folder / "vegeta").rename(program)
    return str(program)


def percentile(sorted_values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    place = max(0, -(-int(share * 1000) * len(sorted_values) // 1000) - 1)
    return sorted_values[place]


@dataclass
class Latencies:
    """Requests of one kind, in milliseconds."""

    values: list[float] = field(default_factory=list)
    errors: int = 0

    def row(self) -> dict:
        """The figures of a table."""
        ordered = sorted(self.values) or [0.0]
        return {"calls": len(self.values), "errors": self.errors,
                **{f"p{share}": percentile(ordered, share / 100) for share in (50, 95, 99)}}


@dataclass
class Load:
    """What came of a load."""

    routes: dict[str, Latencies]
    seconds: float
    failures: list[str]

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(len(it.values) for it in self.routes.values())

    @property
    def errors(self) -> int:
        """Requests without a good answer."""
        return sum(it.errors for it in self.routes.values())


def run(targets: Path, folder: Path, seconds: int, connections: int) -> Load:
    """Sends the targets in turns over so many connections, each as soon as the last is answered."""
    program = generator()
    results = folder / "results.bin"
    many = str(connections)
    with open(results, "wb") as out:
        subprocess.run([program, "attack", "-format=json", f"-targets={targets}", "-rate=0",
                        f"-workers={many}", f"-max-workers={many}", f"-connections={many}",
                        f"-max-connections={many}", f"-duration={seconds}s", "-timeout=30s",
                        "-max-body=0", "-redirects=-1"], check=True, stdout=out)
    encode = subprocess.Popen([program, "encode", "-to=csv", str(results)], stdout=subprocess.PIPE,
                              text=True)
    load = read(encode.stdout)
    if encode.wait():
        raise SystemExit("the results of the load cannot be read")
    results.unlink()
    return load


def read(lines) -> Load:
    """The results, a request a line: its time, status, latency, …, method and URL."""
    routes: dict[str, Latencies] = {}
    failures: dict[str, int] = {}
    first, last = float("inf"), 0.0
    csv.field_size_limit(1 << 24)
    for row in csv.reader(lines):
        at, status, latency = int(row[0]), int(row[1]), int(row[2])
        route = route_of(row[9], row[10])
        of = routes.setdefault(route, Latencies())
        of.values.append(latency / 1e6)
        first, last = min(first, at), max(last, at + latency)
        if not 200 <= status < 300:
            of.errors += 1
            what = f"{route}: {status} {row[5]}".strip()
            failures[what] = failures.get(what, 0) + 1
    seconds = (last - first) / 1e9 if routes else 0.0
    return Load(routes, seconds, [f"{count} × {what}" for what, count in sorted(failures.items())])
