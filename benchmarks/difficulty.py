"""What early stopping of rollouts saves and costs, against a fixed 16 rollouts per problem.

    python -m benchmarks.run difficulty

Rollouts are drawn from known pass rates: simulated ones, and the per-problem rates of `deepscaler_passrate_20787`
(left out when the data is absent).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.markdown import table
from benchmarks.result import SHARED, Result

if TYPE_CHECKING:
    from factory.datasets.rollouts import StoppingRule

RATES = SHARED / "seeds" / "deepscaler_passrate_20787.jsonl"
PROBLEMS = 20_000
REPEATS = 5


def measure(args: list[str]) -> dict[str, Any]:
    """Stopping early against sampling in full, for every set of pass rates."""
    from factory.config.difficulty import DifficultySection
    from factory.datasets.rollouts import StoppingRule

    argparse.ArgumentParser(prog="benchmarks.run difficulty").parse_args(args)
    section = DifficultySection()
    rule = StoppingRule(
        section.low, section.high, section.confidence, section.min_samples, section.max_samples
    )
    began = time.perf_counter()
    sets = [of_rates(name, rates, rule) for name, rates in pass_rates(np.random.default_rng(1)).items()]
    return {
        "rule": {name: getattr(rule, name) for name in rule.__slots__},
        "repeats": REPEATS,
        "seconds": round(time.perf_counter() - began, 1),
        "sets": sets,
    }


def pass_rates(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Known pass rates by name: simulated students from weak to strong, and a real one."""
    sets = {
        "uniform": rng.random(PROBLEMS),
        "U-shaped Beta(0.5, 0.5)": rng.beta(0.5, 0.5, PROBLEMS),
        "U-shaped Beta(0.3, 0.4)": rng.beta(0.3, 0.4, PROBLEMS),
        "hard Beta(0.4, 2)": rng.beta(0.4, 2, PROBLEMS),
        "easy Beta(2, 0.4)": rng.beta(2, 0.4, PROBLEMS),
        "middling Beta(3, 3)": rng.beta(3, 3, PROBLEMS),
    }
    if RATES.exists():
        rows = (json.loads(line) for line in RATES.open(encoding="utf-8"))
        sets["DeepScaleR, measured"] = np.array([row["offline_pass_rate"] for row in rows])
    else:
        print(f"{RATES.name} is absent: only simulated rates", file=sys.stderr)
    return sets


def of_rates(name: str, rates: np.ndarray, rule: StoppingRule) -> dict[str, Any]:
    """Mean over `REPEATS` draws of the same rates."""
    draws = [one_draw(rates, rule, np.random.default_rng([7, seed])) for seed in range(REPEATS)]
    figures = {key: float(np.mean([draw[key] for draw in draws])) for key in draws[0] if key != "bins"}
    bins = np.sum([draw["bins"] for draw in draws], axis=0)
    calibration = [
        {"claimed": claimed / count, "right": right / count, "problems": int(count)}
        for claimed, right, count in bins
        if count
    ]
    return {"name": name, "problems": len(rates), **figures, "calibration": calibration}


def one_draw(rates: np.ndarray, rule: StoppingRule, rng: np.random.Generator) -> dict[str, Any]:
    """Stop early and sample in full on the same rollouts."""
    from factory.datasets.posterior import band_probabilities, fit_prior, true_band

    budget = rule.max_samples
    hits = rng.random((len(rates), budget)) < rates[:, None]
    correct = np.concatenate([np.zeros((len(rates), 1), int), hits.cumsum(axis=1)], axis=1)
    prior = fit_prior(zip(np.full(len(rates), rule.min_samples), correct[:, rule.min_samples], strict=True))
    decided = rule.decided(prior)
    stopped = np.array([decided[np.arange(budget + 1), row].argmax() for row in correct])
    everyone = np.arange(len(rates))
    truth = true_band(rates, rule.low, rule.high)

    def judge(attempts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        right = correct[everyone, attempts]
        mass = band_probabilities(prior.alpha + right, prior.beta + attempts - right, rule.low, rule.high)
        return mass.argmax(axis=1), mass.max(axis=1)

    band, claimed = judge(stopped)
    full, _ = judge(np.full(len(rates), budget))
    sure = claimed >= rule.confidence
    wrong = band != truth
    edges = np.linspace(1 / 3, 1, 11)
    where = np.clip(np.digitize(claimed, edges) - 1, 0, 9)
    bins = np.array(
        [[claimed[where == b].sum(), (~wrong)[where == b].sum(), (where == b).sum()] for b in range(10)]
    )
    return {
        "rollouts_per_problem": float(stopped.mean()),
        "saved": float(1 - stopped.mean() / budget),
        "accuracy": float((~wrong).mean()),
        "accuracy_fixed": float((full == truth).mean()),
        "accuracy_claimed": float(claimed.mean()),
        "sure": float(sure.mean()),
        "sure_error": float(wrong[sure].mean()) if sure.any() else 0.0,
        "sure_error_claimed": float((1 - claimed[sure]).mean()) if sure.any() else 0.0,
        "prior_alpha": prior.alpha,
        "prior_beta": prior.beta,
        "bins": bins,
    }


def render(result: Result) -> dict[str, str]:
    """The block of docs/difficulty.md."""
    confidence = result.figures["rule"]["confidence"]
    heads = [
        "pass rates", "problems", "rollouts saved", "band accuracy, fixed 16", "band accuracy, stopped", "claimed",
        f"confident (at least {confidence})", "error rate when confident",
    ]  # fmt: skip
    rows = [
        (
            s["name"], s["problems"], f"{s['saved']:.1%}", f"{s['accuracy_fixed']:.2%}", f"{s['accuracy']:.2%}",
            f"{s['accuracy_claimed']:.2%}", f"{s['sure']:.1%}", f"{s['sure_error']:.2%}",
        )
        for s in result.figures["sets"]
    ]  # fmt: skip
    return {"difficulty": table(heads, rows)}
