"""Worker processes behind pipes: they answer questions one after another, and are killed at their limit and replaced.

Workers are plain subprocesses, so the parent may have torch loaded, run threads, or be a Ray actor; a worker starts in a
fraction of a second and imports neither. The limit is one of processor time, kept by the kernel, so that a busy machine
changes nothing; the wall-clock backstop lies far behind it. A question at which a worker dies is asked once more, of a
fresh one.
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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from factory.engines.engine import cores
from factory.engines.frames import frame

LOAD_SECONDS = 120.0
"""Wall-clock limit of loading a library; a loaded machine may take long to import sympy."""
BACKSTOP = 12
"""A question may take this many times its processor-time limit of wall-clock time, at least `BACKSTOP_SECONDS`.

Far more than processor time, so that a busy machine does not turn verdicts into timeouts: it is for work that waits
instead of computing (a program under test that sleeps) and for a machine that has stopped.
"""
BACKSTOP_SECONDS = 30.0
BATCH = 32
"""Questions handed to a worker at once; answers come back one by one."""


def backstop(seconds: float) -> float:
    """Wall-clock seconds after which a question is given up, for a limit of `seconds` of processor time."""
    return max(BACKSTOP * seconds, BACKSTOP_SECONDS)


@dataclass(frozen=True, slots=True)
class Late:
    """No answer within the limit, in words, and how long it took."""

    limit: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Lost:
    """Two workers in a row died at the question; how the last one ended."""

    how: str


Answer = dict[str, Any] | Late | Lost


class Died(Exception):
    """The worker ended, or could not be started, in a way that says nothing about the question at hand."""


class Worker:
    """A process that answers questions one after another."""

    def __init__(self, words: Sequence[str], seconds: float) -> None:
        """Start `python` with these words; each question is limited to `seconds` of processor time, which the process keeps."""
        self.seconds = seconds
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *(p for p in sys.path if p and p != root)]
        keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
        environment = {name: os.environ[name] for name in keep if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        self.pending = bytearray()

    def run(self, batch: Sequence[Any], done: list[Answer]) -> Late | None:
        """Append answers to `done`; return None, or the timeout of the question at which the worker had to be ended.

        Raises:
            Died: the process is gone; answers so far are in `done`, and the next question may be tried again.
        """
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(frame(list(batch)))
            self.process.stdin.flush()
        except OSError:
            raise Died(self.how()) from None
        for _ in batch:
            began = time.perf_counter()
            reply = self._reply(backstop(self.seconds))
            if reply is None:
                return self._timeout(time.perf_counter() - began)
            done.append(reply)
        return None

    def _timeout(self, took: float) -> Late:
        if self.process.poll() is None:
            return Late(f"{backstop(self.seconds):g} s of wall-clock time", took)
        if self.process.returncode == -signal.SIGPROF:
            return Late(f"{self.seconds:g} s of processor time", self.seconds)
        raise Died(self.how())

    def how(self) -> str:
        """How the process ended."""
        code = self.process.poll()
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def _reply(self, seconds: float) -> dict[str, Any] | None:
        """The next answer, or None when time is up or the process ended. Loading a library is not on a question's time."""
        found = self.read(seconds)
        while found is not None and "event" in found:
            found = self.read(LOAD_SECONDS if found["event"] == "loading" else seconds)
        return found

    def read(self, seconds: float) -> dict[str, Any] | None:
        """The next frame, or None when so many wall-clock seconds pass or the process ends."""
        deadline = time.perf_counter() + seconds
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


class Workers:
    """A pool of worker processes. Thread-safe; workers start when first needed and stay until `close`."""

    def __init__(self, words: Sequence[str], count: int | None, seconds: float) -> None:
        """`count` processes (one a core by default) of `python` with these words; see `Worker`."""
        self.words, self.workers, self.seconds = list(words), count or cores(), seconds
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
        """End the worker processes. The pool cannot be used afterwards."""
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=True, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get_nowait().kill()

    def ask_many(self, questions: Sequence[Any], seen: Callable[[int], None] | None = None) -> list[Answer]:
        """Answers in the order of the questions, which are JSON; `seen` is told how many more there are.

        Raises:
            RuntimeError: the pool is closed, or worker processes cannot be started at all.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the worker processes are closed")
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="workers")
            threads = self._threads
        size = max(1, min(BATCH, -(-len(questions) // self.workers)))
        batches = [questions[i : i + size] for i in range(0, len(questions), size)]
        answers: list[Answer] = []
        for done in threads.map(self._run, batches):
            answers += done
            if seen is not None:
                seen(len(done))
        return answers

    def _run(self, batch: Sequence[Any]) -> list[Answer]:
        """Have a batch answered by one worker; after a kill the rest of the batch goes to a new one."""
        done: list[Answer] = []
        died = -1
        while len(done) < len(batch):
            try:
                worker = self._idle.get_nowait()
            except queue.Empty:
                worker = Worker(self.words, self.seconds)
            try:
                late = worker.run(batch[len(done) :], done)
            except Died as death:
                if died == len(done):
                    done.append(Lost(str(death)))
                    died = -1
                else:
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
