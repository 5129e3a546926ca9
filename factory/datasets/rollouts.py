"""Adaptive rollouts: every problem gets `min_samples`; only undecided problems get more, one round at a time.

Sampling of a problem ends when
- one band holds the asked posterior probability, or
- the rest of the budget would hardly change the answer: the probability of naming the right band after all
  `max_samples` rollouts is expected to be at most `TOLERANCE` higher than now.

With a prior that describes the problem set a Bayesian posterior stays calibrated however often it is looked at, so no
correction for repeated looks is due. The second rule bounds the price of stopping early. `benchmarks/difficulty.py`
measures both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.datasets.posterior import Floats, Prior, band_probabilities, fit_prior, with_guessing
from schemas.outcome import scored, solved, with_guess_rate

TOLERANCE = 0.01
"""Expected band accuracy that stopping a problem early may cost."""


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """Sample until the band of the pass rate is sure enough, within `min_samples..max_samples`.

    The bounds are of the rate corrected for guessing.
    """

    low: float
    high: float
    confidence: float
    min_samples: int
    max_samples: int

    def decided(self, prior: Prior, guess: float = 0.0) -> NDArray[np.bool_]:
        """True where sampling stops, for problems with that pass rate of blind guessing.

        Returns:
            Shape (max_samples + 1, max_samples + 1): [attempts, correct]; entries with correct > attempts mean nothing.
        """
        low, high = (float(with_guessing(bound, guess)) for bound in (self.low, self.high))
        best = best_probability(prior, low, high, self.max_samples)
        attempts = np.arange(self.max_samples + 1)[:, None]
        enough = (best >= self.confidence) | (expected_best(best, prior) - best <= TOLERANCE)
        return (enough & (attempts >= self.min_samples)) | (attempts >= self.max_samples)


def best_probability(prior: Prior, low: float, high: float, budget: int) -> Floats:
    """Posterior probability of the likeliest band, shape (budget + 1, budget + 1): [attempts, correct]."""
    attempts, correct = np.meshgrid(np.arange(budget + 1), np.arange(budget + 1), indexing="ij")
    wrong = np.maximum(attempts - correct, 0)
    return band_probabilities(prior.alpha + correct, prior.beta + wrong, low, high).max(axis=-1)


def expected_best(best: Floats, prior: Prior) -> Floats:
    """What `best` is expected to be when the budget is used up, from every state; same shape.

    Backward over attempts: the next rollout is right with the posterior mean of the pass rate.
    """
    ahead = best.copy()
    for n in range(len(best) - 2, -1, -1):
        k = np.arange(n + 1)
        right = (prior.alpha + k) / (prior.alpha + prior.beta + n)
        ahead[n, : n + 1] = right * ahead[n + 1, 1 : n + 2] + (1 - right) * ahead[n + 1, : n + 1]
    return ahead


Sample = Callable[[pl.DataFrame, Mapping[str, range]], pl.DataFrame]
"""Verified rollouts (VERDICT) of some problems: `{problem_id: sample indices}` says which."""

Ints = NDArray[np.int64]

ROUND = 1
"""Rollouts of an open problem in a round after the first; two would cost some 4% more rollouts in all."""


@dataclass(frozen=True, slots=True)
class Rollouts:
    """All rollouts of a problem set (VERDICT, by problem and sample index) and the prior learnt from the first round."""

    rows: pl.DataFrame
    prior: Prior


def roll_out(
    problems: pl.DataFrame, rule: StoppingRule, sample: Sample, *, prior: Prior | None = None
) -> Rollouts:
    """Sample rollouts until every problem is decided.

    Args:
        problems: PROBLEM rows with unique ids.
        rule: when a problem is decided.
        sample: brings verified rollouts; asked once a round, never twice for the same sample index.
        prior: of pass rates; None learns it from the first round of these problems.

    A problem whose first round gives no signal is not asked again: its answers cannot be verified.
    """
    ids = problems["id"].to_list()
    attempts, correct = np.zeros(len(ids), int), np.zeros(len(ids), int)
    place = {problem: index for index, problem in enumerate(ids)}
    open_ids, drawn = ids, 0
    guesses = with_guess_rate(problems)["guess_rate"].to_list()
    decided = None if prior is None else {guess: rule.decided(prior, guess) for guess in set(guesses)}
    rounds: list[pl.DataFrame] = []
    while open_ids:
        stop = min(drawn + (ROUND if drawn else rule.min_samples), rule.max_samples)
        plan = dict.fromkeys(open_ids, range(drawn, stop))
        rounds.append(sample(problems.filter(pl.col("id").is_in(open_ids)), plan))
        drawn = stop
        for problem, tried, right in count_signals(rounds[-1]):
            attempts[place[problem]] += tried
            correct[place[problem]] += right
        if prior is None or decided is None:
            prior = fit_prior(zip(attempts, correct, strict=True))
            decided = {guess: rule.decided(prior, guess) for guess in set(guesses)}
        open_ids = [
            p
            for p in open_ids
            if drawn < rule.max_samples and _open(place[p], attempts, correct, decided[guesses[place[p]]])
        ]
    rows = pl.concat(rounds, how="diagonal_relaxed").with_columns(
        _place=pl.col("problem_id").replace_strict(place, return_dtype=pl.Int64)
    )
    assert prior is not None
    return Rollouts(rows.sort("_place", "sample_index").drop("_place"), prior)


def _open(at: int, attempts: Ints, correct: Ints, decided: NDArray[np.bool_]) -> bool:
    return bool(attempts[at] > 0 and not decided[attempts[at], correct[at]])


def count_signals(rows: pl.DataFrame) -> list[tuple[str, int, int]]:
    """(problem, rollouts with a signal, successes) of every problem, in order of appearance."""
    counts = rows.group_by("problem_id", maintain_order=True).agg(tried=scored().sum(), right=solved().sum())
    return [(str(p), int(a), int(c)) for p, a, c in counts.iter_rows()]
