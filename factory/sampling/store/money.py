"""Dollars and tokens together, as budgets and leases count them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Money:
    """Dollars and completion tokens. A cap that is not set is infinite."""

    usd: float
    tokens: float

    def __add__(self, other: Money) -> Money:
        return Money(self.usd + other.usd, self.tokens + other.tokens)

    def __sub__(self, other: Money) -> Money:
        return Money(self.usd - other.usd, self.tokens - other.tokens)

    def within(self, other: Money) -> bool:
        """True when neither is more; dollars up to the rounding of a sum."""
        return self.usd <= other.usd + 1e-12 and self.tokens <= other.tokens


NOTHING = Money(0.0, 0)
