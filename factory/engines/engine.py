"""What an engine is: a place where the items of a step are worked on, in parallel, with results in order.

A step says what is done to one item (`work`, a plain function of a room) and hands over the items: paths of parts,
ranges, digests. The engine decides where that happens. Items and results are small; big data goes by file, on a file
system that every node sees. An item may be worked on more than once (a worker dies, a node goes), so `work` writes its
files whole and under names that depend on the item alone: doing it twice then leaves the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol, TypeVar

from factory.errors import UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")

TRIES = 4
"""How often an item is begun before its workers' deaths are taken to be its own fault. Ray's default, too."""
AHEAD = 16
"""Items handed out ahead of the one whose result is awaited, for each worker.

A straggler stops the others only after so many items, and no more than so many results ever wait for it.
"""


class EngineName(StrEnum):
    """Where work runs: processes of this machine, or a Ray cluster (`RAY_ADDRESS`, else one started here)."""

    LOCAL = "local"
    RAY = "ray"


class Engine(Protocol):
    """Where work runs: `factory.engines.local` or `factory.engines.ray`."""

    name: str
    workers: int
    """Items that are worked on at a time."""
    nodes: int
    """Machines that they are worked on at."""

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item], *, gpu: bool = False
    ) -> Iterator[Result]:
        """Results of `work` on every item, in the order of the items.

        Args:
            work: a function of a module, or a `functools.partial` of one; what it needs comes with it or by file.
            items: small values; they are taken as they are needed, `AHEAD` for each worker.
            gpu: each item wants a GPU, and what `work` has loaded there (a cached model) is good for the next item, too.
                Without GPUs to give out it makes no difference.

        Raises:
            FactoryError: a worker died `TRIES` times at the same item; names it.
            Exception: what `work` raised, when the item's turn comes. The items after it are given up.
        """

    def rest(self) -> None:
        """Give back the processes that wait for work, and their memory; the next `map` starts new ones."""


@contextmanager
def open_engine(name: str = "local", workers: int | None = None) -> Iterator[Engine]:
    """Open an engine; it is closed, and its processes are ended, on leaving.

    Args:
        name: `local` (processes of this machine) or `ray` (the cluster at `RAY_ADDRESS`, or a local one).
        workers: how many items are worked on at a time; one a core when None. A Ray cluster that is there already
            decides itself.

    Raises:
        UsageError: there is no such engine, or its package or cluster is missing.
    """
    if name == EngineName.LOCAL:
        from factory.engines.local import LocalEngine

        with LocalEngine(workers or cores()) as local:
            yield local
    elif name == EngineName.RAY:
        from factory.engines.ray import ray_engine

        with ray_engine(workers) as cluster:
            yield cluster
    else:
        raise UsageError(f"no engine {name}", do="choose local or ray")


@contextmanager
def engine_or_local(engine: Engine | None) -> Iterator[Engine]:
    """The engine that is given, or a local one for the while."""
    if engine is not None:
        yield engine
    else:
        with open_engine() as local:
            yield local


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


ONE_THREAD = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")


def one_thread() -> None:
    """Keep the libraries of this process to one thread, unless the user said otherwise; call before they load.

    There is one worker a core, so more threads would only get in each other's way and take memory.
    """
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")


def share() -> int:
    """Cores that work in this process may keep busy: one in a worker, all of them elsewhere."""
    return int(os.environ.get(ONE_THREAD[0]) or cores())
