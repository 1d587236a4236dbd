"""What is measured: contests, their rounds and their contenders."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import seeds

BENCHES = Path(__file__).resolve().parent.parent
PYTHON = os.environ["BENCH_PYTHON"]
# Everybody gets the same number of threads.
THREADS = 2


@dataclass(frozen=True)
class Place:
    """Where a contender finds its data and leaves what it makes. All three are absolute."""

    data: Path
    out: Path
    tmp: Path


@dataclass(frozen=True)
class Contender:
    """A program. `argv` gives its command; `facts` reads its output after the clock has stopped."""

    name: str
    argv: Callable[[Place], list[str]]
    facts: Callable[[Place], dict]
    env: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False


@dataclass(frozen=True)
class Contest:
    """Contenders on the same data. `rounds` are folders of data; every contender runs once a round,
    in turns. `expected` are facts that every contender must find, by round."""

    name: str
    about: str
    rounds: list[Path]
    contenders: list[Contender]
    expected: Callable[[Path], dict] | None = None
    seconds: int = 900


class Bench:
    """What a case asks of the frame."""

    def __init__(self, cache: Path, reconcile: str, tune: bool, small: bool, repeat: int):
        self.cache = cache
        self.reconcile = reconcile
        self.seeds = seeds.TUNING if tune else seeds.REPORTED
        self.small = small
        self.repeat = repeat

    def size(self, full: int, small: int) -> int:
        """A number of rows."""
        return small if self.small else full

    def repeated(self, folders: list[Path]) -> list[Path]:
        """The rounds: every folder at least once, and together as many as asked for."""
        return [folders[turn % len(folders)] for turn in range(max(self.repeat, len(folders)))]

    def generated(self, kind: str, rows: int, *options: str) -> list[Path]:
        """Folders of `reconcile generate`, one for each seed in force."""
        folders = []
        for seed in self.seeds:
            suffix = "".join(options).replace("--", "-").replace(" ", "")
            folder = self.cache / "data" / f"{kind}{suffix}-{rows}-{seed}"
            if not (folder / "job.yaml").exists():
                shutil.rmtree(folder, ignore_errors=True)
                command = [self.reconcile, "generate", kind, "--rows", str(rows)]
                command += ["--seed", str(seed), "--out", str(folder), *options]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            folders.append(folder)
        return folders

    def made(self, name: str, script: Path, *arguments: str) -> Path:
        """A folder that a script of a case fills; the script gets the folder and the arguments."""
        folder = self.cache / "data" / name
        if not folder.exists():
            partial = folder.with_name(folder.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            subprocess.run([PYTHON, str(script), str(partial), *arguments], check=True)
            partial.rename(folder)
        return folder

    def ours(self, job: Path, facts: Callable[[Place], dict], extension: str = "csv",
             limits: str = "") -> Contender:
        """`reconcile run` on a job of a case, with `limits` as its limits."""

        def argv(place: Place) -> list[str]:
            path = job
            if limits:
                path = place.tmp / "job.yaml"
                path.write_text(f"{job.read_text()}\nlimits: {{{limits}}}\n")
            return [self.reconcile, "run", str(path), "--json",
                    "--left", str(place.data / f"left.{extension}"),
                    "--right", str(place.data / f"right.{extension}"),
                    "--out", str(place.out / "results")]

        return Contender("reconcile", argv, facts, ours=True)

    def peer(self, name: str, script: Path, facts: Callable[[Place], dict],
             *arguments: str) -> Contender:
        """A Python script of a case. It gets the folders for data, output and temporary files, and
        the arguments."""
        python = os.environ.get("BENCH_PYTHON_SPLINK", PYTHON) if name == "Splink" else PYTHON

        def argv(place: Place) -> list[str]:
            return [python, str(script), str(place.data), str(place.out), str(place.tmp), *arguments]

        threads = {"POLARS_MAX_THREADS": str(THREADS), "OMP_NUM_THREADS": str(THREADS),
                   "OPENBLAS_NUM_THREADS": str(THREADS), "PYTHONPATH": str(BENCHES)}
        return Contender(name, argv, facts, env=threads)
