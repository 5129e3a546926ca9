"""The staircase's ablations are changes that its recipe knows, and its page is written from any figures."""

import json

import pytest

from benchmarks.staircase import ABLATIONS, LADDER, RECIPE
from benchmarks.staircase_page import write_page
from factory.config import load_recipe
from factory.run.layout import STAGES


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda a: a.name)
def test_every_ablation_changes_the_recipe(ablation):
    plain, changed = load_recipe(RECIPE), load_recipe(RECIPE, ablation.changes)
    assert plain != changed
    assert {ablation.stage, ablation.against} <= set(LADDER)


def test_the_page_says_which_steps_rise(tmp_path):
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
    file = tmp_path / "staircase.json"
    file.write_text(json.dumps({"recipe": RECIPE, "seeds": {"0": one}, "ablations": {}}))
    write_page(file, tmp_path / "docs")
    rows = (tmp_path / "docs" / "staircase.md").read_text().splitlines()
    told = {line.split(" | ")[0].removeprefix("| "): line for line in rows if line.startswith("| ")}
    assert "| yes |" in told["sft"] and "| no |" in told["dpo"]
    assert "-1.0 to +4.0" in told["dpo"]
    assert (tmp_path / "docs" / "images" / "staircase.svg").read_text().count("<svg") == 1
