"""Where everything of a run lies. The pipeline writes these folders, the report, viewer, card and trainer read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STAGES = ("midtrain", "sft", "dpo", "rl")
"""Training stages in order; `base` stands before them."""

DATASETS = ("midtrain", "sft", "preference", "rl")
"""Training sets in the order in which they are made."""


@dataclass(frozen=True, slots=True)
class RunLayout:
    """Paths below one run folder. Folders with parts hold `part-*.parquet`, `dropped/` and `_manifest.json`."""

    run: Path
    shared_store: Path | None = None
    """A response store that several runs share; the run has its own when None."""

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.run / "recipe.yaml"

    @property
    def ledger(self) -> Path:
        """The books of every step."""
        return self.run / "ledger.json"

    @property
    def problems(self) -> Path:
        """Problems as read from the sources (PROBLEM)."""
        return self.run / "problems" / "read"

    @property
    def held_out(self) -> Path:
        """Problems set aside for evaluation (PROBLEM)."""
        return self.run / "problems" / "held_out"

    @property
    def unique_problems(self) -> Path:
        """Problems after deduplication (PROBLEM + cluster_id)."""
        return self.run / "problems" / "unique"

    @property
    def clean_problems(self) -> Path:
        """Problems after decontamination: what the teacher is asked (PROBLEM + cluster_id)."""
        return self.run / "problems" / "clean"

    @property
    def responses(self) -> Path:
        """Teacher responses (RESPONSE)."""
        return self.run / "responses" / "teacher"

    @property
    def verdicts(self) -> Path:
        """Teacher responses with verdicts (VERDICT)."""
        return self.run / "verdicts" / "teacher"

    @property
    def unique_verdicts(self) -> Path:
        """Verdict rows after response deduplication (VERDICT + cluster_id)."""
        return self.run / "verdicts" / "unique"

    @property
    def clean_verdicts(self) -> Path:
        """Verdict rows after the responses were checked against the benchmarks (VERDICT + cluster_id)."""
        return self.run / "verdicts" / "clean"

    @property
    def labelled(self) -> Path:
        """Verdict rows with domain, level and repetition (LABELLED)."""
        return self.run / "verdicts" / "labelled"

    def selected(self, dataset: str) -> Path:
        """Rows chosen for a training set, before they are sharded."""
        return self.run / "selected" / dataset

    def dataset(self, dataset: str) -> Path:
        """A finished training set: `train-00000-of-000NN.parquet` and `_manifest.json`."""
        return self.run / "datasets" / dataset

    @property
    def rollouts(self) -> Path:
        """Student rollouts with verdicts (VERDICT)."""
        return self.run / "difficulty" / "rollouts"

    @property
    def difficulty(self) -> Path:
        """Pass-rate posterior of every rolled-out problem (DIFFICULTY)."""
        return self.run / "difficulty" / "problems"

    def stage(self, stage: str) -> Path:
        """A training stage's folder: `final/`, `manifest.json`, logs. `base` holds the untrained student."""
        return self.run / "train" / stage

    def checkpoint(self, stage: str) -> Path:
        """The stage's finished model and tokenizer."""
        return self.stage(stage) / "final"

    def evaluation(self, stage: str) -> Path:
        """The evaluation after a stage: `summary.json` and a folder of graded responses a benchmark."""
        return self.run / "eval" / stage

    @property
    def store(self) -> Path:
        """The response store: every response that was paid for."""
        return self.shared_store or self.run / "store"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.run / "report.html"
