"""One worker process and the pipe to it, as the pool sees it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from factory.verification.check import Prepared
from factory.verification.result import CheckResult, Method
from factory.verification.worker import frame
from schemas.verdict import Verdict

LOAD_SECONDS = 120.0
"""Wall-clock limit of loading a library; a loaded machine may take long to import sympy."""
BACKSTOP = 12
"""A check may take this many times its processor-time limit of wall-clock time, at least `BACKSTOP_SECONDS`.

Far more than processor time, so that a busy machine does not turn verdicts into timeouts: it is for checks that wait
instead of computing (a program under test that sleeps) and for a machine that has stopped.
"""
BACKSTOP_SECONDS = 30.0


def backstop(seconds: float) -> float:
    """Wall-clock seconds after which a check is given up, for a limit of `seconds` of processor time."""
    return max(BACKSTOP * seconds, BACKSTOP_SECONDS)


class Died(Exception):
    """The worker ended, or could not be started, in a way that says nothing about the check at hand."""


class Worker:
    """A process that decides checks one after another."""

    def __init__(self, seconds: float) -> None:
        """Start the process, whose checks are limited to `seconds` of processor time each."""
        self.seconds = seconds
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *(p for p in sys.path if p and p != root)]
        keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
        environment = {name: os.environ[name] for name in keep if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "factory.verification.worker", repr(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        self.pending = bytearray()

    def run(self, batch: list[Prepared], done: list[CheckResult]) -> CheckResult | None:
        """Append results to `done`; return None, or the timeout of the check at which the worker had to be ended.

        Raises:
            Died: the process is gone; results so far are in `done`, and the next check may be tried again.
        """
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(frame([asdict(item) for item in batch]))
            self.process.stdin.flush()
        except OSError:
            raise Died from None
        for item in batch:
            began = time.perf_counter()
            reply = self._reply(backstop(self.seconds))
            if reply is None:
                return self._timeout(item, time.perf_counter() - began)
            done.append(_result(reply))
        return None

    def _timeout(self, item: Prepared, took: float) -> CheckResult:
        if self.process.poll() is None:
            return _late(item, f"no verdict within {backstop(self.seconds):g} s of wall-clock time", took)
        if self.process.returncode == -signal.SIGPROF:
            return _late(item, f"no verdict within {self.seconds:g} s of processor time", self.seconds)
        raise Died

    def _reply(self, seconds: float) -> dict[str, Any] | None:
        """The next result, or None when time is up or the process ended. Loading a library is not on a check's time."""
        found = self._read(time.perf_counter() + seconds)
        while found is not None and "event" in found:
            limit = LOAD_SECONDS if found["event"] == "loading" else seconds
            found = self._read(time.perf_counter() + limit)
        return found

    def _read(self, deadline: float) -> dict[str, Any] | None:
        """The next frame, or None when the deadline passes or the process ends."""
        assert self.process.stdout is not None
        handle = self.process.stdout.fileno()
        while True:
            if len(self.pending) >= 4:
                size = int.from_bytes(self.pending[:4], "big")
                if len(self.pending) >= 4 + size:
                    body = bytes(self.pending[4 : 4 + size])
                    del self.pending[: 4 + size]
                    return json.loads(body)  # type: ignore[no-any-return]
            left = deadline - time.perf_counter()
            if left <= 0 or not select.select([handle], [], [], left)[0]:
                return None
            chunk = os.read(handle, 1 << 16)
            if not chunk:
                self.process.wait()
                return None
            self.pending += chunk

    def kill(self) -> None:
        """End the process and its children at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _late(item: Prepared, reason: str, took: float) -> CheckResult:
    return CheckResult(
        Verdict.TIMEOUT, Method.LIMIT, item.answer, reason=reason, answer_kind=item.kind, seconds=took
    )


def lost(item: Prepared) -> CheckResult:
    """What is recorded for a check at which two workers in a row have died."""
    reason = "the checker process died (memory limit or crash)"
    return CheckResult(Verdict.UNVERIFIABLE, Method.LIMIT, item.answer, reason=reason, answer_kind=item.kind)


def _result(reply: dict[str, Any]) -> CheckResult:
    reply |= {"verdict": Verdict(reply["verdict"]), "method": Method(reply["method"])}
    return CheckResult(**reply)
