"""A training stage is a step of the run whose output is a checkpoint: what decides it, and what it left.

A stage's folder holds `checkpoints/` while it trains and `final/` with its manifest when it is done; the manifest is
written last.
"""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from factory.atomic import digest, file_digest, read_json, write_json
from factory.config.recipe import Recipe
from factory.errors import UsageError
from factory.run.layout import STAGES, RunLayout
from factory.run.parts import MANIFEST, check_parts, finish_step
from factory.run.step import Step, summary_from, summary_to
from factory.run.tables import file_facts
from factory.verification.result import checking

SETS = {
    "base": "midtrain",
    "midtrain": "midtrain",
    "sft": "sft",
    "dpo": "preference",
    "distill": "rl",
    "rl": "rl",
}
"""Which training set a stage reads; the tiny student's vocabulary is learnt from the midtrain set."""

UNDECIDING = {"enabled": True, "chat_template": True, "settings": True}
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
        """Where an unfinished stage keeps what it needs to resume."""
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


@dataclass(frozen=True, slots=True)
class Trained:
    """A stage's summary: where it comes from and what was measured."""

    recipe: str = ""
    parent: str | None = None
    lineage: list[str] = field(default_factory=list)
    base_model: str = ""
    steps: int = 0
    seconds: float = 0.0
    """Seconds of the training, from loading the weights to the last checkpoint."""
    peak_gib: float = 0.0
    """Largest memory that torch held on this process's card; 0 without one."""
    rows: int = 0
    """Rows trained on."""
    read: int = 0
    """Rows of the training set."""
    overlong: int = 0
    """Rows over the length; `preflight.json` names them."""
    tokens: dict[str, Any] = field(default_factory=dict)
    """Stage `base`: the special tokens that were settled."""
    plan: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)


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


def stage_step(job: Job) -> Step[Trained]:
    """The stage as a step.

    Raises:
        UsageError: there is no training set, or the parent is not trained.
        FactoryError: a file of either is not the one that was written.
    """
    recipe, inputs = job.recipe, {}
    assert recipe.train is not None
    settings: dict[str, Any] = {
        "stage": _settings(job.section),
        "precision": recipe.train.precision,
        "lora": recipe.train.lora.model_dump(mode="json") if recipe.train.lora and job.parent else None,
        "chat_template": _template(job),
        "seed": recipe.seed,
    }
    if job.stage == "rl":
        settings["verify"] = checking(recipe.verify)
    if job.stage == "distill" and Path(job.section.teacher).is_dir():
        settings["teacher"] = model_digest(Path(job.section.teacher))
        settings["stage"].pop("teacher")
    if job.stage != "base" or job.section.model == "tiny":
        data_files(job)
        inputs["rows"] = job.data
    elif job.section.model == "tiny_base":
        settings["base"] = model_digest(Path(job.section.checkpoint))
    if job.parent is not None:
        inputs["model"] = job.layout.checkpoint(job.parent)
        if not (inputs["model"] / MANIFEST).exists():
            raise UsageError(
                f"stage {job.stage} starts from {job.parent}, which is not trained yet ({inputs['model'].parent})",
                do=f"python -m train.run --stage {job.parent} --recipe ... --run {job.layout.run}",
            )
    return Step(f"train-{job.stage}", job.final, Trained, settings=settings, inputs=inputs)


def _settings(section: Any) -> dict[str, Any]:
    """What decides the stage."""
    kept: dict[str, Any] = section.model_dump(mode="json", exclude={*UNDECIDING, *section.as_before()})
    return kept


def _template(job: Job) -> str | None:
    """Digest of the chat template that the recipe names. Every stage loads it; the tiny base has its own."""
    assert job.recipe.train is not None
    student = job.recipe.train.student
    if student.chat_template is None or (job.stage == "base" and student.model == "tiny"):
        return None
    path = Path(student.chat_template)
    return file_digest(path) if path.is_file() else digest(student.chat_template)


def check_inputs(step: Step[Trained]) -> None:
    """Compare training set and parent with their manifests, byte by byte, before anything is trained on them.

    Raises:
        UsageError: the parent's weights are not those that its manifest names.
        FactoryError: a file of the training set is not the one that was exported.
    """
    for name, folder in step.folders.items():
        if name != "model":
            check_parts(folder)
        elif model_digest(folder) != step.inputs["model"]:
            raise UsageError(
                f"{folder} is not the model that its manifest describes",
                do=f"delete {folder.parent} and train {folder.parent.name} again",
            )


def model_digest(folder: Path) -> str:
    """Digest of a checkpoint's weights and tokenizer, whatever the files' times."""
    return digest([(path.name, file_digest(path)) for path in _model_files(folder)])


def _model_files(folder: Path) -> list[Path]:
    """Weights, tokenizer and their settings; no card, no trainer state."""
    kept = (".safetensors", ".json", ".jinja", ".model", ".txt", ".bin")
    left_out = ("training_args.bin", MANIFEST)
    return [
        p for p in sorted(folder.iterdir()) if p.is_file() and p.suffix in kept and p.name not in left_out
    ]


def begin(job: Job, step: Step[Trained], *, resume: bool) -> None:
    """Make the stage's folder ready.

    What another key or an abandoned attempt left is removed; with `resume`, an attempt of the same key is resumed.
    """
    marker = job.folder / "started.json"
    same = marker.exists() and read_json(marker).get("key") == step.key
    if not (same and resume):
        shutil.rmtree(job.folder, ignore_errors=True)
    job.folder.mkdir(parents=True, exist_ok=True)
    write_json(marker, {"key": step.key})


def close(job: Job, step: Step[Trained], measured: dict[str, Any]) -> None:
    """Write the manifest and remove the checkpoints: the stage is finished.

    `measured` are the fields of `Trained` that training gave.
    """
    parent = summary_of(job.layout, job.parent) if job.parent else None
    summary = Trained(
        job.recipe.name,
        job.parent,
        [*(parent.lineage if parent else ()), job.stage],
        parent.base_model if parent else job.section.model,
        packages=versions(),
        **measured,
    )
    # What reads the checkpoint (evaluation, rollouts) knows it by this digest, so that writing a card changes nothing.
    lost = summary.overlong if getattr(job.section, "overlong", "drop") == "drop" else 0
    finish_step(
        job.final,
        step.name,
        step.key,
        settings=step.settings,
        inputs=step.inputs,
        read={"rows": summary.read} if summary.read else {},
        rows_out=summary.read - lost,
        dropped={"overlong": lost} if lost else {},
        totals=summary_to(summary),
        files={path.name: file_facts(path) for path in _model_files(job.final)},
        output_digest=model_digest(job.final),
        seconds=summary.seconds or None,
    )
    for folder in (job.checkpoints, job.layout.run / "train" / ".cache"):
        shutil.rmtree(folder, ignore_errors=True)
    (job.folder / "started.json").unlink(missing_ok=True)


def manifest_of(layout: RunLayout, stage: str) -> dict[str, Any]:
    """The manifest of a finished stage."""
    manifest: dict[str, Any] = read_json(layout.checkpoint(stage) / MANIFEST)
    return manifest


def summary_of(layout: RunLayout, stage: str) -> Trained:
    """The summary of a finished stage."""
    return summary_from(Trained, manifest_of(layout, stage)["totals"])


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Python and the installed ones of `packages`."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
