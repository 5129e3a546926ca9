"""The order of a run's steps is written once, and everybody who shows a run follows it."""

from pathlib import Path

import pytest

from factory.config.load import load_recipe
from factory.pipeline.run import plan
from factory.report.words import step_words
from factory.run.layout import PLACES, PLAN, RunLayout, before, expected_places, order_of

RECIPE = Path(__file__).parents[2] / "recipes" / "quickstart.yaml"


def test_a_step_comes_after_what_it_reads():
    seen = set()
    for place in PLAN:
        assert set(place.parents.values()) <= seen, place.folder
        seen.add(place.folder)
    assert len(seen) == len(PLAN)


def test_every_folder_of_the_layout_is_in_the_plan():
    at = RunLayout(Path("run"))
    paths = [
        at.problems, at.held_out, at.given, at.unique_problems, at.clean_problems, at.responses, at.verdicts,
        at.unique_verdicts, at.clean_verdicts, at.labelled, at.rollouts, at.difficulty, at.rl_rollouts, at.rl_difficulty,
    ]  # fmt: skip
    paths += [
        folder(name)
        for name in ("midtrain", "sft", "preference", "rl")
        for folder in (at.selected, at.dataset)
    ]
    paths += [
        folder(name)
        for name in ("base", "midtrain", "sft", "dpo", "distill", "rl")
        for folder in (at.stage, at.evaluation)
    ]
    assert {str(path.relative_to("run")) for path in paths} == set(PLACES)


@pytest.mark.parametrize(
    ("overrides", "gone"),
    [
        ([], set()),
        (["train=null"], {"train", "eval", "difficulty", "pairs", "rl"}),
        (["train.dpo.enabled=false"], {"train-dpo", "eval-dpo", "pairs"}),
        (["train.rl.enabled=false", "train.dpo.enabled=false"], {"difficulty", "pairs", "rl-prompts", "dpo", "rl"}),
        (["rl_prompts.remeasure=true"], set()),
        (["rl_prompts.remeasure=true", "train.rl.enabled=false"], {"rl-difficulty", "rl-prompts"}),
        (["evaluation.stages=[sft]"], {"eval-base", "eval-midtrain", "eval-dpo", "eval-rl"}),
    ],
)  # fmt: skip
def test_the_pipeline_runs_what_is_expected_of_the_recipe(overrides, gone):
    recipe = load_recipe(RECIPE, overrides)
    names = [step.name for step in plan(recipe, RunLayout(Path("run")))]
    places = expected_places(recipe.model_dump(mode="json"))
    assert names == [*dict.fromkeys(place.part_of for place in places), "report"]
    every = ["rl_prompts.remeasure=true"]
    everything = [step.name for step in plan(load_recipe(RECIPE, every), RunLayout(Path("run")))]
    assert names == [name for name in everything if name in names]
    assert not [name for name in names for part in gone if name == part or part in name.split("-")]


def test_folders_sort_by_the_plan_and_others_come_last():
    names = ["mine", "eval/base/held_out", "verdicts/teacher", "problems/read"]
    assert sorted(names, key=order_of) == ["problems/read", "verdicts/teacher", "eval/base/held_out", "mine"]


def test_what_rows_of_a_set_come_through():
    assert "verdicts/unique" in before("sft") and "verdicts/unique" not in before("rl")
    assert "problems/unique" in before("rl") & before("preference")


def test_every_step_of_the_plan_has_words_of_its_own():
    assert len({step_words(place.folder) for place in PLAN}) == len(PLAN)
