"""Caps on dollars and completion tokens, kept by reservation.

Before a request is sent its worst case is reserved; when the answer is there, the reservation becomes what was really
spent. Spent + reserved never exceeds the cap, so the cap holds however long the answers turn out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from typing import TypeVar

from factory.sampling.presets import Prices
from factory.sampling.sampler import Completion, SampleRequest
from factory.sampling.store.leases import Leases, steady
from factory.sampling.store.money import Money

REPORT_SECONDS = 1.0
AT_ONCE = 64
"""Requests whose worst case is asked for together, while there is plenty."""

Result = TypeVar("Result")


class Extension(StrEnum):
    """What comes of asking for more than a budget allows."""

    GRANTED = "granted"
    LATER = "later"
    NEVER = "never"


def worst_case(request: SampleRequest, prices: Prices | None) -> Money:
    """Upper bound of one request's cost: every byte of the prompt a token, every allowed token written."""
    prompt = sum(16 + sum(len(text.encode()) for text in m.values()) for m in request.messages)
    tokens = request.params.max_tokens
    return Money(prices.cost(prompt, tokens) if prices else 0.0, tokens)


class Budget:
    """Spent and reserved against the caps. Without caps it only counts."""

    def __init__(
        self,
        max_usd: float | None = None,
        max_tokens: int | None = None,
        *,
        prices: Prices | None = None,
        spent_usd: float = 0.0,
        spent_tokens: int = 0,
    ) -> None:
        """`spent_usd` and `spent_tokens` are what earlier attempts at the same job cost."""
        self.max_usd, self.max_tokens, self.prices = max_usd, max_tokens, prices
        self.usd, self.tokens = spent_usd, spent_tokens
        self.reserved_usd, self.reserved_tokens = 0.0, 0.0
        self.held: dict[int, Money] = {}
        self.stuck = 0
        """Requests that keep their reservation and wait for more, because broken attempts cost some of it."""

    @property
    def counts(self) -> bool:
        """Whether requests cost anything that is capped or priced."""
        return self.prices is not None or self.max_tokens is not None

    def fits(self, worst: Money) -> bool:
        """True when the worst case of one more request stays below the caps."""
        usd = self.max_usd is None or self.usd + self.reserved_usd + worst.usd <= self.max_usd + 1e-12
        tokens = (
            self.max_tokens is None or self.tokens + self.reserved_tokens + worst.tokens <= self.max_tokens
        )
        return usd and tokens

    def try_reserve(self, request: SampleRequest) -> bool:
        """Reserve at once, or say that it does not fit now."""
        worst = worst_case(request, self.prices)
        if not self.fits(worst):
            return False
        self.held[id(request)] = worst
        self.reserved_usd += worst.usd
        self.reserved_tokens += worst.tokens
        return True

    async def extend(self, request: SampleRequest) -> Extension:
        """Ask for enough to send a request. A budget on its own has no more, but reservations may come back."""
        return Extension.LATER if len(self.held) > self.stuck else Extension.NEVER

    def over(self) -> bool:
        """True when broken attempts and the worst case of what is in flight together exceed a cap."""
        return not self.fits(Money(0.0, 0))

    def charge(self, completion: Completion) -> None:
        """Count the cost of an attempt that did not become an answer."""
        self.usd += completion.usd or 0.0
        self.tokens += completion.completion_tokens or 0

    def settle(self, request: SampleRequest, completion: Completion | None) -> None:
        """Turn a reservation into what was spent; None when nothing came of it."""
        worst = self.held.pop(id(request), None)
        if worst is not None:
            self.reserved_usd -= worst.usd
            self.reserved_tokens -= worst.tokens
        if completion is not None:
            self.charge(completion)

    def why(self, request: SampleRequest) -> str:
        """One line for the user: which cap is spent."""
        worst = worst_case(request, self.prices)
        if self.max_usd is not None and (self.max_tokens is None or self.usd + worst.usd > self.max_usd):
            return (
                f"budget spent: ${self.usd:,.4f} of ${self.max_usd:,.4f} spent, and one more request may cost "
                f"up to ${worst.usd:,.4f}"
            )
        return (
            f"budget spent: {self.tokens:,} of {self.max_tokens or 0:,} completion tokens spent, and one more request "
            f"may take {worst.tokens:,}"
        )


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

    @property
    def counts(self) -> bool:
        """The same; a lease counts tokens whether they are capped or not."""
        return self.prices is not None or self.leases.cap.tokens != float("inf")

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
