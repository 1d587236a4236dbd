"""The command: `benches/run`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path

from . import report
from .contest import BENCHES, Bench
from .rounds import hold

CACHE = Path(os.environ["BENCH_CACHE"])


def cases() -> list[str]:
    """The folders with a case."""
    return sorted(path.parent.name for path in BENCHES.glob("*/case.py"))


def load(name: str):
    """A case's module."""
    spec = importlib.util.spec_from_file_location(f"case_{name}", BENCHES / name / "case.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benches/run", description="Measures reconcile side by side with its peers.",
        epilog="Reported figures are of the seeds 101, 102 and 103. Whoever tunes uses --tune.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="cases; all when none is named")
    parser.add_argument("--list", action="store_true", help="list the cases")
    parser.add_argument("--tune", action="store_true", help="use the tuning seed; never reported")
    parser.add_argument("--small", action="store_true", help="small sizes, to try things; never reported")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds of each contest [3]")
    parser.add_argument("--only", metavar="TEXT", help="contests and contenders whose name has this text")
    parser.add_argument("--write", action="store_true",
                        help="put the results into README.md, results.json and the chart")
    parser.add_argument("--draw", action="store_true", help="write the table and the chart of results.json")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(cases()))
        return 0
    if arguments.draw:
        report.write()
        return 0
    unknown = [name for name in arguments.cases if name not in cases()]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(cases())}")
    if arguments.write and (arguments.tune or arguments.small or arguments.only or arguments.repeat < 3):
        parser.error("--write is for full runs: without --tune, --small, --only, and of 3 rounds or more")

    bench = Bench(CACHE, os.environ["RECONCILE"], arguments.tune, arguments.small, arguments.repeat)
    results = []
    for name in arguments.cases or cases():
        for contest in load(name).contests(bench):
            result = hold(contest, CACHE, arguments.only or "")
            if result["contenders"]:
                results.append({"case": name, **result})
                print(report.table([results[-1]]), flush=True)
    document = {"machine": report.machine(), "results": results}
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "last.json").write_text(json.dumps(document, indent=1) + "\n")
    print(f"results in {CACHE / 'last.json'}", file=sys.stderr)
    if arguments.write:
        report.merge(document)
        report.write()
    return 1 if any(c["failure"] for r in results for c in r["contenders"]) else 0


if __name__ == "__main__":
    sys.exit(main())
