"""What one stage changed against another, question by question."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from factory.errors import UsageError
from factory.evaluation.summary import question_table

RESAMPLES = 10_000
_VALUES_AT_ONCE = 4_000_000
"""Resampled values in memory together."""


@dataclass(frozen=True, slots=True)
class PairedDelta:
    """Change of pass@1 on the same questions; `low` and `high` bound it with 95% confidence.

    `dropped` counts the questions that only one side scored: no sample of the other could be judged.
    """

    questions: int
    dropped: int
    before: float
    after: float
    delta: float
    low: float
    high: float
    better: int
    worse: int

    @property
    def risen(self) -> bool:
        """True when the whole interval lies above 0."""
        return self.low > 0

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return asdict(self)


def paired_delta(before: pl.DataFrame, after: pl.DataFrame, *, seed: int = 0) -> PairedDelta:
    """Compare two graded tables (VERDICT rows) over the questions that both scored; `dropped` counts the others.

    The interval is a percentile bootstrap over questions: a resample draws questions with replacement and keeps both
    sides of each. What the questions' own difficulty adds to the noise cancels out.

    Args:
        before: graded responses of the earlier stage.
        after: graded responses of the later stage.
        seed: of the resamples; equal seeds give equal intervals.

    Raises:
        UsageError: the tables share no scored question.
    """
    left, right = question_table(before), question_table(after)
    both = left.join(right, on="problem_id", how="inner", suffix="_after").sort("problem_id")
    if both.height == 0:
        raise UsageError(
            "the two evaluations share no scored question", do="evaluate both on the same benchmark"
        )
    was = (both["correct"] / both["scored"]).to_numpy()
    now = (both["correct_after"] / both["scored_after"]).to_numpy()
    change = now - was
    low, high = bootstrap_interval(change, seed=seed)
    return PairedDelta(
        questions=both.height,
        dropped=left.height + right.height - 2 * both.height,
        before=float(was.mean()),
        after=float(now.mean()),
        delta=float(change.mean()),
        low=low,
        high=high,
        better=int((change > 0).sum()),
        worse=int((change < 0).sum()),
    )


def bootstrap_interval(
    values: NDArray[np.float64], *, seed: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean of `values`, shape (questions,)."""
    from scipy.stats import bootstrap

    if len(values) == 1:
        return float(values[0]), float(values[0])
    batch = max(1, _VALUES_AT_ONCE // len(values))
    found = bootstrap((values,), np.mean, n_resamples=resamples, batch=batch, method="percentile", rng=seed)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
