"""What a recipe's training needs: the student's files, packages, names that TRL knows, a GPU."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from factory.config.base import did_you_mean
from factory.config.train import StageSection, StudentSection, TrainSection
from factory.run.layout import STAGES
from factory.sampling.vllm_engine import has_gpu

TRAINER = ("torch", "transformers", "trl", "datasets", "scipy")
TRL = {"midtrain": "SFT", "sft": "SFT", "dpo": "DPO", "distill": "Distillation", "rl": "GRPO"}
"""Stage to the beginning of its TRL config's name."""


def student_faults(student: StudentSection) -> Iterator[str]:
    """Files that are not there, and names that are neither a folder nor a Hub id."""
    if student.chat_template is not None and not Path(student.chat_template).is_file():
        yield f"train.student.chat_template: {student.chat_template} does not exist"
    if student.model == "tiny":
        return
    folder = Path(student.checkpoint)
    if folder.is_dir() and not (folder / "config.json").is_file():
        yield f"train.student.model: {folder} is not a checkpoint folder (no config.json)"
    elif not folder.is_dir() and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", student.model):
        yield f"train.student.model: {student.model} is neither a folder nor a Hub id OWNER/NAME"


def training_faults(train: TrainSection) -> Iterator[str]:
    """Packages that training needs, and names that TRL does not know."""
    if missing := [name for name in TRAINER if find_spec(name) is None]:
        yield (
            f"this recipe trains a student, but {', '.join(missing)} is not installed - "
            "pip install 'cot-factory[train]', or leave the training out with --set train=null"
        )
        return
    yield from _passed_on(train)
    if train.tracker != "none" and find_spec(train.tracker) is None:
        yield f"train.tracker is {train.tracker}, which is not installed - pip install {train.tracker}, or set it to none"


def missing_hardware(train: TrainSection, *, rl: bool) -> Iterator[str]:
    """Settings that want a GPU, or a package that only a GPU can use."""
    student = train.student
    if (student.attention or "").startswith("flash_attention"):
        package = "flash_attn_interface" if student.attention == "flash_attention_3" else "flash_attn"
        if not has_gpu():
            yield f"train.student.attention: {student.attention} needs a GPU, and this machine has none - use sdpa"
        if find_spec(package) is None:
            yield f"train.student.attention: {student.attention} needs {package} - pip install flash-attn, or use sdpa"
    if rl and train.rl.vllm != "off":
        if find_spec("vllm") is None:
            yield f"train.rl.vllm is {train.rl.vllm}, but vllm is not installed - pip install 'cot-factory[vllm]', or set it to off"
        if train.rl.vllm == "colocate" and not has_gpu():
            yield "train.rl.vllm: colocate needs a GPU, and this machine has none - set it to off"


def _passed_on(train: TrainSection) -> Iterator[str]:
    """Names under `trl:` that the installed TRL does not know; it is read, not imported, which takes seconds."""
    for stage in STAGES:
        section: StageSection = getattr(train, stage)
        if not section.enabled or not section.trl:
            continue
        known = _fields_of("trl", f"trainer/{TRL[stage].lower()}_config.py")
        shared = _fields_of("trl", "trainer/base_config.py") | _fields_of("transformers", "training_args.py")
        if known and shared:  # a TRL of another layout is checked by the trainer alone
            for name in sorted(set(section.trl) - known - shared):
                near = did_you_mean(name, known | shared)
                yield f"train.{stage}.trl.{name}: {TRL[stage]}Config has no such field - {near or 'see the TRL reference'}"


def _fields_of(package: str, file: str) -> set[str]:
    """Names that a module's classes annotate."""
    spec = find_spec(package)
    path = Path(str(spec.origin)).parent / file if spec else Path(file)
    if not path.is_file():
        return set()
    classes = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ClassDef)]
    lines = [line for each in classes for line in each.body if isinstance(line, ast.AnnAssign)]
    return {line.target.id for line in lines if isinstance(line.target, ast.Name)}
