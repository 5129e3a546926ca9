"""`Verifier`: checks in worker processes that are killed at their limit and replaced.

Workers are plain subprocesses with pipes, so the parent may have torch loaded, run threads, or be a Ray actor; a
worker starts in a fraction of a second and imports neither. What is obvious (literal and numeric matches, choices,
texts) is settled in the calling process without a round trip. A verdict never depends on the number of workers or
on the order of requests: every check starts from the same state and is decided alone.
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

from factory.recipe.verify import VerifySection
from factory.verification.check import CANONICAL, Prepared, prepare
from factory.verification.extraction import extract, split_reasoning
from factory.verification.notation import MAX_ANSWER, literal
from factory.verification.result import CheckRequest, CheckResult, Method
from factory.verification.worker import frame
from schemas.verdict import Verdict

BATCH = 32
"""Checks handed to a worker at once; results come back one by one."""
START_SECONDS = 120.0
"""A worker that has not loaded its checkers by then is given up; a loaded machine may take long to import sympy."""


class Verifier:
    r"""A pool of worker processes. Thread-safe; workers start when first needed and stay until `close`.

    Example:
        with Verifier(VerifySection()) as verifier:
            results = verifier.check_many([CheckRequest("... \boxed{1/2}", gold="0.5")])
    """

    def __init__(self, settings: VerifySection | None = None) -> None:
        """`settings.workers` processes (one a core by default), `settings.seconds` for each check."""
        settings = settings or VerifySection()
        self.workers = settings.workers or _cores()
        self.seconds = settings.seconds
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
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
            began = time.perf_counter()
            settled = prepare(request)
            if isinstance(settled, Prepared):
                hard.setdefault(settled, []).append(index)
                results.append(None)
            else:
                results.append(replace(settled, seconds=time.perf_counter() - began))
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
        while len(done) < len(batch):
            try:
                worker = self._idle.get_nowait()
            except queue.Empty:
                worker = _Worker()
            rest = batch[len(done) :]
            failure = worker.run(rest, done, self.seconds)
            if failure is None:
                self._idle.put(worker)
            else:
                worker.kill()
                self.replaced += 1
                done.append(failure)
        return done


def _answer_of(response: str) -> str | None:
    part = split_reasoning(response)[1]
    found = extract(part) if part else None
    return found.text if found and len(found.text) <= MAX_ANSWER else None


class _Worker:
    """One worker process and the pipe to it."""

    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *(p for p in sys.path if p and p != root)]
        keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
        environment = {name: os.environ[name] for name in keep if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "factory.verification.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        self.pending = bytearray()

    def run(self, batch: list[Prepared], done: list[CheckResult], seconds: float) -> CheckResult | None:
        """Append results to `done`; return None, or what to record for the check at which the worker was lost."""
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(frame([asdict(item) for item in batch]))
            self.process.stdin.flush()
        except OSError:
            return _lost(batch[0], 0.0)
        # The first frame says that the worker has loaded what the batch needs; loading is not part of a check's time.
        if self._read(time.perf_counter() + START_SECONDS) is None:
            return _lost(batch[0], START_SECONDS)
        for item in batch:
            began = time.perf_counter()
            reply = self._read(began + seconds)
            took = time.perf_counter() - began
            if reply is None:
                return _late(item, seconds, took) if self.process.poll() is None else _lost(item, took)
            done.append(_result(reply, took))
        return None

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


def _late(item: Prepared, seconds: float, took: float) -> CheckResult:
    reason = f"no verdict within {seconds:g} s"
    return CheckResult(
        Verdict.TIMEOUT, Method.LIMIT, item.answer, reason=reason, answer_kind=item.kind, seconds=took
    )


def _lost(item: Prepared, took: float) -> CheckResult:
    reason = "the checker process died (memory limit or crash)"
    return CheckResult(
        Verdict.UNVERIFIABLE, Method.LIMIT, item.answer, reason=reason, answer_kind=item.kind, seconds=took
    )


def _result(reply: dict[str, Any], took: float) -> CheckResult:
    reply |= {"verdict": Verdict(reply["verdict"]), "method": Method(reply["method"]), "seconds": took}
    return CheckResult(**reply)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
