"""Public students go through every stage: their padding, stops, templates and position codes as they are shipped."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import students
import torch
from students import STUDENTS, write_student
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from factory.errors import Stopped, UsageError
from factory.run.layout import PAPER as STAGES
from factory.run.layout import RunLayout
from factory.sampling.generation import LoadedModel
from factory.sampling.sampler import SamplingParams
from tests.support.cli import start_factory
from tests.support.marks import mostly_long
from train import stages
from train.callbacks import StopOnSignal
from train.data import encode
from train.run import run_stage
from train.stage import summary_of
from train.tokens import end_token, fix_date, settle_tokens

ROOT = Path(__file__).parents[2]
PADS = {
    "phi4_mini": "<|pad|>",
    "qwen2_5": "<|endoftext|>",
    "qwen3": "<|endoftext|>",
    "r1_distill": "<|vision_pad|>",
    "llama3_2": "<|finetune_right_pad_id|>",
    "smollm2": "<|endoftext|>",
    "gemma3": "<pad>",
}
PROMPT = [{"role": "user", "content": "What is 1 + 2?"}]
ANSWER = [{"role": "assistant", "content": "<think>\n1 + 2 = 3\n</think>\n\\boxed{3}"}]


class StopAfterOne(StopOnSignal):
    def on_step_end(self, args, state, control, **more):
        self.asked = True
        super().on_step_end(args, state, control, **more)


@pytest.fixture(scope="module", params=mostly_long(STUDENTS))
def trained_student(request, tmp_path_factory, tiny_recipe, make_sets):
    """A student after all four stages: midtrain stopped and resumed, sft and dpo with adapters."""
    root = tmp_path_factory.mktemp(request.param)
    run = RunLayout(root / "run")
    make_sets(run, 12)
    few = {"max_steps": 2, "batch_size": 4, "max_length": 512}
    settings = {
        "student": {
            "model": str(write_student(request.param, root / "student")),
            "long_factors": request.param == "phi4_mini",
        },
        "midtrain": few | {"micro_batch_size": 1},
        "sft": few | {"micro_batch_size": 4},
        "dpo": few | {"micro_batch_size": 4},
        "rl": {"max_steps": 1, "batch_size": 4, "micro_batch_size": 4, "group_size": 2, "oversample": 2},
    }
    plain = tiny_recipe(**settings)
    adapted = tiny_recipe(**settings, lora={"rank": 2, "alpha": 4})
    run_stage(plain, run.run, "base")
    for stage in STAGES:
        recipe = adapted if stage in ("sft", "dpo") else plain
        if stage == "midtrain":
            with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
                patch.setattr(stages, "StopOnSignal", StopAfterOne)
                run_stage(recipe, run.run, stage)
        run_stage(recipe, run.run, stage, resume=True)
    return request.param, run, root / "student"


def test_every_stage_is_trained_and_its_card_is_there(trained_student):
    _, run, _ = trained_student
    for stage in STAGES:
        summary = summary_of(run, stage)
        assert summary.steps == (1 if stage == "rl" else 2)
        assert summary.plan
        assert "| base |" in (run.checkpoint(stage) / "README.md").read_text()


def test_the_default_rl_takes_a_step_with_every_student(trained_student, tmp_path, tiny_recipe):
    """Online prompts, refill and clip-higher; the fixture's own rl is the paper's."""
    _, run, student = trained_student
    shutil.copytree(run.run, tmp_path / "run", ignore=shutil.ignore_patterns("rl"))
    shutil.copytree(run.dataset("rl"), RunLayout(tmp_path / "run").dataset("rl"))
    rl = {"settings": "modern", "max_steps": 2, "batch_size": 8, "micro_batch_size": 8, "group_size": 4}
    run_stage(tiny_recipe(student={"model": str(student)}, rl=rl), tmp_path / "run", "rl")
    made = RunLayout(tmp_path / "run")
    assert summary_of(made, "rl").steps == 2 and len(list(made.stage("rl").glob("rollouts/*"))) == 2


def test_tokenizer_config_and_generation_agree_in_every_stage(trained_student):
    """Padding is no end; generation stops where a turn ends; nothing else of the checkpoint's sampling is left."""
    name, run, _ = trained_student
    for stage in ("base", *STAGES):
        folder = run.checkpoint(stage)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        config, generation = AutoConfig.from_pretrained(folder), GenerationConfig.from_pretrained(folder)
        assert tokenizer.pad_token == PADS[name]
        assert config.pad_token_id == generation.pad_token_id == tokenizer.pad_token_id < config.vocab_size
        assert config.eos_token_id == generation.eos_token_id
        assert end_token(tokenizer) in generation.eos_token_id
        assert tokenizer.pad_token_id != end_token(tokenizer)
        assert not {"repetition_penalty", "temperature", "top_k", "top_p"} & set(generation.to_diff_dict())
    assert summary_of(run, "base").tokens["pad"] == PADS[name]


def test_a_row_is_what_the_student_is_sampled_with(trained_student):
    """Prompt ids are those of generation; what is learnt is the reasoning, the answer and the end of the turn."""
    _, run, _ = trained_student
    tokenizer = AutoTokenizer.from_pretrained(run.checkpoint("sft"))
    ids, labels = encode(tokenizer, PROMPT, ANSWER, loss_on_prompt=False)
    start = sum(label == -100 for label in labels)
    asked = tokenizer.apply_chat_template(PROMPT, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert ids[:start] == asked
    learnt = tokenizer.decode(ids[start:], skip_special_tokens=True)
    whole = tokenizer.decode(ids, skip_special_tokens=True)
    assert whole.count("<think>") == whole.count("</think>") == 1
    assert "1 + 2 = 3\n</think>" in learnt and "\\boxed{3}" in learnt
    assert end_token(tokenizer) in ids[start:]


def test_the_trained_student_can_be_evaluated(trained_student):
    _, run, _ = trained_student
    model = LoadedModel(run.checkpoint("rl"))
    prompt = model.encode(PROMPT)
    answers = model.generate([prompt, prompt], SamplingParams(max_tokens=8, temperature=1.0), [1, 2])
    assert len(answers) == 2 and all(a.prompt_tokens == len(prompt.tokens) for a in answers)


def test_the_checkpoints_own_penalties_do_not_reach_evaluation(tmp_path):
    """Qwen2.5 ships a repetition penalty: its score would be taken under another sampler than RL's."""
    folder = write_student("qwen2_5", tmp_path / "plain")
    shutil.copytree(folder, tmp_path / "bare")
    GenerationConfig(eos_token_id=GenerationConfig.from_pretrained(folder).eos_token_id).save_pretrained(
        tmp_path / "bare"
    )
    texts = []
    for place in ("plain", "bare"):
        model = LoadedModel(tmp_path / place)
        prompt = model.encode(PROMPT)
        texts.append(
            model.generate([prompt] * 4, SamplingParams(max_tokens=24, temperature=0.7), [1, 2, 3, 4])
        )
    assert texts[0] == texts[1]


def settled(name, tmp_path, wanted=None, **change):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(students.STUDENTS, name, replace(STUDENTS[name], **change))
        folder = write_student(name, tmp_path / name)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    facts, said = settle_tokens(tokenizer, model, wanted)
    return tokenizer, model, facts, said


def test_a_new_token_gets_a_row_when_none_is_unused(tmp_path):
    special = tuple(t for t in STUDENTS["smollm2"].special if t != "<|endoftext|>")
    named = {k: v for k, v in STUDENTS["smollm2"].named.items() if k != "unk_token"}
    tokenizer, model, facts, said = settled("smollm2", tmp_path, special=special, named=named)
    rows = model.get_input_embeddings().weight.shape[0]
    assert tokenizer.pad_token == "<|pad|>" and len(tokenizer) <= rows == model.config.vocab_size
    assert facts["embeddings"] == [rows - (rows - 262), rows] and "new" in said
    assert model.lm_head.weight is model.get_input_embeddings().weight
    with torch.no_grad():
        assert model(torch.tensor([[1, 2, 3]])).logits.isfinite().all()


def test_the_recipe_names_another_padding_token(tmp_path):
    tokenizer, model, _, said = settled("llama3_2", tmp_path, "<|reserved_special_token_0|>")
    assert tokenizer.pad_token == "<|reserved_special_token_0|>" and "named by the recipe" in said
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id
    with pytest.raises(UsageError, match="ends a turn"):
        settled("llama3_2", tmp_path, "<|eot_id|>")


def test_rows_do_not_change_from_day_to_day(tmp_path):
    tokenizer = settled("llama3_2", tmp_path)[0]
    assert "Today Date: 26 Jul 2024" in tokenizer.apply_chat_template(PROMPT, tokenize=False)
    assert fix_date("{{ strftime_now('%Y-%m-%d') }}") == '{{ "2024-07-26" }}'


def packed_and_separate(folder):
    """Largest difference of a short document's logits alone and in a pack with a long one."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    short, long = torch.arange(10, 60), torch.arange(10, 210) % 250
    ids = torch.cat([short, long]).unsqueeze(0)
    positions = torch.cat([torch.arange(50), torch.arange(200)]).unsqueeze(0)
    with torch.no_grad():
        together = model(input_ids=ids, position_ids=positions).logits[0, :50]
        alone = model(input_ids=short.unsqueeze(0)).logits[0]
    return float((together - alone).abs().max())


def test_a_longrope_student_needs_one_set_of_factors_for_packing(tmp_path, tiny_recipe, make_sets):
    """Packed was not separate: the long factors are chosen by the longest document of the pack."""
    run = RunLayout(tmp_path / "run")
    make_sets(run, 12)
    student = {"model": str(write_student("phi4_mini", tmp_path / "student"))}
    midtrain = {"max_length": 512, "max_steps": 1}
    longer = [{"role": "assistant", "content": "<think>\n" + "1 + 2 = 3\n" * 20 + "</think>\n\\boxed{3}"}]
    path = next(run.dataset("midtrain").glob("train-*"))
    frame = pl.read_parquet(path)
    rows = frame.to_dicts()
    rows[0]["completion"] = longer
    pl.DataFrame(rows, schema=frame.schema).write_parquet(path)
    run_stage(tiny_recipe(student=student, midtrain=midtrain), run.run, "base")
    assert packed_and_separate(run.checkpoint("base")) > 1e-5
    with pytest.raises(UsageError, match=r"beyond 128 tokens.*long_factors=true.*packing=false"):
        run_stage(tiny_recipe(student=student, midtrain=midtrain), run.run, "midtrain")
    alone = midtrain | {"packing": False, "micro_batch_size": 1}
    run_stage(tiny_recipe(student=student, midtrain=alone), run.run, "midtrain", dry_run=True)
    one = tiny_recipe(student=student | {"long_factors": True}, midtrain=midtrain)
    run_stage(one, run.run, "base")
    assert packed_and_separate(run.checkpoint("base")) < 1e-5
    run_stage(one, run.run, "midtrain")


def test_long_factors_are_refused_where_there_are_none(tmp_path, tiny_recipe):
    student = {"model": str(write_student("smollm2", tmp_path / "student")), "long_factors": True}
    with pytest.raises(UsageError, match="this one has none"):
        run_stage(tiny_recipe(student=student), tmp_path / "run", "base")


def test_a_revision_pins_weights_tokenizer_and_template_alike(tmp_path, tiny_recipe, monkeypatch):
    """Only the weights were pinned: the tokenizer and its template came from the newest commit."""
    student = {"model": str(write_student("qwen3", tmp_path / "student")), "revision": "abc123"}
    asked = []
    for kind in (AutoTokenizer, AutoModelForCausalLM):

        def load(name, *more, load=kind.from_pretrained, kind=kind, **settings):
            asked.append((kind.__name__, settings.pop("revision", None)))
            return load(name, *more, **settings)

        monkeypatch.setattr(kind, "from_pretrained", load)
    run_stage(tiny_recipe(student=student), tmp_path / "run", "base")
    assert sorted(asked) == [("AutoModelForCausalLM", "abc123"), ("AutoTokenizer", "abc123")]


def test_a_student_that_cannot_be_loaded_is_one_line(tmp_path, tiny_recipe):
    folder = write_student("qwen3", tmp_path / "student")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"cannot load the student .*student"):
        run_stage(tiny_recipe(student={"model": str(folder)}), tmp_path / "run", "base")


def plain(tmp_path, template):
    return settled("smollm2", tmp_path, template=template)[0]


def test_a_template_that_ends_an_answer_with_nothing_still_teaches_to_stop(tmp_path):
    template = (
        "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    tokenizer = plain(tmp_path, template)
    ids, labels = encode(tokenizer, PROMPT, ANSWER, loss_on_prompt=False)
    assert tokenizer.decode(ids).endswith("\\boxed{3}\n<|im_end|>") and labels[-1] == tokenizer.eos_token_id


def test_a_conversation_that_the_template_refuses_is_one_line(tmp_path):
    template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}{{ m['content'] + eos_token }}{% endfor %}"
    )
    tokenizer = plain(tmp_path, template)
    with pytest.raises(UsageError, match=r"refuses a conversation of system, user .*not supported"):
        encode(tokenizer, [{"role": "system", "content": "s"}, *PROMPT], ANSWER, loss_on_prompt=False)


GPU_NEEDS = (
    "flash_attention_2 needs a GPU",
    "needs flash_attn",
    "vllm is not installed",
    "colocate needs a GPU",
)
REAL_SIZE = {
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 32,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "vocab_size": 200064,
}
"""Phi-4-mini-instruct's config.json."""


def planned(tmp_path, *changes):
    """`factory run phi4_mini_reasoning --dry-run` as typed, with stand-ins; no weights are there to be loaded."""
    student = write_student("phi4_mini", tmp_path / "phi4")
    (student / "model.safetensors").unlink()
    config = json.loads((student / "config.json").read_text())
    config["rope_parameters"] |= {"short_factor": [1.0] * 48, "long_factor": [2.0] * 48}
    (student / "config.json").write_text(json.dumps(config | REAL_SIZE))
    (tmp_path / "problems.jsonl").write_text('{"problem": "What is 1 + 1?", "answer": "2"}\n')
    sets = ("problems.sources=[problems.jsonl]", f"train.student.model={student}", *changes)
    words = [word for change in sets for word in ("--set", change)]
    settings = {"OPENROUTER_API_KEY": "k", "HF_TOKEN": "t", "CUDA_VISIBLE_DEVICES": ""}
    return start_factory("run", "phi4_mini_reasoning", "--dry-run", *words, cwd=tmp_path, **settings)


def test_the_papers_recipe_is_planned_on_a_machine_without_a_gpu(tmp_path):
    """It was refused by its own preflight (pad = end of turn), and gpqa_diamond was no evaluation: after R1 was paid."""
    before = set(tmp_path.iterdir())
    done = planned(tmp_path)
    assert done.returncode == 0, done.stderr
    listed = done.stdout.partition("On the machine that runs it:")[2]
    assert all(need in listed for need in GPU_NEEDS)
    assert "padding token <|pad|>" in done.stderr and "3,836,021,760 parameters" in done.stderr
    for stage in STAGES:
        (line,) = (line for line in done.stderr.splitlines() if f"{stage}: " in line and "GiB" in line)
        assert "weights 14.3, gradients and moments 42.9" in line
    assert (
        "disk: 77 GB for the models of all stages, 138 GB more while a stage keeps checkpoints" in done.stderr
    )
    assert {p.name for p in set(tmp_path.iterdir()) - before} == {"phi4", "problems.jsonl"}


def test_a_student_that_cannot_be_trained_is_refused_before_a_teacher_is_paid(tmp_path):
    (tmp_path / "bad.jinja").write_text("{% for m in messages %}{{ raise_exception('no') }}{% endfor %}")
    done = planned(tmp_path, "train.student.chat_template=bad.jinja")
    assert done.returncode == 2 and "chat template refuses" in done.stderr
