"""Caps on dollars and completion tokens, kept by reservation.

Before a request is sent its worst case is reserved; when the answer is there, the reservation becomes what was really
spent. Spent + reserved never exceeds the cap, so the cap holds however long the answers turn out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from factory.sampling.sampler import Completion, SampleRequest
from factory.sampling.store.money import Money


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens, with the day of the list and where it stands."""

    prompt: float
    completion: float
    dated: str
    source: str = ""

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Price of one response."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


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
