"""`Verifier`: checks in worker processes that are killed at their limit and replaced.

Workers are plain subprocesses with pipes, so the parent may have torch loaded, run threads, or be a Ray actor; a
worker starts in a fraction of a second and imports neither. What is obvious (literal and numeric matches, choices,
texts) is settled in the calling process without a round trip. A verdict never depends on the number of workers or
on the order of requests: every check starts from the same state and is decided alone. Nor does it depend on how busy
the machine is: the limit is one of processor time, kept by the kernel, and the wall-clock backstop lies far behind it.
A check at which a worker dies is tried once more on a fresh one.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Self

from factory.config.verify import VerifySection
from factory.verification.check import CANONICAL, Prepared, prepare
from factory.verification.extraction import extract, split_reasoning
from factory.verification.notation import MAX_ANSWER, literal
from factory.verification.process import Died, Worker, lost
from factory.verification.result import CheckRequest, CheckResult

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
