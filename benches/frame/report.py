"""The table, the JSON and the chart."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path

from . import chart
from .contest import BENCHES, THREADS

RESULTS = BENCHES / "results.json"
README = BENCHES / "README.md"
CHART = BENCHES.parent / "docs" / "img" / "benches.svg"
START, END = "<!-- results: written by benches/run --write -->", "<!-- end of results -->"


def machine() -> str:
    """The machine in a line."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (f"{os.cpu_count()} × {cpu}, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}; "
            f"{THREADS} threads each")


def table(results: list[dict]) -> str:
    """The results as Markdown."""
    lines = ["| contest | program | seconds (range) | peak MiB | time, against ours | memory, against ours "
             "| precision | recall | F1 (range) | groups' F1 |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for result in results:
        ours = next((one for one in result["contenders"] if one["ours"]), None)
        for one in result["contenders"]:
            lines.append(line(result["contest"], one, ours))
    return "\n".join(lines) + "\n"


def line(contest: str, one: dict, ours: dict | None) -> str:
    """One contender's line."""
    name = f"**{one['name']}**" if one["ours"] else one["name"]
    if "note" in one:
        name += f" ({one['note']})"
    if one["failure"]:
        failure = re.sub(r"[|\s]+", " ", one["failure"])[:160]
        return f"| {contest} | {name} | {failure} | | | | | | | |"
    low, high = one["seconds_range"]
    cells = [contest, name, f"{one['seconds']:.2f} ({low:.2f}–{high:.2f})", f"{one['peak_mib']:.0f}"]
    for measure in ("seconds", "peak_mib"):
        known = ours and not one["ours"] and measure in ours and not ours["failure"]
        cells.append(f"{one[measure] / ours[measure]:.2f} ×" if known else "")
    cells += [f"{one[name]:.4f}" if name in one else "" for name in ("precision", "recall")]
    for name in ("f1", "group_f1"):
        cells.append("{:.4f} ({:.4f}–{:.4f})".format(one[name], *one[f"{name}_range"]) if name in one else "")
    return "| " + " | ".join(cells) + " |"


def versions() -> str:
    """The pinned versions, by environment."""

    def pins(file: str) -> str:
        found = re.findall(r"^(\S+)==(\S+)$", (BENCHES / file).read_text(), re.MULTILINE)
        return ", ".join(f"{name} {version}" for name, version in found)

    return f"{pins('requirements.txt')}; for Splink: {pins('requirements-splink.txt')}"


def merge(document: dict) -> None:
    """Puts new results into results.json, in place of older ones of the same cases."""
    old = json.loads(RESULTS.read_text())["results"] if RESULTS.exists() else []
    measured = {result["case"] for result in document["results"]}
    kept = [result for result in old if result["case"] not in measured]
    results = sorted(kept + document["results"], key=lambda result: result["case"])
    RESULTS.write_text(json.dumps({"machine": document["machine"], "results": results}, indent=1) + "\n")


def write() -> None:
    """Writes the table into README.md and the chart."""
    document = json.loads(RESULTS.read_text())
    text = README.read_text()
    before, rest = text.split(START)
    after = rest.split(END)[1]
    body = f"\n{document['machine']}. {versions()}.\n\n{table(document['results'])}"
    README.write_text(f"{before}{START}\n{body}\n{END}{after}")
    CHART.parent.mkdir(parents=True, exist_ok=True)
    CHART.write_text(chart.draw(document["results"]))
