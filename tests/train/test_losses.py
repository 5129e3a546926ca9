"""Every loss of TRL's is one word in the recipe, and takes a step."""

import inspect
import math
import re
import shutil
from typing import get_args

import pytest
from trl import DPOConfig, GRPOTrainer

from factory.config.load import load_recipe
from factory.config.train import RL_SETTINGS, DPOLoss, RLLoss, RLSection
from factory.run.layout import RunLayout
from train.configs import stage_config
from train.rl import FactoryGRPOTrainer
from train.stage import Job
from train.stages import EncodedDPOTrainer, prepare
from train.student import load_model


def documented(config, field):
    """The words that TRL's own help names for a field."""
    text = config.__dataclass_fields__[field].metadata["help"]
    return set(re.findall(r"['\"](\w+)['\"]", text))


def test_the_recipe_knows_every_loss_of_the_installed_trl():
    assert set(get_args(DPOLoss)) == documented(DPOConfig, "loss_type") - {"sft"}
    source = inspect.getsource(GRPOTrainer._compute_loss)
    assert all(f'"{name}"' in source for name in get_args(RLLoss))


@pytest.mark.long
@pytest.mark.parametrize("stage", ["dpo", "rl"])
def test_every_loss_takes_a_step(stage, trained, tmp_path, tiny_recipe):
    """One process for all: a preparation, and a step per loss from the same weights."""
    shutil.copytree(trained.run, tmp_path / "run")
    layout = RunLayout(tmp_path / "run")
    words = get_args(DPOLoss if stage == "dpo" else RLLoss)
    prepared = prepare(
        Job(
            tiny_recipe(
                **{stage: {"max_steps": 1}}, **({"dpo": {"enabled": False}} if stage == "rl" else {})
            ),
            layout,
            stage,
        )
    )

    def reward(completions, **_):
        return [1.0 if i % 2 else -1.0 for i in range(len(completions))]

    for word in words:
        own = {"loss": word, "max_steps": 1}
        changes = {stage: own} | ({"dpo": {"enabled": False}} if stage == "rl" else {})
        config = stage_config(Job(tiny_recipe(**changes), layout, stage))
        config.max_steps = 1
        model = load_model(layout.checkpoint("sft"), None)
        common = {"args": config, "train_dataset": prepared.rows.rows, "processing_class": prepared.tokenizer}
        trainer = (
            EncodedDPOTrainer(model, **common)
            if stage == "dpo"
            else FactoryGRPOTrainer(model, reward_funcs=reward, **common)
        )
        done = trainer.train()
        assert trainer.state.global_step == 1 and math.isfinite(done.training_loss), word


@pytest.mark.parametrize("name", RL_SETTINGS)
def test_named_settings_fill_what_the_recipe_leaves_out(name):
    section = RLSection(settings=name)
    given = RL_SETTINGS[name]
    assert {key: getattr(section, key) for key in given if key != "trl"} == {
        k: v for k, v in given.items() if k != "trl"
    }
    assert section.trl == given.get("trl", {})
    own = RLSection(settings=name, temperature_end=0.9, trl={"epsilon_high": 0.3})
    assert own.temperature_end == 0.9 and own.trl == {"epsilon_high": 0.3}


def test_named_settings_are_one_word_of_a_recipe():
    recipe = load_recipe("smollm2_135m", ["train.rl.settings=paper", "train.rl.temperature_end=0.8"])
    assert recipe.train.rl.prompts == "in_order" and recipe.train.rl.rebalance is True
    assert (recipe.train.rl.temperature_end, recipe.train.rl.refill) == (0.8, 0)
    modern = load_recipe("smollm2_135m").train.rl
    assert (modern.prompts, modern.refill, modern.rebalance, modern.temperature_end) == (
        "online",
        1,
        False,
        1.0,
    )
    assert modern.trl == {"epsilon_high": 0.28}
    assert load_recipe("quickstart").train.rl.prompts == "in_order"


def test_a_stage_of_a_former_version_keeps_its_key():
    """`recipe.yaml` of a former run holds every key; those that came later are at what was done before."""
    assert RLSection(settings=None, prompts="in_order", refill=0).as_before() == {
        "settings",
        "prompts",
        "refill",
    }
    assert RLSection().as_before() == set()


def test_what_contradicts_itself_is_refused():
    with pytest.raises(ValueError, match="refill needs prompts: online"):
        RLSection(prompts="in_order", refill=2)
