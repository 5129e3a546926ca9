"""What a training stage was made of: its parent, its data, its settings. Equal key, equal stage: nothing to do.

A stage's folder is `checkpoints/` while it runs and `final/` plus `manifest.json` when it is done. The manifest is
written last.
"""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import factory
from factory.atomic import digest, file_digest, read_json, write_json
from factory.config.recipe import Recipe
from factory.errors import UsageError
from factory.run.layout import STAGES, RunLayout
from factory.run.parts import MANIFEST, check_parts, input_digest
from factory.run.step import finish_step
from factory.run.tables import file_facts
from factory.verification.key import checking

SETS = {"base": "midtrain", "midtrain": "midtrain", "sft": "sft", "dpo": "preference", "rl": "rl"}
"""Which training set a stage reads; the tiny student's vocabulary is learnt from the midtrain set."""

UNDECIDING = {"enabled": True, "save_every": True, "chat_template": True}
"""Settings of a stage that do not decide what comes out; of the chat template its content does."""

PACKAGES = ("torch", "transformers", "trl", "accelerate", "datasets", "peft", "tokenizers", "vllm")


@dataclass(frozen=True, slots=True)
class Job:
    """One stage of one run."""

    recipe: Recipe
    layout: RunLayout
    stage: str

    @property
    def section(self) -> Any:
        """The stage's part of the recipe; for `base`, the student's."""
        assert self.recipe.train is not None
        return self.recipe.train.student if self.stage == "base" else getattr(self.recipe.train, self.stage)

    @property
    def folder(self) -> Path:
        """`RUN/train/<stage>`."""
        return self.layout.stage(self.stage)

    @property
    def final(self) -> Path:
        """The finished model and tokenizer."""
        return self.layout.checkpoint(self.stage)

    @property
    def checkpoints(self) -> Path:
        """Where an unfinished stage keeps what it needs to go on."""
        return self.folder / "checkpoints"

    @property
    def parent(self) -> str | None:
        """The stage that this one starts from: the nearest enabled one before it, or `base`."""
        assert self.recipe.train is not None
        if self.stage == "base":
            return None
        before = STAGES[: STAGES.index(self.stage)]
        enabled = [name for name in before if getattr(self.recipe.train, name).enabled]
        return enabled[-1] if enabled else "base"

    @property
    def data(self) -> Path:
        """The training set's folder."""
        return self.layout.dataset(SETS[self.stage])

    @property
    def reads_data(self) -> bool:
        """False for a base student that is copied, not built."""
        return self.stage != "base" or self.section.model == "tiny"


def data_files(job: Job) -> list[Path]:
    """The shards of the stage's training set, in order.

    Raises:
        UsageError: there are none.
    """
    files = sorted(job.data.glob("train-*.parquet"))
    if not files:
        raise UsageError(
            f"stage {job.stage} needs {job.data}/train-*.parquet, which is not there",
            do="make the set first: factory run RECIPE",
        )
    return files


def parent_manifest(job: Job) -> dict[str, Any] | None:
    """The manifest of the parent stage, checked against the parent's weights.

    Raises:
        UsageError: the parent is not trained, or its weights are not those that its manifest names.
    """
    if job.parent is None:
        return None
    folder = job.layout.stage(job.parent)
    if not (folder / "manifest.json").exists():
        raise UsageError(
            f"stage {job.stage} starts from {job.parent}, which is not trained yet ({folder})",
            do=f"python -m train.run --stage {job.parent} --recipe ... --run {job.layout.run}",
        )
    manifest: dict[str, Any] = read_json(folder / "manifest.json")
    if manifest["model_digest"] != model_digest(folder / "final"):
        raise UsageError(
            f"{folder / 'final'} is not the model that its manifest describes",
            do=f"delete {folder} and train {job.parent} again",
        )
    return manifest


def job_inputs(job: Job) -> dict[str, Any]:
    """Everything that decides what the stage makes; its digest is the stage's key."""
    recipe = job.recipe
    assert recipe.train is not None
    parent = parent_manifest(job)
    settings = job.section.model_dump(mode="json", exclude=UNDECIDING)
    shared: dict[str, Any] = {"precision": recipe.train.precision, "lora": None}
    shared["chat_template"] = _template(job)
    if job.stage != "base":
        shared["lora"] = recipe.train.lora.model_dump(mode="json") if recipe.train.lora else None
    if job.stage == "rl":
        shared["verify"] = checking(recipe.verify)
    return {
        "stage": job.stage,
        "factory": factory.__version__,
        "seed": recipe.seed,
        "settings": settings,
        "shared": shared,
        "data": set_digest(job) if job.reads_data else None,
        "parent": parent["model_digest"] if parent else None,
    }


def _template(job: Job) -> str | None:
    """Digest of the chat template that the recipe names. Every stage loads it; the tiny base has its own."""
    assert job.recipe.train is not None
    student = job.recipe.train.student
    if student.chat_template is None or (job.stage == "base" and student.model == "tiny"):
        return None
    path = Path(student.chat_template)
    return file_digest(path) if path.is_file() else digest(student.chat_template)


def set_digest(job: Job) -> str:
    """Digest of the stage's training set.

    Raises:
        UsageError: there is none.
        FactoryError: a file of it is not the one that was exported.
    """
    data_files(job)
    if (job.data / MANIFEST).exists():
        check_parts(job.data)
    return input_digest(job.data)


def model_digest(folder: Path) -> str:
    """Digest of a checkpoint's weights and tokenizer, whatever the files' times."""
    return digest([(path.name, file_digest(path)) for path in sorted(folder.iterdir()) if _is_model(path)])


def _is_model(path: Path) -> bool:
    """Weights, tokenizer and their settings; no card, no trainer state."""
    kept = (".safetensors", ".json", ".jinja", ".model", ".txt", ".bin")
    return path.suffix in kept and path.name not in ("training_args.bin", MANIFEST)


def finished(job: Job, key: str) -> dict[str, Any] | None:
    """The manifest of a finished stage with this key, or None when it has to be trained."""
    path = job.folder / "manifest.json"
    if not path.exists() or not job.final.is_dir():
        return None
    manifest: dict[str, Any] = read_json(path)
    return manifest if manifest.get("key") == key else None


def begin(job: Job, key: str, *, resume: bool) -> None:
    """Make the stage's folder ready.

    What another key or an abandoned attempt left is removed; with `resume`, an attempt of the same key goes on.
    """
    marker = job.folder / "started.json"
    same = marker.exists() and read_json(marker).get("key") == key
    if not (same and resume):
        shutil.rmtree(job.folder, ignore_errors=True)
    job.folder.mkdir(parents=True, exist_ok=True)
    write_json(marker, {"key": key})


def close(job: Job, key: str, inputs: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Write the manifest and remove the checkpoints: the stage is finished.

    Args:
        job: the stage.
        key: digest of `inputs`.
        inputs: see `job_inputs`.
        facts: what the training measured: steps, rows, metrics, seconds ...
    """
    parent = parent_manifest(job)
    manifest = {
        "stage": job.stage,
        "key": key,
        "inputs": inputs,
        "recipe": job.recipe.name,
        "parent": job.parent,
        "lineage": [*parent["lineage"], job.stage] if parent else ["base"],
        "base_model": parent["base_model"] if parent else job.section.model,
        "model_digest": model_digest(job.final),
        "packages": _packages(),
        "python": platform.python_version(),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **facts,
    }
    # What reads the checkpoint (evaluation, rollouts) knows it by this digest, so that writing a card changes nothing.
    lost = len(facts.get("overlong") or ()) if getattr(job.section, "overlong", "drop") == "drop" else 0
    read = facts.get("read", 0)
    files = [path for path in sorted(job.final.iterdir()) if path.is_file() and _is_model(path)]
    finish_step(
        job.final,
        f"train-{job.stage}",
        key,
        settings={"stage": inputs["settings"], **inputs["shared"], "seed": inputs["seed"]},
        inputs={name: inputs[at] for name, at in (("rows", "data"), ("model", "parent")) if inputs[at]},
        read={"rows": read} if read else {},
        rows_out=read - lost,
        dropped={"overlong": lost} if lost else {},
        totals={name: facts[name] for name in ("steps", "seconds", "metrics") if name in facts},
        files={path.name: file_facts(path) for path in files},
        output_digest=manifest["model_digest"],
    )
    write_json(job.folder / "manifest.json", manifest)
    shutil.rmtree(job.checkpoints, ignore_errors=True)
    shutil.rmtree(job.layout.run / "train" / ".cache", ignore_errors=True)
    (job.folder / "started.json").unlink(missing_ok=True)
    return manifest


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
