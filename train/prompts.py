"""Which prompts an RL step samples: those that the student solves about half of the time, of every length in turn.

A group whose rollouts are all right or all wrong teaches nothing. How often a prompt is solved is known from difficulty's
rollouts, and better from RL's own: every prompt has a Beta posterior that the rollouts of each step update, and a step takes,
of prompts drawn at random, those whose rate drawn from the posterior is nearest to a half (MoPPS, arXiv 2507.04632).

The student gets better, also at prompts that were not sampled for long. So each length class has an ability, a logit that
moves by what its groups show beyond their forecast, as in a rating; what was counted of a prompt is read with the ability
gained since.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

CANDIDATES = 8
"""Prompts drawn at random for each that is taken: the higher, the fewer prompts are seen."""
PRIOR = 4.0
"""Rollouts that the pass rate of the set counts as: a round of `difficulty`."""
KEPT = 0.5
"""Share of its counts that a prompt keeps when it is sampled again: the student has changed since."""
PACE = 0.5
"""Share of the Newton step by which an ability follows a step's groups."""
FARTHEST = 2.0
"""Logits that an ability moves at most in a step: a class of few groups would follow a single surprise much farther."""


class PromptChoice:
    """Posteriors of all prompts, and the choice of a step's. The same on every process: it depends on seed and step alone."""

    def __init__(self, rates: Sequence[float | None], buckets: Sequence[int | None], seed: int) -> None:
        """`rates`: pass rates by the set, null where unknown; `buckets`: length classes, each of which gets its turn."""
        known = np.asarray([0.5 if rate is None else rate for rate in rates])
        self.right, self.wrong = PRIOR * known, PRIOR * (1 - known)
        classes, self.of = np.unique([0 if each is None else each for each in buckets], return_inverse=True)
        self.last = np.full(len(known), -1)
        self.members = [np.flatnonzero(self.of == at) for at in range(len(classes))]
        self.ability, self.counted_at = np.zeros(len(classes)), np.zeros(len(known))
        self.groups: dict[int, list[tuple[int, int, int]]] = {}
        self.seed = seed

    def draw(self, step: int, count: int, turn: int = 0) -> list[int]:
        """`count` prompts for a step: their numbers, one of each length class in turn. `turn` is 0, then 1 for a refill, ..."""
        self._settle(step)
        rng = np.random.default_rng([self.seed, step, turn])
        first = int(rng.integers(len(self.members)))
        wanted = np.bincount((first + np.arange(count)) % len(self.members), minlength=len(self.members))
        seen = [prompt for prompt, _, _ in self.groups.get(step, ())]
        fresh = [each[~np.isin(each, seen)] for each in self.members]
        pools = [new if new.size else every for new, every in zip(fresh, self.members, strict=True)]
        taken = [self._nearest(members, n, rng) for members, n in zip(pools, wanted, strict=True)]
        return [int(each.pop()) for at in range(count) if (each := taken[(first + at) % len(taken)])]

    def _nearest(self, members: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
        found: list[int] = []
        while len(found) < count:
            some = rng.permutation(members)[: CANDIDATES * (count - len(found))]
            right, wrong = self._now(some)
            rate = rng.beta(right + 1, wrong + 1)
            order = np.argsort(np.abs(rate - 0.5), kind="stable")
            found += some[order[: count - len(found)]].tolist()
        return found

    def _now(self, prompts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What was counted of prompts, read with the ability that was gained since."""
        count = self.right[prompts] + self.wrong[prompts]
        odds = (self.right[prompts] + 0.5) / (self.wrong[prompts] + 0.5)
        rate = 1 / (1 + np.exp(self.counted_at[prompts] - self.ability[self.of[prompts]]) / odds)
        unmoved = self.counted_at[prompts] == self.ability[self.of[prompts]]
        right = np.where(unmoved, self.right[prompts], count * rate)
        return right, count - right

    def _settle(self, step: int) -> None:
        """Move the abilities by the groups of all steps before `step`."""
        for done in sorted(each for each in self.groups if each < step):
            told = sorted(group for group in self.groups.pop(done) if group[1] + group[2])
            if not told:
                continue
            prompts, right, wrong = np.asarray(told).T
            before, against = self._now(prompts)
            rate = (before + 0.5) / (before + against + 1)
            misses, spread = right / (right + wrong) - rate, rate * (1 - rate)
            for at in np.unique(self.of[prompts]):
                mine = self.of[prompts] == at
                move = PACE * misses[mine].sum() / spread[mine].sum()
                self.ability[at] += np.clip(move, -FARTHEST, FARTHEST)
            for prompt, yes, no, kept_yes, kept_no in zip(
                prompts, right, wrong, before, against, strict=True
            ):
                if self.last[prompt] != done:
                    self.right[prompt], self.wrong[prompt] = KEPT * kept_yes, KEPT * kept_no
                    self.last[prompt], self.counted_at[prompt] = done, self.ability[self.of[prompt]]
                self.right[prompt] += yes
                self.wrong[prompt] += no

    def update(self, step: int, prompts: Sequence[int], right: Sequence[int], wrong: Sequence[int]) -> None:
        """Count rollouts of a step, a group each; the next step knows them. What a prompt had before that step fades.

        A group that nobody could check, 0 right and 0 wrong, says nothing of prompt or student; a refill does not take it again.
        """
        found = zip(prompts, right, wrong, strict=True)
        self.groups.setdefault(step, []).extend((int(prompt), int(yes), int(no)) for prompt, yes, no in found)

    def replay(self, rollouts: Path, ids: Sequence[str], steps: int) -> None:
        """Count the rollouts that are written of the first `steps` steps, as a stage that resumes had counted them."""
        number = {each: at for at, each in enumerate(ids)}
        for step in range(1, steps + 1):
            files = sorted(rollouts.glob(f"step-{step:05d}*.parquet"))
            if not files:
                continue
            rows = pl.concat([pl.read_parquet(f, columns=["problem_id", "group", "reward"]) for f in files])
            groups = rows.group_by("group", "problem_id", maintain_order=True).agg(
                right=(pl.col("reward") >= 0).sum(), wrong=(pl.col("reward") < 0).sum()
            )
            known = groups.filter(pl.col("problem_id").is_in(ids))
            prompts = [number[each] for each in known["problem_id"]]
            self.update(step - 1, prompts, known["right"].to_list(), known["wrong"].to_list())
