"""Stage `base`: the student that all others start from, and everything about it that shows before it is trained."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, AutoModelForCausalLM

from factory.config.train import StudentSection
from factory.run.layout import STAGES
from train.configs import KEPT
from train.data import encode, training_texts
from train.plan import GIB, PROMPTED, card_bytes, device_memory, vllm_share
from train.say import say
from train.stage import Job, data_files
from train.stages import finished_folder, processes
from train.student import empty_model, load_tokenizer, loaded, long_factors, switch_length, write_tiny
from train.tokens import settle_tokens


def build_base(job: Job) -> dict[str, Any]:
    """Stage `base`: build the tiny student, or copy the checkpoint that the recipe names. Returns fields of `Trained`."""
    student = job.section
    tokens: dict[str, Any] = {}
    with finished_folder(job) as folder:
        if not processes().is_main_process:
            pass
        elif student.model == "tiny":
            write_tiny(student, training_texts(data_files(job)), folder, job.recipe.seed)
        else:
            model = loaded(AutoModelForCausalLM, student.checkpoint, student.revision)
            tokenizer, tokens = settled(student, model)
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    return {"tokens": tokens}


def settled(student: StudentSection, model: Any) -> tuple[Any, dict[str, Any]]:
    """The student's tokenizer with its special tokens settled, in `model` too, and the facts for the manifest."""
    tokenizer = load_tokenizer(student.checkpoint, student.chat_template, student.revision)
    if student.long_factors:
        long_factors(model.config)
    tokens, said = settle_tokens(tokenizer, model, student.pad_token)
    say(said)
    return tokenizer, tokens


def check_student(job: Job) -> list[str]:
    """Everything about a public student that shows without its weights, before data are made for it.

    Returns:
        Lines on what training it needs, at the longest rows that the recipe allows.

    Raises:
        UsageError: it cannot be loaded, has no usable chat template, or its tokens cannot be settled.
    """
    student, train = job.section, job.recipe.train
    assert train is not None
    if student.model == "tiny":
        return ["nothing to check"]
    model = empty_model(loaded(AutoConfig, student.checkpoint, student.revision))
    tokenizer, _ = settled(student, model)
    question, answer = ({"role": role, "content": "x"} for role in ("user", "assistant"))
    system = [{"role": "system", "content": job.recipe.datasets.system}] if job.recipe.datasets.system else []
    encode(tokenizer, [*system, question], [answer], loss_on_prompt=False)
    switch = switch_length(model.config)
    lines = [f"{model.num_parameters():,} parameters"]
    if switch:
        lines.append(f"rows on both sides of {switch} tokens need train.student.long_factors=true (LongRoPE)")
    jobs = [Job(job.recipe, job.layout, stage) for stage in STAGES if getattr(train, stage).enabled]
    size = 4 * model.num_parameters() / 1e9  # a checkpoint holds Adam's two moments, too
    moments = "" if train.lora else f", {3 * size * (KEPT + 1):.0f} GB more while a stage keeps checkpoints"
    disk = f"disk: {size * (1 + len(jobs)):.0f} GB for the models of all stages{moments}"
    return [*lines, *(_needs(each, model) for each in jobs), disk]


def _needs(job: Job, model: Any) -> str:
    """One line: the memory that a stage needs on one device."""
    section, card = job.section, card_bytes()
    prompted = job.stage in PROMPTED
    longest = section.max_prompt_length + section.max_completion_length if prompted else section.max_length
    parts = device_memory(job, model, float(longest), card)
    shown = ", ".join(f"{name.replace('_', ' ')} {value / GIB:.1f}" for name, value in parts.items() if value)
    vllm = f"; of the card {vllm_share(section):.0%} more for vLLM" if "vllm" in parts and not card else ""
    return f"{job.stage}: {sum(parts.values()) / GIB:.1f} GiB on one device ({shown}{vllm})"
