"""`Verifier`: checks in worker processes that are killed at their limit and replaced.

Workers are plain subprocesses with pipes, so the parent may have torch loaded, run threads, or be a Ray actor; a
worker starts in a fraction of a second and imports neither. What is obvious (literal and numeric matches, choices,
texts) is settled in the calling process without a round trip. A verdict never depends on the number of workers or
on the order of requests: every check starts from the same state and is decided alone. Nor does it depend on how busy
the machine is: the limit is one of processor time, kept by the kernel, and the wall-clock backstop lies far behind it.
A check at which a worker dies is tried once more on a fresh one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from factory.config.verify import VerifySection
from factory.verification.check import CANONICAL, Prepared, prepare
from factory.verification.extraction import extract, split_reasoning
from factory.verification.notation import MAX_ANSWER, literal
from factory.verification.result import CheckRequest, CheckResult, Method
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


BATCH = 32
"""Checks handed to a worker at once; results come back one by one."""


class Verifier:
    r"""A pool of worker processes. Thread-safe; workers start when first needed and stay until `close`.

    Example:
        with Verifier(VerifySection()) as verifier:
            results = verifier.check_many([CheckRequest("... \boxed{1/2}", gold="0.5")])
    """

    def __init__(self, settings: VerifySection | None = None) -> None:
        """`settings.workers` processes (one a core by default), `settings.seconds` of processor time for each check."""
        settings = settings or VerifySection()
        self.workers = settings.workers or _cores()
        self.seconds = settings.seconds
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._threads: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._closed = False
        self.replaced = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes. The verifier cannot be used afterwards."""
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=True, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get_nowait().kill()

    def check(self, request: CheckRequest) -> CheckResult:
        """Check one response."""
        return self.check_many([request])[0]

    def check_many(self, requests: Sequence[CheckRequest]) -> list[CheckResult]:
        """Check responses; results are in the order of requests. Never raises for what a response contains.

        Raises:
            RuntimeError: the verifier is closed, or worker processes cannot be started at all.
        """
        results: list[CheckResult | None] = []
        hard: dict[Prepared, list[int]] = {}
        for index, request in enumerate(requests):
            began = time.thread_time()
            settled = prepare(request)
            if isinstance(settled, Prepared):
                hard.setdefault(settled, []).append(index)
                results.append(None)
            else:
                results.append(replace(settled, seconds=time.thread_time() - began))
        if hard:
            for prepared, result in zip(hard, self._decide(list(hard)), strict=True):
                for index in hard[prepared]:
                    results[index] = result
        return [result for result in results if result is not None]

    def canonical_many(self, responses: Sequence[str]) -> list[tuple[str, str] | None]:
        """The extracted answer of each response and its canonical form; None where there is no answer."""
        found = [_answer_of(response) for response in responses]
        items = list(dict.fromkeys(Prepared(CANONICAL, "", answer) for answer in found if answer))
        forms = {
            item.answer: r.extracted_canonical for item, r in zip(items, self._decide(items), strict=True)
        }
        return [(answer, forms[answer] or literal(answer)) if answer else None for answer in found]

    def _decide(self, items: list[Prepared]) -> list[CheckResult]:
        with self._lock:
            if self._closed:
                raise RuntimeError("the verifier is closed")
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="verify")
            threads = self._threads
        size = max(1, min(BATCH, -(-len(items) // self.workers)))
        batches = [items[i : i + size] for i in range(0, len(items), size)]
        return [result for done in threads.map(self._run, batches) for result in done]

    def _run(self, batch: list[Prepared]) -> list[CheckResult]:
        """Decide a batch on one worker; after a kill the rest of the batch goes to a new one."""
        done: list[CheckResult] = []
        died = -1
        while len(done) < len(batch):
            try:
                worker = self._idle.get_nowait()
            except queue.Empty:
                worker = Worker(self.seconds)
            try:
                late = worker.run(batch[len(done) :], done)
            except Died:
                if died == len(done):
                    done.append(lost(batch[died]))
                died = len(done)
                self._replace(worker)
                continue
            if late is None:
                self._idle.put(worker)
            else:
                done.append(late)
                self._replace(worker)
        return done

    def _replace(self, worker: Worker) -> None:
        worker.kill()
        with self._lock:
            self.replaced += 1


def _answer_of(response: str) -> str | None:
    part = split_reasoning(response)[1]
    found = extract(part) if part else None
    return found.text or None if found and len(found.text) <= MAX_ANSWER else None


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
