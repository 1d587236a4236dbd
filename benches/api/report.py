"""The tables, and what is required of them."""

from __future__ import annotations

import os
import platform
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
START, END = "<!-- api: written by benches/run api --write -->", "<!-- end of api -->"

MOST_MS, AIM_MS = 150.0, 10.0
MOST_MEMORY, MOST_RISE = 150.0, 32.0
MOST_BUILD_MS = 200.0
LEAST_HITS = 0.80
# Statements that are no query of the program: they open and close transactions.
FRAME = ("BEGIN", "COMMIT", "ROLLBACK")


def machine() -> str:
    """The machine in a line."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} × {cpu}, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def failures(result: dict) -> list[str]:
    """What is required and was missed."""
    missed = []
    load = result.get("load")
    if load:
        if load["errors"]:
            missed.append(f"{load['errors']} requests failed: {'; '.join(load['failures'][:5])}")
        for query in load["queries"]:
            if query["p95"] is not None and query["p95"] >= MOST_MS and query["name"] not in FRAME:
                missed.append(f"the p95 of {query['name']} is {query['p95']:.1f} ms, at most {MOST_MS:.0f}")
        if load["peak_mib"] > MOST_MEMORY:
            missed.append(f"the server took {load['peak_mib']:.0f} MiB, at most {MOST_MEMORY:.0f}")
        if load["hit_ratio"] is not None and load["hit_ratio"] < LEAST_HITS:
            missed.append(f"caches answered {load['hit_ratio']:.0%}, at least {LEAST_HITS:.0%}")
    upload = result.get("upload")
    if upload and upload["rise_mib"] > MOST_RISE:
        missed.append(f"an upload took {upload['rise_mib']:.0f} MiB, at most {MOST_RISE:.0f}")
    build = result.get("build")
    if build and build["during"]["p99"] >= MOST_BUILD_MS:
        missed.append(f"the p99 of writes is {build['during']['p99']:.0f} ms while an index is built, "
                      f"at most {MOST_BUILD_MS:.0f}")
    return missed


def number(value: float | None) -> str:
    """Milliseconds."""
    return "" if value is None else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def text(result: dict) -> str:
    """Everything as Markdown."""
    parts = [f"{result['machine']}; the server, PostgreSQL {result['postgres']} and the load generator "
             f"share it. Scale {result['scale']:g}."]
    if load := result.get("load"):
        parts += [loaded(load)]
    if naive := result.get("naive"):
        parts += [f"The list of projects, a page of {naive['rows']}: {naive['at_once']:.2f} ms in the database "
                  f"as the route asks ({naive['at_once_queries']} queries), {naive['by_row']:.2f} ms with a "
                  f"count for each row and column ({naive['by_row_queries']} queries): "
                  f"{naive['ratio']:.1f} times as long."]
    if upload := result.get("upload"):
        parts += [f"An upload of {upload['bytes'] / (1 << 30):.2f} GiB in {upload['seconds']:.0f} s raised the "
                  f"server's memory by {upload['rise_mib']:.1f} MiB (at most {MOST_RISE:.0f})."]
    if build := result.get("build"):
        parts += [built(build)]
    return "\n\n".join(parts) + "\n"


def loaded(load: dict) -> str:
    """Routes, queries and memory."""
    rows = " · ".join(f"{count:,} {what}" for what, count in load["data"].items())
    lines = [f"{rows}; {load['bytes'] / (1 << 30):.1f} GiB. {load['connections']} connections for "
             f"{load['seconds']:.0f} s: {load['requests']:,} requests, {load['rate']:.0f} a second, "
             f"{load['errors']} errors. The server's peak: {load['peak_mib']:.0f} MiB (at most "
             f"{MOST_MEMORY:.0f})."]
    if load["hit_ratio"] is not None:
        lines += [f"Caches answered {load['hit_ratio']:.1%} of what they were asked."]
    lines += ["", "| route | requests | errors | p50 ms | p95 ms | p99 ms |", "|---|---:|---:|---:|---:|---:|"]
    for name, row in sorted(load["routes"].items()):
        lines.append(f"| `{name}` | {row['calls']:,} | {row['errors']} | "
                     + " | ".join(number(row[it]) for it in ("p50", "p95", "p99")) + " |")
    lines += ["", "| query | calls | mean ms | max ms | p50 ms | p95 ms | p99 ms | samples |",
              "|---|---:|---:|---:|---:|---:|---:|---:|"]
    for row in load["queries"]:
        cells = [number(row[it]) for it in ("mean", "max", "p50", "p95", "p99")]
        name = row["name"].replace("|", "\\|")
        lines.append(f"| `{name}` | {row['calls']:,} | {' | '.join(cells)} | {row['samples']:,} |")
    return "\n".join(lines)


def built(build: dict) -> str:
    """Writes beside a build."""
    lines = [f"`migrate` built an index on {build['rows']:,} rows in {build['seconds']:.0f} s while writes went on, "
             "from the moment on at which each was due:", "",
             "| writes | number | p50 ms | p95 ms | p99 ms | max ms |", "|---|---:|---:|---:|---:|---:|"]
    for name, key in (("before", "before"), ("while it is built", "during")):
        row = build[key]
        lines.append(f"| {name} | {row['writes']:,} | "
                     + " | ".join(number(row[it]) for it in ("p50", "p95", "p99", "max")) + " |")
    return "\n".join(lines)


def write(result: dict) -> None:
    """Puts the tables into README.md."""
    whole = README.read_text()
    before, rest = whole.split(START)
    README.write_text(f"{before}{START}\n\n{text(result)}\n{END}{rest.split(END)[1]}")
