"""A generation job over many workers: shards handed to an engine, progress read from their ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from factory.atomic import atomic_path
from factory.config.generate import GenerateSection
from factory.engines.engine import Engine
from factory.errors import Stopped
from factory.progress import note, watch
from factory.sampling.session import Session, session_lines, together
from factory.sampling.store.journals import journal_name, leave_shared_memory
from factory.sampling.store.leases import ask_to_stop, progress
from factory.sampling.store.worker_locks import seated
from factory.steps.generate_shard import Bought, Shard, buy_shard

FILE = ".problems.parquet"
GRACE_SECONDS = 5.0
"""What workers get to give up what is in flight and to commit what has arrived."""
LOOK_SECONDS = 0.5


def buy_spread(
    engine: Engine,
    of: int,
    problems: Callable[[], Iterator[dict[str, Any]]],
    expected: int,
    schema: pl.Schema,
    out: Path,
    section: GenerateSection,
    *,
    store: Path,
    job: str,
    seed: int,
) -> list[Bought]:
    """Have a job's responses bought by `of` workers, into a journal each.

    Args:
        engine: where the workers run.
        of: how many.
        problems: gives the problems from the start.
        expected: responses that all of them are asked for.
        schema: their columns and types.
        out: the job's folder; the problems lie there for the workers to read.
        section: teacher, sampling and the budget and rates of all workers together.
        store: the response store, on a file system that all workers see.
        job: the job's name in the store.
        seed: of samplers that can be seeded.

    Raises:
        Stopped: the budget is spent, or the user stopped it.
        UsageError: what a worker refused.
        FactoryError: what a worker raised.
    """
    file = _write(problems(), schema, out / FILE)
    store.mkdir(parents=True, exist_ok=True)
    leave_shared_memory(store)
    ask_to_stop(store, job, stop=False)
    shards = [
        Shard(number, of, file.absolute(), expected, section, store.absolute(), job, seed)
        for number in range(of)
    ]
    began = Session()
    working = _started(lambda: list(engine.map(buy_shard, shards)))
    try:
        found = _followed(working, store, job, expected, section.max_usd)
    except KeyboardInterrupt:
        _wind_up(store, job, of)
        wait([working], GRACE_SECONDS)
        if working.done() and working.exception() is None:
            _say_session(began, working.result())
        raise Stopped("stopped; what was bought is safe", do="run the same command again to go on") from None
    file.unlink()
    errors = [each.error for each in found if each.error is not None]
    if errors:
        if all(error.exit_code == Stopped.exit_code for error in errors):
            _say_session(began, found)
        # A wrong key before a full disk before a spent budget: what the user must know comes first.
        raise min(errors, key=lambda error: (error.exit_code == Stopped.exit_code, -error.exit_code))
    return found


def _wind_up(store: Path, job: str, of: int) -> None:
    """Let workers that still live end by themselves."""
    ask_to_stop(store, job)
    until = time.monotonic() + GRACE_SECONDS
    while any(seated(store, journal_name(n)) for n in range(of)) and time.monotonic() < until:
        time.sleep(0.1)


def _say_session(began: Session, found: list[Bought]) -> None:
    """What all workers did before they stopped, as one worker says it."""
    for line in session_lines(together([began, *(each.session for each in found)]).facts()):
        note(line)


def _started(work: Callable[[], list[Bought]]) -> Future[list[Bought]]:
    """Do `work` in a thread."""
    found: Future[list[Bought]] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:
            found.set_exception(error)

    Thread(target=run, name="workers", daemon=True).start()
    return found


def _followed(
    found: Future[list[Bought]], store: Path, job: str, expected: int, cap: float | None
) -> list[Bought]:
    """Show the progress of all workers together until they are done.

    This thread never blocks for long: while it waits for a lock, Ctrl-C does not wake it (polars' handler restarts the
    wait).
    """
    with watch("generate", expected, "responses") as task:
        seen = 0
        of = f" of ${cap:,.10g}" if cap is not None else ""
        over = False
        while not over:
            over = bool(wait([found], LOOK_SECONDS).done)
            done, usd, tokens = progress(store, job)
            facts = {"tokens": f"{tokens:,}"} | ({"$": f"{usd:,.2f}{of}"} if usd else {})
            task.advance(max(0, done - seen), **facts)
            seen = max(seen, done)
    return found.result()


def _write(problems: Iterator[dict[str, Any]], schema: pl.Schema, path: Path) -> Path:
    """All problems in one file, a thousand at a time."""
    with atomic_path(path) as temporary:
        arrow = pl.DataFrame(schema=schema).to_arrow().schema
        with pq.ParquetWriter(temporary, arrow, compression="zstd") as writer:
            while rows := list(islice(problems, 1_000)):
                writer.write_table(pl.DataFrame(rows, schema=schema, orient="row").to_arrow().cast(arrow))
    return path
