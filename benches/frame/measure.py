"""Runs one command and measures it.

Time is the wall clock's from start to exit: reading, computing and writing are all in it. Memory is
the largest resident set of the process (ru_maxrss of wait4, as in GNU time); every contender is one
process. Linux counts what this small program had when it forked, so figures below about 20 MiB mean
no more than that.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

# Rather a failed contender than a machine without memory or disk.
MOST_MEMORY = 18 << 30
LEAST_DISK = 8 << 30


@dataclass
class Measured:
    """One run. `failure` is empty when it went well."""

    seconds: float
    cpu: float
    peak_mib: float
    failure: str


def resident(pid: int) -> int:
    """What a process has in memory now, in bytes."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def run(argv: list[str], env: dict, folder: Path, seconds: int) -> Measured:
    """Runs a command with this time limit. Its standard output and error go to files in `folder`."""
    failure = ""
    with open(folder / "stdout", "wb") as stdout, open(folder / "stderr", "wb") as stderr:
        before = time.perf_counter()
        process = subprocess.Popen(argv, env={**os.environ, **env}, cwd=folder, stdout=stdout,
                                   stderr=stderr, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                elapsed = time.perf_counter() - before
                if not failure:
                    if elapsed > seconds:
                        failure = f"took more than {seconds} s"
                    elif resident(process.pid) > MOST_MEMORY:
                        failure = f"took more than {MOST_MEMORY >> 30} GiB of memory"
                    elif shutil.disk_usage(folder).free < LEAST_DISK:
                        failure = f"left less than {LEAST_DISK >> 30} GiB of disk"
                    if failure:
                        os.killpg(process.pid, signal.SIGKILL)
                # Short enough not to show in a run of a tenth of a second.
                time.sleep(0.001 if elapsed < 1 else 0.01)
        except BaseException:
            # Who stops this program, as by Ctrl-C, must not leave a contender behind.
            os.killpg(process.pid, signal.SIGKILL)
            raise
        elapsed = time.perf_counter() - before
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and not failure:
        lines = (folder / "stderr").read_text(errors="replace").strip().splitlines()
        failure = f"exit {process.returncode}: {lines[-1] if lines else 'no message'}"
        if len(lines) > 1 and argv[0].endswith("reconcile"):
            failure = f"exit {process.returncode}: {lines[0]}"
    return Measured(elapsed, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, failure)
