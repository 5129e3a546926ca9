"""The staircase's changes are changes that its recipe knows, its intervals count both levels, and its page follows its figures."""

import itertools

import numpy as np
import pytest

from benchmarks.result import Result
from benchmarks.staircase import LADDER, RECIPE, STAGES, render, two_level
from benchmarks.staircase_changes import CHANGES
from factory.config.load import load_recipe
from factory.run import layout


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.name)
def test_every_change_changes_the_recipe(change):
    settings = [each.format(teacher="teacher") if "{" in each else each for each in change.settings]
    assert load_recipe(RECIPE) != load_recipe(RECIPE, settings)
    assert change.against in LADDER and change.stage in layout.STAGES


def test_the_ladder_is_that_of_a_run():
    assert STAGES == layout.PAPER


def test_an_interval_counts_seeds_and_questions():
    draw = np.random.default_rng(1)
    questions = [draw.choice([0.0, 1.0], size=400) for _ in range(3)]
    alike, apart = two_level(questions), two_level([each + at for at, each in enumerate(questions)])
    alone = two_level(questions[:1])
    assert alike["low"] < alike["value"] < alike["high"]
    assert alone["high"] - alone["low"] == pytest.approx(2 * 1.96 * 0.5 / 20, rel=0.1), (
        "one seed: questions alone"
    )
    assert alike["high"] - alike["low"] < alone["high"] - alone["low"]
    assert apart["high"] - apart["low"] > 1.5, "seeds that differ by 1 each"


def figures():
    def step(low):
        one = {"value": low + 0.02, "low": low, "high": low + 0.04}
        return one | {"seeds": [one, one, one]}

    def told(p):
        return {"pass_at_1": [p, p, p], "validation": [p, p, p], "steps": [9, 9, 9]}

    spent = {
        "sampled_tokens": [1000, 1000, 1000],
        "with_advantage": [0.5, 0.5, 0.5],
        "forecast_dead": [0.1, 0.1, 0.1],
    }
    names = [f"{a}->{b}" for a, b in itertools.pairwise(LADDER)]
    changes = {
        c.name: {"what": c.what, "stage": c.stage, "against": c.against, "step": step(-0.03)}
        | told(0.3)
        | spent
        for c in CHANGES
    }
    changes["distill"] |= {"teacher": [0.99, 0.99, 0.99]}
    return {
        "seeds": [0, 1, 2], "questions": 600, "seed_minutes": [6.0, 6.0, 6.0],
        "ladder": {stage: told(0.2 * at) | spent for at, stage in enumerate(LADDER)},
        "steps": {name: step(-0.01 if name == "sft->dpo" else 0.01) for name in names}, "changes": changes,
    }  # fmt: skip


def test_the_page_says_which_stages_rise():
    made = render(Result("staircase", None, None, "", None, figures=figures()))
    assert "Not shown to rise: dpo." in made["staircase-ladder"]
    assert "+1.0 (-1.0 to +3.0)" in made["staircase-ladder"]
    assert (
        made["paper_outcomes"].count("no difference found") >= 1
        and "the reverse" not in made["paper_outcomes"]
    )
    assert made["staircase-rl"].count("\n| ") == 1 + sum(c.stage in ("rl", "distill") for c in CHANGES)
    assert made["docs/images/staircase.svg"].count("<svg") == 1
