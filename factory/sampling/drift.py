"""Alarms about a teacher: no reasoning, identical siblings, another model behind the name, a jump in length or refusals."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from typing import Any

import polars as pl

from factory.errors import Stopped
from factory.sampling.sampler import Completion, SampleRequest
from factory.sampling.store.stored import Stored
from schemas import ResponseStatus

FIRST = 20
"""A reasoning teacher that returns no reasoning in this many first answers is set up wrongly: stop before it costs."""
WINDOW = 200
"""Answers that are compared with the first as many."""
JUMP = 6.0
"""Standard errors by which a mean must move to be reported; low enough for a real change, far from chance."""


class Watchman:
    """Sees every completion once while it is bought, and every row once when it is read back."""

    def __init__(self, *, reasons: bool) -> None:
        """`reasons`: the teacher is a reasoning model."""
        self.reasons = reasons
        self.answers = self.with_reasoning = 0
        self.served: Counter[str] = Counter()
        self.bad: Counter[str] = Counter()
        self.doubts: Counter[str] = Counter()
        self.siblings = self.identical = 0
        self.lengths: list[int] = []
        self.refusals: list[bool] = []
        self._last: tuple[str, bytes] | None = None
        self._texts: set[bytes] = set()
        self._problem: str | None = None

    def see(self, request: SampleRequest, completion: Completion, bought: bool) -> None:
        """Watch a purchase.

        Raises:
            Stopped: a reasoning teacher's first answers hold no reasoning.
        """
        if not bought or completion.status == ResponseStatus.FAILED:
            return
        self.answers += 1
        self.with_reasoning += completion.reasoning is not None
        if self.reasons and self.answers == FIRST and not self.with_reasoning:
            raise Stopped(
                f"the first {FIRST} answers of a reasoning teacher hold no reasoning",
                do="check that the server runs with its reasoning parser, and --model; use --teacher openai or vllm "
                "for a model that does not reason",
            )

    def look(self, stored: Stored) -> None:
        """Watch a stored response."""
        if doubt := stored.body.get("doubt"):
            self.doubts[doubt] += 1

    def rows(self, frame: pl.DataFrame) -> None:
        """Watch rows in their final order, siblings of a problem beside each other."""
        columns = ("problem_id", "reasoning", "content", "served_model", "completion_tokens", "status")
        for problem, reasoning, content, served, tokens, status in frame.select(columns).iter_rows():
            if problem != self._problem:
                self._problem, self._texts = problem, set()
            if status == ResponseStatus.FAILED:
                continue
            if served:
                self.served[served] += 1
            self._sibling(f"{reasoning}\0{content}")
            self._compare(tokens or 0, status == ResponseStatus.REFUSED)

    def _sibling(self, text: str) -> None:
        mark = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if self._texts:
            self.siblings += 1
            self.identical += mark in self._texts
        self._texts.add(mark)

    def _compare(self, tokens: int, refused: bool) -> None:
        if len(self.lengths) >= 2 * WINDOW:
            # The first window stays as the yardstick, the second one moves on.
            del self.lengths[WINDOW : WINDOW + WINDOW // 2], self.refusals[WINDOW : WINDOW + WINDOW // 2]
        self.lengths.append(tokens)
        self.refusals.append(refused)
        if len(self.lengths) == 2 * WINDOW:
            if _moved(
                [math.log1p(n) for n in self.lengths[:WINDOW]], [math.log1p(n) for n in self.lengths[WINDOW:]]
            ):
                self.bad["length"] += 1
            if _moved([float(r) for r in self.refusals[:WINDOW]], [float(r) for r in self.refusals[WINDOW:]]):
                self.bad["refusals"] += 1

    def report(self) -> dict[str, Any]:
        """Served model names, and one sentence for each alarm."""
        alarms = [f"{count:,} replies: each {doubt}" for doubt, count in sorted(self.doubts.items())]
        if self.siblings >= 4 and self.identical > 0.5 * self.siblings:
            alarms.append(
                f"{self.identical} of {self.siblings} siblings are byte-identical: a cache or a fixed seed collapses "
                "the samples of a problem"
            )
        if len(self.served) > 1:
            names = ", ".join(f"{name} ({count})" for name, count in self.served.most_common())
            alarms.append(f"the served model changed during the job: {names}")
        if self.bad["length"]:
            alarms.append(f"answer lengths moved away from the first {WINDOW} answers")
        if self.bad["refusals"]:
            alarms.append(f"the share of refusals moved away from the first {WINDOW} answers")
        return {"served_models": dict(sorted(self.served.items())), "alarms": alarms}


def _moved(before: list[float], after: list[float]) -> bool:
    """True when two means differ by more than `JUMP` standard errors."""
    difference = abs(sum(after) / len(after) - sum(before) / len(before))
    error = math.sqrt((_variance(before) + _variance(after)) / len(before))
    return difference > JUMP * max(error, 1e-3)


def _variance(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return sum((v - mean) ** 2 for v in values) / (len(values) - 1)
