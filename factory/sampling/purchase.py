"""Buying what is missing: between the plan and a sampler stands the store, so nothing is bought twice.

Every wanted response is looked up by its address; only absent ones are claimed and handed to the sampler; each one
counts after the store says that it is durable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from factory.errors import Stopped
from factory.sampling.budget import Budget, Extension
from factory.sampling.rows import to_completion, to_stored
from factory.sampling.sampler import Completion, GroupSampler, RemoteSampler, Sampler, SampleRequest
from factory.sampling.schedule import BUDGET_SECONDS, Schedule
from factory.sampling.store.journal import ResponseStore, Stored, request_key, response_key
from schemas import ResponseStatus

LOOKAHEAD = 500
"""Requests that are looked up in the store together."""
WAITING = 2_000
"""Answers of a local sampler that may wait for their commit."""
POLL_SECONDS = 0.2
"""How often a response that another process is buying is looked for."""

LOOK_AGAIN_SECONDS = 1.0
"""The same while we buy others ourselves, so that progress counts what all processes have done so far."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request with its address."""

    request: SampleRequest
    request_key: str
    key: bytes


@dataclass(slots=True)
class Tally:
    """What a purchase came to so far."""

    bought: int = 0
    reused: int = 0
    failed: int = 0

    def merge(self, other: Tally) -> None:
        """Add another purchase."""
        self.bought += other.bought
        self.reused += other.reused
        self.failed += other.failed

    def add(self, completion: Completion) -> None:
        """Count one bought completion."""
        if completion.status == ResponseStatus.FAILED:
            self.failed += 1
        else:
            self.bought += 1


Seen = Callable[[SampleRequest, Completion, bool], None]
"""Called once for every wanted request with its completion; the flag is True when it was bought now."""


def addressed(requests: Iterable[SampleRequest], sampler: Sampler) -> Iterator[Wanted]:
    """Give each request its address. Siblings share the digest of their wire request."""
    last: tuple[object, ...] | None = None
    digest = ""
    for request in requests:
        this = (request.problem_id, request.messages, request.params)
        if this != last or not digest:
            digest, last = request_key(sampler.wire_request(request)), this
        yield Wanted(request, digest, response_key(digest, request.sample_index))


async def purchase(
    requests: Iterable[SampleRequest],
    sampler: Sampler,
    store: ResponseStore,
    *,
    schedule: Schedule | None = None,
    budget: Budget | None = None,
    seen: Seen | None = None,
    job: str = "",
    batch: int = 64,
) -> Tally:
    """Have every request answered in the store.

    Args:
        requests: pulled lazily, so it may be long, and may end early when the caller has enough.
        sampler: who answers.
        store: where answers are kept; those already there are not asked for again.
        schedule: concurrency, retries and rate limits of a remote sampler; a new one by default.
        budget: caps on dollars and tokens.
        seen: watcher of every completion, bought or reused.
        job: name under which the store books what this purchase costs.
        batch: requests handed to a local sampler together.

    Raises:
        Stopped: the budget is spent, or the disk is full. What was bought is safe in the store.
    """
    buyer = _Buyer(sampler, store, budget or Budget(), seen, job)
    wanted = addressed(requests, sampler)
    while True:
        missing = buyer.missing(wanted)
        if isinstance(sampler, RemoteSampler):
            await buyer.remote(sampler, missing, schedule or Schedule())
        else:
            assert isinstance(sampler, GroupSampler)
            await buyer.grouped(sampler, missing, batch)
        if not buyer.taken:
            return buyer.tally
        # Somebody else is buying these (or the same request was wanted twice): look again a little later.
        await asyncio.sleep(POLL_SECONDS)
        wanted, buyer.taken = iter(buyer.taken), []


class _Buyer:
    def __init__(
        self, sampler: Sampler, store: ResponseStore, budget: Budget, seen: Seen | None, job: str
    ) -> None:
        self.sampler, self.store, self.budget, self.seen, self.job = sampler, store, budget, seen, job
        self.tally = Tally()
        self.taken: list[Wanted] = []
        self.looked = time.monotonic()
        self.buying: dict[int, Wanted] = {}
        self.keeping: set[asyncio.Task[None]] = set()

    async def missing(self, wanted: Iterator[Wanted]) -> AsyncIterator[SampleRequest]:
        """Requests that have to be bought by us, claimed; those that others are buying go to `taken`."""
        while chunk := list(islice(wanted, LOOKAHEAD)):
            there = self._present(chunk)
            for item in chunk:
                if item.key in there:
                    self._reuse(item, there[item.key])
                elif self._claim(item):
                    self.buying[id(item.request)] = item
                    yield item.request
            await asyncio.sleep(0)

    async def remote(
        self, sampler: RemoteSampler, missing: AsyncIterator[SampleRequest], schedule: Schedule
    ) -> None:
        """Buy one by one, many at once."""
        try:
            await schedule.run(sampler, missing, self.budget, self.keep, self)
        finally:
            self._let_go()

    async def grouped(self, sampler: GroupSampler, missing: AsyncIterator[SampleRequest], batch: int) -> None:
        """Buy in batches."""
        try:
            group: list[SampleRequest] = []
            async for request in missing:
                while not self.budget.try_reserve(request):
                    found = await self.budget.extend(request)
                    if found == Extension.GRANTED:
                        continue
                    if group or self.keeping:
                        await self._batch(sampler, group)
                        group = []
                        await asyncio.gather(*self.keeping)
                        self.keeping.clear()
                    elif found == Extension.NEVER:
                        why = self.budget.why(request)
                        raise Stopped(why, do="raise the cap and run the same command again")
                    else:
                        await asyncio.sleep(BUDGET_SECONDS)
                group.append(request)
                if len(group) >= batch:
                    await self._batch(sampler, group)
                    group = []
            await self._batch(sampler, group)
            await asyncio.gather(*self.keeping)
        finally:
            for task in self.keeping:
                task.cancel()
            await asyncio.gather(*self.keeping, return_exceptions=True)
            self._let_go()

    async def _batch(self, sampler: GroupSampler, group: list[SampleRequest]) -> None:
        if not group:
            return
        async for request, completion in sampler.sample(group):
            self.keeping.add(asyncio.create_task(self._keep_and_settle(request, completion)))
        # The next batch is generated while this one is being committed.
        done = {task for task in self.keeping if task.done()}
        if len(self.keeping) > WAITING:
            done, _ = await asyncio.wait(self.keeping)
        self.keeping -= done
        errors = [error for task in done if (error := task.exception()) is not None]
        if errors:
            raise errors[0]

    async def _keep_and_settle(self, request: SampleRequest, completion: Completion) -> None:
        await self.keep(request, completion)
        self.budget.settle(request, completion)

    async def keep(self, request: SampleRequest, completion: Completion) -> None:
        """Make a completion durable, then count it."""
        item = self.buying.pop(id(request))
        stored = to_stored(item.key, item.request_key, request, completion, self.sampler)
        try:
            await self.store.put(stored, self.sampler.wire_request(request), job=self.job)
        finally:
            self.store.release(item.key)
        self.tally.add(completion)
        if self.seen is not None:
            self.seen(request, completion, True)
        if self.taken and time.monotonic() - self.looked >= LOOK_AGAIN_SECONDS:
            self.looked = time.monotonic()
            self._look_again()

    def broke(self, request: SampleRequest, partial: Completion, more: bool) -> asyncio.Future[None]:
        """Have the store keep what a broken attempt cost; done when that is durable."""
        item = self.buying[id(request)]
        stored = to_stored(item.key, item.request_key, request, partial, self.sampler)
        return asyncio.wrap_future(self.store.submit(stored, job=self.job, broken=True, more=more))

    async def sent(self, request: SampleRequest) -> None:
        """Have the store note a request before it is sent, if requests cost anything."""
        if self.budget.counts:
            key, worst = self.buying[id(request)].key, self.budget.held[id(request)]
            await asyncio.wrap_future(self.store.sent(key, self.job, worst))

    def not_taken_up(self, request: SampleRequest) -> None:
        """Have the store forget that note: the server gave no answer that could cost anything."""
        if self.budget.counts:
            self.store.sent(self.buying[id(request)].key, self.job, None)

    def _look_again(self) -> None:
        """Count what others have bought meanwhile."""
        some, rest = self.taken[:LOOKAHEAD], self.taken[LOOKAHEAD:]
        there = self._present(some)
        for item in some:
            if item.key in there:
                self._reuse(item, there[item.key])
        self.taken = rest + [item for item in some if item.key not in there]

    def _present(self, chunk: list[Wanted]) -> Mapping[bytes, Stored | None]:
        keys = [item.key for item in chunk]
        if self.seen is None:
            return dict.fromkeys(self.store.present(keys))
        return {stored.key: stored for stored in self.store.get_many(keys)}

    def _claim(self, item: Wanted) -> bool:
        if not self.store.claim(item.key):
            self.taken.append(item)
            return False
        # Another process may have finished it between our look-up and our claim.
        stored = self.store.get(item.key)
        if stored is not None:
            self.store.release(item.key)
            self._reuse(item, stored)
        return stored is None

    def _reuse(self, item: Wanted, stored: Stored | None) -> None:
        self.tally.reused += 1
        if self.seen is not None and stored is not None:
            self.seen(item.request, to_completion(stored), False)

    def _let_go(self) -> None:
        """Give back the claims of what was not bought."""
        for item in self.buying.values():
            self.store.release(item.key)
        self.buying.clear()
