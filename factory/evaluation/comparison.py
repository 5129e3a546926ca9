"""What a comparison of training sets found, and what to say of it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from factory.evaluation.crossed import Difference

FLOOR = 0.02
"""When no set reaches this pass@1, or all are as near to 1, the sets cannot be distinguished."""


OVER = 0.02
"""Share of a set's rows that may be too long without a word."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A set and what its students reached: means over the students, as shares of the questions."""

    name: str
    path: str
    origin: str
    rows: int
    left_out: int
    tokens_a_row: float
    passes: float
    pass_at_1: float
    seed_spread: float
    half_way: float
    loss: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found. `groups` are differences within a domain or level: looked at, not corrected for their number."""

    sets: list[Compared]
    pairs: list[Difference]
    half_way: list[Difference]
    groups: dict[str, list[Difference]]
    questions: int
    seeds: int
    tokens: int
    student: str
    match_lengths: bool
    plan: dict[str, Any]

    @property
    def verdicts(self) -> list[str]:
        """One sentence a pair, best set first."""
        about = f"{self.seeds} seeds, {self.questions} questions"
        return [_verdict(pair, about) for pair in self.pairs]

    @property
    def warnings(self) -> list[str]:
        """What a reader must know before believing it."""
        found = []
        best, worst = max(s.pass_at_1 for s in self.sets), min(s.pass_at_1 for s in self.sets)
        if best < FLOOR or worst > 1 - FLOOR:
            what, do = (
                ("no student answers", "take a --student that can answer them, or more --budget-tokens")
                if best < FLOOR
                else ("every student answers almost", "take harder --questions, or fewer --budget-tokens")
            )
            share = f"more than {FLOOR:.0%} of" if best < FLOOR else "all of"
            found.append(f"{what} {share} the questions, so the sets cannot be distinguished - {do}")
        sizes = [each.tokens_a_row for each in self.sets]
        if max(sizes) > 1.2 * min(sizes) and not self.match_lengths:
            found.append(
                f"the rows differ in length ({min(sizes):,.0f} to {max(sizes):,.0f} tokens), so at equal tokens some sets "
                "show fewer rows - see what is left with --match-lengths"
            )
        for name, share in self.plan.get("overlong", {}).items():
            if share > OVER:
                found.append(
                    f"{share:.0%} of the rows of {name} are longer than a pack of {self.plan['max_length']:,} tokens and are "
                    "not read"
                )
        return found

    def _repr_html_(self) -> str:
        """The verdicts, in a notebook."""
        return "".join(f"<p>{escape(line)}</p>" for line in [*self.verdicts, *self.warnings])


@dataclass(frozen=True, slots=True)
class Worth:
    """What one changed decision of a recipe does to pass@1, as a share with its interval.

    None where it makes the very same set, or one without rows.
    """

    name: str
    changes: tuple[str, ...]
    rows: int
    value: float | None
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """The answer in words."""
        if self.value is None or self.low is None or self.high is None:
            return "the same set" if self.rows else "no rows are left"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no difference found"

    @property
    def cells(self) -> tuple[str, ...]:
        """Decision, change, rows, points, interval and verdict, as a table shows them."""
        points, interval = "", ""
        if self.value is not None and self.low is not None and self.high is not None:
            points, interval = f"{100 * self.value:+.1f}", f"{100 * self.low:+.1f} to {100 * self.high:+.1f}"
        return self.name, " ".join(self.changes), f"{self.rows:,}", points, interval, self.verdict


def _verdict(pair: Difference, about: str) -> str:
    first, second = pair.first, pair.second
    points = [round(100 * each, 1) for each in (pair.value, pair.low, pair.high)]
    repeats = f"{min(99, round(100 * pair.repeats))} of 100 repeats would say the same"
    if pair.better == first:
        return f"{first} is better than {second} by {points[0]} points ({points[1]} to {points[2]}; {about}); {repeats}"
    return (
        f"{first} and {second}: no difference found; {first} may be up to {points[2]} points better or "
        f"{-points[1]} worse ({about}); {repeats}"
    )
