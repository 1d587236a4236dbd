"""Starts a server with something in it, and lets Schemathesis at it. scripts/fuzz-api calls it."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("EXAMPLES", "12")
SEED = os.environ.get("SEED", "1")
# What the document promises; that every refusal has its right reason is what the tests are for.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
    "unsupported_method",
]
ADMIN = "admin@example.com"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A server process, from an empty database on."""

    def __init__(self, binary, directory):
        self.binary, self.log = binary, directory / "log"
        self.port, self.password = free_port(), secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "ENVIRONMENT": "production",
            "DATABASE_URL": os.environ["DATABASE_URL"],
            "PGSSLMODE": os.environ.get("PGSSLMODE", "disable"),
            "JWT_SECRET": secrets.token_urlsafe(32),
            "STORAGE_URL": f"file://{directory / 'store'}",
            "SCRATCH_DIR": str(directory / "scratch"),
            "BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "METRICS_BIND_ADDRESS": "127.0.0.1:0",
            "MAX_UPLOAD_BYTES": "1000000",
            "ACCESS_TOKEN_SECONDS": "86400",
            # All of it comes from one caller at one address.
            "REQUESTS_PER_MINUTE": "1000000",
            "REQUESTS_PER_MINUTE_OF_ADDRESS": "1000000",
            "LOGINS_PER_MINUTE": "1000000",
        }

    def command(self, *arguments, **options):
        command = [self.binary, *arguments]
        subprocess.run(command, env=self.environment, check=True, **options)

    def __enter__(self):
        self.command("migrate", stderr=subprocess.DEVNULL)
        self.command("admin", "create", "--email", ADMIN, input=self.password, text=True)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve"], env=self.environment, stderr=subprocess.PIPE, text=True
            )
            # It says when it listens; from then on its log goes to the file.
            for line in self.process.stderr:
                log.write(line)
                if '"listening"' in line:
                    break
            else:
                sys.exit(f"the server ended: {self.log.read_text()}")
        copy = ["cat"]
        self.copy = subprocess.Popen(copy, stdin=self.process.stderr, stdout=self.log.open("a"))
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.copy.wait()


class Client:
    """Whoever puts something into the server."""

    def __init__(self, server):
        self.server, self.session = server, requests.Session()
        body = {"email": ADMIN, "password": server.password}
        self.token = self.send("POST", "auth/login", json=body)["accessToken"]
        self.session.headers["Authorization"] = f"Bearer {self.token}"

    def send(self, method, path, **options):
        answer = self.session.request(method, f"{self.server.url}/api/v2/{path}", **options)
        answer.raise_for_status()
        return answer.json()


LEFT = "id,memo,amount\na,alpha,1.00\nb,bravo1,2.00\nc,charlie1,3.00\nd,only left,4.00\nr,bad,much\n"
RIGHT = "id,memo,amount\na,alpha,1.50\nb,bravo2,2.00\nc,charlie2,3.00\ne,and only right,4.00\n"


def seed(client):
    """One of everything, and a run with every kind of outcome."""
    send = client.send
    user = send(
        "POST", "users", json={"email": "someone@example.com", "password": secrets.token_hex(16)}
    )
    send("POST", "projects", json={"slug": "treasury", "name": "Treasury"})
    send(
        "PUT",
        "projects/treasury/members",
        json={"kind": "user", "name": user["email"], "role": "viewer"},
    )
    uploads = {
        side: send("POST", f"projects/treasury/uploads?name={side}.csv", data=content)["id"]
        for side, content in (("left", LEFT), ("right", RIGHT))
    }
    amount = [{"name": "amount", "type": "decimal(18,2)"}]
    spec = {
        side: {"source": {"upload": {"id": id}}, "key": ["id"], "columns": amount}
        for side, id in uploads.items()
    }
    similar = {"column": "memo", "text": {"method": "levenshtein", "atLeast": 0.7}}
    spec["passes"] = [
        {
            "name": "fuzzy",
            "score": "weighted",
            "accept": 0.99,
            "review": 0.7,
            "block": [["substr(memo, 1, 1)"]],
            "compare": [similar],
        }
    ]
    spec["diff"] = [{"column": "amount", "exact": {}}]
    spec["output"] = {"formats": ["parquet", "csv"]}
    job = send("POST", "projects/treasury/jobs", json={"name": "daily", "spec": spec})
    run = send("POST", "projects/treasury/jobs/daily/runs", json={})["id"]
    # The stream ends with the run.
    events = f"{client.server.url}/api/v2/runs/{run}/events"
    with client.session.get(events, stream=True) as stream:
        for _ in stream.iter_lines():
            pass
    ended = send("GET", f"runs/{run}")
    assert ended["state"] == "succeeded", ended
    reviews = send("GET", f"runs/{run}/reviews")["items"]
    assert reviews, "the run has nothing to review"
    token = send(
        "POST", "projects/treasury/tokens", json={"name": "machine", "role": "viewer"}
    )
    tus = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "20",
        "Upload-Metadata": "filename cGllY2VzLmNzdg==",
    }
    session = send("POST", "projects/treasury/uploads/resumable", headers=tus)
    return {
        "projects": ["treasury"],
        "jobs": ["daily", job["id"]],
        "runs": [run],
        "users": [user["id"]],
        "uploads": list(uploads.values()),
        "tokens": [token["id"]],
        "sessions": [session["id"]],
        "groups": [review["groupId"] for review in reviews],
        "members": [user["email"]],
        "outputs": ["summary.json", "pairs.parquet", "pairs.csv"],
        "files": ["viewer.js", "swagger-ui.css"],
        "tags": ["*"],
        "tus": ["1.0.0"],
    }, spec


# Which values of which parameters are taken from what is there, and how often.
ANYWHERE = {
    "path.project": ("projects", 0.9),
    "path.job": ("jobs", 0.8),
    "path.group": ("groups", 0.8),
    "path.file": ("files", 0.8),
    "header.If-Match": ("tags", 0.6),
    "header.Tus-Resumable": ("tus", 0.9),
}
OF_PATHS = {
    "^/api/v2/runs/": {"path.id": ("runs", 0.9), "path.name": ("outputs", 0.8)},
    "^/api/v2/users/": {"path.id": ("users", 0.8)},
    "/members/": {"path.name": ("members", 0.5)},
    "/tokens/": {"path.id": ("tokens", 0.6)},
    "/uploads/[{]id": {"path.id": ("uploads", 0.8)},
    "/uploads/resumable/": {"path.id": ("sessions", 0.8)},
}


# They take a specification as `jobsCreate` does, and one walk through its thousand fields is enough.
LIKE_JOBS_CREATE = ["jobsReplace", "runsCreate"]


def configuration(token, values):
    """The configuration of Schemathesis, in TOML. JSON writes lists and texts as TOML does."""

    def bind(parameters):
        for name, (dictionary, probability) in parameters.items():
            yield f'"{name}" = {{dictionary = "{dictionary}", probability = {probability}}}'

    lines = [
        'hooks = "hooks"',
        "warnings = false",
        f"seed = {SEED}",
        "workers = 1",
        "continue-on-failure = true",
        "request-timeout = 30",
        "max-stream-events = 20",
        f"[generation]\nmax-examples = {EXAMPLES}\ndatabase = 'none'\nno-shrink = true",
        "[auth.openapi.bearer]",
        f'bearer = "{token}"',
        "[checks]\nenabled = false",
        *(f"{check} = {{enabled = true}}" for check in CHECKS),
        "[dictionaries]",
        *(f"{name} = {{values = {json.dumps(found)}}}" for name, found in values.items()),
        "[parameters]",
        *bind(ANYWHERE),
    ]
    for operation in LIKE_JOBS_CREATE:
        lines += ["[[operations]]", f'include-operation-id = "{operation}"']
        lines += ["[operations.phases.coverage]", "enabled = false"]
    for pattern, parameters in OF_PATHS.items():
        lines += ["[[operations]]", f"include-path-regex = '{pattern}'", "[operations.parameters]"]
        lines += bind(parameters)
    return "\n".join(lines) + "\n"


def main(binary, *options):
    with tempfile.TemporaryDirectory(prefix="fuzz-api.") as name:
        directory = Path(name)
        with Server(binary, directory) as server:
            client = Client(server)
            values, spec = seed(client)
            config = directory / "schemathesis.toml"
            config.write_text(configuration(client.token, values))
            environment = {**os.environ, "PYTHONPATH": str(HERE), "FUZZ_SPEC": json.dumps(spec)}
            command = [
                *(sys.executable, "-m", "schemathesis.cli", f"--config-file={config}", "run"),
                *(f"{server.url}/api/openapi.json", "--no-color", *options),
            ]
            ended = subprocess.run(command, env=environment, cwd=directory)
            alive = server.process.poll() is None
        log = server.log.read_text()
        panics = [line for line in log.splitlines() if '"panic"' in line]
        if not alive or panics or ended.returncode != 0:
            kept = Path(tempfile.mkdtemp(prefix="fuzz-api-failed.")) / "server.log"
            kept.write_text(log)
            sys.exit(f"failed: the server's log is {kept}" + "".join(f"\n{it}" for it in panics))


if __name__ == "__main__":
    main(*sys.argv[1:])
