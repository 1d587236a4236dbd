"""How much memory a large upload takes."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator

from .server import Server

BLOCK = 1 << 20


def content(size: int) -> Iterator[bytes]:
    """A CSV file of this size."""
    head = b"id,amount,memo\n"
    line = b"%012d,1234567.89,payment of an invoice that has a reference\n" % 7
    block = line * (BLOCK // len(line) + 1)
    yield head
    left = size - len(head)
    while left > 0:
        part = block[:min(left, len(block))]
        left -= len(part)
        yield part if left else part[:-1] + b"\n"


def measure(server: Server, project: str, token: str, size: int) -> dict:
    """Uploads a file; the rise of the process's memory over what it had before."""
    server.forget_peak()
    before = server.memory("VmRSS")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    began = time.monotonic()
    connection.request("POST", f"/api/v2/projects/{project}/uploads?name=large.csv", body=content(size),
                       headers={"Authorization": f"Bearer {token}", "Content-Length": str(size),
                                "Content-Type": "text/csv"})
    response = connection.getresponse()
    answer = response.read().decode()
    if response.status != 201:
        raise SystemExit(f"the upload was answered with {response.status}: {answer[:500]}")
    return {"bytes": size, "seconds": time.monotonic() - began, "before_mib": before,
            "peak_mib": server.memory("VmHWM"), "rise_mib": server.memory("VmHWM") - before}
