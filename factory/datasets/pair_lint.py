"""The lint that pairs must pass: biases that a model would learn instead of what makes an answer right.

A hard gate: if a check fails, no pairs are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from factory.datasets.pair_bias import cohens_d, format_features
from factory.datasets.render import last_message

WORST = 5
"""Examples shown per check."""
EXCERPT = 240
"""Characters of an example's text that are shown."""
BINS = 30


@dataclass(frozen=True, slots=True)
class Check:
    """One check: a figure against its limit, the setting that holds the limit, and the pairs that weigh most."""

    name: str
    value: float
    limit: float
    passed: bool
    setting: str
    meaning: str
    worst: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Lint:
    """All checks of a set of pairs, and what a plot of its lengths needs."""

    pairs: int
    checks: tuple[Check, ...]
    lengths: dict[str, Any]

    @property
    def passed(self) -> bool:
        """True when every check passed."""
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """For the manifest's totals and for `lint.json`; an infinite value becomes None."""
        checks = [
            {
                "name": c.name,
                "value": c.value if np.isfinite(c.value) else None,
                "limit": c.limit,
                "passed": c.passed,
                "setting": c.setting,
                "meaning": c.meaning,
            }
            for c in self.checks
        ]
        worst = [{"check": c.name, **example} for c in self.checks for example in c.worst]
        return {
            "passed": self.passed,
            "pairs": self.pairs,
            "checks": checks,
            "worst": worst,
            "distributions": {"length": self.lengths},
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the lint; see `factory.config.preference.PreferenceSection`."""

    length_bias: float
    format_bias: float
    duplicates: float


def lint_pairs(pairs: pl.DataFrame, limits: Limits, overlap: Mapping[str, int] | None = None) -> Lint:
    """Check a set of pairs.

    Args:
        pairs: PREFERENCE rows.
        limits: the recipe's limits.
        overlap: pairs whose problem another set uses, by the set's name; each must be 0.
    """
    prompts = last_message(pairs["prompt"])
    chosen, rejected = last_message(pairs["chosen"]), last_message(pairs["rejected"])
    long, short = chosen.str.len_chars().to_numpy(), rejected.str.len_chars().to_numpy()
    checks = [_length(pairs, long, short, limits), *_format(pairs, chosen, rejected, prompts, limits)]
    checks.append(_duplicates(pairs, chosen, limits))
    for name, count in (overlap or {}).items():
        meaning = f"pairs whose problem is also in {name}"
        checks.append(Check(f"overlap with {name}", float(count), 0.0, count == 0, "exclude", meaning))
    return Lint(pairs.height, tuple(checks), _distribution(long, short))


def _length(pairs: pl.DataFrame, chosen: np.ndarray, rejected: np.ndarray, limits: Limits) -> Check:
    value = cohens_d(chosen, rejected)
    gap = (chosen - rejected.astype(float)) * (np.sign(value) or 1.0)
    order = np.argsort(-gap, kind="stable")[:WORST]
    worst = [_example(pairs, int(i), characters=[int(chosen[i]), int(rejected[i])]) for i in order]
    return Check(
        "length bias",
        value,
        limits.length_bias,
        abs(value) <= limits.length_bias,
        "preference.max_length_bias",
        "Cohen's d of chosen against rejected length in characters; above 0 the chosen are longer",
        tuple(worst),
    )


def _format(
    pairs: pl.DataFrame, chosen: pl.Series, rejected: pl.Series, prompts: pl.Series, limits: Limits
) -> list[Check]:
    one, other = format_features(chosen, prompts), format_features(rejected, prompts)
    checks = []
    for name in one.columns:
        value = float(one[name].mean() or 0.0) - float(other[name].mean() or 0.0)  # type: ignore[arg-type]
        differ = np.flatnonzero((one[name] != other[name]).to_numpy())[:WORST]
        checks.append(
            Check(
                f"format bias: {name}",
                value,
                limits.format_bias,
                abs(value) <= limits.format_bias,
                "preference.max_format_bias",
                f"share of chosen with '{name}' less that of rejected",
                tuple(_example(pairs, int(i)) for i in differ),
            )
        )
    return checks


def _duplicates(pairs: pl.DataFrame, chosen: pl.Series, limits: Limits) -> Check:
    again = chosen.is_duplicated().to_numpy()
    value = 1 - chosen.n_unique() / max(pairs.height, 1)
    return Check(
        "duplicate chosen",
        value,
        limits.duplicates,
        value <= limits.duplicates,
        "preference.max_duplicates",
        "share of pairs whose chosen text another pair has too",
        tuple(_example(pairs, int(i)) for i in np.flatnonzero(again)[:WORST]),
    )


def _distribution(chosen: np.ndarray, rejected: np.ndarray) -> dict[str, Any]:
    edges = np.histogram_bin_edges(np.concatenate([chosen, rejected]), bins=BINS)
    sides = {"chosen": chosen, "rejected": rejected}
    return {
        "unit": "characters",
        "edges": edges.tolist(),
        **{side: np.histogram(values, bins=edges)[0].tolist() for side, values in sides.items()},
        **{f"{side}_mean": float(values.mean()) for side, values in sides.items()},
        **{f"{side}_sd": float(values.std()) for side, values in sides.items()},
    }


def _example(pairs: pl.DataFrame, at: int, **facts: Any) -> dict[str, Any]:
    row = pairs.row(at, named=True)
    shown = {side: row[side][-1]["content"] for side in ("chosen", "rejected")}
    return {
        "problem_id": row["problem_id"],
        "chosen_response_id": row["chosen_response_id"],
        "rejected_response_id": row["rejected_response_id"],
        **{side: text[-EXCERPT:] for side, text in shown.items()},
        **facts,
    }
