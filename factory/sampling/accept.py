"""Exactly N verified-correct responses: which samples are bought next, and when it is enough.

Samples are bought in waves. Each wave is decided by the verdicts of the ones before it and by nothing else, so the same
answers always lead to the same purchases, however many were in flight. Unsolved problems come first.
"""

from __future__ import annotations

import math
from typing import Self

import polars as pl

from factory.config.verify import VerifySection

SURPLUS = 1.1
"""A wave asks for this much more than the accepted share so far says is needed."""
LEAST_SHARE = 0.05


class Acceptance:
    """Counts verdicts and plans waves.

    Args:
        verify: how answers are checked.
        accept: verified-correct responses that are wanted.
        samples: samples that every problem may get; unsolved ones may get more while `most` allows it.
        most: responses that may be asked for at most; `samples` a problem when None.
    """

    def __init__(self, verify: VerifySection, accept: int, samples: int, most: int | None) -> None:
        self.verify, self.wanted, self.samples, self.most = verify, accept, samples, most
        self.accepted = self.candidates = 0
        self.asked: dict[str, int] = {}
        self.solved: set[str] = set()

    def __enter__(self) -> Self:
        """Start the checkers."""
        from factory.verification import Verifier

        self._verifier = Verifier(self.verify)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Stop the checkers."""
        self._verifier.close()

    def open(self, problems: list[str]) -> None:
        """Start with these problem ids."""
        self.asked = dict.fromkeys(problems, 0)
        if self.most is None:
            self.most = len(problems) * self.samples

    def next_wave(self) -> dict[str, range]:
        """Samples to buy next, by problem id; empty when it is enough or nothing more may be asked."""
        assert self.most is not None
        missing = self.wanted - self.accepted
        room = self.most - self.candidates
        if missing <= 0 or room <= 0 or not self.asked:
            return {}
        share = max(self.accepted / self.candidates, LEAST_SHARE) if self.candidates else 1.0
        size = min(room, max(1, math.ceil(missing / share * SURPLUS)))
        chosen = self._choose(size)
        wave = {name: range(self.asked[name], self.asked[name] + 1) for name in chosen}
        for name in chosen:
            self.asked[name] += 1
        self.candidates += len(chosen)
        return wave

    def _choose(self, size: int) -> list[str]:
        """Problems that get one more sample: those asked least, the unsolved among them first, in their order."""
        unsolved = [name for name in self.asked if name not in self.solved]
        solved = [name for name in self.solved if self.asked[name] < self.samples]
        fresh = [name for name in unsolved if self.asked[name] < self.samples]
        pool = fresh or sorted(solved, key=list(self.asked).index) or unsolved
        least = min((self.asked[name] for name in pool), default=0)
        return [name for name in pool if self.asked[name] == least][:size]

    def judge(self, responses: pl.DataFrame) -> None:
        """Take a wave's answers."""
        from factory.verification import verify_responses

        checked = verify_responses(responses, self.verify, verifier=self._verifier)
        right = checked.filter(pl.col("verdict") == "correct")
        self.accepted += right.height
        self.solved.update(right["problem_id"].to_list())

    def plan(self) -> dict[str, range]:
        """Everything that was asked for."""
        return {name: range(count) for name, count in self.asked.items() if count}
