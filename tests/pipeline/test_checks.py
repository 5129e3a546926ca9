"""What can be known before a run is checked before it: each mistake is one line, exit 2, and nothing is made."""

from pathlib import Path

import pytest

from factory.config.load import load_recipe
from factory.errors import UsageError
from factory.pipeline import checks, training_checks
from factory.pipeline.checks import check_recipe
from factory.pipeline.run import plan, run_recipe
from factory.run.layout import RunLayout
from tests.support.cli import run_factory

BAD = {
    "generate.teacher=nosuch": "generate.teacher: no teacher called nosuch",
    "generate.teacher=deepseek_flsh": "did you mean deepseek-flash?",
    "generate.teacher=vllm": "generate.teacher: vllm needs a model",
    "generate.teacher=transformers": "generate.teacher: transformers needs a model",
    "verify.judge=nosuch": "verify.judge: no teacher called nosuch",
    "verify.judge=opnai": "did you mean openai?",
    "datasets.judge={preset: nosuch}": "datasets.judge.preset: no teacher called nosuch",
    "decontamination.against=[nosuch]": "decontamination.against: no benchmark nosuch",
    "decontamination.against=[AIMME-24]": "did you mean aime24?",
    "datasets.balance=[domian]": "datasets.balance: no column domian - did you mean domain?",
    "evaluation.benchmarks=[held_uot]": "evaluation.benchmarks: no benchmark held_uot - did you mean held_out?",
    "evaluation.benchmarks=['procedural:nosuch']": "evaluation.benchmarks: procedural:nosuch: unknown family",
    "problems.sources=[nosuch.jsonl]": "problems.sources: nosuch.jsonl does not exist",
    "problems.sources=['procedural:al']": "problems.sources: procedural:al: unknown family al",
    "problems.sources=['procedural:all?cuont=3']": "unknown setting cuont",
    "evaluation.benchmarks=['hf://datasets/x']": "not of the form hf://datasets/OWNER/NAME",
    "problems.held_out=0": "problems.held_out is 0",
    "deduplication.against=[nosuch.jsonl]": "deduplication.against: nosuch.jsonl does not exist",
    "train.rl.max_accuracy=0.5": None,
    "generate.batch=true": "has no Batch API",
    "generate.truncation=continue": "truncation continue",
    "generate.base_url=localhost:8000": None,
    "train.student.model=./nosuch/place": "train.student.model: ./nosuch/place is neither a folder nor a Hub id",
    "train.student.chat_template=nosuch.jinja": "train.student.chat_template: nosuch.jinja does not exist",
    "train.sft.trl={adam_beat2: 0.9}": "train.sft.trl.adam_beat2: SFTConfig has no such field - did you mean adam_beta2?",
    "train.rl.trl={num_genrations: 4}": "did you mean num_generations?",
}
"""`--set` on the quickstart, and what is said; None: the setting does no harm there."""


def checked(*changes):
    recipe = load_recipe("quickstart", changes)
    at = RunLayout(Path("no-such-run"))
    check_recipe(recipe, [step.name for step in plan(recipe, at)], at)


def test_rl_prompts_that_rebalancing_would_all_leave_out_are_refused():
    with pytest.raises(UsageError, match=r"rl_prompts\.high 0\.9 is above train\.rl\.max_accuracy 0\.5"):
        checked("train.rl.rebalance=true", "train.rl.max_accuracy=0.5")


@pytest.mark.parametrize("change", BAD)
def test_a_wrong_name_is_refused_before_the_first_step(change, tmp_path):
    if BAD[change] is None:
        checked(change)
        return
    with pytest.raises(UsageError) as refused:
        run_recipe(load_recipe("quickstart", [change]), tmp_path / "run")
    lines = str(refused.value).splitlines()
    assert len(lines) == 1
    assert BAD[change] in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_every_mistake_is_named_at_once():
    with pytest.raises(UsageError) as refused:
        checked("generate.teacher=nosuch", "verify.judge=nosuch", "datasets.balance=[domian]")
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == [
        "generate.teacher",
        "verify.judge",
        "datasets.balance",
    ]


def test_shipped_recipes_that_need_nothing_pass():
    for name in ("quickstart", "staircase_cpu", "smollm2_135m"):
        recipe = load_recipe(name)
        check_recipe(recipe, [step.name for step in plan(recipe, RunLayout(Path("x")))])


def test_the_papers_recipe_lacks_nothing_but_key_and_gpu(monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", "k")
    monkeypatch.setattr(checks, "has_hub_token", lambda: True)
    monkeypatch.setattr(training_checks, "has_gpu", lambda: True)
    for module in (checks, training_checks):
        monkeypatch.setattr(module, "find_spec", lambda name: object())
    monkeypatch.setattr(training_checks, "_passed_on", lambda recipe: ())
    recipe = load_recipe("phi4_mini_reasoning")
    check_recipe(recipe, [step.name for step in plan(recipe, RunLayout(Path("x")))])


def test_a_gated_benchmark_without_a_token_is_refused_before_anything_is_paid(monkeypatch, tmp_path):
    for name in ("HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="gpqa_diamond is gated, and there is no Hub token"):
        checked("evaluation.benchmarks=[gpqa_diamond]")
    (tmp_path / "token").write_text("t")
    checked("evaluation.benchmarks=[gpqa_diamond]")


def test_keys_are_needed_only_where_a_teacher_is_asked(monkeypatch, tmp_path):
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    recipe = load_recipe("quickstart", ["generate.teacher=deepseek-r1"])
    with pytest.raises(UsageError, match="OPENROUTER_API_KEY is not set"):
        check_recipe(recipe, ["problems", "generate"])
    check_recipe(recipe, ["problems", "dedup"])
    at = RunLayout(tmp_path)
    at.responses.mkdir(parents=True)
    (at.responses / "_manifest.json").write_text("{}")
    check_recipe(recipe, ["problems", "generate"], at)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (["train.student.attention=flash_attention_2"], "flash_attention_2 needs a GPU"),
        (["train.rl.vllm=colocate"], "vllm is not installed"),
        (["train.tracker=wandb"], "train.tracker is wandb, which is not installed"),
        (["problems.sources=['hf://datasets/a/b']", "generate.teacher=qwq"], "needs datasets"),
        (["problems.sources=['reasoning_gym:chain_sum']", "generate.teacher=qwq"], "needs reasoning-gym"),
    ],
)
def test_a_missing_package_or_gpu_is_named(changes, line, monkeypatch):
    missing = ("vllm", "wandb", "reasoning_gym") + (("datasets",) if "needs datasets" in line else ())
    monkeypatch.setattr(training_checks, "has_gpu", lambda: False)
    for module in (checks, training_checks):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name in missing else object())
    monkeypatch.setattr(training_checks, "_passed_on", lambda recipe: ())
    with pytest.raises(UsageError, match=line):
        checked(*changes)


def test_a_model_is_not_asked_for_problems_that_the_procedural_teacher_cannot_answer():
    with pytest.raises(UsageError, match="procedural answers procedural problems only"):
        checked("problems.sources=['hf://datasets/a/b']")


@pytest.mark.parametrize("change", ["verify.judge=nosuch", "evaluation.stages=[sftt]", "generate.sampels=1"])
def test_a_dry_run_makes_the_same_checks(change, tmp_path):
    done = run_factory("run", "quickstart", "--dry-run", "--set", change, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert change.partition("=")[0].split(".")[-1] in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_student_is_rolled_out_before_the_sft_set_where_its_failures_decide_it():
    recipe = load_recipe("code", ["datasets.max_pass_rate=0.25"])
    names = [step.name for step in plan(recipe, RunLayout(Path("x")))]
    assert names.index("midtrain-set") < names.index("difficulty") < names.index("sft-set")
    plain = [step.name for step in plan(load_recipe("code"), RunLayout(Path("x")))]
    assert sorted(names) == sorted(plain) and plain.index("sft-set") < plain.index("difficulty")
    with pytest.raises(UsageError, match="max_pass_rate needs a student that is there before sft"):
        checked("datasets.max_pass_rate=0.25")


def test_every_teacher_is_checked():
    with pytest.raises(UsageError, match=r"generate.others: no teacher called qwk - did you mean qwq\?"):
        checked("generate.others=[{teacher: qwk, share: 0.5}]")


def test_nothing_is_requested_only_where_responses_are_there(tmp_path):
    (tmp_path / "p.jsonl").write_text('{"problem": "1 + 1?", "answer": "2"}\n')
    with pytest.raises(UsageError, match="samples is 0, and no source holds responses"):
        checked(f"problems.sources=[{tmp_path}/p.jsonl]", "generate.samples=0")
    (tmp_path / "p.jsonl").write_text('{"problem": "1 + 1?", "answer": "2", "response": "2"}\n')
    checked(f"problems.sources=[{tmp_path}/p.jsonl]", "generate.samples=0", "generate.teacher=vllm")
