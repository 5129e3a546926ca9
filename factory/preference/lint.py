"""The lint that pairs must pass: biases that a model would learn instead of the answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Check:
    """One lint check: a figure against its limit."""

    name: str
    value: float
    limit: float
    passed: bool
    setting: str


@dataclass(frozen=True, slots=True)
class Lint:
    """All checks of a set of pairs, with what a plot needs."""

    pairs: int
    checks: tuple[Check, ...]
    distributions: dict[str, Any]

    @property
    def passed(self) -> bool:
        """True when every check passed."""
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """For the manifest's totals."""
        return {**asdict(self), "checks": [asdict(c) for c in self.checks], "passed": self.passed}


def cohens_d(one: ArrayLike, other: ArrayLike) -> float:
    """Cohen's d of two samples with pooled standard deviation; 0 when there is no spread and no difference."""
    a, b = np.asarray(one, float), np.asarray(other, float)
    if len(a) < 2 or len(b) < 2:
        return 0.0
    pooled = np.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (len(a) + len(b) - 2))
    gap = a.mean() - b.mean()
    if pooled == 0:
        return 0.0 if gap == 0 else float(np.sign(gap)) * float("inf")
    return float(gap / pooled)


def lint_pairs(pairs: pl.DataFrame, *, max_length_bias: float) -> Lint:
    """Check pairs (PREFERENCE rows)."""
    chosen, rejected = text_of(pairs["chosen"]), text_of(pairs["rejected"])
    lengths = [chosen.str.len_chars().to_numpy(), rejected.str.len_chars().to_numpy()]
    bias = cohens_d(*lengths)
    repeated = 1 - chosen.n_unique() / max(pairs.height, 1)
    checks = (
        Check(
            "length_bias", bias, max_length_bias, abs(bias) <= max_length_bias, "preference.max_length_bias"
        ),
        Check("duplicate_chosen", repeated, 0.0, repeated <= 0.0, "preference.per_problem"),
    )
    edges = np.histogram_bin_edges(np.concatenate(lengths), bins=30)
    histograms = [np.histogram(x, bins=edges)[0].tolist() for x in lengths]
    shown = {
        "unit": "characters",
        "edges": edges.tolist(),
        "chosen": histograms[0],
        "rejected": histograms[1],
    }
    return Lint(pairs.height, checks, {"length": shown})


def text_of(messages: pl.Series) -> pl.Series:
    """The assistant's text of a column of messages."""
    return messages.list.eval(pl.element().struct.field("content")).list.last()
