"""One worker's part of a generation job: the problems whose requests fall to it, bought into its own journal.

`buy_shard` is what an engine maps over the shards of a job. It may be begun again after its worker was killed: what is
in the store, in whichever journal, is not bought again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from factory.config.generate import GenerateSection
from factory.errors import FactoryError, Stopped
from factory.progress import silently
from factory.sampling.budget import SharedBudget
from factory.sampling.job import Job
from factory.sampling.limits import RateLimits, SharedRates
from factory.sampling.loop import run_async
from factory.sampling.presets import prices_of
from factory.sampling.purchase import Tally, addressed
from factory.sampling.sampler import SampleRequest
from factory.sampling.session import Session
from factory.sampling.store.journal import ResponseStore
from factory.sampling.store.journals import journal_name
from factory.sampling.store.leases import Leases
from factory.sampling.store.money import Money
from factory.sampling.store.worker_locks import take_first_seat
from factory.signals import terminated
from factory.steps.teacher import teacher

INFINITE = float("inf")
TURNS = 100
"""Jobs that may spread over one store at the same time."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` (from 0) of `of` of a job."""

    number: int
    of: int
    problems: Path
    """Parquet file with the problems of the whole job."""
    expected: int
    """Responses that the whole job asks for."""
    section: GenerateSection
    store: Path
    job: str
    seed: int


@dataclass(frozen=True, slots=True)
class Bought:
    """What a shard came to. An error is a value, so that one shard's does not end the others."""

    number: int
    bought: int
    reused: int
    failed: int
    error: FactoryError | None = None
    session: Session = field(default_factory=Session)


def buy_shard(shard: Shard) -> Bought:
    """Have the shard's requests answered in the store."""
    job: Job | None = None
    try:
        with silently(), terminated(), _job(shard) as (job, buying):
            run_async(buying)
    except FactoryError as error:
        return _bought(shard, job, error)
    except KeyboardInterrupt:
        return _bought(shard, job, Stopped("stopped", do="run the same command again to go on"))
    return _bought(shard, job, None)


def shard_of(request_key: str, of: int) -> int:
    """Which shard a request falls to. Its samples, and other problems with the same words, fall to the same."""
    return int(request_key[:12], 16) % of


def concurrency_of(total: int, number: int, of: int) -> int:
    """A shard's part of a fixed number of requests in flight; at least one."""
    return max(1, total // of + (number < total % of))


@contextmanager
def _job(shard: Shard) -> Iterator[tuple[Job, Any]]:
    section = shard.section
    if section.concurrency != "auto":
        mine = concurrency_of(section.concurrency, shard.number, shard.of)
        section = section.model_copy(update={"concurrency": mine})
    sampler = teacher(section, shard.seed, store=shard.store)
    shard.store.mkdir(parents=True, exist_ok=True)
    # Another job may spread over this store at the same time; then the journal of one turn later is ours.
    numbers = range(shard.number, shard.number + TURNS * shard.of, shard.of)
    journal, seat = take_first_seat(shard.store, map(journal_name, numbers))
    with seat, ResponseStore(shard.store, journal) as store:
        cap = Money(section.max_usd or INFINITE, section.max_tokens_total or INFINITE)
        leases = Leases(shard.store, shard.job, journal, seat, cap, lambda name: store.spent(shard.job, name))
        usd, tokens = store.spent(shard.job, journal)
        prices = prices_of(sampler)
        budget = SharedBudget(leases, prices=prices, spent_usd=usd, spent_tokens=tokens)
        limits = RateLimits(section.rpm, section.input_tpm, section.output_tpm)

        def mine_only(requests: Iterator[SampleRequest]) -> Iterator[SampleRequest]:
            for item in addressed(requests, sampler):
                if shard_of(item.request_key, shard.of) == shard.number:
                    yield item.request

        job = Job(
            section,
            sampler,
            store,
            seed=shard.seed,
            name=shard.job,
            budget=budget,
            rates=SharedRates(leases, limits, section.max_tokens),
            only=mine_only,
        )
        budget.done = lambda: job.done
        try:
            yield job, budget.beside(job.buy(lambda: iter_file(shard.problems), shard.expected))
        finally:
            run_async(sampler.aclose())
            budget.leave()


def iter_file(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a Parquet file, without holding them all."""
    for batch in pq.ParquetFile(path).iter_batches(batch_size=1_000):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield from frame.iter_rows(named=True)


def _bought(shard: Shard, job: Job | None, error: FactoryError | None) -> Bought:
    tally = job.tally if job else Tally()
    session = job.schedule.session if job else Session()
    return Bought(shard.number, tally.bought, tally.reused, tally.failed, error, session)
