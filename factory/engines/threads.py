"""An engine of threads in this process, for work that holds no lock: no process has to be started for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from factory.engines.engine import Engine, EngineName, Item, Result


class ThreadEngine:
    """As many threads as polars has; see `Engine`."""

    name = "threads"
    nodes = 1

    def __init__(self) -> None:
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
