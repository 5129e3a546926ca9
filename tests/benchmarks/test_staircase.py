"""The staircase's ablations are changes that its recipe knows, and its page is written from any figures."""

import pytest

from benchmarks.result import Result
from benchmarks.staircase import ABLATIONS, LADDER, RECIPE, STAGES, render
from factory.config.load import load_recipe
from factory.run import layout


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda a: a.name)
def test_every_ablation_changes_the_recipe(ablation):
    plain, changed = load_recipe(RECIPE), load_recipe(RECIPE, ablation.changes)
    assert plain != changed
    assert {ablation.stage, ablation.against} <= set(LADDER)


def test_the_ladder_is_that_of_a_run():
    assert STAGES == layout.PAPER


def test_the_page_says_which_steps_rise():
    def figures(p):
        return {"pass_at_1": p, "low": p - 0.01, "high": p + 0.01, "questions": 600, "samples": 3600}

    def delta(low):
        return {"delta": 0.02, "low": low, "high": 0.04}

    names = ["base->midtrain", "midtrain->sft", "sft->dpo", "dpo->rl"]
    one = {
        "seconds": 600.0,
        "chance": 0.2,
        "training": {s: {"seconds": 60.0, "steps": 10, "rows": 5} for s in STAGES},
        "ladder": {stage: figures(0.1 * i) for i, stage in enumerate(LADDER)},
        "steps": {name: delta(0.01 if name != "sft->dpo" else -0.01) for name in names},
    }
    kept = {"recipe": RECIPE, "seeds": {"0": one}, "ablations": {}}
    made = render(Result("staircase", None, None, "", None, figures=kept))
    rows = made["staircase-seeds"].splitlines()
    told = {line.split(" | ")[0].removeprefix("| "): line for line in rows if line.startswith("| ")}
    assert "| yes |" in told["sft"] and "| no |" in told["dpo"]
    assert "-1.0 to +4.0" in told["dpo"]
    assert made["docs/images/staircase.svg"].count("<svg") == 1
