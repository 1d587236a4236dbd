"""The frame's own tests: they need Python alone. `python3 -m unittest discover -s benches -t benches`."""

import ast
import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

os.environ.setdefault("BENCH_PYTHON", sys.executable)

from frame import chart, measure, quality, report, rounds
from frame.contest import BENCHES, Bench, Contender, Contest


class Requirements(unittest.TestCase):
    def test_every_package_that_a_script_imports_is_pinned(self):
        pinned = {"sklearn": "scikit-learn"}
        lines = [line for name in ("requirements.txt", "requirements-splink.txt")
                 for line in (BENCHES / name).read_text().splitlines()]
        known = {line.partition("==")[0] for line in lines if "==" in line}
        own = {"frame"} | {path.stem for path in BENCHES.rglob("*.py")}
        for path in sorted(BENCHES.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else (
                    [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else [])
                for name in {name.partition(".")[0] for name in names}:
                    if name not in sys.stdlib_module_names and name not in own:
                        self.assertIn(pinned.get(name, name), known, f"{path.name} imports {name}")


class Quality(unittest.TestCase):
    def test_rates(self):
        precision, recall, f1 = quality.rates(found=4, true=8, both=2)
        self.assertEqual((precision, recall), (0.5, 0.25))
        self.assertAlmostEqual(f1, 2 * 0.5 * 0.25 / 0.75)
        self.assertEqual(quality.rates(0, 0, 0), (0.0, 0.0, 0.0))

    def test_a_group_is_what_hangs_together(self):
        found = quality.groups([("a", "x"), ("a", "y"), ("b", "y"), ("c", "z"), ("x", "a")])
        self.assertEqual(found, {
            (("l", "a"), ("l", "b"), ("r", "x"), ("r", "y")), (("l", "c"), ("r", "z")),
            (("l", "x"), ("r", "a"))})

    def test_a_group_with_a_member_too_many_is_not_found(self):
        true = quality.groups([("a", "x"), ("a", "y")])
        self.assertFalse(true & quality.groups([("a", "x"), ("a", "y"), ("a", "z")]))
        self.assertFalse(true & quality.groups([("a", "x")]))


class Measure(unittest.TestCase):
    def measured(self, code: str, seconds: int = 20):
        with tempfile.TemporaryDirectory() as folder:
            return measure.run([sys.executable, "-c", code], {}, Path(folder), seconds)

    def test_memory_is_the_peak(self):
        measured = self.measured("x = b'x' * (200 << 20); del x")
        self.assertEqual(measured.failure, "")
        self.assertGreater(measured.peak_mib, 200)

    def test_a_failure_has_its_last_line(self):
        self.assertEqual(self.measured("raise SystemExit('no such thing')").failure,
                         "exit 1: no such thing")

    def test_a_run_that_takes_too_long_is_ended(self):
        self.assertIn("more than 0 s", self.measured("import time; time.sleep(60)", 0).failure)


class Rounds(unittest.TestCase):
    def test_contenders_take_turns_and_a_wrong_one_is_out(self):
        def contender(name: str, count: int) -> Contender:
            return Contender(name, lambda place: ["true"], lambda place: {"rows": count})

        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data"
            data.mkdir()
            contest = Contest("test", "", [data] * 3, [contender("right", 5), contender("wrong", 4)],
                              lambda data: {"rows": 5})
            result = rounds.hold(contest, Path(folder), "")
        right, wrong = result["contenders"]
        self.assertEqual((len(right["runs"]), right["failure"]), (3, ""))
        self.assertEqual((len(wrong["runs"]), wrong["failure"]), (0, "wrong: rows 4 instead of 5"))
        self.assertIn("wrong: rows 4 instead of 5", report.table([result]))


class Report(unittest.TestCase):
    RESULT = {"contest": "a < b", "contenders": [
        {"name": "reconcile", "ours": True, "failure": "", "seconds": 1.0, "seconds_range": [1.0, 1.0],
         "peak_mib": 100.0, "f1": 0.9, "f1_range": [0.8, 1.0]},
        {"name": "peer", "ours": False, "failure": "", "seconds": 3.0, "seconds_range": [2.0, 4.0],
         "peak_mib": 50.0}]}

    def test_ratios_are_against_ours(self):
        lines = report.table([self.RESULT]).splitlines()
        self.assertIn("| 3.00 (2.00–4.00) | 50 | 3.00 × | 0.50 × |", lines[3])
        self.assertIn("0.9000 (0.8000–1.0000)", lines[2])

    def test_the_chart_is_xml(self):
        ElementTree.fromstring(chart.draw([self.RESULT]))
        ElementTree.fromstring(chart.draw([]))


class Seeds(unittest.TestCase):
    def test_reported_seeds_are_not_tuned_on(self):
        tuning = Bench(Path(), "", tune=True, small=True, repeat=3).seeds
        reported = Bench(Path(), "", tune=False, small=False, repeat=3).seeds
        self.assertFalse(set(tuning) & set(reported))
        self.assertGreaterEqual(len(reported), 3)

    def test_every_case_has_a_readable_start(self):
        for case in BENCHES.glob("*/case.py"):
            self.assertTrue(case.read_text().startswith('"""'), case)


if __name__ == "__main__":
    unittest.main()
