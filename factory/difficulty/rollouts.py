"""Rollouts in rounds: every problem gets the least, then only the undecided ones get more."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from factory.difficulty.stopping import StoppingRule
from schemas import ResponseStatus, Verdict

Sample = Callable[[pl.DataFrame, Mapping[str, range]], pl.DataFrame]
"""Verified rollouts (VERDICT) of some problems: `{problem_id: sample indices}` says which."""

ROUND = 2
"""Rollouts a round after the first: few enough to stop early, enough to fill a student's batch."""

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


def roll_out(problems: pl.DataFrame, rule: StoppingRule, sample: Sample) -> pl.DataFrame:
    """Sample rollouts until every problem is decided.

    Args:
        problems: PROBLEM rows with unique ids.
        rule: when a problem is decided.
        sample: brings verified rollouts; asked once a round, never twice for the same sample index.

    Returns:
        All rollouts, in order of problem and sample index. A problem whose first round gives no signal is not asked
        again.
    """
    decided = rule.decided()
    drawn = dict.fromkeys(problems["id"], 0)
    tally = {problem: (0, 0) for problem in drawn}
    open_ids = list(drawn)
    rounds: list[pl.DataFrame] = []
    while open_ids:
        plan = {p: _next(drawn[p], rule) for p in open_ids}
        rows = sample(problems.filter(pl.col("id").is_in(open_ids)), plan)
        rounds.append(rows)
        for problem, attempts, correct in _count(rows):
            before = tally[problem]
            tally[problem] = (before[0] + attempts, before[1] + correct)
        for p in open_ids:
            drawn[p] = plan[p].stop
        open_ids = [p for p in open_ids if not _done(drawn[p], tally[p], rule, decided)]
    place = {problem: index for index, problem in enumerate(drawn)}
    return (
        pl.concat(rounds, how="diagonal_relaxed")
        .with_columns(_place=pl.col("problem_id").replace_strict(place, return_dtype=pl.Int64))
        .sort("_place", "sample_index")
        .drop("_place")
    )


def _next(drawn: int, rule: StoppingRule) -> range:
    return range(drawn, min(drawn + (ROUND if drawn else rule.min_samples), rule.max_samples))


def _done(drawn: int, tally: tuple[int, int], rule: StoppingRule, decided: object) -> bool:
    attempts, correct = tally
    return drawn >= rule.max_samples or attempts == 0 or bool(decided[attempts, correct])  # type: ignore[index]


def _count(rows: pl.DataFrame) -> list[tuple[str, int, int]]:
    counts = rows.group_by("problem_id", maintain_order=True).agg(
        signal().sum(), success().sum().alias("hit")
    )
    return [(str(p), int(a), int(c)) for p, a, c in counts.iter_rows()]
