"""Every shipped recipe makes TRL configs on the installed stack, and the paper's figures arrive where they belong."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from pydantic import ValidationError

import recipes
from factory.config.load import load_recipe
from factory.config.train import RLSection
from factory.errors import UsageError
from factory.run.layout import PAPER as STAGES
from factory.run.layout import RunLayout
from train import configs
from train.configs import OWNED, RESERVED, accumulation, stage_config
from train.stage import Job

FOLDER = Path(recipes.__file__).parent
TRAINED = [p.stem for p in sorted(FOLDER.glob("*.yaml")) if load_recipe(p).train is not None]


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("stage", STAGES)
def test_every_recipe_makes_its_configs(name, stage, tmp_path, monkeypatch):
    monkeypatch.setattr(configs, "find_spec", lambda name: object())
    config = stage_config(Job(load_recipe(name), RunLayout(tmp_path), stage))
    section = getattr(load_recipe(name).train, stage)
    assert config.learning_rate == section.learning_rate
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps == section.batch_size


def test_the_papers_figures_reach_trl(tmp_path, monkeypatch):
    monkeypatch.setattr(configs, "find_spec", lambda name: object())
    recipe = load_recipe("phi4_mini_reasoning")
    job = lambda stage: stage_config(Job(recipe, RunLayout(tmp_path), stage))  # noqa: E731
    midtrain, sft, dpo, rl = map(job, STAGES)
    assert (midtrain.packing, midtrain.max_length, midtrain.num_train_epochs) == (True, 16384, 5)
    assert (midtrain.learning_rate, midtrain.warmup_steps) == (1e-5, 0.1)
    assert (sft.packing, sft.max_length, sft.num_train_epochs, sft.learning_rate) == (False, None, 1, 1e-5)
    assert (dpo.learning_rate, dpo.num_train_epochs, dpo.loss_type) == (5e-7, 1, ["sigmoid"])
    assert dpo.precompute_ref_log_probs and dpo.max_length == 16384
    assert (rl.learning_rate, rl.temperature, rl.shuffle_dataset) == (5e-7, 1.0, False)
    assert (rl.use_vllm, rl.vllm_mode) == (True, "colocate")
    section = recipe.train.rl
    assert (section.temperature_end, section.temperature_fraction, section.max_accuracy) == (0.6, 0.5, 0.5)


def test_every_figure_of_the_papers_recipe_says_where_it_is_from():
    text = (FOLDER / "phi4_mini_reasoning.yaml").read_text()
    for line in text.split("\ntrain:\n")[1].split("\nevaluation:")[0].splitlines():
        value = line.split("#")[0].rstrip()
        if value.endswith((":", "")) and not value.partition(":")[2].strip():
            continue
        if any(
            k in value
            for k in ("micro_batch_size", "max_prompt_length", "vllm_", "tracker", "max_completion")
        ):
            continue
        assert any(mark in line for mark in ("[P]", "[2nd", "[MEM]", "[ours]", "as above")), line


@pytest.mark.parametrize("name", ["eval_strategy", "load_best_model_at_end"])
def test_a_validation_split_is_a_key_of_the_recipe(name, tmp_path, tiny_recipe):
    """`eval_strategy` alone ended in a traceback: there was no set to evaluate on."""
    at = RunLayout(tmp_path)
    with pytest.raises(UsageError, match=r"write train.sft.validation"):
        stage_config(Job(tiny_recipe(sft={"trl": {name: "steps"}}), at, "sft"))
    with pytest.raises(UsageError, match=r"stage rl has no validation split"):
        stage_config(Job(tiny_recipe(rl={"trl": {name: "steps"}}), at, "rl"))
    config = stage_config(Job(tiny_recipe(sft={"validation": 0.2}), at, "sft"))
    assert (config.eval_strategy, config.eval_steps, config.load_best_model_at_end) == ("steps", 0.1, True)
    assert stage_config(Job(tiny_recipe(), at, "sft")).eval_strategy == "no"


@pytest.mark.parametrize("key", [k for k, own in OWNED.items() if own in RLSection.model_fields])
def test_a_value_has_one_place_only(key, tmp_path, tiny_recipe):
    job = Job(tiny_recipe(rl={"trl": {key: 1}}), RunLayout(tmp_path), "rl")
    with pytest.raises(UsageError, match=f"trl.{key} is set by the recipe itself .* train.rl.{OWNED[key]}"):
        stage_config(job)


@pytest.mark.parametrize("key", RESERVED)
def test_what_the_trainer_needs_cannot_be_set(key, tmp_path, tiny_recipe):
    kind = "rl" if key in ("shuffle_dataset", "num_iterations") else "sft"
    with pytest.raises(UsageError, match="belongs to the trainer"):
        stage_config(Job(tiny_recipe(**{kind: {"trl": {key: 1}}}), RunLayout(tmp_path), kind))


def test_every_key_under_trl_is_checked_not_only_the_first(tmp_path, tiny_recipe):
    for second, said in (("seed", "belongs to the trainer"), ("no_such_field", "has no field no_such_field")):
        assert second in RESERVED or second == "no_such_field"
        job = Job(tiny_recipe(rl={"trl": {"top_k": 7, second: 1}}), RunLayout(tmp_path), "rl")
        with pytest.raises(UsageError, match=said):
            stage_config(job)


def test_passthrough_reaches_trl_and_its_refusals_come_back_as_one_line(tmp_path, tiny_recipe):
    at = RunLayout(tmp_path)
    assert stage_config(Job(tiny_recipe(rl={"trl": {"top_k": 7}}), at, "rl")).top_k == 7
    with pytest.raises(UsageError, match="TRL refuses"):
        stage_config(Job(tiny_recipe(sft={"trl": {"logging_strategy": "sometimes"}}), at, "sft"))


def test_recipe_choices_for_comparison(tmp_path, tiny_recipe):
    at = RunLayout(tmp_path)
    rl = stage_config(Job(tiny_recipe(rl={"loss": "dr_grpo", "trl": {"epsilon_high": 0.28}}), at, "rl"))
    assert rl.loss_type == "dr_grpo" and rl.epsilon_high == 0.28
    dpo = stage_config(
        Job(tiny_recipe(dpo={"loss": "sigmoid_norm", "sft_weight": 0.2, "beta": 2}), at, "dpo")
    )
    assert dpo.loss_type == ["sigmoid_norm", "sft"] and dpo.loss_weights == [1.0, 0.2] and dpo.beta == 2


def test_groups_must_be_whole():
    with pytest.raises(ValidationError, match="multiple of group_size"):
        RLSection(batch_size=12, group_size=8)
    with pytest.raises(UsageError, match="2 device"):
        accumulation(RLSection(batch_size=8, group_size=8, micro_batch_size=8), 2)


def test_vllm_that_is_missing_or_silent_is_one_line(monkeypatch):
    monkeypatch.setattr(configs, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="not installed"):
        configs.vllm_settings(RLSection(vllm="colocate"))
    assert configs.vllm_settings(RLSection()) == {}
    nobody = SimpleNamespace(vllm_server_base_url="http://127.0.0.1:9")
    with pytest.raises(UsageError, match="vllm serve"):
        configs.check_server(RLSection(vllm="server"), nobody)


def test_a_vllm_server_that_answers_is_taken():
    class Health(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        config = SimpleNamespace(vllm_server_base_url=f"http://127.0.0.1:{server.server_port}")
        configs.check_server(RLSection(vllm="server"), config)
    finally:
        server.shutdown()


@pytest.mark.parametrize("path", sorted((FOLDER / "accelerate").glob("*.yaml")), ids=lambda p: p.stem)
def test_accelerate_reads_its_configs(path):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert json.dumps(yaml.safe_load(path.read_text()))
    assert config.num_processes >= 2


def test_warmup_reaches_a_constant_schedule(tmp_path, tiny_recipe):
    """transformers' `constant` ignores warm-up; the section's default schedule is `constant`."""
    at = RunLayout(tmp_path)
    assert (
        stage_config(Job(tiny_recipe(rl={"trl": {"warmup_steps": 0.5}}), at, "rl")).lr_scheduler_type
        == "constant_with_warmup"
    )
    assert stage_config(Job(tiny_recipe(), at, "rl")).lr_scheduler_type == "constant"
    cosine = tiny_recipe(rl={"trl": {"warmup_steps": 0.5, "lr_scheduler_type": "cosine"}})
    assert stage_config(Job(cosine, at, "rl")).lr_scheduler_type == "cosine"


@pytest.mark.parametrize("name", ["scale_rewards", "multi_objective_aggregation"])
def test_what_rebalancing_overrides_is_refused(name, tmp_path, tiny_recipe):
    at = RunLayout(tmp_path)
    value = {"scale_rewards": "batch", "multi_objective_aggregation": "normalize_then_sum"}[name]
    with pytest.raises(UsageError, match="has no effect with rebalancing"):
        stage_config(Job(tiny_recipe(rl={"trl": {name: value}}), at, "rl"))
    plain = stage_config(Job(tiny_recipe(rl={"rebalance": False, "trl": {name: value}}), at, "rl"))
    assert getattr(plain, name) == value


def test_vllms_importance_ratio_is_taken_per_token_unless_the_recipe_says_otherwise(
    tmp_path, tiny_recipe, monkeypatch
):
    monkeypatch.setattr(configs, "find_spec", lambda name: object())
    at, mode = RunLayout(tmp_path), "vllm_importance_sampling_mode"
    config = stage_config(Job(tiny_recipe(rl={"vllm": "colocate"}), at, "rl"))
    assert getattr(config, mode) == "token_truncate"
    own = tiny_recipe(rl={"vllm": "colocate", "trl": {mode: "sequence_mask"}})
    assert getattr(stage_config(Job(own, at, "rl")), mode) == "sequence_mask"
