"""The paper that a solution is worked out on, one step after another.

A family's solver writes every intermediate value through `calc`. That one place lets the teacher make a chosen step
wrong (every later step then goes on from the wrong value), or take a wrong turn and undo it, without the family knowing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeVar

Value = TypeVar("Value", int, Fraction)


class Scratch:
    """Collects the lines of one worked solution.

    Attributes:
        lines: what was written, in order.
        steps: how many values were computed, which is how many places there are to slip.
        slipped: whether the slip happened.
        caught: whether a check was written that did not hold.
    """

    def __init__(
        self,
        rng: random.Random | None = None,
        *,
        terse: bool = False,
        slip_at: int | None = None,
        wrong_turns: float = 0.0,
        honest: bool = False,
        skips: float = 0.0,
    ) -> None:
        """`slip_at` is the step that goes wrong; `wrong_turns` the chance a step is first done wrong and then mended.

        `skips` is the chance that a terse trace leaves a step out: it was done in the head.

        With `honest`, a check that does not hold is written as such; otherwise a slipped solution only glances at its
        result, as a wrong answer that nobody noticed does. (Right solutions sometimes only glance too, so that a check
        does not give away the verdict.)
        """
        self.rng = rng or random.Random(0)
        self.terse, self.slip_at, self.wrong_turns, self.honest = terse, slip_at, wrong_turns, honest
        self.skips = skips
        self.lines: list[str] = []
        self.steps = 0
        self.slipped = self.caught = False

    def plan(self, text: str) -> None:
        """Say what will be done. Left out of terse traces."""
        if not self.terse:
            self.lines.append(text)

    def note(self, text: str, terse: str = "") -> None:
        """Write a statement that computes nothing."""
        line = terse if self.terse else text
        if line:
            self.lines.append(line)

    def calc(
        self,
        expression: str,
        value: Value,
        *,
        lead: str = "",
        terse: str | None = None,
        within: int | None = None,
        wrong: Callable[[random.Random], Value] | None = None,
    ) -> Value:
        """Write `expression = value` and give back the value to go on with, which is wrong if this step slips.

        Args:
            expression: left side, as text.
            value: the right value, given what was computed before.
            lead: words before the expression in long traces.
            terse: left side in terse traces; the expression without spaces by default.
            within: a wrong value stays in 0 ... within - 1 (remainders, digits).
            wrong: makes a believable wrong value; by default near the right one.
        """
        number, self.steps = self.steps, self.steps + 1
        slip = wrong or (lambda rng: misread(rng, value, within))
        if number == self.slip_at:
            value, self.slipped = slip(self.rng), True
        if self.terse:
            left = terse if terse is not None else expression.replace(" ", "")
            if not self.skips or self.rng.random() >= self.skips:
                self.lines.append(f"{left}={show(value)}")
            return value
        opening = lead or self.rng.choice(CONNECTIVES)
        line = f"{opening} {expression} = {show(value)}."
        if number != self.slip_at and self.rng.random() < self.wrong_turns:
            first = slip(self.rng)
            if first != value:
                line = f"{opening} {expression} = {show(first)}. {self.rng.choice(SECOND_THOUGHTS)} {expression} = {show(value)}."
        self.lines.append(line)
        return value

    def take(self, ways: Sequence[str], right: int = 0) -> int:
        """Write one of several ways to go on and give back which: the right one, unless this step slips."""
        number, self.steps = self.steps, self.steps + 1
        at, wrong = right, [way for way in range(len(ways)) if way != right]
        line = ways[right]
        if number == self.slip_at:
            at, self.slipped = self.rng.choice(wrong), True
            line = ways[at]
        elif not self.terse and self.rng.random() < self.wrong_turns:
            line = f"{ways[self.rng.choice(wrong)]} {self.rng.choice(SECOND_THOUGHTS)} {line}"
        self.lines.append(line)
        return at

    def check(self, text: str, holds: bool, terse: str) -> None:
        """Write a check of the result.

        Args:
            text: what is computed and what it should be, a sentence without its verdict.
            holds: whether it comes out right for the values at hand.
            terse: the check in a terse trace.
        """
        careless = not holds and not self.honest
        if careless or not (self.honest or self.terse or self.rng.random() >= GLANCE_RATE):
            self.lines.append(f"check {terse} ok" if self.terse else self.rng.choice(GLANCES))
            return
        self.caught = self.caught or not holds
        if self.terse:
            self.lines.append(f"check {terse} {'ok' if holds else 'no'}")
        else:
            verdict = self.rng.choice(FITS if holds else MISFITS)
            self.lines.append(f"{self.rng.choice(CHECKS)} {text} {verdict}")


def misread(rng: random.Random, value: Value, within: int | None = None) -> Value:
    """A wrong value of the kind that people write down: off by a little, digits swapped, a sign lost; 0 only for 0."""
    if within is not None:
        return type(value)((int(value) + rng.randrange(1, within)) % within) if within > 1 else value
    if isinstance(value, Fraction) and value.denominator != 1:
        shift = Fraction(rng.choice((-2, -1, 1, 2)), value.denominator)
        return value + shift
    whole = int(value)
    choices = [whole + d for d in (-2, -1, 1, 2)]
    if abs(whole) >= 10:
        choices += [whole + 10, whole - 10, _swap_digits(whole)]
    wrong = [choice for choice in choices if choice != whole and (choice * whole > 0 or whole == 0 < choice)]
    if whole < 0:
        wrong.append(-whole)
    return type(value)(rng.choice(wrong))


def one_of(values: Sequence[int]) -> Callable[[random.Random], int]:
    """A maker of wrong values that takes one of the given ones."""
    return lambda rng: rng.choice(values)


def show(value: int | Fraction | str) -> str:
    """An answer as it is written in a line: `7`, `-3/4`, `B`."""
    return str(value)


def _swap_digits(whole: int) -> int:
    digits = str(abs(whole))
    swapped = digits[:-2] + digits[-1] + digits[-2]
    return int(swapped) * (-1 if whole < 0 else 1)


CONNECTIVES = (
    "Now", "Next,", "Then", "So", "This gives", "Computing,", "Okay,", "Let me compute", "Continuing,",
    "From that,", "We get", "Step by step:",
)  # fmt: skip
SECOND_THOUGHTS = (
    "Wait, that is not right. Let me redo it:",
    "Hmm, no, I made a mistake there. Again:",
    "Actually, let me recompute that:",
    "Hold on, that looks off. Once more:",
)
GLANCE_RATE = 0.2
"""How often a right solution is not checked in full."""
CHECKS = ("Let me check this.", "To verify:", "Checking the result:", "Let me double-check.", "Sanity check:")
FITS = ("Yes, this fits.", "Good, it matches.", "That is consistent.", "It holds.")
MISFITS = ("That does not fit.", "But it does not match.", "These disagree.", "Hmm, that fails.")
GLANCES = (
    "The steps look fine to me.",
    "Looking over the steps again, nothing seems to be wrong.",
    "I am fairly confident in this.",
    "That seems reasonable.",
)
