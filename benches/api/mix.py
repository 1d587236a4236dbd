"""What is asked: the ten hottest routes and two writes, in a mix as Zipf's law has it."""

from __future__ import annotations

import base64
import json
import math
import random
import re
from dataclasses import dataclass
from pathlib import Path

from .postgres import Postgres
from .server import Server

PASSWORD = "bench: a password of 12 and more"
# Reads by share of all requests; what is left are writes.
READS = {
    "GET /projects/{project}/runs": 16, "GET /runs/{id}": 16, "GET /runs/{id}/exceptions": 14,
    "GET /projects/{project}": 12, "GET /projects": 9, "GET /runs/{id}/reviews": 7,
    "GET /projects/{project}/reviews": 7, "GET /users/me": 6, "GET /projects/{project}/members": 4,
    "GET /projects/{project}/uploads": 4,
}
WRITES = {"PATCH /projects/{project}": 3, "POST /runs/{id}/reviews/{group}/comments": 2}
ROUTES = {**READS, **WRITES}

# What a member sees; uuids as PostgreSQL's functions of seed.sql make them.
MEMBERSHIPS = """
SELECT u.n, m.project_id, m.role, (SELECT count(*) FROM runs r WHERE r.project_id = m.project_id)
FROM generate_series(1, {users}) AS u (n) JOIN project_members m ON m.user_id = md5('user' || u.n)::uuid
ORDER BY 1, 4 DESC, 2
"""
RUNS = """
SELECT p.id, r.id, r.reviews_open > 0 FROM (SELECT DISTINCT unnest('{{{projects}}}'::uuid[]) AS id) p,
    LATERAL (SELECT id, reviews_open FROM runs WHERE project_id = p.id AND state = 'succeeded'
        ORDER BY created_at DESC, id DESC LIMIT 30) r
"""


@dataclass
class World:
    """What the mix is made of."""

    tokens: list[str]
    projects: list[list[tuple[str, str]]]  # of a user: ids and roles, the most popular first
    runs: dict[str, list[tuple[str, bool]]]  # of a project: ids, and whether there are reviews


def look(postgres: Postgres, server: Server, users: int) -> World:
    """Logs the users in and looks at what they may see."""
    tokens = []
    for n in range(1, users + 1):
        answer = server.post("/api/v2/auth/login",
                             {"email": f"user-{n}@example.com", "password": PASSWORD})
        tokens.append(answer["accessToken"])
    projects: list[list[tuple[str, str]]] = [[] for _ in range(users)]
    for line in postgres.psql(MEMBERSHIPS.format(users=users)).splitlines():
        n, project, role, runs = line.split("|")
        if int(runs) > 0:
            projects[int(n) - 1].append((project, role))
    names = sorted({project for of in projects for project, _ in of})
    runs: dict[str, list[tuple[str, bool]]] = {}
    for line in postgres.psql(RUNS.format(projects=",".join(names))).splitlines():
        project, run, reviewed = line.split("|")
        runs.setdefault(project, []).append((run, reviewed == "t"))
    for of in projects:
        of[:] = [(project, role) for project, role in of if project in runs]
    return World(tokens, projects, runs)


class Zipf:
    """Draws places of a list: the k-th with a probability as 1/k."""

    def __init__(self, generator: random.Random):
        self.generator = generator

    def pick(self, items: list):
        """One of the items."""
        return items[min(int(math.exp(self.generator.random() * math.log(len(items) + 1))), len(items)) - 1]


def may(world: World, user: int, route: str) -> list[str]:
    """The projects in which a user may do this."""
    of = world.projects[user]
    if route.startswith("PATCH"):
        return [project for project, role in of if role == "owner"]
    if "{group}" in route:
        return [project for project, role in of
                if role != "viewer" and any(reviewed for _, reviewed in world.runs[project])]
    return [project for project, _ in of]


def targets(world: World, url: str, count: int, seed: int) -> list[dict]:
    """Requests in the form of the load generator, drawn with a seed."""
    generator = random.Random(seed)
    zipf = Zipf(generator)
    names, weights = list(ROUTES), list(ROUTES.values())
    callers = [n for n, of in enumerate(world.projects) if of]
    drawn = []
    while len(drawn) < count:
        route = generator.choices(names, weights)[0]
        # Who may not, does not: refusals would be no errors of the server and none of the mix. So
        # callers are drawn until one may, and the share of the route stays what it is.
        while True:
            user = zipf.pick(callers)
            allowed = may(world, user, route)
            if allowed:
                break
        project = zipf.pick(allowed)
        runs = [run for run, reviewed in world.runs[project] if reviewed or "{group}" not in route]
        run = zipf.pick(runs)
        method, path = route.split(" ")
        path = path.replace("{project}", project).replace("{id}", run).replace("{group}", "group-1")
        target = {"method": method, "url": f"{url}/api/v2{path}",
                  "header": {"Authorization": [f"Bearer {world.tokens[user]}"]}}
        if method == "PATCH":
            target["header"]["If-Match"] = ["*"]
        body = {"PATCH": {"name": f"Project {len(drawn)}"}, "POST": {"comment": "looked at"}}.get(method)
        if body:
            target["header"]["Content-Type"] = ["application/json"]
            target["body"] = base64.b64encode(json.dumps(body).encode()).decode()
        drawn.append(target)
    return drawn


ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def route_of(method: str, url: str) -> str:
    """The route of a request."""
    path = url.split("/api/v2", 1)[1].split("?")[0]
    path = re.sub(rf"^/projects/{ID}", "/projects/{project}", path)
    path = re.sub(rf"^/runs/{ID}", "/runs/{id}", path)
    return f"{method} {re.sub(r'/reviews/group-[0-9]+', '/reviews/{group}', path)}"


def write(path: Path, drawn: list[dict]) -> None:
    """Puts requests into a file, one a line."""
    with open(path, "w", encoding="ascii") as file:
        for target in drawn:
            file.write(json.dumps(target) + "\n")
