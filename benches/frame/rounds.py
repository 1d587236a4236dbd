"""Holds a contest: every contender once a round, in turns, so that what slows the machine for a
while slows all of them."""

from __future__ import annotations

import shutil
import statistics
import sys
from pathlib import Path

from .contest import Contest, Place
from .measure import run


def hold(contest: Contest, cache: Path, only: str) -> dict:
    """The contest's results. `only` leaves contenders in whose name, or the contest's, has the text."""
    contenders = [one for one in contest.contenders if only in one.name or only in contest.name]
    runs: dict[str, list[dict]] = {one.name: [] for one in contenders}
    failures: dict[str, str] = {}
    for turn, data in enumerate(contest.rounds):
        warm(data)
        for one in contenders:
            if one.name in failures:
                continue
            work = cache / "work"
            shutil.rmtree(work, ignore_errors=True)
            place = Place(data, work / "out", work / "tmp")
            place.out.mkdir(parents=True)
            place.tmp.mkdir()
            measured = run(one.argv(place), dict(one.env), work, contest.seconds)
            facts: dict = {}
            failure = measured.failure
            if not failure:
                try:
                    facts = one.facts(place)
                except Exception as error:  # a contender's output is as foreign as its exit code
                    failure = f"its output cannot be read: {error}"
                failure = failure or differs(facts, contest, data)
            outcome = failure or " ".join(f"{name} {value:.5g}" for name, value in facts.items()
                                          if isinstance(value, int | float))
            print(f"  {contest.name} · round {turn + 1} · {one.name}: {measured.seconds:.2f} s, "
                  f"{measured.peak_mib:.0f} MiB; {outcome}", file=sys.stderr, flush=True)
            if failure:
                failures[one.name] = failure
                continue
            runs[one.name].append({"seconds": measured.seconds, "cpu": measured.cpu,
                                   "peak_mib": measured.peak_mib, "data": data.name, "facts": facts})
    shutil.rmtree(cache / "work", ignore_errors=True)
    return {"contest": contest.name, "about": contest.about,
            "contenders": [{"name": one.name, "ours": one.ours, "failure": failures.get(one.name, ""),
                            "runs": runs[one.name], **summary(runs[one.name])} for one in contenders]}


def differs(facts: dict, contest: Contest, data: Path) -> str:
    """What a contender found that is not what is there."""
    expected = contest.expected(data) if contest.expected else {}
    wrong = [f"{name} {facts.get(name)} instead of {value}" for name, value in expected.items()
             if facts.get(name) != value]
    return f"wrong: {', '.join(wrong)}" if wrong else ""


def warm(data: Path) -> None:
    """Reads the data once, so that the first contender does not pay for the disk."""
    for path in sorted(data.iterdir()):
        if path.is_file():
            with open(path, "rb") as file:
                while file.read(1 << 20):
                    pass


def summary(runs: list[dict]) -> dict:
    """Medians over the runs; of qualities the mean, with the lowest and the highest."""
    if not runs:
        return {}
    result = {
        "seconds": statistics.median(one["seconds"] for one in runs),
        "seconds_range": [min(one["seconds"] for one in runs), max(one["seconds"] for one in runs)],
        "cpu": statistics.median(one["cpu"] for one in runs),
        "peak_mib": statistics.median(one["peak_mib"] for one in runs),
    }
    for name in ("precision", "recall", "f1", "group_f1", "split_f1"):
        values = [one["facts"][name] for one in runs if name in one["facts"]]
        if values:
            result[name] = statistics.mean(values)
            result[f"{name}_range"] = [min(values), max(values)]
    notes = {note for one in runs if (note := one["facts"].get("note"))}
    if notes:
        result["note"] = "; ".join(sorted(notes))
    return result
