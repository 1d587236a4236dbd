"""The bench's own tests: they need Python alone. `python3 -m unittest discover -s benches -t benches`."""

import json
import random
import re
import unittest
from pathlib import Path

from . import builds, load, mix, naive, queries, report, server, upload

IDS = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(1, 60)]
WORLD = mix.World(
    tokens=["a", "b", "c"],
    projects=[[(IDS[0], "owner"), (IDS[1], "editor")], [(IDS[1], "viewer")], []],
    runs={IDS[0]: [(IDS[10], True), (IDS[11], False)], IDS[1]: [(IDS[12], True)]})


class Mix(unittest.TestCase):
    def test_the_same_seed_draws_the_same_requests(self):
        drawn = mix.targets(WORLD, "http://x", 500, 1)
        self.assertEqual(drawn, mix.targets(WORLD, "http://x", 500, 1))
        self.assertNotEqual(drawn, mix.targets(WORLD, "http://x", 500, 2))

    def test_every_request_is_of_a_route_and_every_route_is_asked(self):
        drawn = mix.targets(WORLD, "http://x", 3000, 1)
        routes = {mix.route_of(target["method"], target["url"]) for target in drawn}
        self.assertEqual(routes, set(mix.ROUTES))

    def test_reads_are_ten_routes_and_writes_five_percent(self):
        self.assertEqual(len(mix.READS), 10)
        self.assertEqual(sum(mix.ROUTES.values()), 100)
        drawn = mix.targets(WORLD, "http://x", 20_000, 1)
        routes = [mix.route_of(target["method"], target["url"]) for target in drawn]
        for route, share in mix.ROUTES.items():
            self.assertAlmostEqual(routes.count(route) / len(routes), share / 100, delta=0.01, msg=route)
        self.assertEqual(sum(mix.WRITES.values()), 5)

    def test_nobody_does_what_they_may_not(self):
        roles = {("a", IDS[0]): "owner", ("a", IDS[1]): "editor", ("b", IDS[1]): "viewer"}
        project_of = {run: project for project, runs in WORLD.runs.items() for run, _ in runs}
        for target in mix.targets(WORLD, "http://x", 3000, 1):
            token = target["header"]["Authorization"][0].removeprefix("Bearer ")
            found = re.findall(mix.ID, target["url"])
            projects = {project_of.get(identity, identity) for identity in found}
            least = {"PATCH": {"owner"}, "POST": {"owner", "editor"}}.get(
                target["method"], {"owner", "editor", "viewer"})
            for project in projects:
                self.assertIn(roles.get((token, project)), least, target)

    def test_the_first_are_picked_most(self):
        zipf = mix.Zipf(random.Random(1))
        picked = [zipf.pick(list(range(100))) for _ in range(20_000)]
        shares = [picked.count(n) / len(picked) for n in (0, 1, 99)]
        self.assertGreater(shares[0], 1.5 * shares[1])
        self.assertGreater(shares[1], 10 * shares[2])
        self.assertLessEqual(max(picked), 99)

    def test_queries_of_a_path_are_no_part_of_its_route(self):
        url = f"http://x/api/v2/projects/{IDS[0]}/runs?limit=5"
        self.assertEqual(mix.route_of("GET", url), "GET /projects/{project}/runs")


class Load(unittest.TestCase):
    def test_percentiles_are_values_that_were_seen(self):
        values = [float(n) for n in range(1, 101)]
        self.assertEqual([load.percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)],
                         [50.0, 95.0, 99.0, 100.0])
        self.assertEqual(load.percentile([7.0], 0.5), 7.0)

    def test_results_are_told_apart_by_route_and_status(self):
        line = "{},{},{},0,0,{},,bench,1,GET,http://x/api/v2/users/me,"
        found = load.read([line.format(10 ** 9, 200, 2_000_000, ""),
                           line.format(2 * 10 ** 9, 503, 4_000_000, "503 Service Unavailable"),
                           line.format(3 * 10 ** 9, 0, 0, "connection refused")])
        row = found.routes["GET /users/me"].row()
        self.assertEqual((row["calls"], row["errors"], row["p50"], row["p99"]), (3, 2, 2.0, 4.0))
        self.assertEqual(found.seconds, 2.0)
        self.assertEqual(found.errors, 2)
        self.assertEqual(found.failures, ["1 × GET /users/me: 0 connection refused",
                                          "1 × GET /users/me: 503 503 Service Unavailable"])


class Queries(unittest.TestCase):
    @staticmethod
    def line(message: str, **fields) -> str:
        return json.dumps({"message": message, "user": "api", "query_id": 7, **fields})

    def test_binding_and_executing_make_the_time_of_a_query(self):
        found = queries.sampled([
            self.line("duration: 0.5 ms  bind sqlx_s_1: SELECT  1"),
            self.line("duration: 2.0 ms  execute sqlx_s_1: SELECT  1"),
            self.line("duration: 4.0 ms  execute sqlx_s_1: SELECT  1"),
            self.line("duration: 9.0 ms  execute x: SELECT 1", user="postgres"),
            self.line("duration: 9.0 ms  execute x: SELECT 1", query_id=0),
            self.line("checkpoint starting: time"), '{"message": "cut o'])
        self.assertEqual(list(found), ["7"])
        self.assertEqual(found["7"].text, "SELECT 1")
        self.assertEqual((found["7"].percentile(0.5), found["7"].percentile(0.99)), (2.5, 4.5))


    def test_a_query_has_the_name_that_the_server_gives_it(self):
        rows = [{"id": "7", "text": "SELECT $1 LIMIT $2"}, {"id": "8", "text": "COMMIT"}]
        log = [self.line("duration: 2.0 ms  execute sqlx_s_1: SELECT $1 LIMIT 1")]
        named, other = queries.table(rows, log, {"SELECT $1  LIMIT 1": "runs.find"})
        self.assertEqual((named["name"], named["p95"], named["samples"]), ("runs.find", 2.0, 1))
        self.assertEqual((other["name"], other["p95"], other["samples"]), ("COMMIT", None, 0))


class Caches(unittest.TestCase):
    def test_the_ratio_is_of_reads_that_a_cache_answered(self):
        metrics = ('cache_requests_total{cache="project",level="memory",outcome="hit"} 60\n'
                   'cache_requests_total{cache="project",level="memory",outcome="miss"} 40\n'
                   'cache_requests_total{cache="project",level="redis",outcome="hit"} 20\n'
                   'cache_requests_total{cache="project",level="redis",outcome="miss"} 20\n'
                   'cache_requests_total{cache="project",level="database",outcome="read"} 20\n')
        self.assertEqual(server.hit_ratio(metrics), 0.8)
        self.assertIsNone(server.hit_ratio("http_requests_total 5\n"))


class Naive(unittest.TestCase):
    def test_one_way_asks_three_times_and_the_other_for_each_row(self):
        sql = {f"projects.{name}": f"SELECT project_id FROM {table} WHERE project_id = ANY($1)"
               for name, table in (("count_members", "project_members"), ("counts", "project_counts"))}
        sql["projects.list_of_user"] = "SELECT 1 WHERE $1 = $1 AND $2 = $2 LIMIT $3"
        at_once, by_row, variables = naive.scripts(sql, IDS[:10])
        self.assertEqual((at_once.count(";\n"), by_row.count(";\n")), (3, 31))
        self.assertNotIn("$", at_once + by_row)
        for name in set(re.findall(r":(\w+)", at_once + by_row)) - {"user"}:
            self.assertIn(name, variables)


class Builds(unittest.TestCase):
    def test_a_line_of_the_log_is_an_end_and_a_latency(self):
        self.assertEqual(builds.latencies("0 199 2241 0 1175850568 995598 1020\n"),
                         [(1175850568.995598, 2.241)])

    def test_figures_of_nothing_are_none(self):
        self.assertEqual(builds.figures([])["writes"], 0)
        self.assertEqual(builds.figures([(0.0, 1.0), (0.0, 9.0)])["p99"], 9.0)

    def test_the_index_is_the_one_of_the_migration(self):
        folder = Path(__file__).resolve().parents[2] / "server" / "migrations"
        found = list(folder.glob(f"{builds.VERSION:04}_*.sql"))
        self.assertEqual(len(found), 1)
        self.assertIn(f"CONCURRENTLY IF NOT EXISTS {builds.INDEX}\n", found[0].read_text())


class Upload(unittest.TestCase):
    def test_the_content_has_the_size_and_whole_lines(self):
        for size in (100, 5 << 20):
            whole = b"".join(upload.content(size))
            self.assertEqual(len(whole), size)
            self.assertTrue(whole.startswith(b"id,amount,memo\n") and whole.endswith(b"\n"))


class Report(unittest.TestCase):
    ROW = {"calls": 5, "errors": 0, "p50": 1.0, "p95": 2.0, "p99": 3.0}
    QUERY = {"name": "runs.find", "calls": 5, "mean": 1.0, "max": 9.0, "p50": 1.0, "p95": 2.0, "p99": 3.0,
             "samples": 5}
    BUILD = {"writes": 5, "p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0}

    def result(self) -> dict:
        return {
            "machine": "x", "postgres": "15", "scale": 1.0,
            "load": {"data": {"runs": 5}, "bytes": 1, "connections": 64, "seconds": 60.0, "requests": 5,
                     "rate": 1.0, "errors": 0, "failures": [], "peak_mib": 60.0, "hit_ratio": None,
                     "routes": {"GET /x": dict(self.ROW)}, "queries": [dict(self.QUERY)]},
            "naive": {"rows": 100, "at_once": 1.0, "at_once_queries": 4, "by_row": 9.0,
                      "by_row_queries": 301, "ratio": 9.0},
            "upload": {"bytes": 1 << 31, "seconds": 9.0, "rise_mib": 3.0},
            "build": {"rows": 5_000_000, "seconds": 9.0, "before": dict(self.BUILD),
                      "during": dict(self.BUILD)}}

    def test_what_is_good_misses_nothing(self):
        self.assertEqual(report.failures(self.result()), [])
        self.assertIn("| `GET /x` | 5 | 0 | 1.00 | 2.00 | 3.00 |", report.text(self.result()))

    def test_every_requirement_can_be_missed(self):
        for part, name, value, told in [
            ("load", "errors", 1, "1 requests failed"), ("load", "peak_mib", 151.0, "took 151 MiB"),
            ("load", "hit_ratio", 0.5, "caches answered 50%"), ("upload", "rise_mib", 33.0, "upload took 33"),
        ]:
            result = self.result()
            result[part][name] = value
            self.assertIn(told, " ".join(report.failures(result)))
        result = self.result()
        result["load"]["queries"][0]["p95"] = 150.0
        result["build"]["during"]["p99"] = 200.0
        self.assertEqual(len(report.failures(result)), 2)

    def test_the_readme_has_a_place_for_the_tables(self):
        self.assertEqual(report.README.read_text().count(report.START), 1)
        self.assertEqual(report.README.read_text().count(report.END), 1)


if __name__ == "__main__":
    unittest.main()
