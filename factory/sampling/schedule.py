"""Driving a remote sampler: how many at once, how fast, and what is tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

from factory.sampling.budget import Budget
from factory.sampling.failures import RetryableError, Trouble
from factory.sampling.limiter import AdaptiveLimit
from factory.sampling.rates import RateLimiter, RateLimits
from factory.sampling.sampler import Completion, RemoteSampler, SampleRequest
from schemas import ResponseStatus

TRIES = 8
"""Attempts at one request that meets server trouble; refusals (429) do not count, they are waited out."""
REFUSALS = 100
LONGEST_PAUSE = 60.0

Done = Callable[[SampleRequest, Completion], Awaitable[None]]


@dataclass(slots=True)
class Schedule:
    """What may be in flight. One for each job; `limit` and counters can be watched while it runs."""

    limit: AdaptiveLimit = field(default_factory=AdaptiveLimit)
    rates: RateLimiter = field(default_factory=lambda: RateLimiter(RateLimits()))
    tries: int = TRIES
    base_pause: float = 0.5
    in_flight: int = 0
    refusals: int = 0
    troubles: int = 0
    paused_until: float = 0.0
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(
        self,
        sampler: RemoteSampler,
        requests: AsyncIterator[SampleRequest],
        budget: Budget,
        done: Done,
    ) -> None:
        """Ask for every request and hand each completion to `done`, which is awaited outside of the slot.

        Raises:
            Whatever `done`, the budget or the sampler raises that is not retryable; what is in flight is cancelled
            then, except after the budget is spent: answers that are already paid for are waited for.
        """
        tasks: set[asyncio.Task[None]] = set()
        try:
            async for request in requests:
                await self._room(tasks)
                try:
                    await self._reserve(budget, request, tasks)
                except Exception:
                    await _settle_all(tasks)
                    raise
                task = asyncio.create_task(self._one(sampler, request, budget, done))
                tasks.add(task)
            await _settle_all(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _reserve(self, budget: Budget, request: SampleRequest, tasks: set[asyncio.Task[None]]) -> None:
        if not budget.try_reserve(request):
            waiting = asyncio.ensure_future(budget.reserve(request))
            while not waiting.done():
                await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                _reap(tasks)
            waiting.result()

    async def _room(self, tasks: set[asyncio.Task[None]]) -> None:
        """Wait until one more may be started. Twice the limit may be out, so that those waiting do not block."""
        _reap(tasks)
        while self.in_flight >= self.limit.limit or len(tasks) >= 2 * self.limit.limit + 64:
            self._freed.clear()
            await self._freed.wait()
            _reap(tasks)

    async def _one(self, sampler: RemoteSampler, request: SampleRequest, budget: Budget, done: Done) -> None:
        completion: Completion | None = None
        try:
            completion = await self._persist(sampler, request, budget)
            await done(request, completion)
        finally:
            await budget.settle(request, completion)
            self._freed.set()

    async def _persist(self, sampler: RemoteSampler, request: SampleRequest, budget: Budget) -> Completion:
        tried = refused = 0
        while True:
            await self._turn()
            generation = self.limit.generation
            try:
                completion = await self._attempt(sampler, request)
            except RetryableError as error:
                if error.trouble == Trouble.THROTTLED:
                    refused += 1
                    self.refusals += 1
                    self.limit.refused(self.in_flight + 1, generation)
                else:
                    tried += 1
                    self.troubles += 1
                    self.limit.troubled()
                if tried >= self.tries or refused >= REFUSALS:
                    return failed(error)
                if error.partial is not None:
                    budget.charge(error.partial)
                await self._pause(error, tried + refused)
            else:
                self.limit.succeeded(self.in_flight + 1)
                return completion

    async def _attempt(self, sampler: RemoteSampler, request: SampleRequest) -> Completion:
        need = None
        if self.rates.active:
            prompt = sum(len(m["content"]) for m in request.messages) // 3
            need = self.rates.need(prompt, request.params.max_tokens)
            loop = asyncio.get_running_loop()
            while (wait := self.rates.wait(need, loop.time())) > 0:
                await asyncio.sleep(wait)
            self.rates.take(need, loop.time())
        self.in_flight += 1
        try:
            completion = await sampler.ask(request)
        finally:
            self.in_flight -= 1
            self._freed.set()
        if need is not None:
            now = asyncio.get_running_loop().time()
            self.rates.settle(need, completion.prompt_tokens, completion.completion_tokens, now)
        return completion

    async def _turn(self) -> None:
        """Wait while the server asked everybody to wait, and for a free slot."""
        loop = asyncio.get_running_loop()
        while (wait := self.paused_until - loop.time()) > 0:
            await asyncio.sleep(wait)
        while self.in_flight >= self.limit.limit:
            self._freed.clear()
            await self._freed.wait()

    async def _pause(self, error: RetryableError, attempts: int) -> None:
        if error.retry_after is not None:
            until = asyncio.get_running_loop().time() + min(error.retry_after, LONGEST_PAUSE)
            self.paused_until = max(self.paused_until, until)
            await asyncio.sleep(random.uniform(0, 0.1))
            return
        longest = min(LONGEST_PAUSE, self.base_pause * 2 ** min(attempts - 1, 8))
        await asyncio.sleep(random.uniform(longest / 2, longest))


def failed(error: RetryableError) -> Completion:
    """The completion of a request on which every attempt failed: what had arrived, and why it ended."""
    partial = error.partial or Completion(None, None, ResponseStatus.FAILED)
    return replace(partial, status=ResponseStatus.FAILED, error=str(error))


def _reap(tasks: set[asyncio.Task[None]]) -> None:
    """Forget finished tasks; raise what one of them raised."""
    for task in [task for task in tasks if task.done()]:
        tasks.discard(task)
        task.result()


async def _settle_all(tasks: set[asyncio.Task[None]]) -> None:
    while tasks:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        _reap(tasks)
