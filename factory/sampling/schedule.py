"""Driving a remote sampler: how many at once, how fast, and what is tried again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from factory.errors import FactoryError, Stopped
from factory.sampling.budget import Budget, Extension
from factory.sampling.limits import AdaptiveLimit, RateLimiter, RateLimits, Rates
from factory.sampling.retry import Abandoned, RefusedError, RetryableError, Trouble
from factory.sampling.sampler import Completion, RemoteSampler, SampleRequest
from factory.sampling.session import Session
from schemas import ResponseStatus

TRIES = 8
"""Attempts at one request that meets server trouble; refusals (429) do not count, they are waited out."""
REFUSALS = 100
LONGEST_PAUSE = 60.0
BUDGET_SECONDS = 0.25
"""How often a budget that others share is asked again."""
UNREACHABLE_TRIES = 3
"""Attempts at an endpoint that never answered anything, before the job gives up."""
FAILURES_IN_ROW = 25
"""Requests that failed for good without one success between them, before the job stops."""

REFUSED_REQUESTS = 3
"""Requests that the server calls wrong, before anything was answered, that show that all of them are."""

Done = Callable[[SampleRequest, Completion], Awaitable[None]]


class Account(Protocol):
    """What keeps track of attempts durably; what `sent` and `broke` return is done when it is on the disk."""

    def sent(self, request: SampleRequest) -> Awaitable[None]:
        """An attempt is about to be sent."""

    def not_taken_up(self, request: SampleRequest) -> None:
        """It ended before it could cost anything."""

    def broke(self, request: SampleRequest, partial: Completion, more: bool) -> Awaitable[None]:
        """It cost `partial`, which is no answer; with `more` an answer follows."""


@dataclass(slots=True)
class Schedule:
    """What may be in flight. One for each job; `limit` and the counters can be watched while it runs."""

    limit: AdaptiveLimit = field(default_factory=AdaptiveLimit)
    rates: Rates = field(default_factory=lambda: RateLimiter(RateLimits()))
    tries: int = TRIES
    base_pause: float = 0.5
    in_flight: int = 0
    refusals: int = 0
    troubles: int = 0
    paused_until: float = 0.0
    answered: int = 0
    failures_in_row: int = 0
    refused_requests: int = 0
    waits: str = ""
    """What the next request waits for: concurrency, rate, budget, the server's pause; nothing when all is sent."""
    given_up: int = 0
    """Requests that were in flight when the job was stopped."""
    session: Session = field(default_factory=Session)
    """Attempts and latencies; the job counts its answers there, too."""
    _freed: asyncio.Event = field(default_factory=asyncio.Event)
    _error: BaseException | None = None
    _refusal: RefusedError | None = None
    _account: Account | None = None

    async def run(
        self,
        sampler: RemoteSampler,
        requests: AsyncIterator[SampleRequest],
        budget: Budget,
        done: Done,
        account: Account | None = None,
    ) -> None:
        """Ask for every request and hand each completion to `done`, which is awaited outside of the slot.

        Each attempt goes to `account` before it is sent, and what it cost if it broke or was cancelled, before anything
        is tried again.

        Raises:
            Stopped: the budget is spent (answers in flight are waited for), or the endpoint only fails.
            FactoryError: the endpoint cannot be reached at all.
            Whatever else `done` or the sampler raise; what is in flight is cancelled then.
        """
        tasks: set[asyncio.Task[None]] = set()
        self._error, self._refusal, self._account = None, None, account

        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            if not task.cancelled() and task.exception() is not None:
                self._error = self._error or task.exception()
            self._freed.set()

        try:
            async for request in requests:
                # Twice the limit may be under way, so that those that wait for a retry or a commit do not block.
                self.waits = ""
                while self.in_flight >= self.limit.limit or len(tasks) >= 2 * self.limit.limit + 64:
                    self.waits = (
                        "concurrency" if self.paused_until < asyncio.get_running_loop().time() else "server"
                    )
                    await self._wait()
                if self._error is not None:
                    raise self._error
                if not await self._reserved(budget, request, tasks):
                    await self._drain(tasks)
                    raise Stopped(budget.why(request), do="raise the cap and run the same command again")
                task = asyncio.create_task(self._one(sampler, request, budget, done))
                tasks.add(task)
                task.add_done_callback(ended)
            await self._drain(tasks)
            if self._refusal is not None and not self.answered:
                raise self._refusal
        finally:
            left, flying, answered = list(tasks), self.in_flight, self.answered
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            # Those whose answer had arrived whole were kept.
            self.given_up = flying - (self.answered - answered)

    async def _wait(self, seconds: float | None = None) -> None:
        """Wait until something changes, or for so long; raise what a request raised."""
        self._freed.clear()
        if self._error is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._freed.wait(), seconds)
        if self._error is not None:
            raise self._error

    async def _drain(self, tasks: set[asyncio.Task[None]]) -> None:
        while tasks:
            await self._wait()
        if self._error is not None:
            raise self._error

    async def _reserved(self, budget: Budget, request: SampleRequest, tasks: set[asyncio.Task[None]]) -> bool:
        """Reserve the request's worst case, waiting for what is in flight; False when that cannot help."""
        while not budget.try_reserve(request):
            found = await budget.extend(request)
            if found == Extension.NEVER and not tasks:
                return False
            if found != Extension.GRANTED:
                self.waits = "budget"
                await self._wait(BUDGET_SECONDS)
        return True

    async def _afford(self, request: SampleRequest, budget: Budget) -> None:
        """Before an attempt: what broken ones and servers that ignore `max_tokens` cost must fit, too.

        Raises:
            Stopped: it does not, and nothing that is reserved can come back.
        """
        if not budget.over():
            return
        budget.stuck += 1
        try:
            while budget.over():
                found = await budget.extend(request)
                if found == Extension.NEVER and budget.over():
                    raise Stopped(budget.why(request), do="raise the cap and run the same command again")
                if found == Extension.LATER:
                    await self._wait(BUDGET_SECONDS)
        finally:
            budget.stuck -= 1

    async def _one(self, sampler: RemoteSampler, request: SampleRequest, budget: Budget, done: Done) -> None:
        completion: Completion | None = None
        try:
            completion = await self._persist(sampler, request, budget)
            self._watch_failures(completion)
            await done(request, completion)
        finally:
            budget.settle(request, completion)
            self._freed.set()

    def _watch_failures(self, completion: Completion) -> None:
        """Stop a job whose endpoint is down, before every request of it has failed. What arrived is still kept."""
        if completion.status != ResponseStatus.FAILED:
            self.failures_in_row = 0
            return
        self.failures_in_row += 1
        if self.failures_in_row >= FAILURES_IN_ROW:
            self._error = self._error or Stopped(
                f"{self.failures_in_row} requests in a row failed, the last one with: {completion.error}",
                do="run the same command again when the endpoint is well; nothing that was paid for is lost",
            )
            self._freed.set()

    async def _persist(self, sampler: RemoteSampler, request: SampleRequest, budget: Budget) -> Completion:
        tried = refused = 0
        while True:
            await self._turn()
            await self._afford(request, budget)
            try:
                completion = await self._attempt(sampler, request)
            except RefusedError as error:
                self.refused_requests += 1
                if not self.answered and self.refused_requests >= REFUSED_REQUESTS:
                    raise
                self._refusal = error
                return failed(error, None)
            except Abandoned as gone:
                # The store writes it; there is nobody left to wait for it.
                self._broke(request, gone.partial, "cancelled", budget)
                raise
            except RetryableError as error:
                throttled = error.trouble == Trouble.THROTTLED
                tried, refused = tried + (not throttled), refused + throttled
                self.troubles += not throttled
                if not throttled:
                    self.limit.troubled()
                if error.trouble == Trouble.UNREACHABLE and not self.answered and tried >= UNREACHABLE_TRIES:
                    raise FactoryError(
                        str(error), do="check --base-url, and that the server is up"
                    ) from error
                if tried >= self.tries or refused >= REFUSALS:
                    return failed(error, error.partial)
                if error.partial is not None:
                    await self._broke(request, error.partial, str(error), budget)
                await self._pause(error, tried + refused)
            else:
                self.answered += 1
                if completion.unseen is not None:
                    await self._broke(
                        request, completion.unseen, "cut off, but perhaps billed to its end", budget, True
                    )
                return completion

    def _broke(
        self, request: SampleRequest, partial: Completion, why: str, budget: Budget, more: bool = False
    ) -> Awaitable[None]:
        """Count what a broken attempt cost, and hand it to the store."""
        budget.charge(partial)
        if self._account is None:
            return asyncio.sleep(0)
        return self._account.broke(request, replace(partial, error=why), more)

    async def _attempt(self, sampler: RemoteSampler, request: SampleRequest) -> Completion:
        need = None
        if self.rates.active:
            prompt = sum(len(text) for m in request.messages for text in m.values()) // 3
            need = self.rates.need(prompt, request.params.max_tokens)
            self.waits = "rate"
            await self.rates.admit(need)
        self.in_flight += 1
        self.session.attempts += 1
        number = 0
        try:
            if self._account is not None:
                await self._account.sent(request)
            number = self.limit.sent(self.in_flight)
            sent = time.monotonic()
            completion = await sampler.ask(request, lambda: self._started(number, sent))
            self.limit.succeeded(self.in_flight)
            self.session.took(time.monotonic() - sent)
        except BaseException as error:
            if isinstance(error, RetryableError):
                self.session.broken[error.trouble.value] += 1
            if isinstance(error, RetryableError) and error.trouble == Trouble.THROTTLED:
                self.refusals += 1
                error.load = self.limit.refused(number)
            if self._account is not None and getattr(error, "partial", None) is None:
                self._account.not_taken_up(request)
            raise
        finally:
            self.limit.lost(number)
            self.in_flight -= 1
            self._freed.set()
        if need is not None:
            now = asyncio.get_running_loop().time()
            self.rates.settle(need, completion.prompt_tokens, completion.completion_tokens, now)
        return completion

    def _started(self, number: int, sent: float) -> None:
        self.limit.started(number, time.monotonic() - sent)
        self._freed.set()

    async def _turn(self) -> None:
        """Wait while the server asked everybody to wait, and for a free slot."""
        loop = asyncio.get_running_loop()
        while (wait := self.paused_until - loop.time()) > 0:
            self.waits = "server"
            await asyncio.sleep(wait)
        while self.in_flight >= self.limit.limit:
            self.waits = "concurrency"
            self._freed.clear()
            await self._freed.wait()

    async def _pause(self, error: RetryableError, attempts: int) -> None:
        if error.retry_after is not None:
            wait = min(error.retry_after, LONGEST_PAUSE)
            if not error.load:
                # One request was unlucky; the others need not wait with it.
                await asyncio.sleep(wait * random.uniform(1, 1.1))
                return
            self.paused_until = max(self.paused_until, asyncio.get_running_loop().time() + wait)
            await asyncio.sleep(random.uniform(0, 0.1))
            return
        longest = min(LONGEST_PAUSE, self.base_pause * 2 ** min(attempts - 1, 8))
        await asyncio.sleep(random.uniform(longest / 2, longest))


def failed(error: Exception, partial: Completion | None) -> Completion:
    """The completion of a request on which every attempt failed: what had arrived, and why it ended."""
    partial = partial or Completion(None, None, ResponseStatus.FAILED)
    return replace(partial, status=ResponseStatus.FAILED, error=str(error))
