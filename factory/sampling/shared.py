"""The budget and the rates of one worker among many: what it may use is on lease from the job's ledger."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from factory.sampling.budget import Budget, Extension, Prices, worst_case
from factory.sampling.rates import LengthEstimate, Need, RateLimits
from factory.sampling.sampler import SampleRequest
from factory.sampling.store.leases import Leases, steady
from factory.sampling.store.money import Money

REPORT_SECONDS = 1.0
AT_ONCE = 64
"""Requests whose worst case is asked for together, while there is plenty."""
GROUP = 256
"""Waiting requests that are put to the rate limits together."""
LEAST_WAIT = 0.05

Result = TypeVar("Result")


class SharedBudget(Budget):
    """A budget whose caps are what this worker has spent and what it holds on lease; they move.

    `try_reserve` never asks anybody. When it says no, `extend` asks the ledger; what is not reserved then goes back.
    """

    def __init__(self, leases: Leases, *, prices: Prices | None, spent_usd: float, spent_tokens: int) -> None:
        super().__init__(
            spent_usd, spent_tokens, prices=prices, spent_usd=spent_usd, spent_tokens=spent_tokens
        )
        self.leases = leases
        self.done: Callable[[], int] = lambda: 0
        self._lock = asyncio.Lock()
        self._heard = steady()

    def fits(self, worst: Money) -> bool:
        """Nothing fits once the lease may have been given to others."""
        return steady() - self._heard < self.leases.expiry / 2 and super().fits(worst)

    async def extend(self, request: SampleRequest) -> Extension:
        """Ask the ledger for enough to send a request, and some more."""
        worst = worst_case(request, self.prices)
        async with self._lock:
            spent, held = self._spent(), self._reserved()
            self._allow(spent + held)
            most = Money(worst.usd * AT_ONCE, worst.tokens * AT_ONCE)
            granted = await asyncio.to_thread(self.leases.extend, spent, held, worst, most, self.done())
            self._heard = steady()
            if granted is None:
                return Extension.NEVER
            self._allow(spent + held + granted)
            return Extension.GRANTED if granted.tokens else Extension.LATER

    async def beside(self, work: Awaitable[Result]) -> Result:
        """Do `work`, and meanwhile tell the ledger once a second what was spent.

        Raises:
            Stopped: the lease was lost, or the job is to stop; `work` is cancelled then.
        """
        working = asyncio.ensure_future(work)
        reporting = asyncio.create_task(self._report())
        try:
            await asyncio.wait({working, reporting}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                reporting.result()
            return await working
        finally:
            for task in (working, reporting):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    def leave(self) -> None:
        """Give everything back."""
        self.leases.leave(self._spent(), self.done())

    def why(self, request: SampleRequest) -> str:
        """One line for the user."""
        cap, worst = self.leases.cap, worst_case(request, self.prices)
        caps = [f"${cap.usd:,.4f}"] if cap.usd != float("inf") else []
        caps += [f"{cap.tokens:,} completion tokens"] if cap.tokens != float("inf") else []
        return (
            f"budget spent: what is left of {' and '.join(caps)} does not cover one more request, which may cost up to "
            f"${worst.usd:,.4f} and {worst.tokens:,} tokens"
        )

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            async with self._lock:
                if await self._told():
                    # Somebody else waits for what lies idle here.
                    self._allow(self._spent() + self._reserved())
                    await self._told()

    async def _told(self) -> bool:
        spent = self._spent()
        leased = Money(
            max(0.0, (self.max_usd or 0.0) - spent.usd), max(0, (self.max_tokens or 0) - spent.tokens)
        )
        wanted = await asyncio.to_thread(self.leases.report, spent, leased, self.done())
        self._heard = steady()
        return wanted

    def _spent(self) -> Money:
        return Money(self.usd, self.tokens)

    def _reserved(self) -> Money:
        return Money(max(0.0, self.reserved_usd), self.reserved_tokens)

    def _allow(self, money: Money) -> None:
        self.max_usd, self.max_tokens = money.usd, int(money.tokens)


class SharedRates:
    """The job's rate limits, shared by its workers. Requests are put to the ledger in groups and sent at once."""

    def __init__(self, leases: Leases, limits: RateLimits, default_length: int) -> None:
        self.leases = leases
        per_minute = (limits.requests, limits.prompt_tokens, limits.completion_tokens)
        self.rates = [each / 60 if each else None for each in per_minute]
        self.active = any(self.rates)
        self.lengths = LengthEstimate(default_length)
        self._waiting: deque[tuple[Need, asyncio.Future[None]]] = deque()
        self._give = [0.0, 0.0, 0.0]
        self._asking: asyncio.Task[None] | None = None

    def need(self, prompt_tokens: int, max_tokens: int) -> Need:
        """What one request reserves."""
        return (1.0, float(prompt_tokens), float(min(max_tokens, self.lengths.p90)))

    async def admit(self, need: Need) -> None:
        """Return when the request may be sent."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((need, turn))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        await turn

    def settle(self, need: Need, prompt_tokens: int | None, tokens: int | None, now: float) -> None:
        """Correct the reservation by what was really used, with the next request that is put to the ledger."""
        if prompt_tokens is not None:
            self._give[1] += prompt_tokens - need[1]
        if tokens is not None:
            self._give[2] += tokens - need[2]
            self.lengths.add(tokens)

    async def _ask(self) -> None:
        while self._waiting:
            group = [(need, turn) for need, turn in self._waiting if not turn.cancelled()][:GROUP]
            give, self._give = self._give, [0.0, 0.0, 0.0]
            try:
                granted, wait = await asyncio.to_thread(
                    self.leases.take, self.rates, [need for need, _ in group], give
                )
            except Exception as error:
                for _, turn in group:
                    if not turn.done():
                        turn.set_exception(error)
                self._waiting.clear()
                return
            admitted = {id(turn) for _, turn in group[:granted]}
            self._waiting = deque(
                (need, turn)
                for need, turn in self._waiting
                if id(turn) not in admitted and not turn.cancelled()
            )
            for _, turn in group[:granted]:
                if not turn.done():
                    turn.set_result(None)
            if self._waiting:
                await asyncio.sleep(max(wait, LEAST_WAIT))
