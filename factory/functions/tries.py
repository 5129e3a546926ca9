"""How often a function of the user's own failed: counted, said, and an end to the work when nothing else comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from factory.errors import FactoryError
from factory.functions.own import Outcome

HOPELESS = 50
"""So many rows at the beginning of a part, all of them failed, end the work at once."""


@dataclass(slots=True)
class Tries:
    """Rows that a function was given, and those at which it failed; `first` says how, the first time."""

    rows: int = 0
    failed: int = 0
    first: str | None = None

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count some rows.

        Raises:
            FactoryError: it failed at all of the first rows.
        """
        for each in outcomes:
            self.rows += 1
            self.failed += each.error is not None
            self.first = self.first or each.error
        if self.rows >= HOPELESS:
            self.check()

    def check(self) -> None:
        """Refuse a function that failed everywhere.

        Raises:
            FactoryError: says how it failed the first time.
        """
        if self.rows and self.failed == self.rows:
            raise FactoryError(
                f"your function failed at all {self.rows:,} rows: {self.first}",
                do="fix it and run the same command again",
            )

    def as_json(self) -> dict[str, Any]:
        """For a part's notes."""
        return asdict(self)

    @classmethod
    def sum(cls, notes: Iterable[Mapping[str, Any]]) -> Self:
        """Those of all parts, in order."""
        total = cls()
        for each in notes:
            total.rows += each["rows"]
            total.failed += each["failed"]
            total.first = total.first or each["first"]
        return total

    def said(self) -> str:
        """`12 of 300 rows failed, first: ...`."""
        return f"failed at {self.failed:,} of {self.rows:,} rows, first: {self.first}"
