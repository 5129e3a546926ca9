"""What decides a training stage, and what does not."""

from pathlib import Path

import polars as pl
import pytest

from factory.atomic import write_json
from factory.config.load import load_recipe
from factory.errors import FactoryError
from factory.run.layout import PAPER as STAGES
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST
from factory.run.step_writer import StepWriter
from schemas import COMPLETION
from train.stage import SETS, Job, stage_step

RECIPE = Path(__file__).parents[2] / "recipes" / "quickstart.yaml"


@pytest.fixture
def inputs(tmp_path):
    """The key of a stage, under a recipe with overrides; sets are there, parents are trained."""
    at = RunLayout(tmp_path)
    for stage in ("base", *STAGES):
        write_json(at.checkpoint(stage) / MANIFEST, {"files": {}, "output_digest": "m"})
    for name in dict.fromkeys(SETS.values()):
        at.dataset(name).mkdir(parents=True)
        pl.DataFrame({"id": [name]}).write_parquet(at.dataset(name) / "train-00000-of-00001.parquet")

    def of(stage, *overrides):
        return stage_step(Job(load_recipe(RECIPE, list(overrides)), at, stage)).key

    return of


@pytest.mark.parametrize("stage", STAGES)
def test_the_chat_template_decides_every_stage_by_its_content(inputs, tmp_path, stage):
    path = tmp_path / "chat.jinja"
    path.write_text("{{ messages }}")
    named = inputs(stage, f"train.student.chat_template={path}")
    assert named != inputs(stage)
    path.write_text("{{ messages }}!")
    assert inputs(stage, f"train.student.chat_template={path}") != named
    path.write_text("{{ messages }}")
    path.rename(tmp_path / "moved.jinja")
    assert inputs(stage, f"train.student.chat_template={tmp_path / 'moved.jinja'}") == named


def test_a_new_checker_decides_rl_alone(inputs, monkeypatch):
    before = {stage: inputs(stage) for stage in STAGES}
    monkeypatch.setattr("factory.verification.result.CHECKER_VERSION", "next")
    assert [stage for stage in STAGES if inputs(stage) != before[stage]] == ["rl"]


@pytest.mark.parametrize("override", ["train.save_every=0.5", "verify.workers=3"])
def test_how_often_it_saves_and_by_how_many_it_checks_decides_nothing(inputs, override):
    assert inputs("sft", override) == inputs("sft") and inputs("rl", override) == inputs("rl")


def test_a_training_set_that_changed_is_not_trained_on(inputs, tmp_path):
    folder = RunLayout(tmp_path).dataset("sft")
    for path in folder.iterdir():
        path.unlink()
    with StepWriter(folder, "export", COMPLETION) as writer:
        writer.finish(rows_in=0)
    (folder / "part-00000.parquet").rename(folder / "train-00000-of-00001.parquet")
    with pytest.raises(FactoryError, match=r"part-00000\.parquet is missing"):
        inputs("sft")
