"""The card shows what the run's files say, also after an evaluation, and does not change what the checkpoint is."""

import shutil

import pytest

from factory.atomic import read_json, write_json
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST, input_digest
from train.card import write_cards
from train.stage import model_digest


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained.run, tmp_path / "run")
    return RunLayout(tmp_path / "run")


def test_evaluation_comes_into_the_card_and_the_digest_stays(run):
    before = input_digest(run.checkpoint("sft"))
    figures = {"pass_at_1": 0.4321, "low": 0.4, "high": 0.46, "questions": 300}
    write_json(run.evaluation("sft") / "summary.json", {"benchmarks": {"held_out": figures}})
    none = figures | {"pass_at_1": None}
    write_json(run.evaluation("base") / "summary.json", {"benchmarks": {"held_out": none}})
    assert write_cards(run) == ["base", "midtrain", "sft"]
    card = (run.checkpoint("sft") / "README.md").read_text()
    assert "| sft | held_out | 43.2% | 40.0% to 46.0% | 300 |" in card
    assert "| base | held_out" not in card
    assert input_digest(run.checkpoint("sft")) == before == model_digest(run.checkpoint("sft"))


def test_a_card_of_a_hub_model_names_it_as_its_base(run):
    path = run.checkpoint("sft") / MANIFEST
    manifest = read_json(path)
    manifest["totals"]["base_model"] = "owner/model"
    write_json(path, manifest, seal=True)
    write_cards(run)
    head = (run.checkpoint("sft") / "README.md").read_text().split("---")[1]
    assert "base_model: owner/model" in head and "library_name: transformers" in head
