"""The Ray engine: the same work as Ray tasks, on the cluster at `RAY_ADDRESS` or on one that is started for the run.

Ray places the tasks, and Ray begins a task again when its worker or its node is gone (`max_retries`). Items and
results are small and data goes by file, so the object store holds next to nothing. Every node needs the same Python
environment and the same file system.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from factory.engines.engine import AHEAD, TRIES, Item, Result, cores, one_thread
from factory.errors import FactoryError, UsageError, first_line


def check_ray() -> None:
    """Refuse what needs Ray where it is not installed.

    Raises:
        UsageError: names the command that brings it.
    """
    if find_spec("ray") is None:
        raise UsageError(
            "--engine ray needs Ray, which is not installed", do="pip install 'cot-factory[ray]'"
        )


@contextmanager
def ray_engine(workers: int | None = None) -> Iterator[RayEngine]:
    """Join the cluster at `RAY_ADDRESS`, or start one on this machine with `workers` cores; left again at the end.

    A driver that is connected to Ray already is left connected.

    Raises:
        UsageError: Ray is not installed, or nobody answers at `RAY_ADDRESS`.
    """
    check_ray()
    # Ray reports home by default; it reads this when it is loaded.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if "RAY_ADDRESS" not in os.environ:
        # A cluster of one machine needs no more than loopback; by default Ray listens on every interface.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            f"Ray is installed, but cannot be loaded: {first_line(error)}", do="reinstall cot-factory[ray]"
        ) from error

    ours = not ray.is_initialized()
    if ours:
        _connect(workers)
    try:
        yield RayEngine()
    finally:
        if ours:
            ray.shutdown()


def _connect(workers: int | None) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        ray.init(address="local", num_cpus=workers or cores(), include_dashboard=False, **quiet)
        return
    _answers(address)
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"cannot join the Ray cluster at {address}: {first}", do="start it, or unset RAY_ADDRESS"
        ) from error


def _answers(address: str) -> None:
    """Refuse an address at which nobody listens; Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise UsageError(
                f"cannot join the Ray cluster at {address}: {error.strerror or error}",
                do="start it (ray start --head), or unset RAY_ADDRESS",
            ) from None


class RayEngine:
    """Tasks of one core each, or actors of one GPU, on the cluster that this process is connected to."""

    name = "ray"

    def __init__(self) -> None:
        """Counts the cores, GPUs and nodes that are there now; Ray uses nodes that join later, too."""
        import ray

        self.workers = int(ray.cluster_resources().get("CPU", 1))
        self.gpus = int(ray.cluster_resources().get("GPU", 0))
        self.nodes = sum(node["Alive"] for node in ray.nodes())
        # Spread, so that disks and network cards of all nodes work, and a generation job's few tasks do not share one.
        self._task = ray.remote(max_retries=TRIES - 1, scheduling_strategy="SPREAD")(_work)

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item], *, gpu: bool = False
    ) -> Iterator[Result]:
        """See `Engine.map`."""
        from ray import cloudpickle

        packed = cloudpickle.dumps(work)
        folder = str(Path.cwd())
        if gpu and self.gpus:
            yield from self._on_gpus(packed, folder, items)
        else:
            yield from self._in_tasks(packed, folder, items)

    def rest(self) -> None:
        """Ray's own business: it ends workers that stay idle."""

    def _in_tasks(self, packed: bytes, folder: str, items: Iterable[Any]) -> Iterator[Any]:
        import ray

        shared = ray.put(packed)
        waiting: deque[tuple[Any, Any]] = deque()
        try:
            for item in items:
                waiting.append((item, self._task.remote(shared, item, folder)))
                if len(waiting) >= AHEAD * self.workers:
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())
        finally:
            for _, reference in waiting:
                ray.cancel(reference, force=True)

    def _on_gpus(self, packed: bytes, folder: str, items: Iterable[Any]) -> Iterator[Any]:
        """One actor a GPU, so that a model is loaded once and nobody else gets its memory; idle ones take the next item."""
        import ray
        from ray.util import ActorPool

        kind = ray.remote(num_gpus=1, max_restarts=-1, max_task_retries=TRIES - 1)(_Holder)
        actors: list[Any] = [kind.remote(packed, folder) for _ in range(self.gpus)]
        pool = ActorPool(actors)
        numbered = enumerate(items)
        done: dict[int, tuple[bool, Any]] = {}
        given: dict[int, Any] = {}
        turn = 0
        try:
            while True:
                for number, item in islice(numbered, AHEAD * self.gpus - len(given)):
                    given[number] = item
                    pool.submit(lambda actor, pair: actor.work.remote(*pair), (number, item))
                while turn in done:
                    well, value = done.pop(turn)
                    turn += 1
                    if not well:
                        raise value
                    yield value
                if not given:
                    return
                # As they are done, not in order: an actor whose answer is not fetched gets no further item.
                number, well, value = _answer("one of " + _names(given.values()), pool.get_next_unordered)
                del given[number]
                done[number] = (well, value)
        finally:
            for actor in actors:
                ray.kill(actor)


class _Holder:
    """An actor: a process that keeps what the work has loaded."""

    def __init__(self, packed: bytes, folder: str) -> None:
        self.packed, self.folder = packed, folder

    def work(self, number: int, item: Any) -> tuple[int, bool, Any]:
        """The item's number and its result, or the error that the work raised."""
        try:
            return number, True, _work(self.packed, item, self.folder)
        except Exception as error:
            return number, False, error


def _work(packed: bytes, item: Any, folder: str) -> Any:
    """Runs on a worker: one thread, in the driver's folder where the node has it, so that relative paths hold."""
    from ray import cloudpickle

    one_thread()
    if Path(folder).is_dir():
        os.chdir(folder)
    return cloudpickle.loads(packed)(item)


def _result(item: Any, reference: Any) -> Any:
    import ray

    return _answer(item, lambda: ray.get(reference))


def _names(items: Iterable[Any]) -> str:
    return ", ".join(str(item)[:80] for item in islice(items, 3))


def _answer(item: Any, get: Callable[[], Any]) -> Any:
    """What `get` brings; Ray's errors as what `work` raised, or as the item's fault."""
    from ray import exceptions

    try:
        return get()
    except exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, FactoryError) else error from None
    except (
        exceptions.WorkerCrashedError,
        exceptions.NodeDiedError,
        exceptions.OutOfMemoryError,
        exceptions.RayActorError,
    ) as error:
        raise FactoryError(
            f"the worker process ended {TRIES} times at {str(item)[:200]} ({type(error).__name__})",
            do="it may need more memory than its node has: run fewer tasks a node",
        ) from error
