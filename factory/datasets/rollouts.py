"""Rollouts in rounds: every problem gets the least, then only the undecided ones get more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.datasets.posterior import Prior
from factory.datasets.prior import fit_prior
from factory.datasets.stopping import StoppingRule
from schemas import ResponseStatus, Verdict

Sample = Callable[[pl.DataFrame, Mapping[str, range]], pl.DataFrame]
"""Verified rollouts (VERDICT) of some problems: `{problem_id: sample indices}` says which."""

Ints = NDArray[np.int64]

ROUND = 1
"""Rollouts of an open problem in a round after the first; two would cost some 4% more rollouts in all."""

TRUNCATED = (ResponseStatus.CUT_IN_REASONING.value, ResponseStatus.CUT_IN_ANSWER.value)
WRONG = (Verdict.INCORRECT.value, Verdict.NO_ANSWER.value)


def truncated() -> pl.Expr:
    """True for rollouts that the token budget cut."""
    return pl.col("status").is_in(TRUNCATED)


def success() -> pl.Expr:
    """True for a whole rollout that is verified correct."""
    return (pl.col("verdict") == Verdict.CORRECT.value) & ~truncated()


def signal() -> pl.Expr:
    """True for rollouts that say something about the pass rate.

    A cut rollout and one without an answer are wrong; `unverifiable`, `timeout` and failed requests say nothing.
    """
    failed = pl.col("status") == ResponseStatus.FAILED.value
    return ~failed & (success() | truncated() | pl.col("verdict").is_in(WRONG))


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
    decided = None if prior is None else rule.decided(prior)
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
            decided = rule.decided(prior)
        open_ids = [
            p for p in open_ids if drawn < rule.max_samples and _open(place[p], attempts, correct, decided)
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
    counts = rows.group_by("problem_id", maintain_order=True).agg(tried=signal().sum(), right=success().sum())
    return [(str(p), int(a), int(c)) for p, a, c in counts.iter_rows()]
