"""The local engine: worker processes of this machine, each replaced when it dies.

A single item, or a single worker, is worked on in the calling process with all its threads: small inputs then pay for
no process. Otherwise every worker is a spawned process (never forked: polars and numba are loaded and run threads)
behind a pipe of its own, held by one thread here, so that a death is known at once and with the item it happened at.
The standard library's pool is not used because it gives up all its items when one process dies.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Self

from factory.engines.engine import AHEAD, TRIES, Engine, EngineName, Item, Result, one_thread
from factory.errors import FactoryError


class LocalEngine:
    """A pool of worker processes, started when first needed. Use as a context manager."""

    name = "local"
    nodes = 1

    def __init__(self, workers: int) -> None:
        """`workers` processes at most."""
        self.workers = workers
        self._threads: ThreadPoolExecutor | None = None
        self._mine = threading.local()
        self._processes: set[_Process] = set()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes, whatever they do; what they wrote whole stays."""
        with self._lock:
            self._closed = True
        self.rest()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def rest(self) -> None:
        """See `Engine.rest`."""
        with self._lock:
            running = list(self._processes)
            self._processes.clear()
        for process in running:
            process.kill()

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item], *, gpu: bool = False
    ) -> Iterator[Result]:
        """See `Engine.map`. No GPUs are given out: a step that wants them asks for one worker here."""
        rest = iter(items)
        first = list(islice(rest, 2))
        if self.workers == 1 or len(first) < 2:
            yield from map(work, chain(first, rest))
        else:
            yield from self._in_processes(work, chain(first, rest))

    def _in_processes(self, work: Callable[[Item], Result], items: Iterator[Item]) -> Iterator[Result]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="engine")
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(self._threads.submit(self._work, work, item))
                if len(waiting) >= AHEAD * self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _work(self, work: Callable[[Item], Result], item: Item) -> Result:
        """Have this thread's process do it; a process that dies is replaced and the item begun again."""
        ends = []
        for _ in range(TRIES):
            process = self._process()
            try:
                done, value = process.ask(work, item)
            except _Died as death:
                with self._lock:
                    self._processes.discard(process)
                self._mine.process = None
                ends.append(str(death))
                continue
            if done:
                return value  # type: ignore[no-any-return]
            raise value
        raise FactoryError(
            f"the worker process ended {TRIES} times at {str(item)[:200]} ({ends[-1]})",
            do="it may need more memory than there is: run with fewer workers",
        )

    def _process(self) -> _Process:
        with self._lock:
            if self._closed:
                raise FactoryError("the engine is closed")
            if getattr(self._mine, "process", None) not in self._processes:
                self._mine.process = _Process()
                self._processes.add(self._mine.process)
            process: _Process = self._mine.process
            return process


class ThreadEngine:
    """As many threads as polars has, for work that holds no lock: no process has to be started for it."""

    name = "threads"
    nodes = 1

    def __init__(self) -> None:
        import polars as pl

        self.workers = pl.thread_pool_size()

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item], *, gpu: bool = False
    ) -> Iterator[Result]:
        """See `Engine.map`; all items are handed out at once, and no GPUs."""
        with ThreadPoolExecutor(self.workers) as pool:
            yield from pool.map(work, items)

    def rest(self) -> None:
        """Nothing waits between two calls of `map`."""


def threads_unless_ray(engine: Engine) -> Engine:
    """The engine for work that holds no lock: on one machine it is faster in threads than in processes."""
    return engine if engine.name == EngineName.RAY else ThreadEngine()


class _Died(Exception):
    """The process ended instead of answering."""


class _Process:
    """One worker process and the pipe to it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), name="factory-worker", daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, work: Callable[[Any], Any], item: Any) -> tuple[bool, Any]:
        """(True, result) or (False, the exception that `work` raised)."""
        packed = pickle.dumps((Path.cwd(), work, item), protocol=pickle.HIGHEST_PROTOCOL)
        try:
            self._pipe.send_bytes(packed)
            answer: tuple[bool, Any] = self._pipe.recv()
        except (EOFError, OSError):
            self.kill()
            raise _Died(_how(self._process.exitcode)) from None
        return answer

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _serve(pipe: Connection) -> None:
    """A worker's life: take an item, answer, until the pipe closes or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides.
    one_thread()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            packed = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send_bytes(_answer(packed))


def _answer(packed: bytes) -> bytes:
    try:
        folder, work, item = pickle.loads(packed)
        os.chdir(folder)
        return pickle.dumps((True, work(item)), protocol=pickle.HIGHEST_PROTOCOL)
    except BaseException as error:
        if not isinstance(error, FactoryError):
            error.add_note(f"in a worker process:\n{traceback.format_exc()}")
        try:
            packed = pickle.dumps((False, error))
            pickle.loads(packed)
        except Exception:
            packed = pickle.dumps((False, FactoryError(f"{type(error).__name__}: {error}")))
        return packed


def _end_with_parent() -> None:
    """End at once when the parent is gone, even by kill -9: a run that is started again meets no worker of before."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(3)
