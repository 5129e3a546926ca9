"""On-policy distillation: the student comes nearer to its teacher; a teacher of another family is refused before weights move."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from factory.config.load import load_recipe
from factory.config.train import DistillSection
from factory.errors import Stopped, UsageError
from factory.run.layout import RunLayout, expected_places
from train import stages
from train.callbacks import StopOnSignal
from train.run import run_stage
from train.stage import manifest_of, summary_of

SETTINGS = {
    "max_steps": 8,
    "batch_size": 8,
    "micro_batch_size": 4,
    "learning_rate": 3e-3,
    "max_completion_length": 24,
}


@pytest.fixture
def run(trained, tmp_path):
    """A run whose sft student is the teacher of its base."""
    shutil.copytree(trained.run, tmp_path / "run")
    teacher = tmp_path / "teacher"
    shutil.copytree(trained.checkpoint("sft"), teacher)
    return RunLayout(tmp_path / "run"), teacher


def recipe_of(tiny_recipe, teacher, **changes):
    off = {name: {"enabled": False} for name in ("midtrain", "sft", "dpo")}
    return tiny_recipe(**off, distill=SETTINGS | {"teacher": str(teacher)} | changes)


def distance(model, teacher, layout):
    """KL of the student to the teacher on the teacher's own answers to the prompts, nats per token."""
    tokenizer = AutoTokenizer.from_pretrained(layout.checkpoint("base"))
    texts = [f"What is {a} + {b}? <think>\n{a} + {b} = {a + b}\n</think>" for a in range(3) for b in range(3)]
    ids = [tokenizer(text, return_tensors="pt").input_ids for text in texts]
    student, other = (AutoModelForCausalLM.from_pretrained(path) for path in (model, teacher))
    with torch.no_grad():
        parts = [
            torch.nn.functional.kl_div(
                other(each).logits.log_softmax(-1), student(each).logits.log_softmax(-1), log_target=True, reduction="none"
            ).sum(-1).mean()
            for each in ids
        ]  # fmt: skip
    return float(torch.stack(parts).mean())


def test_the_student_comes_nearer_to_the_teacher(run, tiny_recipe):
    layout, teacher = run
    run_stage(recipe_of(tiny_recipe, teacher), layout.run, "distill")
    summary = summary_of(layout, "distill")
    assert summary.parent == "base" and summary.steps == 8
    assert distance(layout.checkpoint("distill"), teacher, layout) < 0.8 * distance(
        layout.checkpoint("base"), teacher, layout
    )
    assert "teacher" in (layout.checkpoint("distill") / "README.md").read_text("utf-8")
    before = (layout.checkpoint("distill") / "model.safetensors").stat().st_mtime_ns
    moved = teacher.with_name("elsewhere")
    teacher.rename(moved)
    run_stage(recipe_of(tiny_recipe, moved), layout.run, "distill")
    assert (layout.checkpoint("distill") / "model.safetensors").stat().st_mtime_ns == before, (
        "the same weights, moved"
    )
    assert "teacher" in manifest_of(layout, "distill")["settings"]


@pytest.mark.long
def test_a_stopped_distillation_resumes_exactly(run, tmp_path, tiny_recipe, monkeypatch):
    layout, teacher = run
    recipe = recipe_of(tiny_recipe, teacher)
    again = RunLayout(tmp_path / "again")
    shutil.copytree(layout.run, again.run)
    run_stage(recipe, layout.run, "distill")

    class Stopper(StopOnSignal):
        def on_step_end(self, args, state, control, **more):
            self.asked = self.asked or state.global_step >= 5
            super().on_step_end(args, state, control, **more)

    with monkeypatch.context() as patch:
        patch.setattr(stages, "StopOnSignal", Stopper)
        with pytest.raises(Stopped):
            run_stage(recipe, again.run, "distill")
    run_stage(recipe, again.run, "distill", resume=True)
    lines = [
        [
            {k: v for k, v in json.loads(line).items() if "time" not in k and "second" not in k}
            for line in (each.stage("distill") / "metrics.jsonl").read_text().splitlines()
        ]
        for each in (layout, again)
    ]
    assert len(lines[0]) == 8 and [x["loss"] for x in lines[0]] == [x["loss"] for x in lines[1]]
    one, other = (
        AutoModelForCausalLM.from_pretrained(each.checkpoint("distill")).state_dict()
        for each in (layout, again)
    )
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("fault", ["vocabulary", "template", "absent", "output"])
def test_a_teacher_that_does_not_fit_is_one_line_before_training(fault, run, tiny_recipe):
    layout, teacher = run
    said = {
        "vocabulary": "has another vocabulary: token",
        "template": "is asked",
        "absent": "nowhere",
        "output": "output has",
    }[fault]
    if fault == "vocabulary":
        tokenizer = AutoTokenizer.from_pretrained(teacher)
        tokenizer.add_tokens(["<extra>"])
        tokenizer.save_pretrained(teacher)
    elif fault == "template":
        tokenizer = AutoTokenizer.from_pretrained(teacher)
        tokenizer.chat_template = "{% for m in messages %}Q: {{ m.content }}{% endfor %}A:"
        tokenizer.save_pretrained(teacher)
    elif fault == "output":
        path = teacher / "config.json"
        config = json.loads(path.read_text())
        config["vocab_size"] += 64
        path.write_text(json.dumps(config))
    else:
        teacher = Path("nowhere")
    with pytest.raises(UsageError, match=said):
        run_stage(recipe_of(tiny_recipe, teacher), layout.run, "distill", dry_run=True)


def test_a_teacher_switches_the_stage_on_and_its_prompts_are_made():
    assert not DistillSection().enabled and DistillSection(teacher="x").enabled
    assert not DistillSection(teacher="x", enabled=False).enabled
    with pytest.raises(ValueError, match="needs a teacher"):
        DistillSection(enabled=True)
    plain = [place.folder for place in expected_places(load_recipe("quickstart").model_dump(mode="json"))]
    assert not [each for each in plain if "distill" in each]
    changes = ["train.distill.teacher=somewhere", "train.rl.enabled=false"]
    asked = [p.folder for p in expected_places(load_recipe("quickstart", changes).model_dump(mode="json"))]
    assert (
        asked[-4:] == ["selected/rl", "datasets/rl", "train/distill", "eval/distill"]
        and "train/rl" not in asked
    )
    former = {"name": "old", "problems": {"sources": []}, "train": {"rl": {"max_steps": 1}}}
    assert "train/distill" not in [place.folder for place in expected_places(former)]
